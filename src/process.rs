//! The process: clients, signals, health endpoints and an orderly end around the operator.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::{ConfigError, RunArgs};
use crate::controllers::record::within;
use crate::http::{self, Liveness, Readiness};
use crate::metrics::Metrics;
use crate::operator::{Operator, Parts};
use crate::platform::{Roots, production};
use crate::telemetry::LogFilter;
use crate::work::progress;

/// Limit of connecting to Adobe.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the operator until SIGTERM or SIGINT; reconciles under way are finished first. `log` is changed by whoever may.
///
/// # Errors
///
/// The options, the Kubernetes configuration or the listen address cannot be used, or another replica may act
/// now.
pub async fn run(args: RunArgs, log: LogFilter) -> anyhow::Result<()> {
    let bounds = args.bounds()?;
    let endpoints = args.endpoints()?;
    let customer_io = args.customer_io()?;
    let roots = args.ca_bundle.as_deref().map(roots).transpose()?;
    let roots = roots.unwrap_or_default();
    let metrics = Arc::new(Metrics::default());
    let client = kubernetes().await?;
    let namespace = std::env::var("POD_NAMESPACE");
    let namespace = namespace.as_deref().unwrap_or(client.default_namespace());
    let election = args.leader.election(namespace).map_err(ConfigError::from)?;
    let owner = match &args.owner_id {
        Some(owner) => owner.clone(),
        None => cluster_uid(&client).await?,
    };
    info!(owner, version = env!("CARGO_PKG_VERSION"), "starting");
    let stop = CancellationToken::new();
    let operator = Operator::new(Parts {
        client,
        service: production(CONNECT_TIMEOUT, args.request_timeout, &roots)
            .context("HTTP client")?,
        endpoints,
        customer_io,
        owner,
        namespaces: args.namespaces(),
        instance: std::env::var("POD_NAME").ok(),
        request_timeout: args.request_timeout,
        bounds,
        settings: args.settings(),
        election,
        clock: Clock::starting_at(Timestamp::now()),
        random: StdRng::from_rng(&mut rand::rng()),
        metrics: Arc::clone(&metrics),
        stop: stop.clone(),
    });
    tokio::spawn(stop_on_signal(stop.clone())?);
    let (ready, tenure) = (CancellationToken::new(), operator.tenure());
    let controllers = async {
        let ended = Box::pin(operator.run(ready.clone())).await;
        stop.cancel();
        ended
    };
    // Either end of the process waits for the other: a call to AEP under way is never cut off.
    let http = async {
        let served = http::serve(
            args.listen,
            Arc::clone(&metrics),
            log,
            Liveness {
                work: Arc::clone(metrics.controllers.work()),
                limit: progress::limit(args.request_timeout),
            },
            Readiness {
                tenure,
                listed: ready.clone(),
            },
            stop.clone(),
        )
        .await;
        stop.cancel();
        served
    };
    let (ended, served) = tokio::join!(controllers, http);
    served?;
    ended.context("leadership lost; to be started again")?;
    info!("stopped");
    Ok(())
}

/// The certificates of `--ca-bundle`.
fn roots(file: &Path) -> anyhow::Result<Roots> {
    let shown = file.display();
    let bundle = std::fs::read(file).with_context(|| format!("--ca-bundle {shown}"))?;
    Roots::from_pem(&bundle).with_context(|| format!("--ca-bundle {shown}"))
}

async fn kubernetes() -> anyhow::Result<Client> {
    let mut config = kube::Config::infer().await.context(
        "no Kubernetes configuration: run in a Pod with a ServiceAccount, or set KUBECONFIG",
    )?;
    // A refused write is decided on again from what is there by then, never just sent again.
    config.default_retry = false;
    Client::try_from(config).context("Kubernetes client")
}

async fn cluster_uid(client: &Client) -> anyhow::Result<String> {
    let system = within(Api::<Namespace>::all(client.clone()).get("kube-system")).await.context(
        "cannot read the namespace kube-system, whose uid marks what is ours in AEP: allow that, or set --owner-id to a \
         name that no other cluster uses and that never changes",
    )?;
    system
        .uid()
        .context("the namespace kube-system has no uid; set --owner-id")
}

/// A future that cancels `stop` on the first signal and ends the process on the second.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        for last in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if last {
                warn!("second signal: ending at once");
                std::process::exit(1);
            }
            info!("stopping: what is under way is finished first");
            stop.cancel();
        }
    })
}

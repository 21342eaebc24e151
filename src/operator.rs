//! The operator put together from parts: everything that a process and a simulation do differently
//! (transports, clock, randomness) comes in, controllers that run come out.
//!
//! [`crate::process`] makes the parts of a real process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::channel::mpsc::{self, UnboundedReceiver};
use kube::Client;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bounded;
use crate::clock::Clock;
use crate::controllers;
use crate::controllers::context::{Context, Settings, Side, Suspicions, Watched};
use crate::controllers::drift::{self, Watch};
use crate::controllers::events::Events;
use crate::controllers::inventory::Inventory;
use crate::controllers::kind::Kind;
use crate::controllers::namespaces::Namespaces;
use crate::controllers::publisher::Publisher;
use crate::controllers::record::LIMIT;
use crate::controllers::retries::Retries;
use crate::controllers::rotation::Rotations;
use crate::controllers::runs;
use crate::controllers::secrets::{Look, Secrets};
use crate::controllers::uninstalled::Going;
use crate::controllers::webhooks::{Webhooks, watch};
use crate::customer_io::{Addresses, CustomerIo};
use crate::leader::{self, Election, Elector, Lost, Tenure};
use crate::metrics::Metrics;
use crate::plan::Service;
use crate::plan::pace::Bounds;
use crate::platform::{CallRecord, Endpoints, HttpService, Observer, Options, Platform};
use crate::resources::{AepDataflow, AepDataset, CustomerIoSource};
use crate::work::progress;

/// What an operator is made of.
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// The way to Adobe.
    pub service: HttpService,
    /// Adobe's addresses.
    pub endpoints: Endpoints,
    /// Customer.io's addresses; the way to it is that to Adobe.
    pub customer_io: Addresses,
    /// Owner in markers.
    pub owner: String,
    /// Where resources are looked after.
    pub namespaces: Namespaces,
    /// Name of this process in Events and in the election.
    pub instance: Option<String>,
    /// Limit of one call to Adobe.
    pub request_timeout: Duration,
    /// How soon failed things are tried again.
    pub bounds: Bounds,
    /// What else the command line sets.
    pub settings: Settings,
    /// The election to win before anything is done; `None`: there is never another replica.
    pub election: Option<Election>,
    /// The time of day.
    pub clock: Clock,
    /// All randomness there is.
    pub random: StdRng,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the operator is to end: no call is started any more.
    pub stop: CancellationToken,
}

/// An operator that can run.
pub struct Operator {
    context: Arc<Context>,
    looks: UnboundedReceiver<Look>,
    publisher: Publisher,
    metrics: Arc<Metrics>,
    random: StdRng,
    stop: CancellationToken,
    /// With the name of its Lease.
    elector: Option<(Elector, String)>,
}

impl Operator {
    /// Makes no call and starts nothing.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            client,
            service,
            endpoints,
            customer_io,
            owner,
            namespaces,
            instance,
            request_timeout,
            bounds,
            settings,
            election,
            clock,
            mut random,
            metrics,
            stop,
        } = parts;
        // The lease is renewed however busy the controllers are.
        let for_lease = bounded::in_time(client.clone(), LIMIT);
        let client = bounded::few(client, LIMIT);
        let options = |service| {
            let paced = Arc::clone(&metrics);
            Options {
                request_timeout,
                observer: Some(observer(&metrics, service)),
                budget_observer: Some(Arc::new(move |record| paced.calls.paced(service, record))),
                ..Options::default()
            }
        };
        let (look, looks) = mpsc::unbounded();
        let work = Arc::clone(metrics.controllers.work());
        let mut side = |word| {
            let random = StdRng::seed_from_u64(random.random());
            Side::new(Retries::new(bounds, random), work.queue(word))
        };
        // In this order: each draws from the same source of chance.
        let sources = side(CustomerIoSource::WORD);
        let dataflows = side(AepDataflow::WORD);
        let datasets = side(AepDataset::WORD);
        let (elector, tenure) = match election {
            Some(election) => {
                let name = election.name.clone();
                metrics.process.leads(&name, false);
                let mut random = StdRng::seed_from_u64(random.random());
                let identity = leader::identity(instance.as_deref(), &mut random);
                let (elector, tenure) = Elector::new(for_lease, election, identity, clock, random);
                (Some((elector, name)), tenure)
            }
            None => (None, Tenure::unlimited()),
        };
        let service = leader::fence(service, tenure.clone());
        let platform = Platform::new(service.clone(), endpoints, options(Service::Aep));
        let (events, queued) = Events::new();
        let publisher = Publisher::new(client.clone(), instance, clock, queued);
        let context = Arc::new(Context {
            events,
            client,
            platform,
            customer_io: CustomerIo::new(service, customer_io, options(Service::CustomerIo)),
            owner,
            namespaces,
            going: Going::default(),
            secrets: Secrets::new(settings.protect_secrets, look),
            rotations: Rotations::default(),
            settings,
            clock,
            tenure,
            stop: stop.clone(),
            journal: Watched::default(),
            inventory: Inventory::default(),
            drift: Watch::default(),
            runs: runs::Watch::default(),
            webhooks: Webhooks::default(),
            metrics: Arc::clone(&metrics),
            suspicions: Suspicions::default(),
            sources,
            datasets,
            dataflows,
        });
        tell_of_tokens(&context);
        Self {
            context,
            looks,
            publisher,
            metrics,
            random,
            stop,
            elector,
        }
    }

    /// Whether this operator may act.
    pub fn tenure(&self) -> Tenure {
        self.context.tenure.clone()
    }

    /// Waits for its turn, then runs the controllers until `stop` is cancelled; reconciles under way are
    /// finished first, and only then another replica is let in. `ready` is cancelled once everything there
    /// is has been seen.
    ///
    /// # Errors
    ///
    /// Another replica may act now. What was under way has ended; this operator is of no use any more.
    pub async fn run(self, ready: CancellationToken) -> Result<(), Lost> {
        let Self {
            context,
            looks,
            publisher,
            metrics,
            mut random,
            stop,
            elector,
        } = self;
        let chance = StdRng::seed_from_u64(random.random());
        let runs = runs::run(Arc::clone(&context), chance, stop.clone());
        let random = Mutex::new(random);
        let webhooks = watch::run(Arc::clone(&context), &random, stop.clone());
        let drift = drift::run(Arc::clone(&context), &random, stop.clone());
        let drift = async {
            futures::join!(drift, webhooks);
        };
        let controllers =
            controllers::run(context, looks, Arc::clone(&metrics), ready, stop.clone());
        let ended = CancellationToken::new();
        let acting = async {
            futures::join!(controllers, drift, runs);
            ended.cancel();
        };
        let Some((mut elector, lease)) = elector else {
            futures::join!(acting, publisher.run(&ended));
            return Ok(());
        };
        if !elector.campaign(&stop).await {
            return Ok(());
        }
        metrics.process.leads(&lease, true);
        let leading = async {
            let held = elector.keep(ended.cancelled()).await;
            metrics.process.leads(&lease, false);
            // Lost: no call is started any more.
            stop.cancel();
            held
        };
        let (held, (), ()) = futures::join!(leading, acting, publisher.run(&ended));
        held
    }
}

/// When the first token ends is asked when metrics are. Weak, because the platform counts its calls in the metrics:
/// neither would ever go.
fn tell_of_tokens(context: &Arc<Context>) {
    let (asked, clock) = (Arc::downgrade(context), context.clock);
    context.metrics.calls.ask_about_tokens(Box::new(move || {
        let end = asked.upgrade()?.platform.first_token_end()?;
        let left = end.saturating_duration_since(Instant::now());
        let now = clock.exact().as_duration();
        Some(now.as_secs_f64() + left.as_secs_f64())
    }));
}

/// Counts calls, and takes the end of one that a reconcile made for progress.
fn observer(metrics: &Arc<Metrics>, service: Service) -> Observer {
    let metrics = Arc::clone(metrics);
    Arc::new(move |call: CallRecord| {
        metrics.calls.called(service, &call);
        if progress::is_within_a_reconcile() {
            metrics.controllers.work().moved();
        }
    })
}

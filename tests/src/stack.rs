//! All of it together: control plane, emulated platform, and the operator with the rights its chart grants.

use std::{
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tokio::time::sleep;

use crate::{
    control_plane::{self, ControlPlane},
    emulator::EmulatorServer,
    http,
    install::{Installed, RELEASE, install, install_release},
    operator_process::{OperatorCommand, OperatorProcess},
    ports,
    restart::Restart,
    story::Story,
};

pub use crate::install::{Chart, Release};

/// The longest the operator may take until it is ready.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// The lease of a playground's operator: one that is killed is missed for this long.
const LEASE: Duration = Duration::from_secs(5);
/// What Kubernetes gives a pod to end.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What to start and how.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// The operator's executable; in a test of the root package `env!("CARGO_BIN_EXE_aep-operator")`.
    pub operator: PathBuf,
    /// More arguments for `aep-operator run`.
    pub operator_args: Vec<OsString>,
    /// More variables for it.
    pub operator_env: Vec<(OsString, OsString)>,
    /// What happens when it dies.
    pub restart: Restart,
    /// The lease of its leader election. Shorter than the operator's own default, because a killed operator that is
    /// started again waits for it.
    pub lease: Duration,
    /// How the emulated platform behaves.
    pub emulator: aep_emulator::Options,
    /// The control plane; helm is added.
    pub control_plane: control_plane::Options,
    /// What is installed; none: this checkout's chart.
    pub release: Option<Release>,
    /// What of the chart is not as by default.
    pub chart: Chart,
    /// Who is told what happens.
    pub story: Story,
}

impl StackOptions {
    /// For tests: silent, without controller manager, all else as in the demo.
    pub fn new(operator: impl Into<PathBuf>) -> Self {
        Self {
            operator: operator.into(),
            operator_args: Vec::new(),
            operator_env: Vec::new(),
            restart: Restart::default(),
            lease: LEASE,
            emulator: aep_emulator::Options::default(),
            control_plane: control_plane::Options::default(),
            release: None,
            chart: Chart::default(),
            story: Story::silent(),
        }
    }
}

/// A running stack. Dropping it ends everything at once; [`Stack::stop`] is kinder to the operator.
#[derive(Debug)]
pub struct Stack {
    // Dropped in this order: the operator before what it talks to.
    operator: Replica,
    replicas: ReplicaSet,
    emulator: EmulatorServer,
    control_plane: ControlPlane,
    story: Story,
}

impl Stack {
    /// Starts everything; returns once the operator says it is ready.
    pub async fn start(options: StackOptions) -> Result<Self> {
        let story = options.story;
        let plane_options = control_plane::Options {
            helm: true,
            ..options.control_plane.clone()
        };
        story.step("starting etcd and kube-apiserver");
        let control_plane = ControlPlane::start(plane_options).await?;
        story.step(&format!(
            "the control plane is ready at {}",
            control_plane.url()
        ));
        let emulator = EmulatorServer::start(options.emulator.clone())?;
        story.step(&format!(
            "the emulated platform serves at {}",
            emulator.url()
        ));
        let installed = match &options.release {
            None => install(&control_plane, &options.chart).await?,
            Some(release) => install_release(&control_plane, release).await?,
        };
        story.step(
            "the chart is applied: CRDs are established; the operator has the rights it grants, no more",
        );
        let replicas = ReplicaSet { installed, options };
        let operator = replicas
            .start(RELEASE, emulator.url(), &control_plane)
            .await?;
        story.step(&format!(
            "the operator is ready (process {})",
            operator.process.pid()
        ));
        Ok(Self {
            operator,
            replicas,
            emulator,
            control_plane,
            story,
        })
    }

    /// Starts another operator beside the first, with the same options; returns once it is ready, which is when it
    /// stands by. It ends when it is dropped. It calls the platform by the name `localhost`, so that the platform's
    /// request log tells its calls from those of the first.
    pub async fn start_replica(&self, name: &str) -> Result<Replica> {
        let platform = self.emulator.url().replace("127.0.0.1", "localhost");
        self.replicas
            .start(name, &platform, &self.control_plane)
            .await
    }

    /// The control plane, with kubectl.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// The same, to be started anew.
    pub fn control_plane_mut(&mut self) -> &mut ControlPlane {
        &mut self.control_plane
    }

    /// The emulated platform.
    pub fn emulator(&self) -> &EmulatorServer {
        &self.emulator
    }

    /// The operator's process.
    pub fn operator(&self) -> &OperatorProcess {
        &self.operator.process
    }

    /// Who is told what happens.
    pub fn story(&self) -> &Story {
        &self.story
    }

    /// Where the operator shows its metrics; the same over restarts.
    pub fn metrics_url(&self) -> String {
        self.operator.metrics_url()
    }

    /// What the operator's metrics say now.
    pub async fn metrics(&self) -> Result<String> {
        self.operator.metrics().await
    }

    /// Waits until the operator says it is ready: after a restart. It may be standing by, while the lease of a killed
    /// one lasts.
    pub async fn operator_ready(&self) -> Result<()> {
        self.operator.ready().await
    }

    /// Has the operator end as in a cluster, then ends the rest. An operator that does not end well is an error.
    pub async fn stop(self) -> Result<()> {
        self.operator.process.stop(STOP_LIMIT).await
    }
}

/// One operator process and where it listens.
#[derive(Debug)]
pub struct Replica {
    process: OperatorProcess,
    listen: String,
}

impl Replica {
    /// Its process.
    pub fn process(&self) -> &OperatorProcess {
        &self.process
    }

    /// Where it shows its metrics.
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.listen)
    }

    /// What its metrics say now.
    pub async fn metrics(&self) -> Result<String> {
        let answer = http::client()?.get(self.metrics_url()).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Waits until it says it is ready: it leads and has seen everything, or it stands by.
    pub async fn ready(&self) -> Result<()> {
        until_ready(&self.process, &self.listen).await
    }
}

/// What every operator of this stack is started with.
#[derive(Debug)]
struct ReplicaSet {
    installed: Installed,
    options: StackOptions,
}

impl ReplicaSet {
    async fn start(&self, name: &str, platform: &str, plane: &ControlPlane) -> Result<Replica> {
        const ATTEMPTS: usize = 3;
        let mut attempt = 1;
        loop {
            let listen = format!("127.0.0.1:{}", ports::free()?);
            let command = self.command(name, platform, &listen, plane.log_path(name))?;
            let process = OperatorProcess::start(command, plane)?;
            let replica = Replica { process, listen };
            match replica.ready().await {
                Ok(()) => return Ok(replica),
                // Somebody took the port between our look and its start.
                Err(_) if attempt < ATTEMPTS && replica.process.log_tail().contains("in use") => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The chart's container, told where the emulated platform is.
    fn command(
        &self,
        name: &str,
        platform: &str,
        listen: &str,
        log: PathBuf,
    ) -> Result<OperatorCommand> {
        let options = &self.options;
        // The same host by another name, so that a call shows which region it is for.
        let europe = platform.replace("127.0.0.1", "localhost");
        let installed = self.installed.args(listen).into_iter();
        let mut args: Vec<OsString> = installed.map(OsString::from).collect();
        args.extend(
            [
                "--platform-url",
                platform,
                "--ims-url",
                platform,
                "--customer-io-us-url",
                platform,
                "--customer-io-eu-url",
                &europe,
            ]
            .map(OsString::from),
        );
        args.extend(options.operator_args.iter().cloned());
        let installed = self.installed.env(name)?.into_iter();
        let mut env: Vec<(OsString, OsString)> = installed
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        env.extend([
            (
                "KUBECONFIG".into(),
                self.installed.kubeconfig.clone().into(),
            ),
            // Not a flag, so that one of the caller's can say otherwise.
            (
                "AEP_OPERATOR_LEASE_DURATION".into(),
                format!("{}ms", options.lease.as_millis()).into(),
            ),
        ]);
        env.extend(options.operator_env.iter().cloned());
        Ok(OperatorCommand {
            program: options.operator.clone(),
            args,
            env,
            log,
            restart: options.restart,
        })
    }
}

/// Waits for /readyz. An operator that died twice meanwhile will not get better.
async fn until_ready(operator: &OperatorProcess, listen: &str) -> Result<()> {
    let client = http::client()?;
    let url = format!("http://{listen}/readyz");
    let deadline = Instant::now() + READY_LIMIT;
    let deaths = operator.deaths();
    loop {
        let reason = match client.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => format!("/readyz answers {}", answer.status()),
            Err(_) => "/readyz does not answer".to_owned(),
        };
        if operator.deaths() >= deaths + 2 {
            bail!("the operator dies while it starts; {}", operator.log_tail());
        }
        if Instant::now() > deadline {
            bail!(
                "the operator was not ready within {} s ({reason}); {}",
                READY_LIMIT.as_secs(),
                operator.log_tail()
            );
        }
        sleep(Duration::from_millis(25)).await;
    }
}

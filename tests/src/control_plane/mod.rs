//! A real control plane on loopback: etcd, kube-apiserver with RBAC and, on request, kube-controller-manager.
//!
//! # Guarantees
//! - [`ControlPlane::start`] returns once kube-apiserver says it is ready, within a bounded time; an error shows the end of
//!   the log of the component that failed.
//! - Several run side by side: each has its own ports, certificates and folder.
//! - Dropping it ends every process and removes the folder. So does the death of this process by any cause (see
//!   the warden in `process`).
//!
//! # Caveats
//! The garbage collector learns of a new CRD within half a minute, as in every cluster. etcd listens without TLS, on
//! loopback: whoever has an account on this machine can read it.

mod clients;
mod commands;
mod files;
mod pki;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::Signal;
use tokio::{net::TcpStream, time::sleep};

use crate::{
    binaries::{Binaries, Tool},
    http, ports,
    process::{Process, Warden, tail},
};
pub use clients::Output;
use files::{Credentials, Folder, write_kubeconfig};
use pki::Pki;

/// Between two looks at a component that starts.
const POLL: Duration = Duration::from_millis(25);
/// New ports are tried this often if somebody takes ours first.
const ATTEMPTS: usize = 4;

/// What to start and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Also run kube-controller-manager: namespace deletion, garbage collection and default ServiceAccounts need it.
    pub controller_manager: bool,
    /// Also find helm, for [`ControlPlane::helm`].
    pub helm: bool,
    /// Where kube-apiserver writes its audit log, if it shall; bodies of Secrets stay out of it.
    pub audit_log: Option<PathBuf>,
    /// More flags for kube-apiserver.
    pub apiserver_args: Vec<String>,
    /// The longest each component may take until it is ready.
    pub start_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controller_manager: false,
            helm: false,
            audit_log: None,
            apiserver_args: Vec::new(),
            start_limit: Duration::from_mins(2),
        }
    }
}

/// A running control plane.
#[derive(Debug)]
pub struct ControlPlane {
    binaries: Binaries,
    url: String,
    kubeconfig: PathBuf,
    // Fields are dropped in this order: clients before servers, the folder last.
    controller_manager: Option<Process>,
    apiserver: Component,
    _etcd: Process,
    warden: Arc<Warden>,
    folder: Folder,
    start_limit: Duration,
}

/// A process and how it was started.
#[derive(Debug)]
struct Component {
    process: Process,
    command: Command,
}

impl ControlPlane {
    /// Finds (or builds) the programs and starts them.
    pub async fn start(options: Options) -> Result<Self> {
        let mut tools = vec![Tool::Etcd, Tool::KubeApiserver, Tool::Kubectl];
        if options.helm {
            tools.push(Tool::Helm);
        }
        if options.controller_manager {
            tools.push(Tool::KubeControllerManager);
        }
        let binaries = Binaries::find(&tools).await?;
        Self::start_with(binaries, options).await
    }

    /// Starts programs found before.
    pub async fn start_with(binaries: Binaries, options: Options) -> Result<Self> {
        let folder = Folder::new()?;
        let warden = Arc::new(Warden::start(folder.removable())?);
        let pki = Pki::generate()?;
        folder.write_pki(&pki)?;
        if options.audit_log.is_some() {
            fs::write(
                folder.path().join("audit-policy.json"),
                commands::AUDIT_POLICY,
            )?;
        }
        let start = Start {
            binaries: &binaries,
            folder: &folder,
            warden: &warden,
            options: &options,
        };
        let (etcd, etcd_port) = with_new_ports(|| start.etcd()).await?;
        let (apiserver, port) = with_new_ports(|| start.apiserver(etcd_port, &pki)).await?;
        let url = format!("https://127.0.0.1:{port}");
        let kubeconfig = write_kubeconfig(
            &folder,
            "kubeconfig",
            &url,
            "default",
            &Credentials::Certificate(&pki.admin),
        )?;
        let controller_manager = if options.controller_manager {
            Some(start.controller_manager(&url, &pki)?)
        } else {
            None
        };
        let mut plane = Self {
            binaries,
            url,
            kubeconfig,
            controller_manager,
            apiserver,
            _etcd: etcd,
            warden,
            folder,
            start_limit: options.start_limit,
        };
        plane.wait_for_controllers(options.start_limit).await?;
        Ok(plane)
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// The URL of kube-apiserver.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The log of `etcd`, `kube-apiserver`, `kube-controller-manager` or whatever else runs in this folder.
    pub fn log_path(&self, component: &str) -> PathBuf {
        self.folder.log(component)
    }

    /// The folder of this run, which goes away with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills kube-apiserver and starts it again; returns once it is ready. It forgets the past, as on an upgrade of the
    /// cluster: whoever watches has to list anew.
    pub async fn restart_apiserver(&mut self) -> Result<()> {
        let Component { process, command } = &mut self.apiserver;
        // Its port is free only once it has ended.
        process.signal(Signal::KILL)?;
        while process.exited()?.is_none() {
            sleep(POLL).await;
        }
        let name = Tool::KubeApiserver.name();
        let log = self.folder.log(name);
        *process = Process::spawn(name, command, Some(&log), &self.warden)?;
        let deadline = Instant::now() + self.start_limit;
        while !self.is_ready().await {
            ensure!(
                Instant::now() < deadline,
                "{name} is not ready again; {}",
                tail(&log)
            );
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn is_ready(&self) -> bool {
        let asked = self.kubectl(&["get", "--raw=/readyz"], None).await;
        asked.is_ok_and(|output| output.status.success())
    }

    pub(crate) fn warden(&self) -> &Arc<Warden> {
        &self.warden
    }

    /// The controller manager works once it has made the ServiceAccount that every namespace gets.
    async fn wait_for_controllers(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while let Some(process) = &mut self.controller_manager {
            let log = self.folder.log("kube-controller-manager");
            if let Some(status) = process.exited()? {
                bail!("kube-controller-manager ended ({status}); {}", tail(&log));
            }
            let args = [
                "get",
                "serviceaccount",
                "default",
                "--namespace=default",
                "--output=name",
            ];
            if self.kubectl(&args, None).await?.status.success() {
                break;
            }
            if Instant::now() > deadline {
                bail!(
                    "kube-controller-manager made no ServiceAccount within {} s; {}",
                    limit.as_secs(),
                    tail(&log)
                );
            }
            sleep(POLL * 4).await;
        }
        Ok(())
    }
}

/// A component failed because somebody took its port between our look and its start.
#[derive(Debug)]
struct PortTaken(anyhow::Error);

/// Calls `start` again with new ports as long as that is what fails.
async fn with_new_ports<T, F>(start: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<Result<T, PortTaken>>>,
{
    let mut last = anyhow!("nothing was tried");
    for _ in 0..ATTEMPTS {
        match start().await? {
            Ok(started) => return Ok(started),
            Err(PortTaken(error)) => last = error,
        }
    }
    Err(last.context("every port tried was taken by somebody else"))
}

/// What all components need to start.
struct Start<'a> {
    binaries: &'a Binaries,
    folder: &'a Folder,
    warden: &'a Arc<Warden>,
    options: &'a Options,
}

impl Start<'_> {
    async fn etcd(&self) -> Result<Result<(Process, u16), PortTaken>> {
        let (port, peer_port) = (ports::free()?, ports::free()?);
        let mut command = commands::etcd(
            self.binaries.path(Tool::Etcd)?,
            self.folder,
            port,
            peer_port,
        );
        let process = self.spawn(Tool::Etcd, &mut command)?;
        let ready = || async move {
            match TcpStream::connect(("127.0.0.1", port)).await {
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        };
        let started = self.until_ready(Tool::Etcd, process, ready).await?;
        Ok(started.map(|process| (process, port)))
    }

    async fn apiserver(
        &self,
        etcd_port: u16,
        pki: &Pki,
    ) -> Result<Result<(Component, u16), PortTaken>> {
        let port = ports::free()?;
        let mut command = commands::apiserver(
            self.binaries.path(Tool::KubeApiserver)?,
            self.folder,
            etcd_port,
            port,
            self.options.audit_log.as_deref(),
            &self.options.apiserver_args,
        );
        let process = self.spawn(Tool::KubeApiserver, &mut command)?;
        let client = http::client_trusting(&pki.authority)?;
        let url = format!("https://127.0.0.1:{port}/readyz");
        // Anonymous: RBAC lets everybody see /readyz once its own roles are there, so 200 also says that RBAC works.
        let ready = || async {
            match client.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(format!("/readyz answers {}", answer.status())),
                Err(error) => Err(error.to_string()),
            }
        };
        let started = self
            .until_ready(Tool::KubeApiserver, process, ready)
            .await?;
        Ok(started.map(|process| (Component { process, command }, port)))
    }

    fn controller_manager(&self, url: &str, pki: &Pki) -> Result<Process> {
        let kubeconfig = write_kubeconfig(
            self.folder,
            "controller-manager.kubeconfig",
            url,
            "default",
            &Credentials::Certificate(&pki.controller_manager),
        )?;
        let program = self.binaries.path(Tool::KubeControllerManager)?;
        let mut command = commands::controller_manager(program, self.folder, &kubeconfig);
        self.spawn(Tool::KubeControllerManager, &mut command)
    }

    fn spawn(&self, tool: Tool, command: &mut Command) -> Result<Process> {
        let log = self.folder.log(tool.name());
        // A second attempt starts a new log: the old one would claim that the port is taken.
        let _ = fs::remove_file(&log);
        Process::spawn(tool.name(), command, Some(&log), self.warden)
    }

    async fn until_ready<F>(
        &self,
        tool: Tool,
        mut process: Process,
        ready: impl Fn() -> F,
    ) -> Result<Result<Process, PortTaken>>
    where
        F: Future<Output = Result<(), String>>,
    {
        let log = self.folder.log(tool.name());
        let deadline = Instant::now() + self.options.start_limit;
        loop {
            // First the process, then the port: an answer on the port of a process that has ended is somebody else's.
            let answer = ready().await;
            if let Some(status) = process.exited()? {
                let end = tail(&log);
                let error = anyhow!("{} ended at once ({status}); {end}", tool.name());
                return if end.contains("address already in use") {
                    Ok(Err(PortTaken(error)))
                } else {
                    Err(error)
                };
            }
            match answer {
                Ok(()) => return Ok(Ok(process)),
                Err(reason) if Instant::now() > deadline => {
                    return Err(anyhow!("{reason}")).with_context(|| {
                        format!(
                            "{} was not ready within {} s; {}",
                            tool.name(),
                            self.options.start_limit.as_secs(),
                            tail(&log)
                        )
                    });
                }
                Err(_) => sleep(POLL).await,
            }
        }
    }
}

//! The operator as its own process, started again when it dies, as a Deployment would.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
pub use rustix::process::Signal;
use tokio::sync::watch;

use crate::{
    control_plane::ControlPlane,
    process::{Process, Warden, tail},
    restart::Restart,
    say,
};

/// How often the process is looked at.
const POLL: Duration = Duration::from_millis(10);

/// What to start.
#[derive(Clone, Debug)]
pub struct OperatorCommand {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to our own environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where stdout and stderr are appended, over all restarts.
    pub log: PathBuf,
    /// What happens when it dies.
    pub restart: Restart,
}

/// A supervised operator. Dropping it kills it.
#[derive(Debug)]
pub struct OperatorProcess {
    shared: Arc<Shared>,
    pids: watch::Receiver<u32>,
    supervisor: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    command: OperatorCommand,
    warden: Arc<Warden>,
    state: Mutex<State>,
    pid: watch::Sender<u32>,
}

#[derive(Debug)]
struct State {
    process: Process,
    started: Instant,
    deaths: u32,
    /// When to start again, once it has died.
    next_start: Option<Instant>,
    /// Its end is wanted: do not start it again.
    stopping: bool,
    /// The handle is gone: the supervisor goes with the process.
    released: bool,
}

impl OperatorProcess {
    /// Starts the operator and a thread that looks after it. A thread, not a task: it must outlive the runtime of a
    /// test that shares this with other tests. It dies with us as the control plane does.
    pub fn start(command: OperatorCommand, plane: &ControlPlane) -> Result<Self> {
        Self::start_guarded(command, plane.warden())
    }

    fn start_guarded(command: OperatorCommand, warden: &Arc<Warden>) -> Result<Self> {
        let process = spawn(&command, warden)?;
        let (pid, pids) = watch::channel(process.id());
        let shared = Arc::new(Shared {
            command,
            warden: Arc::clone(warden),
            state: Mutex::new(State {
                process,
                started: Instant::now(),
                deaths: 0,
                next_start: None,
                stopping: false,
                released: false,
            }),
            pid,
        });
        let supervisor = thread::Builder::new()
            .name("operator-supervisor".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.supervise()
            })
            .context("cannot start a thread")?;
        Ok(Self {
            shared,
            pids,
            supervisor: Some(supervisor),
        })
    }

    /// The process id of the present run, or of the last one.
    pub fn pid(&self) -> u32 {
        *self.pids.borrow()
    }

    /// Tells every new process id.
    pub fn pids(&self) -> watch::Receiver<u32> {
        self.pids.clone()
    }

    /// Sends a signal to the present run; `false` if there is none right now. The death is then treated as any other.
    pub fn kill(&self, signal: Signal) -> Result<bool> {
        self.shared.state().process.signal(signal)
    }

    /// Whether it runs right now.
    pub fn is_running(&self) -> bool {
        matches!(self.shared.state().process.exited(), Ok(None))
    }

    /// How often it has died by itself or by a signal since its last long run.
    pub fn deaths(&self) -> u32 {
        self.shared.state().deaths
    }

    /// Starts it now if it does not run, without waiting for the backoff.
    pub fn start_now(&self) -> Result<()> {
        let mut state = self.shared.state();
        if state.process.exited()?.is_some() {
            state.stopping = false;
            self.shared.start_again(&mut state)?;
        }
        Ok(())
    }

    /// Ends it as Kubernetes does: SIGTERM, and an error if it has not ended by the deadline (it is then killed). It is not
    /// started again.
    pub async fn stop(&self, deadline: Duration) -> Result<()> {
        {
            let mut state = self.shared.state();
            state.stopping = true;
            state.process.signal(Signal::TERM)?;
        }
        let until = Instant::now() + deadline;
        loop {
            let ended = self.shared.state().process.exited()?;
            match ended {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!(
                    "after SIGTERM the operator ended with {status}; {}",
                    self.log_tail()
                ),
                None if Instant::now() > until => {
                    self.shared.state().process.signal(Signal::KILL)?;
                    bail!(
                        "the operator did not end within {} ms of SIGTERM; {}",
                        deadline.as_millis(),
                        self.log_tail()
                    );
                }
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// The log over all runs.
    pub fn log_path(&self) -> &Path {
        &self.shared.command.log
    }

    /// The end of the log, for error messages.
    pub fn log_tail(&self) -> String {
        tail(self.log_path())
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state();
            state.stopping = true;
            state.released = true;
            // An error means that it is gone.
            let _ = state.process.signal(Signal::KILL);
        }
        if let Some(supervisor) = self.supervisor.take() {
            let _ = supervisor.join();
        }
    }
}

impl Shared {
    /// The state is whole at every moment the lock is free, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs until the handle is gone and the process has ended. A stopped operator may be started again through the
    /// handle, so stopping alone does not end this.
    fn supervise(&self) {
        loop {
            thread::sleep(POLL);
            let mut state = self.state();
            let Ok(ended) = state.process.exited() else {
                continue;
            };
            let Some(status) = ended else {
                continue;
            };
            if state.stopping {
                if state.released {
                    return;
                }
                continue;
            }
            if let Some(at) = state.next_start {
                if Instant::now() >= at
                    && let Err(error) = self.start_again(&mut state)
                {
                    say::line(&format!("the operator cannot be started again: {error:#}"));
                    state.next_start = Some(Instant::now() + Duration::from_secs(1));
                }
                continue;
            }
            if self.command.restart.forgives(state.started.elapsed()) {
                state.deaths = 0;
            }
            state.deaths = state.deaths.saturating_add(1);
            match self.command.restart.delay(state.deaths) {
                Some(delay) => {
                    say::line(&format!(
                        "the operator ended ({status}); started again in {} ms",
                        delay.as_millis()
                    ));
                    state.next_start = Some(Instant::now() + delay);
                }
                None => state.stopping = true,
            }
        }
    }

    fn start_again(&self, state: &mut State) -> Result<()> {
        state.process = spawn(&self.command, &self.warden)?;
        state.started = Instant::now();
        state.next_start = None;
        self.pid.send_replace(state.process.id());
        Ok(())
    }
}

fn spawn(command: &OperatorCommand, warden: &Arc<Warden>) -> Result<Process> {
    let mut process = Command::new(&command.program);
    process
        .args(&command.args)
        .envs(command.env.iter().map(|(name, value)| (name, value)));
    Process::spawn("the operator", &mut process, Some(&command.log), warden)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(dir: &Path, script: &str, restart: Restart) -> OperatorCommand {
        OperatorCommand {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("GREETING".into(), "hello".into())],
            log: dir.join("operator.log"),
            restart,
        }
    }

    async fn new_pid(operator: &OperatorProcess, old: u32) -> u32 {
        let mut pids = operator.pids();
        let wait = pids.wait_for(|pid| *pid != old);
        *tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .expect("it is not started again")
            .unwrap()
    }

    #[tokio::test]
    async fn a_killed_operator_comes_back_with_a_new_pid() {
        let dir = tempfile::tempdir().unwrap();
        let warden = Arc::new(Warden::start(None).unwrap());
        let command = command(
            dir.path(),
            "echo $GREETING; exec sleep 600",
            Restart::Always,
        );
        let operator = OperatorProcess::start_guarded(command, &warden).unwrap();
        for _ in 0..3 {
            let old = operator.pid();
            assert!(operator.kill(Signal::KILL).unwrap());
            assert_eq!(new_pid(&operator, old).await, operator.pid());
            assert!(operator.is_running());
        }
    }

    #[tokio::test]
    async fn a_graceful_stop_is_final_until_it_is_started_again() {
        let dir = tempfile::tempdir().unwrap();
        let warden = Arc::new(Warden::start(None).unwrap());
        let script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
        let command = command(dir.path(), script, Restart::Always);
        let operator = OperatorProcess::start_guarded(command, &warden).unwrap();
        while !operator.log_tail().ends_with("up") {
            tokio::time::sleep(POLL).await;
        }
        operator.stop(Duration::from_secs(20)).await.unwrap();
        tokio::time::sleep(POLL * 10).await;
        assert!(!operator.is_running());
        assert!(operator.log_tail().ends_with("bye"));
        let old = operator.pid();
        operator.start_now().unwrap();
        assert_ne!(operator.pid(), old);
        assert!(operator.is_running());
    }

    #[tokio::test]
    async fn an_operator_deaf_to_sigterm_is_killed_at_the_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let warden = Arc::new(Warden::start(None).unwrap());
        let script = "trap '' TERM; echo deaf; while :; do sleep 0.05; done";
        let command = command(dir.path(), script, Restart::Always);
        let operator = OperatorProcess::start_guarded(command, &warden).unwrap();
        while !operator.log_tail().ends_with("deaf") {
            tokio::time::sleep(POLL).await;
        }
        let error = operator.stop(Duration::from_millis(100)).await.unwrap_err();
        assert!(
            error.to_string().contains("did not end within 100 ms"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn without_restarts_it_stays_down() {
        let dir = tempfile::tempdir().unwrap();
        let warden = Arc::new(Warden::start(None).unwrap());
        let command = command(dir.path(), "exit 4", Restart::Never);
        let operator = OperatorProcess::start_guarded(command, &warden).unwrap();
        let pid = operator.pid();
        tokio::time::sleep(POLL * 10).await;
        assert!(!operator.is_running());
        assert_eq!(operator.pid(), pid);
        assert!(!operator.kill(Signal::TERM).unwrap());
    }
}

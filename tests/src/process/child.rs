//! One process we started: its log, its end.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::Warden;

/// A started process, leader of its own process group: the terminal's Ctrl-C does not reach it, we decide when it ends.
/// Dropping it kills the whole group at once and waits.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    ended: Option<ExitStatus>,
    warden: Arc<Warden>,
}

impl Process {
    /// Starts `command`; with a `log`, its stdout and stderr are appended there.
    pub(crate) fn spawn(
        name: &str,
        command: &mut Command,
        log: Option<&Path>,
        warden: &Arc<Warden>,
    ) -> Result<Self> {
        if let Some(log) = log {
            let file = File::options()
                .create(true)
                .append(true)
                .open(log)
                .with_context(|| format!("cannot write the log {}", log.display()))?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| {
                format!("cannot start {name} ({})", command.get_program().display())
            })?;
        warden.guard(child.id());
        Ok(Self {
            child,
            ended: None,
            warden: Arc::clone(warden),
        })
    }

    /// The process id, also after the end.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its stderr, if the command piped it.
    pub(crate) fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// The exit status once it has ended. Does not wait.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none()
            && let Some(status) = self
                .child
                .try_wait()
                .context("cannot ask for the end of a process")?
        {
            self.ended = Some(status);
            self.warden.forget(self.child.id());
        }
        Ok(self.ended)
    }

    /// Sends a signal to the process. `false` if it has ended already; as an ended process is only collected by this
    /// same struct, the number cannot belong to anybody else.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<bool> {
        if self.exited()?.is_some() {
            return Ok(false);
        }
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("cannot send {signal:?} to process {}", self.child.id()))?;
        Ok(true)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // Errors mean that it is gone, which is what is wanted.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        self.warden.forget(self.child.id());
    }
}

/// The last lines of a log, for error messages; says so when there is none.
pub(crate) fn tail(log: &Path) -> String {
    const BYTES: u64 = 16 * 1024;
    const LINES: usize = 25;
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) if text.trim().is_empty() => format!("(its log {} is empty)", log.display()),
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(LINES)..];
            format!("the end of its log {}:\n{}", log.display(), last.join("\n"))
        }
        Err(error) => format!("(its log {} cannot be read: {error})", log.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn output_goes_to_the_log_and_the_tail_shows_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("x.log");
        let warden = Arc::new(Warden::start(None).unwrap());
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "for n in $(seq 1 40); do echo line $n; done; echo bad >&2; exit 3",
        ]);
        let mut process = Process::spawn("sh", &mut command, Some(&log), &warden).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = process.exited().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(3));
        assert!(!process.signal(Signal::TERM).unwrap());
        let text = tail(&log);
        assert!(text.ends_with("line 40\nbad"), "{text}");
        assert!(!text.contains("line 10\n"), "{text}");
    }

    #[test]
    fn dropping_a_process_kills_its_whole_group() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("x.log");
        let warden = Arc::new(Warden::start(None).unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let process = Process::spawn("sh", &mut command, Some(&log), &warden).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let grandchild: i32 = loop {
            if let Ok(pid) = std::fs::read_to_string(&log)
                .unwrap_or_default()
                .trim()
                .parse()
            {
                break pid;
            }
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(10));
        };
        drop(process);
        // Its new parent collects it in its own time; a zombie still answers, so look for a while.
        let pid = Pid::from_raw(grandchild).unwrap();
        while rustix::process::test_kill_process(pid).is_ok() && !is_zombie(grandchild) {
            assert!(Instant::now() < deadline, "the grandchild still runs");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_zombie(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[test]
    fn a_missing_program_is_named() {
        let warden = Arc::new(Warden::start(None).unwrap());
        let mut command = Command::new("/nowhere/at-all");
        let error = Process::spawn("etcd", &mut command, None, &warden).unwrap_err();
        assert!(
            format!("{error:#}").contains("cannot start etcd (/nowhere/at-all)"),
            "{error:#}"
        );
    }
}

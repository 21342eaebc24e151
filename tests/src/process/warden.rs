//! Ends our processes when we cannot: after a kill -9, an abort or a test binary that never drops its statics.
//!
//! # How
//! A small `sh` holds the read end of a pipe whose write end only this process has. We tell it the process groups to look
//! after and, once one has ended, to forget it. When the pipe closes without a goodbye, this process is gone: the shell
//! kills every group it still knows and removes the run's folder.
//!
//! # Why so
//! Linux could kill a child when its parent dies, but that has to be asked for between fork and exec, which takes
//! `unsafe`, is tied to the parent's thread (not process), and does not exist elsewhere. A pipe's end is noticed on every Unix.
//!
//! # Caveats
//! A process started in the instant before its group is announced is not known yet; a kill -9 exactly then leaves it.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Mutex,
};

use anyhow::{Context, Result};

const SCRIPT: &str = r#"
groups=" "
while read -r word group; do
  case "$word" in
    guard) groups="$groups$group " ;;
    forget) groups="${groups%% $group *} ${groups#* $group }" ;;
    goodbye) exit 0 ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
if [ -n "$1" ]; then rm -rf -- "$1"; fi
"#;

/// The shell, and our end of its pipe.
#[derive(Debug)]
pub(crate) struct Warden {
    shell: Mutex<Child>,
    pipe: Mutex<Option<ChildStdin>>,
}

impl Warden {
    /// Starts the shell. `folder` is removed if this process dies, not when the warden is dropped.
    pub(crate) fn start(folder: Option<&Path>) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "playground-warden"])
            .args(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its own group: the terminal's Ctrl-C must not take it before us.
            .process_group(0)
            .spawn()
            .context("cannot start sh, which ends our processes should this one be killed")?;
        let pipe = shell.stdin.take().context("sh has no stdin")?;
        Ok(Self {
            shell: Mutex::new(shell),
            pipe: Mutex::new(Some(pipe)),
        })
    }

    /// Looks after the process group led by `pid`.
    pub(crate) fn guard(&self, pid: u32) {
        self.tell(&format!("guard {pid}\n"));
    }

    /// Forgets a group that has ended, so that a later owner of the number is safe.
    pub(crate) fn forget(&self, pid: u32) {
        self.tell(&format!("forget {pid}\n"));
    }

    /// One write per line: below the pipe's atomic size, so lines do not mix. If the shell is gone, nothing is lost but
    /// the safety net.
    fn tell(&self, line: &str) {
        if let Ok(mut pipe) = self.pipe.lock()
            && let Some(pipe) = pipe.as_mut()
        {
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        self.tell("goodbye\n");
        if let Ok(mut shell) = self.shell.lock() {
            let _ = shell.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep")
            .arg("600")
            .process_group(0)
            .spawn()
            .unwrap()
    }

    #[test]
    fn a_warden_left_without_a_goodbye_kills_what_it_guards_and_removes_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run");
        std::fs::create_dir(&folder).unwrap();
        let (mut first, mut second, mut spared) = (sleeper(), sleeper(), sleeper());
        let warden = Warden::start(Some(&folder)).unwrap();
        for child in [&first, &spared, &second] {
            warden.guard(child.id());
        }
        warden.forget(spared.id());
        // What happens when this process dies: the pipe closes, nobody says goodbye.
        warden.pipe.lock().unwrap().take();
        warden.shell.lock().unwrap().wait().unwrap();

        assert!(!first.wait().unwrap().success());
        assert!(!second.wait().unwrap().success());
        assert!(!folder.exists());
        assert!(spared.try_wait().unwrap().is_none());
        spared.kill().unwrap();
        spared.wait().unwrap();
    }

    #[test]
    fn a_warden_told_goodbye_touches_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper();
        let started = Instant::now();
        let warden = Warden::start(Some(dir.path())).unwrap();
        warden.guard(child.id());
        drop(warden);
        assert!(started.elapsed() < Duration::from_secs(30));
        assert!(dir.path().exists());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

//! Builds a program from its pinned Go module into the cache, once, however many processes ask at the same time.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::catalog::Tool;
use crate::{process::Process, process::Warden, say};

/// How often a running build says that it still runs.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// Lines of the compiler's output kept for the error.
const TAIL_LINES: usize = 30;

/// Whether a Go toolchain can be called.
pub(super) fn go_is_installed() -> bool {
    Command::new("go")
        .arg("version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Builds `tool` and moves it to `target` in one step, so that nobody ever sees half a program. Of several processes one
/// builds; the others wait and then find it there.
pub(super) fn build_into(tool: Tool, target: &Path) -> Result<()> {
    let folder = target
        .parent()
        .with_context(|| format!("{} has no parent folder", target.display()))?;
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the cache folder {}", folder.display()))?;
    let lock = lock(folder, tool)?;
    if target.is_file() {
        return Ok(());
    }
    let scratch = tempfile::Builder::new()
        .prefix(".build-")
        .tempdir_in(folder)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let warden = Arc::new(Warden::start(Some(scratch.path()))?);
    let module = tool.module();
    fs::write(scratch.path().join("go.mod"), module.go_mod)?;
    fs::write(scratch.path().join("go.sum"), module.go_sum)?;
    let output = scratch.path().join(tool.name());
    run_go(tool, scratch.path(), &output, folder, &warden)?;
    fs::rename(&output, target)
        .with_context(|| format!("cannot move the build to {}", target.display()))?;
    drop(lock);
    Ok(())
}

/// The lock is the operating system's: it goes with the process, so a killed build blocks nobody.
fn lock(folder: &Path, tool: Tool) -> Result<File> {
    let path = folder.join(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            say::line(&format!(
                "waiting for another process that builds in {} ({} is needed)",
                folder.display(),
                tool.name()
            ));
        }
        Err(fs::TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn run_go(
    tool: Tool,
    scratch: &Path,
    output: &Path,
    folder: &Path,
    warden: &Arc<Warden>,
) -> Result<()> {
    let (name, version) = (tool.name(), tool.version());
    say::line(&format!(
        "building {name} {version} with Go (once; kept in {})",
        folder.display()
    ));
    let started = Instant::now();
    let mut go = Command::new("go");
    go.current_dir(scratch)
        .args([
            "build",
            "-v",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
        ])
        .arg(format!("-tags={}", tool.tags()))
        .arg(format!("-ldflags={}", tool.ldflags()))
        .arg("-o")
        .arg(output)
        .arg(tool.package())
        // A static binary for this machine, whatever the shell is set up to build for.
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env_remove("GOOS")
        .env_remove("GOARCH")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = Process::spawn("go build", &mut go, None, warden)?;
    let stderr = process.take_stderr().context("go build has no stderr")?;
    let packages = Arc::new(AtomicUsize::new(0));
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let reader = thread::spawn({
        let (packages, tail) = (Arc::clone(&packages), Arc::clone(&tail));
        move || follow(stderr, &packages, &tail)
    });
    let mut next_word = PROGRESS_EVERY;
    let status = loop {
        if let Some(status) = process.exited()? {
            break status;
        }
        if started.elapsed() >= next_word {
            say::line(&format!(
                "  still building {name}: {} s, {} packages compiled",
                started.elapsed().as_secs(),
                packages.load(Ordering::Relaxed)
            ));
            next_word += PROGRESS_EVERY;
        }
        thread::sleep(Duration::from_millis(100));
    };
    // The reader ends with the pipe; a panic in it would only cost the tail.
    let _ = reader.join();
    if !status.success() {
        let tail = tail
            .lock()
            .map(|lines| lines_of(&lines))
            .unwrap_or_default();
        bail!(
            "go build of {name} {version} failed ({status}); it asks for Go {} or newer:\n{tail}",
            tool.module().go_release()
        );
    }
    say::line(&format!(
        "built {name} {version} in {} s",
        started.elapsed().as_secs()
    ));
    Ok(())
}

/// `go build -v` writes one line for each package it compiles, and its errors among them.
fn follow(stderr: impl io::Read, packages: &AtomicUsize, tail: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if is_package(&line) {
            packages.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if let Ok(mut tail) = tail.lock() {
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line);
        }
    }
}

fn is_package(line: &str) -> bool {
    !line.is_empty() && !line.contains([' ', '\t', ':'])
}

fn lines_of(lines: &VecDeque<String>) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_counted_and_everything_else_is_kept_for_the_error() {
        let packages = AtomicUsize::new(0);
        let tail = Mutex::new(VecDeque::new());
        let text = "k8s.io/api/core/v1\nfmt\ngo: downloading k8s.io/api v0.37.2\n# k8s.io/x\nfile.go:3:1: bad\n";
        follow(text.as_bytes(), &packages, &tail);
        assert_eq!(packages.load(Ordering::Relaxed), 2);
        let kept = lines_of(&tail.into_inner().unwrap());
        assert_eq!(
            kept,
            "  go: downloading k8s.io/api v0.37.2\n  # k8s.io/x\n  file.go:3:1: bad\n"
        );
    }

    #[test]
    fn a_finished_build_is_not_repeated() {
        let cache = tempfile::tempdir().unwrap();
        let target = cache.path().join("etcd-x").join("etcd");
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(&target, "built by another process").unwrap();
        build_into(Tool::Etcd, &target).unwrap();
        assert_eq!(
            fs::read_to_string(&target).unwrap(),
            "built by another process"
        );
    }
}

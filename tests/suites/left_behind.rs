//! Whatever ends the playground, nothing of it stays: no process, no file.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step fails the test, also in a helper"
)]

use std::{
    io::{BufRead as _, BufReader},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// From the end of the playground to the end of all it started.
const LIMIT: Duration = Duration::from_secs(20);

/// An operator that starts and is never ready, so that the playground is caught in the middle of its start.
fn idle_operator(folder: &Path) -> PathBuf {
    let path = folder.join("operator");
    std::fs::write(&path, "#!/bin/sh\nexec sleep 600\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn up(operator: &Path, temporary: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_playground"))
        .args(["up", "--operator"])
        .arg(operator)
        .env("TMPDIR", temporary)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what the playground tells until the stack is started but for the operator; the port of kube-apiserver.
fn until_the_operator_starts(playground: &mut Child) -> u16 {
    let mut port = None;
    for line in BufReader::new(playground.stdout.as_mut().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((_, told)) = line.split_once("the control plane is ready at https://127.0.0.1:")
        {
            port = told.parse().ok();
        }
        if line.contains("the operator has the rights") {
            return port.expect("the port is told before");
        }
    }
    panic!("the playground ended before it started the operator");
}

fn assert_nothing_is_left(port: u16, temporary: &Path) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let left: Vec<_> = std::fs::read_dir(temporary)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        let listens = TcpStream::connect(("127.0.0.1", port)).is_ok();
        if left.is_empty() && !listens {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "still there: {left:?}; kube-apiserver listens: {listens}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_playground_killed_outright_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let mut playground = up(&idle_operator(folder.path()), temporary.path());
    let port = until_the_operator_starts(&mut playground);
    playground.kill().unwrap();
    playground.wait().unwrap();
    assert_nothing_is_left(port, temporary.path());
}

#[test]
fn a_playground_asked_to_end_while_it_starts_says_so_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let mut playground = up(&idle_operator(folder.path()), temporary.path());
    let port = until_the_operator_starts(&mut playground);
    let asked = Command::new("kill")
        .args(["-s", "TERM", &playground.id().to_string()])
        .status()
        .unwrap();
    assert!(asked.success());
    assert_eq!(playground.wait().unwrap().code(), Some(1));
    assert_nothing_is_left(port, temporary.path());
}

#[test]
fn an_operator_that_cannot_start_is_told_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let operator = folder.path().join("operator");
    std::fs::write(
        &operator,
        "#!/bin/sh\necho no licence for this moon phase\nexit 7\n",
    )
    .unwrap();
    std::fs::set_permissions(&operator, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_playground"))
        .args(["up", "--operator"])
        .arg(&operator)
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the operator dies while it starts"), "{said}");
    assert!(said.contains("no licence for this moon phase"), "{said}");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

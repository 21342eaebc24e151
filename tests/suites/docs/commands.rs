//! Every command of the documentation is run by a test, or says `# not run here`.
//!
//! kubectl and helm are run against a control plane, page by page in the order of the lines: what the API server takes is
//! what is tried, without an operator and without nodes. curl is played against the emulator. Of cargo it is only looked up
//! that the checks run what is named.

use std::{ffi::OsString, process::Stdio, time::Duration};

use aep_emulator::Options;
use playground::{
    binaries::{Binaries, Tool},
    control_plane::{self, ControlPlane},
    emulator::EmulatorServer,
};
use tokio::{process::Command, time::timeout};

use crate::pages::{all, read, root};

/// What a reader sees behind a command that no test runs.
const NOT_RUN: &str = "# not run here";
/// No command may take longer.
const LIMIT: Duration = Duration::from_mins(2);

/// Programs that are built and started elsewhere: the command, the file that runs it, and the words there.
const RUN_ELSEWHERE: [(&str, &str, &str); 4] = [
    ("cargo playground demo", ".ci/run", "playground demo"),
    (
        "cargo playground up",
        "tests/suites/left_behind.rs",
        "\"up\"",
    ),
    ("cargo test", ".ci/run", "exec cargo test"),
    (".ci/run", ".github/workflows/ci.yaml", "run: .ci/run"),
];

/// The commands that are not said to be left alone, with their pages.
fn commands() -> Vec<(String, String)> {
    let of = |page: crate::pages::Page| {
        let commands = page.commands().into_iter();
        commands.map(move |command| (page.name.clone(), command))
    };
    all()
        .into_iter()
        .flat_map(of)
        .filter(|(_, command)| !command.contains(NOT_RUN))
        .collect()
}

fn program(command: &str) -> &str {
    command.split(' ').next().unwrap_or_default()
}

/// Without the comment behind it.
fn bare(command: &str) -> &str {
    command.split(" # ").next().unwrap_or_default().trim_end()
}

#[test]
fn every_command_is_run_somewhere_or_says_that_it_is_not() {
    for (page, command) in commands() {
        let known = match program(&command) {
            "kubectl" | "helm" | "curl" => true,
            _ => RUN_ELSEWHERE.iter().any(|(start, file, words)| {
                bare(&command).starts_with(start) && read(file).contains(words)
            }),
        };
        assert!(
            known,
            "{page}: no test runs `{command}`; have one do it, or end the line with `{NOT_RUN}`"
        );
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let manifests = ["Cargo.toml", "tests/Cargo.toml", "emulator/Cargo.toml"].map(read);
    let manifests = manifests.join("\n") + &read("tests/simulation/Cargo.toml");
    let development = read("docs/development.md");
    let mut seen = 0;
    for command in development
        .split('`')
        .filter(|it| it.starts_with("cargo test"))
    {
        let words: Vec<_> = command.split(' ').collect();
        for pair in words
            .windows(2)
            .filter(|it| ["-p", "--test"].contains(&it[0]))
        {
            let named = manifests.contains(&format!("name = \"{}\"", pair[1]))
                || root()
                    .join(format!("emulator/tests/{}.rs", pair[1]))
                    .exists();
            assert!(named, "there is no {} for `{command}`", pair[1]);
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[tokio::test]
async fn kubectl_and_helm_take_what_the_documentation_says() {
    let options = control_plane::Options {
        controller_manager: true,
        helm: true,
        ..control_plane::Options::default()
    };
    let plane = ControlPlane::start(options).await.unwrap();
    let tools = Binaries::find(&[Tool::Kubectl, Tool::Helm]).await.unwrap();
    let mut path = OsString::new();
    for tool in [Tool::Kubectl, Tool::Helm] {
        path.push(tools.path(tool).unwrap().parent().unwrap());
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap());
    // Argo CD's own, which is not installed here.
    for argo_cd in [
        vec!["create", "namespace", "argocd"],
        vec!["create", "configmap", "argocd-cm", "-n", "argocd"],
    ] {
        plane
            .kubectl(&argo_cd, None)
            .await
            .unwrap()
            .success()
            .unwrap();
    }
    let mut ran = 0;
    for (page, command) in commands() {
        if !["kubectl", "helm"].contains(&program(&command)) {
            continue;
        }
        let line = Command::new("sh")
            .args(["-euc", &command])
            .current_dir(root())
            .env("PATH", &path)
            .env("KUBECONFIG", plane.kubeconfig_path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(LIMIT, line).await.unwrap().unwrap();
        assert!(
            output.status.success(),
            "{page}: `{command}`: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if command.starts_with("helm install") {
            // A person is slower than the API server.
            let established = ["wait", "--for=condition=Established", "crd", "--all"];
            plane
                .kubectl(&established, None)
                .await
                .unwrap()
                .success()
                .unwrap();
        }
        ran += 1;
    }
    assert!(ran > 5, "{ran}");
}

#[tokio::test]
async fn the_emulator_takes_what_the_documentation_says() {
    let emulator = EmulatorServer::start(Options::default()).unwrap();
    let mut ran = 0;
    for (page, command) in commands() {
        let Some(call) = command.strip_prefix("curl $U") else {
            assert_ne!(
                program(&command),
                "curl",
                "{page}: `{command}` does not begin with $U"
            );
            continue;
        };
        let answer = match call.split_once(" -d ") {
            None => emulator.get(bare(call)).await,
            Some((path, body)) => {
                let body = bare(body).trim_matches('\'');
                let body = body.strip_prefix('@').map_or_else(|| body.to_owned(), read);
                let body = serde_json::from_str(&body).unwrap();
                emulator.post(path, &body).await
            }
        };
        answer.unwrap_or_else(|error| panic!("{page}: `{command}`: {error:#}"));
        ran += 1;
    }
    assert!(ran > 3, "{ran}");
}

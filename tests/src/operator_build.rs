//! Builds the operator of this checkout, for `cargo playground`. Tests get the path from cargo itself.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::repository;

/// Which optimizations the operator is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As `cargo build`.
    Dev,
    /// As `cargo build --release`: for measuring.
    Release,
}

/// Builds the operator with cargo, whose progress shows on stderr, and says where it is.
pub async fn build_operator(profile: Profile) -> Result<PathBuf> {
    // Set by cargo for what it runs; started by hand, the playground takes the one in PATH.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(repository::root())
        .args([
            "build",
            "--package",
            "aep-operator",
            "--bin",
            "aep-operator",
        ])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if profile == Profile::Release {
        command.arg("--release");
    }
    let output = command
        .spawn()
        .context("cannot start cargo to build the operator")?
        .wait_with_output()
        .await
        .context("cannot read what cargo says")?;
    if !output.status.success() {
        bail!("cargo build of the operator failed ({})", output.status);
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .context("cargo does not say where it put the operator")
}

/// The path of the operator in cargo's messages, one JSON object a line.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact" && message["target"]["name"] == "aep-operator"
        })
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"aep-operator","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"aep-operator","kind":["bin"]},"executable":"/t/debug/aep-operator"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(
            executable(messages).as_deref(),
            Some(Path::new("/t/debug/aep-operator"))
        );
        assert_eq!(
            executable("{\"reason\":\"build-finished\"}\nnot json"),
            None
        );
    }
}

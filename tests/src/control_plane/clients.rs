//! kubectl and helm as a user would call them, against one control plane.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use super::{
    ControlPlane,
    files::{Credentials, write_kubeconfig},
};
use crate::binaries::Tool;

/// No call of a client may take longer. A `kubectl wait` brings its own, shorter, limit.
const LIMIT: Duration = Duration::from_mins(5);

/// What a command line client answered.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    what: String,
}

impl Output {
    /// stdout, or an error that holds the command line and what it said.
    pub fn success(self) -> Result<String> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        bail!(
            "`{}` failed ({}): {}{}",
            self.what,
            self.status,
            self.stderr,
            self.stdout
        )
    }
}

impl ControlPlane {
    /// Calls our kubectl as the administrator, with `stdin` if there is some.
    pub async fn kubectl(&self, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        self.kubectl_as(self.kubeconfig_path(), args, stdin).await
    }

    /// Calls our kubectl as the user of another kubeconfig.
    pub async fn kubectl_as(
        &self,
        kubeconfig: &Path,
        args: &[&str],
        stdin: Option<&str>,
    ) -> Result<Output> {
        self.call(Tool::Kubectl, kubeconfig, args, stdin).await
    }

    /// Calls our helm as the administrator.
    pub async fn helm(&self, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        self.call(Tool::Helm, self.kubeconfig_path(), args, stdin)
            .await
    }

    /// An HTTP client that is the administrator: for what kubectl is too slow for, or does not tell.
    pub fn http_client(&self) -> Result<reqwest::Client> {
        let read = |file: &str| {
            let path = self.folder.pki(file);
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))
        };
        let identity = read("kubeconfig.crt")? + &read("kubeconfig.key")?;
        crate::http::client_with_certificate(&read("ca.crt")?, &identity)
    }

    /// The path of our kubectl, for telling a user.
    pub fn kubectl_path(&self) -> Result<&Path> {
        self.binaries.path(Tool::Kubectl)
    }

    /// A kubeconfig that is the ServiceAccount: what it may do is what RBAC grants. The token lasts thirty days.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let args = [
            "create",
            "token",
            name,
            "--namespace",
            namespace,
            "--duration",
            "720h",
        ];
        let token = self.kubectl(&args, None).await?.success()?;
        write_kubeconfig(
            &self.folder,
            &format!("{namespace}.{name}.kubeconfig"),
            self.url(),
            namespace,
            &Credentials::Token(token.trim()),
        )
    }

    async fn call(
        &self,
        tool: Tool,
        kubeconfig: &Path,
        args: &[&str],
        stdin: Option<&str>,
    ) -> Result<Output> {
        let scratch = self.folder.path().join("clients");
        let mut command = std::process::Command::new(self.binaries.path(tool)?);
        command
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            // What a client remembers of a cluster must not outlive it, nor mix with the user's own.
            .env("KUBECACHEDIR", scratch.join("kube"))
            .env("KUBERC", "off")
            .env("HELM_CACHE_HOME", scratch.join("helm-cache"))
            .env("HELM_CONFIG_HOME", scratch.join("helm-config"))
            .env("HELM_DATA_HOME", scratch.join("helm-data"))
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        super::commands::without_proxies(&mut command);
        let what = format!("{} {}", tool.name(), args.join(" "));
        let mut child = Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", tool.name()))?;
        let pipe = child.stdin.take();
        let feed = async {
            if let (Some(mut pipe), Some(text)) = (pipe, stdin) {
                // A client that stops reading says why by its exit status.
                let _ = pipe.write_all(text.as_bytes()).await;
            }
        };
        let both = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = timeout(LIMIT, both)
            .await
            .with_context(|| format!("`{what}` took longer than {} s", LIMIT.as_secs()))?
            .with_context(|| format!("cannot read the output of `{what}`"))?;
        Ok(Output {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            what,
        })
    }
}

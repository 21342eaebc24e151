//! The folder of one run: certificates, kubeconfig files, logs, data.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use super::pki::{Pair, Pki};

/// Set to anything, the folder of a run is kept and its path told: for looking at the logs of a failed test.
const KEEP: &str = "AEP_PLAYGROUND_KEEP";

/// The folder, removed with this value.
#[derive(Debug)]
pub(super) struct Folder {
    dir: TempDir,
    kept: bool,
}

impl Folder {
    pub(super) fn new() -> Result<Self> {
        let mut dir = tempfile::Builder::new()
            .prefix("aep-playground-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let kept = std::env::var_os(KEEP).is_some_and(|value| !value.is_empty());
        if kept {
            dir.disable_cleanup(true);
            crate::say::line(&format!("{KEEP} is set: {} stays", dir.path().display()));
        }
        for sub in ["pki", "logs"] {
            fs::create_dir(dir.path().join(sub))?;
        }
        Ok(Self { dir, kept })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What may be removed should this process be killed.
    pub(super) fn removable(&self) -> Option<&Path> {
        (!self.kept).then(|| self.dir.path())
    }

    pub(super) fn log(&self, component: &str) -> PathBuf {
        self.path().join("logs").join(format!("{component}.log"))
    }

    pub(super) fn pki(&self, file: &str) -> PathBuf {
        self.path().join("pki").join(file)
    }

    pub(super) fn write_pki(&self, pki: &Pki) -> Result<()> {
        write_private(&self.pki("ca.crt"), &pki.authority)?;
        write_private(&self.pki("apiserver.crt"), &pki.serving.certificate)?;
        write_private(&self.pki("apiserver.key"), &pki.serving.key)?;
        write_private(&self.pki("tokens.pub"), &pki.token_public_key)?;
        write_private(&self.pki("tokens.key"), &pki.token_key)
    }
}

/// How a kubeconfig's user proves who it is.
pub(super) enum Credentials<'a> {
    Certificate(&'a Pair),
    Token(&'a str),
}

/// Writes a kubeconfig for `url`. Certificates stay files next to it; JSON is YAML, and needs no writer of its own.
pub(super) fn write_kubeconfig(
    folder: &Folder,
    file: &str,
    url: &str,
    namespace: &str,
    credentials: &Credentials<'_>,
) -> Result<PathBuf> {
    let user = match credentials {
        Credentials::Token(token) => json!({ "token": token }),
        Credentials::Certificate(pair) => {
            let (certificate, key) = (
                folder.pki(&format!("{file}.crt")),
                folder.pki(&format!("{file}.key")),
            );
            write_private(&certificate, &pair.certificate)?;
            write_private(&key, &pair.key)?;
            json!({ "client-certificate": certificate, "client-key": key })
        }
    };
    let content = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "playground",
            "cluster": { "server": url, "certificate-authority": folder.pki("ca.crt") },
        }],
        "users": [{ "name": "playground", "user": user }],
        "contexts": [{
            "name": "playground",
            "context": { "cluster": "playground", "user": "playground", "namespace": namespace },
        }],
        "current-context": "playground",
    });
    let path = folder.path().join(file);
    write_private(&path, &serde_json::to_string_pretty(&content)?)?;
    Ok(path)
}

/// Creates or replaces a file that only we may read.
fn write_private(path: &Path, content: &str) -> Result<()> {
    let write = || {
        fs::File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(path)?
            .write_all(content.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

//! The command lines of the components.

use std::{path::Path, process::Command};

use super::files::Folder;

/// etcd on loopback. What it holds is thrown away, so it need not survive a power cut: no fsync.
pub(super) fn etcd(program: &Path, folder: &Folder, client_port: u16, peer_port: u16) -> Command {
    let (client, peer) = (
        format!("http://127.0.0.1:{client_port}"),
        format!("http://127.0.0.1:{peer_port}"),
    );
    let mut command = Command::new(program);
    command
        .arg("--name=playground")
        .arg(format!(
            "--data-dir={}",
            folder.path().join("etcd").display()
        ))
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=playground={peer}"))
        .arg("--unsafe-no-fsync")
        // Room for ten thousand resources and their history of a long run, and no more.
        .arg(format!("--quota-backend-bytes={}", 1024_u64 * 1024 * 1024))
        .args([
            "--auto-compaction-mode=periodic",
            "--auto-compaction-retention=5m",
        ])
        .args(["--snapshot-count=10000", "--logger=zap", "--log-level=warn"]);
    without_proxies(&mut command);
    command
}

/// kube-apiserver with RBAC and working ServiceAccount tokens.
pub(super) fn apiserver(
    program: &Path,
    folder: &Folder,
    etcd_port: u16,
    port: u16,
    audit_log: Option<&Path>,
    extra: &[String],
) -> Command {
    let pki = |file: &str| folder.pki(file).display().to_string();
    let mut command = Command::new(program);
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{etcd_port}"))
        .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
        .arg(format!("--secure-port={port}"))
        .arg(format!("--tls-cert-file={}", pki("apiserver.crt")))
        .arg(format!("--tls-private-key-file={}", pki("apiserver.key")))
        .arg(format!("--client-ca-file={}", pki("ca.crt")))
        .arg(format!(
            "--cert-dir={}",
            folder.path().join("pki").display()
        ))
        .arg("--authorization-mode=RBAC")
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!("--service-account-key-file={}", pki("tokens.pub")))
        .arg(format!(
            "--service-account-signing-key-file={}",
            pki("tokens.key")
        ))
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        // There is one apiserver and no pod that would look for its endpoints.
        .arg("--endpoint-reconciler-type=none")
        .arg("--profiling=false");
    if let Some(log) = audit_log {
        command
            .arg(format!("--audit-log-path={}", log.display()))
            .arg(format!(
                "--audit-policy-file={}",
                folder.path().join("audit-policy.json").display()
            ));
    }
    command.args(extra);
    without_proxies(&mut command);
    command
}

/// Who did what, with the written bodies. Secrets and tokens are told without theirs.
pub(super) const AUDIT_POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "omitStages": ["RequestReceived"],
  "rules": [
    {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "serviceaccounts/token"]}]},
    {"level": "Metadata", "verbs": ["get", "list", "watch"]},
    {"level": "Request"}
  ]
}
"#;

/// Only the controllers that a cluster without nodes has work for.
pub(super) fn controller_manager(program: &Path, folder: &Folder, kubeconfig: &Path) -> Command {
    let pki = |file: &str| folder.pki(file).display().to_string();
    let controllers = [
        "namespace-controller",
        "garbage-collector-controller",
        "serviceaccount-controller",
        "serviceaccount-token-controller",
        "root-ca-certificate-publisher-controller",
    ];
    let mut command = Command::new(program);
    command
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--controllers={}", controllers.join(",")))
        .arg(format!(
            "--service-account-private-key-file={}",
            pki("tokens.key")
        ))
        .arg(format!("--root-ca-file={}", pki("ca.crt")))
        // Each controller as its own ServiceAccount: its own user has few rights.
        .arg("--use-service-account-credentials")
        .args([
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--secure-port=0",
        ]);
    without_proxies(&mut command);
    command
}

/// Everything here talks to loopback only.
pub(super) fn without_proxies(command: &mut Command) {
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_policy_is_json_and_keeps_secrets_out() {
        let policy: serde_json::Value = serde_json::from_str(AUDIT_POLICY).unwrap();
        assert_eq!(policy["rules"][0]["level"], "Metadata");
        assert_eq!(
            policy["rules"][0]["resources"][0]["resources"][0],
            "secrets"
        );
    }
}

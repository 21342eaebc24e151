//! The control plane against itself: what the other suites take for granted.

use std::time::{Duration, Instant};

use playground::control_plane::{ControlPlane, Options};

async fn start(controller_manager: bool) -> ControlPlane {
    let options = Options {
        controller_manager,
        ..Options::default()
    };
    ControlPlane::start(options)
        .await
        .expect("the control plane starts")
}

async fn run(plane: &ControlPlane, args: &[&str]) -> String {
    plane
        .kubectl(args, None)
        .await
        .and_then(playground::control_plane::Output::success)
        .expect("kubectl succeeds")
}

#[tokio::test]
async fn it_serves_its_version_and_takes_manifests() {
    let plane = start(false).await;
    let version: serde_json::Value =
        serde_json::from_str(&run(&plane, &["version", "-o", "json"]).await).unwrap();
    let server = version["serverVersion"]["gitVersion"].as_str().unwrap();
    assert!(server.starts_with("v1."), "{server}");
    assert_ne!(server, "v0.0.0-master+$Format:%H$");

    let manifest =
        r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "marketing"}}"#;
    let said = plane
        .kubectl(&["apply", "-f", "-"], Some(manifest))
        .await
        .unwrap()
        .success()
        .unwrap();
    assert_eq!(said.trim(), "namespace/marketing created");
}

#[tokio::test]
async fn a_service_account_may_do_what_rbac_grants_and_nothing_else() {
    let plane = start(false).await;
    for args in [
        vec!["create", "namespace", "aep-system"],
        vec![
            "create",
            "serviceaccount",
            "operator",
            "--namespace=aep-system",
        ],
        vec![
            "create",
            "clusterrole",
            "reads-secrets",
            "--verb=get,list",
            "--resource=secrets",
        ],
        vec![
            "create",
            "clusterrolebinding",
            "reads-secrets",
            "--clusterrole=reads-secrets",
            "--serviceaccount=aep-system:operator",
        ],
    ] {
        run(&plane, &args).await;
    }
    let kubeconfig = plane
        .service_account_kubeconfig("aep-system", "operator")
        .await
        .unwrap();
    // The authorizer learns of the new binding by watch.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let may = plane
            .kubectl_as(&kubeconfig, &["get", "secrets", "--all-namespaces"], None)
            .await
            .unwrap();
        if may.status.success() {
            break;
        }
        assert!(Instant::now() < deadline, "{}", may.stderr);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let must_not = plane
        .kubectl_as(&kubeconfig, &["create", "namespace", "mine"], None)
        .await
        .unwrap();
    assert!(!must_not.status.success());
    assert!(
        must_not
            .stderr
            .contains("system:serviceaccount:aep-system:operator"),
        "{}",
        must_not.stderr
    );
    assert!(must_not.stderr.contains("Forbidden"), "{}", must_not.stderr);
}

#[tokio::test]
async fn with_the_controller_manager_a_namespace_goes_with_all_in_it() {
    let plane = start(true).await;
    run(&plane, &["create", "namespace", "marketing"]).await;
    run(
        &plane,
        &[
            "create",
            "configmap",
            "note",
            "--namespace=marketing",
            "--from-literal=a=b",
        ],
    )
    .await;
    run(
        &plane,
        &["delete", "namespace", "marketing", "--timeout=60s"],
    )
    .await;
    let gone = plane
        .kubectl(&["get", "namespace", "marketing"], None)
        .await
        .unwrap();
    assert!(gone.stderr.contains("NotFound"), "{}", gone.stderr);
}

#[tokio::test]
async fn two_run_side_by_side_and_leave_nothing_behind() {
    let (first, second) = tokio::join!(start(false), start(false));
    assert_ne!(first.url(), second.url());
    run(&first, &["create", "namespace", "only-here"]).await;
    let there = second
        .kubectl(&["get", "namespace", "only-here"], None)
        .await
        .unwrap();
    assert!(there.stderr.contains("NotFound"), "{}", there.stderr);

    let folder = first.folder().to_owned();
    let port: u16 = first.url().rsplit(':').next().unwrap().parse().unwrap();
    drop(first);
    assert!(!folder.exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    run(&second, &["get", "namespaces"]).await;
}

#[tokio::test]
async fn a_flag_it_does_not_know_is_told_with_the_log() {
    let options = Options {
        apiserver_args: vec!["--no-such-flag".to_owned()],
        ..Options::default()
    };
    let error = ControlPlane::start(options).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("kube-apiserver ended at once"), "{text}");
    assert!(text.contains("unknown flag: --no-such-flag"), "{text}");
}

#[tokio::test]
async fn the_audit_log_says_who_wrote_and_keeps_secrets_out() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("audit.log");
    let options = Options {
        audit_log: Some(log.clone()),
        ..Options::default()
    };
    let plane = ControlPlane::start(options).await.unwrap();
    run(&plane, &["create", "namespace", "audited"]).await;
    let args = [
        "create",
        "secret",
        "generic",
        "s",
        "--from-literal=password=hunter2",
    ];
    run(&plane, &args).await;
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains(r#""username":"playground-admin""#));
    assert!(text.contains(r#""name":"audited""#));
    assert!(!text.contains("aHVudGVyMg") && !text.contains("hunter2"));
}

//! The operator of some namespaces, with a Role in each and no right in the cluster.

use std::time::Duration;

use playground::control_plane::{ControlPlane, Options};
use playground::operator_process::Signal;
use serde_json::{Value, json};

use crate::deletion::both_ready;
use crate::world::{NAMESPACE, World, changed, condition, dataflow, dataset, secret, source};

const SOURCE: &str = "customeriosource/customer-io";
const DATAFLOW: &str = "aepdataflow/customer-io-events";
const SALES: &str = "sales";
const ELSEWHERE: &str = "elsewhere";
const NOTHING: [String; 0] = [];

/// Resources of `marketing` and `sales` are looked after.
async fn of_two() -> World {
    World::with(|options| {
        options.chart.values = vec!["--set=ownerId=acme-test".to_owned()];
        options.chart.watch_namespaces = vec![NAMESPACE.to_owned(), SALES.to_owned()];
        options.operator_args.push("--drift-interval=2s".into());
    })
    .await
}

async fn kubectl_in(world: &World, namespace: &str, args: &[&str], stdin: Option<&str>) -> String {
    let all = [&["--namespace", namespace], args].concat();
    let plane = world.stack.control_plane();
    let output = plane.kubectl(&all, stdin).await.unwrap();
    output.success().unwrap_or_else(|error| panic!("{error:#}"))
}

async fn get_in(world: &World, namespace: &str, resource: &str) -> Value {
    let json = kubectl_in(world, namespace, &["get", resource, "-o", "json"], None).await;
    serde_json::from_str(&json).unwrap()
}

/// The tutorial's resources in another namespace, under names of its own in AEP.
async fn apply_in(world: &World, namespace: &str) {
    let mut all = [
        secret("demo-client", "demo-secret"),
        source("customer-io"),
        dataflow("customer-io-events", "customer-io"),
    ];
    for manifest in &mut all {
        manifest["metadata"]["namespace"] = json!(namespace);
        if manifest["spec"]["name"].is_string() {
            manifest["spec"]["name"] = json!(format!("Customer.io events of {namespace}"));
        }
        let text = manifest.to_string();
        kubectl_in(world, namespace, &["apply", "-f", "-"], Some(&text)).await;
    }
}

async fn ready_in(world: &World, namespace: &str) {
    let wait = [
        "wait",
        "--for=condition=Ready",
        "--timeout=60s",
        SOURCE,
        DATAFLOW,
    ];
    kubectl_in(world, namespace, &wait, None).await;
}

/// As the API server has a new one; a Secret has no status.
fn is_untouched(resource: &Value) -> bool {
    let status = &resource["status"];
    status.is_null() || *status == json!({"observedGeneration": -1})
}

#[tokio::test]
async fn both_are_looked_after_and_a_third_is_not_touched() {
    let world = of_two().await;
    kubectl_in(&world, ELSEWHERE, &["create", "namespace", ELSEWHERE], None).await;
    apply_in(&world, ELSEWHERE).await;
    apply_in(&world, SALES).await;
    both_ready(&world).await;
    ready_in(&world, SALES).await;
    assert_eq!(world.objects("flow").await.len(), 2);
    for resource in [SOURCE, DATAFLOW, "secret/adobe-credentials"] {
        let third = get_in(&world, ELSEWHERE, resource).await;
        assert!(is_untouched(&third), "{resource}: {}", third["status"]);
        assert_eq!(third["metadata"]["finalizers"], Value::Null, "{resource}");
    }

    // A Secret that changes is noticed in each, and what is deleted goes from AEP.
    for namespace in [SALES, NAMESPACE] {
        let broken = r#"{"stringData": {"clientSecret": "wrong"}}"#;
        let patch = ["patch", "secret/adobe-credentials", "-p", broken];
        kubectl_in(&world, namespace, &patch, None).await;
        world
            .wait_for("the wrong Secret to be told of", async || {
                let stands = get_in(&world, namespace, SOURCE).await;
                stands
                    .to_string()
                    .contains("CredentialsRejected")
                    .then_some(())
            })
            .await;
        let mended = broken.replace("wrong", "demo-secret");
        let patch = ["patch", "secret/adobe-credentials", "-p", &mended];
        kubectl_in(&world, namespace, &patch, None).await;
        ready_in(&world, namespace).await;
        let delete = ["delete", SOURCE, DATAFLOW, "--timeout=60s"];
        kubectl_in(&world, namespace, &delete, None).await;
    }
    assert_eq!(world.ours().await, NOTHING);
    let third = get_in(&world, ELSEWHERE, DATAFLOW).await;
    assert!(is_untouched(&third), "{}", third["status"]);
    world.end().await;
}

async fn wait_orphans(world: &World, count: usize) {
    let line = format!("aep_orphans {count}");
    world
        .wait_for(&line, async || {
            let metrics = world.stack.metrics().await.ok()?;
            metrics.lines().any(|it| it == line).then_some(())
        })
        .await;
}

#[tokio::test]
async fn what_another_operator_has_in_another_namespace_is_no_orphan() {
    let world = of_two().await;
    both_ready(&world).await;
    apply_in(&world, SALES).await;
    ready_in(&world, SALES).await;
    let abandon = [
        "annotate",
        SOURCE,
        DATAFLOW,
        "aep-operator.dev/abandon=true",
    ];
    kubectl_in(&world, SALES, &abandon, None).await;
    kubectl_in(&world, SALES, &["delete", SOURCE, DATAFLOW], None).await;
    wait_orphans(&world, 3).await;
    // Flow and source connection are of a namespace that is not looked after.
    for kind in ["flow", "sourceConnection"] {
        for object in world.objects(kind).await {
            let description = object["description"].as_str().unwrap();
            let elsewhere = description.replace("/sales/", "/elsewhere/");
            let edit =
                json!({"kind": kind, "id": object["id"], "merge": {"description": elsewhere}});
            world.edit(edit).await;
        }
    }
    wait_orphans(&world, 1).await;
    world.end().await;
}

#[tokio::test]
async fn uninstalled_definitions_leave_the_remote_objects() {
    let world = of_two().await;
    both_ready(&world).await;
    let before = world.ours().await;
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    world
        .kubectl(&["delete", "-f", crds, "--timeout=60s"])
        .await;
    assert_eq!(world.ours().await, before);
    let told = world.events("customer-io-events").await;
    let named = told.iter().any(|event| {
        event.starts_with("Uninstalled") && event.contains("aepdataflows.aep-operator.dev")
    });
    assert!(named, "{told:?}");
    world.end().await;
}

#[tokio::test]
async fn a_namespace_whose_rights_are_gone_does_not_hold_up_the_others() {
    let world = of_two().await;
    let role = "rolebinding/aep-operator-resources";
    kubectl_in(&world, SALES, &["delete", role], None).await;
    let before = world.stack.operator().pid();
    let mut pids = world.stack.operator().pids();
    world.stack.operator().kill(Signal::KILL).unwrap();
    pids.wait_for(|pid| *pid != before).await.unwrap();
    both_ready(&world).await;
    let log = std::fs::read_to_string(world.stack.operator().log_path()).unwrap();
    let told = log
        .lines()
        .any(|line| line.contains("may not be watched") && line.contains(SALES));
    assert!(told, "{log}");

    // A dataset does not go on a guess: a dataflow there may write into it.
    let data = changed(dataset("data"), "/spec/deletionPolicy", json!("Delete"));
    world.apply(&data).await;
    world.wait_ready("aepdataset/data").await;
    world
        .kubectl(&["delete", "aepdataset/data", "--wait=false"])
        .await;
    let blocked = world
        .wait_reason("aepdataset/data", "DeletionBlocked")
        .await;
    let message = condition(&blocked, "Ready")["message"].to_string();
    assert!(
        message.contains("list AepDataflows") && message.contains(SALES),
        "{message}"
    );
    world.end().await;
}

#[tokio::test]
async fn without_an_owner_and_the_right_to_find_one_it_says_what_to_set() {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let account = ["create", "serviceaccount", "powerless"];
    plane
        .kubectl(&account, None)
        .await
        .unwrap()
        .success()
        .unwrap();
    let kubeconfig = plane.service_account_kubeconfig("default", "powerless");
    let mut operator = tokio::process::Command::new(env!("CARGO_BIN_EXE_aep-operator"));
    operator
        .args([
            "run",
            "--listen=127.0.0.1:0",
            "--watch-namespaces=marketing",
        ])
        .env("KUBECONFIG", kubeconfig.await.unwrap())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_mins(1), operator.output());
    let ended = ended.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "{said}");
    for words in ["kube-system", "set --owner-id", "forbidden"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

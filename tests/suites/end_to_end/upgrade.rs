//! From the chart before this one to this one, and its uninstallation: resources and what they stand for stay as they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use playground::stack::Release;
use serde_json::{Value, json};

use crate::dataset_deletion::into_it;
use crate::subscription::{DATAFLOW, SOURCE, connected, sending, with};
use crate::world::{Call, World, changed, condition, dataset};

const DATASET: &str = "aepdataset/events";
const RESOURCES: [&str; 3] = [SOURCE, DATASET, DATAFLOW];
const RELEASE: [&str; 3] = ["aep-operator", "--namespace", "aep-system"];
/// What the chart's page says of definitions that were applied by hand: they, and their fields, are given to the release.
const BY_HAND: [&str; 2] = ["--take-ownership", "--force-conflicts"];
/// What Kubernetes gives a Pod to end.
const END: Duration = Duration::from_secs(30);

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The definitions as they were then, and were applied by hand: they lack a word that status says now.
fn older() -> String {
    let folder = std::fs::read_dir(repository("crds")).unwrap();
    let texts = folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let all = texts.collect::<Vec<_>>().join("---\n");
    let older = all.replace("                    - Removing\n", "");
    assert_ne!(all, older);
    older
}

async fn helm(world: &World, command: &str, more: &[&str]) {
    let args: Vec<&str> = [command]
        .iter()
        .chain(&RELEASE)
        .chain(more)
        .copied()
        .collect();
    let said = world.stack.control_plane().helm(&args, None).await.unwrap();
    said.success().unwrap_or_else(|error| panic!("{error:#}"));
}

async fn install(world: &World, command: &str, more: &[&str]) {
    let chart = repository("deploy/helm/aep-operator");
    let all: Vec<&str> = [chart.to_str().unwrap()]
        .iter()
        .chain(more)
        .copied()
        .collect();
    helm(world, command, &all).await;
}

/// What is told of the resources: all of them but what the API server keeps for itself.
async fn told(world: &World) -> BTreeMap<&'static str, Value> {
    let mut told = BTreeMap::new();
    for resource in RESOURCES {
        let mut stands = world.get(resource).await;
        let meta = stands["metadata"].as_object_mut().unwrap();
        meta.retain(|name, _| !["resourceVersion", "managedFields"].contains(&name.as_str()));
        told.insert(resource, stands);
    }
    told
}

/// Every object of the platform that somebody could miss, as it stands.
async fn remote(world: &World) -> Vec<Value> {
    let mut all = Vec::new();
    for kind in [
        "fieldGroup",
        "schema",
        "dataset",
        "sourceConnection",
        "targetConnection",
        "mappingSet",
        "flow",
        "webhook",
    ] {
        let objects = world.objects(kind).await;
        assert!(!objects.is_empty(), "no {kind}");
        all.extend(objects);
    }
    all
}

/// The next Pod: the one before ends, and another one takes over.
async fn next_operator(world: &World) {
    let operator = world.stack.operator();
    if operator.is_running() {
        operator.stop(END).await.unwrap();
    }
    operator.start_now().unwrap();
    world.stack.operator_ready().await.unwrap();
}

/// Everything there is, made under the chart before this one.
async fn under_the_chart_before() -> World {
    let world = with(|options| {
        options.emulator.empty = true;
        options.operator_args.push("--drift-interval=2s".into());
        options.release = Some(Release {
            chart: repository("tests/charts/aep-operator-0.1.0"),
            definitions: older(),
        });
    })
    .await;
    world.apply(&dataset("events")).await;
    world.apply(&connected("customer-io")).await;
    let manifest = changed(
        into_it(),
        "/spec/outputs",
        json!({"secretName": "customer-io-inlet"}),
    );
    let subscription = json!({"customerIo": {"events": ["email_*"]}});
    let manifest = changed(manifest, "/spec/subscription", subscription);
    world.apply(&manifest).await;
    for resource in RESOURCES {
        world.wait_ready(resource).await;
    }
    sending(&world).await;
    world
}

#[tokio::test]
async fn an_upgrade_changes_no_resource_and_nothing_on_the_platform() {
    let world = under_the_chart_before().await;
    let (resources, objects) = (told(&world).await, remote(&world).await);
    world.forget_calls().await;

    install(&world, "upgrade", &BY_HAND).await;
    next_operator(&world).await;
    let definition = world
        .get("customresourcedefinition/aepdataflows.aep-operator.dev")
        .await;
    assert!(definition.to_string().contains("Removing"), "{definition}");
    let listed = async || {
        let calls = world.calls().await;
        calls
            .iter()
            .any(|it| it.operation == "flows.list")
            .then_some(())
    };
    world.wait_for("a look at the platform", listed).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let writes: Vec<Call> = world
        .calls()
        .await
        .into_iter()
        .filter(Call::writes)
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(told(&world).await, resources);
    assert_eq!(remote(&world).await, objects);

    // The operator goes on, with the rights of this chart.
    let patch = r#"{"spec": {"description": "After the upgrade"}}"#;
    world
        .kubectl(&["patch", DATAFLOW, "--type=merge", "-p", patch])
        .await;
    world
        .wait_for("the flow to follow", async || {
            let flow = world.objects("flow").await.remove(0);
            let words = flow["description"].as_str().unwrap();
            words.starts_with("After the upgrade").then_some(())
        })
        .await;
    world.wait_ready(DATAFLOW).await;
    world.end().await;
}

#[tokio::test]
async fn an_uninstallation_leaves_resources_and_platform_and_an_operator_goes_on_with_them() {
    let world = under_the_chart_before().await;
    install(&world, "upgrade", &BY_HAND).await;
    next_operator(&world).await;
    for resource in RESOURCES {
        world.wait_ready(resource).await;
    }
    let (resources, objects) = (told(&world).await, remote(&world).await);

    // In the wrong order: the chart goes before the resources do.
    world.stack.operator().stop(END).await.unwrap();
    helm(&world, "uninstall", &[]).await;
    assert_eq!(told(&world).await, resources);
    assert_eq!(remote(&world).await, objects);
    // What carries a finalizer stays until an operator runs again.
    world.kubectl(&["delete", DATAFLOW, "--wait=false"]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let held = world.get(DATAFLOW).await;
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(condition(&held, "Ready")["status"], "True");
    assert_eq!(remote(&world).await, objects);

    install(&world, "install", &[]).await;
    let plane = world.stack.control_plane();
    // Another ServiceAccount of that name: the token of the one before is worth nothing.
    plane
        .service_account_kubeconfig("aep-system", "aep-operator")
        .await
        .unwrap();
    next_operator(&world).await;
    world.wait_gone(DATAFLOW).await;
    assert_eq!(world.objects("flow").await, [] as [Value; 0]);
    assert_eq!(world.objects("webhook").await, [] as [Value; 0]);
    // In the right order nothing is left but what shall stay: the dataset.
    world
        .kubectl(&["delete", SOURCE, DATASET, "--timeout=60s"])
        .await;
    world.stack.operator().stop(END).await.unwrap();
    helm(&world, "uninstall", &[]).await;
    assert_eq!(
        world
            .ours()
            .await
            .iter()
            .filter(|it| !it.starts_with("mappingSet"))
            .count(),
        0
    );
    assert_eq!(world.objects("dataset").await.len(), 1);
}

//! What becomes of a dataset's objects when its resource is deleted.

use aep_emulator::Permission;
use serde_json::{Value, json};

use crate::dataset::{empty, only};
use crate::world::{DATASET, NAMESPACE, World, changed, condition, dataflow, dataset, source};

const EVENTS: &str = "aepdataset/events";
const KINDS: [&str; 3] = ["fieldGroup", "schema", "dataset"];

/// The dataset, to be deleted with all it holds.
fn doomed() -> Value {
    changed(dataset("events"), "/spec/deletionPolicy", json!("Delete"))
}

async fn ready(world: &World, manifest: &Value) {
    world.apply(manifest).await;
    world.wait_ready(EVENTS).await;
}

#[tokio::test]
async fn by_default_everything_stays_and_nobody_owns_it_any_more() {
    let world = empty().await;
    ready(&world, &dataset("events")).await;
    world.kubectl(&["delete", EVENTS, "--timeout=30s"]).await;
    for kind in KINDS {
        let object = only(&world, kind).await;
        let description = object["description"].as_str().unwrap();
        assert!(
            description.ends_with(" [aep-operator/v1 released]"),
            "{description}"
        );
    }
    let tags = only(&world, "dataset").await["tags"]["aep-operator"].clone();
    assert_eq!(tags, json!(["released"]));
    let events = world.events("events").await;
    assert!(
        events.iter().any(|it| it.starts_with("Retained:")),
        "{events:?}"
    );
    // What was let go of is nobody's to take by its title alone.
    world.apply(&dataset("events")).await;
    world.wait_reason(EVENTS, "OwnedByAnother").await;
    world.end().await;
}

#[tokio::test]
async fn asked_to_delete_it_leaves_nothing_and_its_secret_goes_after_it() {
    let world = empty().await;
    ready(&world, &doomed()).await;
    world.forget_calls().await;
    let secret = "secret/adobe-credentials";
    world.kubectl(&["delete", EVENTS, "--wait=false"]).await;
    world.kubectl(&["delete", secret, "--wait=false"]).await;
    world.wait_gone(EVENTS).await;
    for kind in KINDS {
        assert_eq!(world.objects(kind).await, [] as [Value; 0], "{kind}");
    }
    let calls = world.calls().await.into_iter().map(|call| call.operation);
    let deletes: Vec<String> = calls.filter(|name| name.ends_with(".delete")).collect();
    assert_eq!(
        deletes,
        ["datasets.delete", "schemas.delete", "fieldGroups.delete"]
    );
    world.wait_gone(secret).await;
    world.end().await;
}

#[tokio::test]
async fn a_secret_stays_while_a_dataset_needs_it() {
    let world = empty().await;
    ready(&world, &doomed()).await;
    let secret = world.get("secret/adobe-credentials").await;
    let held = json!(["aep-operator.dev/in-use"]);
    assert_eq!(secret["metadata"]["finalizers"], held);
    world.kubectl(&["delete", EVENTS, "--timeout=30s"]).await;
    world
        .wait_for("the Secret to be let go of", async || {
            let secret = world.get("secret/adobe-credentials").await;
            (secret["metadata"]["finalizers"] == Value::Null).then_some(())
        })
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_schema_that_another_dataset_uses_stays_and_is_named() {
    let world = World::start().await;
    ready(&world, &doomed()).await;
    let stands = world.get(EVENTS).await;
    let schema = stands["status"]["schema"]["id"].clone();
    world
        .edit(json!({"kind": "dataset", "id": DATASET, "merge": {"schemaRef": {"id": schema}}}))
        .await;
    world.kubectl(&["delete", EVENTS, "--timeout=30s"]).await;
    let events = world.events("events").await;
    let schema = schema.as_str().unwrap();
    assert!(
        events
            .iter()
            .any(|it| it.starts_with("LeftBehind:") && it.contains(schema)),
        "{events:?}"
    );
    assert_eq!(world.objects("dataset").await.len(), 1);
    // The same resource finds it again.
    ready(&world, &dataset("events")).await;
    assert_eq!(world.get(EVENTS).await["status"]["schema"]["id"], schema);
    world.end().await;
}

#[tokio::test]
async fn protected_it_is_not_deleted_and_says_what_remains() {
    let world = empty().await;
    ready(&world, &doomed()).await;
    world
        .kubectl(&["annotate", EVENTS, "aep-operator.dev/protect=true"])
        .await;
    world.kubectl(&["delete", EVENTS, "--wait=false"]).await;
    let stands = world.wait_reason(EVENTS, "DeletionBlocked").await;
    let message = condition(&stands, "Ready")["message"].clone();
    let id = stands["status"]["dataset"]["id"].as_str().unwrap();
    assert!(message.as_str().unwrap().contains(id), "{message}");
    world
        .kubectl(&["annotate", EVENTS, "aep-operator.dev/protect-"])
        .await;
    world.wait_gone(EVENTS).await;
    for kind in KINDS {
        assert_eq!(world.objects(kind).await, [] as [Value; 0], "{kind}");
    }
    world.end().await;
}

const DATAFLOW: &str = "aepdataflow/customer-io-events";
const SOURCE: &str = "customeriosource/customer-io";

/// A dataflow into the dataset, with the rows that its class requires.
pub fn into_it() -> Value {
    let time = "dformat(timestamp*1000, \"yyyy-MM-dd'T'HH:mm:ss.SSSX\")";
    let manifest = dataflow("customer-io-events", "customer-io");
    let manifest = changed(
        manifest,
        "/spec/target",
        json!({"datasetRef": {"name": "events"}}),
    );
    let rows = json!([
        {"source": "event_id", "destination": "_id"},
        {"expression": time, "destination": "timestamp"},
        {"source": "data.identifiers.email", "destination": "_{tenant}.email"},
    ]);
    changed(manifest, "/spec/mapping", rows)
}

/// A dataset with a dataflow into it, from nothing. The operator's own paces apply: an event has to wake it.
async fn in_use() -> World {
    let world = World::with(|options| {
        options.emulator.empty = true;
        options.operator_args.clear();
        options.control_plane.controller_manager = true;
    })
    .await;
    for manifest in [into_it(), source("customer-io"), doomed()] {
        world.apply(&manifest).await;
    }
    world.wait_ready(DATAFLOW).await;
    world
}

async fn nothing_left(world: &World) {
    for kind in KINDS {
        assert_eq!(world.objects(kind).await, [] as [Value; 0], "{kind}");
    }
    assert_eq!(world.ours().await, [] as [String; 0]);
}

/// The dataset is deleted under its dataflow: it says so, writes nothing, and goes once the dataflow is gone.
async fn goes_after_its_dataflow(world: World) {
    world.forget_calls().await;
    world.kubectl(&["delete", EVENTS, "--wait=false"]).await;
    let stands = world.wait_reason(EVENTS, "DeletionBlocked").await;
    let message = condition(&stands, "Ready")["message"].clone();
    let message = message.as_str().unwrap();
    assert!(message.contains("\"customer-io-events\""), "{message}");
    let calls = world.calls().await;
    let writes = calls.iter().filter(|call| call.writes());
    assert_eq!(writes.count(), 0);
    world.kubectl(&["delete", DATAFLOW, "--timeout=30s"]).await;
    world.wait_gone(EVENTS).await;
    world.kubectl(&["delete", SOURCE, "--timeout=30s"]).await;
    nothing_left(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_dataset_that_a_dataflow_writes_into_waits_for_it_and_names_it() {
    let world = in_use().await;
    goes_after_its_dataflow(world).await;
}

#[tokio::test]
async fn a_dataset_does_not_go_from_under_a_dataflow_that_names_it_by_id() {
    // AEP would let it: it is the operator that has to know.
    let world = World::with(|options| {
        options.emulator.empty = true;
        options.emulator.dataset_delete_in_use = Permission::Allowed;
    })
    .await;
    ready(&world, &doomed()).await;
    let made = world.get(EVENTS).await["status"].clone();
    let existing = json!({"existing": {
        "datasetId": made["dataset"]["id"],
        "schema": {"id": made["schema"]["id"]},
    }});
    world.apply(&source("customer-io")).await;
    world
        .apply(&changed(into_it(), "/spec/target", existing))
        .await;
    world.wait_ready(DATAFLOW).await;
    goes_after_its_dataflow(world).await;
}

#[tokio::test]
async fn a_namespace_goes_with_its_datasets_and_what_writes_into_them() {
    let world = in_use().await;
    world
        .kubectl(&["delete", "namespace", NAMESPACE, "--timeout=60s"])
        .await;
    nothing_left(&world).await;
    world.end().await;
}

//! What no public source says of datasets and schemas, each answer in turn.

use serde_json::{Value, json};

use crate::dataset::only;
use crate::world::{DATASET, World, changed, condition, dataflow, dataset, source};

const EVENTS: &str = "aepdataset/events";
const DATAFLOW: &str = "aepdataflow/customer-io-events";

async fn answers(world: &World, options: Value) {
    let emulator = world.stack.emulator();
    emulator.post("/_emulator/options", &options).await.unwrap();
}

fn message(resource: &Value) -> String {
    condition(resource, "Ready")["message"].to_string()
}

/// Unknown: whether two datasets may have one name.
#[tokio::test]
async fn a_name_that_another_dataset_has_is_told_if_it_may_not_be_used_twice() {
    let world = World::start().await;
    answers(&world, json!({"datasetNames": "unique"})).await;
    let name = only(&world, "dataset").await["name"].clone();
    let named = |resource: &str| changed(dataset(resource), "/spec/name", name.clone());
    world.apply(&named("events")).await;
    let stands = world.wait_reason(EVENTS, "RejectedByPlatform").await;
    let told = message(&stands);
    for says in [
        DATASET,
        name.as_str().unwrap(),
        "already exists",
        "rename or delete",
        "another spec.name",
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
    assert_eq!(condition(&stands, "Stalled")["status"], "True");
    assert_eq!(only(&world, "dataset").await["id"], DATASET);
    // Once the other one is called otherwise, it goes on by itself.
    let merge = json!({"name": "renamed"});
    world
        .edit(json!({"kind": "dataset", "id": DATASET, "merge": merge}))
        .await;
    world.wait_ready(EVENTS).await;

    answers(&world, json!({"datasetNames": "free"})).await;
    world.apply(&named("others")).await;
    world.wait_ready("aepdataset/others").await;
    let all = world.objects("dataset").await;
    assert_eq!(all.iter().filter(|it| it["name"] == name).count(), 2);
    world.end().await;
}

/// Unknown: whether a dataset can be deleted while a target connection names it.
#[tokio::test]
async fn a_dataset_that_somebody_else_uses_goes_when_the_platform_lets_it() {
    let world = World::start().await;
    let doomed = changed(dataset("events"), "/spec/deletionPolicy", json!("Delete"));
    world.apply(&doomed).await;
    world.apply(&source("customer-io")).await;
    let elsewhere = dataflow("customer-io-events", "customer-io");
    world.apply(&elsewhere).await;
    world.wait_ready(EVENTS).await;
    world.wait_ready(DATAFLOW).await;
    let id = world.get(EVENTS).await["status"]["dataset"]["id"].clone();
    let target = only(&world, "targetConnection").await;
    let merge = json!({"params": {"dataSetId": id}});
    world
        .edit(json!({"kind": "targetConnection", "id": target["id"], "merge": merge}))
        .await;

    world.kubectl(&["delete", EVENTS, "--wait=false"]).await;
    let stands = world.wait_reason(EVENTS, "DeletionBlocked").await;
    let told = message(&stands);
    assert!(told.contains("used by a target connection"), "{told}");
    assert_eq!(world.objects("dataset").await.len(), 2);
    answers(&world, json!({"datasetDeleteInUse": "allowed"})).await;
    world.wait_gone(EVENTS).await;
    assert_eq!(only(&world, "dataset").await["id"], DATASET);
    world.end().await;
}

/// Unknown: from when on a schema refuses changes that break records.
#[tokio::test]
async fn a_field_that_somebody_could_take_away_comes_back() {
    let world = World::with(|options| {
        options.emulator.empty = true;
        options.operator_args = vec!["--drift-interval=2s".into()];
    })
    .await;
    world.apply(&dataset("events")).await;
    world.wait_ready(EVENTS).await;
    let group = only(&world, "fieldGroup").await;
    let id: String =
        url::form_urlencoded::byte_serialize(group["id"].as_str().unwrap().as_bytes()).collect();
    let path = format!("/data/foundation/schemaregistry/tenant/fieldgroups/{id}");
    let email = "/definitions/customFields/properties/_extconndev/properties/email";
    let takes = json!([{"op": "remove", "path": email}]);
    let emulator = world.stack.emulator();
    let refused = emulator.patch_platform(&path, "prod", &takes).await;
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(refused.contains("email is removed"), "{refused}");

    answers(&world, json!({"breakingChange": "withData"})).await;
    emulator
        .patch_platform(&path, "prod", &takes)
        .await
        .unwrap();
    let stands = world
        .wait_for("the field", async || {
            let stands = world.get(EVENTS).await;
            let told = stands["status"]["lastDrift"].is_object();
            told.then_some(stands)
        })
        .await;
    let back = only(&world, "fieldGroup").await;
    assert_eq!(back.pointer(email), group.pointer(email));
    let fields = &stands["status"]["lastDrift"]["fields"];
    assert_eq!(*fields, json!(["fieldGroup.definitions"]));
    world.end().await;
}

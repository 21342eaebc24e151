//! The mapping of a flow: new rows are shown to the platform before they are written, and a mapping set that was made
//! elsewhere is used and left alone.

use playground::operator_process::Signal;
use playground::restart::Restart;
use serde_json::{Value, json};

use crate::world::{World, changed, condition, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";
const BORROWER: &str = "aepdataflow/borrower";

/// Waits until the resource stands for this generation as `reason` says; the message.
async fn says(world: &World, resource: &str, reason: &str) -> String {
    world
        .wait_for(&format!("{resource} to say {reason}"), async || {
            let stands = world.get(resource).await;
            let ready = condition(&stands, "Ready");
            let now = stands["status"]["observedGeneration"] == stands["metadata"]["generation"];
            let message = ready["message"].as_str()?.to_owned();
            (now && ready["reason"] == reason).then_some(message)
        })
        .await
}

async fn writes(world: &World) -> Vec<String> {
    let calls = world
        .calls()
        .await
        .into_iter()
        .filter(super::world::Call::writes);
    calls.map(|call| call.operation).collect()
}

fn bad_rows() -> Value {
    json!([
        {"source": "event_id", "destination": "_extconndev.event_id0"},
        {"source": "metric", "destination": "_extconndev.nowhere"},
        {"expression": "no_such_function(metric)", "destination": "_extconndev.metricx"},
    ])
}

/// Which of both it is, is on the list of what no public source says: a verdict for each row, or a refusal of all.
#[tokio::test]
async fn rows_that_the_platform_refuses_never_reach_a_flow_that_runs() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    let manifest = dataflow("customer-io-events", "customer-io");
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    let flow = world.objects("flow").await.remove(0);
    world.forget_calls().await;

    let bad = changed(manifest.clone(), "/spec/mapping", bad_rows());
    world.apply(&bad).await;
    let message = says(&world, DATAFLOW, "RejectedByPlatform").await;
    for needle in [
        "2 rows",
        "metric -> _extconndev.nowhere: Destination path not found",
        "no_such_function",
        "The flow goes on with the rows it has",
    ] {
        assert!(message.contains(needle), "{needle}: {message}");
    }

    world
        .stack
        .emulator()
        .post("/_emulator/options", &json!({"badMapping": "refused"}))
        .await
        .unwrap();
    let worse = changed(bad, "/spec/mapping/0/source", json!("metric"));
    world.apply(&worse).await;
    let message = world
        .wait_for("the platform's refusal of all rows", async || {
            let message = says(&world, DATAFLOW, "RejectedByPlatform").await;
            message.contains("Mapping 2").then_some(message)
        })
        .await;
    assert!(message.contains("_extconndev.nowhere"), "{message}");

    assert_eq!(writes(&world).await, Vec::<String>::new());
    assert_eq!(world.objects("flow").await.remove(0), flow);
    let stands = world.get(DATAFLOW).await;
    assert_eq!(stands["status"]["mappingSet"]["version"], 0);
    let good = changed(
        manifest,
        "/spec/mapping/0/source",
        json!("data.customer_id"),
    );
    world.apply(&good).await;
    says(&world, DATAFLOW, "Succeeded").await;
    assert_eq!(writes(&world).await, ["mappingSets.update", "flows.patch"]);
    world.end().await;
}

/// The rows of a first creation are not shown beforehand: that would cost everybody a call. The refusal is, row by row.
#[tokio::test]
async fn a_first_mapping_that_is_refused_is_told_row_by_row() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    let manifest = dataflow("customer-io-events", "customer-io");
    let bad = changed(manifest.clone(), "/spec/mapping", bad_rows());
    world.apply(&bad).await;
    let message = says(&world, DATAFLOW, "RejectedByPlatform").await;
    for needle in [
        "metric -> _extconndev.nowhere: Destination path not found",
        "no_such_function",
        "No mapping set was made",
    ] {
        assert!(message.contains(needle), "{needle}: {message}");
    }
    let events = world.events("customer-io-events").await.join("\n");
    assert!(events.contains("AEP's answer:"), "{events}");
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    world.end().await;
}

/// A dataflow beside the one that made the mapping set `id`.
fn borrowing(id: &Value, version: i64) -> Value {
    let mut manifest = dataflow("borrower", "second");
    let spec = manifest["spec"].as_object_mut().unwrap();
    spec.remove("mapping");
    spec.insert("mappingSet".into(), json!({"id": id, "version": version}));
    manifest
}

/// The mapping set and version that the borrower's flow uses.
async fn used(world: &World) -> Value {
    let id = world.get(BORROWER).await["status"]["flow"]["id"].clone();
    let flows = world.objects("flow").await;
    let flow = flows.into_iter().find(|flow| flow["id"] == id).unwrap();
    flow["transformations"][0]["params"].clone()
}

fn is_mapping_set(call: &str) -> bool {
    call.starts_with("mappingSets.")
}

async fn mapping_sets(world: &World) -> Vec<Value> {
    let sets = world.objects("mappingSet").await;
    sets.iter().map(|set| set["id"].clone()).collect()
}

#[tokio::test]
async fn a_mapping_set_made_elsewhere_is_used_and_left_alone() {
    let world = World::with(|options| {
        options.restart = Restart::Always;
        options.lease = std::time::Duration::from_secs(2);
    })
    .await;
    for name in ["customer-io", "second"] {
        world.apply(&source(name)).await;
    }
    let owner = dataflow("customer-io-events", "customer-io");
    world.apply(&owner).await;
    world.wait_ready(DATAFLOW).await;
    let id = world.get(DATAFLOW).await["status"]["mappingSet"]["id"].clone();
    world.forget_calls().await;

    world.apply(&borrowing(&id, 0)).await;
    world.wait_ready(BORROWER).await;
    assert_eq!(
        used(&world).await,
        json!({"mappingId": id, "mappingVersion": 0})
    );
    let calls = world.operations().await;
    assert!(!calls.iter().any(|call| is_mapping_set(call)), "{calls:?}");

    // Another version: one patch. One that does not exist is told, and the flow stays as it is.
    let rows = json!([{"source": "event_id", "destination": "_extconndev.event_id0"}]);
    world.apply(&changed(owner, "/spec/mapping", rows)).await;
    says(&world, DATAFLOW, "Succeeded").await;
    world.forget_calls().await;
    world.apply(&borrowing(&id, 1)).await;
    says(&world, BORROWER, "Succeeded").await;
    assert_eq!(writes(&world).await, ["flows.patch"]);
    world.apply(&borrowing(&id, 7)).await;
    let message = says(&world, BORROWER, "InvalidSpec").await;
    assert!(
        message.contains("version 7") && message.contains("spec.mappingSet"),
        "{message}"
    );
    assert_eq!(used(&world).await["mappingVersion"], 1);

    // Rows of its own, and back: the set in between is the dataflow's, the borrowed one never.
    world.apply(&dataflow("borrower", "second")).await;
    says(&world, BORROWER, "Succeeded").await;
    let own = world.get(BORROWER).await["status"]["mappingSet"]["id"].clone();
    assert_eq!(used(&world).await["mappingId"], own);
    assert_ne!(own, id);
    world.apply(&borrowing(&id, 1)).await;
    says(&world, BORROWER, "Succeeded").await;
    assert_eq!(used(&world).await["mappingId"], id);
    assert_eq!(mapping_sets(&world).await.len(), 2);
    world.kubectl(&["delete", BORROWER]).await;
    assert_eq!(mapping_sets(&world).await, std::slice::from_ref(&id));

    // A status that is lost: the flow is taken over, the set that it uses is not. Not even when the spec has rows by
    // now: the flow gets a set with them.
    for again in [borrowing(&id, 1), dataflow("borrower", "second")] {
        world.apply(&borrowing(&id, 1)).await;
        world.wait_ready(BORROWER).await;
        let flow = world.get(BORROWER).await["status"]["flow"]["id"].clone();
        let before = world.objects("mappingSet").await;
        let abandon = ["annotate", BORROWER, "aep-operator.dev/abandon=true"];
        world.kubectl(&abandon).await;
        world.kubectl(&["delete", BORROWER]).await;
        world.stack.operator().kill(Signal::KILL).unwrap();
        world.apply(&again).await;
        world.wait_ready(BORROWER).await;
        let stands = world.get(BORROWER).await["status"].clone();
        assert_eq!(stands["flow"]["id"], flow);
        assert_ne!(stands["mappingSet"]["id"], id);
        world.kubectl(&["delete", BORROWER]).await;
        assert_eq!(world.objects("mappingSet").await, before);
    }
    world.end().await;
}

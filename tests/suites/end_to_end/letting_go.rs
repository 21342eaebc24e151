//! Deletion that leaves remote objects where they are, or refuses to take them: protected resources,
//! uninstalled definitions, dataflows that never held anything.

use std::time::Duration;

use serde_json::{Value, json};

use crate::deletion::both_ready;
use crate::world::{World, condition, dataflow, source};

const SOURCE: &str = "customeriosource/customer-io";
const DATAFLOW: &str = "aepdataflow/customer-io-events";
const NOTHING: [String; 0] = [];

fn message(resource: &Value) -> String {
    condition(resource, "Ready")["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_protected_resource_is_not_deleted_until_the_annotation_goes() {
    let world = World::unhurried().await;
    both_ready(&world).await;
    world
        .kubectl(&["annotate", DATAFLOW, "aep-operator.dev/protect=true"])
        .await;
    world.forget_calls().await;
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--wait=false"])
        .await;
    let blocked = world.wait_reason(DATAFLOW, "DeletionBlocked").await;
    for word in ["aep-operator.dev/protect", "Remove it", "flow "] {
        let message = message(&blocked);
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(world.operations().await, NOTHING);
    world
        .kubectl(&["annotate", DATAFLOW, "aep-operator.dev/protect-"])
        .await;
    world.wait_gone(DATAFLOW).await;
    world.wait_gone(SOURCE).await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn protected_and_abandoned_it_is_let_go() {
    let world = World::unhurried().await;
    both_ready(&world).await;
    let both = [
        "aep-operator.dev/protect=true",
        "aep-operator.dev/abandon=true",
    ];
    world
        .kubectl(&["annotate", DATAFLOW, both[0], both[1]])
        .await;
    world.kubectl(&["delete", DATAFLOW, "--timeout=20s"]).await;
    assert_eq!(world.ours().await.len(), 4);
    world.end().await;
}

#[tokio::test]
async fn uninstalled_definitions_leave_the_remote_objects() {
    let world = World::unhurried().await;
    both_ready(&world).await;
    let before = world.ours().await;
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    world.forget_calls().await;
    world
        .kubectl(&["delete", "-f", crds, "--timeout=60s"])
        .await;
    assert_eq!(world.ours().await, before);
    assert_eq!(world.operations().await, NOTHING);
    let told = world.events("customer-io-events").await;
    let named = told.iter().any(|event| {
        event.starts_with("Uninstalled") && event.contains("aepdataflows.aep-operator.dev")
    });
    assert!(named, "{told:?}");
    // The operator lives through it and works once they are back.
    world.kubectl(&["apply", "--server-side", "-f", crds]).await;
    world
        .kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "-f",
            crds,
        ])
        .await;
    let mut anew = source("customer-io-2");
    anew["spec"]["name"] = json!("another");
    world.apply(&anew).await;
    world.wait_ready("customeriosource/customer-io-2").await;
    world.end().await;
}

#[tokio::test]
async fn what_was_deleted_before_the_definitions_is_deleted() {
    let world = World::unhurried().await;
    both_ready(&world).await;
    world
        .faults(json!([{"method": "DELETE", "path": "/flows/", "latencyMs": 4000, "status": 503, "times": 1}]))
        .await;
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--wait=false"])
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    world
        .kubectl(&["delete", "-f", crds, "--timeout=60s"])
        .await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn the_end_of_a_dataflow_without_finalizer_wakes_whom_it_kept_waiting() {
    let world = World::unhurried().await;
    world.apply(&source("customer-io")).await;
    let mut idle = dataflow("idle", "customer-io");
    idle["spec"]["suspend"] = json!(true);
    world.apply(&idle).await;
    world.wait_reason("aepdataflow/idle", "Suspended").await;
    // Of two dataflows the older one holds the source; times are whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.wait_reason(DATAFLOW, "SourceInUse").await;
    world.kubectl(&["delete", "aepdataflow/idle"]).await;
    world.wait_ready(DATAFLOW).await;
    world.end().await;
}

//! What stands already is found by its marker: a rebuilt cluster makes nothing anew, and what a late
//! attempt made beside it goes.

use std::time::Duration;

use aep_emulator::Permission;
use playground::operator_process::Signal;
use playground::restart::Restart;
use serde_json::{Value, json};

use crate::world::{World, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";
const SOURCE: &str = "customeriosource/customer-io";

async fn apply_both(world: &World) {
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
}

#[tokio::test]
async fn a_resource_that_comes_back_with_an_empty_status_takes_over_what_is_its_own() {
    let world = World::with(|options| options.restart = Restart::Always).await;
    apply_both(&world).await;
    world.wait_ready(DATAFLOW).await;
    let before = world.ours().await;
    for resource in [DATAFLOW, SOURCE] {
        world
            .kubectl(&["annotate", resource, "aep-operator.dev/abandon=true"])
            .await;
        world.kubectl(&["delete", resource]).await;
    }
    world.stack.operator().kill(Signal::KILL).unwrap();
    world.forget_calls().await;
    apply_both(&world).await;
    world.wait_ready(DATAFLOW).await;
    assert_eq!(world.ours().await, before);
    let calls = world.calls().await;
    assert!(
        calls.iter().all(|call| !call.operation.ends_with("create")),
        "{calls:?}"
    );
    // The marker is that of the new resource.
    let stands = world.get(DATAFLOW).await;
    let uid = stands["metadata"]["uid"].as_str().unwrap();
    let flow = world.objects("flow").await.remove(0);
    assert!(
        flow["description"].as_str().unwrap().contains(uid),
        "{flow}"
    );
    let events = world.events("customer-io-events").await;
    assert!(
        events.iter().any(|it| it.starts_with("TakenOver:")),
        "{events:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn what_a_late_attempt_makes_beside_the_one_in_use_is_deleted() {
    let world = World::with(|options| {
        options.emulator.shared_source = Permission::Allowed;
        options.lease = Duration::from_secs(2);
        options.operator_args = [
            "--create-settle=4s",
            "--request-timeout=2s",
            "--drift-interval=2s",
            "--retry-max=2s",
        ]
        .map(Into::into)
        .to_vec();
    })
    .await;
    let late = |path: &str| json!({"method": "POST", "path": path, "dropBeforeCommit": true, "commitLateMs": 9000, "times": 1});
    world
        .faults(json!([
            late("/sourceConnections$"),
            late("/targetConnections$"),
            late("/mappingSets$"),
            late("/flows$")
        ]))
        .await;
    apply_both(&world).await;
    world.wait_ready(DATAFLOW).await;
    let recorded = world.get(DATAFLOW).await["status"]["flow"]["id"].clone();
    // The flow of the first attempt appears nine seconds after it was asked for.
    world
        .wait_for("the twins to come and go", async || {
            let calls = world.calls().await;
            let deleted = |kind: &str| {
                calls
                    .iter()
                    .any(|call| call.operation == format!("{kind}.delete"))
            };
            [
                "sourceConnections",
                "targetConnections",
                "mappingSets",
                "flows",
            ]
            .into_iter()
            .all(deleted)
            .then_some(())
        })
        .await;
    for kind in ["sourceConnection", "targetConnection", "mappingSet", "flow"] {
        assert_eq!(world.objects(kind).await.len(), 1, "{kind}");
    }
    assert_eq!(world.objects("flow").await[0]["id"], recorded);
    let stands = world.get(DATAFLOW).await;
    assert_eq!(stands["status"]["pending"], Value::Null);
    world.end().await;
}

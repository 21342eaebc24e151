//! Replies that never come, and an operator that dies at the worst moment: never a second object.

use playground::operator_process::Signal;
use playground::restart::Restart;
use serde_json::{Value, json};

use crate::world::{World, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";

async fn apply_both(world: &World) {
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
}

async fn one_of_each(world: &World) {
    for kind in ["sourceConnection", "targetConnection", "mappingSet", "flow"] {
        assert_eq!(world.objects(kind).await.len(), 1, "{kind}");
    }
    let stands = world.get(DATAFLOW).await;
    assert_eq!(stands["status"]["pending"], Value::Null);
}

#[tokio::test]
async fn every_creation_whose_answer_is_lost_is_found_by_its_marker() {
    let world = World::start().await;
    world
        .faults(json!([
            {"method": "POST", "path": "/sourceConnections$", "dropAfterCommit": true, "times": 1},
            {"method": "POST", "path": "/targetConnections$", "dropAfterCommit": true, "times": 1},
            {"method": "POST", "path": "/mappingSets$", "dropAfterCommit": true, "times": 1},
            {"method": "POST", "path": "/flows$", "dropAfterCommit": true, "times": 1},
        ]))
        .await;
    apply_both(&world).await;
    world.wait_ready(DATAFLOW).await;
    one_of_each(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_creation_that_never_happened_is_made_once_the_settling_time_is_over() {
    let world = World::with(|options| {
        options.lease = std::time::Duration::from_secs(2);
        options
            .operator_args
            .extend(["--create-settle=4s", "--request-timeout=2s"].map(Into::into));
    })
    .await;
    world
        .faults(
            json!([{"method": "POST", "path": "/flows$", "dropBeforeCommit": true, "times": 1}]),
        )
        .await;
    apply_both(&world).await;
    world.wait_ready(DATAFLOW).await;
    one_of_each(&world).await;
    let flow = world.objects("flow").await.remove(0);
    assert!(
        flow["description"].as_str().unwrap().ends_with(" 2]"),
        "the second attempt says so: {flow}"
    );
    world.end().await;
}

#[tokio::test]
async fn an_operator_killed_while_creations_are_under_way_takes_up_its_own() {
    let world = World::with(|options| {
        options.restart = Restart::Always;
        options.lease = std::time::Duration::from_secs(2);
        options.emulator.latency = std::time::Duration::from_millis(400);
    })
    .await;
    world.forget_calls().await;
    apply_both(&world).await;
    // Once while the first three are under way, once while the flow is.
    for operation in ["targetConnections.create", "flows.create"] {
        world
            .wait_for(operation, async || {
                world
                    .operations()
                    .await
                    .iter()
                    .any(|name| name == operation)
                    .then_some(())
            })
            .await;
        world.stack.operator().kill(Signal::KILL).unwrap();
    }
    world.wait_ready(DATAFLOW).await;
    one_of_each(&world).await;
    world.end().await;
}

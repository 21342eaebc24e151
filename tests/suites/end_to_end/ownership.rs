//! Deletion and whose an object is: retained, taken over by somebody else, released, made twice.

use std::time::Duration;

use aep_emulator::Permission;
use serde_json::{Value, json};

use crate::deletion::both_ready;
use crate::world::{World, dataflow, source};

const SOURCE: &str = "customeriosource/customer-io";
const DATAFLOW: &str = "aepdataflow/customer-io-events";
const NOTHING: [String; 0] = [];
const RELEASED: &str = "[aep-operator/v1 released]";

async fn only(world: &World, kind: &str) -> Value {
    let mut objects = world.objects(kind).await;
    assert_eq!(objects.len(), 1, "{kind}");
    objects.remove(0)
}

fn description(object: &Value) -> &str {
    object["description"].as_str().unwrap()
}

async fn describe_as(world: &World, kind: &str, description: &str) {
    let id = only(world, kind).await["id"].clone();
    world
        .edit(json!({"kind": kind, "id": id, "merge": {"description": description}}))
        .await;
}

#[tokio::test]
async fn retained_objects_stay_and_say_that_they_are_free() {
    for (permission, patched) in [(Permission::Allowed, true), (Permission::Refused, false)] {
        let world = World::with(|options| options.emulator.patch_connection = permission).await;
        both_ready(&world).await;
        let before = world.ours().await;
        let retain = json!({"spec": {"deletionPolicy": "Retain"}}).to_string();
        for resource in [DATAFLOW, SOURCE] {
            world
                .kubectl(&["patch", resource, "--type=merge", "-p", &retain])
                .await;
        }
        // Somebody changes the flow between our look and our write.
        world
            .faults(json!([{"method": "PATCH", "path": "/flows/", "status": 412, "times": 1}]))
            .await;
        world
            .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=40s"])
            .await;
        assert_eq!(world.ours().await, before);
        let flow = only(&world, "flow").await;
        assert_eq!(
            description(&flow),
            format!("Streaming Dataflow for Customer.io {RELEASED}")
        );
        for kind in ["sourceConnection", "targetConnection"] {
            let free = description(&only(&world, kind).await).ends_with(RELEASED);
            assert_eq!(free, patched, "{kind}");
        }
        for name in ["customer-io-events", "customer-io"] {
            let told = world.events(name).await;
            assert!(
                told.iter().any(|event| event.starts_with("Retained")),
                "{told:?}"
            );
            let warned = told.iter().any(|event| event.starts_with("NotReleased"));
            assert_eq!(warned, !patched, "{told:?}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn what_somebody_took_over_is_not_deleted() {
    let world = World::start().await;
    both_ready(&world).await;
    let theirs = |object: &str| {
        format!("mine now [aep-operator/v1 other-cluster/sales/theirs {object} 9f 1]")
    };
    describe_as(&world, "flow", &theirs("flow")).await;
    describe_as(&world, "sourceConnection", &theirs("source-connection")).await;
    let before = world.ours().await;
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=40s"])
        .await;
    assert_eq!(world.ours().await, before);
    let told = world.events("customer-io-events").await;
    let named = told.iter().any(|event| {
        event.starts_with("LetGo")
            && ["sales/theirs", "target connection", "mapping set"]
                .iter()
                .all(|word| event.contains(word))
    });
    assert!(named, "{told:?}");
    world.end().await;
}

#[tokio::test]
async fn a_description_edited_by_hand_does_not_keep_an_object() {
    let world = World::start().await;
    both_ready(&world).await;
    for kind in ["flow", "sourceConnection", "targetConnection"] {
        describe_as(&world, kind, "edited by hand").await;
    }
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=40s"])
        .await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn what_was_released_is_left_alone() {
    let world = World::start().await;
    both_ready(&world).await;
    describe_as(&world, "targetConnection", RELEASED).await;
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=40s"])
        .await;
    assert_eq!(world.ours().await.len(), 1);
    only(&world, "targetConnection").await;
    world.end().await;
}

#[tokio::test]
async fn an_object_made_twice_is_deleted_twice() {
    let world = World::with(|options| {
        options.lease = Duration::from_secs(2);
        options
            .operator_args
            .extend(["--create-settle=4s", "--request-timeout=2s"].map(Into::into));
    })
    .await;
    // The first creation comes after all, long after its time; the answer to the second is lost.
    world
        .faults(json!([
            {"method": "POST", "path": "/sourceConnections$", "commitLateMs": 9000, "status": 503, "times": 1},
            {"method": "POST", "path": "/sourceConnections$", "dropAfterCommit": true, "times": 1},
        ]))
        .await;
    world.apply(&source("customer-io")).await;
    world
        .wait_for("the second attempt", async || {
            let stands = world.get(SOURCE).await;
            (stands["status"]["pending"][0]["attempt"] == 2).then_some(())
        })
        .await;
    world
        .faults(json!([
            {"method": "POST", "path": "/sourceConnections$", "dropAfterCommit": true, "times": 1},
            {"method": "GET", "path": "/sourceConnections$", "status": 503},
        ]))
        .await;
    world
        .wait_for("two source connections", async || {
            (world.objects("sourceConnection").await.len() == 2).then_some(())
        })
        .await;
    world.kubectl(&["delete", SOURCE, "--wait=false"]).await;
    world.faults(json!([])).await;
    world.wait_gone(SOURCE).await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn a_finalizer_stays_while_a_creation_is_unsettled() {
    let world = World::with(|options| {
        options
            .operator_args
            .extend(["--create-settle=8s", "--request-timeout=2s"].map(Into::into));
    })
    .await;
    // It is made five seconds after everybody has stopped waiting for it.
    world
        .faults(json!([
            {"method": "POST", "path": "/sourceConnections$", "commitLateMs": 5000, "status": 503, "times": 1},
        ]))
        .await;
    world.apply(&source("customer-io")).await;
    world
        .wait_for("the intent", async || {
            let stands = world.get(SOURCE).await;
            (stands["status"]["pending"][0]["attempt"] == 1).then_some(())
        })
        .await;
    world.kubectl(&["delete", SOURCE, "--wait=false"]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(world.exists(SOURCE).await, "it may still appear");
    world.wait_gone(SOURCE).await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn a_suspended_resource_can_be_deleted() {
    let world = World::start().await;
    both_ready(&world).await;
    let mut suspended = (
        source("customer-io"),
        dataflow("customer-io-events", "customer-io"),
    );
    suspended.0["spec"]["suspend"] = json!(true);
    suspended.1["spec"]["suspend"] = json!(true);
    world.apply(&suspended.0).await;
    world.apply(&suspended.1).await;
    world
        .kubectl(&["delete", SOURCE, DATAFLOW, "--timeout=40s"])
        .await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

//! What somebody else made becomes a resource's own, under the policy it names, and is let go of again.

use serde_json::{Value, json};

use crate::world::{World, changed, condition, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";
const SOURCE: &str = "customeriosource/customer-io";

/// Objects as a person would have made them: connections and a flow, with `marker` at the end of every
/// description, and no resource that knows of them. Their ids: source connection, flow.
async fn made_elsewhere(world: &World, marker: &str) -> (String, String) {
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.wait_ready(DATAFLOW).await;
    for resource in [DATAFLOW, SOURCE] {
        world
            .kubectl(&["annotate", resource, "aep-operator.dev/abandon=true"])
            .await;
        world.kubectl(&["delete", resource]).await;
    }
    let text = |text: &str| format!("{text} {marker}").trim_end().to_owned();
    for (kind, description) in [
        (
            "sourceConnection",
            "Streaming Source Connection for customer.io",
        ),
        ("targetConnection", "Streaming Dataflow for Customer.io"),
        ("flow", "Streaming Dataflow for Customer.io"),
    ] {
        let id = world.objects(kind).await[0]["id"].clone();
        let merge = json!({"description": text(description)});
        world
            .edit(json!({"kind": kind, "id": id, "merge": merge}))
            .await;
    }
    let id = async |kind: &str| {
        let objects = world.objects(kind).await;
        objects[0]["id"].as_str().unwrap().to_owned()
    };
    let ids = (id("sourceConnection").await, id("flow").await);
    // What a listing showed of them is forgotten with the process.
    world
        .stack
        .operator()
        .kill(playground::operator_process::Signal::KILL)
        .unwrap();
    world.forget_calls().await;
    ids
}

async fn world() -> World {
    World::with(|options| {
        options.restart = playground::restart::Restart::Always;
        options.lease = std::time::Duration::from_secs(2);
    })
    .await
}

fn adopting(ids: &(String, String), policy: &str) -> [Value; 2] {
    [
        changed(
            source("customer-io"),
            "/spec/adopt",
            json!({"sourceConnectionId": ids.0, "policy": policy}),
        ),
        changed(
            dataflow("customer-io-events", "customer-io"),
            "/spec/adopt",
            json!({"flowId": ids.1, "policy": policy}),
        ),
    ]
}

#[tokio::test]
async fn what_matches_is_adopted_marked_and_deleted_like_its_own() {
    let world = world().await;
    let ids = made_elsewhere(&world, "").await;
    for manifest in adopting(&ids, "Match") {
        world.apply(&manifest).await;
    }
    world.wait_ready(DATAFLOW).await;
    let calls = world.operations().await;
    assert!(
        calls.iter().all(|call| !call.ends_with("create")),
        "{calls:?}"
    );
    let stands = world.get(DATAFLOW).await;
    assert_eq!(stands["status"]["flow"]["id"], ids.1);
    assert!(stands["status"]["inletUrl"].is_string());
    let flow = world.objects("flow").await.remove(0);
    let uid = stands["metadata"]["uid"].as_str().unwrap();
    assert!(
        flow["description"].as_str().unwrap().contains(uid),
        "{flow}"
    );
    for resource in [DATAFLOW, SOURCE] {
        world.kubectl(&["delete", resource]).await;
    }
    assert_eq!(world.ours().await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test]
async fn what_differs_is_named_and_left_until_override_is_chosen() {
    let world = world().await;
    let ids = made_elsewhere(&world, "").await;
    world
        .edit(json!({"kind": "flow", "id": ids.1, "merge": {"name": "Made by hand"}}))
        .await;
    for manifest in adopting(&ids, "Match") {
        world.apply(&manifest).await;
    }
    let stands = world.wait_reason(DATAFLOW, "AdoptionDiffers").await;
    let ready = condition(&stands, "Ready");
    let message = ready["message"].as_str().unwrap();
    assert!(
        message.contains("flow.name (it is \"Made by hand\")") && message.contains("Override"),
        "{message}"
    );
    assert_eq!(stands["status"]["flow"], Value::Null);
    let written = async || {
        let calls = world.calls().await;
        calls
            .into_iter()
            .filter(|call| call.writes() && call.operation.starts_with("flows"))
            .count()
    };
    assert_eq!(written().await, 0);
    for manifest in adopting(&ids, "Override") {
        world.apply(&manifest).await;
    }
    world.wait_ready(DATAFLOW).await;
    let flow = world.objects("flow").await.remove(0);
    assert_eq!(flow["name"], "Streaming Dataflow for Customer.io");
    assert_eq!(flow["id"], ids.1);
    world.end().await;
}

#[tokio::test]
async fn another_owners_marker_is_respected_until_it_is_taken_over() {
    let world = world().await;
    let ids = made_elsewhere(
        &world,
        "[aep-operator/v1 another-cluster/sales/events flow 0123 1]",
    )
    .await;
    for manifest in adopting(&ids, "Override") {
        world.apply(&manifest).await;
    }
    let stands = world.wait_reason(SOURCE, "OwnedByAnother").await;
    let ready = condition(&stands, "Ready");
    let message = ready["message"].as_str().unwrap();
    assert!(
        message.contains("sales/events") && message.contains("another-cluster"),
        "{message}"
    );
    assert!(world.calls().await.iter().all(|call| !call.writes()));
    for manifest in adopting(&ids, "TakeOver") {
        world.apply(&manifest).await;
    }
    world.wait_ready(DATAFLOW).await;
    assert_eq!(world.objects("flow").await.remove(0)["id"], ids.1);
    world.end().await;
}

#[tokio::test]
async fn what_another_takes_from_a_resource_is_taken_back_as_the_message_says() {
    let world = World::with(|options| {
        options.operator_args = vec!["--drift-interval=2s".into(), "--stalled-retry=1s".into()];
    })
    .await;
    let (source, dataflow) = (
        source("customer-io"),
        dataflow("customer-io-events", "customer-io"),
    );
    world.apply(&source).await;
    world.apply(&dataflow).await;
    world.wait_ready(DATAFLOW).await;
    let id = world.objects("flow").await.remove(0)["id"].clone();
    let marked = "Events [aep-operator/v1 another-cluster/sales/events flow 0123 1]";
    let taken = async |state: &str| {
        let merge = json!({"description": marked, "state": state});
        world
            .edit(json!({"kind": "flow", "id": id, "merge": merge}))
            .await;
        let stands = world.wait_reason(DATAFLOW, "OwnedByAnother").await;
        // It stays so through several looks.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        assert_eq!(world.objects("flow").await.remove(0)["description"], marked);
        condition(&stands, "Ready")["message"].to_string()
    };
    let ours = async || {
        world.wait_ready(DATAFLOW).await;
        let flow = world.objects("flow").await.remove(0);
        assert_eq!(flow["id"], id);
        let description = flow["description"].as_str().unwrap();
        assert!(!description.contains("another-cluster"), "{description}");
        assert_eq!(flow["state"], "enabled");
    };
    let told = taken("enabled").await;
    assert!(
        told.contains("name it in spec.adopt with policy: TakeOver"),
        "{told}"
    );
    let adopt = json!({"flowId": id, "policy": "TakeOver"});
    world.apply(&changed(dataflow, "/spec/adopt", adopt)).await;
    ours().await;
    let told = taken("disabled").await;
    assert!(told.contains("requestedAt a new value"), "{told}");
    world
        .kubectl(&["annotate", DATAFLOW, "reconcile.fluxcd.io/requestedAt=now"])
        .await;
    ours().await;
    world.end().await;
}

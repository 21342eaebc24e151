//! Deletion that ends: whatever state a resource is in, nothing of ours stays behind but what cannot be
//! deleted, and that is named.

use serde_json::{Value, json};

use crate::world::{World, changed, condition, dataflow, secret, source};

const SOURCE: &str = "customeriosource/customer-io";
const DATAFLOW: &str = "aepdataflow/customer-io-events";
const NOTHING: [String; 0] = [];

pub async fn both_ready(world: &World) {
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.wait_ready(DATAFLOW).await;
}

#[tokio::test]
async fn both_at_once_and_twice_leave_nothing() {
    let world = World::start().await;
    both_ready(&world).await;
    world.forget_calls().await;
    world
        .kubectl(&["delete", SOURCE, DATAFLOW, "--wait=false"])
        .await;
    world
        .kubectl(&[
            "delete",
            SOURCE,
            DATAFLOW,
            "--wait=false",
            "--ignore-not-found",
        ])
        .await;
    world.wait_gone(DATAFLOW).await;
    world.wait_gone(SOURCE).await;
    assert_eq!(world.ours().await, NOTHING);
    // The flow went before what it names, the source connection last.
    let deletes: Vec<String> = world
        .calls()
        .await
        .into_iter()
        .map(|call| call.operation)
        .filter(|name| name.ends_with("delete"))
        .collect();
    assert_eq!(deletes.first().map(String::as_str), Some("flows.delete"));
    assert_eq!(
        deletes.last().map(String::as_str),
        Some("sourceConnections.delete")
    );
    world.end().await;
}

#[tokio::test]
async fn half_created_resources_leave_nothing() {
    let world = World::start().await;
    world.faults(json!([{"method": "POST", "path": "/data/foundation/flowservice/flows", "status": 400}])).await;
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    // The code of this fault says that the organization may not use the flow spec.
    world.wait_reason(DATAFLOW, "PermissionDenied").await;
    assert_eq!(world.objects("targetConnection").await.len(), 1);
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=40s"])
        .await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn a_source_that_never_stood_waits_for_what_its_dataflow_made() {
    let world = World::start().await;
    let refusal =
        json!({"method": "POST", "path": "/sourceConnections$", "latencyMs": 4000, "status": 403});
    world.faults(json!([refusal])).await;
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    // Made while the source connection was still on its way.
    world
        .wait_for("a mapping set", async || {
            (!world.objects("mappingSet").await.is_empty()).then_some(())
        })
        .await;
    world.wait_reason(SOURCE, "PermissionDenied").await;
    world.kubectl(&["delete", SOURCE, "--wait=false"]).await;
    world.wait_reason(SOURCE, "DeletionBlocked").await;
    world.kubectl(&["delete", DATAFLOW, "--timeout=30s"]).await;
    world.wait_gone(SOURCE).await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn credentials_of_another_organization_neither_make_nor_delete() {
    let world = World::start().await;
    both_ready(&world).await;
    let mut other = secret("demo-client", "demo-secret");
    other["stringData"]["orgId"] = json!("AAAAAAAAAAAAAAAAAAAAAAAA@AdobeOrg");
    world.apply(&other).await;
    world
        .kubectl(&["annotate", DATAFLOW, "reconcile.fluxcd.io/requestedAt=1"])
        .await;
    world.wait_reason(DATAFLOW, "OrganizationMismatch").await;
    world.kubectl(&["delete", DATAFLOW, "--wait=false"]).await;
    let blocked = world.wait_reason(DATAFLOW, "DeletionBlocked").await;
    let message = condition(&blocked, "Ready")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("1234567890ABCDEF12345678@AdobeOrg"),
        "{message}"
    );
    assert_eq!(world.ours().await.len(), 4);
    world.apply(&secret("demo-client", "demo-secret")).await;
    world.wait_gone(DATAFLOW).await;
    world.end().await;
}

#[tokio::test]
async fn what_is_gone_already_is_no_obstacle() {
    let world = World::start().await;
    both_ready(&world).await;
    for kind in ["flow", "targetConnection", "mappingSet", "sourceConnection"] {
        let id = world.objects(kind).await.remove(0)["id"].clone();
        world
            .edit(json!({"kind": kind, "id": id, "delete": true}))
            .await;
    }
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=40s"])
        .await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_found_and_deleted() {
    let world = World::with(|options| {
        options.lease = std::time::Duration::from_secs(2);
        options
            .operator_args
            .extend(["--create-settle=4s", "--request-timeout=2s"].map(Into::into));
    })
    .await;
    let lost = json!([{"method": "POST", "path": "/data/foundation/flowservice/flows", "dropAfterCommit": true},
        {"method": "GET", "path": "/data/foundation/flowservice/flows", "status": 503, "times": 1}]);
    world.faults(lost).await;
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world
        .wait_for("the flow to be made", async || {
            (!world.objects("flow").await.is_empty()).then_some(())
        })
        .await;
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=50s"])
        .await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn a_broken_spec_can_be_deleted() {
    let world = World::start().await;
    // Nothing was made, and neither Secret nor source is there: nothing to ask them for.
    world
        .kubectl(&["delete", "secret", "adobe-credentials"])
        .await;
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "no-such-source"))
        .await;
    world.wait_reason(SOURCE, "SecretMissing").await;
    world.wait_reason(DATAFLOW, "WaitingForSource").await;
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=20s"])
        .await;
    assert_eq!(world.operations().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn without_its_secret_it_names_what_remains_and_ends_once_the_secret_is_back() {
    let world = World::unhurried().await;
    both_ready(&world).await;
    let flow = world.objects("flow").await.remove(0)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .kubectl(&["delete", "secret", "adobe-credentials"])
        .await;
    world.kubectl(&["delete", DATAFLOW, "--wait=false"]).await;
    let blocked = world.wait_reason(DATAFLOW, "DeletionBlocked").await;
    let message = condition(&blocked, "Ready")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    for word in [
        flow.as_str(),
        "adobe-credentials",
        "aep-operator.dev/abandon",
    ] {
        assert!(
            message.contains(word),
            "\"{word}\" is missing in: {message}"
        );
    }
    world.apply(&secret("demo-client", "demo-secret")).await;
    world.wait_gone(DATAFLOW).await;
    world.kubectl(&["delete", SOURCE, "--timeout=20s"]).await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn an_abandoned_resource_goes_and_its_remote_objects_stay() {
    let world = World::start().await;
    both_ready(&world).await;
    world
        .kubectl(&["delete", "secret", "adobe-credentials"])
        .await;
    for resource in [DATAFLOW, SOURCE] {
        world
            .kubectl(&["annotate", resource, "aep-operator.dev/abandon=true"])
            .await;
        world.kubectl(&["delete", resource, "--timeout=20s"]).await;
    }
    assert_eq!(world.ours().await.len(), 4);
    let told = world.events("customer-io-events").await;
    assert!(
        told.iter().any(|event| event.starts_with("Abandoned")),
        "{told:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_source_stays_while_something_uses_it_and_names_the_user() {
    let world = World::unhurried().await;
    both_ready(&world).await;
    world.kubectl(&["delete", SOURCE, "--wait=false"]).await;
    let blocked = world.wait_reason(SOURCE, "DeletionBlocked").await;
    assert!(
        condition(&blocked, "Ready")["message"]
            .as_str()
            .unwrap()
            .contains("customer-io-events"),
        "{blocked}"
    );
    // The flow runs as written: its dataflow has nothing to complain of.
    let user = world.get(DATAFLOW).await;
    assert_eq!(
        condition(&user, "Ready")["status"],
        "True",
        "{}",
        user["status"]
    );
    world.kubectl(&["delete", DATAFLOW, "--timeout=20s"]).await;
    world.wait_gone(SOURCE).await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn a_mapping_set_that_cannot_be_deleted_is_named_and_left() {
    use aep_emulator::MappingSetDelete::{NotAllowed405, NotFound404};
    for answer in [NotAllowed405, NotFound404] {
        let world = World::with(|options| options.emulator.mapping_set_delete = answer).await;
        both_ready(&world).await;
        let set = world.objects("mappingSet").await.remove(0)["id"]
            .as_str()
            .unwrap()
            .to_owned();
        world
            .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=40s"])
            .await;
        assert_eq!(world.ours().await, [format!("mappingSet \"{set}\"")]);
        let told = world.events("customer-io-events").await;
        let named = told
            .iter()
            .any(|event| event.starts_with("LeftBehind") && event.contains(&set));
        assert!(named, "{answer:?}: {told:?}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_flow_that_is_gone_from_aep_is_reported_and_not_made_again() {
    let world = World::start().await;
    both_ready(&world).await;
    let flow = world.objects("flow").await.remove(0)["id"].clone();
    world
        .edit(json!({"kind": "flow", "id": flow, "delete": true}))
        .await;
    let renamed: Value = changed(
        dataflow("customer-io-events", "customer-io"),
        "/spec/name",
        json!("Renamed"),
    );
    world.apply(&renamed).await;
    let missing = world.wait_reason(DATAFLOW, "RemoteMissing").await;
    let message = condition(&missing, "Ready")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains(flow.as_str().unwrap()), "{message}");
    // Neither another look, nor a request, nor going back to what was applied before makes it ready.
    world
        .kubectl(&["annotate", DATAFLOW, "reconcile.fluxcd.io/requestedAt=1"])
        .await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let still = world.get(DATAFLOW).await;
    assert_eq!(condition(&still, "Ready")["reason"], "RemoteMissing");
    assert_eq!(still["status"]["observedGeneration"], 3);
    assert_eq!(world.objects("flow").await.len(), 0);
    world.end().await;
}

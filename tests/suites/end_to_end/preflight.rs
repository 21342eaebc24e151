//! An organization that does not have the source in Adobe's catalogue, or the flows it needs, is told so before anything
//! is made.
//!
//! Unknown: how it is told that it does not see a source that is in beta, or a kind of flow.

use aep_emulator::SpecSight;
use serde_json::json;

use crate::world::{World, condition, dataflow, source};

/// What is hidden: its id, its name in messages, and the emulator's option.
type Hidden = (&'static str, &'static str, &'static str);

const CUSTOMER_IO: Hidden = (
    "96479064-7b8a-4d69-b9ed-21c5683837ea",
    "Customer.io source",
    "customerIoSpec",
);
const STREAMING: Hidden = (
    "e77fde5a-22a8-11ed-861d-0242ac120002",
    "streaming flows",
    "flowSpec",
);

async fn hidden_then_visible((id, called, option): Hidden, sight: SpecSight, code: &str) {
    let world = World::start().await;
    let set = async |sight: SpecSight| {
        let emulator = world.stack.emulator();
        let options = json!({option: sight});
        emulator.post("/_emulator/options", &options).await.unwrap();
    };
    set(sight).await;
    world.apply(&source("customer-io")).await;
    world.apply(&source("another")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    for name in ["customeriosource/customer-io", "customeriosource/another"] {
        let stands = world.wait_reason(name, "PermissionDenied").await;
        assert_eq!(condition(&stands, "Stalled")["status"], "True");
        let message = condition(&stands, "Ready")["message"]
            .as_str()
            .unwrap()
            .to_owned();
        for word in [id, code, called, "prod", "adobe-credentials"] {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
    assert!(
        world.calls().await.iter().all(|call| !call.writes()),
        "nothing is tried"
    );
    assert_eq!(world.ours().await, Vec::<String>::new());

    set(SpecSight::Visible).await;
    world.wait_ready("customeriosource/customer-io").await;
    world.wait_ready("customeriosource/another").await;
    world.wait_ready("aepdataflow/customer-io-events").await;
    // Once it is known, nobody asks again.
    world.forget_calls().await;
    world.apply(&source("a-third")).await;
    world.wait_ready("customeriosource/a-third").await;
    assert_eq!(world.operations().await, ["sourceConnections.create"]);
    world.end().await;
}

#[tokio::test]
async fn a_source_that_the_organization_is_not_entitled_to_is_named_before_anything_is_made() {
    hidden_then_visible(CUSTOMER_IO, SpecSight::NotEntitled, "FLOW-1100-400").await;
}

#[tokio::test]
async fn a_source_that_the_catalogue_does_not_list_is_named_before_anything_is_made() {
    hidden_then_visible(CUSTOMER_IO, SpecSight::NotFound, "FLOW-1439-404").await;
}

#[tokio::test]
async fn flows_that_the_organization_is_not_entitled_to_are_named_before_anything_is_made() {
    hidden_then_visible(STREAMING, SpecSight::NotEntitled, "FLOW-1100-400").await;
}

#[tokio::test]
async fn flows_that_the_catalogue_does_not_list_are_named_before_anything_is_made() {
    hidden_then_visible(STREAMING, SpecSight::NotFound, "FLOW-1439-404").await;
}

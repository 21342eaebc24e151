//! Another credential in the Secret: tried at once, before the old one is let go of, and seldom when wrong.

use std::time::Duration;

use serde_json::json;

use crate::world::{World, secret, source};

const SOURCE: &str = "customeriosource/customer-io";

#[tokio::test]
async fn a_wrong_secret_shows_at_once_and_the_right_one_heals() {
    let world = World::unhurried().await;
    world.apply(&source("customer-io")).await;
    world.wait_ready(SOURCE).await;
    let secrets = json!({"secrets": ["demo-secret", "second-secret"]});
    world
        .edit(json!({"kind": "client", "id": "demo-client", "merge": secrets}))
        .await;
    for (content, reason) in [
        ("wrong", "CredentialsRejected"),
        ("second-secret", "Succeeded"),
    ] {
        world.forget_calls().await;
        world.apply(&secret("demo-client", content)).await;
        world.wait_reason(SOURCE, reason).await;
        assert_eq!(world.token_calls().await, 1, "{reason}");
        assert_eq!(world.operations().await, Vec::<String>::new(), "{reason}");
    }
    world.end().await;
}

#[tokio::test]
async fn many_resources_on_a_wrong_secret_ask_for_a_token_once() {
    let world = World::start().await;
    world.apply(&secret("demo-client", "wrong")).await;
    for number in 0..20 {
        world.apply(&source(&format!("source-{number}"))).await;
    }
    for number in 0..20 {
        let name = format!("customeriosource/source-{number}");
        world.wait_reason(&name, "CredentialsRejected").await;
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    let calls = world.token_calls().await;
    assert!((1..=2).contains(&calls), "{calls}");
    world.apply(&secret("demo-client", "demo-secret")).await;
    for number in 0..20 {
        world
            .wait_ready(&format!("customeriosource/source-{number}"))
            .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_secret_of_another_organization_costs_no_call() {
    let world = World::unhurried().await;
    world.apply(&source("customer-io")).await;
    world.wait_ready(SOURCE).await;
    world.forget_calls().await;
    let mut other = secret("other-client", "other-secret");
    other["stringData"]["orgId"] = json!("FFFFFFFFFFFFFFFFFFFFFFFF@AdobeOrg");
    world.apply(&other).await;
    world.wait_reason(SOURCE, "OrganizationMismatch").await;
    assert_eq!(world.token_calls().await, 0);
    assert_eq!(world.operations().await, Vec::<String>::new());
    world.end().await;
}

//! Secrets that the operator may not watch: what changes is noticed at the next look, and only then.

use serde_json::json;

use crate::deletion::both_ready;
use crate::world::{World, secret, source};

const SOURCE: &str = "customeriosource/customer-io";
const DATAFLOW: &str = "aepdataflow/customer-io-events";
const SECRET: &str = "secret/adobe-credentials";

/// With the operator's own paces but for the drift interval.
async fn looking_every(interval: &str) -> World {
    World::with(|options| {
        options.operator_args = vec![format!("--drift-interval={interval}").into()];
        options.chart.values = vec!["--set=secrets.watch=false".to_owned()];
    })
    .await
}

#[tokio::test]
async fn a_change_and_a_deletion_are_noticed_within_a_drift_interval() {
    let world = looking_every("3s").await;
    both_ready(&world).await;
    world.apply(&secret("demo-client", "wrong")).await;
    world.wait_reason(SOURCE, "CredentialsRejected").await;
    world.apply(&secret("demo-client", "demo-secret")).await;
    world.wait_ready(SOURCE).await;
    world.wait_ready(DATAFLOW).await;

    // It is kept for a while, goes, and is kept again once it is back.
    world.kubectl(&["delete", SECRET, "--timeout=60s"]).await;
    world.wait_reason(SOURCE, "SecretMissing").await;
    world.apply(&secret("demo-client", "demo-secret")).await;
    world.wait_ready(SOURCE).await;
    world
        .wait_for("the Secret to be kept again", async || {
            let finalizers = world.get(SECRET).await["metadata"]["finalizers"].clone();
            (finalizers == json!(["aep-operator.dev/in-use"])).then_some(())
        })
        .await;
    world.end().await;
}

#[tokio::test]
async fn what_goes_with_its_secret_needs_no_look() {
    let world = looking_every("30m").await;
    both_ready(&world).await;
    world
        .kubectl(&["delete", SECRET, SOURCE, DATAFLOW, "--timeout=60s"])
        .await;
    assert_eq!(world.ours().await, [] as [String; 0]);
    world.end().await;
}

#[tokio::test]
async fn one_that_was_made_anew_in_between_is_kept_before_it_is_used() {
    let world = looking_every("30m").await;
    both_ready(&world).await;
    let free = r#"{"metadata": {"finalizers": null}}"#;
    world
        .kubectl(&["patch", SECRET, "--type=merge", "-p", free])
        .await;
    world.kubectl(&["delete", SECRET, "--timeout=20s"]).await;
    world.apply(&secret("demo-client", "demo-secret")).await;
    world.apply(&source("second")).await;
    world.wait_ready("customeriosource/second").await;
    let finalizers = &world.get(SECRET).await["metadata"]["finalizers"];
    assert_eq!(*finalizers, json!(["aep-operator.dev/in-use"]));
    world.end().await;
}

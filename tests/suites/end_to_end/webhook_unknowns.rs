//! What no public source says of webhooks in Customer.io, each answer in turn.

use aep_emulator::{Backlog, InletAnswer, WebhookEndpoint};
use serde_json::{Value, json};

use crate::subscription::{DATAFLOW, apply_both, connected, hook, sending, subscribed, with};
use crate::world::{changed, condition, dataflow};

const SECOND: &str = "aepdataflow/second-events";

fn says(resource: &Value) -> String {
    condition(resource, "Ready")["message"].to_string()
}

/// Unknown: how many webhooks a workspace may have. Without a limit every other scenario is the test.
#[tokio::test]
async fn one_webhook_too_many_is_told_and_made_once_there_is_room() {
    let world = with(|options| options.emulator.webhook_limit = 1).await;
    apply_both(&world).await;
    sending(&world).await;
    world.apply(&connected("second")).await;
    let manifest = subscribed("second-events", "second", &["email_*"]);
    world.apply(&manifest).await;
    let stands = world.wait_reason(SECOND, "RejectedByPlatform").await;
    let told = says(&stands);
    assert!(told.contains("as many reporting webhooks"), "{told}");
    assert_eq!(condition(&stands, "Stalled")["status"], "True");
    assert_eq!(stands["status"]["flow"]["state"], "enabled", "{stands}");
    let first = hook(&world).await["id"].clone();
    world.kubectl(&["delete", DATAFLOW]).await;
    world.wait_ready(SECOND).await;
    assert_ne!(hook(&world).await["id"], first);
    world.end().await;
}

/// Unknowns: whether Customer.io tries an endpoint before it takes it, and what an inlet says for a disabled flow.
#[tokio::test]
async fn one_that_is_refused_while_its_flow_is_disabled_is_made_with_it() {
    let world = with(|options| {
        options.emulator.webhook_probe = true;
        options.emulator.inlet_disabled_flow = InletAnswer::NotFound;
    })
    .await;
    // An endpoint that answers is taken.
    apply_both(&world).await;
    sending(&world).await;
    let manifest = dataflow("customer-io-events", "customer-io");
    let off = changed(manifest.clone(), "/spec/state", json!("Disabled"));
    world.apply(&off).await;
    world
        .wait_for("the webhook to go and the flow to stop", async || {
            let flow = world.objects("flow").await.remove(0);
            let hooks = world.objects("webhook").await;
            (hooks.is_empty() && flow["state"] == "disabled").then_some(())
        })
        .await;
    let subscribed = subscribed("customer-io-events", "customer-io", &["email_*"]);
    let silent = changed(subscribed.clone(), "/spec/state", json!("Disabled"));
    world.apply(&silent).await;
    let stands = world.wait_reason(DATAFLOW, "RejectedByPlatform").await;
    let told = says(&stands);
    assert!(told.contains("did not answer a test event"), "{told}");
    assert_eq!(world.objects("webhook").await, [] as [Value; 0]);
    world.apply(&subscribed).await;
    sending(&world).await;
    world.end().await;
}

/// A world in which an event came during the pause, and another one once the webhook sends; how many were delivered.
async fn delivered(backlog: Backlog) -> usize {
    let world = with(|options| {
        options.emulator.webhook_backlog = backlog;
        options.operator_args.pop();
        options.operator_args.push("--subscription-pause=4s".into());
    })
    .await;
    apply_both(&world).await;
    world.wait_ready(DATAFLOW).await;
    assert_eq!(hook(&world).await["disabled"], true);
    let emulator = world.stack.emulator();
    let emit = async |event: &str| {
        let event: Value = serde_json::from_str(event).unwrap();
        emulator.post("/_emulator/events", &event).await.unwrap();
    };
    emit(include_str!("../../events/email_clicked.json")).await;
    sending(&world).await;
    emit(include_str!("../../events/email_delivered.json")).await;
    let found = emulator.get("/_emulator/deliveries").await.unwrap();
    let found = found.as_array().unwrap();
    for delivery in found {
        assert_eq!(delivery["status"], 200, "{delivery}");
    }
    let path = format!("/_emulator/datasets/{}/records", crate::world::DATASET);
    let records = emulator.get(&path).await.unwrap();
    assert_eq!(records.as_array().unwrap().len(), found.len());
    let count = found.len();
    world.end().await;
    count
}

/// Unknown: what becomes of events while a webhook is disabled. The flow runs before it sends, so none is lost then.
#[tokio::test]
async fn events_of_the_pause_that_were_kept_land_after_it() {
    assert_eq!(delivered(Backlog::Kept).await, 2);
    assert_eq!(delivered(Backlog::Dropped).await, 1);
}

/// One made by hand, spelled otherwise, is taken over and no second one is made.
async fn spelled_otherwise(kept: WebhookEndpoint) {
    let world = with(|options| options.emulator.webhook_endpoint = kept).await;
    world.apply(&connected("customer-io")).await;
    let manifest = dataflow("customer-io-events", "customer-io");
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    let status = world.get(DATAFLOW).await["status"].clone();
    let (url, flow) = (&status["inletUrl"], &status["flow"]["id"]);
    let endpoint = format!(
        "{}?%78-adobe-flow-id={}",
        url.as_str().unwrap().replace("http://", "HTTP://"),
        flow.as_str().unwrap()
    );
    let body = json!({"name": "by hand", "endpoint": endpoint, "events": ["sms_sent"]});
    let emulator = world.stack.emulator();
    let path = "/v1/reporting_webhooks";
    let made = emulator.app_api("demo-app-key", "POST", path, Some(&body));
    let made = made.await.unwrap();
    let verbatim = kept == WebhookEndpoint::Verbatim;
    assert_eq!(made["endpoint"] == *endpoint, verbatim, "{made}");
    apply_both(&world).await;
    let subscription = sending(&world).await;
    assert_eq!(subscription["id"], made["id"].to_string());
    assert_eq!(hook(&world).await["name"], "marketing.customer-io-events");
    world.end().await;
}

/// Unknown: whether Customer.io keeps an endpoint byte for byte.
#[tokio::test]
async fn one_that_customer_io_spells_as_it_was_written_is_the_same_one() {
    spelled_otherwise(WebhookEndpoint::Verbatim).await;
}

#[tokio::test]
async fn one_that_customer_io_spells_anew_is_the_same_one() {
    spelled_otherwise(WebhookEndpoint::Rewritten).await;
}

//! The webhook in Customer.io, from its creation to its end: disabled first, one only, before and after its flow.

use std::time::Duration;

use playground::operator_process::Signal;
use playground::restart::Restart;
use playground::stack::StackOptions;
use serde_json::{Value, json};

use crate::world::{Call, DATASET, NAMESPACE, World, changed, dataflow, source};

pub const SOURCE: &str = "customeriosource/customer-io";
pub const DATAFLOW: &str = "aepdataflow/customer-io-events";
pub const KEY: &str = "customerio-app-api";

/// A world with an App API key and a short pause.
pub async fn with(change: impl FnOnce(&mut StackOptions)) -> World {
    let world = World::with(|options| {
        options.operator_args.push("--subscription-pause=1s".into());
        change(options);
    })
    .await;
    world.apply(&app_api_key("demo-app-key")).await;
    world
}

pub fn app_api_key(key: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEY, "namespace": NAMESPACE},
        "stringData": {"apiKey": key},
    })
}

pub fn workspace(region: &str) -> Value {
    json!({"region": region, "appApiKeyRef": {"name": KEY, "key": "apiKey"}})
}

pub fn connected(name: &str) -> Value {
    changed(source(name), "/spec/customerIo", workspace("us"))
}

pub fn subscribed(name: &str, source: &str, events: &[&str]) -> Value {
    let subscription = json!({"customerIo": {"events": events}});
    changed(dataflow(name, source), "/spec/subscription", subscription)
}

/// A dataflow whose webhook is to send e-mail events.
pub async fn apply_both(world: &World) {
    world.apply(&connected("customer-io")).await;
    let manifest = subscribed("customer-io-events", "customer-io", &["email_*"]);
    world.apply(&manifest).await;
}

/// Waits until the one webhook sends; what status says of it.
pub async fn sending(world: &World) -> Value {
    let stands = world
        .wait_for("the webhook to send", async || {
            let stands = world.get(DATAFLOW).await;
            (stands["status"]["subscription"]["state"] == "Enabled").then_some(stands)
        })
        .await;
    world.wait_ready(DATAFLOW).await;
    assert_eq!(hook(world).await["disabled"], false);
    stands["status"]["subscription"].clone()
}

/// The one webhook there is.
pub async fn hook(world: &World) -> Value {
    let mut hooks = world.objects("webhook").await;
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    hooks.remove(0)
}

/// Calls to Customer.io, and those that change a flow, in order.
async fn order(world: &World) -> Vec<String> {
    let told = |call: &Call| {
        let of_flow = call.operation.starts_with("flows.") && call.writes();
        let of_hook = call.operation.starts_with("webhooks.") && call.writes();
        of_flow || of_hook
    };
    let calls = world.calls().await;
    calls
        .into_iter()
        .filter(told)
        .map(|call| call.operation)
        .collect()
}

#[tokio::test]
async fn it_is_made_disabled_enabled_after_the_pause_and_events_land() {
    let world = with(|options| {
        options.operator_args.pop();
        options.operator_args.push("--subscription-pause=4s".into());
    })
    .await;
    apply_both(&world).await;
    // Ready does not wait for the pause.
    world.wait_ready(DATAFLOW).await;
    let held = hook(&world).await;
    assert_eq!(held["disabled"], true);
    let stands = world.get(DATAFLOW).await;
    let (status, flow) = (&stands["status"], &stands["status"]["flow"]);
    assert_eq!(status["subscription"]["state"], "Disabled");
    let endpoint = format!(
        "{}?x-adobe-flow-id={}",
        status["inletUrl"].as_str().unwrap(),
        flow["id"].as_str().unwrap()
    );
    assert_eq!(held["endpoint"], *endpoint);
    assert_eq!(held["name"], "marketing.customer-io-events");

    let subscription = sending(&world).await;
    assert_eq!(subscription["id"], held["id"].to_string());
    let events = subscription["events"].as_array().unwrap();
    assert_eq!(events.len(), 14, "{events:?}");
    let calls = world.calls().await;
    let at = |operation: &str| {
        let mut of = calls.iter().filter(|call| call.operation == operation);
        let call = of.next().expect(operation);
        assert_eq!(of.next().map(|it| &it.operation), None);
        call
    };
    let (flow, created, enabled) = (
        at("flows.create"),
        at("webhooks.create"),
        at("webhooks.update"),
    );
    assert_eq!(created.body["disabled"], true);
    let mut whole = created.body.clone();
    whole["disabled"] = json!(false);
    assert_eq!(enabled.body, whole, "an update carries everything");
    assert!(enabled.at - flow.at >= 4_000, "the pause was kept");

    let event: Value =
        serde_json::from_str(include_str!("../../events/email_clicked.json")).unwrap();
    let emulator = world.stack.emulator();
    let posted = emulator.post("/_emulator/events", &event).await.unwrap();
    assert_eq!(posted[0]["status"], 200, "{posted}");
    let path = format!("/_emulator/datasets/{DATASET}/records");
    let records = emulator.get(&path).await.unwrap();
    assert!(
        records.to_string().contains("grace@example.com"),
        "{records}"
    );

    // At rest nothing is asked or written, and the capability is in status alone.
    world.forget_calls().await;
    let before = world.get(DATAFLOW).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.calls().await.is_empty(), "{:?}", world.calls().await);
    assert_eq!(world.get(DATAFLOW).await["status"], before["status"]);
    let told = world.events("customer-io-events").await.join("\n");
    assert!(told.contains("Enabled subscription"), "{told}");
    let log = std::fs::read_to_string(world.stack.operator().log_path()).unwrap();
    let inlet = before["status"]["inletUrl"].as_str().unwrap();
    let ready = crate::world::condition(&before, "Ready")["message"].to_string();
    for (place, text) in [("Events", &told), ("log", &log), ("condition", &ready)] {
        assert!(!text.contains(inlet), "{place}: {text}");
        assert!(!text.contains("demo-app-key"), "{place}: {text}");
    }
    assert!(!before.to_string().contains("demo-app-key"));
    world.end().await;
}

#[tokio::test]
async fn a_workspace_in_the_european_union_is_called_there() {
    let world = with(|_| {}).await;
    let source = changed(
        connected("customer-io"),
        "/spec/customerIo",
        workspace("eu"),
    );
    world.apply(&source).await;
    let events = &["customer_subscribed"];
    let manifest = subscribed("customer-io-events", "customer-io", events);
    world.apply(&manifest).await;
    sending(&world).await;
    let mut calls = world.calls().await;
    calls.retain(|call| call.operation.starts_with("webhooks."));
    // The stack names the European address otherwise.
    let there = |call: &Call| call.host.starts_with("localhost:");
    assert!(!calls.is_empty() && calls.iter().all(there), "{calls:?}");
    world.end().await;
}

#[tokio::test]
async fn a_lost_reply_is_followed_by_a_look_and_not_by_a_second_webhook() {
    let world = with(|_| {}).await;
    world
        .faults(json!([{"method": "POST", "path": "/reporting_webhooks$", "dropAfterCommit": true, "times": 1}]))
        .await;
    apply_both(&world).await;
    sending(&world).await;
    let stands = world.get(DATAFLOW).await;
    assert_eq!(stands["status"]["pending"], Value::Null);
    let creations = world.operations().await;
    let creations = creations.iter().filter(|it| *it == "webhooks.create");
    assert_eq!(creations.count(), 1);
    world.end().await;
}

#[tokio::test]
async fn an_operator_that_dies_in_the_pause_goes_on_with_what_is_left_of_it() {
    let world = with(|options| {
        options.restart = Restart::Always;
        options.lease = Duration::from_secs(2);
        options.operator_args.pop();
        options.operator_args.push("--subscription-pause=6s".into());
    })
    .await;
    apply_both(&world).await;
    world.wait_ready(DATAFLOW).await;
    let made = world.get(DATAFLOW).await["status"]["flow"]["changedAt"].clone();
    world.stack.operator().kill(Signal::KILL).unwrap();
    sending(&world).await;
    let after = world.get(DATAFLOW).await;
    assert_eq!(after["status"]["flow"]["changedAt"], made);
    let order = order(&world).await;
    assert_eq!(
        order,
        ["flows.create", "webhooks.create", "webhooks.update"]
    );
    let calls = world.calls().await;
    let at = |name: &str| calls.iter().find(|call| call.operation == name).unwrap().at;
    let waited = at("webhooks.update") - at("flows.create");
    assert!((6_000..20_000).contains(&waited), "{waited} ms");
    world.end().await;
}

#[tokio::test]
async fn it_is_silent_before_its_flow_is_and_speaks_after_it_does() {
    let world = with(|_| {}).await;
    apply_both(&world).await;
    sending(&world).await;
    // An update of the mapping does not silence it.
    world.forget_calls().await;
    let manifest = subscribed("customer-io-events", "customer-io", &["email_*"]);
    let rows = json!([{"source": "event_id", "destination": "_extconndev.event_id0"}]);
    let manifest = changed(manifest, "/spec/mapping", rows);
    world.apply(&manifest).await;
    world
        .wait_for("the new mapping", async || {
            let stands = world.get(DATAFLOW).await;
            (stands["status"]["observedGeneration"] == 2).then_some(())
        })
        .await;
    world.wait_ready(DATAFLOW).await;
    assert_eq!(order(&world).await, ["flows.patch"]);

    let off = changed(manifest.clone(), "/spec/state", json!("Disabled"));
    world.forget_calls().await;
    world.apply(&off).await;
    world
        .wait_for("both to stop", async || {
            let flow = world.objects("flow").await.remove(0);
            (flow["state"] == "disabled").then_some(())
        })
        .await;
    world.wait_ready(DATAFLOW).await;
    assert_eq!(order(&world).await, ["webhooks.update", "flows.action"]);
    assert_eq!(hook(&world).await["disabled"], true);

    world.forget_calls().await;
    world.apply(&manifest).await;
    sending(&world).await;
    assert_eq!(order(&world).await, ["flows.action", "webhooks.update"]);
    world.end().await;
}

#[tokio::test]
async fn it_goes_before_its_flow_and_nothing_stays() {
    let world = with(|_| {}).await;
    apply_both(&world).await;
    sending(&world).await;
    world.forget_calls().await;
    world.kubectl(&["delete", DATAFLOW, SOURCE]).await;
    assert_eq!(order(&world).await, ["webhooks.delete", "flows.delete"]);
    assert!(world.objects("webhook").await.is_empty());
    assert!(world.ours().await.is_empty());
    world.end().await;
}

#[tokio::test]
async fn without_subscription_in_the_spec_it_goes_and_the_flow_stays() {
    let world = with(|_| {}).await;
    apply_both(&world).await;
    sending(&world).await;
    world.forget_calls().await;
    let manifest = dataflow("customer-io-events", "customer-io");
    world.apply(&manifest).await;
    let stands = world
        .wait_for("the webhook to go", async || {
            let stands = world.get(DATAFLOW).await;
            stands["status"]["subscription"].is_null().then_some(stands)
        })
        .await;
    world.wait_ready(DATAFLOW).await;
    assert_eq!(stands["status"]["workspace"], Value::Null);
    assert!(world.objects("webhook").await.is_empty());
    assert_eq!(order(&world).await, ["webhooks.delete"]);
    // And comes back.
    apply_both(&world).await;
    sending(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_dozen_at_once_stay_within_customer_ios_limit() {
    let world = with(|_| {}).await;
    let mut items = Vec::new();
    for number in 0..12 {
        let (source, name) = (format!("source-{number}"), format!("events-{number}"));
        items.push(connected(&source));
        items.push(subscribed(&name, &source, &["email_sent"]));
    }
    world
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}))
        .await;
    world
        .wait_for("all to send", async || {
            let hooks = world.objects("webhook").await;
            let sends = |hook: &&Value| hook["disabled"] == false;
            (hooks.iter().filter(sends).count() == 12).then_some(())
        })
        .await;
    let mut calls = world.calls().await;
    calls.retain(|call| call.operation.starts_with("webhooks."));
    assert!(calls.len() >= 36, "{}", calls.len());
    let refused: Vec<&Call> = calls.iter().filter(|call| call.status == 429).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let mut at: Vec<u64> = calls.iter().map(|call| call.at).collect();
    at.sort_unstable();
    // They leave at most ten in any second; on a busy machine they arrive a little closer together.
    assert!(
        at.windows(15).all(|window| window[14] - window[0] >= 1_000),
        "more than ten in a second: {at:?}"
    );
    world.end().await;
}

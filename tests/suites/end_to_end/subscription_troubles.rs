//! What can be wrong with a webhook: changed, lost, doubled, in another workspace, refused; and what is said.

use std::time::Duration;

use playground::stack::StackOptions;
use serde_json::{Value, json};

use crate::subscription::{
    DATAFLOW, KEY, SOURCE, app_api_key, apply_both, connected, hook, sending, subscribed, with,
};
use crate::world::{World, changed, condition, dataflow, source};

/// A webhook that sends, looked at every two seconds.
async fn watched(change: impl FnOnce(&mut StackOptions)) -> World {
    let world = with(|options| {
        options.operator_args = vec![
            "--subscription-pause=1s".into(),
            "--drift-interval=2s".into(),
            "--stalled-retry=2s".into(),
        ];
        change(options);
    })
    .await;
    apply_both(&world).await;
    sending(&world).await;
    world
}

async fn by_hand(world: &World, name: &str, endpoint: &Value) -> Value {
    let body = json!({"name": name, "endpoint": endpoint, "events": ["sms_sent"]});
    let emulator = world.stack.emulator();
    let path = "/v1/reporting_webhooks";
    let made = emulator.app_api("demo-app-key", "POST", path, Some(&body));
    made.await.unwrap()
}

fn says(resource: &Value) -> String {
    condition(resource, "Ready")["message"].to_string()
}

#[tokio::test]
async fn what_somebody_changes_is_put_right_whole_and_told() {
    let world = watched(|_| {}).await;
    let before = hook(&world).await;
    world.forget_calls().await;
    world
        .edit(json!({"kind": "webhook", "id": before["id"].to_string(), "merge": {"name": "mine", "events": ["sms_sent"]}}))
        .await;
    let stands = world
        .wait_for("the repair", async || {
            let stands = world.get(DATAFLOW).await;
            stands["status"]["lastDrift"].is_object().then_some(stands)
        })
        .await;
    assert_eq!(hook(&world).await, before);
    let drift = &stands["status"]["lastDrift"];
    let fields = json!(["subscription.events", "subscription.name"]);
    let mut told = drift["fields"].as_array().unwrap().clone();
    told.sort_by_key(ToString::to_string);
    assert_eq!(json!(told), fields);
    assert_eq!(drift["action"], "Repaired");
    let calls = world.calls().await;
    let update = calls
        .iter()
        .find(|call| call.operation == "webhooks.update");
    let body = &update.unwrap().body;
    for field in [
        "name",
        "endpoint",
        "events",
        "disabled",
        "full_resolution",
        "with_content",
    ] {
        assert!(!body[field].is_null(), "{field} is left out of {body}");
    }
    world.wait_ready(DATAFLOW).await;
    world.end().await;
}

#[tokio::test]
async fn what_somebody_disables_stays_so_until_it_is_asked_for() {
    let world = watched(|_| {}).await;
    let id = hook(&world).await["id"].to_string();
    world
        .edit(json!({"kind": "webhook", "id": id, "merge": {"disabled": true}}))
        .await;
    let stands = world.wait_reason(DATAFLOW, "DisabledElsewhere").await;
    assert!(says(&stands).contains(&format!("Webhook {id}")), "{stands}");
    let drift = &stands["status"]["lastDrift"];
    assert_eq!(drift["fields"], json!(["subscription.disabled"]));
    assert_eq!(drift["action"], "Reported");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(hook(&world).await["disabled"], true);
    // That it is asked for is not forgotten when the first try fails.
    world
        .faults(json!([{"path": "/reporting_webhooks", "status": 503}]))
        .await;
    world
        .kubectl(&["annotate", DATAFLOW, "reconcile.fluxcd.io/requestedAt=now"])
        .await;
    world.wait_reason(DATAFLOW, "PlatformUnavailable").await;
    world.faults(json!([])).await;
    sending(&world).await;
    world.end().await;
}

#[tokio::test]
async fn what_somebody_disabled_sends_again_after_the_pause_of_a_change_that_came_with_the_request()
{
    let pause = |options: &mut StackOptions| {
        options.operator_args[0] = "--subscription-pause=3s".into();
    };
    let world = watched(pause).await;
    let id = hook(&world).await["id"].to_string();
    world
        .edit(json!({"kind": "webhook", "id": id, "merge": {"disabled": true}}))
        .await;
    world.wait_reason(DATAFLOW, "DisabledElsewhere").await;
    let patch = json!({
        "metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}},
        "spec": {"name": "Renamed"},
    });
    world
        .kubectl(&["patch", DATAFLOW, "--type=merge", "-p", &patch.to_string()])
        .await;
    sending(&world).await;
    world.end().await;
}

#[tokio::test]
async fn what_somebody_deletes_is_missed_and_made_anew_if_so_wished() {
    let world = watched(|_| {}).await;
    let lost = hook(&world).await["id"].clone();
    world
        .edit(json!({"kind": "webhook", "id": lost.to_string(), "delete": true}))
        .await;
    let stands = world.wait_reason(DATAFLOW, "RemoteMissing").await;
    assert!(says(&stands).contains("Customer.io"), "{stands}");
    assert!(world.objects("webhook").await.is_empty());
    let patch = r#"{"spec": {"onRemoteMissing": "Recreate"}}"#;
    world
        .kubectl(&["patch", DATAFLOW, "--type=merge", "-p", patch])
        .await;
    world
        .wait_for("another webhook", async || {
            let found = world.objects("webhook").await;
            found.iter().any(|hook| hook["id"] != lost).then_some(())
        })
        .await;
    sending(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_flow_that_is_made_anew_takes_its_webhook_along() {
    // At the operator's own pace of drift checks: nothing but the change itself can tell.
    let world = with(|_| {}).await;
    apply_both(&world).await;
    sending(&world).await;
    let first = world.get(DATAFLOW).await["status"]["flow"]["id"].clone();
    world
        .edit(json!({"kind": "flow", "id": first, "delete": true}))
        .await;
    world.forget_calls().await;
    let patch = r#"{"spec": {"onRemoteMissing": "Recreate", "description": "Made anew"}}"#;
    world
        .kubectl(&["patch", DATAFLOW, "--type=merge", "-p", patch])
        .await;
    let stands = world
        .wait_for("another flow", async || {
            let stands = world.get(DATAFLOW).await;
            let flow = &stands["status"]["flow"]["id"];
            (flow.is_string() && *flow != first).then_some(stands)
        })
        .await;
    let flow = stands["status"]["flow"]["id"].as_str().unwrap();
    world
        .wait_for("the webhook to follow", async || {
            let endpoint = hook(&world).await["endpoint"].clone();
            endpoint.as_str().unwrap().ends_with(flow).then_some(())
        })
        .await;
    sending(&world).await;
    let stands = world.get(DATAFLOW).await;
    let drift = stands["status"]["lastDrift"].to_string();
    assert!(!drift.contains("webhook"), "our own doing: {drift}");
    let calls = world.calls().await;
    let made = calls.iter().filter(|it| it.operation == "webhooks.create");
    assert_eq!(made.count(), 0, "it is the same webhook");
    world.end().await;
}

#[tokio::test]
async fn a_key_of_another_workspace_makes_no_second_webhook_even_if_losses_are_mended() {
    let world = watched(|_| {}).await;
    let id = hook(&world).await["id"].to_string();
    let patch = r#"{"spec": {"onRemoteMissing": "Recreate"}}"#;
    world
        .kubectl(&["patch", DATAFLOW, "--type=merge", "-p", patch])
        .await;
    world.wait_ready(DATAFLOW).await;
    world.forget_calls().await;
    world.apply(&app_api_key("other-app-key")).await;
    let stands = world.wait_reason(DATAFLOW, "RemoteMissing").await;
    assert!(says(&stands).contains("another workspace"), "{stands}");
    assert_eq!(condition(&stands, "Stalled")["status"], "True");
    // Neither does a deletion take its word that there is none.
    world.kubectl(&["delete", DATAFLOW, "--wait=false"]).await;
    let stands = world.wait_reason(DATAFLOW, "DeletionBlocked").await;
    assert!(says(&stands).contains("another workspace"), "{stands}");
    let creations = world.operations().await;
    assert!(!creations.iter().any(|it| it == "webhooks.create"));
    assert_eq!(hook(&world).await["id"].to_string(), id);
    assert_eq!(world.objects("flow").await.len(), 1);
    // The right key is enough to go on.
    world.apply(&app_api_key("demo-app-key")).await;
    world.wait_gone(DATAFLOW).await;
    assert!(world.objects("webhook").await.is_empty());
    world.end().await;
}

#[tokio::test]
async fn one_made_by_hand_is_taken_over_ours_is_kept_and_another_s_is_told_of() {
    let world = with(|options| {
        options.operator_args.push("--drift-interval=2s".into());
    })
    .await;
    world.apply(&connected("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.wait_ready(DATAFLOW).await;
    let status = world.get(DATAFLOW).await["status"].clone();
    let (url, flow) = (&status["inletUrl"], &status["flow"]["id"]);
    // In another spelling.
    let endpoint = format!(
        "{}?x-adobe-flow-id={}#",
        url.as_str().unwrap().replace("http://", "HTTP://"),
        flow.as_str().unwrap()
    );
    let made = by_hand(&world, "by hand", &json!(endpoint)).await;
    apply_both(&world).await;
    let subscription = sending(&world).await;
    assert_eq!(subscription["id"], made["id"].to_string());
    assert_eq!(hook(&world).await["name"], "marketing.customer-io-events");
    let events = world.events("customer-io-events").await;
    let told = |line: &String| line.starts_with("TakenOver:") && line.contains("subscription");
    assert!(events.iter().any(told), "{events:?}");

    // A late twin of ours.
    by_hand(&world, "marketing.customer-io-events", &made["endpoint"]).await;
    world
        .wait_for("the twin to go", async || {
            (world.objects("webhook").await.len() == 1).then_some(())
        })
        .await;
    assert_eq!(hook(&world).await["id"], made["id"]);

    let other = by_hand(&world, "somebody's", &made["endpoint"]).await;
    let stands = world.wait_reason(DATAFLOW, "AmbiguousRemote").await;
    let id = other["id"].to_string();
    assert!(says(&stands).contains(&format!("webhook {id}")), "{stands}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.objects("webhook").await.len(), 2);
    world
        .edit(json!({"kind": "webhook", "id": id, "delete": true}))
        .await;
    world.wait_ready(DATAFLOW).await;
    world.end().await;
}

#[tokio::test]
async fn what_keeps_it_from_customer_io_is_said_and_the_flow_stands_all_the_same() {
    let world = with(|_| {}).await;
    world.kubectl(&["delete", "secret", KEY]).await;
    world.apply(&source("customer-io")).await;
    let manifest = subscribed("customer-io-events", "customer-io", &["email_*"]);
    world.apply(&manifest).await;
    let said = async |reason: &str, words: &[&str]| {
        let what = format!("{reason} with {words:?}");
        let stands = world
            .wait_for(&what, async || {
                let stands = world.get(DATAFLOW).await;
                let fits = condition(&stands, "Ready")["reason"] == reason
                    && words.iter().all(|word| says(&stands).contains(word));
                fits.then_some(stands)
            })
            .await;
        assert_eq!(condition(&stands, "Stalled")["status"], "True");
        assert_eq!(stands["status"]["flow"]["state"], "enabled", "{stands}");
        stands
    };
    said("InvalidSpec", &["spec.customerIo", "customer-io"]).await;
    world.apply(&connected("customer-io")).await;
    said("SecretMissing", &[KEY, "apiKey"]).await;
    let mut other = app_api_key("demo-app-key");
    other["stringData"] = json!({"another": "demo-app-key"});
    world.apply(&other).await;
    said("SecretMissing", &["is missing", "apiKey"]).await;
    world.apply(&app_api_key("wrong-key")).await;
    let words = ["App API key", KEY, "region us", "HTTP 401"];
    said("CredentialsRejected", &words).await;
    world
        .edit(json!({"kind": "appApiKey", "id": "demo-app-key", "merge": {"forbidden": true}}))
        .await;
    world.apply(&app_api_key("demo-app-key")).await;
    said("PermissionDenied", &["reporting webhooks"]).await;
    // Meanwhile the flow is kept up.
    let renamed = changed(manifest, "/spec/name", json!("Renamed"));
    world.apply(&renamed).await;
    world
        .wait_for("the new name", async || {
            let flow = world.objects("flow").await.remove(0);
            (flow["name"] == "Renamed").then_some(())
        })
        .await;
    let off = changed(renamed.clone(), "/spec/state", json!("Disabled"));
    world.apply(&off).await;
    world
        .wait_for("the flow to stop", async || {
            let flow = world.objects("flow").await.remove(0);
            (flow["state"] == "disabled").then_some(())
        })
        .await;
    world.apply(&renamed).await;
    world
        .edit(json!({"kind": "appApiKey", "id": "demo-app-key", "merge": {"forbidden": false}}))
        .await;
    sending(&world).await;
    // Neither does it keep a flow running that is to stop.
    let forbid = json!({"kind": "appApiKey", "id": "demo-app-key", "merge": {"forbidden": true}});
    world.edit(forbid).await;
    world.apply(&off).await;
    let stands = world.wait_reason(DATAFLOW, "PermissionDenied").await;
    assert_eq!(stands["status"]["flow"]["state"], "disabled", "{stands}");
    world.end().await;
}

#[tokio::test]
async fn events_that_nobody_knows_are_a_warning_unless_nothing_is_left() {
    let world = with(|_| {}).await;
    world.apply(&connected("customer-io")).await;
    let events = ["email_sent", "email_levitated", "fax_*"];
    let manifest = subscribed("customer-io-events", "customer-io", &events);
    world.apply(&manifest).await;
    // The emulated Customer.io refuses names that it does not know.
    let subscription = sending(&world).await;
    assert_eq!(subscription["events"], json!(["email_sent"]));
    let unknown = json!(["email_levitated", "fax_*"]);
    assert_eq!(subscription["unknownEvents"], unknown);
    let stands = world.get(DATAFLOW).await;
    assert!(says(&stands).contains("email_levitated, fax_*"), "{stands}");
    world
        .wait_for("the warning", async || {
            let events = world.events("customer-io-events").await;
            events
                .into_iter()
                .find(|it| it.starts_with("UnknownEvents:"))
        })
        .await;
    let manifest = subscribed("customer-io-events", "customer-io", &["fax_*"]);
    world.apply(&manifest).await;
    let stands = world.wait_reason(DATAFLOW, "InvalidSpec").await;
    assert!(says(&stands).contains("fax_*"), "{stands}");
    world.end().await;
}

#[tokio::test]
async fn whatever_order_secrets_go_in_everything_goes() {
    let world = with(|options| {
        options.operator_args = vec!["--subscription-pause=1s".into()];
    })
    .await;
    apply_both(&world).await;
    sending(&world).await;
    let secret = format!("secret/{KEY}");
    let held = world.get(&secret).await;
    assert_eq!(
        held["metadata"]["finalizers"],
        json!(["aep-operator.dev/in-use"])
    );
    // The key is needed for longer than one try.
    let busy =
        json!({"method": "DELETE", "path": "/reporting_webhooks/", "status": 503, "times": 2});
    world.faults(json!([busy])).await;
    world
        .kubectl(&[
            "delete",
            &secret,
            "secret/adobe-credentials",
            SOURCE,
            DATAFLOW,
            "--wait=false",
        ])
        .await;
    for gone in [DATAFLOW, SOURCE, &secret] {
        world.wait_gone(gone).await;
    }
    assert!(world.objects("webhook").await.is_empty());
    assert!(world.ours().await.is_empty());
    world.end().await;
}

#[tokio::test]
async fn without_its_key_a_deletion_says_so_and_can_be_abandoned() {
    let world = with(|_| {}).await;
    apply_both(&world).await;
    sending(&world).await;
    let secret = format!("secret/{KEY}");
    world.kubectl(&["delete", &secret, "--wait=false"]).await;
    let nothing = r#"{"metadata": {"finalizers": null}}"#;
    world
        .kubectl(&["patch", &secret, "--type=merge", "-p", nothing])
        .await;
    world.wait_gone(&secret).await;
    world.kubectl(&["delete", DATAFLOW, "--wait=false"]).await;
    let stands = world.wait_reason(DATAFLOW, "DeletionBlocked").await;
    for word in ["subscription", KEY, "abandon"] {
        assert!(says(&stands).contains(word), "{word}: {stands}");
    }
    world
        .kubectl(&["annotate", DATAFLOW, "aep-operator.dev/abandon=true"])
        .await;
    world.wait_gone(DATAFLOW).await;
    assert_eq!(world.objects("webhook").await.len(), 1);
    world.end().await;
}

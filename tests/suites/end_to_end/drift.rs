//! Changes made elsewhere: found with shared listings, repaired, reported or left alone, and never a
//! call too many.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, changed, condition, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";
const SOURCE: &str = "customeriosource/customer-io";

/// A tutorial that is ready, with a look at AEP every two seconds.
async fn watched() -> World {
    watched_on(|_| {}).await
}

/// The same on a platform that is changed.
async fn watched_on(change: impl FnOnce(&mut aep_emulator::Options)) -> World {
    with(&["--stalled-retry=1h"], change).await
}

/// The same with options of the operator's.
async fn with(args: &[&str], change: impl FnOnce(&mut aep_emulator::Options)) -> World {
    let world = World::with(|options| {
        change(&mut options.emulator);
        options.operator_args = ["--drift-interval=2s"]
            .iter()
            .chain(args)
            .map(Into::into)
            .collect();
    })
    .await;
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.wait_ready(DATAFLOW).await;
    world.wait_ready(SOURCE).await;
    world
}

async fn flow(world: &World) -> Value {
    let mut flows = world.objects("flow").await;
    assert_eq!(flows.len(), 1);
    flows.remove(0)
}

#[tokio::test]
async fn a_change_made_elsewhere_is_found_repaired_and_told_with_its_author() {
    let world = watched().await;
    let before = flow(&world).await;
    world
        .edit(json!({"kind": "flow", "id": before["id"], "merge": {"name": "Somebody else's"}}))
        .await;
    let stands = world
        .wait_for("the repair", async || {
            let stands = world.get(DATAFLOW).await;
            stands["status"]["lastDrift"].is_object().then_some(stands)
        })
        .await;
    assert_eq!(flow(&world).await["name"], before["name"]);
    let drift = &stands["status"]["lastDrift"];
    assert_eq!(drift["fields"], json!(["flow.name"]));
    assert_eq!(drift["action"], "Repaired");
    assert_eq!(drift["by"], "9F8E7D6C5B4A392817061524@AdobeID");
    assert!(
        drift["client"].is_string() && drift["at"].is_string(),
        "{drift}"
    );
    world
        .wait_for("the Event", async || {
            let events = world.events("customer-io-events").await;
            events
                .into_iter()
                .find(|it| it.starts_with("DriftRepaired:") && it.contains("flow.name"))
        })
        .await;
    world.wait_ready(DATAFLOW).await;
    world.end().await;
}

#[tokio::test]
async fn a_flow_disabled_elsewhere_is_reported_and_enabled_only_on_request() {
    let world = watched().await;
    let id = flow(&world).await["id"].clone();
    world.forget_calls().await;
    world
        .edit(json!({"kind": "flow", "id": id, "merge": {"state": "disabled"}}))
        .await;
    let stands = world.wait_reason(DATAFLOW, "DisabledElsewhere").await;
    assert_eq!(condition(&stands, "Stalled")["status"], "True");
    let (by, drift) = (
        "9F8E7D6C5B4A392817061524@AdobeID",
        &stands["status"]["lastDrift"],
    );
    assert_eq!(drift["fields"], json!(["flow.state"]));
    assert_eq!(
        (&drift["action"], &drift["by"]),
        (&json!("Reported"), &json!(by))
    );
    world
        .wait_for("the Event that names who did it", async || {
            let events = world.events("customer-io-events").await;
            let author = format!("it was last changed by {by}");
            events
                .into_iter()
                .find(|it| it.starts_with("DisabledElsewhere:") && it.contains(&author))
        })
        .await;
    // It stays so through several looks.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(world.calls().await.iter().all(|call| !call.writes()));
    assert_eq!(flow(&world).await["state"], "disabled");
    world
        .kubectl(&["annotate", DATAFLOW, "reconcile.fluxcd.io/requestedAt=now"])
        .await;
    world.wait_ready(DATAFLOW).await;
    assert_eq!(flow(&world).await["state"], "enabled");
    world.end().await;
}

#[tokio::test]
async fn an_emergency_stop_outlasts_an_outage_and_a_flow_that_is_hidden_for_a_while() {
    let world = with(&["--stalled-retry=1s", "--retry-max=1s"], |_| {}).await;
    let id = flow(&world).await["id"].clone();
    world
        .edit(json!({"kind": "flow", "id": id, "merge": {"state": "disabled"}}))
        .await;
    let stands = world.wait_reason(DATAFLOW, "DisabledElsewhere").await;
    let found = stands["status"]["lastDrift"]["at"].clone();
    world
        .faults(json!([{"method": "GET", "path": "/flows", "status": 503}]))
        .await;
    world.wait_reason(DATAFLOW, "PlatformUnavailable").await;
    world.faults(json!([])).await;
    let stands = world.wait_reason(DATAFLOW, "DisabledElsewhere").await;
    assert_eq!(stands["status"]["lastDrift"]["at"], found, "found once");
    for (hidden, reason) in [(true, "RemoteMissing"), (false, "DisabledElsewhere")] {
        world
            .edit(json!({"kind": "flow", "id": id, "hidden": hidden}))
            .await;
        world.wait_reason(DATAFLOW, reason).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(flow(&world).await["state"], "disabled");
    world.end().await;
}

#[tokio::test]
async fn a_flow_enabled_elsewhere_is_disabled_again() {
    // Whether an action needs a `subOp` is contradicted in Adobe's own material.
    let world = watched_on(|platform| platform.action_needs_sub_op = true).await;
    let disabled = changed(
        dataflow("customer-io-events", "customer-io"),
        "/spec/state",
        json!("Disabled"),
    );
    world.apply(&disabled).await;
    world
        .wait_for("the flow to stop", async || {
            (flow(&world).await["state"] == "disabled").then_some(())
        })
        .await;
    world.wait_ready(DATAFLOW).await;
    let id = flow(&world).await["id"].clone();
    world
        .edit(json!({"kind": "flow", "id": id, "merge": {"state": "enabled"}}))
        .await;
    world
        .wait_for("the flow to stop again", async || {
            (flow(&world).await["state"] == "disabled").then_some(())
        })
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_flow_deleted_elsewhere_stalls_until_recreation_is_allowed() {
    let world = watched().await;
    let id = flow(&world).await["id"].clone();
    world
        .edit(json!({"kind": "flow", "id": id, "delete": true}))
        .await;
    world.wait_reason(DATAFLOW, "RemoteMissing").await;
    assert!(world.objects("flow").await.is_empty());
    let allowed = changed(
        dataflow("customer-io-events", "customer-io"),
        "/spec/onRemoteMissing",
        json!("Recreate"),
    );
    world.apply(&allowed).await;
    world.wait_ready(DATAFLOW).await;
    let again = flow(&world).await;
    assert_ne!(again["id"], id);
    let stands = world.get(DATAFLOW).await;
    assert_eq!(stands["status"]["lastDrift"]["action"], "Recreated");
    assert_eq!(stands["status"]["flow"]["id"], again["id"]);
    world.end().await;
}

#[tokio::test]
async fn connections_deleted_elsewhere_are_made_again_with_their_flow() {
    let world = watched().await;
    for (resource, manifest) in [
        (SOURCE, source("customer-io")),
        (DATAFLOW, dataflow("customer-io-events", "customer-io")),
    ] {
        world
            .apply(&changed(
                manifest,
                "/spec/onRemoteMissing",
                json!("Recreate"),
            ))
            .await;
        world.wait_ready(resource).await;
    }
    for kind in ["targetConnection", "sourceConnection"] {
        let lost = world.objects(kind).await.remove(0)["id"].clone();
        world
            .edit(json!({"kind": kind, "id": lost, "delete": true}))
            .await;
        world
            .wait_for("another connection with the flow on it", async || {
                let now = world.objects(kind).await.first()?["id"].clone();
                let flows = world.objects("flow").await;
                let on_it = flows
                    .iter()
                    .any(|flow| flow.to_string().contains(now.as_str().unwrap()));
                (now != lost && on_it).then_some(())
            })
            .await;
        world.wait_ready(DATAFLOW).await;
        assert_eq!(world.ours().await.len(), 4, "{kind}");
    }
    world.end().await;
}

#[tokio::test]
async fn in_steady_state_a_check_is_three_lists_and_no_write_anywhere() {
    let world = watched().await;
    world.forget_calls().await;
    let version = |it: &Value| it["metadata"]["resourceVersion"].clone();
    let before = [world.get(SOURCE).await, world.get(DATAFLOW).await];
    let checks = world
        .wait_for("three checks", async || {
            let calls = world.operations().await;
            (calls.len() >= 9).then_some(calls)
        })
        .await;
    let of = |name: &str| checks.iter().filter(|it| it.as_str() == name).count();
    let lists = of("flows.list") + of("sourceConnections.list") + of("targetConnections.list");
    assert_eq!(lists, checks.len(), "{checks:?}");
    assert!(of("flows.list").abs_diff(of("targetConnections.list")) <= 1);
    let after = [world.get(SOURCE).await, world.get(DATAFLOW).await];
    assert_eq!(
        before.each_ref().map(version),
        after.each_ref().map(version)
    );
    world.end().await;
}

#[tokio::test]
async fn what_carries_our_owner_and_has_no_resource_is_counted_and_told() {
    let world = watched().await;
    world.apply(&source("second")).await;
    world.apply(&dataflow("second", "second")).await;
    world.wait_ready("aepdataflow/second").await;
    world
        .kubectl(&[
            "annotate",
            "aepdataflow/second",
            "aep-operator.dev/abandon=true",
        ])
        .await;
    world.kubectl(&["delete", "aepdataflow/second"]).await;
    world
        .wait_for(
            "the flow and its target connection to be counted",
            async || {
                let metrics = world.stack.metrics().await.ok()?;
                metrics
                    .lines()
                    .any(|line| line == "aep_orphans 2")
                    .then_some(())
            },
        )
        .await;
    world.end().await;
}

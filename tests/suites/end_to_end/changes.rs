//! Changes of a spec: what is written, and what stays as it was.

use serde_json::{Value, json};

use crate::world::{World, changed, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";

async fn settled(world: &World, generation: i64) -> Value {
    world
        .wait_for("the change to be applied", async || {
            let stands = world.get(DATAFLOW).await;
            let observed = stands["status"]["observedGeneration"] == json!(generation);
            let ready = crate::world::condition(&stands, "Ready")["status"] == "True";
            (observed && ready).then_some(stands)
        })
        .await
}

#[tokio::test]
async fn every_change_of_the_spec_reaches_the_flow_and_nothing_is_made_anew() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    let mut manifest = dataflow("customer-io-events", "customer-io");
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    let first = world.get(DATAFLOW).await;

    // Name and description: one PATCH of the flow.
    world.forget_calls().await;
    manifest = changed(manifest, "/spec/name", json!("Renamed"));
    manifest = changed(manifest, "/spec/description", json!("Described anew"));
    world.apply(&manifest).await;
    settled(&world, 2).await;
    let writes = writes(&world).await;
    assert_eq!(writes, ["flows.patch"]);
    let flow = world.objects("flow").await.remove(0);
    assert_eq!(flow["name"], "Renamed");
    let description = flow["description"].as_str().unwrap();
    assert!(
        description.starts_with("Described anew [aep-operator/v1 "),
        "{description}"
    );

    // Mapping: the next version of the set, then the flow on it; the same flow, the same URL.
    world.forget_calls().await;
    let rows = json!([
        {"expression": "lower(data.identifiers.email)", "destination": "_extconndev.email"},
        {"value": "customer.io", "destination": "_extconndev.metricx"},
        {"source": "event_id", "destination": "_extconndev.event_id0"},
    ]);
    manifest = changed(manifest, "/spec/mapping", rows);
    world.apply(&manifest).await;
    let third = settled(&world, 3).await;
    assert_eq!(
        self::writes(&world).await,
        ["mappingSets.update", "flows.patch"]
    );
    assert_eq!(third["status"]["mappingSet"]["version"], 1);
    let flow = world.objects("flow").await.remove(0);
    assert_eq!(flow["transformations"][0]["params"]["mappingVersion"], 1);
    for field in [
        "/status/flow/id",
        "/status/inletUrl",
        "/status/targetConnection/id",
        "/status/mappingSet/id",
    ] {
        assert_eq!(third.pointer(field), first.pointer(field), "{field}");
    }

    // The order of rows means nothing, and a static row reads back as it was written: no version more.
    world.forget_calls().await;
    manifest["spec"]["mapping"]
        .as_array_mut()
        .unwrap()
        .reverse();
    world.apply(&manifest).await;
    settled(&world, 4).await;
    assert_eq!(self::writes(&world).await, Vec::<String>::new());

    // State: an action, and the word for it in status.
    world.forget_calls().await;
    manifest = changed(manifest, "/spec/state", json!("Disabled"));
    world.apply(&manifest).await;
    let disabled = settled(&world, 5).await;
    assert_eq!(disabled["status"]["flow"]["state"], "disabled");
    manifest = changed(manifest, "/spec/state", json!("Enabled"));
    world.apply(&manifest).await;
    let enabled = settled(&world, 6).await;
    assert_eq!(enabled["status"]["flow"]["state"], "enabled");
    assert_eq!(self::writes(&world).await, ["flows.action", "flows.action"]);
    world.end().await;
}

#[tokio::test]
async fn a_change_made_behind_our_back_meets_the_etag_and_is_put_right() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    let manifest = dataflow("customer-io-events", "customer-io");
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    let flow = world.objects("flow").await.remove(0);
    world
        .edit(json!({"kind": "flow", "id": flow["id"], "merge": {"name": "Somebody else's"}}))
        .await;
    world
        .kubectl(&["annotate", DATAFLOW, "reconcile.fluxcd.io/requestedAt=1"])
        .await;
    world
        .wait_for("the name to be put right", async || {
            let flow = world.objects("flow").await.remove(0);
            (flow["name"] == manifest["spec"]["name"]).then_some(())
        })
        .await;
    world.end().await;
}

#[tokio::test]
async fn an_etag_that_has_moved_is_read_again_and_the_change_written_once() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    let manifest = dataflow("customer-io-events", "customer-io");
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    world.forget_calls().await;
    world
        .faults(json!([{"method": "PATCH", "path": "/flows/", "status": 412, "times": 1}]))
        .await;
    world
        .apply(&changed(manifest, "/spec/name", json!("Renamed")))
        .await;
    settled(&world, 2).await;
    let flows: Vec<(String, u64)> = world
        .calls()
        .await
        .into_iter()
        .map(|call| (call.operation, call.status))
        .collect();
    let patches: Vec<u64> = flows
        .iter()
        .filter(|(name, _)| name == "flows.patch")
        .map(|(_, status)| *status)
        .collect();
    assert_eq!(patches, [412, 200], "{flows:?}");
    let between = flows
        .iter()
        .skip_while(|(_, status)| *status != 412)
        .nth(1)
        .unwrap();
    assert_eq!(between.0, "flows.get", "{flows:?}");
    world.end().await;
}

#[tokio::test]
async fn a_suspended_resource_is_left_alone_and_keeps_its_ready() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    let manifest = dataflow("customer-io-events", "customer-io");
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    world.forget_calls().await;
    let suspended = changed(
        changed(manifest, "/spec/suspend", json!(true)),
        "/spec/name",
        json!("Later"),
    );
    world.apply(&suspended).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let stands = world.get(DATAFLOW).await;
    assert_eq!(crate::world::condition(&stands, "Ready")["status"], "True");
    assert_eq!(world.operations().await, Vec::<String>::new());
    // Suspended or not, it can be deleted.
    world.kubectl(&["delete", DATAFLOW, "--timeout=30s"]).await;
    assert_eq!(world.objects("flow").await.len(), 0);
    world.end().await;
}

#[tokio::test]
async fn a_source_connection_that_cannot_be_renamed_keeps_its_name_and_says_so() {
    for renamed in [false, true] {
        let world = World::with(|options| {
            use aep_emulator::Permission::{Allowed, Refused};
            options.emulator.patch_connection = if renamed { Allowed } else { Refused };
        })
        .await;
        world.apply(&source("customer-io")).await;
        world.wait_ready("customeriosource/customer-io").await;
        world
            .apply(&changed(
                source("customer-io"),
                "/spec/name",
                json!("Renamed"),
            ))
            .await;
        world
            .wait_for("the change to be seen", async || {
                let stands = world.get("customeriosource/customer-io").await;
                (stands["status"]["observedGeneration"] == 2).then_some(())
            })
            .await;
        world.wait_ready("customeriosource/customer-io").await;
        let stands = world.objects("sourceConnection").await.remove(0);
        assert_eq!(stands["name"] == "Renamed", renamed);
        let told = world
            .events("customer-io")
            .await
            .iter()
            .any(|event| event.starts_with("NameKept"));
        assert_eq!(told, !renamed);
        world.end().await;
    }
}

/// The writing calls in the order they were made.
async fn writes(world: &World) -> Vec<String> {
    let calls = world.calls().await.into_iter();
    calls
        .filter(|call| call.writes() && call.status < 300)
        .map(|call| call.operation)
        .collect()
}

//! The tutorial as two manifests: what it makes, what it costs, and that it then stays quiet.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Call, NAMESPACE, World, changed, condition, dataflow, source};

/// The marker at the end of a description, whose uid and owner differ from run to run.
fn without_marker(mut body: Value) -> Value {
    for field in ["description", "name"] {
        if let Some(text) = body[field].as_str()
            && let Some(start) = text.find("[aep-operator/v1 ")
        {
            assert!(text.ends_with(']'), "the marker ends the {field}: {text}");
            body[field] = json!(text[..start].trim_end());
        }
    }
    body
}

/// The tutorial's bodies; the `plan` suite holds them against the marker as well.
const SOURCE: &str = include_str!("../../golden/source-connection.json");
const TARGET: &str = include_str!("../../golden/target-connection.json");
const MAPPING: &str = include_str!("../../golden/mapping-set.json");
const FLOW: &str = include_str!("../../golden/flow.json");

/// Of every call of the platform; more than anything that happens on this machine between two calls.
const LATENCY: Duration = Duration::from_millis(1500);

fn golden(text: &str) -> Value {
    without_marker(serde_json::from_str(text).unwrap())
}

#[tokio::test]
async fn two_manifests_make_the_tutorials_objects_with_five_calls_and_then_nothing() {
    let world = World::with(|options| options.emulator.latency = LATENCY).await;
    world.forget_calls().await;
    let both = json!([
        source("customer-io"),
        dataflow("customer-io-events", "customer-io")
    ]);
    world
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": both}))
        .await;
    world.wait_ready("customeriosource/customer-io").await;
    world.wait_ready("aepdataflow/customer-io-events").await;

    // The first resource of a sandbox has it listed, once a kind, for everybody who comes later, and at the same time
    // it is asked whether the organization has the source at all. Then five calls after the token, at most three in
    // sequence: each of the first three is under way before another of them is answered.
    let (lists, calls): (Vec<_>, Vec<_>) = world.calls().await.into_iter().partition(Call::lists);
    assert_eq!(lists.len(), 3, "{lists:?}");
    let (specs, calls): (Vec<_>, Vec<_>) = calls.into_iter().partition(Call::asks_for_a_spec);
    assert_eq!(specs.len(), 2, "{specs:?}");
    let asked = || lists.iter().take(2).chain(&specs).map(|call| call.at);
    assert!(
        u128::from(asked().max().unwrap() - asked().min().unwrap()) < LATENCY.as_millis(),
        "no round trip of its own: {specs:?}, {lists:?}"
    );
    let first = [
        "mappingSets.create",
        "sourceConnections.create",
        "targetConnections.create",
    ];
    let then = ["flows.create", "flows.get"];
    let mut operations: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    operations.sort_unstable();
    assert_eq!(operations, [then.as_slice(), first.as_slice()].concat());
    let at = |operation: &str| {
        calls
            .iter()
            .find(|call| call.operation == operation)
            .unwrap()
            .at
    };
    let begun: Vec<u64> = first.iter().map(|operation| at(operation)).collect();
    let (earliest, latest) = (*begun.iter().min().unwrap(), *begun.iter().max().unwrap());
    assert!(
        u128::from(latest - earliest) < LATENCY.as_millis(),
        "one of {first:?} waits for another: {begun:?}"
    );

    // The bodies are the tutorial's but for the marker.
    let body = |operation: &str| {
        let call = calls
            .iter()
            .find(|call| call.operation == operation)
            .unwrap();
        without_marker(call.body.clone())
    };
    assert_eq!(body("sourceConnections.create"), golden(SOURCE));
    assert_eq!(body("targetConnections.create"), golden(TARGET));
    assert_eq!(body("mappingSets.create"), golden(MAPPING));
    let stands = world.get("aepdataflow/customer-io-events").await;
    let made_on = world.get("customeriosource/customer-io").await;
    let mut flow = golden(FLOW);
    flow["sourceConnectionIds"] = json!([made_on["status"]["sourceConnection"]["id"]]);
    flow["targetConnectionIds"] = json!([stands["status"]["targetConnection"]["id"]]);
    flow["transformations"][0]["params"]["mappingId"] =
        stands["status"]["mappingSet"]["id"].clone();
    assert_eq!(body("flows.create"), flow);

    // Ids, etags and the URL are in status, and in no Event.
    for field in [
        "/flow/id",
        "/flow/etag",
        "/targetConnection/etag",
        "/mappingSet/id",
        "/inletUrl",
    ] {
        let value = stands["status"]
            .pointer(field)
            .and_then(Value::as_str)
            .unwrap_or_default();
        assert!(!value.is_empty(), "status{field} is empty");
    }
    assert_eq!(stands["status"]["flow"]["state"], "enabled");
    assert_eq!(stands["status"]["pending"], Value::Null);
    assert_eq!(condition(&stands, "Reconciling"), Value::Null);
    let url = stands["status"]["inletUrl"].as_str().unwrap();
    let log = std::fs::read_to_string(world.stack.operator().log_path()).unwrap();
    let events = world.events("customer-io-events").await.join("\n");
    assert!(events.contains("Created flow"), "{events}");
    assert!(
        !events.contains(url) && !log.contains(url),
        "the inlet URL is a capability"
    );
    assert!(!log.contains("demo-secret"));

    // In a sandbox that is known the next pair costs these five and no other call, not even just after it is Ready.
    world.forget_calls().await;
    world.apply(&source("another")).await;
    world.apply(&dataflow("another-events", "another")).await;
    world.wait_ready("aepdataflow/another-events").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let five = [then.as_slice(), first.as_slice()].concat();
    assert_eq!(world.operations().await, five);

    stays_quiet(&world, &[made_on, stands]).await;
    world.end().await;
}

/// Whatever makes the operator look again, it writes nothing: not to AEP, not to Kubernetes.
async fn stays_quiet(world: &World, resources: &[Value]) {
    world.forget_calls().await;
    // A label wakes nobody's plan; a restart looks at everything.
    world
        .kubectl(&["label", "aepdataflow/customer-io-events", "team=crm"])
        .await;
    let labelled = world.get("aepdataflow/customer-io-events").await;
    world
        .stack
        .operator()
        .kill(playground::operator_process::Signal::KILL)
        .unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.stack.operator_ready().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        world.operations().await,
        Vec::<String>::new(),
        "an in-sync resource needs no call"
    );
    let after = world.get("aepdataflow/customer-io-events").await;
    assert_eq!(
        after["metadata"]["resourceVersion"],
        labelled["metadata"]["resourceVersion"]
    );
    let after = world.get("customeriosource/customer-io").await;
    assert_eq!(
        after["metadata"]["resourceVersion"],
        resources[0]["metadata"]["resourceVersion"]
    );

    // Asked for, it checks the platform with reads alone, and notes that it did.
    let ask = [
        "annotate",
        "aepdataflow/customer-io-events",
        "reconcile.fluxcd.io/requestedAt=now-1",
    ];
    world.kubectl(&ask).await;
    world
        .wait_for("the request to be handled", async || {
            let stands = world.get("aepdataflow/customer-io-events").await;
            (stands["status"]["lastHandledReconcileAt"] == "now-1").then_some(())
        })
        .await;
    let calls = world.calls().await;
    assert!(
        !calls.is_empty() && calls.iter().all(|call| !call.writes()),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_flow_that_takes_its_time_costs_at_most_eight_calls() {
    let world = World::with(|options| options.emulator.inlet_delay = Duration::from_secs(6)).await;
    world.forget_calls().await;
    // At once: the source comes while the dataflow's first run is under way.
    let manifests = [
        source("customer-io"),
        dataflow("customer-io-events", "customer-io"),
    ];
    world.apply_all(&manifests).await;
    world
        .wait_reason("aepdataflow/customer-io-events", "WaitingForInlet")
        .await;
    world.wait_ready("aepdataflow/customer-io-events").await;
    let mut calls = world.calls().await;
    // Listed and asked for once for the sandbox, not for this dataflow.
    calls.retain(|call| !call.lists() && !call.asks_for_a_spec());
    assert!(calls.len() <= 8, "{calls:?}");
    world.end().await;
}

#[tokio::test]
async fn the_dataflow_may_be_applied_before_its_source() {
    let world = World::start().await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    let waiting = world
        .wait_reason("aepdataflow/customer-io-events", "WaitingForSource")
        .await;
    let message = condition(&waiting, "Ready")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("customer-io") && message.contains(NAMESPACE),
        "{message}"
    );
    assert_eq!(
        world.operations().await,
        Vec::<String>::new(),
        "nothing is made for a source that is not there"
    );
    world
        .apply(&changed(
            source("customer-io"),
            "/spec/suspend",
            json!(true),
        ))
        .await;
    world
        .wait_reason("customeriosource/customer-io", "Suspended")
        .await;
    assert!(
        !world
            .operations()
            .await
            .iter()
            .any(|name| name.starts_with("sourceConnections"))
    );
    world.apply(&source("customer-io")).await;
    world.wait_ready("aepdataflow/customer-io-events").await;
    world.end().await;
}

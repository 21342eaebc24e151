//! What goes wrong in the world: each its own reason, words that name thing and remedy, an Event, no
//! hot loop, and recovery without anybody touching the resource again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{NAMESPACE, World, changed, condition, dataflow, secret, source};

const SOURCE: &str = "customeriosource/customer-io";
const DATAFLOW: &str = "aepdataflow/customer-io-events";

/// Checks what a user sees of a failure.
async fn says(world: &World, resource: &str, reason: &str, stalled: bool, words: &[&str]) -> Value {
    let stands = world.wait_reason(resource, reason).await;
    let message = condition(&stands, "Ready")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    for word in words {
        assert!(
            message.contains(word),
            "{reason}: \"{word}\" is missing in: {message}"
        );
    }
    assert!(!message.contains("demo-secret"));
    let (there, not) = if stalled {
        ("Stalled", "Reconciling")
    } else {
        ("Reconciling", "Stalled")
    };
    assert_eq!(condition(&stands, there)["status"], "True", "{reason}");
    assert_eq!(condition(&stands, not), Value::Null, "{reason}");
    assert_eq!(
        stands["status"]["observedGeneration"],
        stands["metadata"]["generation"]
    );
    let name = resource.split_once('/').unwrap().1;
    world
        .wait_for(&format!("an Event that says {reason}"), async || {
            world
                .events(name)
                .await
                .iter()
                .any(|event| event.starts_with(reason))
                .then_some(())
        })
        .await;
    no_hot_loop(world, resource, reason).await;
    stands
}

/// While nothing changes, the operator looks every two seconds here (every five minutes by default):
/// a handful of calls a look, and neither conditions nor Events move.
async fn no_hot_loop(world: &World, resource: &str, reason: &str) {
    let name = resource.split_once('/').unwrap().1;
    let before = (
        world.get(resource).await["status"]["conditions"].clone(),
        world.events(name).await,
    );
    world.forget_calls().await;
    let (started, reconciles) = (Instant::now(), world.reconciles().await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let reconciles = world.reconciles().await - reconciles;
    let calls = world.operations().await;
    let looks = started.elapsed().as_millis() / 1800 + 1;
    assert!(
        calls.len() as u128 <= looks * 4,
        "{reason}: {} calls: {calls:?}",
        calls.len()
    );
    // Two resources at most are not ready here, each looked at once a pace, twice with a wake.
    assert!(
        u128::from(reconciles) <= looks * 4,
        "{reason}: {reconciles} reconciles"
    );
    let after = (
        world.get(resource).await["status"]["conditions"].clone(),
        world.events(name).await,
    );
    assert_eq!(before, after, "{reason}");
}

#[tokio::test]
async fn what_is_wrong_with_a_secret_is_said_and_heals() {
    let world = World::unhurried().await;
    world
        .kubectl(&["delete", "secret", "adobe-credentials"])
        .await;
    world.apply(&source("customer-io")).await;
    says(
        &world,
        SOURCE,
        "SecretMissing",
        true,
        &["adobe-credentials", NAMESPACE, "Create it"],
    )
    .await;

    let mut incomplete = secret("demo-client", "demo-secret");
    incomplete["stringData"]
        .as_object_mut()
        .unwrap()
        .remove("clientSecret");
    world.apply(&incomplete).await;
    world
        .wait_for("the missing key to be named", async || {
            let stands = world.get(SOURCE).await;
            condition(&stands, "Ready")["message"]
                .as_str()
                .unwrap()
                .contains("\"clientSecret\"")
                .then_some(())
        })
        .await;

    world.apply(&secret("demo-client", "wrong")).await;
    says(
        &world,
        SOURCE,
        "CredentialsRejected",
        true,
        &["adobe-credentials", "clientSecret"],
    )
    .await;

    world.apply(&secret("demo-client", "demo-secret")).await;
    world.wait_ready(SOURCE).await;
    world.end().await;
}

#[tokio::test]
async fn a_secret_of_another_organization_is_refused() {
    let world = World::unhurried().await;
    let pinned = changed(
        source("customer-io"),
        "/spec/organizationId",
        json!("FFFFFFFFFFFFFFFFFFFFFFFF@AdobeOrg"),
    );
    world.apply(&pinned).await;
    let words = [
        "FFFFFFFFFFFFFFFFFFFFFFFF@AdobeOrg",
        "1234567890ABCDEF12345678@AdobeOrg",
        "adobe-credentials",
    ];
    says(&world, SOURCE, "OrganizationMismatch", true, &words).await;
    assert_eq!(world.operations().await, Vec::<String>::new());
    world
        .apply(&changed(pinned, "/spec/organizationId", Value::Null))
        .await;
    world.wait_ready(SOURCE).await;
    world.end().await;
}

#[tokio::test]
async fn missing_rights_and_an_unknown_sandbox_are_told_apart_and_heal() {
    let world = World::start().await;
    world
        .edit(json!({"kind": "client", "id": "demo-client", "merge": {"forbidden": true}}))
        .await;
    world.apply(&source("customer-io")).await;
    says(
        &world,
        SOURCE,
        "PermissionDenied",
        true,
        &["adobe-credentials", "prod", "Manage Sources"],
    )
    .await;
    world
        .edit(json!({"kind": "client", "id": "demo-client", "merge": {"forbidden": false}}))
        .await;
    world.wait_ready(SOURCE).await;

    let elsewhere = changed(source("elsewhere"), "/spec/sandbox", json!("nowhere"));
    world.apply(&elsewhere).await;
    says(
        &world,
        "customeriosource/elsewhere",
        "SandboxNotFound",
        true,
        &["nowhere", "1234567890ABCDEF12345678"],
    )
    .await;
    // Its dataflow waits and says what for, without a call of its own.
    world.apply(&dataflow("on-nowhere", "elsewhere")).await;
    says(
        &world,
        "aepdataflow/on-nowhere",
        "WaitingForSource",
        false,
        &["elsewhere", "SandboxNotFound"],
    )
    .await;
    world
        .kubectl(&[
            "delete",
            "customeriosource/elsewhere",
            "aepdataflow/on-nowhere",
            "--timeout=30s",
        ])
        .await;
    world.end().await;
}

#[tokio::test]
async fn an_unknown_dataset_and_a_refused_mapping_are_told_apart_and_heal() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    let unknown = "63ec807d3f5ce91bd2d0ffff";
    let manifest = dataflow("no-dataset", "customer-io");
    world
        .apply(&changed(
            manifest,
            "/spec/target/existing/datasetId",
            json!(unknown),
        ))
        .await;
    says(
        &world,
        "aepdataflow/no-dataset",
        "InvalidSpec",
        true,
        &[unknown, "prod", "datasetId"],
    )
    .await;
    world
        .kubectl(&["delete", "aepdataflow/no-dataset", "--timeout=30s"])
        .await;

    let rows = json!([{"source": "event_id", "destination": "_extconndev.no_such_field"}]);
    world
        .apply(&changed(
            dataflow("customer-io-events", "customer-io"),
            "/spec/mapping",
            rows,
        ))
        .await;
    says(
        &world,
        DATAFLOW,
        "RejectedByPlatform",
        true,
        &["mapping set", "no_such_field"],
    )
    .await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.wait_ready(DATAFLOW).await;

    // What was made around the refusals is what stands now, once each.
    for kind in ["flow", "targetConnection", "mappingSet", "sourceConnection"] {
        assert_eq!(world.objects(kind).await.len(), 1, "{kind}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_source_carries_one_dataflow_and_the_next_takes_over_when_it_goes() {
    let world = World::unhurried().await;
    world.apply(&source("customer-io")).await;
    // In one breath, so that both are of the same second as often as not.
    let both = json!({"apiVersion": "v1", "kind": "List", "items": [
        dataflow("b-second", "customer-io"), dataflow("a-first", "customer-io"),
    ]});
    world.apply(&both).await;
    let holder = world
        .wait_for("one of the two to be ready", async || {
            for name in ["a-first", "b-second"] {
                let stands = world.get(&format!("aepdataflow/{name}")).await;
                if condition(&stands, "Ready")["status"] == "True" {
                    return Some(name);
                }
            }
            None
        })
        .await;
    let other = if holder == "a-first" {
        "b-second"
    } else {
        "a-first"
    };
    says(
        &world,
        &format!("aepdataflow/{other}"),
        "SourceInUse",
        true,
        &[holder, "customer-io", "another"],
    )
    .await;
    assert_eq!(world.objects("flow").await.len(), 1);
    world
        .kubectl(&["delete", &format!("aepdataflow/{holder}"), "--timeout=30s"])
        .await;
    world.wait_ready(&format!("aepdataflow/{other}")).await;
    assert_eq!(world.objects("flow").await.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn an_outage_and_a_limit_pass_by_themselves() {
    let world = World::with(|options| {
        options.lease = std::time::Duration::from_secs(2);
        options
            .operator_args
            .extend(["--create-settle=4s", "--request-timeout=2s"].map(Into::into));
    })
    .await;
    world
        .faults(json!([{"path": "/data/foundation/.*", "status": 502, "html": true}]))
        .await;
    world.apply(&source("customer-io")).await;
    let stands = world.wait_reason(SOURCE, "PlatformUnavailable").await;
    assert!(
        condition(&stands, "Ready")["message"]
            .as_str()
            .unwrap()
            .contains("502"),
        "{stands}"
    );
    world
        .faults(json!([{"path": "/data/foundation/.*", "status": 429, "retryAfter": 3}]))
        .await;
    world.wait_reason(SOURCE, "Throttled").await;
    world.forget_calls().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calls = world.operations().await;
    assert!(
        calls.len() <= 1,
        "Retry-After of three seconds is honoured: {calls:?}"
    );
    world.faults(json!([])).await;
    world.wait_ready(SOURCE).await;
    assert_eq!(world.objects("sourceConnection").await.len(), 1);
    world.end().await;
}

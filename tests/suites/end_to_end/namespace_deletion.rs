//! Deletion where the Secret goes first: a namespace with everything in it, a folder of manifests, the
//! Secret by itself; with the operator dying in between, and without.

use std::time::{Duration, Instant};

use playground::operator_process::Signal;
use serde_json::{Value, json};

use crate::deletion::both_ready;
use crate::world::{NAMESPACE, World, condition, dataflow, secret, source};

const SOURCE: &str = "customeriosource/customer-io";
const DATAFLOW: &str = "aepdataflow/customer-io-events";
const SECRET: &str = "secret/adobe-credentials";
const NOTHING: [String; 0] = [];

/// A world in which namespaces can be deleted, and whose operator's own paces apply: an event has to wake it.
async fn with_namespaces() -> World {
    World::with(|options| {
        options.operator_args.clear();
        options.control_plane.controller_manager = true;
    })
    .await
}

fn in_use(secret: &Value) -> bool {
    let finalizers = secret["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|all| all.iter().any(|name| name == "aep-operator.dev/in-use"))
}

async fn slow_flow_deletion(world: &World) {
    world
        .faults(json!([{"method": "DELETE", "path": "/flows/", "latencyMs": 3000, "times": 1}]))
        .await;
}

/// Has the operator die while the flow is being deleted.
async fn kill_in_the_middle(world: &World) {
    world
        .wait_for("the deletion to reach AEP", async || {
            let flow = world.get(DATAFLOW).await;
            (flow["metadata"]["deletionTimestamp"].is_string()).then_some(())
        })
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.stack.operator().kill(Signal::KILL).unwrap());
}

#[tokio::test]
async fn a_namespace_goes_with_everything_in_it() {
    let world = with_namespaces().await;
    both_ready(&world).await;
    world
        .kubectl(&["delete", "namespace", NAMESPACE, "--timeout=60s"])
        .await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn a_namespace_goes_although_the_operator_dies_in_between() {
    let world = with_namespaces().await;
    both_ready(&world).await;
    slow_flow_deletion(&world).await;
    world
        .kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])
        .await;
    kill_in_the_middle(&world).await;
    world.wait_gone(&format!("namespace/{NAMESPACE}")).await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn the_tutorials_folder_is_deleted_as_it_was_applied() {
    let world = with_namespaces().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/samples/tutorial");
    world.kubectl(&["apply", "-f", folder]).await;
    world.wait_ready(DATAFLOW).await;
    world
        .kubectl(&["delete", "-f", folder, "--timeout=60s"])
        .await;
    assert_eq!(world.ours().await, NOTHING);
    world.end().await;
}

#[tokio::test]
async fn what_is_deleted_after_its_secret_still_ends() {
    for dies in [false, true] {
        let world = World::unhurried().await;
        both_ready(&world).await;
        assert!(in_use(&world.get(SECRET).await));
        slow_flow_deletion(&world).await;
        world
            .kubectl(&["delete", SECRET, SOURCE, DATAFLOW, "--wait=false"])
            .await;
        if dies {
            kill_in_the_middle(&world).await;
        }
        world.wait_gone(DATAFLOW).await;
        world.wait_gone(SOURCE).await;
        world.wait_gone(SECRET).await;
        assert_eq!(world.ours().await, NOTHING);
        world.end().await;
    }
}

#[tokio::test]
async fn a_secret_outlives_the_grace_while_a_deletion_needs_it() {
    let world = World::unhurried().await;
    both_ready(&world).await;
    // The source stays; the dataflow's deletion takes longer than a Secret waits for one to begin.
    world
        .faults(json!([{"method": "DELETE", "path": "/flows/", "status": 503, "retryAfter": 15, "times": 1}]))
        .await;
    world
        .kubectl(&["delete", SECRET, DATAFLOW, "--wait=false"])
        .await;
    world.wait_gone(DATAFLOW).await;
    assert_eq!(world.objects("flow").await.len(), 0);
    world.wait_gone(SECRET).await;
    assert!(world.exists(SOURCE).await);
    world.end().await;
}

#[tokio::test]
async fn a_secret_deleted_alone_goes_and_one_that_comes_back_is_kept_again() {
    let world = World::unhurried().await;
    both_ready(&world).await;
    let begun = Instant::now();
    world.kubectl(&["delete", SECRET, "--timeout=30s"]).await;
    assert!(
        begun.elapsed() >= Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    let missing = world.wait_reason(SOURCE, "SecretMissing").await;
    assert_eq!(condition(&missing, "Stalled")["status"], "True");
    world.apply(&secret("demo-client", "demo-secret")).await;
    world.wait_ready(SOURCE).await;
    world
        .wait_for("the Secret to be kept again", async || {
            in_use(&world.get(SECRET).await).then_some(())
        })
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_secret_is_let_go_with_its_last_user_even_by_the_next_process() {
    let world = World::unhurried().await;
    assert!(!in_use(&world.get(SECRET).await));
    both_ready(&world).await;
    assert!(in_use(&world.get(SECRET).await));
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, "--timeout=30s"])
        .await;
    world
        .wait_for("the Secret to be let go", async || {
            (!in_use(&world.get(SECRET).await)).then_some(())
        })
        .await;
    // As a crash between the two leaves it: nobody is left whose end could tell.
    let held =
        json!({"metadata": {"finalizers": ["aep-operator.dev/in-use", "example.com/other"]}});
    world
        .kubectl(&["patch", SECRET, "--type=merge", "-p", &held.to_string()])
        .await;
    assert!(world.stack.operator().kill(Signal::KILL).unwrap());
    world
        .wait_for("the forgotten Secret to be let go", async || {
            let stands = world.get(SECRET).await;
            (stands["metadata"]["finalizers"] == json!(["example.com/other"])).then_some(())
        })
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_source_that_turns_to_another_secret_lets_go_of_the_first() {
    let world = World::unhurried().await;
    both_ready(&world).await;
    let mut other = secret("demo-client", "demo-secret");
    other["metadata"]["name"] = json!("other-credentials");
    world.apply(&other).await;
    let mut turned = source("customer-io");
    turned["spec"]["credentialsRef"]["name"] = json!("other-credentials");
    world.apply(&turned).await;
    world
        .wait_for("the second Secret to be kept instead", async || {
            let (first, second) = (
                world.get(SECRET).await,
                world.get("secret/other-credentials").await,
            );
            (!in_use(&first) && in_use(&second)).then_some(())
        })
        .await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.end().await;
}

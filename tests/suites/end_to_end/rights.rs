//! The chart's rights are those that the operator needs: in a walk through all that it does, the API server's audit log
//! shows no call that is refused, and no right that is not used.

use serde_json::{Value, json};

use crate::audit::{rights, uses};
use crate::world::{NAMESPACE, World, changed, dataflow, dataset, secret, source};

const SOURCE: &str = "customeriosource/customer-io";
const DATAFLOW: &str = "aepdataflow/customer-io-events";
const DATASET: &str = "aepdataset/all-events";
const CREDENTIALS: &str = "secret/adobe-credentials";
const INLET: &str = "secret/customer-io-inlet";

/// Calls that need none of the chart's rights: every account may make them.
const OF_EVERYBODY: [(&str, &str); 1] = [(
    "get /apis/aep-operator.dev/v1alpha1",
    "with rights in some namespaces only, it shows whether a kind is being uninstalled",
)];
/// Rights that the walk does not use, with the reason: none.
const UNUSED: [(&str, &str); 0] = [];

fn events(outputs: Value) -> Value {
    let manifest = dataflow("customer-io-events", "customer-io");
    changed(manifest, "/spec/outputs", outputs)
}

async fn all_ready(world: &World) {
    for resource in [SOURCE, DATASET, DATAFLOW] {
        world.wait_ready(resource).await;
    }
}

async fn wait_there(world: &World, resource: &str) {
    world
        .wait_for(&format!("{resource} to be there"), async || {
            world.exists(resource).await.then_some(())
        })
        .await;
}

/// All that the operator does in Kubernetes, at least once.
async fn walk(world: &World) {
    let inlet = json!({"secretName": "customer-io-inlet"});
    world.apply(&source("customer-io")).await;
    let all_events = dataset("all-events");
    let all_events = changed(all_events, "/spec/deletionPolicy", json!("Delete"));
    world.apply(&all_events).await;
    world.apply(&events(inlet.clone())).await;
    all_ready(world).await;

    // The Secret of outputs is written, written again (with the same Event), and deleted.
    wait_there(world, INLET).await;
    world.kubectl(&["delete", INLET]).await;
    world
        .kubectl(&["annotate", DATAFLOW, "reconcile.fluxcd.io/requestedAt=1"])
        .await;
    wait_there(world, INLET).await;
    world.apply(&events(Value::Null)).await;
    world.wait_gone(INLET).await;

    // The credentials go, and nothing else: the operator asks whether the namespace does.
    world
        .kubectl(&["delete", CREDENTIALS, "--timeout=60s"])
        .await;
    world.wait_reason(SOURCE, "SecretMissing").await;
    world.apply(&secret("demo-client", "demo-secret")).await;
    all_ready(world).await;

    world
        .kubectl(&["delete", DATAFLOW, SOURCE, DATASET, "--timeout=60s"])
        .await;
}

/// The walk with the chart of these values.
async fn check(values: &[&str], namespaces: &[&str], args: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let world = World::with(|options| {
        options.control_plane.audit_log = Some(log.clone());
        options.chart.values = values.iter().map(|&it| it.to_owned()).collect();
        options.chart.watch_namespaces = namespaces.iter().map(|&it| it.to_owned()).collect();
        options.operator_args.extend(args.iter().map(Into::into));
    })
    .await;
    walk(&world).await;
    let (uses, rights) = (uses(&log), rights(&world).await);
    world.end().await;

    let refused: Vec<_> = uses.iter().filter(|it| it.code == 403).collect();
    assert!(refused.is_empty(), "calls without a right: {refused:#?}");
    let beyond: Vec<_> = uses
        .iter()
        .filter(|used| !rights.iter().any(|right| right.is_for(used)))
        .filter(|used| !OF_EVERYBODY.iter().any(|(what, _)| *what == used.what))
        .collect();
    assert!(
        beyond.is_empty(),
        "rights that are not the chart's: {beyond:#?}"
    );
    let unused: Vec<_> = rights
        .iter()
        .filter(|right| !uses.iter().any(|used| right.is_for(used)))
        .filter(|right| !UNUSED.iter().any(|(what, _)| *what == right.what))
        .collect();
    assert!(unused.is_empty(), "rights that nobody needs: {unused:#?}");
}

#[tokio::test]
async fn in_the_whole_cluster_they_are_what_is_used() {
    check(&[], &[], &[]).await;
}

#[tokio::test]
async fn in_one_namespace_without_a_watch_of_secrets_they_are_what_is_used() {
    let values = ["--set=ownerId=acme-test,secrets.watch=false"];
    check(&values, &[NAMESPACE], &["--drift-interval=2s"]).await;
}

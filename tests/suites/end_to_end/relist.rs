//! kube-apiserver starts anew, as on every upgrade of a cluster: every watch lists again what it has shown before.

use std::time::Duration;

use playground::bench::cluster::{Cluster, DATAFLOWS, SOURCES};
use serde_json::json;

use crate::crowd::pairs;
use crate::world::{World, changed, dataflow};

const PAIRS: usize = 20;
/// Longer than kube-apiserver takes to come back on a busy machine; as long as the operator lets a lease be with its
/// other times as they are.
const OUTAGE: Duration = Duration::from_secs(90);
/// Whoever were woken by the lists would have had their turn by then.
const QUIET: Duration = Duration::from_secs(5);

#[tokio::test]
async fn what_did_not_change_is_not_looked_at_again_and_what_changes_is() {
    let mut world = World::with(|options| {
        options.operator_args.clear();
        // An operator that cannot renew its lease in time ends and starts again, as it must: another scenario's promise.
        options.lease = OUTAGE;
    })
    .await;
    world.apply_all(&pairs(PAIRS)).await;
    world
        .wait_all_ready(2 * PAIRS, Duration::from_mins(1))
        .await;
    tokio::time::sleep(QUIET).await;
    let before = world.reconciles().await;

    let plane = world.stack.control_plane_mut();
    plane.restart_apiserver().await.unwrap();
    let cluster = Cluster::of(world.stack.control_plane()).unwrap();
    world
        .wait_for("the operator to list anew", async || {
            let listed = cluster.has_listed([SOURCES, DATAFLOWS]).await;
            listed.unwrap_or_default().then_some(())
        })
        .await;
    tokio::time::sleep(QUIET).await;
    let reconciles = world.reconciles().await - before;
    assert_eq!(reconciles, 0, "reconciles");

    let name = "crowd-0003";
    let edited = changed(dataflow(name, name), "/spec/name", json!("Another name"));
    world.apply_all(&[edited]).await;
    world
        .wait_for("the edit to be made", async || {
            let flows = world.objects("flow").await;
            let is_named = flows.iter().any(|flow| flow["name"] == "Another name");
            is_named.then_some(())
        })
        .await;
    world.end().await;
}

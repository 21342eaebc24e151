//! A cluster rebuilt from Git: new uids, empty statuses, the same owner, and everything still stands on
//! the platform. It is taken over, nothing is made.

use std::collections::BTreeSet;
use std::time::Duration;

use playground::operator_process::Signal;
use playground::restart::Restart;
use serde_json::Value;

use crate::crowd::{pairs, text};
use crate::world::World;

const DATAFLOWS: usize = 200;
const LIMIT: Duration = Duration::from_mins(3);

fn uids(resources: &[Value]) -> BTreeSet<&str> {
    let uids = resources.iter().map(|it| text(it, "/metadata/uid"));
    uids.collect()
}

#[tokio::test]
async fn a_rebuilt_cluster_takes_over_everything_and_makes_nothing() {
    let world = World::with(|options| options.restart = Restart::Always).await;
    let manifests = pairs(DATAFLOWS);
    world.apply_all(&manifests).await;
    let before = world.wait_all_ready(2 * DATAFLOWS, LIMIT).await;
    let objects: BTreeSet<String> = world.ours().await.into_iter().collect();
    assert_eq!(objects.len(), 4 * DATAFLOWS);

    let kinds = "aepdataflows,customeriosources";
    world
        .kubectl(&["annotate", kinds, "--all", "aep-operator.dev/abandon=true"])
        .await;
    world
        .kubectl(&["delete", kinds, "--all", "--wait=false"])
        .await;
    world.wait_all_ready(0, LIMIT).await;
    world.stack.operator().kill(Signal::KILL).unwrap();
    world.forget_calls().await;
    world.apply_all(&manifests).await;
    let after = world.wait_all_ready(2 * DATAFLOWS, LIMIT).await;

    assert!(uids(&before).is_disjoint(&uids(&after)));
    let calls = world.operations().await;
    let made = calls.iter().filter(|name| name.ends_with("create"));
    assert_eq!(made.count(), 0);
    let now: BTreeSet<String> = world.ours().await.into_iter().collect();
    assert_eq!(now, objects);
    world.exactly_one_each(&after, Duration::ZERO).await;
    world.end().await;
}

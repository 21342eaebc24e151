//! Three in ten calls fail, in every way a platform has: everything still comes to be, once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::crowd::pairs;
use crate::world::World;

const DATAFLOWS: usize = 200;
/// Of each of four ways to fail, the first that hits decides: 1 - (1 - p)^4 is 30 %.
const CHANCE: f64 = 0.0853;

/// One way to fail, with dice of its own.
fn fails(seed: u64, how: &Value) -> Value {
    let mut rule = how.clone();
    rule["probability"] = json!(CHANCE);
    rule["seed"] = json!(seed);
    rule
}

#[tokio::test]
async fn with_three_in_ten_calls_failing_all_become_ready_and_each_is_there_once() {
    let world = World::with(|options| {
        options.operator_args = [
            "--request-timeout=2s",
            "--create-settle=7s",
            "--retry-max=2s",
            "--stalled-retry=2s",
            "--drift-interval=5s",
        ]
        .map(Into::into)
        .to_vec();
    })
    .await;
    let ways = [
        // A 429 is no failure but a word about pace, and is taken for one: a few of them.
        json!({"status": 429, "retryAfter": 1, "times": 10}),
        json!({"status": 503}),
        json!({"html": true}),
        json!({"dropBeforeCommit": true}),
        json!({"dropAfterCommit": true}),
    ];
    let rules = (1..).zip(&ways).map(|(seed, how)| fails(seed, how));
    world.faults(rules.collect()).await;
    world.forget_calls().await;
    world.apply_all(&pairs(DATAFLOWS)).await;
    let all = world
        .wait_all_ready(2 * DATAFLOWS, Duration::from_mins(3))
        .await;

    // The platform was as bad as promised.
    let calls = world.calls().await;
    let failed = calls
        .iter()
        .filter(|call| matches!(call.status, 0 | 429 | 500..));
    let percent = 100 * failed.count() / calls.len();
    assert!((25..=35).contains(&percent), "{percent} % failed");
    world.exactly_one_each(&all, Duration::from_mins(1)).await;
    world.end().await;
}

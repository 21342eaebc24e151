//! A thousand dataflows in sync cost what listing them costs: no write anywhere, no call of a reconcile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use playground::operator_process::Signal;
use playground::restart::Restart;
use serde_json::Value;

use crate::crowd::{pairs, text};
use crate::world::{Call, World};

const DATAFLOWS: usize = 1_000;
/// Pages of flows and of sources, questions for fifty target connections, and two.
const CALLS_OF_A_CHECK: usize = DATAFLOWS / 100 + DATAFLOWS / 100 + DATAFLOWS / 50 + 2;
/// Checks come ever so often, give or take a tenth.
const INTERVAL: Duration = Duration::from_secs(20);
/// A check is over when nothing was asked for so long.
const QUIET: Duration = Duration::from_secs(4);

fn versions(resources: &[Value]) -> BTreeMap<&str, &str> {
    let version = |it| {
        (
            text(it, "/metadata/uid"),
            text(it, "/metadata/resourceVersion"),
        )
    };
    resources.iter().map(version).collect()
}

/// All calls but those for runs of flows, which have an interval of their own.
async fn calls_of_checks(world: &World) -> Vec<Call> {
    let mut calls = world.calls().await;
    calls.retain(|call| call.operation != "runs.list");
    calls
}

/// The calls of the next whole check.
async fn next_check(world: &World) -> Vec<Call> {
    world.forget_calls().await;
    let deadline = Instant::now() + 3 * INTERVAL;
    let mut seen = (0, Instant::now());
    loop {
        let calls = calls_of_checks(world).await;
        if calls.len() != seen.0 {
            seen = (calls.len(), Instant::now());
        }
        if seen.0 > 0 && seen.1.elapsed() > QUIET {
            return calls;
        }
        assert!(Instant::now() < deadline, "{} calls", calls.len());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn assert_a_check(calls: &[Call]) {
    assert!(
        calls.len() <= CALLS_OF_A_CHECK && calls.iter().all(Call::lists),
        "{} calls, {CALLS_OF_A_CHECK} allowed: {:?}",
        calls.len(),
        calls.iter().map(|it| &it.operation).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_thousand_in_sync_cost_a_few_lists_and_no_write() {
    let world = World::with(|options| {
        options.restart = Restart::Always;
        options
            .operator_args
            .push(format!("--drift-interval={}s", INTERVAL.as_secs()).into());
    })
    .await;
    world.apply_all(&pairs(DATAFLOWS)).await;
    let before = world
        .wait_all_ready(2 * DATAFLOWS, Duration::from_mins(4))
        .await;

    // What follows the last creation, and perhaps a check in its middle.
    next_check(&world).await;
    let check = next_check(&world).await;
    assert!(check.len() >= CALLS_OF_A_CHECK / 2, "a whole check");
    assert_a_check(&check);

    // Whoever starts anew looks at every resource, and asks the platform nothing but in its first check.
    world.forget_calls().await;
    world.stack.operator().kill(Signal::KILL).unwrap();
    let all = u64::try_from(2 * DATAFLOWS).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.stack.operator_ready().await.unwrap();
    world
        .wait_for("every resource to be looked at", async || {
            (world.reconciles().await >= all).then_some(())
        })
        .await;
    assert_a_check(&calls_of_checks(&world).await);
    // The first check of the new process finds all in sync, too.
    assert_a_check(&next_check(&world).await);

    let after = world.all().await;
    assert_eq!(versions(&before), versions(&after));
    world.end().await;
}

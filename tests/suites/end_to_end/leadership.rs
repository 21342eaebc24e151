//! Two operators: one acts, the other takes over, and never both.

use std::time::{Duration, Instant};

use playground::operator_process::Signal;
use playground::restart::Restart;
use playground::stack::Replica;
use serde_json::json;

use crate::world::{World, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";
const LEASE: Duration = Duration::from_secs(2);
/// For a look at the lease, and for a machine with much to do.
const SLACK: Duration = Duration::from_secs(2);

async fn two_operators(lease: Duration) -> (World, Replica) {
    let world = World::with(|options| {
        options.restart = Restart::Never;
        options.lease = lease;
        options.emulator.latency = Duration::from_millis(300);
        options
            .operator_args
            .extend(["--request-timeout=3s", "--create-settle=15s"].map(Into::into));
    })
    .await;
    let second = world.stack.start_replica("second").await.unwrap();
    assert!(leads(&world.stack.metrics().await.unwrap()));
    assert!(!leads(&second.metrics().await.unwrap()));
    (world, second)
}

fn leads(metrics: &str) -> bool {
    let status =
        |value: u8| format!("leader_election_master_status{{name=\"aep-operator\"}} {value}");
    let [is, is_not] = [1, 0].map(|value| metrics.contains(&status(value)));
    assert_ne!(is, is_not, "{metrics}");
    is
}

async fn await_lead(replica: &Replica) -> Duration {
    let asked = Instant::now();
    while !leads(&replica.metrics().await.unwrap()) {
        assert!(asked.elapsed() < Duration::from_mins(1), "it never leads");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    asked.elapsed()
}

async fn apply_both(world: &World) {
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
}

async fn await_call(world: &World, operation: &str) {
    world
        .wait_for(operation, async || {
            let seen = world
                .operations()
                .await
                .iter()
                .any(|name| name == operation);
            seen.then_some(())
        })
        .await;
}

async fn one_of_each(world: &World) {
    for kind in ["sourceConnection", "targetConnection", "mappingSet", "flow"] {
        assert_eq!(world.objects(kind).await.len(), 1, "{kind}");
    }
}

/// How the first operator ended, once it has.
async fn ended(world: &World) -> String {
    let operator = world.stack.operator();
    world
        .wait_for("the first operator to end", async || {
            (!operator.is_running()).then_some(())
        })
        .await;
    let ended = operator.stop(Duration::ZERO).await;
    ended.map_or_else(|error| error.to_string(), |()| "well".to_owned())
}

#[tokio::test]
async fn a_killed_leader_is_followed_within_its_lease() {
    let (world, second) = two_operators(LEASE).await;
    apply_both(&world).await;
    await_call(&world, "targetConnections.create").await;
    world.stack.operator().kill(Signal::KILL).unwrap();
    let waited = await_lead(&second).await;
    assert!(waited < LEASE + SLACK, "{waited:?}");
    world.wait_ready(DATAFLOW).await;
    one_of_each(&world).await;
}

#[tokio::test]
async fn a_leader_stopped_past_its_lease_starts_no_call_when_it_wakes() {
    let (world, second) = two_operators(LEASE).await;
    // So that both have something to do for as long as it takes.
    world
        .faults(json!([{"method": "POST", "path": "/flows$", "status": 503}]))
        .await;
    apply_both(&world).await;
    await_call(&world, "flows.create").await;
    world.stack.operator().kill(Signal::STOP).unwrap();
    let waited = await_lead(&second).await;
    assert!(waited < LEASE + SLACK, "{waited:?}");
    tokio::time::sleep(LEASE).await;
    world.forget_calls().await;
    world.stack.operator().kill(Signal::CONT).unwrap();
    let end = ended(&world).await;
    assert!(end.contains("exit status: 1"), "{end}");
    let log = std::fs::read_to_string(world.stack.operator().log_path()).unwrap();
    assert!(log.contains("leadership lost"), "{log}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (from_second, from_first): (Vec<_>, Vec<_>) = world
        .calls()
        .await
        .into_iter()
        .partition(|call| call.host.starts_with("localhost"));
    assert!(!from_second.is_empty(), "the second is at work");
    assert!(from_first.is_empty(), "{from_first:#?}");
    world.faults(json!([])).await;
    world.wait_ready(DATAFLOW).await;
    one_of_each(&world).await;
}

#[tokio::test]
async fn a_leader_that_is_told_to_stop_finishes_its_work_and_hands_over_at_once() {
    let lease = Duration::from_secs(12);
    let (world, second) = two_operators(lease).await;
    apply_both(&world).await;
    await_call(&world, "targetConnections.create").await;
    world
        .stack
        .operator()
        .stop(Duration::from_secs(20))
        .await
        .unwrap();
    let waited = await_lead(&second).await;
    assert!(waited < lease / 3, "{waited:?}");
    world.wait_ready(DATAFLOW).await;
    one_of_each(&world).await;
    let creations = world.operations().await;
    let creations = creations.iter().filter(|name| name.ends_with(".create"));
    assert_eq!(creations.count(), 4, "nothing was asked for twice");
}

#[tokio::test]
async fn told_to_end_at_any_moment_of_its_start_it_ends() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    world.apply(&dataflow("events", "customer-io")).await;
    world.wait_ready("aepdataflow/events").await;
    let operator = world.stack.operator();
    let limit = Duration::from_secs(10);
    operator.stop(limit).await.unwrap();
    let begun = || {
        let log = std::fs::read_to_string(operator.log_path()).unwrap();
        log.matches("elector: leading").count()
    };
    for millis in (0..150).step_by(10) {
        let before = begun();
        operator.start_now().unwrap();
        let leads = async || (begun() > before).then_some(());
        world.wait_for("the operator to lead", leads).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let ended = operator.stop(limit).await;
        ended.unwrap_or_else(|error| panic!("{millis} ms after it leads: {error:#}"));
    }
}

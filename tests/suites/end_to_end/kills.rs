//! An operator that is killed a hundred times while people work with it: two replicas, as a Deployment
//! would run them, and whichever leads dies soon after it began to. Never a second object, never a lost one.
//!
//! [`Users`](crate::users::Users) see to it that there is always something to do.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, UNIX_EPOCH};

use playground::operator_process::{OperatorProcess, Signal};
use playground::restart::Restart;
use playground::stack::Replica;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use crate::crowd::text;
use crate::users::Users;
use crate::world::{Call, World};

const PAIRS: usize = 100;
const KILLS: usize = 100;
/// Of the processes that are killed, so many at least have written to the platform.
const KILLED_AT_WORK: usize = 30;
const LEASE: Duration = Duration::from_secs(2);
/// Of each call to the platform.
const LATENCY: Duration = Duration::from_millis(100);
/// A process that leads is killed so many milliseconds after its first call...
const LIFE: std::ops::Range<u64> = 200..1_600;
/// ... but every so manieth lives long enough to settle what its predecessors left unsettled.
const LONG_LIFE_EVERY: usize = 15;
const LONG_LIFE: std::ops::Range<u64> = 3_500..5_000;
/// Every so manieth time both replicas go at once, as with a node.
const BOTH_EVERY: usize = 3;
/// By then what a killed process had sent has arrived.
const ARRIVAL: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_mins(1);

/// What was killed, and at what.
#[derive(Debug, Default)]
struct Toll {
    leaders: usize,
    standing_by: usize,
    /// Leaders that had written to the platform.
    at_work: usize,
    /// Of these, leaders with a write that had no answer yet.
    amid_a_write: usize,
}

impl Toll {
    fn kills(&self) -> usize {
        self.leaders + self.standing_by
    }

    /// A leader was killed after these calls, `at` milliseconds since the epoch.
    fn leader(&mut self, calls: &[Call], at: u128) {
        let writes = || calls.iter().filter(|call| call.writes());
        let open = |call: &Call| u128::from(call.at) + LATENCY.as_millis() > at;
        self.leaders += 1;
        self.at_work += usize::from(writes().count() > 0);
        self.amid_a_write += usize::from(writes().any(open));
    }
}

/// Who made the first call since calls were forgotten: `true` for the second replica.
async fn leading(world: &World) -> bool {
    let call = world
        .wait_for("a process to lead", async || {
            world.calls().await.into_iter().next()
        })
        .await;
    is_second(&call)
}

fn is_second(call: &Call) -> bool {
    call.host.starts_with("localhost")
}

fn kill(process: &OperatorProcess) -> bool {
    process.kill(Signal::KILL).unwrap()
}

async fn kill_often(world: &World, second: &Replica, random: &mut StdRng) -> Toll {
    let mut toll = Toll::default();
    for round in 1.. {
        let leads = leading(world).await;
        let life = if round % LONG_LIFE_EVERY == 0 {
            LONG_LIFE
        } else {
            LIFE
        };
        tokio::time::sleep(Duration::from_millis(random.random_range(life))).await;
        let (first, second) = (world.stack.operator(), second.process());
        let (leader, other) = if leads {
            (second, first)
        } else {
            (first, second)
        };
        let killed = kill(leader);
        let at = UNIX_EPOCH.elapsed().unwrap().as_millis();
        if round % BOTH_EVERY == 0 && kill(other) {
            toll.standing_by += 1;
        }
        tokio::time::sleep(ARRIVAL).await;
        let mut calls = world.calls().await;
        calls.retain(|call| is_second(call) == leads);
        if killed {
            toll.leader(&calls, at);
        }
        if toll.kills() >= KILLS {
            break;
        }
        world.forget_calls().await;
    }
    toll
}

/// What of the flows is not as its dataflow says.
fn not_as_asked(resources: &[Value], flows: &[Value], sets: &[Value]) -> Vec<String> {
    let by_id = |objects: &[Value]| -> BTreeMap<String, Value> {
        let with_id = |it: &Value| (text(it, "/id").to_owned(), it.clone());
        objects.iter().map(with_id).collect()
    };
    let (flows, sets) = (by_id(flows), by_id(sets));
    let mut wrong = Vec::new();
    for it in resources.iter().filter(|it| it["kind"] == "AepDataflow") {
        let flow = &flows[text(it, "/status/flow/id")];
        let set = &sets[text(it, "/status/mappingSet/id")];
        let wanted = match text(it, "/spec/state") {
            "Disabled" => "disabled",
            _ => "enabled",
        };
        let rows = |of: &Value| -> BTreeSet<String> {
            let rows = of.as_array().into_iter().flatten();
            rows.map(|row| text(row, "/source").to_owned()).collect()
        };
        if flow["name"] != it["spec"]["name"]
            || flow["state"] != wanted
            || rows(&set["mappings"]) != rows(&it["spec"]["mapping"])
        {
            wrong.push(format!("{} is {flow} with {set}", it["spec"]));
        }
    }
    wrong
}

async fn delete_all(world: &World) {
    let all = "aepdataflows,customeriosources";
    world
        .kubectl(&["delete", all, "--all", "--wait=false"])
        .await;
    world.wait_all_ready(0, LIMIT).await;
    assert_eq!(world.ours().await, Vec::<String>::new());
}

/// `KILLS_SEED`, or another one each time; and whether it was given.
fn seed() -> (u64, bool) {
    let given = std::env::var("KILLS_SEED").ok();
    let is_given = given.is_some();
    let seed = given.map_or_else(|| rand::rng().random(), |seed| seed.parse().unwrap());
    (seed, is_given)
}

#[tokio::test]
async fn a_hundred_kills_leave_exactly_one_of_everything() {
    let (seed, is_given) = seed();
    println!("the order of what happens: KILLS_SEED={seed}");
    let begun = Instant::now();
    let world = World::with(|options| {
        options.restart = Restart::Always;
        options.lease = LEASE;
        options.emulator.latency = LATENCY;
        options
            .operator_args
            .extend(["--request-timeout=1s", "--create-settle=3s"].map(Into::into));
    })
    .await;
    let second = world.stack.start_replica("second").await.unwrap();
    world.forget_calls().await;

    let mut users = Users::new(PAIRS, StdRng::seed_from_u64(seed), is_given);
    let mut random = StdRng::seed_from_u64(seed.wrapping_add(1));
    let over = Cell::new(false);
    let killing = async {
        let toll = kill_often(&world, &second, &mut random).await;
        over.set(true);
        toll
    };
    let (toll, ()) = tokio::join!(killing, users.work(&world, &over));
    println!("{:?}: {toll:?}", begun.elapsed());
    assert!(toll.kills() >= KILLS, "{toll:?}");
    assert!(toll.at_work >= KILLED_AT_WORK, "{toll:?}");

    users.want_everything(&world).await;
    let all = world.wait_all_ready(2 * PAIRS, LIMIT).await;
    println!("{:?}: all Ready", begun.elapsed());
    world.exactly_one_each(&all, Duration::ZERO).await;
    let (flows, sets) = (
        world.objects("flow").await,
        world.objects("mappingSet").await,
    );
    assert_eq!(not_as_asked(&all, &flows, &sets), Vec::<String>::new());
    delete_all(&world).await;
    println!("{:?}: all gone", begun.elapsed());
    world.end().await;
}

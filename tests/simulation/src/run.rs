//! One run: a scenario from its start through its faults to the quiet after them, and to the end of everything.

use std::cell::Cell;
use std::sync::{Arc, Once};
use std::time::Duration;

use crate::check::{self, Checks};
use crate::net::Net;
use crate::process::{Habits, Replica};
use crate::random::Dice;
use crate::scenario::{Act, Scenario};
use crate::trace::Trace;
use crate::user::User;
use crate::weather::Weather;
use crate::world::World;

/// How long everything may take to settle once faults have stopped. Late commits may come six minutes
/// after the last fault, and what is stalled is looked at every few minutes.
const PATIENCE: Duration = Duration::from_hours(3);
/// How long it is watched at rest.
const REST: Duration = Duration::from_mins(30);
/// How long all has to be well before it counts: the last late commits may still come, and what somebody did in the
/// platform is found by a look at most eleven minutes later.
const CALM: Duration = Duration::from_mins(13);
/// How long the platform is watched after everything was deleted.
const AFTERWARDS: Duration = Duration::from_mins(8);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(30);
/// What a look found is not believed for longer than this: a deletion that takes its time ends in the platform by
/// itself, without a call.
const STALE: Duration = Duration::from_mins(5);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was wrong, if something was.
    pub violation: Option<String>,
    /// What happened.
    pub trace: Trace,
    /// Virtual time.
    pub elapsed: Duration,
}

thread_local! {
    static PANICS: Cell<u64> = const { Cell::new(0) };
}

/// Counts panics of this thread from now on, wherever they are caught.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with(|panics| panics.set(panics.get() + 1));
            before(info);
        }));
    });
    PANICS.with(|panics| panics.set(0));
}

/// Runs the scenario of a seed.
pub fn run_seed(seed: u64, checks: Checks, keep_trace: bool) -> Outcome {
    run(&Scenario::of(seed), Weather::of(seed), checks, keep_trace)
}

/// Runs a scenario.
pub fn run(scenario: &Scenario, weather: Weather, checks: Checks, keep_trace: bool) -> Outcome {
    count_panics();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return Outcome {
                violation: Some(format!("no runtime: {error}")),
                trace: Trace::default(),
                elapsed: Duration::ZERO,
            };
        }
    };
    runtime.block_on(async {
        let net = Net::new(scenario.seed, keep_trace);
        tokio::spawn(net.clone().run());
        let world = World::new(net, scenario.options.clone(), weather);
        let violation = play(&world, scenario, checks).await.err();
        if let Some(violation) = &violation {
            world.net.note(format!("VIOLATION {violation}"));
        }
        Outcome {
            violation,
            trace: world.net.trace(),
            elapsed: Duration::from_millis(world.net.elapsed()),
        }
    })
}

/// A world without weather, its people, and one replica that lives: for a story told by hand.
pub fn quiet(scenario: &Scenario) -> (World, User) {
    let net = Net::new(scenario.seed, false);
    tokio::spawn(net.clone().run());
    let world = World::new(net, scenario.options.clone(), Weather::none());
    let user = User::new(&world, scenario);
    tokio::spawn(Replica::new(&world, 1, Vec::new(), Habits::default()).run());
    (world, user)
}

async fn play(world: &World, scenario: &Scenario, checks: Checks) -> Result<(), String> {
    let net = &world.net;
    let mut user = User::new(world, scenario);
    let habits = Habits {
        elects: scenario.replicas.len() > 1,
        concurrency: scenario.concurrency,
    };
    let replicas: Vec<_> = scenario
        .replicas
        .iter()
        .enumerate()
        .map(|(number, ends)| Replica::new(world, number as u64 + 1, ends.clone(), habits))
        .collect();
    for replica in &replicas {
        tokio::spawn(Arc::clone(replica).run());
    }
    let mut dice = Dice::about((scenario.seed, "user"));
    let mut later: Vec<Act> = Vec::new();
    for (at, act) in &scenario.acts {
        let pause = at.saturating_sub(net.elapsed());
        net.slot(&mut dice, pause).await;
        later.retain(|act| !user.act(*act));
        if !user.act(*act) {
            later.push(*act);
        }
        net.count("acts");
        sound(world)?;
    }
    let pause = scenario.calm_at.saturating_sub(net.elapsed());
    net.slot(&mut dice, pause).await;
    net.note("faults stop");
    world.weather.calm();
    for replica in &replicas {
        replica.spare();
    }
    user.mend();
    later.push(Act::GiveSecret);
    settle(world, checks, &mut user, &mut later, &mut dice).await?;
    rest(world, REST).await?;
    net.note("everything is deleted");
    user.delete_all();
    let end = net.elapsed() + millis(PATIENCE);
    let mut last = ((0, 0), 0);
    loop {
        tokio::time::sleep(LOOK).await;
        let (version, seen_at) = last;
        let is_stale = net.elapsed() > end || net.elapsed() - seen_at >= millis(STALE);
        if !is_stale && version_of(world) == version {
            continue;
        }
        user.clear_up();
        last = (version_of(world), net.elapsed());
        sound(world)?;
        match check::nothing_left(world) {
            Ok(()) => break,
            Err(left) if net.elapsed() > end => return Err(left),
            Err(_) => {}
        }
    }
    rest(world, AFTERWARDS).await?;
    check::nothing_left(world)
}

/// Time passes until all is as it should be, and stays so.
async fn settle(
    world: &World,
    checks: Checks,
    user: &mut User,
    later: &mut Vec<Act>,
    dice: &mut Dice,
) -> Result<(), String> {
    let end = world.net.elapsed() + millis(PATIENCE);
    let mut calm_since = None;
    let mut last = None;
    loop {
        world.net.slot(dice, millis(LOOK)).await;
        later.retain(|act| !user.act(*act));
        let now = world.net.elapsed();
        // Looking is what costs most; without a change there is seldom anything new to see.
        let (seen_at, unsettled) = match last.take() {
            Some((version, at, unsettled))
                if version == version_of(world) && now - at < millis(STALE) =>
            {
                (at, unsettled)
            }
            _ => {
                sound(world)?;
                (now, check::unsettled(world, checks))
            }
        };
        last = Some((version_of(world), seen_at, unsettled.clone()));
        match unsettled {
            Some(wrong) if now > end => return Err(wrong),
            Some(_) => calm_since = None,
            // What waits for something to go that may stay waits in vain.
            None => {
                let since = *calm_since.get_or_insert(now);
                if now - since > millis(CALM) {
                    later.clear();
                    return Ok(());
                }
            }
        }
    }
}

/// Moves with everything that happens.
fn version_of(world: &World) -> (u64, u64) {
    (world.api().revision(), world.net.counted("platform calls"))
}

/// At rest nothing is written, and next to nothing asked. What is stalled is tried every five minutes, with its intent
/// written down before and taken back after.
async fn rest(world: &World, time: Duration) -> Result<(), String> {
    let calls = |world: &World| {
        let trace = world.net.trace();
        trace
            .counts()
            .get("platform calls")
            .copied()
            .unwrap_or_default()
    };
    let (writes, before) = (world.api().writes(), calls(world));
    tokio::time::sleep(time).await;
    sound(world)?;
    let (asked, waiting) = (calls(world) - before, check::waiting(world));
    let written = world.api().writes() - writes;
    if written > 16 * waiting {
        return Err(format!(
            "{written} writes to Kubernetes at rest, with {waiting} resources that are not ready"
        ));
    }
    // Half an hour: three or four drift checks, each with a look at the three objects of each dataset and at what
    // abandoned attempts may have left behind; and six looks at runs. What fails for ever is tried once a minute on
    // average (half of --retry-max), with three looks and the call that fails.
    let bound = 100 + 140 * waiting;
    if asked > bound {
        return Err(format!(
            "{asked} calls to the platform at rest, with {waiting} resources that are not ready"
        ));
    }
    Ok(())
}

/// What holds at any moment.
fn sound(world: &World) -> Result<(), String> {
    check::never_two(world)?;
    check::no_leak(world)?;
    if let Some(trespass) = world.trespass() {
        return Err(trespass);
    }
    let panics = PANICS.with(Cell::get);
    if panics > 0 {
        return Err(format!("{panics} panics"));
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! What no public source says of the platform, each answer in turn: a dataflow is made, changed in every way, changed
//! elsewhere, deleted and made again, and after each of these all is as it should be.
//!
//! docs/emulator.md has the list of unknowns; a switch that is missing here fails a test.

mod answers;

use std::collections::BTreeSet;
use std::time::Duration;

use aep_emulator::Options;
use answers::{LATE, NOT_MET, answers, lost_answers, wide_answers};
use simulation::check::Checks;
use simulation::line::{Death, Moment};
use simulation::process::End;
use simulation::run::run;
use simulation::scenario::{Act, Scenario};
use simulation::weather::Weather;

/// One answer to one question.
struct Unknown {
    /// The switches that play it, as in docs/emulator.md.
    switches: &'static [&'static str],
    /// The answer, in words.
    answer: &'static str,
    options: Options,
    met: Met,
}

/// What happens in the story under an answer only.
#[derive(Clone, Copy)]
enum Met {
    /// No call is peculiar to it: what it changes is what answers hold, or how long things take.
    Nothing,
    /// A call: a part of it, and its status.
    Call(&'static str, &'static str),
    /// Something about all calls.
    All(fn(&[String]) -> bool),
}

impl Met {
    fn is_in(self, lines: &[String]) -> bool {
        match self {
            Self::Nothing => true,
            Self::Call(call, status) => {
                let ends = format!("-> {status}");
                lines
                    .iter()
                    .any(|line| line.contains(call) && line.ends_with(&ends))
            }
            Self::All(holds) => holds(lines),
        }
    }
}

fn row(
    switches: &'static [&'static str],
    answer: &'static str,
    met: Met,
    change: fn(&mut Options),
) -> Unknown {
    let mut options = Options {
        log_limit: 1,
        ..Options::default()
    };
    change(&mut options);
    Unknown {
        switches,
        answer,
        options,
        met,
    }
}

const NOTHING: Met = Met::Nothing;

/// What happens, one after the other. Another dataflow, on another source, stands beside it.
const STORY: [Act; 12] = [
    Act::RenameSource(0),
    Act::RenameDataflow(0),
    Act::DescribeDataflow(0),
    Act::MapDataflow(0),
    Act::SwitchDataflow(0),
    Act::EditFlow,
    Act::SwitchDataflow(0),
    Act::SpoilSecret,
    Act::GiveSecret,
    Act::EditFlow,
    Act::DeleteDataflow(0),
    Act::CreateDataflow(0),
];

/// The same of a dataset of our own and of a subscription, which the first dataflow has.
const WIDE_STORY: [Act; 11] = [
    Act::DescribeDataset(0),
    Act::GrowDataset(0),
    Act::MapDataflow(0),
    Act::SwitchDataflow(0),
    Act::SwitchDataflow(0),
    Act::EditWebhook,
    Act::SubscribeDataflow(0),
    Act::SubscribeDataflow(0),
    Act::DeleteDataflow(0),
    Act::DeleteDataset(0),
    Act::CreateDataset(0),
];

/// Between two acts: longer than anything above takes.
const PAUSE: u64 = 900_000;

fn scenario(options: Options, acts: &[Act]) -> Scenario {
    let mut story = vec![
        (1, Act::GiveSecret),
        (2, Act::CreateSource(0)),
        (3, Act::CreateDataflow(0)),
        (4, Act::CreateSource(1)),
        (5, Act::CreateDataflow(1)),
    ];
    for (number, act) in (1..).zip(acts) {
        story.push((number * PAUSE, *act));
    }
    Scenario {
        options,
        calm_at: story.last().map_or(0, |(at, _)| *at) + 1,
        acts: story,
        ..Scenario::plain(2)
    }
}

fn wide_scenario(options: Options, acts: &[Act]) -> Scenario {
    let mut scenario = scenario(options, acts);
    scenario.datasets = 1;
    scenario.targets[0] = Some(0);
    scenario.subscribed = vec![true; 2];
    scenario.acts.push((6, Act::CreateDataset(0)));
    scenario.acts.sort_by_key(|(at, _)| *at);
    scenario
}

/// The story is told up to each of its acts: then everything has to become as it should be, and stay so.
fn told(unknown: &Unknown, story: &[Act], scene: fn(Options, &[Act]) -> Scenario) -> Vec<String> {
    let who = format!("{} {}", unknown.switches.join(" "), unknown.answer);
    let mut wrong = Vec::new();
    for acts in 0..=story.len() {
        let scenario = scene(unknown.options.clone(), &story[..acts]);
        let whole = acts == story.len();
        let outcome = run(&scenario, Weather::none(), Checks::default(), whole);
        let last = acts.checked_sub(1).map(|last| story[last]);
        if let Some(violation) = outcome.violation {
            wrong.push(format!("{who}, after {last:?}: {violation}"));
        }
        if whole && !unknown.met.is_in(outcome.trace.lines()) {
            wrong.push(format!("{who}: never met"));
        }
    }
    wrong
}

#[test]
fn under_every_answer_each_change_ends_well() {
    let mut wrong = Vec::new();
    for unknown in answers() {
        // A source whose connection went with a dataflow's flow asks what to do (`RemoteMissing`): there the story
        // ends with everything deleted at once.
        let end = if unknown.options.flow_delete_takes_connections {
            STORY.len() - 2
        } else {
            STORY.len()
        };
        wrong.extend(told(&unknown, &STORY[..end], scenario));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn so_does_each_change_of_a_dataset_and_of_a_subscription() {
    let wrong: Vec<String> = wide_answers()
        .iter()
        .flat_map(|unknown| told(unknown, &WIDE_STORY, wide_scenario))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The reply to a creation is lost with the process that waited for it, and no list shows what was made until the
/// operator has stopped waiting: it is found all the same, nothing is made twice, and nobody else is accused.
#[test]
fn what_a_lost_answer_made_is_found_however_late_it_is_listed() {
    let mut wrong = Vec::new();
    for (path, unknown) in lost_answers() {
        let mut scenario = wide_scenario(unknown.options.clone(), &[]);
        scenario.calm_at = millis(LATE);
        let (method, moment) = ("POST", Moment::AfterCommit);
        scenario.replicas = vec![vec![End::Killed(Death::At {
            method,
            path,
            moment,
        })]];
        let outcome = run(&scenario, Weather::none(), Checks::default(), true);
        let lines = outcome.trace.lines();
        let kills = outcome.trace.counts().get("kills").copied();
        let accused = lines.iter().find(|line| line.contains("OwnedByAnother"));
        if let Some(what) = outcome.violation.as_ref().or(accused) {
            wrong.push(format!("{}: {what}", unknown.answer));
        }
        if kills != Some(1) || !unknown.met.is_in(lines) {
            wrong.push(format!("{}: never met, {kills:?} kills", unknown.answer));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The table in docs/emulator.md and those of the file beside have the same switches.
#[test]
fn every_unknown_of_the_documentation_is_tried() {
    let text = std::fs::read_to_string("../../docs/emulator.md").unwrap();
    let (_, part) = text.split_once("## What no public source says").unwrap();
    let documented: BTreeSet<&str> = part
        .split('`')
        .filter(|word| word.starts_with("--"))
        .collect();
    let mut tried = BTreeSet::new();
    let lost = lost_answers().into_iter().map(|(_, unknown)| unknown);
    for unknown in answers().into_iter().chain(wide_answers()).chain(lost) {
        tried.extend(unknown.switches);
    }
    for (switch, file, test) in NOT_MET {
        let path = format!("../suites/end_to_end/{file}.rs");
        let suite = std::fs::read_to_string(path).unwrap();
        assert!(
            suite.contains(&format!("async fn {test}()")),
            "{switch}: {test} in {file}"
        );
        tried.insert(switch);
    }
    assert_eq!(documented, tried);
}

//! What happens in a run: which resources there are, what their users do and when, how the platform behaves, and how
//! the operator's lives end. All of it follows from the seed.

use std::time::Duration;

use aep_emulator::{Options, Permission};

use crate::line::Death;
use crate::process::End;
use crate::random::Dice;

/// One thing somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The Secret with the credentials appears, or is put right.
    GiveSecret,
    /// It goes.
    TakeSecret,
    /// It appears with a client secret that is wrong.
    SpoilSecret,
    /// The credential gets a second client secret, and the Secret that one.
    RotateSecret,
    /// A source is made; one that is going is made again once it is gone.
    CreateSource(usize),
    /// It is deleted.
    DeleteSource(usize),
    /// Its name in the platform changes.
    RenameSource(usize),
    /// A dataflow is made, or made again.
    CreateDataflow(usize),
    /// It is deleted.
    DeleteDataflow(usize),
    /// Its name in the platform changes.
    RenameDataflow(usize),
    /// Its description changes.
    DescribeDataflow(usize),
    /// Its mapping changes.
    MapDataflow(usize),
    /// It is to run, or not.
    SwitchDataflow(usize),
    /// Writes are stopped, or go on.
    SuspendDataflow(usize),
    /// The same for a source.
    SuspendSource(usize),
    /// It is to be checked now.
    RequestDataflow(usize),
    /// The same for a source.
    RequestSource(usize),
    /// Somebody changes a flow's name in the platform.
    EditFlow,
    /// Somebody stops a flow in the platform.
    StopFlow,
    /// Somebody deletes a flow in the platform.
    LoseFlow,
    /// Somebody deletes a target connection in the platform.
    LoseTarget,
    /// What is gone from the platform is made again for this dataflow, from now on.
    HealDataflow(usize),
    /// The same for a source.
    HealSource(usize),
    /// A dataflow is to have a webhook in Customer.io, or none.
    SubscribeDataflow(usize),
    /// Somebody changes a webhook's name in Customer.io.
    EditWebhook,
    /// Somebody disables a webhook in Customer.io.
    StopWebhook,
    /// Somebody deletes a webhook in Customer.io.
    LoseWebhook,
    /// What this dataflow has in the platform stays when it is deleted.
    RetainDataflow(usize),
    /// The same for a source.
    RetainSource(usize),
    /// The namespace is deleted with everything in it, the Secret first; afterwards it is there again, empty.
    DeleteNamespace,
    /// A replica (counted from 1) is cut off from the API server for so many seconds.
    CutOff(u64, u64),
    /// A dataset is made, or made again.
    CreateDataset(usize),
    /// It is deleted.
    DeleteDataset(usize),
    /// Its description changes.
    DescribeDataset(usize),
    /// Its schema gets one more field.
    GrowDataset(usize),
    /// Writes are stopped, or go on.
    SuspendDataset(usize),
    /// It is to be checked now.
    RequestDataset(usize),
    /// What is gone from the platform is made again for this dataset, from now on.
    HealDataset(usize),
    /// Somebody deletes a dataset in the platform.
    LoseDataset,
    /// The API server restarts: every watch ends.
    EndWatches,
    /// The API server forgets the past: watches meet 410.
    Compact,
    /// Watches are told how far they have come.
    Bookmarks,
}

/// All that happens in a run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where all of it comes from.
    pub seed: u64,
    /// How the platform behaves.
    pub options: Options,
    /// How many sources there are.
    pub sources: usize,
    /// Which source each dataflow is on.
    pub dataflows: Vec<usize>,
    /// How many datasets there are.
    pub datasets: usize,
    /// Which of them each dataflow writes into; none: one that stands in the platform.
    pub targets: Vec<Option<usize>>,
    /// Which dataflows have a webhook in Customer.io from the beginning.
    pub subscribed: Vec<bool>,
    /// What is done, by milliseconds since the start.
    pub acts: Vec<(u64, Act)>,
    /// When faults stop, in milliseconds since the start.
    pub calm_at: u64,
    /// How the lives of each replica end.
    pub replicas: Vec<Vec<End>>,
    /// Reconciles of one controller at the same time; none: as many as in operation.
    pub concurrency: Option<u16>,
}

impl Scenario {
    /// The scenario of a seed.
    #[expect(
        clippy::too_many_lines,
        reason = "a list of choices, in the order they are rolled"
    )]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::about((seed, "scenario"));
        let sources = index(dice.between(1, 2));
        let count = dice.between(1, 3);
        let dataflows: Vec<usize> = (0..count)
            .map(|number| {
                // Mostly one each; now and then two want the same.
                if number < sources as u64 && !dice.chance(150) {
                    index(number)
                } else {
                    index(dice.between(0, sources as u64 - 1))
                }
            })
            .collect();
        let calm_at = dice.between(30, 900) * 1_000;
        let mut acts = vec![(dice.between(1, 2_000), Act::GiveSecret)];
        let soon = |dice: &mut Dice| {
            let latest = if dice.chance(300) { calm_at } else { 5_000 };
            dice.between(1, latest)
        };
        for source in 0..sources {
            acts.push((soon(&mut dice), Act::CreateSource(source)));
        }
        for dataflow in 0..dataflows.len() {
            acts.push((soon(&mut dice), Act::CreateDataflow(dataflow)));
        }
        let busy = dice.between(0, 14);
        for _ in 0..busy {
            let at = dice.between(1_000, calm_at);
            let (source, dataflow) = (
                index(dice.between(0, sources as u64 - 1)),
                index(dice.between(0, count - 1)),
            );
            let act = match dice.between(0, 36) {
                0 => Act::TakeSecret,
                1 => Act::GiveSecret,
                2 => Act::SpoilSecret,
                3 => Act::RotateSecret,
                4 => Act::DeleteSource(source),
                5 => Act::RenameSource(source),
                6 => Act::SuspendSource(source),
                7 => Act::RequestSource(source),
                8..=10 => Act::DeleteDataflow(dataflow),
                11..=12 => Act::RenameDataflow(dataflow),
                13 => Act::DescribeDataflow(dataflow),
                14..=15 => Act::MapDataflow(dataflow),
                16..=17 => Act::SwitchDataflow(dataflow),
                18 => Act::SuspendDataflow(dataflow),
                19..=20 => Act::RequestDataflow(dataflow),
                21 => Act::EditFlow,
                22 => Act::EndWatches,
                23 => Act::Compact,
                24 => Act::Bookmarks,
                25 => Act::CreateSource(source),
                26 => Act::StopFlow,
                27 => Act::LoseFlow,
                28 => Act::LoseTarget,
                29 => Act::HealDataflow(dataflow),
                30 => Act::HealSource(source),
                31 => Act::RetainDataflow(dataflow),
                32 => Act::RetainSource(source),
                33 if dice.chance(300) => Act::DeleteNamespace,
                _ => Act::CreateDataflow(dataflow),
            };
            acts.push((at, act));
            // What is deleted often comes back under its name.
            let again = match act {
                Act::DeleteDataflow(it) if dice.chance(600) => Some(Act::CreateDataflow(it)),
                Act::DeleteSource(it) if dice.chance(600) => Some(Act::CreateSource(it)),
                _ => None,
            };
            if let Some(again) = again {
                let pause = dice.pick(&[1, 2_000, 60_000, 300_000]).copied();
                acts.push((at + pause.unwrap_or(1), again));
            }
        }
        let count = if dice.chance(100) { 2 } else { 1 };
        if count > 1 {
            for _ in 0..dice.between(0, 4) {
                let at = dice.between(1_000, calm_at);
                let (replica, time) = (dice.between(1, count), dice.between(5, 150));
                acts.push((at, Act::CutOff(replica, time)));
            }
        }
        acts.sort_by_key(|(at, _)| *at);
        let replicas = (0..count).map(|_| ends(&mut dice, calm_at)).collect();
        let mut options = options(&mut dice);
        // Newer choices are rolled after older ones, so that what a seed chose before stays.
        let subscribed = subscriptions(
            &mut dice,
            &mut options,
            (dataflows.len(), calm_at),
            &mut acts,
        );
        let mut scenario = Self {
            seed,
            options,
            sources,
            datasets: 0,
            targets: vec![None; dataflows.len()],
            dataflows,
            subscribed,
            acts,
            calm_at,
            replicas,
            concurrency: None,
        };
        scenario.options.action_needs_sub_op = dice.chance(100);
        if dice.chance(400) {
            datasets(&mut scenario, &mut dice);
        }
        if dice.chance(200) {
            crowd(&mut scenario, &mut dice);
        }
        scenario.acts.sort_by_key(|(at, _)| *at);
        scenario
    }

    /// Nothing happens, without end: one replica, and so many dataflows, each on a source of its own.
    pub fn plain(dataflows: usize) -> Self {
        Self {
            seed: 1,
            options: Options::default(),
            sources: dataflows,
            dataflows: (0..dataflows).collect(),
            datasets: 0,
            targets: vec![None; dataflows],
            subscribed: vec![false; dataflows],
            acts: Vec::new(),
            calm_at: 0,
            replicas: vec![vec![]],
            concurrency: None,
        }
    }
}

/// Some dataflows write into datasets of our own.
fn datasets(scenario: &mut Scenario, dice: &mut Dice) {
    let count = dice.between(1, 2);
    scenario.datasets = index(count);
    for target in &mut scenario.targets {
        let dataset = index(dice.between(0, count - 1));
        *target = dice.chance(700).then_some(dataset);
    }
    for dataset in 0..scenario.datasets {
        let latest = if dice.chance(300) {
            scenario.calm_at
        } else {
            5_000
        };
        let at = dice.between(1, latest);
        scenario.acts.push((at, Act::CreateDataset(dataset)));
    }
    for _ in 0..dice.between(0, 6) {
        let at = dice.between(1_000, scenario.calm_at);
        let dataset = index(dice.between(0, count - 1));
        let act = match dice.between(0, 10) {
            0..=1 => Act::DeleteDataset(dataset),
            2 => Act::DescribeDataset(dataset),
            3..=5 => Act::GrowDataset(dataset),
            6 => Act::SuspendDataset(dataset),
            7 => Act::RequestDataset(dataset),
            8 => Act::HealDataset(dataset),
            9 if dice.chance(300) => Act::LoseDataset,
            _ => Act::CreateDataset(dataset),
        };
        scenario.acts.push((at, act));
        if let Act::DeleteDataset(it) = act
            && dice.chance(700)
        {
            let pause = dice.pick(&[1, 2_000, 60_000, 300_000]).copied();
            let again = at + pause.unwrap_or(1);
            scenario.acts.push((again, Act::CreateDataset(it)));
        }
    }
}

/// More resources than workers, so that there is a queue, and few calls, so that turns are taken.
fn crowd(scenario: &mut Scenario, dice: &mut Dice) {
    scenario.concurrency = dice.pick(&[1, 2, 2, 3]).copied();
    scenario.options.rate_limit = dice.pick(&[2.0, 3.0, 5.0, 10.0]).copied();
    let first = scenario.dataflows.len();
    for _ in 0..dice.between(2, 8) {
        let (source, dataflow) = (scenario.sources, scenario.dataflows.len());
        scenario.sources += 1;
        scenario.dataflows.push(source);
        scenario.targets.push(None);
        scenario.subscribed.push(false);
        let mut soon = || dice.between(1, 5_000);
        let acts = [
            (soon(), Act::CreateSource(source)),
            (soon(), Act::CreateDataflow(dataflow)),
        ];
        scenario.acts.extend(acts);
    }
    // All at once, as by a commit to what is applied.
    for _ in 0..dice.between(0, 3) {
        let at = dice.between(1_000, scenario.calm_at);
        for dataflow in first..scenario.dataflows.len() {
            let act = match dice.between(0, 3) {
                0 => Act::RenameDataflow(dataflow),
                1 => Act::MapDataflow(dataflow),
                2 => Act::RenameSource(scenario.dataflows[dataflow]),
                _ => continue,
            };
            let at = at + dice.between(0, 3_000);
            scenario.acts.push((at, act));
        }
    }
}

/// How the lives of a replica end.
fn ends(dice: &mut Dice, calm_at: u64) -> Vec<End> {
    let lives = dice.pick(&[0, 0, 1, 2, 3, 5]).copied().unwrap_or_default();
    (0..lives)
        .map(|_| {
            if dice.chance(150) {
                End::Asked(dice.between(1, calm_at / 1_000))
            } else {
                let most = dice.pick(&[8, 30, 80, 200]).copied().unwrap_or(8);
                End::Killed(Death::Boundary(dice.between(1, most)))
            }
        })
        .collect()
}

fn options(dice: &mut Dice) -> Options {
    let mut seconds = |choices: &[u64]| seconds_of(dice, choices);
    let mut options = Options {
        inlet_delay: seconds(&[0, 6, 6, 40]),
        list_lag: seconds(&[0, 0, 5, 30]),
        update_delay: seconds(&[0, 0, 3]),
        action_delay: seconds(&[0, 0, 3]),
        random_seed: dice.roll(),
        log_limit: 1,
        ..Options::default()
    };
    options.update_moves_etag = dice.chance(500);
    let mut permission = |permille| {
        if dice.chance(permille) {
            Permission::Allowed
        } else {
            Permission::Refused
        }
    };
    options.patch_connection = permission(500);
    options.connection_delete_in_use = permission(200);
    options.patch_flow_wiring = permission(300);
    // Newer choices are rolled after older ones, so that what a seed chose before stays.
    options.delete_delay = seconds_of(dice, &[0, 0, 0, 120]);
    options
}

/// Half of all runs have to do with Customer.io.
fn subscriptions(
    dice: &mut Dice,
    options: &mut Options,
    (dataflows, calm_at): (usize, u64),
    acts: &mut Vec<(u64, Act)>,
) -> Vec<bool> {
    if dice.chance(500) {
        return vec![false; dataflows];
    }
    let subscribed = (0..dataflows).map(|_| dice.chance(800)).collect();
    for _ in 0..dice.between(0, 5) {
        let dataflow = index(dice.between(0, dataflows as u64 - 1));
        let act = match dice.between(0, 6) {
            0..=2 => Act::SubscribeDataflow(dataflow),
            3 => Act::EditWebhook,
            4 => Act::StopWebhook,
            5 => Act::LoseWebhook,
            _ => Act::SwitchDataflow(dataflow),
        };
        acts.push((dice.between(1_000, calm_at), act));
    }
    acts.sort_by_key(|(at, _)| *at);
    let mut permission = |permille| {
        if dice.chance(permille) {
            Permission::Allowed
        } else {
            Permission::Refused
        }
    };
    options.webhook_same_endpoint = permission(700);
    options.webhook_partial_put = permission(300);
    subscribed
}

fn seconds_of(dice: &mut Dice, choices: &[u64]) -> Duration {
    Duration::from_secs(dice.pick(choices).copied().unwrap_or_default())
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

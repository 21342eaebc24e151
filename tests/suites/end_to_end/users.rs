//! People who never rest: they create, rename, remap, disable, delete and create again, in an order out of
//! a seed.

use std::cell::Cell;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::crowd;
use crate::world::World;

/// What one person changes with one command.
const AT_ONCE: usize = 8;
/// Pairs that are created with one command in the beginning.
const BATCH: usize = 20;
/// Between two commands.
const PAUSE: Duration = Duration::from_millis(300);

/// One thing somebody does to a pair.
#[derive(Clone, Copy, Debug)]
enum Deed {
    RenameSource,
    RenameDataflow,
    Remap,
    Switch,
    DeleteDataflow,
    DeleteBoth,
}

/// More of what changes than of what begins anew, for that costs the platform little and finds more.
const DEEDS: [Deed; 9] = [
    Deed::RenameSource,
    Deed::RenameDataflow,
    Deed::RenameDataflow,
    Deed::Remap,
    Deed::Remap,
    Deed::Switch,
    Deed::DeleteDataflow,
    Deed::DeleteDataflow,
    Deed::DeleteBoth,
];

/// A source and its dataflow, as somebody last wanted them.
struct Pair {
    source: Value,
    dataflow: Value,
    /// Somebody deleted one of them, and nobody created it again.
    deleted: bool,
}

impl Pair {
    fn both(&self) -> [Value; 2] {
        [self.source.clone(), self.dataflow.clone()]
    }
}

pub struct Users {
    random: StdRng,
    pairs: Vec<Pair>,
    /// How many pairs were created.
    begun: usize,
    /// How often anything was changed: makes names new.
    changes: usize,
    /// Whether what is done is told: long, and only worth it for a seed that is looked into.
    told: bool,
}

impl Users {
    pub fn new(pairs: usize, random: StdRng, told: bool) -> Self {
        let pairs = (0..pairs).map(|number| {
            let [source, dataflow] = crowd::pair(number);
            Pair {
                source,
                dataflow,
                deleted: false,
            }
        });
        Self {
            random,
            pairs: pairs.collect(),
            begun: 0,
            changes: 0,
            told,
        }
    }

    /// Does one thing after the other until it is `over`.
    pub async fn work(&mut self, world: &World, over: &Cell<bool>) {
        while !over.get() {
            let (apply, delete) = self.command();
            if !apply.is_empty()
                && let Err(error) = world.try_apply_all(&apply).await
            {
                println!("{error:#}");
            }
            if !delete.is_empty() {
                let mut args = vec!["delete", "--wait=false", "--ignore-not-found"];
                args.extend(delete.iter().map(String::as_str));
                world.kubectl(&args).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until what was deleted is gone, and applies everything once more.
    pub async fn want_everything(&self, world: &World) {
        world
            .wait_for("what was deleted to be gone", async || {
                let going = |it: &Value| !it["metadata"]["deletionTimestamp"].is_null();
                (!world.all().await.iter().any(going)).then_some(())
            })
            .await;
        let all: Vec<Value> = self.pairs.iter().flat_map(Pair::both).collect();
        world.apply_all(&all).await;
    }

    /// What to apply and what to delete next.
    fn command(&mut self) -> (Vec<Value>, Vec<String>) {
        if self.begun < self.pairs.len() {
            (self.begin(), Vec::new())
        } else {
            self.go_on()
        }
    }

    fn begin(&mut self) -> Vec<Value> {
        let end = self.pairs.len().min(self.begun + BATCH);
        let batch = &self.pairs[self.begun..end];
        self.begun = end;
        batch.iter().flat_map(Pair::both).collect()
    }

    fn go_on(&mut self) -> (Vec<Value>, Vec<String>) {
        let (mut apply, mut delete) = (Vec::new(), Vec::new());
        for number in rand::seq::index::sample(&mut self.random, self.pairs.len(), AT_ONCE) {
            let deed = DEEDS[self.random.random_range(0..DEEDS.len())];
            let pair = &mut self.pairs[number];
            self.changes += 1;
            if pair.deleted {
                // If it is still going this comes too early, and whoever wants it comes again.
                pair.deleted = false;
                if self.told {
                    println!("crowd-{number:04}: create again");
                }
                apply.extend(pair.both());
                continue;
            }
            if self.told {
                println!("crowd-{number:04}: {deed:?} ({})", self.changes);
            }
            match deed {
                Deed::RenameSource => {
                    pair.source["spec"]["name"] = json!(format!("Source {}", self.changes));
                    apply.push(pair.source.clone());
                }
                Deed::RenameDataflow => {
                    pair.dataflow["spec"]["name"] = json!(format!("Dataflow {}", self.changes));
                    apply.push(pair.dataflow.clone());
                }
                Deed::Remap => {
                    let [_, every] = crowd::pair(number);
                    let mut rows = every["spec"]["mapping"].as_array().unwrap().clone();
                    let count = rows.len();
                    rows.rotate_left(self.random.random_range(0..count));
                    rows.truncate(self.random.random_range(1..=count));
                    pair.dataflow["spec"]["mapping"] = json!(rows);
                    apply.push(pair.dataflow.clone());
                }
                Deed::Switch => {
                    let disabled = pair.dataflow["spec"]["state"] == "Disabled";
                    let state = if disabled { "Enabled" } else { "Disabled" };
                    pair.dataflow["spec"]["state"] = json!(state);
                    apply.push(pair.dataflow.clone());
                }
                Deed::DeleteDataflow | Deed::DeleteBoth => {
                    pair.deleted = true;
                    delete.push(format!("aepdataflow/crowd-{number:04}"));
                    if matches!(deed, Deed::DeleteBoth) {
                        delete.push(format!("customeriosource/crowd-{number:04}"));
                    }
                }
            }
        }
        (apply, delete)
    }
}

#[test]
fn a_seed_gives_one_order_in_which_everything_happens() {
    use rand::SeedableRng as _;

    let commands = |seed| {
        let mut users = Users::new(100, StdRng::seed_from_u64(seed), false);
        let commands: Vec<_> = (0..200).map(|_| users.command()).collect();
        commands
    };
    let one = commands(7);
    assert_eq!(one, commands(7));
    assert_ne!(one, commands(8));
    let said = format!("{one:?}");
    for word in ["Disabled", "Source 1", "Dataflow 1"] {
        assert!(said.contains(word), "{word}");
    }
    let created = |name: &str| {
        let source =
            |it: &&Value| it["kind"] == "CustomerIoSource" && it["metadata"]["name"] == name;
        one.iter()
            .flat_map(|(apply, _)| apply)
            .filter(source)
            .count()
    };
    let deleted = one.iter().flat_map(|(_, delete)| delete);
    assert!(deleted.count() > 100);
    assert!((0..100).any(|number| created(&format!("crowd-{number:04}")) > 3));
}

//! Looks at the runs of flows, with list calls that up to fifty flows share, and wakes whom they are news to.
//!
//! A dataflow with a flow registers what its status says of it. Every interval the runs that are new are read, for all
//! flows of a sandbox and credential; what they show is kept here, [`crate::plan::ingestion`] judges it, and a dataflow
//! whose status would say something else is woken. It writes that itself: this loop writes nothing, anywhere.
//!
//! # Guarantees
//!
//! - A look costs one call for fifty flows and hundred new runs, at most [`PAGES`] for fifty flows, twice.
//! - Silence is told only after all runs of the flow were asked for: one that began long ago may show only now.
//! - A run is counted in the metrics once; those of before this process are not.
//! - A look that fails is tried again, and changes nothing meanwhile; a refusal that lasts is told.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::plan::ingestion::{Seen, Subject, Told, Unreadable, is_overdue, judge, outcome};
use crate::platform::{ApiError, Filter, RUN_FLOW_PROPERTY, RUN_STARTED_PROPERTY, Run, Sandbox};

use super::context::{Context, Side};
use super::inventory::{CHUNK, ScopeKey};
use super::rounds::Rounds;
use crate::work::Key;

/// Pages of one question: fifty flows, twenty runs each.
pub const PAGES: usize = 10;
/// How late a run may show after its end. AEP says nothing about it.
const LAG: Duration = Duration::from_mins(2);

/// A flow whose runs are looked at.
#[derive(Debug)]
struct Entry {
    subject: Subject,
    /// What its status says.
    told: Option<Told>,
    side: fn(&Context) -> &Side,
    seen: Option<Seen>,
    /// All runs there ever were have been asked for; from then on, new ones are enough.
    looked: bool,
    /// Runs that ended before this are counted, or of before this process.
    counted: u64,
}

/// The flows whose runs are looked at.
#[derive(Debug, Default)]
pub struct Watch {
    rounds: Rounds<ScopeKey, Place, Entry, Scoped>,
}

type Place = (&'static str, Key);

#[derive(Debug)]
struct Scoped {
    sandbox: Sandbox,
    newest: Newest,
}

/// From where on runs are new, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    /// When the newest run began.
    began: u64,
    /// How long a run takes, at most.
    longest: u64,
}

impl Newest {
    /// A run of another flow may have begun earlier and show later.
    fn since(self) -> u64 {
        let lag = u64::try_from(LAG.as_millis()).unwrap_or_default();
        self.began.saturating_sub(self.longest + lag)
    }

    fn take_in(&mut self, run: &Run) {
        let began = run.started_at.unwrap_or(run.created_at);
        let end = run.completed_at.unwrap_or(run.updated_at);
        self.began = self.began.max(began);
        self.longest = self.longest.max(end.saturating_sub(began));
    }
}

/// What a look is to ask for.
struct Questions {
    sandbox: Sandbox,
    /// Flows whose new runs are asked for.
    known: Vec<String>,
    /// Flows of which all runs are.
    unknown: Vec<String>,
    since: u64,
}

impl Watch {
    /// From now on runs of the resource's flow are looked at; `told` is what its status says of them.
    pub fn register(
        &self,
        sandbox: &Sandbox,
        place: (&'static str, &Key),
        subject: Subject,
        told: Option<Told>,
        side: fn(&Context) -> &Side,
        now: Timestamp,
    ) {
        let first = || Scoped {
            sandbox: sandbox.clone(),
            newest: Newest::default(),
        };
        let place = (place.0, place.1.clone());
        self.rounds
            .enter(ScopeKey::of(sandbox), place, first, |home, place| {
                // The credentials that worked last.
                home.of.sandbox = sandbox.clone();
                match home.entries.get_mut(&place) {
                    Some(entry) if entry.subject.flow == subject.flow => {
                        (entry.subject, entry.told) = (subject, told);
                    }
                    _ => {
                        let entry = Entry {
                            subject,
                            told,
                            side,
                            seen: None,
                            looked: false,
                            counted: u64::try_from(now.as_millisecond()).unwrap_or_default(),
                        };
                        home.entries.insert(place, Box::new(entry));
                    }
                }
            });
    }

    /// The resource is gone, or has no flow.
    pub fn forget(&self, kind: &'static str, key: &Key) {
        self.rounds.forget(&(kind, key.clone()));
    }

    /// What runs of the resource's flow have shown to this process.
    pub fn seen(&self, kind: &'static str, key: &Key, flow: &str) -> Option<Seen> {
        let place = (kind, key.clone());
        let homes = self.rounds.homes();
        let entry = homes.values().find_map(|home| home.entries.get(&place))?;
        entry.seen.clone().filter(|_| entry.subject.flow == flow)
    }

    fn questions(&self, key: &ScopeKey, now: Timestamp) -> Option<Questions> {
        let homes = self.rounds.homes();
        let home = homes.get(key)?;
        let (known, unknown) = by_question(home.entries.values().map(|entry| &**entry), now);
        Some(Questions {
            sandbox: home.of.sandbox.clone(),
            known,
            unknown,
            since: home.of.newest.since(),
        })
    }

    /// Takes in what a look found out, and wakes whom it is news to.
    fn answered(&self, context: &Context, key: &ScopeKey, as_of: Timestamp, found: &Found) {
        let mut news = Vec::new();
        let mut homes = self.rounds.homes();
        let Some(home) = homes.get_mut(key) else {
            return;
        };
        if let Found::Runs { runs, .. } = found {
            for run in runs.values().flatten() {
                home.of.newest.take_in(run);
            }
        }
        for ((_, key), entry) in &mut home.entries {
            match found {
                Found::Runs { runs, asked } if asked.contains(&entry.subject.flow) => {
                    let runs: Vec<&Run> = runs
                        .get(&entry.subject.flow)
                        .into_iter()
                        .flatten()
                        .collect();
                    entry.seen.get_or_insert_default().take_in(as_of, &runs);
                    entry.looked = true;
                    entry.count(context, &runs);
                }
                Found::Runs { .. } => continue,
                Found::Refused(why) => {
                    entry.seen.get_or_insert_default().unreadable = Some(why.clone());
                }
            }
            let verdict = judge(&entry.subject, entry.told.as_ref(), entry.seen.as_ref());
            if verdict.is_some_and(|verdict| verdict.is_news(entry.told.as_ref())) {
                news.push((entry.side, key.clone()));
            }
        }
        drop(homes);
        debug!(sandbox = key.sandbox, news = news.len(), "looked at runs");
        for (side, key) in news {
            side(context).wake(key);
        }
    }
}

/// The flows to ask about: those whose new runs are enough, and those of which everything is asked for.
fn by_question<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    now: Timestamp,
) -> (Vec<String>, Vec<String>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    // A flow that is disabled takes nothing in.
    for entry in entries.filter(|entry| !entry.subject.disabled) {
        let silent = |seen| is_overdue(&entry.subject, seen, now);
        let new_is_enough = entry.looked && !entry.seen.as_ref().is_some_and(silent);
        let flows = if new_is_enough {
            &mut known
        } else {
            &mut unknown
        };
        flows.push(entry.subject.flow.clone());
    }
    (known, unknown)
}

impl Entry {
    /// Counts the runs that ended since those counted last.
    fn count(&mut self, context: &Context, runs: &[&Run]) {
        let before = self.counted;
        for run in runs {
            let Some((end, outcome)) = run.completed_at.zip(outcome(run)) else {
                continue;
            };
            if end > before {
                context.metrics.ingestion.run_seen(outcome, &run.records);
                self.counted = self.counted.max(end);
            }
        }
    }
}

/// What a look brought.
enum Found {
    /// Runs by flow, and the flows that were asked about.
    Runs {
        runs: HashMap<String, Vec<Run>>,
        asked: HashSet<String>,
    },
    /// A refusal that lasts until somebody acts.
    Refused(Unreadable),
}

/// Looks at the runs of every scope when it is due, until `stop`.
pub async fn run(context: Arc<Context>, random: StdRng, stop: CancellationToken) {
    let looking = |key: ScopeKey| {
        let context = Arc::clone(&context);
        async move { look(&context, &key).await }
    };
    let failed = |key: &ScopeKey, why: String| {
        let sandbox = &key.sandbox;
        warn!(why, sandbox, "runs were not looked at; it is tried again");
    };
    let (interval, random) = (context.settings.runs_interval, Mutex::new(random));
    let rounds = &context.runs.rounds;
    rounds.run(interval, &random, stop, looking, failed).await;
}

/// One look: asks, takes in, wakes.
async fn look(context: &Context, key: &ScopeKey) -> Result<(), ApiError> {
    let as_of = context.clock.now();
    let Some(questions) = context.runs.questions(key, as_of) else {
        return Ok(());
    };
    let found = match ask_all(&questions).await {
        Ok(runs) => {
            let asked = questions.known.into_iter().chain(questions.unknown);
            Found::Runs {
                runs,
                asked: asked.collect(),
            }
        }
        Err(error) => match Unreadable::of(&error) {
            Some(why) => {
                warn!(%error, sandbox = key.sandbox, "runs may not be listed");
                Found::Refused(why)
            }
            None => return Err(error),
        },
    };
    context.runs.answered(context, key, as_of, &found);
    Ok(())
}

async fn ask_all(questions: &Questions) -> Result<HashMap<String, Vec<Run>>, ApiError> {
    let mut found = HashMap::new();
    let kinds = [
        (&questions.known, Some(questions.since)),
        (&questions.unknown, None),
    ];
    for (flows, since) in kinds {
        for flows in flows.chunks(CHUNK) {
            let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
            let is_complete = ask(&questions.sandbox, &flows, since, &mut found).await?;
            let unseen: Vec<&str> = flows
                .into_iter()
                .filter(|flow| !found.contains_key(*flow))
                .collect();
            if !is_complete && !unseen.is_empty() {
                // Busy ones have pushed them off the pages.
                ask(&questions.sandbox, &unseen, since, &mut found).await?;
            }
        }
    }
    Ok(found)
}

/// One question about some flows; whether what it brought is all there is.
async fn ask(
    sandbox: &Sandbox,
    flows: &[&str],
    since: Option<u64>,
    found: &mut HashMap<String, Vec<Run>>,
) -> Result<bool, ApiError> {
    let filter = Filter::new().any_of(RUN_FLOW_PROPERTY, flows);
    let filter = match since {
        Some(since) => filter.above(RUN_STARTED_PROPERTY, since),
        None => filter,
    };
    let runs = sandbox.list_runs(&filter, PAGES).await?;
    for run in runs.runs {
        if flows.contains(&run.flow_id.as_str()) {
            found.entry(run.flow_id.clone()).or_default().push(run);
        }
    }
    Ok(runs.is_complete)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resources::ingestion::Expectation;

    #[test]
    fn before_a_flow_is_called_silent_all_its_runs_are_asked_for() {
        let now = Timestamp::from_second(10_000).unwrap();
        let entry = |flow: &str, every: Option<&str>, arrived: i64, looked| Entry {
            subject: Subject {
                flow: flow.to_owned(),
                disabled: flow == "disabled",
                disabled_by_spec: true,
                expect: Some(Expectation {
                    every: every.map(str::to_owned),
                    max_failed_percent: None,
                }),
            },
            told: None,
            side: |_| unreachable!(),
            seen: Some(Seen {
                arrived: Timestamp::from_second(arrived).ok(),
                ..Seen::default()
            }),
            looked,
            counted: 0,
        };
        let entries = [
            entry("in time", Some("1h"), 9_000, true),
            entry("overdue", Some("15m"), 9_000, true),
            entry("new", Some("1h"), 9_000, false),
            entry("unexpecting", None, 0, true),
            entry("disabled", Some("15m"), 0, true),
        ];
        let (known, unknown) = by_question(entries.iter(), now);
        assert_eq!(known, ["in time", "unexpecting"]);
        assert_eq!(unknown, ["overdue", "new"]);
    }

    #[test]
    fn what_is_new_begins_before_the_newest_run_by_the_longest_one() {
        let mut newest = Newest::default();
        assert_eq!(newest.since(), 0, "everything, at first");
        for (start, end) in [(1_000_000, 1_060_000), (500_000, 900_000)] {
            let run = json!({
                "id": "r", "flowId": "f", "createdAt": start,
                "metrics": {"durationSummary": {"startedAtUTC": start, "completedAtUTC": end}}
            });
            newest.take_in(&serde_json::from_value(run).unwrap());
        }
        assert_eq!(newest.since(), 1_000_000 - 400_000 - 120_000);
    }
}

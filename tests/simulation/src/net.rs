//! The network: everything that arrives arrives at a virtual millisecond of its own, derived from the seed.
//!
//! Two things that would arrive in the same millisecond are put in the order of their keys, the later one a
//! millisecond later. So it does not matter in which order they were sent, and nothing that a runtime or a hash
//! map decides by chance can change a run.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::random::{Dice, hash};
use crate::trace::Trace;

/// The moment at which every run starts, epoch milliseconds.
pub const START: u64 = 1_800_000_000_000;

/// The network of one run; clones share it.
#[derive(Clone, Debug)]
pub struct Net {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    seed: u64,
    started: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What is under way, by when it is due.
    due: BTreeMap<u64, Vec<(u64, oneshot::Sender<()>)>>,
    /// The last millisecond at which something arrived.
    last: u64,
    /// How often something of the same kind was sent before.
    sent: HashMap<u64, u64>,
    trace: Trace,
}

impl Net {
    /// A network at rest.
    pub fn new(seed: u64, keep_trace: bool) -> Self {
        Self {
            shared: Arc::new(Shared {
                seed,
                started: Instant::now(),
                state: Mutex::new(State {
                    trace: Trace::new(keep_trace),
                    ..State::default()
                }),
                changed: Notify::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = &self.shared.state;
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the start.
    pub fn elapsed(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time of day, epoch milliseconds.
    pub fn now(&self) -> i64 {
        i64::try_from(START + self.elapsed()).unwrap_or(i64::MAX)
    }

    /// Dice about something that happens again and again: the seed, the thing and its number decide.
    pub fn dice(&self, about: &[&str]) -> Dice {
        let thing = hash(about);
        let mut state = self.state();
        let number = state.sent.entry(thing).or_default();
        *number += 1;
        Dice::about((self.shared.seed, thing, *number))
    }

    /// Waits `delay` milliseconds or a little longer, until a millisecond of one's own.
    pub async fn slot(&self, dice: &mut Dice, delay: u64) {
        let (arrived, arrival) = oneshot::channel();
        {
            let mut state = self.state();
            let at = (self.elapsed() + delay.max(1)).max(state.last + 1);
            let key = dice.roll();
            state.due.entry(at).or_default().push((key, arrived));
        }
        self.shared.changed.notify_one();
        let _ = arrival.await;
    }

    /// Lets things arrive, for ever.
    pub async fn run(self) {
        loop {
            let next = self.state().due.keys().next().copied();
            let Some(next) = next else {
                self.shared.changed.notified().await;
                continue;
            };
            let at = self.shared.started + Duration::from_millis(next);
            tokio::select! {
                biased;
                () = self.shared.changed.notified() => {}
                () = tokio::time::sleep_until(at) => self.arrive(next),
            }
        }
    }

    fn arrive(&self, at: u64) {
        let mut state = self.state();
        let mut waiting = state.due.remove(&at).unwrap_or_default();
        waiting.sort_by_key(|(key, _)| *key);
        let mut waiting = waiting.into_iter();
        let first = waiting.next();
        state.due.entry(at + 1).or_default().extend(waiting);
        if state.due.get(&(at + 1)).is_some_and(Vec::is_empty) {
            state.due.remove(&(at + 1));
        }
        state.last = at;
        if let Some((_, arrived)) = first {
            let _ = arrived.send(());
        }
    }

    /// Writes down what happens now.
    pub fn note(&self, line: impl AsRef<str>) {
        let at = self.elapsed();
        self.state().trace.note(at, line.as_ref());
    }

    /// Counts something for the summary.
    pub fn count(&self, what: &'static str) {
        self.state().trace.count(what);
    }

    /// How often something happened.
    pub fn counted(&self, what: &'static str) -> u64 {
        self.state()
            .trace
            .counts()
            .get(what)
            .copied()
            .unwrap_or_default()
    }

    /// What was written down so far.
    pub fn trace(&self) -> Trace {
        self.state().trace.clone()
    }
}

//! What one controller has to do, and what comes next.
//!
//! # Guarantees
//!
//! - A resource stands here once, and the earliest time wins.
//! - It is never worked on twice at the same time: what comes in meanwhile waits until it is free.
//! - Namespaces take turns, so one with thousands of resources holds up nobody else by more than one.
//! - Whose turn it is to call the platform goes first: calls that are allowed are not kept waiting, or they come too many at
//!   once later. There are never more of those than the platform allows.
//! - What just changed goes before what a list has shown, of which there are thousands at a start; of four of those that
//!   are taken one is for that at least.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Key;

/// Of so many that are taken one is for what a list has shown.
const SHARE: u64 = 4;

/// Why a resource is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It waited for leave to call the platform, and has it now.
    Turn,
    /// It has changed, or something it depends on.
    Change,
    /// The time has come for which it was put off.
    Due,
    /// It is there.
    List,
}

impl Cause {
    /// What logs and traces call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Change => "change",
            Self::Due => "due",
            Self::List => "list",
        }
    }

    /// Its lane; the most urgent first.
    const fn lane(self) -> usize {
        match self {
            Self::Turn => TURN,
            Self::Change | Self::Due => CHANGED,
            Self::List => LISTED,
        }
    }
}

const TURN: usize = 0;
const CHANGED: usize = 1;
const LISTED: usize = 2;

/// What one controller has to do.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

impl Queue {
    /// A resource is to be looked at as soon as a worker is free.
    pub fn add(&self, key: Key, cause: Cause) {
        self.state().add(key, cause, Instant::now());
        self.changed.notify_one();
    }

    /// The next resource, once there is one. A worker takes it.
    ///
    /// For one caller at a time: of several that wait, one is told of what comes in.
    pub async fn next(self: &Arc<Self>) -> Running {
        loop {
            let now = Instant::now();
            let (taken, due) = {
                let mut state = self.state();
                (state.take(now), state.due())
            };
            if let Some(Taken { key, cause, since }) = taken {
                return Running {
                    queue: Arc::clone(self),
                    key,
                    cause,
                    waited: now.saturating_duration_since(since),
                };
            }
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = tokio::time::sleep_until(due.unwrap_or(now)), if due.is_some() => {}
            }
        }
    }

    /// How many wait for a worker.
    pub fn depth(&self) -> usize {
        let mut state = self.state();
        state.mature(Instant::now());
        state.waiting().count()
    }

    /// How many have come in.
    pub fn adds(&self) -> u64 {
        let mut state = self.state();
        state.mature(Instant::now());
        state.adds
    }

    /// Since when each is being worked on.
    pub fn under_way(&self) -> Vec<Instant> {
        let state = self.state();
        state.items.values().filter_map(|it| it.running).collect()
    }

    /// Since when each waits for a worker.
    pub fn waiting(&self) -> Vec<Instant> {
        let mut state = self.state();
        state.mature(Instant::now());
        state.waiting().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A resource that is worked on, until this goes.
#[derive(Debug)]
pub struct Running {
    queue: Arc<Queue>,
    /// Which one.
    pub key: Key,
    /// What called for it most urgently.
    pub cause: Cause,
    /// How long it waited for a worker.
    pub waited: Duration,
}

impl Running {
    /// It is done; it is to be looked at again after this long, if at all.
    pub fn done(self, again: Option<Duration>) {
        if let Some(after) = again {
            let now = Instant::now();
            self.queue.state().put_off(&self.key, now + after);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.queue.state().free(&self.key);
        self.queue.changed.notify_one();
    }
}

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<Key, Item>,
    /// By urgency.
    lanes: [Lane; 3],
    /// When what is to be looked at later is due.
    later: BTreeSet<(Instant, Key)>,
    /// Places in lanes that were given so far.
    places: u64,
    /// How often a worker took something that had no turn.
    taken: u64,
    adds: u64,
}

/// Where a resource stands; one that stands nowhere is not kept.
#[derive(Clone, Copy, Debug, Default)]
struct Item {
    queued: Option<Queued>,
    later: Option<Instant>,
    /// Since when it is worked on.
    running: Option<Instant>,
}

/// It waits for a worker, or to be free.
#[derive(Clone, Copy, Debug)]
struct Queued {
    since: Instant,
    cause: Cause,
    /// Where it stands in the lane of its cause, unless it is worked on.
    place: Option<u64>,
}

/// What a worker gets.
struct Taken {
    key: Key,
    cause: Cause,
    /// Since when it waited.
    since: Instant,
}

impl State {
    fn add(&mut self, key: Key, mut cause: Cause, now: Instant) {
        let item = self.items.entry(key.clone()).or_default();
        let mut since = now;
        if let Some(at) = item.later.take() {
            self.later.remove(&(at, key.clone()));
            // One whose time had come before waits since then, and not among those of a list.
            since = at.min(now);
            if at <= now && cause == Cause::List {
                cause = Cause::Due;
            }
        }
        let left = match &mut item.queued {
            Some(before) if cause.lane() < before.cause.lane() => {
                let left = (before.cause.lane(), before.place.take());
                before.cause = cause;
                Some(left)
            }
            Some(_) => return,
            none @ None => {
                *none = Some(Queued {
                    since,
                    cause,
                    place: None,
                });
                self.adds += 1;
                None
            }
        };
        if let Some((lane, Some(place))) = left {
            self.lanes[lane].leave(key.namespace(), place);
        }
        self.line_up(key);
    }

    /// What waits for a worker takes its place, once it is free.
    fn line_up(&mut self, key: Key) {
        let item = self.items.get_mut(&key);
        let Some(queued) = item
            .filter(|it| it.running.is_none())
            .and_then(|it| it.queued.as_mut())
        else {
            return;
        };
        self.places += 1;
        queued.place = Some(self.places);
        self.lanes[queued.cause.lane()].enter(self.places, key);
    }

    /// Those whose time has come wait for a worker.
    fn mature(&mut self, now: Instant) {
        while self.due().is_some_and(|at| at <= now)
            && let Some((at, key)) = self.later.pop_first()
        {
            if let Some(item) = self.items.get_mut(&key) {
                item.later = None;
            }
            self.add(key, Cause::Due, at);
        }
    }

    fn due(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    fn take(&mut self, now: Instant) -> Option<Taken> {
        self.mature(now);
        let mut order = [TURN, CHANGED, LISTED];
        if (self.taken + 1).is_multiple_of(SHARE) {
            order = [TURN, LISTED, CHANGED];
        }
        let (lane, key) = order
            .into_iter()
            .find_map(|lane| Some((lane, self.lanes[lane].pop()?)))?;
        if lane != TURN {
            self.taken += 1;
        }
        let item = self.items.get_mut(&key)?;
        let Queued { since, cause, .. } = item.queued.take()?;
        item.running = Some(now);
        Some(Taken { key, cause, since })
    }

    /// What came in meanwhile goes first.
    fn put_off(&mut self, key: &Key, at: Instant) {
        let item = self.items.get_mut(key);
        if let Some(item) = item.filter(|it| it.queued.is_none()) {
            let before = item.later.replace(at);
            if let Some(before) = before {
                self.later.remove(&(before, key.clone()));
            }
            self.later.insert((at, key.clone()));
        }
    }

    fn free(&mut self, key: &Key) {
        let Some(item) = self.items.get_mut(key) else {
            return;
        };
        item.running = None;
        if item.queued.is_none() && item.later.is_none() {
            self.items.remove(key);
        } else {
            self.line_up(key.clone());
        }
    }

    fn waiting(&self) -> impl Iterator<Item = Instant> {
        let queued = self.items.values().filter_map(|it| it.queued);
        queued.map(|queued| queued.since)
    }
}

/// Those that wait, by namespace and place, and whose turn it is.
#[derive(Debug, Default)]
struct Lane {
    of: BTreeMap<String, BTreeMap<u64, Key>>,
    turns: VecDeque<String>,
}

impl Lane {
    fn enter(&mut self, place: u64, key: Key) {
        let namespace = key.namespace();
        if let Some(keys) = self.of.get_mut(namespace) {
            keys.insert(place, key);
            return;
        }
        let namespace = namespace.to_owned();
        self.turns.push_back(namespace.clone());
        self.of.insert(namespace, BTreeMap::from([(place, key)]));
    }

    fn leave(&mut self, namespace: &str, place: u64) {
        let Some(keys) = self.of.get_mut(namespace) else {
            return;
        };
        keys.remove(&place);
        if keys.is_empty() {
            self.of.remove(namespace);
            self.turns.retain(|it| it != namespace);
        }
    }

    fn pop(&mut self) -> Option<Key> {
        let namespace = self.turns.pop_front()?;
        let keys = self.of.get_mut(&namespace)?;
        let (_, key) = keys.pop_first()?;
        if keys.is_empty() {
            self.of.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        Some(key)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;

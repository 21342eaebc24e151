//! What one controller has to do, and what comes next.
//!
//! # Guarantees
//!
//! - A resource stands here once, and the earliest time wins.
//! - It is never worked on twice at the same time: what comes in meanwhile waits until it is free.
//! - Namespaces take turns, so one with thousands of resources holds up nobody else by more than one.
//! - Whose turn it is to call the platform goes first: calls that are allowed are not kept waiting, or they come too many at
//!   once later. There are never more of those than the platform allows.
//! - What just changed goes before what a list has shown, of which there are thousands at a start; of four that are taken
//!   one is for that at least.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Key;

/// Of so many that are taken one is for what a list has shown.
const SHARE: u64 = 4;

/// Why a resource is to be looked at; the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It waited for leave to call the platform, and has it now.
    Turn,
    /// Something it depends on has changed, or its time has come.
    Change,
    /// It is there.
    List,
}

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

    /// The next resource, once there is one. A worker takes it; how long it has waited for one.
    ///
    /// For one caller at a time: of several that wait, one is told of what comes in.
    pub async fn next(self: &Arc<Self>) -> (Running, Duration) {
        loop {
            let now = Instant::now();
            let (taken, due) = {
                let mut state = self.state();
                (state.take(now), state.due())
            };
            if let Some((key, waited)) = taken {
                let queue = Arc::clone(self);
                return (Running { queue, key }, waited);
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
    turn: Lane,
    changed: Lane,
    listed: Lane,
    /// When what is to be looked at later is due.
    later: BTreeSet<(Instant, Key)>,
    /// How often a worker took something that had no turn.
    taken: u64,
    adds: u64,
}

/// Where a resource stands; one that stands nowhere is not kept.
#[derive(Clone, Copy, Debug, Default)]
struct Item {
    /// Since when it waits for a worker.
    queued: Option<(Instant, Cause)>,
    later: Option<Instant>,
    /// Since when it is worked on.
    running: Option<Instant>,
}

impl State {
    fn add(&mut self, key: Key, cause: Cause, now: Instant) {
        let item = self.items.entry(key.clone()).or_default();
        let mut since = now;
        if let Some(at) = item.later.take() {
            self.later.remove(&(at, key.clone()));
            // One whose time had come before waits since then.
            since = at.min(now);
        }
        match &mut item.queued {
            // Where it stood, nobody is found any more.
            Some((_, before)) if cause < *before => *before = cause,
            Some(_) => return,
            none @ None => {
                *none = Some((since, cause));
                self.adds += 1;
            }
        }
        if item.running.is_none() {
            self.lane(cause).push(key);
        }
    }

    fn lane(&mut self, cause: Cause) -> &mut Lane {
        match cause {
            Cause::Turn => &mut self.turn,
            Cause::Change => &mut self.changed,
            Cause::List => &mut self.listed,
        }
    }

    /// Those whose time has come wait for a worker.
    fn mature(&mut self, now: Instant) {
        while self.due().is_some_and(|at| at <= now)
            && let Some((at, key)) = self.later.pop_first()
        {
            if let Some(item) = self.items.get_mut(&key) {
                item.later = None;
            }
            self.add(key, Cause::Change, at);
        }
    }

    fn due(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    fn take(&mut self, now: Instant) -> Option<(Key, Duration)> {
        self.mature(now);
        let mut causes = [Cause::Turn, Cause::Change, Cause::List];
        if (self.taken + 1).is_multiple_of(SHARE) {
            causes = [Cause::Turn, Cause::List, Cause::Change];
        }
        for cause in causes {
            while let Some(key) = self.lane(cause).pop() {
                let Some(item) = self.items.get_mut(&key) else {
                    continue;
                };
                // Left behind where it stood before it was more urgent; what is queued meanwhile comes once it is free.
                if item.running.is_some() {
                    continue;
                }
                let Some((since, _)) = item.queued.take_if(|(_, is)| *is == cause) else {
                    continue;
                };
                item.running = Some(now);
                if cause != Cause::Turn {
                    self.taken += 1;
                }
                return Some((key, now.saturating_duration_since(since)));
            }
        }
        None
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
        match (item.queued, item.later) {
            (Some((_, cause)), _) => self.lane(cause).push(key.clone()),
            (None, Some(_)) => {}
            (None, None) => {
                self.items.remove(key);
            }
        }
    }

    fn waiting(&self) -> impl Iterator<Item = Instant> {
        let queued = self.items.values().filter_map(|it| it.queued);
        queued.map(|(since, _)| since)
    }
}

/// Those that wait, by namespace, and whose turn it is.
#[derive(Debug, Default)]
struct Lane {
    of: BTreeMap<String, VecDeque<Key>>,
    turns: VecDeque<String>,
}

impl Lane {
    fn push(&mut self, key: Key) {
        let namespace = key.namespace();
        if let Some(keys) = self.of.get_mut(namespace) {
            keys.push_back(key);
            return;
        }
        let namespace = namespace.to_owned();
        self.turns.push_back(namespace.clone());
        self.of.insert(namespace, VecDeque::from([key]));
    }

    fn pop(&mut self) -> Option<Key> {
        let namespace = self.turns.pop_front()?;
        let keys = self.of.get_mut(&namespace)?;
        let key = keys.pop_front();
        if keys.is_empty() {
            self.of.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(name: &str) -> Key {
        Key::new("n", name)
    }

    fn queue() -> Arc<Queue> {
        Arc::default()
    }

    fn add(queue: &Queue, name: &str) {
        queue.add(key(name), Cause::Change);
    }

    /// What a worker that is free would get now.
    fn take(queue: &Arc<Queue>) -> Option<(Running, Duration)> {
        queue.next().now_or_never()
    }

    fn names(queue: &Arc<Queue>) -> Vec<String> {
        let taken = std::iter::from_fn(|| take(queue));
        taken.map(|(running, _)| running.key.to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_resource_waits_once_however_often_it_is_triggered() {
        let queue = queue();
        add(&queue, "a");
        tokio::time::advance(SECOND).await;
        add(&queue, "a");
        add(&queue, "b");
        assert_eq!((queue.depth(), queue.adds()), (2, 2));
        tokio::time::advance(SECOND).await;
        let (running, waited) = take(&queue).unwrap();
        assert_eq!((&running.key, waited), (&key("a"), 2 * SECOND));
        assert_eq!((queue.depth(), queue.under_way().len()), (1, 1));
        running.done(None);
        assert!(queue.under_way().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_to_be_looked_at_later_waits_from_its_time_on() {
        let queue = queue();
        add(&queue, "a");
        take(&queue).unwrap().0.done(Some(10 * SECOND));
        assert_eq!((queue.depth(), queue.adds()), (0, 1));
        let begun = Instant::now();
        let (_running, waited) = queue.next().await;
        assert_eq!((begun.elapsed().as_secs(), waited.as_secs()), (10, 0));
        assert_eq!(queue.adds(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_comes_before_a_later_look_and_is_not_followed_by_it() {
        let queue = queue();
        add(&queue, "a");
        take(&queue).unwrap().0.done(Some(10 * SECOND));
        add(&queue, "a");
        let (running, waited) = take(&queue).unwrap();
        assert_eq!(waited, Duration::ZERO);
        running.done(None);
        tokio::time::advance(20 * SECOND).await;
        assert!(take(&queue).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_while_it_is_worked_on_waits_until_it_is_free() {
        let queue = queue();
        add(&queue, "a");
        let (running, _) = take(&queue).unwrap();
        add(&queue, "a");
        assert_eq!(queue.depth(), 1);
        assert!(take(&queue).is_none(), "never twice at the same time");
        // What came in goes before the look that was put off.
        running.done(Some(10 * SECOND));
        let (running, _) = take(&queue).unwrap();
        drop(running);
        tokio::time::advance(20 * SECOND).await;
        assert!(take(&queue).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn namespaces_take_turns() {
        let queue = queue();
        for name in ["1", "2", "3"] {
            queue.add(Key::new("many", name), Cause::Change);
        }
        queue.add(Key::new("few", "1"), Cause::Change);
        assert_eq!(names(&queue), ["many/1", "few/1", "many/2", "many/3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_goes_before_a_list_which_has_its_share() {
        let queue = queue();
        for number in 0..3 {
            queue.add(key(&format!("listed-{number}")), Cause::List);
        }
        for number in 0..6 {
            add(&queue, &format!("changed-{number}"));
        }
        // It stands there already.
        add(&queue, "listed-2");
        let order = names(&queue).join(" ").replace("n/", "");
        assert_eq!(
            order,
            "changed-0 changed-1 changed-2 listed-0 changed-3 changed-4 changed-5 listed-1 listed-2"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whose_turn_it_is_to_call_goes_before_everybody() {
        let queue = queue();
        for name in ["a", "b", "c"] {
            add(&queue, name);
        }
        queue.add(key("d"), Cause::Turn);
        queue.add(key("c"), Cause::Turn);
        // It has its turn still.
        add(&queue, "d");
        assert_eq!(names(&queue).join(" "), "n/d n/c n/a n/b");
    }

    #[tokio::test(start_paused = true)]
    async fn where_it_stood_before_its_turn_nobody_finds_it_while_it_is_worked_on() {
        let queue = queue();
        add(&queue, "a");
        queue.add(key("a"), Cause::Turn);
        let (running, _) = take(&queue).unwrap();
        add(&queue, "a");
        assert!(take(&queue).is_none(), "never twice at the same time");
        running.done(None);
        let (running, _) = take(&queue).unwrap();
        running.done(Some(SECOND));
        assert!(take(&queue).is_none());
        tokio::time::advance(SECOND).await;
        assert_eq!(names(&queue), ["n/a"]);
        assert!(queue.state().items.is_empty() && queue.state().later.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_what_is_done() {
        let queue = queue();
        for cause in [Cause::List, Cause::Change, Cause::Turn, Cause::List] {
            queue.add(key("a"), cause);
        }
        while let Some((running, _)) = take(&queue) {
            running.done(None);
        }
        let state = queue.state();
        assert!(state.items.is_empty() && state.later.is_empty());
        for lane in [&state.turn, &state.changed, &state.listed] {
            assert!(lane.of.is_empty());
        }
    }
}

//! What the controllers have to do and are doing. kube keeps its queues to itself, so what goes in and what comes out
//! is noted here, by the rules of kube's own scheduler: a resource stands in a queue once, the earliest time wins, and
//! it is never worked on twice at the same time.
//!
//! Read by the metrics and by [`progress`], which judges whether anything moves.

pub mod progress;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use progress::Outstanding;

/// A resource, in eight bytes: ten thousand of them stand here at all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

impl Id {
    /// The resource of this namespace and name.
    pub fn of(namespace: &str, name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (namespace, name).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The queues of all controllers.
#[derive(Debug, Default)]
pub struct Work {
    queues: Mutex<BTreeMap<&'static str, Arc<Queue>>>,
    /// When something last ended, be it a reconcile or a call within one.
    moved: Mutex<Option<Instant>>,
}

impl Work {
    /// The queue of a controller.
    pub fn queue(&self, controller: &'static str) -> Arc<Queue> {
        Arc::clone(lock(&self.queues).entry(controller).or_default())
    }

    /// All queues by controller.
    pub fn queues(&self) -> Vec<(&'static str, Arc<Queue>)> {
        let queues = lock(&self.queues);
        let queues = queues
            .iter()
            .map(|(name, queue)| (*name, Arc::clone(queue)));
        queues.collect()
    }

    /// Something ended, well or not.
    pub fn moved(&self) {
        *lock(&self.moved) = Some(Instant::now());
    }

    /// What is to be done, and since when nothing of it has ended.
    pub fn outstanding(&self) -> Outstanding {
        let now = Instant::now();
        let mut all = Outstanding {
            moved: *lock(&self.moved),
            ..Outstanding::default()
        };
        for (_, queue) in self.queues() {
            let mut state = queue.state();
            state.mature(now);
            all.queued += state.queued.len();
            all.running += state.running.len();
            let times = state.queued.values().chain(state.running.values());
            all.oldest = all.oldest.into_iter().chain(times.copied()).min();
        }
        all
    }
}

/// What one controller has to do.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when it waits for a worker.
    queued: HashMap<Id, Instant>,
    /// When it is to be looked at again.
    later: HashMap<Id, Instant>,
    /// Since when it is worked on.
    running: HashMap<Id, Instant>,
    /// How many have come into the queue.
    adds: u64,
}

impl State {
    /// Those whose time has come wait for a worker.
    fn mature(&mut self, now: Instant) {
        let due: Vec<(Id, Instant)> = self
            .later
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, at)| (*id, *at))
            .collect();
        for (id, at) in due {
            self.later.remove(&id);
            self.add(id, at);
        }
    }

    fn add(&mut self, id: Id, at: Instant) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.queued.entry(id) {
            entry.insert(at);
            self.adds += 1;
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// A resource is to be worked on now.
    pub fn add(&self, id: Id) {
        let now = Instant::now();
        let mut state = self.state();
        // One whose time had come before waits since then.
        let at = state.later.remove(&id).map_or(now, |at| at.min(now));
        state.add(id, at);
    }

    /// A worker takes a resource; how long it waited for one.
    pub fn start(self: &Arc<Self>, id: Id) -> (Running, Option<Duration>) {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(at) = state.later.remove(&id) {
            state.add(id, at.min(now));
        }
        let waited = state.queued.remove(&id);
        state.running.insert(id, now);
        drop(state);
        let running = Running {
            queue: Arc::clone(self),
            id,
        };
        let waited = waited.map(|since| now.saturating_duration_since(since));
        (running, waited)
    }

    /// A resource had its turn, but there is none of its name.
    pub fn drop_out(&self, id: Id) {
        let mut state = self.state();
        state.queued.remove(&id);
        state.later.remove(&id);
    }

    /// How many wait for a worker.
    pub fn depth(&self) -> usize {
        let mut state = self.state();
        state.mature(Instant::now());
        state.queued.len()
    }

    /// How many have come in.
    pub fn adds(&self) -> u64 {
        let mut state = self.state();
        state.mature(Instant::now());
        state.adds
    }

    /// For how long each is being worked on.
    pub fn under_way(&self) -> Vec<Duration> {
        let now = Instant::now();
        let state = self.state();
        let running = state.running.values();
        running
            .map(|since| now.saturating_duration_since(*since))
            .collect()
    }
}

/// A resource that is worked on, until this goes.
#[derive(Debug)]
pub struct Running {
    queue: Arc<Queue>,
    id: Id,
}

impl Running {
    /// It is done; it is to be looked at again after this long, if at all.
    pub fn done(self, again: Option<Duration>) {
        let mut state = self.queue.state();
        // What was triggered meanwhile goes first.
        if let Some(after) = again
            && !state.queued.contains_key(&self.id)
        {
            state.later.insert(self.id, Instant::now() + after);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.queue.state().running.remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Id {
        Id::of("n", name)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_resource_waits_once_however_often_it_is_triggered() {
        let queue = Arc::<Queue>::default();
        queue.add(id("a"));
        tokio::time::advance(SECOND).await;
        queue.add(id("a"));
        queue.add(id("b"));
        assert_eq!((queue.depth(), queue.adds()), (2, 2));
        tokio::time::advance(SECOND).await;
        let (running, waited) = queue.start(id("a"));
        assert_eq!(waited, Some(2 * SECOND));
        assert_eq!(queue.depth(), 1);
        tokio::time::advance(SECOND).await;
        assert_eq!(queue.under_way(), [SECOND]);
        running.done(None);
        assert!(queue.under_way().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_to_be_looked_at_later_waits_from_its_time_on() {
        let queue = Arc::<Queue>::default();
        queue.start(id("a")).0.done(Some(10 * SECOND));
        assert_eq!((queue.depth(), queue.adds()), (0, 0));
        tokio::time::advance(12 * SECOND).await;
        assert_eq!((queue.depth(), queue.adds()), (1, 1));
        let (_running, waited) = queue.start(id("a"));
        assert_eq!(waited, Some(2 * SECOND));
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_comes_before_a_later_look_and_one_under_work_is_queued_again() {
        let queue = Arc::<Queue>::default();
        queue.start(id("a")).0.done(Some(10 * SECOND));
        queue.add(id("a"));
        let (running, waited) = queue.start(id("a"));
        assert_eq!(waited, Some(Duration::ZERO));
        queue.add(id("a"));
        running.done(Some(10 * SECOND));
        let (running, _) = queue.start(id("a"));
        running.done(None);
        tokio::time::advance(20 * SECOND).await;
        // kube drops the later look of one that is queued already.
        assert_eq!((queue.depth(), queue.adds()), (0, 2));
        queue.add(id("gone"));
        queue.drop_out(id("gone"));
        assert_eq!(queue.depth(), 0);
    }
}

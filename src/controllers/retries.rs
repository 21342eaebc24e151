//! When each resource may try again.
//!
//! The queue takes the earliest time it hears of, so any event (our own status write among
//! them) would cut a backoff short. The time is therefore kept here and asked at the start of every
//! reconcile; it ends early only when something the outcome depends on has changed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::plan::pace::{Bounds, Pace, delay};

use crate::work::Key;

/// A hash of everything that could make the next try go differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs(u64);

impl Inputs {
    /// From any hashable view of the inputs.
    pub fn of(view: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        view.hash(&mut hasher);
        Self(hasher.finish())
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    inputs: Inputs,
    pace: Pace,
    attempt: u32,
    not_before: Instant,
}

/// The next try of every resource of one kind that has one.
#[derive(Debug)]
pub struct Retries {
    bounds: Bounds,
    random: Mutex<StdRng>,
    entries: Mutex<HashMap<Key, Entry>>,
}

impl Retries {
    /// Nothing to wait for yet.
    pub fn new(bounds: Bounds, random: StdRng) -> Self {
        Self {
            bounds,
            random: Mutex::new(random),
            entries: Mutex::default(),
        }
    }

    /// How long `key` still has to wait, if it has to and its inputs are the same.
    pub fn remaining(&self, key: &Key, inputs: Inputs) -> Option<Duration> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(key).filter(|entry| entry.inputs == inputs)?;
        let remaining = entry.not_before.saturating_duration_since(Instant::now());
        (!remaining.is_zero()).then_some(remaining)
    }

    /// Notes that `key` has to try again, and says when. Attempts count up while pace and inputs
    /// stay the same.
    pub fn again(&self, key: &Key, inputs: Inputs, pace: Pace) -> Duration {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = entries
            .get(key)
            .filter(|entry| entry.inputs == inputs && alike(entry.pace, pace))
            .map_or(0, |entry| entry.attempt.saturating_add(1));
        let random = self
            .random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random::<f64>();
        let wait = delay(pace, attempt, &self.bounds, random);
        let not_before = Instant::now() + wait;
        entries.insert(
            key.clone(),
            Entry {
                inputs,
                pace,
                attempt,
                not_before,
            },
        );
        wait
    }

    /// Notes that `key` has nothing to wait for.
    pub fn clear(&self, key: &Key) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

fn alike(a: Pace, b: Pace) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn retries() -> (Retries, Key) {
        (
            Retries::new(Bounds::default(), StdRng::seed_from_u64(7)),
            Key::new("n", "a"),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_does_not_cut_a_backoff_short() {
        let (retries, key) = retries();
        let inputs = Inputs::of(&1);
        let wait = retries.again(&key, inputs, Pace::Slow);
        assert_eq!(retries.remaining(&key, inputs), Some(wait));
        tokio::time::advance(wait).await;
        assert_eq!(retries.remaining(&key, inputs), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_mended_spec_or_secret_is_tried_at_once() {
        let (retries, key) = retries();
        retries.again(&key, Inputs::of(&1), Pace::Slow);
        assert_eq!(retries.remaining(&key, Inputs::of(&2)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_while_nothing_changes() {
        let (retries, key) = retries();
        let inputs = Inputs::of(&1);
        let polls: Vec<_> = (0..10)
            .map(|_| retries.again(&key, inputs, Pace::Poll))
            .collect();
        assert!(polls[9] > polls[0] * 5, "{polls:?}");
        retries.clear(&key);
        assert_eq!(retries.again(&key, inputs, Pace::Poll), polls[0]);
    }
}

//! Regular looks at what stands elsewhere: one look for all resources that share a place, now and then.
//!
//! Resources enter the home they belong to (a sandbox as one credential sees it, a workspace); every interval each home is
//! looked at. Drift, runs and webhooks differ in what they look at, not in when.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A look that failed is made again after this, if the interval is longer.
const AGAIN: Duration = Duration::from_mins(1);

/// Homes by key `K`: each has entries `E` by place `P`, and what else is known of it, `H`.
#[derive(Debug)]
pub struct Rounds<K, P, E, H> {
    homes: Mutex<BTreeMap<K, Home<P, E, H>>>,
    changed: Notify,
}

/// What is looked at together.
#[derive(Debug)]
pub struct Home<P, E, H> {
    /// When the next look is due; not set until the rounds have seen the home.
    next: Option<Instant>,
    /// Who is looked at. In boxes: nodes of a tree have room for many more than they hold.
    pub entries: BTreeMap<P, Box<E>>,
    /// What else is known.
    pub of: H,
}

impl<K, P, E, H> Default for Rounds<K, P, E, H> {
    fn default() -> Self {
        Self {
            homes: Mutex::default(),
            changed: Notify::new(),
        }
    }
}

impl<K: Ord + Clone, P: Ord, E, H> Rounds<K, P, E, H> {
    /// All homes.
    pub fn homes(&self) -> MutexGuard<'_, BTreeMap<K, Home<P, E, H>>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `place` is at home in `key`, and nowhere else; a home that is new begins as `first`.
    pub fn enter(
        &self,
        key: K,
        place: P,
        first: impl FnOnce() -> H,
        enter: impl FnOnce(&mut Home<P, E, H>, P),
    ) {
        let mut homes = self.homes();
        for (_, other) in homes.iter_mut().filter(|(other, _)| **other != key) {
            other.entries.remove(&place);
        }
        let home = homes.entry(key).or_insert_with(|| {
            self.changed.notify_one();
            Home {
                next: None,
                entries: BTreeMap::new(),
                of: first(),
            }
        });
        enter(home, place);
    }

    /// Nobody at `place` is looked at any more; a home without entries is none.
    pub fn forget(&self, place: &P) {
        self.homes().retain(|_, home| {
            home.entries.remove(place);
            !home.entries.is_empty()
        });
    }

    /// The homes that are due, each with its next look set; and when the next one is due.
    fn due(&self, interval: Duration, random: &mut StdRng) -> (Vec<K>, Option<Instant>) {
        let now = Instant::now();
        let mut homes = self.homes();
        let mut due = Vec::new();
        for (key, home) in homes.iter_mut() {
            // The first look comes in the second half of an interval: restarts do not march in step, and what
            // has just started has other things to do.
            let first = interval.mul_f64(0.5 + 0.5 * random.random::<f64>());
            let next = *home.next.get_or_insert(now + first);
            if next <= now {
                home.next = Some(now + interval.mul_f64(0.9 + 0.2 * random.random::<f64>()));
                due.push(key.clone());
            }
        }
        let next = homes.values().filter_map(|home| home.next).min();
        (due, next)
    }

    fn again(&self, key: &K, pause: Duration) {
        if let Some(home) = self.homes().get_mut(key) {
            let soon = Instant::now() + pause;
            home.next = Some(home.next.map_or(soon, |next| next.min(soon)));
        }
    }

    /// Looks at every home when it is due, until `stop`; `failed` is told of a look that will be made again soon.
    pub async fn run<F: Future<Output = Result<(), impl Display>>>(
        &self,
        interval: Duration,
        random: &Mutex<StdRng>,
        stop: CancellationToken,
        look: impl Fn(K) -> F,
        failed: impl Fn(&K, String),
    ) {
        loop {
            let (due, next) = {
                let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
                self.due(interval, &mut random)
            };
            let looks = due.iter().map(|key| async {
                // One that hangs must not keep the others from being looked at.
                let limit = interval.max(AGAIN);
                let why = match tokio::time::timeout(limit, look(key.clone())).await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "it took too long".to_owned(),
                };
                failed(key, why);
                self.again(key, AGAIN.min(interval));
            });
            let looks = async {
                join_all(looks).await;
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = looks => {}
            }
            if !due.is_empty() {
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                () = sleep_until(next) => {}
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rand::SeedableRng as _;

    use super::*;

    type Plain = Rounds<&'static str, &'static str, (), ()>;

    fn enter(rounds: &Plain, home: &'static str, place: &'static str) {
        rounds.enter(
            home,
            place,
            || (),
            |home, place| {
                home.entries.insert(place, Box::new(()));
            },
        );
    }

    #[test]
    fn a_place_has_one_home_and_a_home_without_any_is_none() {
        let rounds = Plain::default();
        enter(&rounds, "a", "x");
        enter(&rounds, "b", "x");
        let at = |home: &str| rounds.homes().get(home).map(|home| home.entries.len());
        assert_eq!((at("a"), at("b")), (Some(0), Some(1)));
        rounds.forget(&"x");
        assert_eq!((at("a"), at("b")), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_comes_every_interval_and_one_that_fails_sooner() {
        let rounds = Plain::default();
        enter(&rounds, "a", "x");
        let (looks, told) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        let random = Mutex::new(StdRng::seed_from_u64(1));
        let look = |_| async {
            let mut looks = looks.lock().unwrap();
            looks.push(Instant::now());
            // The first one fails.
            if looks.len() == 1 { Err("no") } else { Ok(()) }
        };
        let failed = |_: &&str, why| {
            assert_eq!(why, "no");
            told.fetch_add(1, Ordering::SeqCst);
        };
        let (minutes, begun) = (Duration::from_mins, Instant::now());
        let stop = CancellationToken::new();
        let run = rounds.run(minutes(10), &random, stop, look, failed);
        let _ = tokio::time::timeout(minutes(60), run).await;
        let looks = looks.into_inner().unwrap();
        assert!(
            (minutes(5)..=minutes(10)).contains(&(looks[0] - begun)),
            "the first comes in the second half of an interval"
        );
        let gaps: Vec<Duration> = looks.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(gaps[0] <= minutes(1) + Duration::from_secs(1), "{gaps:?}");
        let regular = minutes(9)..=minutes(11);
        assert!(
            gaps[1..].iter().all(|gap| regular.contains(gap)),
            "{gaps:?}"
        );
        assert_eq!(told.into_inner(), 1);
    }
}

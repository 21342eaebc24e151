//! The budget of calls: one per organization and sandbox, shared by all that call there.
//!
//! [`rate`] finds out how many calls a second the platform allows, [`line`] says who is next; here both are
//! put behind a lock and given a way to wait.
//!
//! # Expected flow
//!
//! Who is about to start something asks for a [`Ticket`] under a name. Without a limit known it gets one at
//! once. Otherwise it is put in line and told [`Later`]; when its turn comes its `wake` is called, and the
//! ticket is kept for a short while until it asks again under the same name. A call takes from its ticket;
//! one that finds nothing there waits in line itself, for a bounded time. A ticket holds no more calls than may
//! go at once: the rest of a larger plan follow at the allowed rate, ahead of what has not begun.
//!
//! # Guarantees
//!
//! - Every call takes from the budget; none is sent before the end of a pause that the platform asked for.
//! - A ticket that is not used up gives back what is left.
//!
//! [`Turn`] is the view of one client: its tickets and its calls. A limit that is documented ([`Pace`]) is kept
//! from the first call on.

mod delays;
mod limit;
mod line;
mod rate;
mod ticket;
mod turn;
mod wait;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{ApiError, Class};
use delays::Delays;
use line::Line;
pub use line::Urgency;
pub(crate) use rate::Pace;
use rate::{Go, Rate};
use ticket::Ticket;
pub(crate) use turn::Turn;

/// How long a turn is kept for the one that was woken.
const KEPT: Duration = Duration::from_secs(10);

/// What the budgets tell, for metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BudgetRecord {
    /// Somebody had a turn after this long.
    Waited {
        /// How urgent it was.
        urgency: Urgency,
        /// How long it took.
        waited: Duration,
    },
    /// The platform refused a call for being one too many.
    Refused,
    /// The calls a second now allowed where the platform allows least.
    Allowed(f64),
}

/// Told of what budgets do. Must return quickly.
pub type BudgetObserver = Arc<dyn Fn(BudgetRecord) + Send + Sync>;

/// Called when somebody's turn has come.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// No turn yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// How long the one that asked has waited by now.
    pub waited: Duration,
    /// How long the platform asked to make no call.
    pub pause: Duration,
}

/// All budgets of one API in this process, by what each is for.
pub(crate) struct Budgets<P = (String, String)> {
    places: Mutex<BTreeMap<P, Arc<Budget>>>,
    changed: Arc<Notify>,
    closed: CancellationToken,
    observer: Option<BudgetObserver>,
    pace: Option<Pace>,
}

impl Budgets {
    /// The budget of an organization and sandbox.
    pub(super) fn of(&self, organization: &str, sandbox: &str) -> Arc<Budget> {
        self.at((organization.to_owned(), sandbox.to_owned()))
    }
}

impl<P: Ord> Budgets<P> {
    pub(crate) fn new(observer: Option<BudgetObserver>) -> Self {
        Self {
            places: Mutex::default(),
            changed: Arc::default(),
            closed: CancellationToken::new(),
            observer,
            pace: None,
        }
    }

    /// All budgets start at this limit.
    pub(crate) fn paced(self, pace: Pace) -> Self {
        Self {
            pace: Some(pace),
            ..self
        }
    }

    /// The budget of a place.
    pub(crate) fn at(&self, place: P) -> Arc<Budget> {
        let mut budgets = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = budgets.entry(place).or_insert_with(|| {
            let rate = self
                .pace
                .map_or_else(Rate::default, |pace| Rate::documented(pace, Instant::now()));
            Arc::new(Budget {
                state: Mutex::new(State {
                    rate,
                    ..State::default()
                }),
                changed: Arc::clone(&self.changed),
                closed: self.closed.clone(),
                observer: self.observer.clone(),
            })
        });
        Arc::clone(budget)
    }

    /// Nobody waits for a turn from now on: the process is about to end. What may go at once still may.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Gives turns as they come, for as long as it is polled.
    pub(crate) async fn keep_turns(&self) {
        loop {
            let changed = self.changed.notified();
            let budgets: Vec<_> = {
                let budgets = self.places.lock().unwrap_or_else(PoisonError::into_inner);
                budgets.values().cloned().collect()
            };
            let next = budgets.iter().filter_map(|budget| budget.pump()).min();
            let allowed = budgets
                .iter()
                .filter_map(|budget| budget.state().rate.allowed());
            if let (Some(observer), Some(least)) = (&self.observer, allowed.reduce(f64::min)) {
                observer(BudgetRecord::Allowed(least));
            }
            let timer = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! { biased; () = changed => {} () = timer => {} }
        }
    }
}

/// The budget of one place, such as an organization and sandbox.
pub(crate) struct Budget {
    state: Mutex<State>,
    changed: Arc<Notify>,
    closed: CancellationToken,
    observer: Option<BudgetObserver>,
}

#[derive(Default)]
struct State {
    rate: Rate,
    line: Line,
    waiters: BTreeMap<u64, Waiter>,
    /// Those in line for a ticket, by name.
    named: BTreeMap<String, u64>,
    /// Tickets kept for those who were woken, and until when.
    kept: BTreeMap<String, (Vec<Go>, Instant)>,
    delays: Delays,
}

struct Waiter {
    calls: usize,
    held: Vec<Go>,
    joined: Instant,
    urgency: Urgency,
    told: Told,
}

enum Told {
    Here(oneshot::Sender<Vec<Go>>),
    Named(String, Option<Wake>),
}

impl State {
    /// Gives turns; says when the next one may be due.
    fn pump(&mut self, now: Instant, served: &mut Vec<(Waiter, Option<Wake>)>) -> Option<Instant> {
        self.expire(now);
        let expires = self.kept.values().map(|(_, until)| *until).min();
        while let Some(number) = self.line.head() {
            let waiter = self.waiters.get_mut(&number)?;
            self.rate.take_back(&mut waiter.held, now);
            while waiter.held.len() < waiter.calls
                && (waiter.held.is_empty() || !self.rate.is_enough(waiter.held.len()))
            {
                match self.rate.take(now) {
                    Ok(go) => waiter.held.push(go),
                    Err(at) => return expires.into_iter().chain([at]).min(),
                }
            }
            self.line.served(number);
            let mut waiter = self.waiters.remove(&number)?;
            let held = std::mem::take(&mut waiter.held);
            let mut wake = None;
            match &mut waiter.told {
                Told::Named(name, waker) => {
                    wake = waker.take();
                    self.named.remove(name);
                    self.kept.insert(name.clone(), (held, now + KEPT));
                }
                Told::Here(_) => waiter.held = held,
            }
            served.push((waiter, wake));
        }
        self.kept.values().map(|(_, until)| *until).min()
    }

    /// Whoever was woken and did not come has had its turn.
    fn expire(&mut self, now: Instant) {
        self.kept.retain(|_, (gone, until)| {
            let stays = now < *until;
            if !stays {
                for go in gone.iter() {
                    self.rate.give_back(*go, now);
                }
            }
            stays
        });
    }

    fn leave(&mut self, number: u64, now: Instant) {
        self.line.leave(number);
        if let Some(waiter) = self.waiters.remove(&number) {
            for go in waiter.held {
                self.rate.give_back(go, now);
            }
        }
    }

    fn pause(&self, now: Instant) -> Duration {
        let end = self.rate.paused(now);
        end.map_or(Duration::ZERO, |end| end - now)
    }
}

impl Budget {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long `calls` more calls of what has begun take, with those that wait already.
    fn expected(&self, calls: usize) -> Duration {
        let state = self.state();
        let Some(rate) = state.rate.allowed() else {
            return Duration::ZERO;
        };
        let begun = |waiter: &&Waiter| waiter.urgency == Urgency::UnderWay;
        let waiting = state.waiters.values().filter(begun);
        let ahead: usize = waiting.map(|waiter| waiter.calls).sum();
        let calls = u32::try_from(ahead + calls).unwrap_or(u32::MAX);
        Duration::from_secs_f64(f64::from(calls) / rate)
    }

    fn tell(&self, record: BudgetRecord) {
        if let Some(observer) = &self.observer {
            observer(record);
        }
    }

    fn pump(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut served = Vec::new();
        let next = self.state().pump(now, &mut served);
        for (waiter, wake) in served {
            self.tell(BudgetRecord::Waited {
                urgency: waiter.urgency,
                waited: now - waiter.joined,
            });
            if let Some(wake) = wake {
                wake();
            }
            if let Told::Here(here) = waiter.told
                && let Err(held) = here.send(waiter.held)
            {
                let mut state = self.state();
                for go in held {
                    state.rate.give_back(go, now);
                }
                drop(state);
                self.changed.notify_one();
            }
        }
        next
    }

    /// Asks to begin `calls` calls under `name`: a ticket, or a place in line until `wake` is called.
    pub(super) fn ticket(
        self: &Arc<Self>,
        name: &str,
        group: &str,
        urgency: Urgency,
        calls: usize,
        wake: Wake,
    ) -> Result<Ticket, Later> {
        let now = Instant::now();
        {
            let mut state = self.state();
            state.expire(now);
            if let Some(number) = state.named.get(name).copied()
                && state.line.urgency(number) != Some(urgency)
            {
                state.named.remove(name);
                state.leave(number, now);
            }
            if !state.kept.contains_key(name) && !state.named.contains_key(name) {
                let number = state.line.join(urgency, group);
                state.named.insert(name.to_owned(), number);
                state.waiters.insert(
                    number,
                    Waiter {
                        calls,
                        held: Vec::new(),
                        joined: now,
                        urgency,
                        told: Told::Named(name.to_owned(), None),
                    },
                );
            }
        }
        self.pump();
        let mut state = self.state();
        if let Some((mut held, _)) = state.kept.remove(name) {
            for go in held.drain(calls.min(held.len())..) {
                state.rate.give_back(go, now);
            }
            drop(state);
            return Ok(Ticket::new(self, Some(name), calls, held));
        }
        if let Some(number) = state.named.get(name).copied()
            && let Some(waiter) = state.waiters.get_mut(&number)
        {
            waiter.told = Told::Named(name.to_owned(), Some(wake));
        }
        let later = Later {
            waited: state.delays.told(name, now),
            pause: state.pause(now),
        };
        drop(state);
        self.changed.notify_one();
        Err(later)
    }

    /// A call was answered: `status` is 429 or not, or there was no answer.
    fn answered(&self, go: Go, result: Result<(), &ApiError>) {
        let now = Instant::now();
        let mut state = self.state();
        match result {
            Err(error) if matches!(error.class, Class::Throttled { .. }) => {
                let news = state.rate.refused(go, error.retry_after(), now);
                let (pause, allowed) = (state.pause(now), state.rate.allowed());
                drop(state);
                self.tell(BudgetRecord::Refused);
                if news {
                    tracing::debug!(?pause, allowed, "the platform limits calls");
                }
                self.changed.notify_one();
            }
            Err(error) if error.status.is_none() => {}
            _ => state.rate.passed(go),
        }
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;

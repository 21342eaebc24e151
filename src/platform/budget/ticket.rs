//! Leave to call: a ticket for some calls, and of those the leave to make one, which is told what became of it. What is not
//! used goes back to the budget.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::rate::Go;
use super::{Budget, Urgency};
use crate::platform::error::{ApiError, Class};

/// How many calls a step makes at the most that is no listing.
const CALLS_OF_A_STEP: usize = 4;

/// Leave to make some calls now.
pub(crate) struct Ticket {
    pub(super) budget: Arc<Budget>,
    pub(super) name: Option<String>,
    /// How many calls it was asked for.
    pub(super) asked: usize,
    /// How many of them it was given for.
    pub(super) calls: usize,
    pub(super) held: Mutex<Vec<Go>>,
    /// Calls that were made with it or in its name.
    pub(super) made: AtomicUsize,
}

impl Ticket {
    pub(super) fn new(
        budget: &Arc<Budget>,
        name: Option<&str>,
        asked: usize,
        held: Vec<Go>,
    ) -> Self {
        Self {
            budget: Arc::clone(budget),
            name: name.map(str::to_owned),
            asked,
            calls: held.len(),
            held: Mutex::new(held),
            made: AtomicUsize::new(0),
        }
    }

    /// How urgent one more call is: the rest of what was asked for, or of a listing, which may have hundreds of pages
    /// and is not to hold up every edit.
    pub(super) fn urgency(&self) -> Urgency {
        if self.made.load(Ordering::Relaxed) < CALLS_OF_A_STEP * self.asked {
            Urgency::UnderWay
        } else {
            Urgency::Edit
        }
    }

    /// Takes one call; none is left, or the platform has refused one or asked for a pause since: `None`.
    pub(super) fn take(&self) -> Option<Leave> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.budget.state();
        state.rate.take_back(&mut held, Instant::now());
        let go = held.pop()?;
        self.made.fetch_add(1, Ordering::Relaxed);
        Some(Leave {
            budget: Arc::clone(&self.budget),
            name: self.name.clone(),
            go,
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !held.is_empty() {
            let mut state = self.budget.state();
            // Its turn came, and nothing was left to ask for.
            if let Some(name) = self.name.as_ref().filter(|_| held.len() == self.calls) {
                state.delays.over(name);
            }
            let now = Instant::now();
            held.drain(..).for_each(|go| state.rate.give_back(go, now));
            drop(state);
            self.budget.changed.notify_one();
        }
    }
}

/// Leave to make one call; it is told what became of it.
pub(crate) struct Leave {
    budget: Arc<Budget>,
    name: Option<String>,
    go: Go,
}

impl Leave {
    /// In the name of `ticket`.
    pub(super) fn named(mut self, ticket: Option<&Ticket>) -> Self {
        if let Some(ticket) = ticket {
            ticket.made.fetch_add(1, Ordering::Relaxed);
            self.name.clone_from(&ticket.name);
        }
        self
    }

    /// What became of the call.
    pub(crate) fn answered(self, result: Result<(), &ApiError>) {
        let refused =
            matches!(result, Err(error) if matches!(error.class, Class::Throttled { .. }));
        self.budget.answered(self.go, result);
        if let Some(name) = self.name.filter(|_| !refused) {
            self.budget.state().delays.over(&name);
        }
    }
}

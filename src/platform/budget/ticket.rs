//! Leave to call: a ticket for some calls, and of those the leave to make one, which is told what became of it. What is not
//! used goes back to the budget.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::Budget;
use super::rate::Go;
use crate::platform::error::{ApiError, Class};

/// Leave to make some calls now.
pub(crate) struct Ticket {
    pub(super) budget: Arc<Budget>,
    pub(super) name: Option<String>,
    /// How many calls it was asked for.
    pub(super) asked: usize,
    /// How many of them it was given for.
    pub(super) calls: usize,
    pub(super) held: Mutex<Vec<Go>>,
}

impl Ticket {
    /// Takes one call; none is left, or the platform has asked for a pause since: `None`.
    pub(super) fn take(&self) -> Option<Leave> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.budget.state();
        let now = Instant::now();
        if state.rate.paused(now).is_some() {
            held.drain(..).for_each(|_| state.rate.give_back(now));
        }
        let go = held.pop()?;
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
                state.waits.over(name);
            }
            held.drain(..)
                .for_each(|_| state.rate.give_back(Instant::now()));
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
        self.name = ticket.and_then(|it| it.name.clone());
        self
    }

    /// What became of the call.
    pub(crate) fn answered(self, result: Result<(), &ApiError>) {
        let refused =
            matches!(result, Err(error) if matches!(error.class, Class::Throttled { .. }));
        self.budget.answered(self.go, result);
        if let Some(name) = self.name.filter(|_| !refused) {
            self.budget.state().waits.over(&name);
        }
    }
}

//! A wait in line of a call that is about to be made: bounded, and over at once when the process is about to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ticket::Ticket;
use super::{Budget, Later, Told, Urgency, Waiter};

/// How long the pauses may take, besides, that what has begun waits through.
const PAUSES: Duration = Duration::from_secs(30);

impl Budget {
    /// Waits in line to begin `calls` calls, for as long as `patience`; what has begun, also through a pause that is
    /// not too long.
    pub(super) async fn wait(
        self: &Arc<Self>,
        urgency: Urgency,
        calls: usize,
        patience: Duration,
    ) -> Result<Ticket, Later> {
        let joined = Instant::now();
        let pauses = match urgency {
            Urgency::UnderWay => PAUSES,
            _ => Duration::ZERO,
        };
        let mut deadline = joined + patience;
        let latest = deadline + pauses;
        let (place, mut turn) = self.join(urgency, calls, joined);
        let granted = |held| Ok(Ticket::new(self, None, calls, held));
        loop {
            // Whoever waits also gives turns: it does not depend on `keep_turns`.
            let next = self.pump();
            if let Ok(held) = turn.try_recv() {
                return granted(held);
            }
            let now = Instant::now();
            let pause = self.state().pause(now);
            if !pause.is_zero() {
                deadline = deadline.max((now + pause + patience).min(latest));
            }
            if now >= deadline || now + pause > deadline || self.closed.is_cancelled() {
                drop(place);
                // Served at the very last moment: what it holds is given back with the ticket.
                if let Ok(held) = turn.try_recv() {
                    return granted(held);
                }
                let waited = now - joined;
                return Err(Later { waited, pause });
            }
            let again = next.unwrap_or(deadline).min(deadline);
            tokio::select! {
                biased;
                held = &mut turn => return granted(held.unwrap_or_default()),
                () = self.closed.cancelled() => {}
                () = tokio::time::sleep_until(again) => {}
            }
        }
    }

    fn join(
        &self,
        urgency: Urgency,
        calls: usize,
        joined: Instant,
    ) -> (Place<'_>, oneshot::Receiver<Vec<super::Go>>) {
        let (here, turn) = oneshot::channel();
        let mut state = self.state();
        let number = state.line.join(urgency, "");
        let waiter = Waiter {
            calls,
            held: Vec::new(),
            joined,
            urgency,
            told: Told::Here(here),
        };
        state.waiters.insert(number, waiter);
        drop(state);
        let place = Place {
            budget: self,
            number,
        };
        (place, turn)
    }
}

/// A waiter's place in line, given up when it goes away.
struct Place<'a> {
    budget: &'a Budget,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.budget.state().leave(self.number, Instant::now());
        self.budget.changed.notify_one();
    }
}

//! The time of day, injected: wall clock = start + what tokio's clock has counted since.
//!
//! Under tokio's paused time a day of operation runs in milliseconds, and tests choose the start.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Timestamp,
    since: Instant,
}

impl Clock {
    /// A clock that shows `start` now.
    pub fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            since: Instant::now(),
        }
    }

    /// The time of day, in whole seconds as Kubernetes writes it.
    pub fn now(&self) -> Timestamp {
        let now = self.exact();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// The time of day as exactly as it is known; never goes back.
    pub fn exact(&self) -> Timestamp {
        let elapsed =
            SignedDuration::try_from(self.since.elapsed()).unwrap_or(SignedDuration::ZERO);
        self.start.saturating_add(elapsed).unwrap_or(self.start)
    }
}

//! Whether this process may act, at any moment and without asking anybody.

use tokio::sync::watch;
use tokio::time::Instant;

/// Where a process stands in the election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not read the lease yet.
    Starting,
    /// Somebody else leads.
    StandingBy,
    /// It leads until then (`None`: there is no election).
    Leading {
        /// Its own deadline, on its monotonic clock.
        until: Option<Instant>,
    },
    /// It led, and never will again.
    Over,
}

/// The right to act: true from winning an election until our own deadline, which every renewal moves.
///
/// Asked right before anything is done that only the leader may do. The deadline is compared with the
/// monotonic clock at that moment, so a process that was stopped past it finds its right gone however late
/// it wakes, before anything has told it so.
#[derive(Clone, Debug)]
pub struct Tenure(watch::Receiver<Standing>);

/// This process does not lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not lead (any more)")]
pub struct NotLeading;

impl Tenure {
    /// The right of a process that needs no election.
    pub fn unlimited() -> Self {
        Self(watch::channel(Standing::Leading { until: None }).1)
    }

    /// A right that has not begun, and the way to change it.
    pub(super) fn pending() -> (watch::Sender<Standing>, Self) {
        let (standing, tenure) = watch::channel(Standing::Starting);
        (standing, Self(tenure))
    }

    /// Where this process stands.
    pub fn standing(&self) -> Standing {
        *self.0.borrow()
    }

    /// Whether this process may act right now.
    pub fn is_valid(&self) -> bool {
        match self.standing() {
            Standing::Leading { until } => until.is_none_or(|until| Instant::now() < until),
            Standing::Starting | Standing::StandingBy | Standing::Over => false,
        }
    }

    /// The same as a result.
    ///
    /// # Errors
    ///
    /// It may not.
    pub fn check(&self) -> Result<(), NotLeading> {
        self.is_valid().then_some(()).ok_or(NotLeading)
    }
}

//! What becomes of a resource after a reconcile.

use std::time::Duration;

use crate::metrics::Ended;

/// When a resource is looked at again, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    Change,
    /// After this long at the latest: something takes its time, or somebody has to act.
    After(Duration),
    /// After this long: what was tried failed.
    Retry(Duration),
    /// After this long, from what is there by then.
    Over(Duration),
    /// After this long: it panicked.
    Panicked(Duration),
}

impl Next {
    /// After how long, if at all.
    pub fn again(self) -> Option<Duration> {
        match self {
            Self::Change => None,
            Self::After(wait) | Self::Retry(wait) | Self::Over(wait) | Self::Panicked(wait) => {
                Some(wait)
            }
        }
    }

    /// As it is counted.
    pub fn ended(self) -> Ended {
        match self {
            Self::Change => Ended::Well,
            Self::After(_) => Ended::Later,
            Self::Retry(_) => Ended::Failed,
            Self::Over(_) => Ended::Over,
            Self::Panicked(_) => Ended::Panicked,
        }
    }
}

//! When a dead process is started again.

use std::time::Duration;

/// What happens when the process ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Nothing: for tests that start it again themselves.
    Never,
    /// At once, every time: for tests that kill it often.
    Always,
    /// As a Deployment: at once, then after `first`, then twice as long each time up to `most`; a run of ten times `most`
    /// is forgiven.
    Backoff {
        /// Before the second restart.
        first: Duration,
        /// Never longer than this.
        most: Duration,
    },
}

impl Default for Restart {
    /// The kubelet waits ten seconds to five minutes; at a desk a tenth of that is enough.
    fn default() -> Self {
        Self::Backoff {
            first: Duration::from_secs(1),
            most: Duration::from_secs(30),
        }
    }
}

impl Restart {
    /// How long to wait before the next start, after `deaths` deaths in a row (1 is the first). `None`: do not start.
    pub(crate) fn delay(self, deaths: u32) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Always => Some(Duration::ZERO),
            Self::Backoff { .. } if deaths <= 1 => Some(Duration::ZERO),
            Self::Backoff { first, most } => {
                let doubled = first.saturating_mul(2_u32.saturating_pow(deaths.saturating_sub(2)));
                Some(doubled.min(most))
            }
        }
    }

    /// Whether a run was long enough to forget the deaths before it.
    pub(crate) fn forgives(self, run: Duration) -> bool {
        matches!(self, Self::Backoff { most, .. } if run >= most.saturating_mul(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_back_off_as_a_deployment_does() {
        let restart = Restart::Backoff {
            first: Duration::from_secs(1),
            most: Duration::from_secs(30),
        };
        let seconds: Vec<_> = (1..=8)
            .map(|deaths| restart.delay(deaths).unwrap().as_secs())
            .collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(restart.delay(u32::MAX), Some(Duration::from_secs(30)));
        assert_eq!(Restart::Always.delay(9), Some(Duration::ZERO));
        assert_eq!(Restart::Never.delay(1), None);
        assert!(restart.forgives(Duration::from_mins(5)));
        assert!(!restart.forgives(Duration::from_secs(299)));
    }
}

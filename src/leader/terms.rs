//! The three times of an election, and what has to hold between them.

use std::time::Duration;

/// How long a lease lasts, how long its holder acts on it, and how often it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long others wait after the last renewal they saw.
    pub lease: Duration,
    /// How long after its last renewal the holder acts; it ends before the lease does.
    pub renew: Duration,
    /// Between two renewals, and between two looks of a process that stands by.
    pub retry: Duration,
}

/// Times that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// A Lease counts whole seconds.
    #[error("--lease-duration ({0:?}) is shorter than 1s, the least that a Lease can say")]
    Short(Duration),
    /// The holder would act on a lease that has ended.
    #[error(
        "--renew-deadline ({renew:?}) is not shorter than --lease-duration ({lease:?}): a replica would act while \
         another already may. Make it shorter, or leave it out: it is then two thirds of the lease."
    )]
    Renew {
        /// `--renew-deadline`.
        renew: Duration,
        /// `--lease-duration`.
        lease: Duration,
    },
    /// One failed renewal would lose the lease.
    #[error(
        "--retry-period ({retry:?}) is not shorter than half of --renew-deadline ({renew:?}): one renewal that fails would \
         end the leadership. Make it shorter, or leave it out: it is then a fifth of the renew deadline."
    )]
    Retry {
        /// `--retry-period`.
        retry: Duration,
        /// `--renew-deadline`.
        renew: Duration,
    },
}

impl Terms {
    /// What is left out follows from the lease, in the proportions of Kubernetes' own components
    /// (15 s, 10 s, 2 s).
    ///
    /// # Errors
    ///
    /// The times contradict each other.
    pub fn new(
        lease: Duration,
        renew: Option<Duration>,
        retry: Option<Duration>,
    ) -> Result<Self, TermsError> {
        let renew = renew.unwrap_or(lease * 2 / 3);
        let retry = retry.unwrap_or(renew / 5);
        if lease < Duration::from_secs(1) {
            return Err(TermsError::Short(lease));
        }
        if renew >= lease {
            return Err(TermsError::Renew { renew, lease });
        }
        if retry >= renew / 2 {
            return Err(TermsError::Retry { retry, renew });
        }
        Ok(Self {
            lease,
            renew,
            retry,
        })
    }

    /// The longest one request about the lease may take, so that a second one fits in before the deadline.
    pub(super) fn limit(&self) -> Duration {
        self.renew / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_left_out_follows_from_the_lease() {
        let terms = Terms::new(seconds(15), None, None).unwrap();
        assert_eq!((terms.renew, terms.retry), (seconds(10), seconds(2)));
        let short = Terms::new(seconds(2), None, None).unwrap();
        assert!(short.renew < seconds(2) && short.retry * 3 < short.renew);
    }

    #[test]
    fn times_that_contradict_each_other_are_refused() {
        for (lease, renew, retry, flag) in [
            (Duration::from_millis(900), None, None, "--lease-duration"),
            (seconds(10), Some(seconds(10)), None, "--renew-deadline"),
            (
                seconds(15),
                Some(seconds(10)),
                Some(seconds(5)),
                "--retry-period",
            ),
        ] {
            let error = Terms::new(lease, renew, retry).unwrap_err().to_string();
            assert!(error.starts_with(flag), "{error}");
        }
    }
}

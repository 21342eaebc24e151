//! Whether reconciling makes progress: what `/livez` says.
//!
//! # Expected flow
//!
//! Something is queued or being worked on, and nothing has ended for [`limit`]: no reconcile, well or not, and no call
//! that a reconcile made. Then something waits for what will never come, and only a new process helps.
//!
//! # What does not count
//!
//! - A replica that stands by and an operator without work: nothing is outstanding.
//! - A platform or an API server that is down: each call of a reconcile ends within its own limit, with a failure, and
//!   a failure is an end. Resources in backoff or waiting for their turn are not outstanding before their time.
//!
//! # Caveats
//!
//! One reconcile that hangs while others end is no standstill: `workqueue_longest_running_processor_seconds` shows it.

use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static WITHIN: ();
}

/// Runs a reconcile; what ends within it is progress.
// Not `async`: that would hold the reconcile, tens of kilobytes, twice.
pub fn within_a_reconcile<F: Future>(reconcile: F) -> impl Future<Output = F::Output> {
    WITHIN.scope((), reconcile)
}

/// Whether this is asked within a reconcile. The loops that look around in AEP make calls too, every few minutes,
/// however stuck the controllers are.
pub fn is_within_a_reconcile() -> bool {
    WITHIN.try_with(|()| ()).is_ok()
}

/// Without an end for this long, work stands still. A reconcile that has had its turn waits for the few that
/// began before it, a minute or two at the lowest rate; thirty minutes are many times that.
pub const STANDSTILL: Duration = Duration::from_mins(30);

/// How many calls, each as long as it may be, have to fit into the limit.
const CALLS: u32 = 20;

/// What the controllers have to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// Resources that wait for a worker.
    pub queued: usize,
    /// Resources that are worked on.
    pub running: usize,
    /// Since when the first of these waits or is worked on.
    pub oldest: Option<Instant>,
    /// When something last ended.
    pub moved: Option<Instant>,
}

/// Nothing moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no reconcile and no call of one has ended for {} minutes, while {running} are under way and {queued} wait; the \
     process is to be started again",
    .still.as_secs() / 60
)]
pub struct Standstill {
    still: Duration,
    running: usize,
    queued: usize,
}

/// [`STANDSTILL`], or as long as twenty calls may take, if that is longer.
pub fn limit(request_timeout: Duration) -> Duration {
    STANDSTILL.max(request_timeout.saturating_mul(CALLS))
}

/// Judges `work` at `now`.
///
/// # Errors
///
/// Something is to be done, and nothing has ended for longer than `limit`.
pub fn judge(work: &Outstanding, now: Instant, limit: Duration) -> Result<(), Standstill> {
    // What ended before there was anything to do says nothing about it.
    let Some(since) = work
        .oldest
        .max(work.moved.min(Some(now)))
        .filter(|_| work.oldest.is_some())
    else {
        return Ok(());
    };
    let still = now.saturating_duration_since(since);
    if still <= limit {
        return Ok(());
    }
    Err(Standstill {
        still,
        running: work.running,
        queued: work.queued,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const LIMIT: Duration = Duration::from_mins(30);

    fn at(start: Instant, minutes: u32) -> Instant {
        start + MINUTE * minutes
    }

    #[test]
    fn work_that_nothing_ends_of_is_a_standstill_and_says_what_stands() {
        let start = Instant::now();
        let work = Outstanding {
            queued: 3,
            running: 32,
            oldest: Some(start),
            moved: None,
        };
        assert_eq!(judge(&work, at(start, 30), LIMIT), Ok(()));
        let why = judge(&work, at(start, 31), LIMIT).unwrap_err().to_string();
        for part in ["31 minutes", "32 are under way", "3 wait"] {
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn whatever_ends_is_progress_and_idleness_is_no_standstill() {
        let start = Instant::now();
        let work = |oldest: Option<u32>, moved: Option<u32>| Outstanding {
            queued: 0,
            running: usize::from(oldest.is_some()),
            oldest: oldest.map(|minute| at(start, minute)),
            moved: moved.map(|minute| at(start, minute)),
        };
        // Standing by, or idle since long ago.
        assert_eq!(judge(&work(None, None), at(start, 600), LIMIT), Ok(()));
        assert_eq!(judge(&work(None, Some(1)), at(start, 600), LIMIT), Ok(()));
        // A platform outage: one reconcile is old, failures of others or of its own calls go on.
        assert_eq!(
            judge(&work(Some(0), Some(590)), at(start, 600), LIMIT),
            Ok(())
        );
        // The first work after a long idle time.
        assert_eq!(
            judge(&work(Some(590), Some(1)), at(start, 600), LIMIT),
            Ok(())
        );
        assert!(judge(&work(Some(0), Some(569)), at(start, 600), LIMIT).is_err());
        assert!(judge(&work(Some(569), Some(1)), at(start, 600), LIMIT).is_err());
    }

    #[test]
    fn a_call_as_long_as_it_may_be_does_not_trip_it() {
        assert_eq!(limit(Duration::from_secs(30)), STANDSTILL);
        assert_eq!(limit(Duration::from_mins(5)), Duration::from_mins(100));
    }
}

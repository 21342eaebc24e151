//! How many calls a second a platform that does not say so allows: found out from what it refuses.
//!
//! The platform is taken for a token bucket of unknown rate and size. A refusal (429) says one thing for
//! certain: the bucket is empty now. So what was let through between two refusals, over the time between
//! them, is no more than the rate, and it is the rate itself unless the bucket overflowed on the way.
//!
//! # Expected flow
//!
//! No refusal known: no limit. The first one: as many calls a second as the last second let through. From
//! then on the rate starts a little below what was proven, passes it after [`Limit::interval`] and goes on
//! to rise until it is refused again; what that proves is the next start. The interval grows with each
//! refusal that comes where it was expected, so that refusals and the pauses they cost stay rare. One that
//! comes well below leaves the rate in doubt, and it is tried again soon: refusals also come out of the blue,
//! or from what others of the organization do.
//!
//! # Guarantees
//!
//! - Nothing passes before a pause ends; a pause without a stated length grows while nothing gets through.
//! - It never stops for ever: the rate has a floor, a pause an end.
//! - Idle time teaches nothing: the rate rises with use only.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::limit::{Limit, PAUSE};

/// What the first refusal is held against.
const SECOND: Duration = Duration::from_secs(1);

/// What is guessed at least after a first refusal, in calls a second: of a process that has just begun, the last second
/// says little.
const LEAST: f64 = 20.0;

/// The allowed rate of one organization and sandbox, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Rate {
    limit: Option<Limit>,
    /// Calls let go so far, those that were given back among them: no number is used twice.
    sent: u64,
    /// The calls of the last second, by number, and when they were let go, while no limit is known.
    recent: VecDeque<(u64, Instant)>,
}

/// A call that was let go, and how things stood then: its answer may come much later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Go {
    pub(super) number: u64,
    pub(super) at: Instant,
    pub(super) then: Then,
}

/// How a limit stood when a call was let go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Then {
    /// Calls a second.
    pub(super) rate: f64,
    /// Use since the pause.
    pub(super) used: Duration,
    /// Calls given back since the pause.
    pub(super) unmade: u64,
    /// How many were let go since the last rest, this one among them, and in what time.
    pub(super) spree: f64,
    pub(super) within: Duration,
}

/// A limit that the platform's documentation states.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Calls a second, never exceeded.
    pub(crate) per_second: f64,
    /// Calls that may go at once after a rest.
    pub(crate) at_once: f64,
}

impl Rate {
    /// Starts at a documented limit; what the platform refuses may still show that less is allowed.
    pub(super) fn documented(pace: Pace, now: Instant) -> Self {
        Self {
            limit: Some(Limit::documented(pace, now)),
            ..Self::default()
        }
    }

    /// Lets a call go, or says when to ask again.
    pub(super) fn take(&mut self, now: Instant) -> Result<Go, Instant> {
        let number = self.sent + 1;
        let then = if let Some(limit) = &mut self.limit {
            limit.take(now)?
        } else {
            self.recent.push_back((number, now));
            while let Some((_, first)) = self.recent.front()
                && *first + SECOND < now
            {
                self.recent.pop_front();
            }
            Then::default()
        };
        self.sent = number;
        Ok(Go {
            number,
            at: now,
            then,
        })
    }

    /// A call that was let go is not made.
    pub(super) fn give_back(&mut self, go: Go, now: Instant) {
        let Some(limit) = &mut self.limit else {
            self.recent.retain(|(number, _)| *number != go.number);
            return;
        };
        // Of what was let go before a refusal nothing is left over: the platform had no room for it.
        if go.number > limit.last {
            limit.give_back(now);
        }
    }

    /// Takes back what may no longer be made of what somebody holds.
    pub(super) fn take_back(&mut self, held: &mut Vec<Go>, now: Instant) {
        held.retain(|go| {
            let is_void = self.is_void(*go, now);
            if is_void {
                self.give_back(*go, now);
            }
            !is_void
        });
    }

    /// Whether a call that was let go may no longer be made: the platform has refused one since, or asked for a pause.
    fn is_void(&self, go: Go, now: Instant) -> bool {
        let limit = self.limit.as_ref();
        limit.is_some_and(|limit| go.number <= limit.last || now < limit.resumes)
    }

    /// The platform let a call through, whatever it said to it.
    pub(super) fn passed(&mut self, go: Go) {
        if let Some(limit) = &mut self.limit
            && go.number > limit.last
        {
            limit.fruitless = 0;
        }
    }

    /// The platform refused a call. Says whether that is news: calls already on their way when the first
    /// of them was refused only lengthen the pause.
    pub(super) fn refused(&mut self, go: Go, retry_after: Option<Duration>, now: Instant) -> bool {
        // A pause of nothing is no leave to hurry.
        let retry_after = retry_after.filter(|pause| !pause.is_zero());
        let Some(limit) = &mut self.limit else {
            let before =
                |(number, at): &&(u64, Instant)| *number < go.number && *at + SECOND >= go.at;
            let recent = self.recent.iter().filter(before).count();
            let likely = f64::from(u32::try_from(recent).unwrap_or(u32::MAX)).max(LEAST);
            self.recent = VecDeque::new();
            let pause = retry_after.unwrap_or(PAUSE);
            self.limit = Some(Limit::guessed(likely, go, self.sent, pause, now));
            return true;
        };
        if go.number <= limit.last {
            if let Some(pause) = retry_after {
                limit.pause(now, pause);
            }
            return false;
        }
        limit.refuse(go, self.sent, retry_after, now);
        true
    }

    /// Calls a second; `None` while no limit is known.
    pub(super) fn allowed(&self) -> Option<f64> {
        self.limit.as_ref().map(Limit::rate)
    }

    /// Whether one more than `held` is more than may go at once.
    pub(super) fn is_enough(&self, held: usize) -> bool {
        let held = f64::from(u32::try_from(held).unwrap_or(u32::MAX));
        let limit = self.limit.as_ref();
        limit.is_some_and(|limit| held + 1.0 > limit.capacity())
    }

    /// The end of the pause, if there is one.
    pub(super) fn paused(&self, now: Instant) -> Option<Instant> {
        let limit = self.limit.as_ref()?;
        (now < limit.resumes).then_some(limit.resumes)
    }
}

#[cfg(test)]
#[path = "rate_tests.rs"]
mod tests;

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

/// The rate that is never undercut, in calls a second.
const FLOOR: f64 = 1.0;
/// The rate that needs no limit, in calls a second.
const CEILING: f64 = 10_000.0;
/// The pause after a refusal that does not say how long; doubled while nothing gets through.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The first time to come back to the likely rate, in time, calls and pauses: whichever is most.
const INTERVAL_MIN: Duration = Duration::from_secs(2);
const INTERVAL_MIN_CALLS: f64 = 10.0;
const INTERVAL_MIN_PAUSES: u32 = 2;
/// The longest one.
const INTERVAL: Duration = Duration::from_secs(30);
const INTERVAL_CALLS: f64 = 500.0;
const INTERVAL_PAUSES: u32 = 20;
/// Where the rate starts after a refusal, as a share of the likely one, and where it is an interval later.
const START: f64 = 0.97;
const PASSED: f64 = 1.01;
/// How steeply it rises from there: while little is known, and once the interval is this many times the first one.
const SEARCH: f64 = 3.0;
const GROWTH: f64 = 1.5;
const KNOWN: u32 = 3;
/// How near the likely rate a refusal must come, and leave it, to confirm it.
const CONFIRMED: f64 = 0.8;
/// How much the rate that was refused counts against the one that was let through.
const DOUBT: f64 = 0.3;
/// What a rate that is refused soon is multiplied with.
const DROP: f64 = 0.8;
/// How long a rest is made up for afterwards.
const REST: f64 = 0.5;

/// The allowed rate of one organization and sandbox, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Rate {
    limit: Option<Limit>,
    /// Calls let go so far, those that were given back among them: no number is used twice.
    sent: u64,
    /// When the calls of the last second were let go, while no limit is known.
    recent: VecDeque<Instant>,
}

/// A call that was let go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Go {
    number: u64,
    at: Instant,
    /// How many were let go since the last rest, this one among them, and in what time.
    spree: f64,
    within: Duration,
}

#[derive(Debug)]
struct Limit {
    /// What is likely the allowed rate, in calls a second.
    likely: f64,
    /// When the last call was let go that is known to have been refused.
    refused: Instant,
    /// The number of the last call let go before the pause.
    last: u64,
    /// The end of the pause after the refusal.
    resumes: Instant,
    paused: Duration,
    /// How much use takes the rate back to [`Limit::likely`].
    interval: Duration,
    /// How steeply the rate rises once it has passed [`Limit::likely`].
    steep: f64,
    /// Use since the pause: time in which not every call could go at once.
    used: Duration,
    /// Calls that may go now.
    level: f64,
    /// How many calls may go at once after a rest, at most.
    burst: f64,
    /// Calls given back since the pause.
    unmade: u64,
    /// Calls let go since the last rest, and when that ended.
    spree: f64,
    spree_since: Instant,
    /// Up to when `level` and `used` are counted.
    counted: Instant,
    /// Refusals in a row with nothing let through in between.
    fruitless: u32,
    /// The rate that is never exceeded.
    ceiling: f64,
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
        let (mut spree, mut within) = (0.0, Duration::ZERO);
        if let Some(limit) = &mut self.limit {
            limit.take(now)?;
            spree = limit.spree;
            within = now.saturating_duration_since(limit.spree_since);
        } else {
            self.recent.push_back(now);
            while let Some(first) = self.recent.front()
                && *first + Duration::from_secs(1) < now
            {
                self.recent.pop_front();
            }
        }
        self.sent += 1;
        Ok(Go {
            number: self.sent,
            at: now,
            spree,
            within,
        })
    }

    /// A call that was let go is not made.
    pub(super) fn give_back(&mut self, go: Go, now: Instant) {
        let Some(limit) = &mut self.limit else {
            self.recent.pop_back();
            return;
        };
        // Of what was let go before a refusal nothing is left over: the platform had no room for it.
        if go.number > limit.last {
            limit.advance(now);
            limit.give_back();
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
        let Some(limit) = &mut self.limit else {
            let second = |at: &&Instant| **at <= go.at && **at + Duration::from_secs(1) >= go.at;
            let recent = self.recent.iter().filter(second).count().saturating_sub(1);
            let likely = f64::from(u32::try_from(recent).unwrap_or(u32::MAX)).max(1.0);
            self.recent = VecDeque::new();
            let pause = retry_after.unwrap_or(PAUSE);
            self.limit = Some(Limit::guessed(likely, go.at, self.sent, pause, now));
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

impl Limit {
    fn guessed(likely: f64, refused: Instant, last: u64, pause: Duration, now: Instant) -> Self {
        let mut limit = Self {
            likely,
            refused,
            last,
            resumes: now,
            paused: Duration::ZERO,
            interval: INTERVAL_MIN,
            steep: SEARCH,
            used: Duration::ZERO,
            level: 0.0,
            burst: f64::INFINITY,
            unmade: 0,
            spree: 0.0,
            spree_since: now,
            counted: now,
            fruitless: 1,
            ceiling: CEILING,
        };
        limit.pause(now, pause);
        limit
    }

    fn documented(pace: Pace, now: Instant) -> Self {
        Self {
            likely: pace.per_second,
            refused: now,
            last: 0,
            resumes: now,
            paused: Duration::ZERO,
            interval: INTERVAL,
            steep: GROWTH,
            used: Duration::ZERO,
            level: pace.at_once,
            burst: pace.at_once,
            unmade: 0,
            spree: 0.0,
            spree_since: now,
            counted: now,
            fruitless: 0,
            ceiling: pace.per_second,
        }
    }

    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if now < self.resumes {
            return Err(self.resumes);
        }
        self.advance(now);
        if self.level < 1.0 {
            let missing = (1.0 - self.level) / self.rate();
            // Rounded up: asked again a moment early, it would be in vain.
            return Err(now + Duration::from_secs_f64(missing) + Duration::from_micros(1));
        }
        self.level -= 1.0;
        self.spree += 1.0;
        Ok(())
    }

    fn rate(&self) -> f64 {
        let progress = self.used.div_duration_f64(self.interval);
        let factor = if progress <= 1.0 {
            START + (PASSED - START) * progress
        } else {
            let beyond = (progress - 1.0).min(32.0);
            PASSED * self.steep.powf(beyond + beyond * beyond)
        };
        (self.likely * factor).clamp(FLOOR, self.ceiling)
    }

    fn capacity(&self) -> f64 {
        (self.likely * REST).min(self.burst).max(1.0)
    }

    /// Counts the time up to `now`.
    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.counted);
        if elapsed.is_zero() {
            return;
        }
        let (rate, capacity) = (self.rate(), self.capacity());
        let filled = self.level + elapsed.as_secs_f64() * rate;
        let rest = Duration::from_secs_f64(((filled - capacity).max(0.0) / rate).min(1e6));
        self.level = filled.min(capacity);
        let active = now.saturating_duration_since(self.resumes.max(self.counted));
        self.used += active.saturating_sub(rest);
        self.counted = now;
        if !rest.is_zero() {
            self.spree = 0.0;
            self.spree_since = now;
        }
    }

    /// One call more may go. If there is no room for it, the time it took to come was a rest.
    fn give_back(&mut self) {
        let filled = self.level + 1.0;
        let rest = (filled - self.capacity()).max(0.0) / self.rate();
        self.used = self.used.saturating_sub(Duration::from_secs_f64(rest));
        self.level = filled.min(self.capacity());
        self.spree = (self.spree - 1.0).max(0.0);
        self.unmade += 1;
    }

    fn pause(&mut self, now: Instant, pause: Duration) {
        if now + pause > self.resumes {
            self.resumes = now + pause;
            self.paused = self.resumes.saturating_duration_since(self.refused);
            self.spree_since = self.resumes;
        }
    }

    fn refuse(&mut self, go: Go, sent: u64, retry_after: Option<Duration>, now: Instant) {
        self.advance(now);
        let rate = self.rate();
        let before = |from: Instant| {
            go.at
                .saturating_duration_since(from)
                .as_secs_f64()
                .max(1e-3)
        };
        let passed = (go.number - self.last - 1).saturating_sub(self.unmade);
        let passed = f64::from(u32::try_from(passed).unwrap_or(u32::MAX));
        // The platform lets no less through than this: it came in since the last refusal.
        let proven = passed / before(self.refused);
        let progress = self.used.div_duration_f64(self.interval);
        let early = progress < 0.5;
        // So many at once that what was saved up explains it, and saving up less helps.
        let burst = ((go.spree - 1.0) * DROP).max(1.0);
        let in_a_burst =
            go.within.as_secs_f64() * rate < 0.5 * go.spree && burst < 0.9 * self.capacity();
        if in_a_burst {
            self.burst = burst;
        }
        let likely = if in_a_burst {
            proven.max(0.9 * self.likely.min(rate))
        } else if early {
            proven.max(rate * DROP)
        } else {
            // A pause longer than the platform saves calls up for is not to be counted.
            let saved = self.capacity().min(rate * self.paused.as_secs_f64());
            let used = self.used.as_secs_f64().max(1e-3);
            let proven = proven.max((passed - saved) / used).min(rate);
            proven.powf(1.0 - DOUBT) * rate.powf(DOUBT)
        };
        // A refusal well below the rate that was proven before says that this one is not known yet.
        let confirmed = progress > CONFIRMED && likely > CONFIRMED * self.likely;
        self.likely = likely.clamp(FLOOR, self.ceiling);
        let pause = retry_after.unwrap_or_else(|| {
            PAUSE
                .saturating_mul(2_u32.saturating_pow(self.fruitless))
                .min(PAUSE_MAX)
        });
        let span = |time: Duration, calls: f64, pauses: u32| {
            time.max(Duration::from_secs_f64(calls / self.likely))
                .max(pause.saturating_mul(pauses))
        };
        let (shortest, longest) = (
            span(INTERVAL_MIN, INTERVAL_MIN_CALLS, INTERVAL_MIN_PAUSES),
            span(INTERVAL, INTERVAL_CALLS, INTERVAL_PAUSES),
        );
        let interval = match (early, confirmed) {
            (true, _) => self.interval / 2,
            (_, true) => self.interval * 3,
            _ => self.interval,
        };
        self.interval = interval.clamp(shortest, longest);
        self.steep = if self.interval > shortest * KNOWN {
            GROWTH
        } else {
            SEARCH
        };
        self.fruitless = self.fruitless.saturating_add(1);
        self.refused = go.at;
        self.last = sent;
        self.resumes = now;
        self.pause(now, pause);
        self.used = Duration::ZERO;
        self.level = 0.0;
        self.unmade = 0;
        self.spree = 0.0;
    }
}

#[cfg(test)]
#[path = "rate_tests.rs"]
mod tests;

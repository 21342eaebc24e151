//! A limit that has been met, or is documented: how many calls a second it is likely to be, how soon more are tried, and
//! what a refusal says about both. [`super::rate`] tells the story.

use std::time::Duration;

use tokio::time::Instant;

use super::rate::{Go, Pace, Then};

/// The rate that is never undercut, in calls a second: below the least that a platform is likely to allow, so that there
/// is room to stay under that, too.
const FLOOR: f64 = 0.5;
/// The rate that needs no limit, in calls a second.
const CEILING: f64 = 10_000.0;
/// The pause after a refusal that does not say how long; doubled while nothing gets through.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The shortest time to come back to the likely rate, in time, calls and costs of a refusal: whichever is most.
const SHORTEST: Span = Span {
    time: Duration::from_secs(2),
    calls: 10.0,
    costs: 2,
};
/// The longest one.
const LONGEST: Span = Span {
    time: Duration::from_secs(30),
    calls: 500.0,
    costs: 20,
};
/// Where the rate starts after a refusal, as a share of the likely one, and where it is an interval later.
const START: f64 = 0.97;
const PASSED: f64 = 1.01;
/// How steeply it rises from there: while little is known, and once the interval is this many times the shortest.
const SEARCH: f64 = 3.0;
const GROWTH: f64 = 1.5;
const KNOWN: u32 = 3;
/// How much of the likely rate must have been let through up to a refusal that confirms it.
const CONFIRMED: std::ops::Range<f64> = 0.8..1.25;
/// How little the likely rate changes once it is known well.
const SETTLED: f64 = 0.06;
/// How long before a refusal the limit was passed: what the platform saves up had to be used up first.
const LAG: Duration = Duration::from_secs(2);
/// How much the rate that met the limit counts against the one that was let through.
const DOUBT: f64 = 0.4;
/// What a rate that is refused soon is multiplied with, and if the pause is so long that another refusal is dear.
const DROP: f64 = 0.8;
const DROP_DEAR: f64 = 0.3;
const DEAR: Duration = Duration::from_secs(5);
/// What is saved up is cut to this share of what was too many at once, and grows by this once the rate is known well. The
/// rate itself has little to do with it.
const BURST_CUT: f64 = 0.7;
const BURST_GROWTH: f64 = 1.25;
/// How long a rest is made up for afterwards, in seconds of the likely rate.
const REST: f64 = 0.5;

/// A time that is long enough in each of three ways.
struct Span {
    time: Duration,
    calls: f64,
    costs: u32,
}

impl Span {
    fn at(&self, rate: f64, cost: Duration) -> Duration {
        self.time
            .max(Duration::from_secs_f64(self.calls / rate))
            .max(cost.saturating_mul(self.costs))
    }
}

/// What a refusal takes: its pause, and what goes too fast until it is known.
fn cost(pause: Duration, go: Go, now: Instant) -> Duration {
    pause + now.saturating_duration_since(go.at) * 3
}

#[derive(Debug)]
pub(super) struct Limit {
    /// What is likely the allowed rate, in calls a second.
    likely: f64,
    /// When the last call was let go whose refusal was news.
    refused: Instant,
    /// The number of the last call let go before the pause.
    pub(super) last: u64,
    /// The end of the pause after the refusal.
    pub(super) resumes: Instant,
    /// From the refused call to the end of the pause.
    paused: Duration,
    /// How much use takes the rate back to [`Limit::likely`].
    interval: Duration,
    /// How steeply the rate rises once it has passed [`Limit::likely`].
    steep: f64,
    /// Use since the pause: time in which not every call could go at once.
    used: Duration,
    /// Calls that may go now.
    level: f64,
    /// How many calls may go at once after a rest, at most; and the most that may ever be.
    burst: f64,
    burst_max: f64,
    /// Calls given back since the pause.
    unmade: u64,
    /// Calls let go since the last rest, and when that ended.
    spree: f64,
    spree_since: Instant,
    /// Up to when `level` and `used` are counted.
    counted: Instant,
    /// Refusals in a row with nothing let through in between.
    pub(super) fruitless: u32,
    /// The rate that is never exceeded.
    ceiling: f64,
}

impl Limit {
    /// After a first refusal, with the calls that the last second let through.
    pub(super) fn guessed(likely: f64, go: Go, last: u64, pause: Duration, now: Instant) -> Self {
        let mut limit = Self {
            likely,
            refused: go.at,
            last,
            resumes: now,
            paused: Duration::ZERO,
            interval: SHORTEST.at(likely, cost(pause, go, now)),
            steep: SEARCH,
            used: Duration::ZERO,
            level: 0.0,
            burst: f64::INFINITY,
            burst_max: f64::INFINITY,
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

    pub(super) fn documented(pace: Pace, now: Instant) -> Self {
        Self {
            likely: pace.per_second,
            refused: now,
            last: 0,
            resumes: now,
            paused: Duration::ZERO,
            interval: LONGEST.time,
            steep: GROWTH,
            used: Duration::ZERO,
            level: pace.at_once,
            burst: pace.at_once,
            burst_max: pace.at_once,
            unmade: 0,
            spree: 0.0,
            spree_since: now,
            counted: now,
            fruitless: 0,
            ceiling: pace.per_second,
        }
    }

    /// Lets a call go, or says when to ask again.
    pub(super) fn take(&mut self, now: Instant) -> Result<Then, Instant> {
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
        Ok(Then {
            rate: self.rate(),
            used: self.used,
            unmade: self.unmade,
            spree: self.spree,
            within: now.saturating_duration_since(self.spree_since),
        })
    }

    /// Calls a second, now.
    pub(super) fn rate(&self) -> f64 {
        self.rate_after(self.used)
    }

    fn rate_after(&self, used: Duration) -> f64 {
        let progress = used.div_duration_f64(self.interval);
        let factor = if progress <= 1.0 {
            START + (PASSED - START) * progress
        } else {
            let beyond = (progress - 1.0).min(32.0);
            PASSED * self.steep.powf(beyond + beyond * beyond)
        };
        self.bounded(self.likely * factor)
    }

    fn bounded(&self, rate: f64) -> f64 {
        rate.clamp(FLOOR.min(self.ceiling), self.ceiling)
    }

    /// How many calls may go at once after a rest.
    pub(super) fn capacity(&self) -> f64 {
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
    pub(super) fn give_back(&mut self, now: Instant) {
        self.advance(now);
        let filled = self.level + 1.0;
        let rest = (filled - self.capacity()).max(0.0) / self.rate();
        self.used = self.used.saturating_sub(Duration::from_secs_f64(rest));
        self.level = filled.min(self.capacity());
        self.spree = (self.spree - 1.0).max(0.0);
        self.unmade += 1;
    }

    /// Makes the pause last until `pause` from now, if it ends before.
    pub(super) fn pause(&mut self, now: Instant, pause: Duration) {
        if now + pause > self.resumes {
            self.resumes = now + pause;
            self.paused = self.resumes.saturating_duration_since(self.refused);
            self.spree_since = self.resumes;
        }
    }

    /// A call was refused, with `sent` let go by now. What it says is about the moment it was let go.
    pub(super) fn refuse(
        &mut self,
        go: Go,
        sent: u64,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        self.advance(now);
        let Then {
            rate, used, unmade, ..
        } = go.then;
        let pause = retry_after.unwrap_or_else(|| {
            PAUSE
                .saturating_mul(2_u32.saturating_pow(self.fruitless))
                .min(PAUSE_MAX)
        });
        let passed = (go.number - self.last - 1).saturating_sub(unmade);
        let passed = f64::from(u32::try_from(passed).unwrap_or(u32::MAX));
        // The platform lets no less through than this: it came in since the last refusal.
        let since = go.at.saturating_duration_since(self.refused);
        let proven = passed / since.as_secs_f64().max(1e-3);
        let burst = self.burst_of(go);
        let early = burst.is_none() && used * 2 < self.interval;
        // One that comes well below what was likely, or shows far more, says that the rate is not known yet.
        let mut confirmed = false;
        let likely = if burst.is_some() {
            proven.max(self.likely.min(rate))
        } else if early {
            let drop = if pause < DEAR { DROP } else { DROP_DEAR };
            proven.max(rate * drop)
        } else {
            // A pause longer than the platform saves calls up for is not to be counted.
            let saved = self.capacity().min(rate * self.paused.as_secs_f64());
            let in_use = used.as_secs_f64().max(1e-3);
            let proven = proven.max((passed - saved) / in_use).min(rate);
            confirmed = rate >= self.likely && CONFIRMED.contains(&(proven / self.likely));
            let met = self.rate_after(used.saturating_sub(LAG)).max(proven);
            proven.powf(1.0 - DOUBT) * met.powf(DOUBT)
        };
        let likely = self.bounded(likely);
        let settled = confirmed && (likely / self.likely - 1.0).abs() < SETTLED;
        self.likely = likely;
        let cost = cost(pause, go, now);
        let (shortest, longest) = (SHORTEST.at(likely, cost), LONGEST.at(likely, cost));
        let interval = match (early, settled) {
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
        self.burst = match burst {
            Some(burst) => burst,
            None if self.interval >= longest => (self.burst * BURST_GROWTH).min(self.burst_max),
            None => self.burst,
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

    /// How many at once are not too many, if so many went at once that what was saved up explains the refusal, and saving
    /// up less helps.
    fn burst_of(&self, go: Go) -> Option<f64> {
        let Then {
            rate,
            spree,
            within,
            ..
        } = go.then;
        let burst = ((spree - 1.0) * BURST_CUT).max(1.0);
        let at_once = spree > 1.0 && within.as_secs_f64() * rate < 0.5 * spree;
        (at_once && burst < 0.9 * self.capacity()).then_some(burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit that is used to the full until the rate is back to the likely one, and a call let go then.
    fn use_up(limit: &mut Limit, now: &mut Instant, number: u64) -> Go {
        loop {
            match limit.take(*now) {
                Ok(then) if then.used >= limit.interval => {
                    return Go {
                        number,
                        at: *now,
                        then,
                    };
                }
                Ok(_) => {}
                Err(again) => *now = again,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_too_many_at_once_is_tried_again_once_the_rate_is_known() {
        let mut now = Instant::now();
        let pace = Pace {
            per_second: 8.0,
            at_once: 4.0,
        };
        let mut limit = Limit::documented(pace, now);
        let refuse = |limit: &mut Limit, go: Go, now: Instant| {
            limit.refuse(go, go.number, Some(Duration::from_secs(1)), now);
        };
        let goes = [1, 2].map(|number| Go {
            number,
            at: now,
            then: limit.take(now).unwrap(),
        });
        refuse(&mut limit, goes[1], now);
        let capacity = limit.capacity();
        assert!(capacity < 1.1, "two at once were too many: {capacity}");
        let mut number = 2;
        for _ in 0..12 {
            // As many calls as the rate says pass before one is refused.
            let go = use_up(&mut limit, &mut now, number);
            number += go.then.used.as_secs() * 8 + 9;
            refuse(&mut limit, Go { number, ..go }, now);
        }
        let capacity = limit.capacity();
        assert!(capacity > 2.0, "still {capacity} at once");
    }
}

//! How long to wait before looking again. Pure: randomness is an argument.

use std::time::Duration;

/// How soon to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Something passing: exponential, with full jitter.
    Backoff,
    /// Somebody has to act; look slowly, in case they acted where no event tells us.
    Slow,
    /// The platform said how long.
    After(Duration),
    /// A creation is being settled: soon, then ever more rarely, and for certain once this much has passed.
    Settle(Duration),
    /// AEP works on it; look as often as is useful.
    Poll,
}

/// The bounds, from the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Shortest backoff.
    pub min: Duration,
    /// Longest backoff.
    pub max: Duration,
    /// Between two looks at something that somebody has to mend.
    pub slow: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(1),
            max: Duration::from_mins(2),
            slow: Duration::from_mins(5),
        }
    }
}

/// Seconds between looks at a flow that is being set up. The tutorial's flow took six seconds, so the
/// first look (right after the creation, for platforms that are done at once) is followed by looks
/// that meet those six seconds closely, and then by ever rarer ones.
const POLLS: [f64; 10] = [3.0, 2.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0];

/// How long to wait before attempt `attempt` (counted from 0) of this pace; `random` is in `0..1`.
pub fn delay(pace: Pace, attempt: u32, bounds: &Bounds, random: f64) -> Duration {
    match pace {
        Pace::Backoff => {
            let ceiling = bounds
                .min
                .saturating_mul(2u32.saturating_pow(attempt.min(16) + 1))
                .min(bounds.max);
            bounds.min.max(ceiling.mul_f64(random))
        }
        Pace::Slow => bounds.slow.mul_f64(0.9 + 0.2 * random),
        // A pause of nothing (or one that has passed) is no leave to hurry.
        Pace::After(pause) => pause.max(delay(Pace::Backoff, attempt, bounds, random)),
        Pace::Settle(rest) => {
            delay(Pace::Backoff, attempt, bounds, random).min(rest.max(bounds.min))
        }
        Pace::Poll => {
            let index = usize::try_from(attempt)
                .unwrap_or(usize::MAX)
                .min(POLLS.len() - 1);
            Duration::from_secs_f64(POLLS[index])
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_inlet_after_six_seconds_is_seen_within_two_more_and_eight_calls() {
        let bounds = Bounds::default();
        let (mut at, mut looks) = (Duration::ZERO, 1);
        while at < Duration::from_secs(6) {
            at += delay(Pace::Poll, looks - 1, &bounds, 0.5);
            looks += 1;
        }
        assert!(at <= Duration::from_secs(8), "{at:?}");
        let creations = 4;
        assert!(creations + looks <= 8, "{looks} looks");
    }

    proptest! {
        #[test]
        fn no_pace_is_a_hot_loop(attempt in 0u32..1000, random in 0.0f64..1.0) {
            let bounds = Bounds::default();
            for pace in [Pace::Backoff, Pace::Slow, Pace::Poll, Pace::After(Duration::ZERO)] {
                prop_assert!(delay(pace, attempt, &bounds, random) >= Duration::from_secs(1));
            }
            prop_assert!(delay(Pace::Backoff, attempt, &bounds, random) <= bounds.max);
            let asked = Duration::from_secs(30);
            prop_assert!(delay(Pace::After(asked), attempt, &bounds, random) >= asked);
        }
    }
}

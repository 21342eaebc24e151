//! The rate against platforms that keep theirs to themselves.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// A platform: a token bucket that nobody sees into.
#[derive(Clone, Copy)]
struct Hidden {
    rate: f64,
    size: f64,
    retry_after: Option<Duration>,
    level: f64,
    at: Duration,
    whims: Whims,
}

/// Calls refused for no reason that the caller could know, such as what others of the organization do.
#[derive(Clone, Copy, Default)]
struct Whims {
    left: u32,
    chance: f64,
    dice: u64,
}

impl Whims {
    fn strike(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        let roll = f64::from(u32::try_from(self.dice >> 32).unwrap()) / f64::from(u32::MAX);
        let strikes = roll < self.chance;
        self.left -= u32::from(strikes);
        strikes
    }
}

impl Hidden {
    fn new(rate: f64, seconds: f64, retry_after: Option<u64>) -> Self {
        let size = (rate * seconds).max(1.0);
        Self {
            rate,
            size,
            retry_after: retry_after.map(Duration::from_secs),
            level: size,
            at: Duration::ZERO,
            whims: Whims::default(),
        }
    }

    fn take(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.at).as_secs_f64() * self.rate;
        self.level = (self.level + gained).min(self.size);
        self.at = self.at.max(now);
        let fits = self.level >= 1.0 && !self.whims.strike();
        self.level -= f64::from(u8::from(fits));
        fits
    }
}

#[test]
fn a_documented_limit_is_kept_in_any_second_from_the_first_call_on() {
    let origin = Instant::now();
    let pace = Pace {
        per_second: 8.0,
        at_once: 2.0,
    };
    let mut rate = Rate::documented(pace, origin);
    let mut gone: Vec<Duration> = Vec::new();
    // Busy for a minute, with rests that save calls up; nothing is ever refused.
    for millisecond in 0..60_000 {
        let now = Duration::from_millis(millisecond);
        let resting = millisecond % 7_000 < 2_500 && millisecond > 7_000;
        while !resting && let Ok(go) = rate.take(origin + now) {
            rate.passed(go);
            gone.push(now);
        }
    }
    let second = Duration::from_secs(1);
    for (first, at) in gone.iter().enumerate() {
        let within = gone[first..].iter().take_while(|it| **it < *at + second);
        assert!(within.count() <= 10, "from {at:?}");
    }
    assert!(
        gone[1] == Duration::ZERO && gone.len() > 300,
        "{}",
        gone.len()
    );
}

#[test]
fn a_documented_limit_gives_way_to_what_is_refused_and_comes_back() {
    let origin = Instant::now();
    let pace = Pace {
        per_second: 8.0,
        at_once: 2.0,
    };
    let mut rate = Rate::documented(pace, origin);
    let go = rate.take(origin).unwrap();
    let wait = Duration::from_secs(5);
    assert!(rate.refused(go, Some(wait), origin));
    assert_eq!(rate.take(origin).unwrap_err(), origin + wait);
    assert!(rate.allowed().unwrap() < 7.0);
    let mut passed = 0;
    for millisecond in 5_000..600_000 {
        if let Ok(go) = rate.take(origin + Duration::from_millis(millisecond)) {
            rate.passed(go);
            passed += 1;
        }
    }
    assert!(passed > 3_000, "{passed}");
    let allowed = rate.allowed().unwrap();
    assert!((7.9..=8.0).contains(&allowed), "{allowed}");
}

#[derive(Default, Debug)]
struct Outcome {
    calls: u32,
    passed: u32,
    late_calls: u32,
    late_refusals: u32,
    lasted: Duration,
    early: bool,
}

/// Callers that always have another call to make, until `calls` passed.
struct Load {
    platform: Hidden,
    calls: u32,
    in_flight: usize,
    latency: Duration,
    /// From then on the platform allows this many times its rate.
    turn: Option<(Duration, f64)>,
}

impl Load {
    fn run(&self) -> Outcome {
        let origin = Instant::now();
        let mut platform = self.platform;
        let mut turn = self.turn;
        let mut rate = Rate::default();
        let mut replies: BinaryHeap<Reverse<(Duration, u64, bool)>> = BinaryHeap::new();
        let mut out = Outcome::default();
        let mut gone = std::collections::HashMap::new();
        let (mut now, mut paused) = (Duration::ZERO, Duration::ZERO);
        while out.passed < self.calls {
            assert!(
                now < Duration::from_secs(100_000),
                "it stopped for ever: {out:?}"
            );
            let mut next = None;
            while replies.len() < self.in_flight {
                match rate.take(origin + now) {
                    Ok(go) => {
                        gone.insert(go.number, go);
                        out.early |= now < paused;
                        let arrives = now + self.latency / 2;
                        if let Some((at, times)) = turn
                            && arrives >= at
                        {
                            platform.rate *= times;
                            platform.size = (platform.size * times).max(1.0);
                            turn = None;
                        }
                        let fits = platform.take(arrives);
                        replies.push(Reverse((now + self.latency, go.number, fits)));
                    }
                    Err(at) => {
                        next = Some(at - origin);
                        break;
                    }
                }
            }
            let reply = replies.peek().map(|Reverse((at, ..))| *at);
            now = match (next, reply) {
                (Some(next), Some(reply)) => next.min(reply),
                (one, other) => one.or(other).unwrap(),
            };
            while let Some(Reverse((at, sent, fits))) = replies.peek().copied()
                && at <= now
            {
                replies.pop();
                out.calls += 1;
                let late = u32::from(now > Duration::from_secs(10));
                out.late_calls += late;
                if fits {
                    out.passed += 1;
                    rate.passed(gone[&sent]);
                } else {
                    out.late_refusals += late;
                    rate.refused(gone[&sent], self.platform.retry_after, origin + now);
                    paused = paused.max(now + self.platform.retry_after.unwrap_or_default());
                }
            }
        }
        out.lasted = now;
        out
    }
}

#[tokio::test(start_paused = true)]
async fn most_of_an_unknown_rate_is_used_and_hardly_a_call_refused() {
    for (rate, calls) in [(10.0, 2500), (20.0, 5000), (50.0, 5000), (200.0, 20_000)] {
        for retry_after in [None, Some(1)] {
            // The same throughout, and halved midway.
            for times in [1.0, 0.5] {
                let half = f64::from(calls) / rate / 2.0;
                let load = Load {
                    platform: Hidden::new(rate, 1.0, retry_after),
                    calls,
                    in_flight: 64,
                    latency: Duration::from_millis(100),
                    turn: Some((Duration::from_secs_f64(half), times)),
                };
                let out = load.run();
                let what = format!("{rate}/s, then {times} of it, {retry_after:?}: {out:?}");
                let ideal = half + half / times;
                assert!(out.lasted.as_secs_f64() < 1.10 * ideal, "{what}");
                let share = f64::from(out.late_refusals) / f64::from(out.late_calls);
                assert!(share < 0.0125, "{what}");
                assert!(!out.early, "a call before Retry-After: {what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_the_platforms_bucket_holds_it_neither_hammers_nor_crawls() {
    for rate in [2.0, 10.0, 50.0, 200.0] {
        for seconds in [0.01, 0.2, 5.0] {
            for (retry_after, price) in [(None, 25.0), (Some(1), 31.0), (Some(5), 55.0)] {
                let calls = 3000;
                let load = Load {
                    platform: Hidden::new(rate, seconds, retry_after),
                    calls,
                    in_flight: 64,
                    latency: Duration::from_millis(100),
                    turn: None,
                };
                let out = load.run();
                let what = format!("{rate}/s, {seconds} s in the bucket, {retry_after:?}: {out:?}");
                // A long pause for each refusal, or a start far from the truth, has its price on a short run.
                let ideal = f64::from(calls) / rate;
                assert!(out.lasted.as_secs_f64() < 1.2 * ideal + price, "{what}");
                assert!(
                    f64::from(out.late_refusals) < 0.03 * f64::from(out.calls),
                    "{what}"
                );
            }
        }
    }
}

fn whole(number: f64) -> u32 {
    (0..u32::MAX).find(|it| f64::from(*it) >= number).unwrap()
}

/// Rate, seconds in the bucket, Retry-After, milliseconds a call, from second .. on times so much; then at most so many times
/// the time that the rate allows, and so many of a hundred calls refused.
type Hardship = (f64, f64, Option<u64>, u64, (u32, f64), f64, f64);

#[tokio::test(start_paused = true)]
async fn long_pauses_slow_answers_and_deep_cuts_are_lived_with() {
    let rows: [Hardship; 9] = [
        // What is in flight at first alone is five of a hundred.
        (1.0, 1.0, Some(1), 100, (0, 1.0), 1.12, 8.0),
        (1.0, 1.0, Some(30), 100, (0, 1.0), 1.5, 8.0),
        (1.0, 1.0, Some(60), 100, (0, 1.0), 1.8, 8.0),
        (2.0, 1.0, Some(1), 3_000, (0, 1.0), 1.15, 13.0),
        (20.0, 1.0, Some(1), 3_000, (0, 1.0), 1.1, 1.0),
        (50.0, 1.0, None, 100, (40, 0.1), 1.1, 2.0),
        (50.0, 1.0, Some(30), 100, (40, 0.1), 1.7, 1.0),
        (50.0, 1.0, Some(60), 100, (40, 0.1), 1.9, 1.0),
        (5.0, 1.0, Some(1), 100, (300, 10.0), 1.25, 0.5),
    ];
    for row in rows {
        let (rate, seconds, retry_after, millis, (at, times), longest, most) = row;
        // Twenty minutes of what it allows.
        let calls = rate * (f64::from(at) + times * f64::from(1200 - at));
        let load = Load {
            platform: Hidden::new(rate, seconds, retry_after),
            calls: whole(calls),
            in_flight: 64,
            latency: Duration::from_millis(millis),
            turn: Some((Duration::from_secs(at.into()), times)),
        };
        let out = load.run();
        let share = 100.0 * f64::from(out.calls - out.passed) / f64::from(out.calls);
        let ratio = out.lasted.as_secs_f64() / 1200.0;
        let what = format!("{row:?}: {ratio:.3} of the time, {share:.2} % refused");
        assert!(ratio < longest && share < most, "{what}");
        assert!(!out.early, "a call before Retry-After: {what}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_let_go_and_not_made_say_nothing_about_the_platform() {
    let mut platform = Hidden::new(4.0, 1.0, Some(1));
    let mut rate = Rate::default();
    let origin = Instant::now();
    let (mut held, mut refused) = (Vec::new(), 0);
    for millisecond in 0..7_200_000 {
        let now = Duration::from_millis(millisecond);
        // Two seconds of calls, then somebody collects what is let go for five seconds and needs none of it.
        let made = millisecond % 7_000 < 2_000;
        if made {
            for go in held.drain(..) {
                rate.give_back(go, origin + now);
            }
        }
        if millisecond % 10 == 0
            && let Ok(go) = rate.take(origin + now)
        {
            if !made {
                held.push(go);
            } else if platform.take(now) {
                rate.passed(go);
            } else {
                refused += 1;
                rate.refused(go, platform.retry_after, origin + now);
            }
        }
    }
    let allowed = rate.allowed().unwrap();
    let what = format!("{allowed} calls a second, {refused} refused");
    assert!((3.0..6.0).contains(&allowed) && refused < 60, "{what}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_however_many_calls_were_given_back_before_it() {
    let mut rate = Rate::default();
    let origin = Instant::now();
    let mut gone: Vec<Go> = (0..30).map_while(|_| rate.take(origin).ok()).collect();
    let held = gone.split_off(10);
    assert!(rate.refused(gone[9], None, origin));
    // What is held was let go by a platform that has had enough since.
    for go in held {
        assert!(rate.is_void(go, origin));
        rate.give_back(go, origin);
    }
    let later = origin + Duration::from_secs(2);
    let before = rate.allowed().unwrap();
    let go = rate.take(later).unwrap();
    assert!(!rate.is_void(go, later));
    assert!(rate.refused(go, None, later), "the first after the pause");
    assert!(rate.allowed().unwrap() < before);
    assert!(rate.paused(later).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_is_raised_is_followed() {
    let load = Load {
        platform: Hidden::new(20.0, 1.0, Some(1)),
        calls: 8000,
        in_flight: 64,
        latency: Duration::from_millis(100),
        turn: Some((Duration::from_secs(100), 3.0)),
    };
    let out = load.run();
    let ideal = 100.0 + 6000.0 / 60.0;
    assert!(out.lasted.as_secs_f64() < 1.3 * ideal, "{out:?}");
}

#[tokio::test(start_paused = true)]
async fn a_few_refusals_out_of_the_blue_are_soon_made_up_for() {
    // A platform with room for all that comes refuses ten of the first calls, about every twelfth one.
    let lasted = |seed: u64| {
        let mut platform = Hidden::new(1e6, 1.0, Some(1));
        platform.whims = Whims {
            left: 10,
            chance: 1.0 / 12.0,
            dice: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        };
        let load = Load {
            platform,
            calls: 2500,
            in_flight: 8,
            latency: Duration::from_millis(20),
            turn: None,
        };
        load.run().lasted.as_secs()
    };
    let mut all: Vec<u64> = (1..=200).map(lasted).collect();
    all.sort_unstable();
    let (median, most) = (all[100], all[190]);
    assert!(median < 35 && most < 60, "{median} s, {most} s of 19 in 20");
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_nothing_is_no_leave_to_hurry() {
    let mut rate = Rate::default();
    let mut now = Instant::now();
    let start = now;
    let mut asked = 0;
    while now < start + Duration::from_hours(1) {
        match rate.take(now) {
            Ok(go) => {
                asked += 1;
                rate.refused(go, Some(Duration::ZERO), now);
            }
            Err(at) => now = at,
        }
    }
    assert!(asked < 200, "{asked} calls in an hour");
}

#[tokio::test(start_paused = true)]
async fn without_a_refusal_nothing_waits() {
    let mut rate = Rate::default();
    let now = Instant::now();
    assert!((0..10_000).all(|_| rate.take(now).is_ok()));
    assert_eq!(rate.allowed(), None);
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_refuses_all_is_asked_ever_more_rarely_but_for_ever() {
    let mut rate = Rate::default();
    let mut now = Instant::now();
    let start = now;
    let mut asked = Vec::new();
    while now < start + Duration::from_hours(1) {
        match rate.take(now) {
            Ok(go) => {
                asked.push(now);
                rate.refused(go, None, now);
            }
            Err(at) => now = at,
        }
    }
    assert!(
        (60..=160).contains(&asked.len()),
        "{} calls in an hour",
        asked.len()
    );
    let last = asked.windows(2).last().unwrap();
    assert!(
        last[1] - last[0] < Duration::from_mins(1),
        "{:?}",
        last[1] - last[0]
    );
}

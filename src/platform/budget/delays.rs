//! Delays: since when each name has been told to come later, until a call of it gets through or it needs none.
//!
//! A turn alone ends no wait: a pause may take it, and a resource may be held up so long that it passes. But whoever waits
//! asks again, so one that has not asked for [`FORGOTTEN`] waits no longer, and nothing is kept of it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Twice as long as anybody who waits goes without asking.
const FORGOTTEN: Duration = Duration::from_mins(10);

#[derive(Debug, Default)]
pub(super) struct Delays {
    since: BTreeMap<String, Delay>,
    /// When those that are forgotten were last taken out.
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Delay {
    first: Instant,
    last: Instant,
}

impl Delays {
    /// `name` is told to come later; how long it has waited by now.
    pub(super) fn told(&mut self, name: &str, now: Instant) -> Duration {
        let is_forgotten = |last: Instant| now.saturating_duration_since(last) >= FORGOTTEN;
        if self.swept.is_none_or(is_forgotten) {
            self.swept = Some(now);
            self.since.retain(|_, delay| !is_forgotten(delay.last));
        }
        let first_time = Delay {
            first: now,
            last: now,
        };
        let delay = self.since.entry(name.to_owned()).or_insert(first_time);
        if is_forgotten(delay.last) {
            delay.first = now;
        }
        delay.last = now;
        now.saturating_duration_since(delay.first)
    }

    /// `name` waits no longer.
    pub(super) fn over(&mut self, name: &str) {
        self.since.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_goes_on_while_it_is_asked_about_and_is_forgotten_after() {
        let (mut delays, start) = (Delays::default(), Instant::now());
        let minutes = |minutes| start + Duration::from_mins(minutes);
        let mut told = |name, at| delays.told(name, minutes(at)).as_secs() / 60;
        let asked = [0, 5, 10, 15, 20].map(|at| told("a", at));
        assert_eq!(asked, [0, 5, 10, 15, 20]);
        assert_eq!(told("a", 30), 0, "it has not asked for ten minutes");
        assert_eq!([told("b", 50), told("b", 55)], [0, 5]);
        assert_eq!(delays.since.len(), 1, "nothing is kept of who does not ask");
        delays.over("b");
        assert_eq!(delays.told("b", minutes(56)), Duration::ZERO);
    }
}

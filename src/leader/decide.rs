//! Whose turn it is: a pure decision over a lease as it was last read.

use std::time::Duration;

use tokio::time::Instant;

/// What matters of a lease that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who holds it; `None` once it was released.
    pub holder: Option<String>,
    /// How long its holder counts on it after each renewal.
    pub duration: Duration,
}

/// What to do about the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is free: take it.
    Acquire,
    /// It is ours: keep it.
    Renew,
    /// Somebody else holds it, and until then nobody may take it.
    Wait {
        /// When it ends, if its holder does not renew it.
        until: Instant,
    },
}

/// What `me` does at `now` about a lease that was last seen to change at `changed`.
///
/// The times in a lease are another machine's wall clock and are never compared with ours: a holder is
/// judged by how long our own monotonic clock has seen it do nothing. A holder counts from before it sent
/// its renewal and we from after it was stored, so we always wait longer than it acts.
pub fn decide(me: &str, claim: Option<&Claim>, changed: Instant, now: Instant) -> Decision {
    let Some(claim) = claim else {
        return Decision::Acquire;
    };
    match claim.holder.as_deref() {
        None | Some("") => Decision::Acquire,
        Some(holder) if holder == me => Decision::Renew,
        Some(_) => {
            let until = changed + claim.duration;
            if now < until {
                Decision::Wait { until }
            } else {
                Decision::Acquire
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);

    #[tokio::test]
    async fn whose_turn_it_is() {
        let seen = Instant::now();
        let at = |milliseconds| seen + Duration::from_millis(milliseconds);
        let until = at(15_000);
        let held = |holder: &str| {
            Some(Claim {
                holder: Some(holder.to_owned()),
                duration: LEASE,
            })
        };
        let released = Some(Claim {
            holder: None,
            duration: Duration::from_secs(1),
        });
        for (what, claim, now, expected) in [
            ("nobody ever held it", None, at(0), Decision::Acquire),
            ("released", released, at(0), Decision::Acquire),
            (
                "released, as Go writes it",
                held(""),
                at(0),
                Decision::Acquire,
            ),
            ("ours", held("me"), at(1), Decision::Renew),
            (
                "ours, long unrenewed",
                held("me"),
                at(60_000),
                Decision::Renew,
            ),
            ("just taken", held("other"), at(0), Decision::Wait { until }),
            (
                "its last moment",
                held("other"),
                at(14_999),
                Decision::Wait { until },
            ),
            ("ended", held("other"), at(15_000), Decision::Acquire),
            ("long ended", held("other"), at(99_000), Decision::Acquire),
        ] {
            assert_eq!(decide("me", claim.as_ref(), seen, now), expected, "{what}");
        }
    }

    #[tokio::test]
    async fn a_holder_is_believed_for_as_long_as_it_said() {
        let seen = Instant::now();
        let claim = Claim {
            holder: Some("other".to_owned()),
            duration: Duration::from_mins(1),
        };
        let now = seen + Duration::from_secs(30);
        let until = seen + Duration::from_mins(1);
        assert_eq!(
            decide("me", Some(&claim), seen, now),
            Decision::Wait { until }
        );
    }
}

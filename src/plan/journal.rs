//! Creations under way: the intent stands in `status.pending` before the call is made.
//!
//! Flow Service knows no idempotency key. After a crash or a lost reply the entry is still there, and
//! the object is looked up by the marker of that attempt. A look-up that finds nothing settles the
//! entry only after the settling time: a slow platform may still be committing.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::resources::status::Pending;

use super::RemoteKind;
use super::marker::Identity;
use super::sighting::{Choice, Sighted, choose};

/// The entry of `kind`, if a creation of it is under way.
pub fn find(pending: &[Pending], kind: RemoteKind) -> Option<&Pending> {
    pending.iter().find(|entry| entry.object == kind.word())
}

/// Writes down that `kind` is about to be created.
pub fn intend(pending: &mut Vec<Pending>, kind: RemoteKind, attempt: i64, now: Timestamp) {
    settle(pending, kind);
    pending.push(Pending {
        object: kind.word().to_owned(),
        attempt,
        since: Time(now),
    });
}

/// Takes the entry out: the object stands, or it is certain that it does not.
pub fn settle(pending: &mut Vec<Pending>, kind: RemoteKind) {
    pending.retain(|entry| entry.object != kind.word());
}

/// What a look-up says about an entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The object stands; `alone` unless another attempt made one too.
    Stands {
        /// The object.
        it: Box<Sighted>,
        /// Whether there is no twin.
        alone: bool,
    },
    /// It was never made and never will be: the next attempt may begin.
    NeverMade,
    /// It may still appear.
    TooEarly,
    /// More than one object carries the resource's marker and is in use.
    Ambiguous {
        /// Their ids.
        ids: Vec<String>,
    },
}

/// Judges a look-up for the entry of `attempt`. `watched` is how long this process had known the entry when the objects
/// were listed, on its own monotonic clock: wall clocks of two machines may differ by more than the settling time.
///
/// What an earlier attempt made late does not settle the entry: the attempt under way may still make another, and
/// nobody would look for that any more.
pub fn judge(
    identity: &Identity,
    found: &[Sighted],
    used: impl Fn(&str) -> bool,
    attempt: i64,
    watched: Duration,
    settle: Duration,
) -> Finding {
    let is_last = |it: &Sighted| it.marker.as_ref().is_some_and(|it| it.attempt == attempt);
    match choose(identity, found, used) {
        Choice::Take(_) if watched < settle && !found.iter().any(is_last) => Finding::TooEarly,
        Choice::Take(it) => Finding::Stands {
            it,
            alone: found.len() == 1,
        },
        Choice::Ambiguous(ids) => Finding::Ambiguous { ids },
        Choice::Nothing if watched >= settle => Finding::NeverMade,
        Choice::Nothing => Finding::TooEarly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sighting::Aspects;

    #[test]
    fn one_entry_per_object() {
        let mut pending = Vec::new();
        let now = Timestamp::UNIX_EPOCH;
        intend(&mut pending, RemoteKind::Flow, 1, now);
        intend(&mut pending, RemoteKind::MappingSet, 1, now);
        intend(&mut pending, RemoteKind::Flow, 2, now);
        assert_eq!(pending.len(), 2);
        assert_eq!(find(&pending, RemoteKind::Flow).unwrap().attempt, 2);
        settle(&mut pending, RemoteKind::Flow);
        assert_eq!(find(&pending, RemoteKind::Flow), None);
    }

    #[test]
    fn nothing_found_settles_only_after_the_settling_time() {
        let me = Identity {
            owner: "o".into(),
            namespace: "n".into(),
            name: "r".into(),
            uid: "u".into(),
        };
        let (second, settle) = (Duration::from_secs(1), Duration::from_mins(2));
        let judged = |found: &[Sighted], watched| judge(&me, found, |_| false, 2, watched, settle);
        assert_eq!(judged(&[], second), Finding::TooEarly);
        assert_eq!(judged(&[], settle), Finding::NeverMade);
        let made = |id: &str, attempt| Sighted {
            kind: RemoteKind::Flow,
            id: id.into(),
            marker: Some(me.marker(RemoteKind::Flow, attempt)),
            uses: Vec::new(),
            aspects: Aspects::default(),
            created_at: 0,
        };
        let (one, two) = (made("a", 1), made("b", 2));
        let stands = |it: &Sighted, alone| Finding::Stands {
            it: Box::new(it.clone()),
            alone,
        };
        assert_eq!(
            judged(std::slice::from_ref(&two), second),
            stands(&two, true)
        );
        let late = std::slice::from_ref(&one);
        assert_eq!(judged(late, second), Finding::TooEarly, "2 may come too");
        assert_eq!(judged(late, settle), stands(&one, true));
        assert_eq!(judged(&[one, two.clone()], second), stands(&two, false));
    }
}

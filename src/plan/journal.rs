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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The object stands under this id.
    Stands {
        /// Its id.
        id: String,
    },
    /// It was never made and never will be: the next attempt may begin.
    NeverMade,
    /// It may still appear.
    TooEarly,
    /// More than one object carries the marker of this attempt.
    Ambiguous {
        /// Their ids.
        ids: Vec<String>,
    },
}

/// Judges a look-up. `watched` is how long this process has known the entry, on its own monotonic
/// clock: wall clocks of two machines may differ by more than the settling time.
pub fn judge(mut ids: Vec<String>, watched: Duration, settle: Duration) -> Finding {
    match ids.len() {
        0 if watched >= settle => Finding::NeverMade,
        0 => Finding::TooEarly,
        1 => Finding::Stands {
            id: ids.swap_remove(0),
        },
        _ => Finding::Ambiguous { ids },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let (second, settle) = (Duration::from_secs(1), Duration::from_mins(2));
        assert_eq!(judge(vec![], second, settle), Finding::TooEarly);
        assert_eq!(judge(vec![], settle, settle), Finding::NeverMade);
        assert_eq!(
            judge(vec!["a".into()], second, settle),
            Finding::Stands { id: "a".into() }
        );
        let two = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            judge(two.clone(), second, settle),
            Finding::Ambiguous { ids: two }
        );
    }
}

//! How long a Secret has to stay: the rule for its finalizer, `aep-operator.dev/in-use`.
//!
//! Remote objects can only be deleted with the credentials they were made with, and whoever deletes a
//! namespace or a folder of manifests deletes the Secret first. While somebody uses it the Secret
//! carries the finalizer, and, once it is being deleted itself, stays
//!
//! - as long as a resource that uses it is being deleted, or its namespace is;
//! - for [`GRACE`] otherwise: `kubectl delete -f` deletes one object after the other, and the next one
//!   may be such a resource. Then it goes: whoever deletes nothing but the Secret means the Secret.

use std::time::Duration;

/// How long a deleted Secret waits for the deletion of a resource that uses it.
pub const GRACE: Duration = Duration::from_secs(10);
/// Between two looks at a Secret that waits for deletions; their end is told anyway.
pub const RECHECK: Duration = Duration::from_secs(10);

/// A Secret as far as the rule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretState {
    /// Whether our finalizer stands.
    pub held: bool,
    /// Since when it is known to be going, if it is being deleted.
    pub going_for: Option<Duration>,
}

/// Who needs a Secret: sources that hold, or may hold, remote objects, and the dataflows on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// Nobody.
    None,
    /// Somebody; no source is being deleted, the dataflows and the namespace were not asked.
    Some,
    /// Somebody, and none of all these is being deleted.
    Staying,
    /// Somebody, of whom some are being deleted, or the whole namespace is.
    Going,
}

/// What becomes of the finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Leave,
    /// Put it on.
    Hold,
    /// Take it off.
    Release,
    /// Ask again with [`Users::Staying`] or [`Users::Going`].
    LookCloser,
    /// It stays for now: look again after this.
    LookAgain(Duration),
}

/// Decides on the finalizer of one Secret. `protect`: whether Secrets are to be protected at all.
pub fn decide(protect: bool, secret: SecretState, users: Users) -> Verdict {
    let needed = protect && users != Users::None;
    match (secret.held, secret.going_for) {
        (false, None) if needed => Verdict::Hold,
        // Kubernetes takes no new finalizer on what is being deleted.
        (true, _) if !needed => Verdict::Release,
        (false, _) | (true, None) => Verdict::Leave,
        (true, Some(_)) if users == Users::Going => Verdict::LookAgain(RECHECK),
        (true, Some(waited)) if waited < GRACE => Verdict::LookAgain(GRACE.saturating_sub(waited)),
        (true, Some(_)) if users == Users::Some => Verdict::LookCloser,
        (true, Some(_)) => Verdict::Release,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn standing(held: bool) -> SecretState {
        SecretState {
            held,
            going_for: None,
        }
    }

    fn going(waited: Duration) -> SecretState {
        SecretState {
            held: true,
            going_for: Some(waited),
        }
    }

    #[test]
    fn it_stands_exactly_while_somebody_uses_the_secret() {
        assert_eq!(decide(true, standing(false), Users::Some), Verdict::Hold);
        assert_eq!(decide(true, standing(true), Users::Some), Verdict::Leave);
        assert_eq!(decide(true, standing(true), Users::None), Verdict::Release);
        assert_eq!(decide(true, standing(false), Users::None), Verdict::Leave);
    }

    #[test]
    fn a_secret_deleted_alone_goes_after_the_grace() {
        let early = decide(true, going(SECOND), Users::Some);
        assert_eq!(early, Verdict::LookAgain(Duration::from_secs(9)));
        assert_eq!(
            decide(true, going(GRACE), Users::Some),
            Verdict::LookCloser,
            "a dataflow may be going"
        );
        assert_eq!(decide(true, going(GRACE), Users::Staying), Verdict::Release);
    }

    #[test]
    fn a_deleted_secret_stays_until_the_deletions_that_need_it_have_ended() {
        for waited in [SECOND, GRACE, GRACE * 1000] {
            let verdict = decide(true, going(waited), Users::Going);
            assert_eq!(verdict, Verdict::LookAgain(RECHECK), "{waited:?}");
            assert_eq!(decide(true, going(waited), Users::None), Verdict::Release);
        }
    }

    #[test]
    fn switched_off_it_is_taken_off_everywhere_and_put_on_nowhere() {
        for users in [Users::None, Users::Some, Users::Staying, Users::Going] {
            assert_eq!(decide(false, standing(false), users), Verdict::Leave);
            assert_eq!(decide(false, standing(true), users), Verdict::Release);
            assert_eq!(decide(false, going(SECOND), users), Verdict::Release);
        }
    }

    #[test]
    fn a_secret_that_goes_without_our_finalizer_is_let_alone() {
        let secret = SecretState {
            held: false,
            going_for: Some(SECOND),
        };
        assert_eq!(decide(true, secret, Users::Some), Verdict::Leave);
    }
}

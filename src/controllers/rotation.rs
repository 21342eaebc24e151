//! Which credentials of each Secret worked last: what tells a rotated Secret from one that is as it was.
//!
//! New credentials are tried even if nothing else needs a call, so a wrong one shows at once. What this
//! process sees first of a Secret is only remembered: a restart costs no call. Until new credentials are
//! accepted, the token of the old ones stays for what is shared.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::plan::Failure;
use crate::platform::Fingerprint;
use crate::resources::conditions::{READY, Reason, find};

use super::context::Context;
use super::credentials::Access;
use super::managed::ManagedStatus;
use crate::work::Key;

/// Per Secret, the credentials that worked last or were seen first.
#[derive(Debug, Default)]
pub struct Rotations {
    known: Mutex<BTreeMap<Key, Fingerprint>>,
}

impl Rotations {
    /// Whether `secret` holds other credentials than those that worked last.
    fn is_rotated(&self, secret: &Key, now: Fingerprint) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(secret.clone()).or_insert(now) != now
    }

    /// The credentials in `secret` work. Those that no Secret holds any more, if there are such.
    fn accepted(&self, secret: &Key, now: Fingerprint) -> Option<Fingerprint> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(secret.clone(), now)?;
        (!known.values().any(|other| *other == before)).then_some(before)
    }
}

/// Tries credentials that are new, or that this resource says were refused; why not to go on with them.
pub(super) async fn check<S: ManagedStatus>(
    context: &Context,
    namespace: &str,
    status: &mut S,
    access: &Access,
) -> Option<Failure> {
    let secret = Key::new(namespace, &access.scope.secret);
    let fingerprint = access.credentials.fingerprint();
    let refused = find(status.common().conditions, READY)
        .is_some_and(|ready| ready.reason == Reason::CredentialsRejected.as_str());
    if !context.rotations.is_rotated(&secret, fingerprint) && !refused {
        return None;
    }
    if let Err(error) = context.platform.authenticate(&access.credentials).await {
        return Some(Failure::from_call(
            &error,
            "get an access token",
            &access.scope,
        ));
    }
    if let Some(old) = context.rotations.accepted(&secret, fingerprint) {
        context.platform.forget(&old);
    }
    None
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use crate::platform::Credentials;

    use super::*;

    fn fingerprint(secret: &str) -> Fingerprint {
        let credentials = Credentials {
            client_id: "id".into(),
            client_secret: SecretString::from(secret.to_owned()),
            organization_id: "A@AdobeOrg".into(),
            scopes: None,
        };
        credentials.fingerprint()
    }

    #[test]
    fn what_differs_from_what_worked_last_is_tried_until_it_works() {
        let rotations = Rotations::default();
        let secret = Key::new("n", "creds");
        let (old, new) = (fingerprint("old"), fingerprint("new"));
        assert!(!rotations.is_rotated(&secret, old), "seen first");
        assert!(rotations.is_rotated(&secret, new));
        assert!(rotations.is_rotated(&secret, new), "not accepted yet");
        assert!(!rotations.is_rotated(&secret, old), "put back");
        assert_eq!(rotations.accepted(&secret, new), Some(old));
        assert!(!rotations.is_rotated(&secret, new));
        assert_eq!(rotations.accepted(&secret, new), None);
    }

    #[test]
    fn credentials_that_another_secret_holds_keep_their_token() {
        let rotations = Rotations::default();
        let (one, two) = (Key::new("n", "one"), Key::new("n", "two"));
        let (old, new) = (fingerprint("old"), fingerprint("new"));
        assert!(!rotations.is_rotated(&one, old) && !rotations.is_rotated(&two, old));
        assert_eq!(rotations.accepted(&one, new), None);
        assert_eq!(rotations.accepted(&two, new), Some(old));
    }
}

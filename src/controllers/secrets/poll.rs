//! Looks at Secrets by name, every drift interval, where they are not watched.
//!
//! Whoever names a Secret that is not as it was is woken, as a watch would have it, only later. One that is seen for the
//! first time may have changed since it was read, so its users look again, once.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{Api, PartialObjectMeta};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::controllers::context::Context;
use crate::controllers::dependencies::Dependency;
use crate::controllers::record::{RecordError, within};
use crate::work::Key;

/// What was seen last of each Secret: its uid and version, or that it is not there.
#[derive(Debug, Default)]
struct Seen {
    versions: BTreeMap<Key, Option<(String, String)>>,
}

impl Seen {
    /// Whether its users have to look: it is new here, or not as it was.
    fn is_news(&mut self, key: &Key, secret: Option<&PartialObjectMeta<Secret>>) -> bool {
        let version = secret.map(|it| {
            let (uid, version) = (it.uid(), it.resource_version());
            (uid.unwrap_or_default(), version.unwrap_or_default())
        });
        let before = self.versions.insert(key.clone(), version.clone());
        before != Some(version)
    }

    /// Forgets all but these.
    fn keep(&mut self, keys: &BTreeSet<Key>) {
        self.versions.retain(|key, _| keys.contains(key));
    }
}

/// Looks until `stop`.
pub async fn run(context: &Context, stop: &CancellationToken) {
    let mut seen = Seen::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(context.settings.drift_interval) => {}
        }
        let keys = context.named_secrets();
        seen.keep(&keys);
        for key in keys {
            if stop.is_cancelled() {
                return;
            }
            if let Err(error) = look(context, &mut seen, &key).await {
                let (namespace, name) = key.parts();
                warn!(namespace, name, %error, "cannot look at a Secret; it is tried again");
            }
        }
    }
}

async fn look(context: &Context, seen: &mut Seen, key: &Key) -> Result<(), RecordError> {
    let api: Api<PartialObjectMeta<Secret>> =
        Api::namespaced(context.client.clone(), key.namespace());
    let secret = within(api.get_opt(key.name())).await?;
    let named = Dependency::Secret(key.clone());
    if let Some(secret) = &secret {
        context.secrets.saw(secret, context.is_named(&named));
    }
    if seen.is_news(key, secret.as_ref()) {
        for side in context.sides() {
            for user in side.dependencies.dependents(&named) {
                side.wake(user);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kube::core::PartialObjectMetaExt as _;
    use kube::core::metadata::ObjectMeta;

    use super::*;

    fn secret(uid: &str, version: &str) -> PartialObjectMeta<Secret> {
        ObjectMeta {
            uid: Some(uid.to_owned()),
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        }
        .into_response_partial()
    }

    #[test]
    fn news_is_what_is_not_as_it_was_seen_last() {
        let (mut seen, key) = (Seen::default(), Key::new("n", "a"));
        let mut news =
            |secret: Option<PartialObjectMeta<Secret>>| seen.is_news(&key, secret.as_ref());
        assert!(news(None), "somebody may have read it before it went");
        assert!(!news(None));
        assert!(news(Some(secret("u1", "1"))));
        assert!(!news(Some(secret("u1", "1"))));
        assert!(news(Some(secret("u1", "2"))));
        assert!(news(Some(secret("u2", "2"))));
        assert!(news(None));
    }

    #[test]
    fn one_that_nobody_named_for_a_while_is_new_again() {
        let mut seen = Seen::default();
        let (a, b) = (Key::new("n", "a"), Key::new("n", "b"));
        for key in [&a, &b] {
            seen.is_news(key, Some(&secret("u", "1")));
        }
        seen.keep(&[a.clone()].into());
        assert!(!seen.is_news(&a, Some(&secret("u", "1"))));
        assert!(seen.is_news(&b, Some(&secret("u", "1"))));
    }
}

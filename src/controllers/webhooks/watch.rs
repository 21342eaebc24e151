//! Looks for webhooks that were changed elsewhere, with one listing a workspace for all dataflows that have one
//! there. A dataflow that differs, or to whose flow a second webhook sends, is woken; it reads and decides itself.

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::plan::RemoteKind;
use crate::platform::ApiError;

use super::super::context::{Context, Suspicion};
use super::super::rounds::Rounds;
use super::{Listing, WorkspaceAccess};
use crate::work::Key;

/// A webhook that stands as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Uid of its dataflow.
    pub uid: String,
    /// Its id.
    pub id: String,
    /// Digest of its settings.
    pub settings: u64,
    /// Digest of its endpoint.
    pub endpoint: u64,
    /// Since when it stands so: older listings say nothing about it.
    pub since: Instant,
}

impl Entry {
    fn differs(&self, listing: &Listing) -> bool {
        let stands = listing
            .get(&self.id)
            .is_some_and(|hook| hook.settings.digest() == self.settings);
        !stands || listing.count(self.endpoint) > 1
    }
}

/// What is watched, by workspace.
#[derive(Debug, Default)]
pub struct Watch {
    rounds: Rounds<String, Key, Entry, WorkspaceAccess>,
}

impl Watch {
    /// From now on the webhook of the dataflow `key` should look like `entry`.
    pub fn register(&self, access: &WorkspaceAccess, key: &Key, entry: Entry) {
        let (mark, first) = (access.mark.clone(), || access.clone());
        self.rounds.enter(mark, key.clone(), first, |home, key| {
            home.entries.insert(key, Box::new(entry));
        });
    }

    /// The dataflow is gone, or its webhook does not stand as written any more.
    pub fn forget(&self, key: &Key) {
        self.rounds.forget(key);
    }

    fn look(&self, mark: &str) -> Option<(WorkspaceAccess, Vec<(Key, Entry)>)> {
        let homes = self.rounds.homes();
        let home = homes.get(mark)?;
        let entries = home.entries.iter();
        let entries = entries.map(|(key, entry)| (key.clone(), (**entry).clone()));
        Some((home.of.clone(), entries.collect()))
    }
}

/// Checks every workspace when it is due, until `stop`.
pub async fn run(context: Arc<Context>, random: &Mutex<StdRng>, stop: CancellationToken) {
    let look = |mark: String| {
        let context = Arc::clone(&context);
        async move { check(&context, &mark).await }
    };
    let failed = |_: &String, why: String| {
        warn!(
            why,
            "changed webhooks were not looked for; it is tried again"
        );
    };
    let interval = context.settings.drift_interval;
    let rounds = &context.webhooks.watch.rounds;
    rounds.run(interval, random, stop, look, failed).await;
}

/// One check: lists, compares, wakes.
async fn check(context: &Context, mark: &str) -> Result<(), ApiError> {
    let Some((access, _)) = context.webhooks.watch.look(mark) else {
        return Ok(());
    };
    let (begun, listing) = access
        .board
        .ensure(&access.workspace, Instant::now())
        .await?;
    let Some((_, entries)) = context.webhooks.watch.look(mark) else {
        return Ok(());
    };
    let mut found = 0;
    for (key, entry) in entries {
        if entry.since < begun && entry.differs(&listing) {
            found += 1;
            let suspicion = Suspicion {
                read: [RemoteKind::Subscription].into(),
                ..Suspicion::default()
            };
            context.suspicions.add(&entry.uid, &suspicion);
            context.dataflows.wake(key);
        }
    }
    debug!(found, "looked for changed webhooks");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_that_is_gone_changed_or_not_alone_is_looked_at() {
        let hook = |id: u64, name: &str| {
            serde_json::from_value::<crate::customer_io::Webhook>(serde_json::json!({
                "id": id, "endpoint": "https://h/a", "name": name, "events": ["email_sent"],
            }))
            .unwrap()
        };
        let wanted = hook(1, "n").settings;
        let entry = Entry {
            uid: "u".into(),
            id: "1".into(),
            settings: wanted.digest(),
            endpoint: wanted.endpoint.digest(),
            since: Instant::now(),
        };
        let differs = |hooks| entry.differs(&Listing::of(hooks));
        assert!(!differs(vec![hook(1, "n")]));
        assert!(differs(vec![hook(1, "renamed")]), "changed");
        assert!(differs(vec![hook(2, "n")]), "gone");
        assert!(differs(vec![hook(1, "n"), hook(2, "other")]), "not alone");
    }
}

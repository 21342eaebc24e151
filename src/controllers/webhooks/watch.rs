//! Looks for webhooks that were changed elsewhere, with one listing a workspace for all dataflows that have one
//! there. A dataflow that differs, or to whose flow a second webhook sends, is woken; it reads and decides itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::plan::RemoteKind;
use crate::platform::ApiError;

use super::super::context::{Context, Suspicion};
use super::super::dependencies::Key;
use super::{Listing, WorkspaceAccess};

/// A check that failed is tried again after this, if the interval is longer.
const AGAIN: Duration = Duration::from_mins(1);

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

/// What is watched.
#[derive(Debug, Default)]
pub struct Watch {
    workspaces: Mutex<BTreeMap<String, Watched>>,
    changed: Notify,
}

#[derive(Debug)]
struct Watched {
    access: WorkspaceAccess,
    /// When the next check is due; not set until the loop has seen the workspace.
    next: Option<Instant>,
    entries: BTreeMap<Key, Entry>,
}

impl Watch {
    /// From now on the webhook of the dataflow `key` should look like `entry`.
    pub fn register(&self, access: &WorkspaceAccess, key: &Key, entry: Entry) {
        let mut all = self.lock();
        for (_, other) in all.iter_mut().filter(|(mark, _)| **mark != access.mark) {
            other.entries.remove(key);
        }
        let home = all.entry(access.mark.clone()).or_insert_with(|| {
            self.changed.notify_one();
            Watched {
                access: access.clone(),
                next: None,
                entries: BTreeMap::new(),
            }
        });
        home.entries.insert(key.clone(), entry);
    }

    /// The dataflow is gone, or its webhook does not stand as written any more.
    pub fn forget(&self, key: &Key) {
        self.lock().retain(|_, watched| {
            watched.entries.remove(key);
            !watched.entries.is_empty()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Watched>> {
        self.workspaces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The workspaces that are due, each with its next check set; and when the next one is due.
    fn due(&self, interval: Duration, random: &mut StdRng) -> (Vec<String>, Option<Instant>) {
        let now = Instant::now();
        let mut all = self.lock();
        let mut due = Vec::new();
        for (mark, watched) in all.iter_mut() {
            // The first check comes in the second half of an interval: restarts do not march in step.
            let first = interval.mul_f64(0.5 + 0.5 * random.random::<f64>());
            let next = *watched.next.get_or_insert(now + first);
            if next <= now {
                watched.next = Some(now + interval.mul_f64(0.9 + 0.2 * random.random::<f64>()));
                due.push(mark.clone());
            }
        }
        let next = all.values().filter_map(|watched| watched.next).min();
        (due, next)
    }

    fn again(&self, mark: &str, pause: Duration) {
        if let Some(watched) = self.lock().get_mut(mark) {
            let soon = Instant::now() + pause;
            watched.next = Some(watched.next.map_or(soon, |next| next.min(soon)));
        }
    }

    fn look(&self, mark: &str) -> Option<(WorkspaceAccess, Vec<(Key, Entry)>)> {
        let all = self.lock();
        let watched = all.get(mark)?;
        let entries = watched.entries.iter();
        let entries = entries.map(|(key, entry)| (key.clone(), entry.clone()));
        Some((watched.access.clone(), entries.collect()))
    }
}

/// Checks every workspace when it is due, until `stop`.
pub async fn run(context: Arc<Context>, random: &Mutex<StdRng>, stop: CancellationToken) {
    let interval = context.settings.drift_interval;
    loop {
        let (due, next) = {
            let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
            context.webhooks.watch.due(interval, &mut random)
        };
        let checks = due.iter().map(|mark| async {
            // One that hangs must not keep the others from being looked at.
            let why = match tokio::time::timeout(interval.max(AGAIN), check(&context, mark)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it took too long".to_owned(),
            };
            warn!(
                why,
                "changed webhooks were not looked for; it is tried again"
            );
            context.webhooks.watch.again(mark, AGAIN.min(interval));
        });
        let checks = async {
            join_all(checks).await;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = checks => {}
        }
        if !due.is_empty() {
            continue;
        }
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = context.webhooks.watch.changed.notified() => {}
            () = due => {}
        }
    }
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

//! What every reconcile of this process shares.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use kube::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::leader::Tenure;
use crate::plan::RemoteKind;
use crate::platform::Platform;

use super::dependencies::{Dependencies, Key};
use super::events::Events;
use super::retries::Retries;
use super::secrets::Secrets;

/// What every reconcile of this process shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Adobe.
    pub platform: Platform,
    /// Where Events go.
    pub events: Events,
    /// Owner in markers.
    pub owner: String,
    /// Settings from the command line.
    pub settings: Settings,
    /// The time of day.
    pub clock: Clock,
    /// The right to act; calls to AEP are fenced by it already.
    pub tenure: Tenure,
    /// Cancelled when the process is to end: no call is started any more.
    pub stop: CancellationToken,
    /// Since when this process has known creations under way.
    pub journal: Watched,
    /// The Secrets in use.
    pub secrets: Secrets,
    /// The `CustomerIoSource` side.
    pub sources: Side,
    /// The `AepDataflow` side.
    pub dataflows: Side,
}

/// Settings that reconciles need.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a creation whose outcome is unknown may still appear.
    pub create_settle: Duration,
    /// Whether Secrets in use are kept from going before what needs them.
    pub protect_secrets: bool,
}

/// The shared state of one controller.
pub struct Side {
    /// Who depends on what.
    pub dependencies: Dependencies,
    /// Who may try again when.
    pub retries: Retries,
    wakes: UnboundedSender<Key>,
}

impl Side {
    /// A controller's state; `wakes` takes what [`Side::wake`] is called with.
    pub fn new(retries: Retries, wakes: UnboundedSender<Key>) -> Self {
        Self {
            dependencies: Dependencies::default(),
            retries,
            wakes,
        }
    }

    /// Something a resource waits for has happened: it is reconciled now, whatever it was told.
    pub fn wake(&self, key: Key) {
        self.retries.clear(&key);
        // A closed channel means that the controller has ended.
        let _ = self.wakes.unbounded_send(key);
    }
}

/// Since when this process has known creations under way, on its monotonic clock.
#[derive(Debug, Default)]
pub struct Watched {
    since: Mutex<HashMap<(String, RemoteKind), (i64, Instant)>>,
}

impl Watched {
    /// How long this attempt has been known; the first question starts it.
    pub fn watched(&self, uid: &str, kind: RemoteKind, attempt: i64) -> Duration {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let entry = since
            .entry((uid.to_owned(), kind))
            .or_insert((attempt, now));
        if entry.0 != attempt {
            *entry = (attempt, now);
        }
        now.saturating_duration_since(entry.1)
    }

    /// The creation is settled.
    pub fn forget(&self, uid: &str, kind: RemoteKind) {
        self.since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(uid.to_owned(), kind));
    }
}

//! What every reconcile of this process shares.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::customer_io::CustomerIo;
use crate::leader::Tenure;
use crate::metrics::Metrics;
use crate::plan::RemoteKind;
use crate::platform::Platform;

use super::dependencies::{Dependencies, Dependency};
use super::drift::Watch;
use super::events::Events;
use super::inventory::Inventory;
use super::namespaces::Namespaces;
use super::retries::Retries;
use super::rotation::Rotations;
use super::runs;
use super::secrets::Secrets;
use super::uninstalled::Going;
use super::webhooks::Webhooks;
use crate::work::{Cause, Id, Key, Queue};

/// What every reconcile of this process shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Adobe.
    pub platform: Platform,
    /// Customer.io.
    pub customer_io: CustomerIo,
    /// Where Events go.
    pub events: Events,
    /// Owner in markers.
    pub owner: String,
    /// Where resources are looked after.
    pub namespaces: Namespaces,
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
    /// Since when this process has known resources to be going.
    pub going: Going,
    /// The Secrets in use.
    pub secrets: Secrets,
    /// Which of their credentials worked last.
    pub rotations: Rotations,
    /// What stands in the sandboxes, as listed.
    pub inventory: Inventory,
    /// What is watched for changes made elsewhere.
    pub drift: Watch,
    /// The flows whose runs are looked at, and what those have shown.
    pub runs: runs::Watch,
    /// The webhooks of the workspaces.
    pub webhooks: Webhooks,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What the drift check found to look at.
    pub suspicions: Suspicions,
    /// The `CustomerIoSource` side.
    pub sources: Side,
    /// The `AepDataset` side.
    pub datasets: Side,
    /// The `AepDataflow` side.
    pub dataflows: Side,
}

impl Context {
    /// Whether a resource is known to name this Secret.
    pub fn is_named(&self, secret: &Dependency) -> bool {
        [&self.sources, &self.datasets]
            .iter()
            .any(|side| side.dependencies.has_dependents(secret))
    }

    /// The Secrets that resources name.
    pub fn named_secrets(&self) -> BTreeSet<Key> {
        let named = self.sides().into_iter();
        named.flat_map(|side| side.dependencies.secrets()).collect()
    }

    /// What resources depend on, of `these`.
    pub fn named(&self, these: &HashSet<Id>) -> BTreeSet<Dependency> {
        let named = self
            .sides()
            .into_iter()
            .flat_map(|side| side.dependencies.named());
        named.filter(|it| these.contains(&it.key().id())).collect()
    }

    /// The state of every controller.
    pub fn sides(&self) -> [&Side; 3] {
        [&self.sources, &self.datasets, &self.dataflows]
    }

    /// Something that resources depend on has changed: they are reconciled, once their time has come.
    pub fn changed(&self, dependency: &Dependency) {
        for side in self.sides() {
            for dependent in side.dependencies.dependents(dependency) {
                side.queue.add(dependent, Cause::Change);
            }
        }
    }
}

/// Settings that reconciles need.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a creation whose outcome is unknown may still appear.
    pub create_settle: Duration,
    /// Whether Secrets in use are kept from going before what needs them.
    pub protect_secrets: bool,
    /// Whether Secrets are watched; else they are looked at by name, every drift interval.
    pub watch_secrets: bool,
    /// Between two looks for changes made elsewhere.
    pub drift_interval: Duration,
    /// Between two looks at the runs of flows.
    pub runs_interval: Duration,
    /// How long a new or changed flow gets no events.
    pub subscription_pause: Duration,
    /// How long after a field was added to a schema in use no mapping may use it.
    pub schema_settle: Duration,
    /// Reconciles of one controller at the same time.
    pub concurrency: u16,
}

/// The shared state of one controller.
pub struct Side {
    /// Who depends on what.
    pub dependencies: Dependencies,
    /// Who may try again when.
    pub retries: Retries,
    /// Who is to be reconciled.
    pub queue: Arc<Queue>,
}

impl Side {
    /// A controller's state; nothing is known yet.
    pub fn new(retries: Retries, queue: Arc<Queue>) -> Self {
        Self {
            dependencies: Dependencies::default(),
            retries,
            queue,
        }
    }

    /// Something a resource waits for has happened: it is reconciled now, whatever it was told.
    pub fn wake(&self, key: Key) {
        self.retries.clear(&key);
        self.queue.add(key, Cause::Change);
    }
}

/// Since when this process has known creations under way, on its monotonic clock.
#[derive(Debug, Default)]
pub struct Watched {
    since: Mutex<HashMap<(String, RemoteKind), (i64, Instant)>>,
    unsent: Mutex<BTreeSet<(String, RemoteKind, i64)>>,
}

impl Watched {
    /// Since when this attempt has been known; the first question starts it.
    pub fn since(&self, uid: &str, kind: RemoteKind, attempt: i64) -> Instant {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let entry = since
            .entry((uid.to_owned(), kind))
            .or_insert((attempt, now));
        if entry.0 != attempt {
            *entry = (attempt, now);
        }
        entry.1
    }

    /// This attempt stands in status and was certainly not carried out: it keeps its number, which those
    /// before it have used up.
    pub fn set_unsent(&self, uid: &str, kind: RemoteKind, attempt: i64, unsent: bool) {
        let mut all = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (uid.to_owned(), kind, attempt);
        if unsent {
            all.insert(key);
        } else {
            all.remove(&key);
        }
    }

    /// Whether this attempt was certainly not carried out, as far as this process knows.
    pub fn is_unsent(&self, uid: &str, kind: RemoteKind, attempt: i64) -> bool {
        let all = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        all.contains(&(uid.to_owned(), kind, attempt))
    }

    /// The creation is settled.
    pub fn forget(&self, uid: &str, kind: RemoteKind) {
        self.since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(uid.to_owned(), kind));
    }
}

/// What is not to be taken for granted about a resource, by uid: its next reconcile looks.
#[derive(Debug, Default)]
pub struct Suspicions {
    of: Mutex<BTreeMap<String, Suspicion>>,
}

/// What a reconcile should look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspicion {
    /// Objects that may have been changed or deleted elsewhere.
    pub read: BTreeSet<RemoteKind>,
    /// There may be twins.
    pub twins: bool,
}

impl Suspicions {
    /// Adds to what is suspected about the resource `uid`.
    pub fn add(&self, uid: &str, suspicion: &Suspicion) {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = of.entry(uid.to_owned()).or_default();
        entry.read.extend(&suspicion.read);
        entry.twins |= suspicion.twins;
    }

    /// What is suspected about the resource `uid`.
    pub fn of(&self, uid: &str) -> Suspicion {
        let of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.get(uid).cloned().unwrap_or_default()
    }

    /// Takes what is suspected about the resource `uid`; it is looked at now.
    pub fn take(&self, uid: &str) -> Suspicion {
        self.of
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid)
            .unwrap_or_default()
    }
}

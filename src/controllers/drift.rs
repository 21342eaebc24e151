//! Looks for changes made elsewhere, with listings that all resources of one sandbox and credential share.
//!
//! A resource that stands as written registers what a listing should show of it. Every drift interval the
//! listings are made anew and compared; a resource that differs, or that has a twin, is woken and told
//! what to look at. It reads the object itself and decides: a listing alone never leads to a write.

use std::collections::{BTreeMap, BTreeSet};
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
use crate::plan::marker::Identity;
use crate::plan::sighting::{Expected, is_twin};
use crate::platform::{ApiError, Sandbox};

use super::context::{Context, Side, Suspicion};
use super::dependencies::Key;
use super::inventory::{Scope, ScopeKey};

/// A check that failed is tried again after this, if the interval is longer.
const AGAIN: Duration = Duration::from_mins(1);

/// A resource that stands as written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its uid.
    pub uid: String,
    /// What a listing should show of it.
    pub expected: Vec<Expected>,
    /// An earlier attempt may have left something behind that no listing shows.
    pub hunts: bool,
    /// Its side of the context.
    pub side: fn(&Context) -> &Side,
    /// Since when it stands so: older listings say nothing about it.
    pub since: Instant,
}

/// What is watched for drift.
#[derive(Debug, Default)]
pub struct Watch {
    scopes: Mutex<BTreeMap<ScopeKey, Scoped>>,
    changed: Notify,
}

#[derive(Debug)]
struct Scoped {
    sandbox: Sandbox,
    /// When the next check is due; not set until the loop has seen the scope.
    next: Option<Instant>,
    entries: BTreeMap<(&'static str, Key), Entry>,
    /// Objects of ours without a resource: whether they have been told of.
    orphans: BTreeMap<String, bool>,
}

impl Watch {
    /// From now on the resource `key` of kind `kind` should look like `entry` to `sandbox`.
    pub fn register(&self, sandbox: &Sandbox, kind: &'static str, key: &Key, entry: Entry) {
        let here = ScopeKey::of(sandbox);
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (kind, key.clone());
        for (_, other) in scopes.iter_mut().filter(|(scope, _)| **scope != here) {
            other.entries.remove(&place);
        }
        let home = scopes.entry(here).or_insert_with(|| {
            self.changed.notify_one();
            Scoped {
                sandbox: sandbox.clone(),
                next: None,
                entries: BTreeMap::new(),
                orphans: BTreeMap::new(),
            }
        });
        // The credentials that worked last.
        home.sandbox = sandbox.clone();
        home.entries.insert(place, entry);
    }

    /// The resource is gone, or does not stand as written any more.
    pub fn forget(&self, kind: &'static str, key: &Key) {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (kind, key.clone());
        scopes.retain(|_, scoped| {
            scoped.entries.remove(&place);
            !scoped.entries.is_empty()
        });
    }

    /// The scopes that are due, each with its next check set; and when the next one is due.
    fn due(&self, interval: Duration, random: &mut StdRng) -> (Vec<ScopeKey>, Option<Instant>) {
        let now = Instant::now();
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        for (key, scoped) in scopes.iter_mut() {
            // The first check comes in the second half of an interval: restarts do not march in step, and what
            // has just started has other things to do.
            let first = interval.mul_f64(0.5 + 0.5 * random.random::<f64>());
            let next = *scoped.next.get_or_insert(now + first);
            if next <= now {
                scoped.next = Some(now + interval.mul_f64(0.9 + 0.2 * random.random::<f64>()));
                due.push(key.clone());
            }
        }
        let next = scopes.values().filter_map(|scoped| scoped.next).min();
        (due, next)
    }

    fn again(&self, key: &ScopeKey, pause: Duration) {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scoped) = scopes.get_mut(key) {
            let soon = Instant::now() + pause;
            scoped.next = Some(scoped.next.map_or(soon, |next| next.min(soon)));
        }
    }

    fn look(&self, key: &ScopeKey) -> Option<(Sandbox, Vec<(Key, Entry)>)> {
        let all = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let Scoped {
            sandbox, entries, ..
        } = all.get(key)?;
        let entries = entries
            .iter()
            .map(|((_, key), entry)| (key.clone(), entry.clone()));
        Some((sandbox.clone(), entries.collect()))
    }
}

/// Checks every scope when it is due, until `stop`.
pub async fn run(context: Arc<Context>, random: &Mutex<StdRng>, stop: CancellationToken) {
    let interval = context.settings.drift_interval;
    loop {
        let (due, next) = {
            let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
            context.drift.due(interval, &mut random)
        };
        let checks = due.iter().map(|key| async {
            // One sandbox that hangs must not keep the others from being looked at.
            let why = match tokio::time::timeout(interval.max(AGAIN), check(&context, key)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it took too long".to_owned(),
            };
            warn!(
                why,
                sandbox = key.sandbox,
                "drift was not looked for; it is tried again"
            );
            context.drift.again(key, AGAIN.min(interval));
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
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = context.drift.changed.notified() => {}
            () = sleep_until(next) => {}
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// One check: lists, compares, wakes.
async fn check(context: &Context, key: &ScopeKey) -> Result<(), ApiError> {
    let Some((sandbox, _)) = context.drift.look(key) else {
        return Ok(());
    };
    let scope = context.inventory.scope(&sandbox);
    let begun = Instant::now();
    for kind in [RemoteKind::Flow, RemoteKind::SourceConnection] {
        scope.ensure(&sandbox, kind, Some(begun)).await?;
    }
    let Some((_, entries)) = context.drift.look(key) else {
        return Ok(());
    };
    let targets: Vec<String> = entries
        .iter()
        .flat_map(|(_, entry)| &entry.expected)
        .filter(|it| it.kind == RemoteKind::TargetConnection)
        .map(|it| it.id.clone())
        .collect();
    let standing: BTreeSet<String> = scope
        .standing_targets(&sandbox, &targets)
        .await?
        .into_iter()
        .collect();
    let mut found = 0;
    for (key, entry) in entries {
        if entry.since >= begun {
            continue;
        }
        let suspicion = compare(context, &scope, &standing, &key, &entry);
        if suspicion != Suspicion::default() {
            found += 1;
            context.suspicions.add(&entry.uid, &suspicion);
            (entry.side)(context).wake(key);
        }
    }
    report_orphans(context, &scope, key);
    debug!(sandbox = key.sandbox, found, "looked for drift");
    Ok(())
}

/// Tells, once, of objects that carry our owner and belong to no resource. One that is seen for the first
/// time may only be about to go, or its resource about to be reconciled.
fn report_orphans(context: &Context, scope: &Scope, key: &ScopeKey) {
    let mut orphans = Vec::new();
    for kind in RemoteKind::ALL {
        let side = match kind {
            RemoteKind::SourceConnection => &context.sources,
            RemoteKind::FieldGroup | RemoteKind::Schema | RemoteKind::Dataset => &context.datasets,
            _ => &context.dataflows,
        };
        for (id, namespace, name) in scope.owned(kind, &context.owner) {
            let resource = Key::new(namespace, name);
            if !side.dependencies.knows(&resource) {
                orphans.push((kind, id, resource));
            }
        }
    }
    let mut scopes = context
        .drift
        .scopes
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let Some(home) = scopes.get_mut(key) else {
        return;
    };
    let before = std::mem::take(&mut home.orphans);
    for (kind, id, resource) in orphans {
        let told = before.get(&id);
        if told == Some(&false) {
            let Key { namespace, name } = &resource;
            warn!(
                sandbox = key.sandbox,
                "{} {id} carries the marker of resource {namespace}/{name}, which does not exist. Nothing is done to it: \
                 delete it in AEP, or create the resource, which takes it over.",
                kind.title()
            );
        }
        home.orphans.insert(id, told.is_some());
    }
    let orphans = scopes.values().map(|home| home.orphans.len()).sum();
    context.metrics.orphans(orphans);
}

fn compare(
    context: &Context,
    scope: &Scope,
    standing: &BTreeSet<String>,
    key: &Key,
    entry: &Entry,
) -> Suspicion {
    let differs = |it: &&Expected| match it.kind {
        RemoteKind::TargetConnection => !standing.contains(&it.id),
        // No listing shows them: each is read once an interval. They are few beside flows.
        RemoteKind::FieldGroup | RemoteKind::Schema | RemoteKind::Dataset => true,
        kind => scope
            .get(kind, &it.id)
            .is_none_or(|seen| seen.aspects.differ(&it.aspects)),
    };
    let read = entry.expected.iter().filter(differs).map(|it| it.kind);
    let identity = Identity {
        owner: context.owner.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: entry.uid.clone(),
    };
    let twin = |it: &Expected| {
        scope
            .ours(it.kind, &identity)
            .iter()
            .any(|seen| is_twin(&identity, &it.id, seen))
    };
    Suspicion {
        read: read.collect(),
        twins: entry.hunts || entry.expected.iter().any(twin),
    }
}

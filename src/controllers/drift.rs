//! Looks for changes made elsewhere, with listings that all resources of one sandbox and credential share.
//!
//! A resource that stands as written registers what a listing should show of it. Every drift interval the
//! listings are made anew and compared; a resource that differs, or that has a twin, is woken and told
//! what to look at. It reads the object itself and decides: a listing alone never leads to a write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::plan::RemoteKind;
use crate::plan::marker::Identity;
use crate::plan::sighting::{Expected, is_twin};
use crate::platform::{ApiError, Sandbox};

use super::context::{Context, Side, Suspicion};
use super::inventory::{Scope, ScopeKey};
use super::rounds::Rounds;
use crate::work::Key;

/// A resource that stands as written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its uid.
    pub uid: String,
    /// What a listing should show of it.
    pub expected: Box<[Expected]>,
    /// All attempts to make those objects whose twins no listing shows: more than one each says that there may be some.
    pub attempts: Attempts,
    /// Its side of the context.
    pub side: fn(&Context) -> &Side,
    /// Since when it stands so: older listings say nothing about it.
    pub since: Instant,
}

/// Attempts that may have left something behind that no listing shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// The sum of those after the first.
    pub more: i64,
    /// In how many checks what they left behind was looked for.
    hunted: u32,
}

impl Attempts {
    /// `more` attempts after the first.
    pub fn new(more: i64) -> Self {
        Self { more, hunted: 0 }
    }

    /// A request that takes effect this late was never seen: looking costs calls of its own for each resource.
    fn hunts(self) -> bool {
        self.more > 0 && self.hunted < HUNTS
    }
}

/// Checks after which nothing is expected to turn up any more: an hour, with the usual interval.
const HUNTS: u32 = 6;

/// A kind and a resource of it.
type Place = (&'static str, Key);

/// What is watched for drift.
#[derive(Debug, Default)]
pub struct Watch {
    rounds: Rounds<ScopeKey, Place, Entry, Scoped>,
}

#[derive(Debug)]
struct Scoped {
    sandbox: Sandbox,
    /// Objects of ours without a resource: whether they have been told of.
    orphans: BTreeMap<String, bool>,
}

impl Watch {
    /// From now on the resource `key` of kind `kind` should look like `entry` to `sandbox`.
    pub fn register(&self, sandbox: &Sandbox, kind: &'static str, key: &Key, entry: Entry) {
        let first = || Scoped {
            sandbox: sandbox.clone(),
            orphans: BTreeMap::new(),
        };
        let place = (kind, key.clone());
        self.rounds
            .enter(ScopeKey::of(sandbox), place, first, |home, place| {
                // The credentials that worked last.
                home.of.sandbox = sandbox.clone();
                let mut entry = entry;
                if let Some(before) = home.entries.get(&place)
                    && before.uid == entry.uid
                    && before.attempts.more == entry.attempts.more
                {
                    entry.attempts = before.attempts;
                }
                home.entries.insert(place, Box::new(entry));
            });
    }

    /// The resource is gone, or does not stand as written any more.
    pub fn forget(&self, kind: &'static str, key: &Key) {
        self.rounds.forget(&(kind, key.clone()));
    }

    fn sandbox(&self, key: &ScopeKey) -> Option<Sandbox> {
        self.rounds
            .homes()
            .get(key)
            .map(|home| home.of.sandbox.clone())
    }

    /// The target connections that are expected: no listing of ours shows them.
    fn targets(&self, key: &ScopeKey) -> Vec<String> {
        let homes = self.rounds.homes();
        let entries = homes.get(key).into_iter().flat_map(|home| &home.entries);
        entries
            .flat_map(|(_, entry)| &entry.expected)
            .filter(|it| it.kind == RemoteKind::TargetConnection)
            .map(|it| it.id.to_string())
            .collect()
    }

    /// Who differs, of those that have stood since before `begun`; what their attempts may have left behind counts as
    /// looked for once more.
    fn differing(
        &self,
        key: &ScopeKey,
        begun: Instant,
        suspect: impl Fn(&Key, &Entry) -> Suspicion,
    ) -> Vec<(Key, Entry, Suspicion)> {
        let mut homes = self.rounds.homes();
        let entries = homes.get_mut(key).map(|home| &mut home.entries);
        let mut differing = Vec::new();
        for ((_, key), entry) in entries.into_iter().flatten() {
            if entry.since >= begun {
                continue;
            }
            let suspicion = suspect(key, entry);
            if entry.attempts.hunts() {
                entry.attempts.hunted += 1;
            }
            if suspicion != Suspicion::default() {
                differing.push((key.clone(), (**entry).clone(), suspicion));
            }
        }
        differing
    }
}

/// Checks every scope when it is due, until `stop`.
pub async fn run(context: Arc<Context>, random: &Mutex<StdRng>, stop: CancellationToken) {
    let look = |key: ScopeKey| {
        let context = Arc::clone(&context);
        async move { check(&context, &key).await }
    };
    let failed = |key: &ScopeKey, why: String| {
        let sandbox = &key.sandbox;
        warn!(why, sandbox, "drift was not looked for; it is tried again");
    };
    let interval = context.settings.drift_interval;
    let rounds = &context.drift.rounds;
    rounds.run(interval, random, stop, look, failed).await;
}

/// One check: lists, compares, wakes.
async fn check(context: &Context, key: &ScopeKey) -> Result<(), ApiError> {
    let Some(sandbox) = context.drift.sandbox(key) else {
        return Ok(());
    };
    let scope = context.inventory.scope(&sandbox);
    let begun = Instant::now();
    for kind in [RemoteKind::Flow, RemoteKind::SourceConnection] {
        scope.ensure(&sandbox, kind, Some(begun)).await?;
    }
    let targets = context.drift.targets(key);
    let standing = scope.standing_targets(&sandbox, &targets).await?;
    let standing: BTreeSet<String> = standing.into_iter().collect();
    let suspect = |key: &Key, entry: &Entry| compare(context, &scope, &standing, key, entry);
    let differing = context.drift.differing(key, begun, suspect);
    let found = differing.len();
    for (key, entry, suspicion) in differing {
        context.suspicions.add(&entry.uid, &suspicion);
        (entry.side)(context).wake(key);
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
        for (id, resource) in scope.owned(kind, &context.owner) {
            // What is in another namespace is another operator's to know.
            if context.namespaces.contains(resource.namespace())
                && !side.dependencies.knows(&resource)
            {
                orphans.push((kind, id, resource));
            }
        }
    }
    let mut homes = context.drift.rounds.homes();
    let Some(home) = homes.get_mut(key) else {
        return;
    };
    let before = std::mem::take(&mut home.of.orphans);
    for (kind, id, resource) in orphans {
        let told = before.get(&id);
        if told == Some(&false) {
            let (namespace, name) = resource.parts();
            warn!(
                sandbox = key.sandbox,
                "{} {id} carries the marker of resource {namespace}/{name}, which does not exist. Nothing is done to it: \
                 delete it in AEP, or create the resource, which takes it over.",
                kind.title()
            );
        }
        home.of.orphans.insert(id, told.is_some());
    }
    let orphans = homes.values().map(|home| home.of.orphans.len()).sum();
    context.metrics.remote.orphans(orphans);
}

fn compare(
    context: &Context,
    scope: &Scope,
    standing: &BTreeSet<String>,
    key: &Key,
    entry: &Entry,
) -> Suspicion {
    let differs = |it: &&Expected| match it.kind {
        RemoteKind::TargetConnection => !standing.contains(&*it.id),
        // No listing shows them: each is read once an interval. They are few beside flows.
        RemoteKind::FieldGroup | RemoteKind::Schema | RemoteKind::Dataset => true,
        kind => scope
            .aspects(kind, &it.id)
            .is_none_or(|seen| seen.differ(&it.aspects)),
    };
    let read = entry.expected.iter().filter(differs).map(|it| it.kind);
    let identity = Identity {
        owner: context.owner.clone(),
        namespace: key.namespace().to_owned(),
        name: key.name().to_owned(),
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
        twins: entry.attempts.hunts() || entry.expected.iter().any(twin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_attempt_may_have_left_behind_is_looked_for_an_hour_and_no_longer() {
        let mut attempts = Attempts::new(1);
        let mut checks = 0;
        while attempts.hunts() {
            attempts.hunted += 1;
            checks += 1;
        }
        assert_eq!(checks, 6);
        assert!(
            !Attempts::new(0).hunts(),
            "the first attempt leaves nothing"
        );
    }
}

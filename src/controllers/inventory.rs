//! What stands in each sandbox, as listed: one listing for everybody who asks at the same time.
//!
//! A listing is made when somebody needs one that is newer than what there is: a resource before its
//! first creation is content with any of this process, a look-up wants one made after its question, and
//! the drift check makes one now and then. What this process creates and deletes meanwhile is noted, so
//! that an old listing stays true. Decisions over it are in [`crate::plan::sighting`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::plan::RemoteKind;
use crate::plan::marker::Identity;
use crate::plan::sighting::Sighted;
use crate::platform::{
    ApiError, CUSTOMER_IO_CONNECTION_SPEC, DATA_LAKE_CONNECTION_SPEC, Filter, Flow,
    SOURCE_SPEC_PROPERTY, Sandbox,
};

use super::preflight::{Hidden, Preflight};

/// Ids in one question: what an address may be long.
pub(super) const CHUNK: usize = 50;

/// Whose listing it is: what one credential sees in one sandbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeKey {
    /// IMS organization.
    pub organization: String,
    /// Sandbox name.
    pub sandbox: String,
    /// Client id of the credential.
    pub client: String,
}

impl ScopeKey {
    /// What `sandbox` sees.
    pub fn of(sandbox: &Sandbox) -> Self {
        let credentials = sandbox.credentials();
        Self {
            organization: credentials.organization_id.clone(),
            sandbox: sandbox.name().to_owned(),
            client: credentials.client_id.clone(),
        }
    }
}

/// The listings of this process.
#[derive(Debug, Default)]
pub struct Inventory {
    scopes: Mutex<BTreeMap<ScopeKey, Arc<Scope>>>,
}

impl Inventory {
    /// The listings of what `sandbox` sees.
    pub fn scope(&self, sandbox: &Sandbox) -> Arc<Scope> {
        let mut scopes = lock(&self.scopes);
        Arc::clone(scopes.entry(ScopeKey::of(sandbox)).or_default())
    }
}

/// The listings of one sandbox, one a kind.
#[derive(Debug, Default)]
pub struct Scope {
    sources: Board,
    targets: Board,
    flows: Board,
    preflight: Preflight,
    tenant: OnceCell<String>,
}

impl Scope {
    /// Which specification that everything needs is hidden, if one is; asked once.
    pub async fn hidden_spec(&self, sandbox: &Sandbox) -> Option<Hidden> {
        self.preflight.check(sandbox).await
    }

    /// The organization's tenant id, which never changes: asked for once.
    ///
    /// # Errors
    /// As the call fares; the next one who needs it asks again.
    pub async fn tenant(&self, sandbox: &Sandbox) -> Result<String, ApiError> {
        let tenant = self.tenant.get_or_try_init(|| sandbox.tenant_id()).await?;
        Ok(tenant.clone())
    }

    /// Makes sure that the listing of `kind` is complete and was begun at `since` or later (`None`: ever);
    /// says when it was begun. Kinds that are not listed are always there.
    ///
    /// # Errors
    /// The listing failed; everybody who waited for it is told the same.
    pub async fn ensure(
        &self,
        sandbox: &Sandbox,
        kind: RemoteKind,
        since: Option<Instant>,
    ) -> Result<Instant, ApiError> {
        let Some(board) = self.of(kind) else {
            return Ok(Instant::now());
        };
        let seen = board.state().finished;
        let _flight = board.flight.lock().await;
        {
            let state = board.state();
            if let Some(listed) = state
                .listed
                .filter(|it| since.is_none_or(|since| *it >= since))
            {
                return Ok(listed);
            }
            // Somebody asked while we stood in line, in vain: that is our answer too.
            if state.finished != seen
                && let Some(failure) = &state.last_failure
            {
                return Err(failure.clone());
            }
        }
        let begun = Instant::now();
        board.state().under_way = Some(begun);
        let listed = list(sandbox, kind).await;
        let mut state = board.state();
        state.under_way = None;
        state.finished += 1;
        match listed {
            Ok(objects) => {
                state.replace(begun, objects);
                Ok(begun)
            }
            Err(error) => {
                state.noted.clear();
                state.last_failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Objects of `kind` that carry the marker of the resource `identity`, whatever uid.
    pub fn ours(&self, kind: RemoteKind, identity: &Identity) -> Vec<Sighted> {
        let Some(board) = self.of(kind) else {
            return Vec::new();
        };
        let state = board.state();
        let key = (identity.namespace.clone(), identity.name.clone());
        let ids = state.of.get(&key).into_iter().flatten();
        ids.filter_map(|id| state.objects.get(id))
            .filter(|it| {
                it.marker
                    .as_ref()
                    .is_some_and(|marker| marker.identity.same_resource(identity))
            })
            .cloned()
            .collect()
    }

    /// The ids and resources (namespace and name) of listed objects whose marker names this owner.
    pub fn owned(&self, kind: RemoteKind, owner: &str) -> Vec<(String, String, String)> {
        let Some(board) = self.of(kind) else {
            return Vec::new();
        };
        let state = board.state();
        let found = state.objects.values().filter_map(|it| {
            let identity = &it.marker.as_ref()?.identity;
            (identity.owner == owner).then(|| {
                let (namespace, name) = (identity.namespace.clone(), identity.name.clone());
                (it.id.clone(), namespace, name)
            })
        });
        found.collect()
    }

    /// The object `id` of `kind`, if it is listed.
    pub fn get(&self, kind: RemoteKind, id: &str) -> Option<Sighted> {
        self.of(kind)?.state().objects.get(id).cloned()
    }

    /// A listed flow that names the object `id` and is not marked as of the resource `identity`.
    pub fn used_elsewhere(&self, id: &str, identity: &Identity) -> Option<Sighted> {
        let state = self.flows.state();
        let others = state.objects.values().find(|flow| {
            let marker = flow.marker.as_ref();
            flow.uses.iter().any(|it| it.id == id)
                && !marker.is_some_and(|marker| marker.identity.same_resource(identity))
        });
        others.cloned()
    }

    /// Whether a listed flow names the object `id`.
    pub fn is_used(&self, id: &str) -> bool {
        let state = self.flows.state();
        state
            .objects
            .values()
            .any(|flow| flow.uses.iter().any(|it| it.id == id))
    }

    /// Which of these target connections are there: asked by id, fifty at a time.
    ///
    /// # Errors
    /// As the listing fares.
    pub async fn standing_targets(
        &self,
        sandbox: &Sandbox,
        ids: &[String],
    ) -> Result<Vec<String>, ApiError> {
        let mut standing = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let values: Vec<&str> = chunk.iter().map(String::as_str).collect();
            let filter = Filter::new().any_of("id", &values);
            let found = sandbox.list_target_connections(&filter, |it| Some(it.id));
            standing.extend(found.await?);
        }
        Ok(standing)
    }

    /// This process created an object: listings begun before do not show it.
    pub fn note(&self, it: Sighted) {
        if let Some(board) = self.of(it.kind) {
            let mut state = board.state();
            state.note(|| Note::There(Box::new(it.clone())));
            state.put(it);
        }
    }

    /// The object is gone, or no longer ours: listings begun before still show it.
    pub fn gone(&self, kind: RemoteKind, id: &str) {
        if let Some(board) = self.of(kind) {
            let mut state = board.state();
            state.note(|| Note::Gone(id.to_owned()));
            state.take(id);
        }
    }

    fn of(&self, kind: RemoteKind) -> Option<&Board> {
        match kind {
            RemoteKind::SourceConnection => Some(&self.sources),
            RemoteKind::TargetConnection => Some(&self.targets),
            RemoteKind::Flow => Some(&self.flows),
            _ => None,
        }
    }
}

/// The listing of one kind.
#[derive(Debug, Default)]
struct Board {
    /// Held while the platform is asked: that is the single flight.
    flight: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the listing was begun that `objects` are from.
    listed: Option<Instant>,
    objects: BTreeMap<String, Sighted>,
    /// Ids by namespace and name in the marker.
    of: BTreeMap<(String, String), Vec<String>>,
    /// When the listing that is under way was begun.
    under_way: Option<Instant>,
    /// What has happened since.
    noted: Vec<Note>,
    finished: u64,
    last_failure: Option<ApiError>,
}

#[derive(Clone, Debug)]
enum Note {
    There(Box<Sighted>),
    Gone(String),
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Takes in a whole listing, and what has happened since it was begun.
    fn replace(&mut self, begun: Instant, objects: Vec<Sighted>) {
        self.objects.clear();
        self.of.clear();
        for it in objects {
            self.put(it);
        }
        self.listed = Some(begun);
        self.last_failure = None;
        for note in std::mem::take(&mut self.noted) {
            match note {
                Note::There(it) => self.put(*it),
                Note::Gone(id) => self.take(&id),
            }
        }
    }

    /// Only a listing under way can miss what happens now.
    fn note(&mut self, note: impl FnOnce() -> Note) {
        if self.under_way.is_some() {
            self.noted.push(note());
        }
    }

    fn put(&mut self, it: Sighted) {
        self.take(&it.id);
        if let Some(marker) = &it.marker {
            let key = (
                marker.identity.namespace.clone(),
                marker.identity.name.clone(),
            );
            self.of.entry(key).or_default().push(it.id.clone());
        }
        self.objects.insert(it.id.clone(), it);
    }

    fn take(&mut self, id: &str) {
        let Some(marker) = self.objects.remove(id).and_then(|it| it.marker) else {
            return;
        };
        let key = (marker.identity.namespace, marker.identity.name);
        if let Some(ids) = self.of.get_mut(&key) {
            ids.retain(|it| it != id);
            if ids.is_empty() {
                self.of.remove(&key);
            }
        }
    }
}

/// Lists all objects of `kind` that may be ours.
async fn list(sandbox: &Sandbox, kind: RemoteKind) -> Result<Vec<Sighted>, ApiError> {
    let by = |property: &str, value: &str| Filter::new().eq(property, value);
    Ok(match kind {
        RemoteKind::SourceConnection => {
            let filter = by("connectionSpec.id", CUSTOMER_IO_CONNECTION_SPEC);
            let sighted = |it| Some(Sighted::from(&it));
            sandbox.list_source_connections(&filter, sighted).await?
        }
        RemoteKind::TargetConnection => {
            let filter = by("connectionSpec.id", DATA_LAKE_CONNECTION_SPEC);
            let sighted = |it| Some(Sighted::from(&it));
            sandbox.list_target_connections(&filter, sighted).await?
        }
        RemoteKind::Flow => {
            let filter = by(SOURCE_SPEC_PROPERTY, CUSTOMER_IO_CONNECTION_SPEC);
            // One that AEP is deleting is as good as gone: taken over, it would leave its resource with nothing.
            let staying = |flow: Flow| (!flow.state.is_going()).then(|| Sighted::from(&flow));
            sandbox.list_flows(&filter, staying).await?
        }
        _ => Vec::new(),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A listing begun this long ago is new enough for a question that many ask at about the same time.
pub const RECENT: Duration = Duration::from_secs(1);

/// The moment from which on a listing answers a question of now.
pub fn recently() -> Instant {
    let now = Instant::now();
    now.checked_sub(RECENT).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> Identity {
        Identity {
            owner: "o".into(),
            namespace: "n".into(),
            name: name.into(),
            uid: "u".into(),
        }
    }

    fn flow(id: &str, name: &str) -> Sighted {
        let kind = RemoteKind::Flow;
        Sighted {
            kind,
            id: id.into(),
            marker: Some(identity(name).marker(kind, 1)),
            uses: Vec::new(),
            aspects: crate::plan::sighting::Aspects::default(),
            created_at: 0,
        }
    }

    fn ids(state: &State) -> Vec<&str> {
        state.objects.keys().map(String::as_str).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_while_a_listing_is_under_way_is_not_forgotten() {
        let scope = Scope::default();
        let second = Duration::from_secs(1);
        scope.note(flow("older", "x"));
        tokio::time::advance(second).await;
        let begun = Instant::now();
        scope.flows.state().under_way = Some(begun);
        tokio::time::advance(second).await;
        scope.note(flow("made", "a"));
        scope.gone(RemoteKind::Flow, "deleted");
        let listed = vec![flow("deleted", "b"), flow("listed", "c")];
        scope.flows.state().replace(begun, listed);
        assert_eq!(ids(&scope.flows.state()), ["listed", "made"]);
        assert_eq!(scope.ours(RemoteKind::Flow, &identity("a")).len(), 1);
        assert!(scope.ours(RemoteKind::Flow, &identity("b")).is_empty());
    }

    #[test]
    fn what_a_flow_of_somebody_else_names_is_used_elsewhere_and_what_ours_names_is_not() {
        let scope = Scope::default();
        let on = |name: &str, target: &str| {
            let uses = vec![crate::plan::sighting::Use {
                kind: RemoteKind::TargetConnection,
                id: target.into(),
                version: 0,
            }];
            Sighted {
                uses,
                ..flow(&format!("of-{name}"), name)
            }
        };
        scope.note(on("ours", "t1"));
        scope.note(on("theirs", "t2"));
        // One that was let go of says nobody's name.
        let released = Sighted {
            id: "released".into(),
            marker: None,
            ..on("ours", "t3")
        };
        scope.note(released);
        let user = |target: &str| {
            let found = scope.used_elsewhere(target, &identity("ours"));
            found.map(|flow| flow.id)
        };
        assert_eq!(user("t1"), None);
        assert_eq!(user("t2").as_deref(), Some("of-theirs"));
        assert_eq!(user("t3").as_deref(), Some("released"));
        assert_eq!(user("t4"), None, "nobody names it");
    }
}

//! What stands in each sandbox, as listed: one listing for everybody who asks at the same time.
//!
//! A listing is made when somebody needs one that is newer than what there is: a resource before its
//! first creation is content with any of this process, a look-up wants one made after its question, and
//! the drift check makes one now and then. What this process creates and deletes meanwhile is noted, so
//! that an old listing stays true. Decisions over it are in [`crate::plan::sighting`].

mod board;
mod kept;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::plan::RemoteKind;
use crate::plan::marker::{Identity, Marker};
use crate::plan::sighting::{Aspects, Sighted};
use crate::platform::{
    ApiError, CUSTOMER_IO_CONNECTION_SPEC, DATA_LAKE_CONNECTION_SPEC, Filter, Flow,
    SOURCE_SPEC_PROPERTY, Sandbox,
};

use crate::work::Key;

use super::preflight::{Hidden, Preflight};
use board::Board;
use kept::Kept;

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
        let known =
            |listed: Option<Instant>| listed.filter(|it| since.is_none_or(|since| *it >= since));
        let seen = {
            let state = board.state();
            // Whoever needs nothing newer does not wait for somebody who does.
            if let Some(listed) = known(state.listed) {
                return Ok(listed);
            }
            state.finished
        };
        let _flight = board.flight.lock().await;
        {
            let state = board.state();
            if let Some(listed) = known(state.listed) {
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
                state.failed(error.clone());
                Err(error)
            }
        }
    }

    /// Objects of `kind` that carry the marker of the resource `identity`, whatever uid.
    pub fn ours(&self, kind: RemoteKind, identity: &Identity) -> Vec<Sighted> {
        let Some(board) = self.of(kind) else {
            return Vec::new();
        };
        board.state().ours(identity)
    }

    /// The ids and resources of listed objects whose marker names this owner.
    pub fn owned(&self, kind: RemoteKind, owner: &str) -> Vec<(String, Key)> {
        let Some(board) = self.of(kind) else {
            return Vec::new();
        };
        let state = board.state();
        let found = state.all().filter_map(|it| {
            let identity = it.marker()?.identity;
            (identity.owner == owner).then(|| {
                let resource = Key::new(identity.namespace, identity.name);
                (it.id().to_owned(), resource)
            })
        });
        found.collect()
    }

    /// The managed fields of the object `id` of `kind`, if it is listed.
    pub fn aspects(&self, kind: RemoteKind, id: &str) -> Option<Aspects> {
        let state = self.of(kind)?.state();
        state.get(id).map(|it| *it.aspects())
    }

    /// The marker of the object `id` of `kind`, if it is listed and has one.
    pub fn marker(&self, kind: RemoteKind, id: &str) -> Option<Marker> {
        self.of(kind)?.state().get(id)?.marker()
    }

    /// A listed flow that names the object `id` and is not marked as of the resource `identity`.
    pub fn used_elsewhere(&self, id: &str, identity: &Identity) -> Option<Sighted> {
        let state = self.flows.state();
        let mut users = state.all().filter(|flow| flow.uses(id));
        let other = users.find(|flow| {
            let marker = flow.marker();
            !marker.is_some_and(|marker| marker.identity.same_resource(identity))
        });
        other.map(Kept::sighted)
    }

    /// Whether a listed flow names the object `id`.
    pub fn is_used(&self, id: &str) -> bool {
        self.flows.state().all().any(|flow| flow.uses(id))
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
            board.state().note(it);
        }
    }

    /// The object is gone, or no longer ours: listings begun before still show it.
    pub fn gone(&self, kind: RemoteKind, id: &str) {
        if let Some(board) = self.of(kind) {
            board.state().gone(id);
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

/// Lists all objects of `kind` that may be ours.
async fn list(sandbox: &Sandbox, kind: RemoteKind) -> Result<Vec<Kept>, ApiError> {
    let by = |property: &str, value: &str| Filter::new().eq(property, value);
    Ok(match kind {
        RemoteKind::SourceConnection => {
            let filter = by("connectionSpec.id", CUSTOMER_IO_CONNECTION_SPEC);
            let kept = |it| Some(Kept::new(&Sighted::from(&it)));
            sandbox.list_source_connections(&filter, kept).await?
        }
        RemoteKind::TargetConnection => {
            let filter = by("connectionSpec.id", DATA_LAKE_CONNECTION_SPEC);
            let kept = |it| Some(Kept::new(&Sighted::from(&it)));
            sandbox.list_target_connections(&filter, kept).await?
        }
        RemoteKind::Flow => {
            let filter = by(SOURCE_SPEC_PROPERTY, CUSTOMER_IO_CONNECTION_SPEC);
            // One that AEP is deleting is as good as gone: taken over, it would leave its resource with nothing.
            let staying =
                |flow: Flow| (!flow.state.is_going()).then(|| Kept::new(&Sighted::from(&flow)));
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
    use crate::plan::test_support::named as identity;
    use crate::platform::HttpService;
    use tower::BoxError;

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

    fn ids(scope: &Scope) -> Vec<String> {
        let state = scope.flows.state();
        let mut ids: Vec<String> = state.all().map(|it| it.id().to_owned()).collect();
        ids.sort();
        ids
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
        let listed = [flow("deleted", "b"), flow("listed", "c")];
        let listed = listed.iter().map(Kept::new).collect();
        scope.flows.state().replace(begun, listed);
        assert_eq!(ids(&scope), ["listed", "made"]);
        assert_eq!(scope.ours(RemoteKind::Flow, &identity("a")).len(), 1);
        assert!(scope.ours(RemoteKind::Flow, &identity("b")).is_empty());
    }

    /// A sandbox of a platform that never answers.
    fn silent() -> Sandbox {
        let service = HttpService::new(tower::service_fn(|_: http::Request<bytes::Bytes>| {
            futures::future::pending::<Result<http::Response<bytes::Bytes>, BoxError>>()
        }));
        Sandbox::of_tests(service)
    }

    #[tokio::test(start_paused = true)]
    async fn who_needs_nothing_newer_does_not_wait_for_a_listing_that_is_under_way() {
        let (scope, sandbox) = (Scope::default(), silent());
        let listed = Instant::now();
        scope.flows.state().replace(listed, Vec::new());
        tokio::time::advance(Duration::from_secs(1)).await;
        let newer = scope.ensure(&sandbox, RemoteKind::Flow, Some(Instant::now()));
        let any = scope.ensure(&sandbox, RemoteKind::Flow, None);
        tokio::select! {
            biased;
            _ = newer => unreachable!("the platform is silent"),
            any = any => assert_eq!(any.unwrap(), listed),
            () = tokio::time::sleep(Duration::from_secs(1)) => panic!("it waits"),
        }
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

//! The road every resource takes: read it live, read what it depends on, run its plans, write down
//! how that ended. What differs between kinds is behind [`Kind`].

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::Api;
use tokio::time::Instant;

use crate::plan::marker::Identity;
use crate::plan::pace::Pace;
use crate::plan::{Failure, Fate, Known, Plan, RemoteKind, Service, journal};
use crate::resources::conditions::Reason;
use crate::resources::{ABANDON, PROTECT, REQUESTED_AT};

use super::conclude::{conclude, note_standing};
use super::context::{Context, Side};
use super::credentials::Access;
use super::delete::delete;
use super::dependencies::Dependency;
use super::drift::{Attempts, Entry};
use super::engine::{End, Run, Subject};
use super::kind::{Kind, Observed};
use super::managed::ManagedStatus;
use super::next::Next;
use super::record::{Purpose, Record, RecordError, within};
use super::remotes::Remotes;
use super::retries::Inputs;
use super::rotation;
use crate::work::Key;

/// How much is known of an object from status alone.
pub fn known<S: ManagedStatus, R, T>(
    status: &S,
    kind: RemoteKind,
    trusted: bool,
    refer: impl FnOnce(&str) -> R,
) -> Known<R, T> {
    match (journal::find(status.pending(), kind), status.id(kind)) {
        (Some(entry), _) => Known::Pending {
            attempt: entry.attempt,
        },
        (None, Some(id)) if trusted => Known::Trusted(refer(id)),
        (None, Some(id)) => Known::Recorded(refer(id)),
        (None, None) => Known::Absent,
    }
}

/// Reconciles the resource `key`.
pub async fn reconcile<K: Kind>(context: &Context, key: &Key) -> Result<Next, RecordError> {
    let api: Api<K> = Api::namespaced(context.client.clone(), key.namespace());
    let Some(resource) = within(api.get_opt(key.name())).await? else {
        forget::<K>(context, key);
        return Ok(Next::Change);
    };
    let dropped = K::side(context)
        .dependencies
        .set(key, resource.dependencies(key.namespace()));
    context.secrets.dropped(context, dropped);
    let tenure = context.tenure.clone();
    let mut record = Record::new(api, resource, tenure, Arc::clone(&context.metrics));
    note_standing(context, key, &mut record);
    if record.resource.meta().deletion_timestamp.is_some() {
        return delete(context, key, record).await;
    }
    converge(context, key, record).await
}

async fn converge<K: Kind>(
    context: &Context,
    key: &Key,
    mut record: Record<K>,
) -> Result<Next, RecordError> {
    let resource = record.resource.clone();
    if resource.suspended() {
        context.drift.forget(K::WORD, key);
        K::unwatch(context, key);
        return conclude(context, key, &mut record, None, Inputs::of(&())).await;
    }
    trust_no_more(&mut record, &resource);
    let surroundings = match resource.observe(context).await? {
        Observed::Whole(surroundings) => surroundings,
        Observed::Lacking(end) => {
            let inputs = inputs(&resource, &[]);
            return conclude(context, key, &mut record, Some(end), inputs).await;
        }
    };
    let inputs = inputs(&resource, &K::versions(&surroundings));
    if let Some(remaining) = K::side(context).retries.remaining(key, inputs) {
        return Ok(Next::After(remaining));
    }
    let access = K::access(&surroundings);
    if let Some(failure) = elsewhere(&mut record.status, access) {
        return conclude(context, key, &mut record, Some(failure.into()), inputs).await;
    }
    if let Some(failure) =
        rotation::check(context, key.namespace(), &mut record.status, access).await
    {
        return conclude(context, key, &mut record, Some(failure.into()), inputs).await;
    }
    let identity = identity(context, &resource, key);
    resource.prepare(context, &mut record.status, &surroundings);
    let remotes = Remotes::of(&context.platform, access);
    let sandbox = &remotes.sandbox;
    let mut subject = resource.subject(context, &identity, &record.status, &surroundings);
    for (kind, attempt) in unsent(context, &identity, &record.status) {
        subject.meet(kind, Fate::Absent { next: attempt }, &record.status);
    }
    // Taken back only once it has been looked at: a look that fails is repeated by the next reconcile.
    let suspicion = context.suspicions.of(&identity.uid);
    for kind in suspicion.read {
        subject.meet(kind, Fate::Unread, &record.status);
    }
    let mut frozen = K::obstacle(&surroundings);
    // In sync, nothing is asked of anybody: neither a token nor a finalizer that stands.
    if matches!(subject.plan(&record.status), Plan::Run(_)) {
        if let Err(error) = context.platform.authenticate(&access.credentials).await {
            let failure = Failure::from_call(&error, "get an access token", &access.scope);
            return conclude(context, key, &mut record, Some(failure.into()), inputs).await;
        }
        if !record.has_finalizer() {
            record.add_finalizer().await?;
        }
        let hold = hold(context, key, access).await?;
        frozen = hold.map(End::from).or(frozen);
    } else if record.has_finalizer() && !access.is_held() {
        // A Secret that was made anew, or another one than before.
        hold(context, key, access).await?;
    }
    let scope = context.inventory.scope(sandbox);
    let mut run = Run {
        context,
        record: &mut record,
        identity: &identity,
        remotes: &remotes,
        scope: &scope,
        access,
        frozen,
    };
    let end = match run.drive(&mut subject).await? {
        End::Failed {
            failure,
            step: Some(step),
        } if step.kind().service() == Service::Aep => End::Failed {
            failure: resource
                .diagnose(sandbox, &step, &run.record.status, failure)
                .await,
            step: Some(step),
        },
        end => end,
    };
    if K::stands(&subject, &end) {
        if context.suspicions.take(&identity.uid).twins {
            run.clear_twins(Duration::ZERO).await;
        }
        K::settled(&subject, &mut record.status);
        let entry = entry::<K>(&identity, &subject, &record.status);
        context.drift.register(sandbox, K::WORD, key, entry);
    } else {
        context.drift.forget(K::WORD, key);
    }
    K::watch(context, key, &subject, &record.status);
    renew_rights(context, &end, access);
    K::attend(context, key, sandbox, &mut record);
    let inputs = self::inputs(&resource, &K::versions_after(&surroundings, &subject));
    let end = published(context, &mut record, &surroundings, end).await?;
    conclude(context, key, &mut record, Some(end), inputs).await
}

/// Has written what others are to read; how the reconcile ends, after it has ended with AEP as `end` says.
async fn published<K: Kind>(
    context: &Context,
    record: &mut Record<K>,
    surroundings: &K::Surroundings,
    end: End,
) -> Result<End, RecordError> {
    match (K::publish(context, record, surroundings).await, end) {
        (Ok(Some(failure)), End::Done) => Ok(failure.into()),
        (Ok(_), end) => Ok(end),
        (Err(error), _) => {
            // What was done in AEP is written down first.
            record.flush(Purpose::Result).await?;
            Err(error)
        }
    }
}

/// What listings should show of a resource whose objects stand as written.
fn entry<K: Kind>(identity: &Identity, subject: &K::Subject<'_>, status: &K::Status) -> Entry {
    Entry {
        uid: identity.uid.clone(),
        expected: K::expected(subject, status).into(),
        attempts: Attempts::new(
            K::Status::KINDS
                .iter()
                .map(|kind| status.attempt(*kind).saturating_sub(1))
                .sum(),
        ),
        side: K::side,
        since: Instant::now(),
    }
}

/// Keeps the Secrets from going before what they are needed for; why nothing new may be made with them.
async fn hold(
    context: &Context,
    key: &Key,
    access: &Access,
) -> Result<Option<Failure>, RecordError> {
    for name in access.secrets() {
        let secret = Key::new(key.namespace(), name);
        let held = context
            .secrets
            .hold(&context.client, &secret, access.is_held());
        if let Some(failure) = held.await? {
            return Ok(Some(failure));
        }
    }
    Ok(None)
}

/// Creations that stand in status and were certainly not carried out.
pub(super) fn unsent<S: ManagedStatus>(
    context: &Context,
    identity: &Identity,
    status: &S,
) -> Vec<(RemoteKind, i64)> {
    S::KINDS
        .iter()
        .filter_map(|kind| Some((*kind, journal::find(status.pending(), *kind)?.attempt)))
        .filter(|(kind, attempt)| context.journal.is_unsent(&identity.uid, *kind, *attempt))
        .collect()
}

/// A request to check is not forgotten when its first try fails: until a check has ended well, what
/// stands in AEP is not taken for granted.
fn trust_no_more<K: Kind>(record: &mut Record<K>, resource: &K) {
    let requested = resource.annotations().get(REQUESTED_AT);
    let common = record.status.common();
    if requested.is_some() && requested != common.last_handled_reconcile_at.as_ref() {
        record.status.distrust();
    }
}

/// A token carries the rights it was minted with: after a refusal the next try gets a fresh one.
pub(super) fn renew_rights(context: &Context, end: &End, access: &Access) {
    if let End::Failed { failure, step } = end
        && failure.reason == Reason::PermissionDenied
        && step
            .as_ref()
            .is_none_or(|step| step.kind().service() == Service::Aep)
    {
        let fingerprint = access.credentials.fingerprint();
        context.platform.renew_rights(&fingerprint);
    }
}

/// Remote objects are of one organization and sandbox for ever. Both are written down with the first
/// intent; credentials or a source of another place must neither make objects there nor take a 404 from
/// there for a deletion.
pub(super) fn elsewhere<S: ManagedStatus>(status: &mut S, access: &Access) -> Option<Failure> {
    let holds = !status.holdings().is_empty();
    let common = status.common();
    let scope = &access.scope;
    if !holds {
        *common.organization_id = Some(scope.organization.clone());
        *common.sandbox = Some(scope.sandbox.clone());
        return None;
    }
    let differs = |made_in: &Option<String>, now: &String| {
        made_in.as_ref().filter(|made_in| *made_in != now).cloned()
    };
    if let Some(made_in) = differs(common.organization_id, &scope.organization) {
        let message = format!(
            "The remote objects stand in organization \"{made_in}\", but Secret \"{}\" is for organization \"{}\". Put \
             credentials of \"{made_in}\" into the Secret, or create this resource anew.",
            scope.secret, scope.organization
        );
        return Some(Failure::stalled(Reason::OrganizationMismatch, message));
    }
    let made_in = differs(common.sandbox, &scope.sandbox)?;
    let message = format!(
        "The remote objects stand in sandbox \"{made_in}\", but the source is for sandbox \"{}\" now. Create the source \
         as it was, or delete this resource with aep-operator.dev/abandon=true and create it anew.",
        scope.sandbox
    );
    Some(Failure::stalled(Reason::InvalidSpec, message))
}

/// A resource is gone: nothing of it is kept.
pub(super) fn forget<K: Kind>(context: &Context, key: &Key) {
    let side = K::side(context);
    let id = key.id();
    context.metrics.resources.gone(K::KIND, id);
    let dropped = side.dependencies.set(key, []);
    // Whoever waited for this dataflow to let go of its source goes on.
    for dependency in &dropped {
        if let Dependency::Source(source) = dependency {
            for sibling in context.dataflows.dependencies.dependents(dependency) {
                context.dataflows.wake(sibling);
            }
            context.sources.wake(source.clone());
        }
        if let Dependency::Dataset(dataset) = dependency {
            context.datasets.wake(dataset.clone());
        }
    }
    context.secrets.dropped(context, dropped);
    context.drift.forget(K::WORD, key);
    context.going.forget(K::WORD, key);
    K::unwatch(context, key);
    side.retries.clear(key);
}

pub(super) fn identity<K: Kind>(context: &Context, resource: &K, key: &Key) -> Identity {
    Identity {
        owner: context.owner.clone(),
        namespace: key.namespace().to_owned(),
        name: key.name().to_owned(),
        uid: resource.uid().unwrap_or_default(),
    }
}

/// Everything whose change makes another try worth while before its time.
pub(super) fn inputs<K: Kind>(resource: &K, versions: &[String]) -> Inputs {
    let meta = resource.meta();
    let annotation = |name: &str| resource.annotations().get(name).cloned();
    Inputs::of(&(
        meta.uid.as_deref(),
        meta.generation,
        meta.deletion_timestamp.is_some(),
        annotation(REQUESTED_AT),
        annotation(ABANDON),
        annotation(PROTECT),
        versions,
    ))
}

/// How to go on after the API server failed.
pub fn after_error(context: &Side, key: &Key, error: &RecordError) -> Next {
    match error {
        // What changed is read at once.
        RecordError::Conflict => Next::Over(Duration::from_millis(100)),
        RecordError::Queued(again) => Next::After(*again),
        RecordError::Gone | RecordError::Stopping => Next::Over(Duration::from_secs(1)),
        RecordError::Kube(_) | RecordError::Timeout => Next::Retry(context.retries.again(
            key,
            Inputs::of(&"kubernetes"),
            Pace::Backoff,
        )),
    }
}

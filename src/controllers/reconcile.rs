//! The road every resource takes: read it live, read what it depends on, run its plans, write down
//! how that ended. What differs between kinds is behind [`Kind`].

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::api::Api;
use kube::runtime::controller::Action;
use tracing::{info, warn};

use crate::plan::marker::Identity;
use crate::plan::pace::Pace;
use crate::plan::{Failure, Known, RemoteKind, Wait, journal};
use crate::platform::Sandbox;
use crate::resources::conditions::{READY, Reason, Standing, find};
use crate::resources::{ABANDON, REQUESTED_AT};

use super::context::{Context, Side};
use super::credentials::Access;
use super::dependencies::{Dependency, Key};
use super::engine::{End, Run, Subject};
use super::events::Note;
use super::managed::{Managed, ManagedStatus};
use super::record::{Purpose, Record, RecordError, within};
use super::retries::Inputs;

/// What a resource's reconcile found around it.
#[derive(Debug)]
pub enum Observed<S> {
    /// All that is needed.
    Whole(S),
    /// Something is missing: how the reconcile ends.
    Lacking(End),
}

/// What a kind of resource adds to the common road.
pub trait Kind:
    Managed<DynamicType = ()> + kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
{
    /// What it depends on, read live.
    type Surroundings: Debug + Send + Sync;
    /// Its planner over what is known.
    type Subject<'a>: Subject<Self::Status>;

    /// This kind's side of the context.
    fn side(context: &Context) -> &Side;

    /// What it depends on as far as its own spec says; registered before anything is read.
    fn dependencies(&self, namespace: &str) -> Vec<Dependency>;

    /// Reads what it depends on.
    fn observe(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<Observed<Self::Surroundings>, RecordError>> + Send;

    /// The same for deletion, where less is needed.
    fn observe_deletion(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<Observed<Access>, RecordError>> + Send;

    /// After the last remote object is gone.
    fn deleted(&self, context: &Context);

    /// How to call AEP.
    fn access(surroundings: &Self::Surroundings) -> &Access;

    /// What in the surroundings makes another try worth while.
    fn versions(surroundings: &Self::Surroundings) -> Vec<String>;

    /// The planner. With `trust`, what status records stands as written and need not be read.
    fn subject<'a>(
        &'a self,
        context: &'a Context,
        identity: &Identity,
        status: &Self::Status,
        surroundings: &'a Self::Surroundings,
        trusted_hash: Option<&str>,
    ) -> Self::Subject<'a>;

    /// A better explanation of a refusal by the platform, where there is one.
    fn diagnose(
        &self,
        sandbox: &Sandbox,
        refusal: Failure,
    ) -> impl Future<Output = Failure> + Send {
        let _ = sandbox;
        async { refusal }
    }

    /// Fills in what a status says beyond ids, once everything stands.
    fn settled(
        subject: &Self::Subject<'_>,
        surroundings: &Self::Surroundings,
        status: &mut Self::Status,
    );

    /// The message beside `Ready=True`.
    fn ready_message(status: &Self::Status) -> String;
}

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
pub async fn reconcile<K: Kind>(context: &Context, key: &Key) -> Result<Action, RecordError> {
    let api: Api<K> = Api::namespaced(context.client.clone(), &key.namespace);
    let Some(resource) = within(api.get_opt(&key.name)).await? else {
        forget::<K>(context, key);
        return Ok(Action::await_change());
    };
    K::side(context)
        .dependencies
        .set(key, resource.dependencies(&key.namespace));
    let record = Record::new(api, resource);
    if record.resource.meta().deletion_timestamp.is_some() {
        return delete(context, key, record).await;
    }
    converge(context, key, record).await
}

async fn converge<K: Kind>(
    context: &Context,
    key: &Key,
    mut record: Record<K>,
) -> Result<Action, RecordError> {
    let resource = record.resource.clone();
    if resource.suspended() {
        return conclude(context, key, &mut record, None, Inputs::of(&())).await;
    }
    let surroundings = match resource.observe(context).await? {
        Observed::Whole(surroundings) => surroundings,
        Observed::Lacking(end) => {
            let inputs = inputs(&resource, &[]);
            return conclude(context, key, &mut record, Some(end), inputs).await;
        }
    };
    let inputs = inputs(&resource, &K::versions(&surroundings));
    if let Some(remaining) = K::side(context).retries.remaining(key, inputs) {
        return Ok(Action::requeue(remaining));
    }
    let access = K::access(&surroundings);
    if let Err(error) = context.platform.authenticate(&access.credentials).await {
        let failure = Failure::from_call(&error, "get an access token", &access.scope);
        return conclude(context, key, &mut record, Some(failure.into()), inputs).await;
    }
    if !record.has_finalizer() {
        record.add_finalizer().await?;
    }
    let identity = identity(context, &resource, key);
    let requested = resource.annotations().get(REQUESTED_AT);
    let trusted_hash = {
        let common = record.status.common();
        let handled = requested.is_none() || requested == common.last_handled_reconcile_at.as_ref();
        common.applied_hash.clone().filter(|_| handled)
    };
    let sandbox = context
        .platform
        .sandbox(access.credentials.clone(), &access.scope.sandbox);
    let mut subject = resource.subject(
        context,
        &identity,
        &record.status,
        &surroundings,
        trusted_hash.as_deref(),
    );
    let mut run = Run {
        context,
        record: &mut record,
        identity: &identity,
        sandbox: &sandbox,
        access,
    };
    let end = match run.drive(&mut subject).await? {
        End::Failed { failure, step } if failure.reason == Reason::RejectedByPlatform => {
            End::Failed {
                failure: resource.diagnose(&sandbox, failure).await,
                step,
            }
        }
        end => end,
    };
    match &end {
        End::Done => K::settled(&subject, &surroundings, &mut record.status),
        // A token carries the rights it was minted with: the next try gets a fresh one.
        End::Failed { failure, .. } if failure.reason == Reason::PermissionDenied => {
            context.platform.forget(&access.credentials.fingerprint());
        }
        _ => {}
    }
    conclude(context, key, &mut record, Some(end), inputs).await
}

async fn delete<K: Kind>(
    context: &Context,
    key: &Key,
    mut record: Record<K>,
) -> Result<Action, RecordError> {
    if !record.has_finalizer() {
        forget::<K>(context, key);
        return Ok(Action::await_change());
    }
    let resource = record.resource.clone();
    let holdings = record.status.holdings();
    let abandoned = resource
        .annotations()
        .get(ABANDON)
        .is_some_and(|value| value == "true");
    if holdings.is_empty() || abandoned {
        if !holdings.is_empty() {
            let left = super::deletion::describe(&holdings);
            let note = Note {
                warning: true,
                reason: "Abandoned".into(),
                action: "Abandon".into(),
                note: format!(
                    "Let go of {left} as the annotation {ABANDON} asks; they stay in AEP."
                ),
            };
            context
                .events
                .publish(&resource.object_ref(&()), note)
                .await;
        }
        return finish(context, key, record, &resource).await;
    }
    let access = match resource.observe_deletion(context).await? {
        Observed::Whole(access) => access,
        Observed::Lacking(end) => {
            let inputs = inputs(&resource, &[]);
            let end = blocked(end, &record.status);
            return conclude(context, key, &mut record, Some(end), inputs).await;
        }
    };
    let inputs = inputs(&resource, std::slice::from_ref(&access.version));
    if let Some(remaining) = K::side(context).retries.remaining(key, inputs) {
        return Ok(Action::requeue(remaining));
    }
    let identity = identity(context, &resource, key);
    let sandbox = context
        .platform
        .sandbox(access.credentials.clone(), &access.scope.sandbox);
    let mut subject = super::deletion::Deletion::default();
    let mut run = Run {
        context,
        record: &mut record,
        identity: &identity,
        sandbox: &sandbox,
        access: &access,
    };
    match run.drive(&mut subject).await? {
        End::Done => finish(context, key, record, &resource).await,
        end => {
            let end = blocked(end, &record.status);
            conclude(context, key, &mut record, Some(end), inputs).await
        }
    }
}

/// Nothing of the resource is left in AEP: lets it go.
async fn finish<K: Kind>(
    context: &Context,
    key: &Key,
    mut record: Record<K>,
    resource: &K,
) -> Result<Action, RecordError> {
    record.remove_finalizer().await?;
    info!(namespace = key.namespace, name = key.name, "deleted");
    forget::<K>(context, key);
    resource.deleted(context);
    Ok(Action::await_change())
}

fn forget<K: Kind>(context: &Context, key: &Key) {
    let side = K::side(context);
    side.dependencies.set(key, []);
    side.retries.clear(key);
}

fn identity<K: Kind>(context: &Context, resource: &K, key: &Key) -> Identity {
    Identity {
        owner: context.owner.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: resource.uid().unwrap_or_default(),
    }
}

/// Everything whose change makes another try worth while before its time.
fn inputs<K: Kind>(resource: &K, versions: &[String]) -> Inputs {
    let meta = resource.meta();
    let annotation = |name: &str| resource.annotations().get(name).cloned();
    Inputs::of(&(
        meta.uid.as_deref(),
        meta.generation,
        meta.deletion_timestamp.is_some(),
        annotation(REQUESTED_AT),
        annotation(ABANDON),
        versions,
    ))
}

/// How a deletion that cannot go on shows: what remains comes first.
fn blocked<S: ManagedStatus>(end: End, status: &S) -> End {
    match end {
        End::Failed { failure, step } => {
            let remaining = super::deletion::remaining(&status.holdings(), step.as_deref());
            End::Failed {
                failure: failure.while_deleting(&remaining),
                step,
            }
        }
        end => end,
    }
}

/// Writes down how a reconcile ended (`None`: it is suspended), tells about it once, and says when to
/// look again.
async fn conclude<K: Kind>(
    context: &Context,
    key: &Key,
    record: &mut Record<K>,
    end: Option<End>,
    inputs: Inputs,
) -> Result<Action, RecordError> {
    let side = K::side(context);
    let (standing, note, pace) = match end {
        None => (Standing::Suspended, None, None),
        Some(End::Done) => {
            let message = K::ready_message(&record.status);
            (Standing::Ready { message }, None, None)
        }
        Some(End::Waiting(Wait {
            reason,
            message,
            poll,
        })) => (
            Standing::Reconciling { reason, message },
            None,
            poll.then_some(Pace::Poll),
        ),
        Some(End::Failed { failure, .. }) => {
            (failure.standing(), Some(failure.note), Some(failure.pace))
        }
    };
    let generation = record.generation();
    let requested = record.resource.annotations().get(REQUESTED_AT).cloned();
    let now = context.clock.now();
    let common = record.status.common();
    let before = find(common.conditions, READY).cloned();
    *common.conditions = standing.conditions(common.conditions, generation, now);
    let after = find(common.conditions, READY).cloned();
    if !matches!(standing, Standing::Suspended) {
        *common.observed_generation = Some(generation);
        *common.last_handled_reconcile_at = requested.or(common.last_handled_reconcile_at.take());
    }
    record.flush(Purpose::Result).await?;
    if let Some(after) = after.filter(|after| told_differently(before.as_ref(), after)) {
        tell(context, record, key, &standing, &after, note).await;
    }
    Ok(match pace {
        None => {
            side.retries.clear(key);
            Action::await_change()
        }
        Some(pace) => Action::requeue(side.retries.again(key, inputs, pace)),
    })
}

fn told_differently(before: Option<&Condition>, after: &Condition) -> bool {
    before.is_none_or(|before| before.reason != after.reason || before.message != after.message)
}

/// One Event and one log line for each change of standing.
async fn tell<K: Kind>(
    context: &Context,
    record: &Record<K>,
    key: &Key,
    standing: &Standing,
    ready: &Condition,
    note: Option<String>,
) {
    let (namespace, name) = (&key.namespace, &key.name);
    let note = note.unwrap_or_else(|| ready.message.clone());
    let failing = matches!(standing, Standing::Stalled { .. })
        || matches!(
            standing.reason(),
            Reason::PlatformUnavailable | Reason::Throttled
        );
    if failing {
        warn!(namespace, name, reason = ready.reason, "{note}");
    } else {
        info!(namespace, name, reason = ready.reason, "{note}");
    }
    let note = Note {
        warning: failing,
        reason: ready.reason.clone(),
        action: "Reconcile".into(),
        note,
    };
    context
        .events
        .publish(&record.resource.object_ref(&()), note)
        .await;
}

/// How soon to come back after the API server failed.
pub fn after_error(context: &Side, key: &Key, error: &RecordError) -> Duration {
    match error {
        // What changed is read at once.
        RecordError::Conflict => Duration::from_millis(100),
        RecordError::Gone => Duration::from_secs(1),
        RecordError::Kube(_) | RecordError::Timeout => {
            context
                .retries
                .again(key, Inputs::of(&"kubernetes"), Pace::Backoff)
        }
    }
}

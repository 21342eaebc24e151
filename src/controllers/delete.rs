//! The road back: a resource that is being deleted takes its remote objects along, or lets go of them.
//!
//! The finalizer goes last. Everything that ends without it is in one of two words: deleted, or let go of
//! with an Event that names what stays in AEP.

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use tracing::info;

use crate::resources::ABANDON;

use super::conclude::{blocked, conclude};
use super::context::Context;
use super::deletion::{Deletion, describe};
use super::dependencies::Key;
use super::engine::{End, Run};
use super::events::Note;
use super::managed::ManagedStatus as _;
use super::reconcile::{Kind, Observed, elsewhere, forget, identity, inputs, renew_rights};
use super::record::{Record, RecordError};

/// Takes one step back: what is left is deleted, or it is said why not.
pub(super) async fn delete<K: Kind>(
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
    if resource
        .annotations()
        .get(ABANDON)
        .is_some_and(|value| value == "true")
    {
        if !holdings.is_empty() {
            let left = describe(&holdings);
            record.notes.push(Note {
                warning: true,
                reason: "Abandoned".into(),
                action: "Abandon".into(),
                note: format!(
                    "Let go of {left} as the annotation {ABANDON} asks; they stay in AEP."
                ),
            });
        }
        return finish(context, key, record, &resource).await;
    }
    if let Some(end) = resource.in_use(context).await? {
        let inputs = inputs(&resource, &[]);
        return conclude(context, key, &mut record, Some(end), inputs).await;
    }
    if holdings.is_empty() {
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
    if let Some(failure) = elsewhere(&mut record.status, &access) {
        let end = blocked(failure.into(), &record.status);
        return conclude(context, key, &mut record, Some(end), inputs).await;
    }
    let identity = identity(context, &resource, key);
    let sandbox = context
        .platform
        .sandbox(access.credentials.clone(), &access.scope.sandbox);
    let mut subject = Deletion::default();
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
            renew_rights(context, &end, &access);
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
    for note in record.notes.drain(..) {
        context
            .events
            .publish(&record.resource.object_ref(&()), note)
            .await;
    }
    info!(namespace = key.namespace, name = key.name, "deleted");
    forget::<K>(context, key);
    resource.deleted(context);
    Ok(Action::await_change())
}

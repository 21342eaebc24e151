//! The road back: a resource that is being deleted takes its remote objects along, or lets go of them.
//!
//! The finalizer goes last. Everything that ends without it is in one of two words: deleted, or let go of
//! with an Event that names what stays in AEP.

use std::time::Duration;

use kube::ResourceExt as _;
use tracing::info;

use crate::plan::journal;
use crate::plan::marker::Identity;
use crate::plan::{Failure, RemoteKind, Step};
use crate::resources::conditions::Reason;
use crate::resources::lifecycle::DeletionPolicy;
use crate::resources::{ABANDON, PROTECT};

use super::conclude::{blocked, conclude};
use super::consult;
use super::context::Context;
use super::deletion::{Deletion, describe, place};
use super::engine::{End, Run};
use super::events::Note;
use super::inventory::Scope;
use super::kind::{Kind, Observed};
use super::managed::ManagedStatus as _;
use super::next::Next;
use super::reconcile::{elsewhere, forget, identity, inputs, renew_rights, unsent};
use super::record::{Record, RecordError};
use super::remotes::Remotes;
use super::uninstalled::{Uninstalled, uninstalled};
use crate::work::Key;

/// Takes one step back: what is left is deleted, or it is said why not.
pub(super) async fn delete<K: Kind>(
    context: &Context,
    key: &Key,
    mut record: Record<K>,
) -> Result<Next, RecordError> {
    if !record.has_finalizer() {
        forget::<K>(context, key);
        return Ok(Next::Change);
    }
    context.runs.forget(K::WORD, key);
    let resource = record.resource.clone();
    let identity = identity(context, &resource, key);
    for (kind, _) in unsent(context, &identity, &record.status) {
        journal::settle(record.status.common().pending, kind);
    }
    let holdings = record.status.holdings();
    let asked = |annotation: &str| {
        resource
            .annotations()
            .get(annotation)
            .is_some_and(|value| value == "true")
    };
    if asked(ABANDON) {
        let why = format!("as the annotation {ABANDON} asks");
        return let_go(context, key, record, "Abandoned", &why).await;
    }
    match uninstalled(context, key, &resource, !holdings.is_empty()).await? {
        Uninstalled::No => {}
        Uninstalled::Later(rest) => return Ok(Next::After(rest)),
        Uninstalled::Yes => {
            let name = K::crd_name();
            let why = format!("because the CustomResourceDefinition {name} is being deleted");
            return let_go(context, key, record, "Uninstalled", &why).await;
        }
        Uninstalled::Unknown(failure) => {
            let inputs = inputs(&resource, &[]);
            return conclude(context, key, &mut record, Some(failure.into()), inputs).await;
        }
    }
    if asked(PROTECT) && !holdings.is_empty() {
        let inputs = inputs(&resource, &[]);
        let end = Failure::protected(&describe(&holdings)).into();
        return conclude(context, key, &mut record, Some(end), inputs).await;
    }
    if let Some(end) = resource.in_use(context).await? {
        let inputs = inputs(&resource, &[]);
        return conclude(context, key, &mut record, Some(end), inputs).await;
    }
    if holdings.is_empty() {
        return finish(context, key, record).await;
    }
    let access = match resource.observe_deletion(context).await? {
        Observed::Whole(access) => access,
        Observed::Lacking(end) => {
            let inputs = inputs(&resource, &[]);
            let end = blocked(end, &record.status);
            return conclude(context, key, &mut record, Some(end), inputs).await;
        }
    };
    let inputs = inputs(&resource, &access.versions());
    if let Some(remaining) = K::side(context).retries.remaining(key, inputs) {
        return Ok(Next::After(remaining));
    }
    if let Some(failure) = elsewhere(&mut record.status, &access) {
        let end = blocked(failure.into(), &record.status);
        return conclude(context, key, &mut record, Some(end), inputs).await;
    }
    let remotes = Remotes::of(&context.platform, &access);
    let trace = resource.trace(&record.status, &access);
    let mut subject = Deletion::new(identity.clone(), resource.deletion_policy(), trace);
    let scope = context.inventory.scope(&remotes.sandbox);
    let mut run = Run {
        context,
        record: &mut record,
        identity: &identity,
        remotes: &remotes,
        scope: &scope,
        access: &access,
        frozen: None,
    };
    let suspicion = context.suspicions.take(&identity.uid);
    if resource.deletion_policy() == DeletionPolicy::Delete {
        // What a late attempt made goes with the rest: nobody would look for it afterwards.
        let fresh = if suspicion.twins {
            Duration::ZERO
        } else {
            consult::FRESH
        };
        run.clear_twins(fresh).await;
    }
    let ended = run.drive(&mut subject).await?;
    not_ours(&mut record, &subject.let_go);
    match ended {
        End::Done => {
            retained(&mut record);
            finish(context, key, record).await
        }
        end => {
            let end = in_use_elsewhere(&scope, &identity, end);
            renew_rights(context, &end, &access);
            let end = blocked(end, &record.status);
            conclude(context, key, &mut record, Some(end), inputs).await
        }
    }
}

/// AEP does not delete a target connection that a flow names: not for as long as that is somebody else's flow.
fn in_use_elsewhere(scope: &Scope, identity: &Identity, end: End) -> End {
    match end {
        End::Failed {
            failure,
            step: Some(step),
        } if failure.reason == Reason::Progressing => {
            let other = match &*step {
                Step::Delete {
                    kind: RemoteKind::TargetConnection,
                    id,
                } => Some(id).zip(scope.used_elsewhere(id, identity)),
                _ => None,
            };
            let failure = other.map_or(failure, |(id, flow)| {
                Failure::target_connection_in_use(id, &flow.id)
            });
            End::Failed {
                failure,
                step: Some(step),
            }
        }
        end => end,
    }
}

/// The resource goes, and its remote objects stay as they are.
async fn let_go<K: Kind>(
    context: &Context,
    key: &Key,
    mut record: Record<K>,
    reason: &str,
    why: &str,
) -> Result<Next, RecordError> {
    let holdings = record.status.holdings();
    if !holdings.is_empty() {
        let (left, place) = (describe(&holdings), place(&holdings));
        let note = format!("Let go of {left} {why}; they stay in {place}.");
        record.notes.push(left_alone(reason, note));
    }
    finish(context, key, record).await
}

/// What turned out to be somebody else's by now stays.
fn not_ours<K: Kind>(record: &mut Record<K>, let_go: &[String]) {
    if !let_go.is_empty() {
        let note = format!("Not deleted: {}.", let_go.join("; "));
        record.notes.push(left_alone("LetGo", note));
    }
}

/// What status still holds after a deletion stays on purpose.
fn retained<K: Kind>(record: &mut Record<K>) {
    let holdings = record.status.holdings();
    let (kept, place) = (describe(&holdings), place(&holdings));
    if !kept.is_empty() {
        let note = format!("{kept} stay in {place}, as spec.deletionPolicy says.");
        record.notes.push(left_alone("Retained", note));
    }
}

/// The Event about remote objects that stay.
fn left_alone(reason: &str, note: String) -> Note {
    Note {
        warning: reason != "Retained",
        reason: reason.to_owned(),
        action: "LetGo".to_owned(),
        note,
    }
}

/// Nothing of the resource is left in AEP: lets it go.
async fn finish<K: Kind>(
    context: &Context,
    key: &Key,
    mut record: Record<K>,
) -> Result<Next, RecordError> {
    record.remove_finalizer().await?;
    for note in record.notes.drain(..) {
        info!(
            namespace = key.namespace(),
            name = key.name(),
            "{}",
            note.note
        );
        context
            .events
            .publish(record.resource.object_ref(&()), note);
    }
    info!(namespace = key.namespace(), name = key.name(), "deleted");
    forget::<K>(context, key);
    Ok(Next::Change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::pace::Pace;
    use crate::plan::sighting::{Aspects, Sighted, Use};
    use crate::plan::test_support::named as identity;

    /// AEP did not delete target connection `t`, for `reason`; the flow on it is of `name`.
    fn told(reason: Reason, name: &str) -> Failure {
        let scope = Scope::default();
        let kind = RemoteKind::Flow;
        scope.note(Sighted {
            kind,
            id: "f".into(),
            marker: Some(identity(name).marker(kind, 1)),
            uses: vec![Use {
                kind: RemoteKind::TargetConnection,
                id: "t".into(),
                version: 0,
            }],
            aspects: Aspects::default(),
            created_at: 0,
        });
        let end = End::Failed {
            failure: Failure::passing(reason, "in use", Pace::Poll),
            step: Some(Box::new(Step::Delete {
                kind: RemoteKind::TargetConnection,
                id: "t".into(),
            })),
        };
        match in_use_elsewhere(&scope, &identity("ours"), end) {
            End::Failed { failure, .. } => failure,
            end => Failure::stalled(Reason::InvalidSpec, format!("{end:?}")),
        }
    }

    #[test]
    fn a_target_connection_that_somebody_else_uses_is_not_waited_for_in_silence() {
        let failure = told(Reason::Progressing, "theirs");
        assert_eq!(failure.reason, Reason::DeletionBlocked);
        assert!(
            failure.message.contains("flow f") && failure.message.contains("Target connection t"),
            "{}",
            failure.message
        );
        // Our own flow is on its way out: that passes.
        assert_eq!(told(Reason::Progressing, "ours").message, "in use");
        // Another refusal has its own words.
        assert_eq!(told(Reason::PermissionDenied, "theirs").message, "in use");
    }
}

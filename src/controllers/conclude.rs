//! The end of a reconcile: what is written down, what is told, and when to look again.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use tracing::{info, warn};

use crate::plan::Wait;
use crate::plan::pace::Pace;
use crate::resources::REQUESTED_AT;
use crate::resources::conditions::{READY, Reason, Standing, find};

use super::context::Context;
use super::engine::End;
use super::events::{self, Note};
use super::kind::Kind;
use super::managed::ManagedStatus;
use super::next::Next;
use super::record::{Purpose, Record, RecordError};
use super::retries::Inputs;
use crate::work::Key;

/// How a deletion that cannot go on shows: what remains comes first.
pub(super) fn blocked<S: ManagedStatus>(end: End, status: &S) -> End {
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
pub(super) async fn conclude<K: Kind>(
    context: &Context,
    key: &Key,
    record: &mut Record<K>,
    end: Option<End>,
    inputs: Inputs,
) -> Result<Next, RecordError> {
    if !context.tenure.is_valid() {
        // How it ended says nothing of the resource. What was done, is written down, if nobody else has.
        record.flush(Purpose::Result).await?;
        return Err(RecordError::Stopping);
    }
    let side = K::side(context);
    let drift = match &end {
        Some(End::Failed { failure, .. }) => failure.drift.clone(),
        _ => None,
    };
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
    let news = find(common.conditions, READY)
        .filter(|after| told_differently(before.as_ref(), after))
        .cloned();
    // Something else was told in between, such as an outage; the change is the same.
    let known = before.as_ref().is_some_and(|ready| ready.status != "True");
    let drift = drift.filter(|drift| {
        let last = common.last_drift.as_ref().filter(|_| known);
        news.is_some() && !last.is_some_and(|last| drift.is(last))
    });
    if let Some(drift) = &drift {
        *common.last_drift = Some(drift.recorded(now));
    }
    if !matches!(standing, Standing::Suspended) {
        *common.observed_generation = Some(generation);
        *common.last_handled_reconcile_at = requested.or(common.last_handled_reconcile_at.take());
    }
    record.flush(Purpose::Result).await?;
    note_standing(context, key, record);
    for note in std::mem::take(&mut record.notes) {
        context
            .events
            .publish(record.resource.object_ref(&()), note);
    }
    if let Some(drift) = drift {
        context.metrics.remote.drifted(drift.kind, drift.action);
    }
    if let Some(ready) = news {
        tell(context, record, key, &standing, &ready, note);
    }
    Ok(match pace {
        None => {
            side.retries.clear(key);
            let due = matches!(standing, Standing::Ready { .. })
                .then(|| record.resource.due(context, &record.status))
                .flatten();
            due.map_or(Next::Change, Next::After)
        }
        Some(pace) => {
            let wait = side.retries.again(key, inputs, pace);
            match pace {
                Pace::Backoff | Pace::After(_) => Next::Retry(wait),
                Pace::Slow | Pace::Settle(_) | Pace::Poll => Next::After(wait),
            }
        }
    })
}

/// Where the resource stands, for those who count.
pub(super) fn note_standing<K: Kind>(context: &Context, key: &Key, record: &mut Record<K>) {
    let created = record.resource.meta().creation_timestamp.as_ref();
    let age = created.and_then(|created| {
        Duration::try_from(context.clock.exact().duration_since(created.0)).ok()
    });
    let id = key.id();
    let conditions = record.status.common().conditions;
    let resources = &context.metrics.resources;
    resources.stands(K::KIND, id, conditions, age.unwrap_or_default());
}

fn told_differently(before: Option<&Condition>, after: &Condition) -> bool {
    before.is_none_or(|before| before.reason != after.reason || before.message != after.message)
}

/// One Event and one log line for each change of standing.
fn tell<K: Kind>(
    context: &Context,
    record: &Record<K>,
    key: &Key,
    standing: &Standing,
    ready: &Condition,
    note: Option<String>,
) {
    let (namespace, name) = key.parts();
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
        action: events::action_for(&ready.message),
        note,
    };
    context
        .events
        .publish(record.resource.object_ref(&()), note);
}

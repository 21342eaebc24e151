//! The condition `Ingesting` and `status.lastRun`: what [`crate::controllers::runs`] has seen, written down. No call.

use kube::Resource as _;
use tracing::{info, warn};

use crate::controllers::context::Context;
use crate::controllers::dependencies::Key;
use crate::controllers::events::{Note, action_for};
use crate::controllers::reconcile::Kind as _;
use crate::plan::ingestion::{Subject, Told, Verdict, judge};
use crate::platform::Sandbox;
use crate::resources::aep_dataflow::DesiredState;
use crate::resources::conditions::{self, INGESTING};
use crate::resources::{AepDataflow, AepDataflowStatus};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What the status of a dataflow says of its runs by now, and the Event about it.
pub fn attend(
    context: &Context,
    key: &Key,
    dataflow: &AepDataflow,
    sandbox: &Sandbox,
    status: &mut AepDataflowStatus,
) -> Option<Note> {
    let Some(flow) = &status.flow else {
        context.runs.forget(AepDataflow::WORD, key);
        return None;
    };
    let subject = Subject {
        flow: flow.id.clone(),
        disabled: flow.state.as_deref() == Some("disabled"),
        disabled_by_spec: dataflow.spec.state == DesiredState::Disabled,
        expect: dataflow.spec.expect.clone(),
    };
    let told = Told::of(&status.conditions, status.last_run.as_ref());
    let seen = context.runs.seen(AepDataflow::WORD, key, &subject.flow);
    let note = judge(&subject, told.as_ref(), seen.as_ref())
        .and_then(|verdict| write(context, key, dataflow, verdict, status));
    let generation = dataflow.meta().generation;
    if let Some(stands) = status
        .conditions
        .iter_mut()
        .find(|it| it.type_ == INGESTING)
    {
        stands.observed_generation = generation;
    }
    let told = Told::of(&status.conditions, status.last_run.as_ref());
    context.runs.register(
        sandbox,
        (AepDataflow::WORD, key),
        subject,
        told,
        AepDataflow::side,
        context.clock.now(),
    );
    note
}

fn write(
    context: &Context,
    key: &Key,
    dataflow: &AepDataflow,
    verdict: Verdict,
    status: &mut AepDataflowStatus,
) -> Option<Note> {
    let before = conditions::find(&status.conditions, INGESTING);
    let differs = before.is_none_or(|before| {
        before.reason != verdict.reason.as_str() || before.message != verdict.message
    });
    // That a flow is new or disabled is told by what made it so.
    let note = (differs && (verdict.is_warning() || verdict.status == "True")).then(|| Note {
        warning: verdict.is_warning(),
        reason: verdict.reason.to_string(),
        action: action_for(&verdict.message),
        note: verdict.message.clone(),
    });
    if let Some(note) = &note {
        let (namespace, name, reason) = (&key.namespace, &key.name, &note.reason);
        if note.warning {
            warn!(namespace, name, reason, "{}", note.note);
        } else {
            info!(namespace, name, reason, "{}", note.note);
        }
    }
    let condition = Condition {
        type_: INGESTING.to_owned(),
        status: verdict.status.to_owned(),
        reason: verdict.reason.to_string(),
        message: verdict.message,
        observed_generation: dataflow.meta().generation,
        last_transition_time: Time(context.clock.now()),
    };
    conditions::put(&mut status.conditions, condition);
    status.last_run = verdict.last_run;
    note
}

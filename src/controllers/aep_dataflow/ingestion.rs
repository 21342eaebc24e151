//! The condition `Ingesting` and `status.lastRun`: what [`crate::controllers::runs`] has seen, written down. No call.

use kube::Resource as _;
use tracing::{info, warn};

use crate::controllers::context::Context;
use crate::controllers::events::{Note, action_for};
use crate::controllers::kind::Kind as _;
use crate::controllers::record::Record;
use crate::plan::ingestion::{Subject, Told, Verdict, judge};
use crate::platform::Sandbox;
use crate::resources::aep_dataflow::DesiredState;
use crate::resources::conditions::{self, INGESTING};
use crate::resources::{AepDataflow, AepDataflowStatus};
use crate::work::Key;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Has the status of a dataflow say what its runs show by now, with an Event if that is news.
pub fn attend(context: &Context, key: &Key, sandbox: &Sandbox, record: &mut Record<AepDataflow>) {
    let spec = &record.resource.spec;
    let status = &mut record.status;
    let Some(flow) = &status.flow else {
        context.runs.forget(AepDataflow::WORD, key);
        return;
    };
    let subject = Subject {
        flow: flow.id.clone(),
        disabled: flow.state.as_deref() == Some("disabled"),
        disabled_by_spec: spec.state == DesiredState::Disabled,
        expect: spec.expect.clone(),
    };
    let told = Told::of(&status.conditions, status.last_run.as_ref());
    let seen = context.runs.seen(AepDataflow::WORD, key, &subject.flow);
    if let Some(verdict) = judge(&subject, told.as_ref(), seen.as_ref()) {
        let note = write(context, key, verdict, status);
        record.notes.extend(note);
    }
    let is_ours = |it: &&mut Condition| it.type_ == INGESTING;
    if let Some(stands) = status.conditions.iter_mut().find(is_ours) {
        stands.observed_generation = record.resource.meta().generation;
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
}

fn write(
    context: &Context,
    key: &Key,
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
        let (namespace, name, reason) = (key.namespace(), key.name(), &note.reason);
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
        observed_generation: None,
        last_transition_time: Time(context.clock.now()),
    };
    conditions::put(&mut status.conditions, condition);
    status.last_run = verdict.last_run;
    note
}

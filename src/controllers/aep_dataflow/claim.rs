//! The live look at who else is on a dataflow's source; [`crate::plan::claim`] decides.

use kube::ResourceExt as _;
use kube::api::{Api, ListParams};

use crate::controllers::context::Context;
use crate::controllers::record::{RecordError, within};
use crate::plan::claim::{Claimant, FlowProgress, Verdict, decide};
use crate::plan::pace::Pace;
use crate::plan::{Failure, RemoteKind, journal};
use crate::resources::conditions::Reason;
use crate::resources::{AepDataflow, FINALIZER};

/// Why `dataflow`, whose own flow is as far as `progress`, may not make a flow on its source.
pub async fn check(
    context: &Context,
    dataflow: &AepDataflow,
    progress: FlowProgress,
) -> Result<Option<Failure>, RecordError> {
    look(context, dataflow, progress, ListParams::default()).await
}

/// The same for one that does not make its flow yet: `None` may be late by a moment. A list of what is there now makes
/// kube-apiserver wait until its memory is known to be up to date, up to 100 ms; one of what it has at hand does not.
pub async fn glance(
    context: &Context,
    dataflow: &AepDataflow,
    progress: FlowProgress,
) -> Result<Option<Failure>, RecordError> {
    let at_hand = ListParams::default().match_any();
    match look(context, dataflow, progress, at_hand).await? {
        None => Ok(None),
        Some(_) => check(context, dataflow, progress).await,
    }
}

async fn look(
    context: &Context,
    dataflow: &AepDataflow,
    progress: FlowProgress,
    params: ListParams,
) -> Result<Option<Failure>, RecordError> {
    let namespace = dataflow.namespace().unwrap_or_default();
    let source = &dataflow.spec.source_ref.name;
    let api: Api<AepDataflow> = Api::namespaced(context.client.clone(), &namespace);
    let params = params.fields(&format!("spec.sourceRef.name={source}"));
    let found = within(api.list(&params)).await?.items;
    let others: Vec<Claimant> = found
        .iter()
        .filter(|other| other.uid() != dataflow.uid() && !has_let_go(other))
        .map(|other| claimant(other, progress_of(context, other)))
        .collect();
    Ok(match decide(&claimant(dataflow, progress), &others) {
        Verdict::Holds => None,
        Verdict::HeldBy(holder) => Some(Failure::stalled(
            Reason::SourceInUse,
            format!(
                "CustomerIoSource \"{source}\" carries AepDataflow \"{holder}\" already: a source connection belongs to \
                 one flow. Create another CustomerIoSource for this dataflow, or delete \"{holder}\"."
            ),
        )),
        Verdict::Unsettled(other) => Some(Failure::passing(
            Reason::Progressing,
            format!("AepDataflow \"{other}\" is giving way on CustomerIoSource \"{source}\"."),
            Pace::Backoff,
        )),
    })
}

fn claimant(dataflow: &AepDataflow, flow: FlowProgress) -> Claimant {
    let created = dataflow
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(0, |time| time.0.as_second());
    Claimant {
        name: dataflow.name_any(),
        created,
        flow,
    }
}

/// One that is being deleted and no longer has our finalizer has nothing in AEP any more.
fn has_let_go(dataflow: &AepDataflow) -> bool {
    dataflow.metadata.deletion_timestamp.is_some()
        && !dataflow.finalizers().iter().any(|name| name == FINALIZER)
}

/// How far a dataflow's flow is, as its status says. What this process knows not to have been sent is no
/// progress: before it is sent after all, the claim is checked again.
pub fn progress_of(context: &Context, dataflow: &AepDataflow) -> FlowProgress {
    let status = dataflow.status.as_ref();
    let intended = status.and_then(|it| journal::find(&it.pending, RemoteKind::Flow));
    let uid = dataflow.uid().unwrap_or_default();
    FlowProgress::of(
        status.is_some_and(|it| it.flow.is_some()),
        intended.map(|entry| entry.attempt),
        |attempt| context.journal.is_unsent(&uid, RemoteKind::Flow, attempt),
    )
}

//! The planner of an `AepDataflow`: target connection and mapping set at the same time, then the flow
//! on both and the source, then the URL it is given.

use crate::platform::{
    Flow, FlowAction, FlowState, LastOperation, MappingRef, MappingSet, PatchOperation,
    TargetConnection,
};
use crate::resources::conditions::Reason;
use crate::resources::lifecycle::{AdoptPolicy, OnRemoteMissing};

use super::adopt::{self, Adoption};
use super::desired::DesiredDataflow;
use super::failure::Failure;
use super::marker::Marker;
use super::question::Checked;
use super::{Body, Known, Plan, RemoteKind, Step, Wait, mapping};

/// What is known of the dataflow's remote objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedDataflow {
    /// Id of the source's connection, once it stands; else what the source says of itself.
    pub source: SourceView,
    /// The target connection.
    pub target: Known<String, TargetConnection>,
    /// The mapping set.
    pub mapping: Known<MappingRef, MappingSet>,
    /// What the platform said of new rows.
    pub checked: Option<Checked>,
    /// The flow.
    pub flow: Known<String, Flow>,
    /// Numbers of the attempts that would create an object of each kind.
    pub next_attempts: NextAttempts,
    /// The objects stood as this very spec says before: what differs now was changed elsewhere.
    pub settled: bool,
    /// Somebody else was found to have disabled the flow, and nothing else has been asked for since.
    pub stopped: bool,
    /// `spec.onRemoteMissing`.
    pub on_missing: OnRemoteMissing,
    /// A flow to adopt, until it is.
    pub adopt: Option<Adoption<Flow>>,
}

/// Number of the attempt that would create an object of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the kinds")]
pub struct NextAttempts {
    pub target: i64,
    pub mapping: i64,
    pub flow: i64,
}

impl Default for NextAttempts {
    fn default() -> Self {
        Self {
            target: 1,
            mapping: 1,
            flow: 1,
        }
    }
}

/// What a dataflow knows of its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceView {
    /// Its connection stands under this id.
    Standing {
        /// The connection's id.
        id: String,
    },
    /// It has none yet.
    NotYet {
        /// What to wait for, in words.
        message: String,
    },
}

impl Default for SourceView {
    fn default() -> Self {
        Self::NotYet {
            message: String::new(),
        }
    }
}

/// The next steps towards `desired`.
pub fn plan(desired: &DesiredDataflow, observed: &ObservedDataflow) -> Plan {
    if let Some(adoption) = &observed.adopt {
        return adopt::flow(desired, observed, adoption);
    }
    if observed.on_missing == OnRemoteMissing::Stall
        && let Some(failure) = missing(desired, observed)
    {
        return Plan::Stop(failure);
    }
    if let Some(failure) = mapping::refused(desired, observed) {
        return Plan::Stop(failure);
    }
    if let (Some(target), Known::Read(flow), OnRemoteMissing::Stall) = (
        elsewhere(desired, observed),
        &observed.flow,
        observed.on_missing,
    ) {
        let wanted = &desired.target.dataset_id;
        let failure = Failure::lands_elsewhere(&flow.id, target.dataset_id(), wanted);
        return Plan::Stop(failure);
    }
    let steps = groundwork(desired, observed);
    if !steps.is_empty() {
        return Plan::Run(steps);
    }
    let of_target = |found: &TargetConnection| found.id.clone();
    let (Some(target), Some(mapping)) = (
        observed.target.standing(of_target),
        mapping::standing(desired, observed),
    ) else {
        // Unreachable by construction of `groundwork`; reading again is always safe.
        return Plan::Wait(progressing());
    };
    flow(desired, observed, &target, &mapping)
}

/// The flow, on a target connection and a mapping set that stand.
fn flow(
    desired: &DesiredDataflow,
    observed: &ObservedDataflow,
    target: &str,
    mapping: &MappingRef,
) -> Plan {
    match &observed.flow {
        Known::Absent | Known::Missing(_) => match &observed.source {
            SourceView::Standing { id } => {
                let attempt = observed.next_attempts.flow;
                let body = Body::Flow(desired.flow(attempt, id, target, mapping));
                Plan::Run(vec![Step::Create { attempt, body }])
            }
            SourceView::NotYet { message } => Plan::Wait(Wait {
                reason: Reason::WaitingForSource,
                message: message.clone(),
                poll: false,
            }),
        },
        Known::Read(flow) => converge(desired, observed, flow, target, mapping),
        Known::Trusted(_) => Plan::Done,
        Known::Pending { .. } | Known::Recorded(_) => Plan::Wait(progressing()),
    }
}

fn progressing() -> Wait {
    Wait {
        reason: Reason::Progressing,
        message: "Working on the remote objects.".into(),
        poll: true,
    }
}

fn missing(desired: &DesiredDataflow, observed: &ObservedDataflow) -> Option<Failure> {
    let ObservedDataflow {
        source: _,
        target,
        mapping,
        checked: _,
        flow,
        next_attempts: _,
        settled: _,
        stopped: _,
        on_missing: _,
        adopt: _,
    } = observed;
    if let Known::Missing(id) = flow {
        return Some(Failure::remote_missing(RemoteKind::Flow, id));
    }
    if let Known::Missing(id) = target {
        return Some(Failure::remote_missing(RemoteKind::TargetConnection, id));
    }
    match mapping {
        Known::Missing(found) if desired.mapping_elsewhere.is_none() => {
            Some(Failure::remote_missing(RemoteKind::MappingSet, &found.id))
        }
        _ => None,
    }
}

/// A target connection that was taken over and leads into another dataset: one of an earlier resource of this name, whose
/// dataset was made anew since or whose manifest meant another one.
fn elsewhere<'a>(
    desired: &DesiredDataflow,
    observed: &'a ObservedDataflow,
) -> Option<&'a TargetConnection> {
    let Known::Read(found) = &observed.target else {
        return None;
    };
    let dataset = found.dataset_id();
    (!dataset.is_empty() && dataset != desired.target.dataset_id).then_some(found)
}

/// What the flow is built on, and everything that has to be known first: look-ups, reads, creations, and
/// the rows of the mapping set.
fn groundwork(desired: &DesiredDataflow, observed: &ObservedDataflow) -> Vec<Step> {
    let mut steps = Vec::new();
    let kind = RemoteKind::TargetConnection;
    match &observed.target {
        Known::Pending { attempt } => steps.push(Step::LookUp {
            kind,
            attempt: *attempt,
        }),
        Known::Recorded(id) => steps.push(Step::Read {
            kind,
            id: id.clone(),
        }),
        Known::Absent | Known::Missing(_) => {
            let attempt = observed.next_attempts.target;
            steps.push(Step::Create {
                attempt,
                body: Body::TargetConnection(desired.target_connection(attempt)),
            });
        }
        // Nobody's flow is on it, or that one is made anew: what is left is found as a twin.
        Known::Read(found)
            if elsewhere(desired, observed).is_some()
                && matches!(
                    observed.flow,
                    Known::Absent | Known::Missing(_) | Known::Read(_)
                ) =>
        {
            let earlier = Marker::split(&found.description).map_or(0, |(_, it)| it.attempt);
            let attempt = observed.next_attempts.target.max(earlier + 1);
            steps.push(Step::Create {
                attempt,
                body: Body::TargetConnection(desired.target_connection(attempt)),
            });
        }
        // Its name is not kept up: Adobe advises against patching a connection whose flow does not see
        // the change, and dataset and schema cannot change in the spec.
        Known::Read(_) | Known::Trusted(_) => {}
    }
    steps.extend(mapping::steps(desired, observed));
    let kind = RemoteKind::Flow;
    match &observed.flow {
        Known::Pending { attempt } => steps.push(Step::LookUp {
            kind,
            attempt: *attempt,
        }),
        Known::Recorded(id) => steps.push(Step::Read {
            kind,
            id: id.clone(),
        }),
        Known::Absent | Known::Read(_) | Known::Trusted(_) | Known::Missing(_) => {}
    }
    steps
}

/// From the flow as it stands to the flow as it should be.
fn converge(
    desired: &DesiredDataflow,
    observed: &ObservedDataflow,
    flow: &Flow,
    target: &str,
    mapping: &MappingRef,
) -> Plan {
    let id = flow.id.clone();
    if let Some((_, marker)) = Marker::split(&flow.description)
        && !marker.identity.same_resource(&desired.identity)
        && (observed.settled || desired.adopt != Some(AdoptPolicy::TakeOver))
    {
        let failure = Failure::taken(RemoteKind::Flow, &id, &marker, desired.adopt);
        return Plan::Stop(failure);
    }
    if !matches!(flow.state, FlowState::Enabled | FlowState::Disabled) {
        let errors = flow
            .last_operation
            .as_ref()
            .filter(|operation| has_failed(operation))
            .map(LastOperation::errors)
            .unwrap_or_default();
        if !errors.is_empty() {
            return Plan::Stop(Failure::flow_failed(&id, &errors));
        }
        // Updates and actions are refused in any other state (FLOW-1420 to 1422).
        let (reason, message) = if flow.inlet_url().is_some() {
            (
                Reason::Progressing,
                "AEP is still carrying out a change of the flow.",
            )
        } else {
            (
                Reason::WaitingForInlet,
                "The flow is being set up by AEP; its inlet URL comes with it.",
            )
        };
        return Plan::Wait(Wait {
            reason,
            message: message.to_owned(),
            poll: true,
        });
    }
    if let Some(failure) = rewired(observed, flow, target) {
        return match observed.on_missing {
            OnRemoteMissing::Stall => Plan::Stop(failure),
            // Whether a flow can be put on other connections is not documented: it is made anew.
            OnRemoteMissing::Recreate => Plan::Run(vec![Step::Delete {
                kind: RemoteKind::Flow,
                id,
            }]),
        };
    }
    if (observed.settled || observed.stopped)
        && desired.action(&flow.state) == Some(FlowAction::Enable)
    {
        // It may be somebody's emergency stop.
        let (by, client) = (&flow.updated_by, &flow.updated_client);
        return Plan::Stop(Failure::disabled_elsewhere(&id, by, client));
    }
    let mut operations = desired.label.changes(
        RemoteKind::Flow,
        &desired.identity,
        &flow.name,
        &flow.description,
    );
    if flow.mapping().as_ref() != Some(mapping) {
        operations.push(PatchOperation::replace_mapping(
            flow.mapping_index().unwrap_or(0),
            mapping,
        ));
    }
    if !operations.is_empty() {
        let etag = flow.etag.clone();
        return Plan::Run(vec![Step::Patch {
            kind: RemoteKind::Flow,
            id,
            etag,
            operations,
        }]);
    }
    if let Some(action) = desired.action(&flow.state) {
        return Plan::Run(vec![Step::Act { id, action }]);
    }
    if flow.inlet_url().is_none() {
        let message = "The flow stands; AEP has not given it an inlet URL yet.".to_owned();
        return Plan::Wait(Wait {
            reason: Reason::WaitingForInlet,
            message,
            poll: true,
        });
    }
    Plan::Done
}

#[cfg(test)]
#[path = "dataflow_tests.rs"]
mod tests;

/// Why a flow is not on our connections any more: they were made anew, or somebody moved it.
fn rewired(observed: &ObservedDataflow, flow: &Flow, target: &str) -> Option<Failure> {
    let off = |ids: &[String], wanted: &str| !ids.is_empty() && ids != [wanted];
    let lost = match &observed.source {
        SourceView::Standing { id } if off(&flow.source_connection_ids, id) => {
            Some((RemoteKind::SourceConnection, id.as_str()))
        }
        _ => off(&flow.target_connection_ids, target)
            .then_some((RemoteKind::TargetConnection, target)),
    };
    lost.map(|(kind, wanted)| Failure::rewired(&flow.id, kind, wanted))
}

/// Errors beside an operation under way may be of the one before; the words for its status are not a
/// closed list.
fn has_failed(operation: &LastOperation) -> bool {
    operation.status().to_ascii_lowercase().contains("fail")
}

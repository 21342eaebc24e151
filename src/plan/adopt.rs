//! Adopting what stands in AEP already: which reads it takes, whether it may be adopted, and what differs.
//!
//! Nothing is written before the ids stand in status: a refusal leaves everything as it was. What cannot
//! be changed afterwards (source, dataset, schema) has to be right under every policy; the rest may differ
//! unless the policy is `Match`.

use crate::platform::{
    CUSTOMER_IO_CONNECTION_SPEC, Flow, FlowState, MappingSet, STREAMING_FLOW_SPEC,
    SourceConnection, TargetConnection,
};
use crate::resources::conditions::Reason;
use crate::resources::lifecycle::AdoptPolicy;

use super::dataflow::{ObservedDataflow, SourceView};
use super::desired::{DesiredDataflow, DesiredSource, Label};
use super::failure::Failure;
use super::mapping::same_rows;
use super::marker::{Identity, Marker};
use super::{Known, Plan, RemoteKind, Step};

/// An adoption that has not happened yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Adoption<T> {
    /// Id of the object.
    pub id: String,
    /// How differences and foreign markers are met.
    pub policy: AdoptPolicy,
    /// The object, as far as it is known.
    pub found: Found<T>,
}

/// The object to adopt, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<T> {
    /// It has to be read.
    Unread,
    /// The platform knows none.
    Missing,
    /// It was read.
    Read(Box<T>),
}

/// The way to adopting a source connection.
pub fn source(desired: &DesiredSource, adoption: &Adoption<SourceConnection>) -> Plan {
    let kind = RemoteKind::SourceConnection;
    let found = match &adoption.found {
        Found::Unread => return read(kind, &adoption.id),
        Found::Missing => return Plan::Stop(Failure::nothing_to_adopt(kind, &adoption.id)),
        Found::Read(found) => found,
    };
    if found.connection_spec.id != CUSTOMER_IO_CONNECTION_SPEC {
        let why = "it is not a connection of the Customer.io source";
        return Plan::Stop(Failure::not_adoptable(kind, &found.id, why));
    }
    if let Some(failure) = foreign(
        kind,
        &found.id,
        &found.description,
        adoption,
        &desired.identity,
    ) {
        return Plan::Stop(failure);
    }
    let differences = label(
        &desired.label,
        "sourceConnection",
        &found.name,
        &found.description,
    );
    verdict(kind, &found.id, adoption.policy, &differences)
}

/// The way to adopting a flow with what it is built on.
pub fn flow(
    desired: &DesiredDataflow,
    observed: &ObservedDataflow,
    adoption: &Adoption<Flow>,
) -> Plan {
    let kind = RemoteKind::Flow;
    let flow = match &adoption.found {
        Found::Unread => return read(kind, &adoption.id),
        Found::Missing => return Plan::Stop(Failure::nothing_to_adopt(kind, &adoption.id)),
        Found::Read(flow) => flow,
    };
    let refuse = |why: &str| Plan::Stop(Failure::not_adoptable(kind, &flow.id, why));
    if flow.flow_spec.id != STREAMING_FLOW_SPEC {
        return refuse("it is not a streaming flow");
    }
    if let Some(failure) = foreign(
        kind,
        &flow.id,
        &flow.description,
        adoption,
        &desired.identity,
    ) {
        return Plan::Stop(failure);
    }
    let ([source], [target_id]) = (
        flow.source_connection_ids.as_slice(),
        flow.target_connection_ids.as_slice(),
    ) else {
        return refuse("it does not have exactly one source and one target connection");
    };
    match &observed.source {
        SourceView::Standing { id } if id == source => {}
        SourceView::Standing { id } => {
            return refuse(&format!(
                "it runs on source connection {source}, and the CustomerIoSource has {id}. Let a CustomerIoSource \
                 adopt {source}"
            ));
        }
        SourceView::NotYet { message } => return waiting(message),
    }
    let Some(used) = flow.mapping() else {
        return refuse("it has no mapping");
    };
    let target = match &observed.target {
        Known::Read(target) if target.id == *target_id => target,
        _ => return read_what_it_is_built_on(target_id, desired, &used.id),
    };
    if let Some(why) = elsewhere(desired, target) {
        return refuse(&why);
    }
    let mut differences = label(&desired.label, "flow", &flow.name, &flow.description);
    match (&desired.mapping_elsewhere, &observed.mapping) {
        (Some(wanted), _) if *wanted == used => {}
        (Some(_), _) => differences.push(format!(
            "mapping (the flow uses version {} of mapping set {})",
            used.version, used.id
        )),
        (None, Known::Read(mapping)) if mapping.id == used.id => {
            differences.extend(rows(desired, mapping, used.version));
        }
        (None, _) => return read_what_it_is_built_on(target_id, desired, &used.id),
    }
    if matches!(flow.state, FlowState::Enabled | FlowState::Disabled)
        && desired.action(&flow.state).is_some()
    {
        differences.push(format!("flow.state (it is {})", flow.state.as_str()));
    }
    verdict(kind, &flow.id, adoption.policy, &differences)
}

fn read(kind: RemoteKind, id: &str) -> Plan {
    Plan::Run(vec![Step::Read {
        kind,
        id: id.to_owned(),
    }])
}

/// A mapping set that is not to be the resource's own is not looked at.
fn read_what_it_is_built_on(target: &str, desired: &DesiredDataflow, mapping: &str) -> Plan {
    let step = |kind, id: &str| Step::Read {
        kind,
        id: id.to_owned(),
    };
    let mut steps = vec![step(RemoteKind::TargetConnection, target)];
    if desired.mapping_elsewhere.is_none() {
        steps.push(step(RemoteKind::MappingSet, mapping));
    }
    Plan::Run(steps)
}

fn waiting(message: &str) -> Plan {
    Plan::Wait(super::Wait {
        reason: Reason::WaitingForSource,
        message: message.to_owned(),
        poll: false,
    })
}

fn foreign<T>(
    kind: RemoteKind,
    id: &str,
    description: &str,
    adoption: &Adoption<T>,
    identity: &Identity,
) -> Option<Failure> {
    let (_, marker) = Marker::split(description)?;
    (!marker.identity.same_resource(identity) && adoption.policy != AdoptPolicy::TakeOver)
        .then(|| Failure::of_another(kind, id, &marker))
}

/// Name and description that differ; the marker does not count.
fn label(wanted: &Label, object: &str, name: &str, description: &str) -> Vec<String> {
    let text = Marker::text(description);
    let mut differences = Vec::new();
    if name != wanted.name() {
        differences.push(format!("{object}.name (it is \"{name}\")"));
    }
    if text != wanted.text() {
        differences.push(format!("{object}.description (it is \"{text}\")"));
    }
    differences
}

/// The dataset and schema of a flow stay what they are.
fn elsewhere(desired: &DesiredDataflow, target: &TargetConnection) -> Option<String> {
    let wanted = &desired.target;
    if target.dataset_id() != wanted.dataset_id {
        return Some(format!(
            "it writes into dataset {}, and spec.target names {}",
            target.dataset_id(),
            wanted.dataset_id
        ));
    }
    let schema = target.schema();
    (schema.id != wanted.schema.id).then(|| {
        format!(
            "it writes records of schema {}, and spec.target names {}",
            schema.id, wanted.schema.id
        )
    })
}

fn rows(desired: &DesiredDataflow, mapping: &MappingSet, used: u64) -> Option<String> {
    if !same_rows(desired, mapping) {
        return Some(format!("mapping (it has {} rows)", mapping.mappings.len()));
    }
    (mapping.version != used).then(|| format!("mapping (the flow uses version {used} of it)"))
}

fn verdict(kind: RemoteKind, id: &str, policy: AdoptPolicy, differences: &[String]) -> Plan {
    if policy == AdoptPolicy::Match && !differences.is_empty() {
        return Plan::Stop(Failure::adoption_differs(kind, id, differences));
    }
    Plan::Adopt
}

#[cfg(test)]
#[path = "adopt_tests.rs"]
mod tests;

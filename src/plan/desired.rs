//! Spec to remote objects: the bodies as they should stand in AEP.
//!
//! The shapes are those of Adobe's Customer.io tutorial; only the marker is added. Bodies need the
//! attempt (it is part of the marker), so they are built when a step is planned.

use sha2::{Digest as _, Sha256};

use crate::platform::{
    FlowAction, FlowState, MappingRef, MappingRow as RemoteRow, NewFlow, NewMappingSet,
    NewSourceConnection, NewTargetConnection, PatchOperation,
};
use crate::resources::aep_dataflow::{DesiredState, MappingRow};
use crate::resources::lifecycle::AdoptPolicy;
use crate::resources::{AepDataflowSpec, CustomerIoSourceSpec};

use super::RemoteKind;
use super::marker::{Identity, Marker};
use super::sighting::{Digest, label_hash};
use super::target::ResolvedTarget;

/// Name and description of one remote object, as the user wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    name: String,
    description: Option<String>,
}

impl Label {
    pub(super) fn new(name: Option<&str>, description: Option<&str>, identity: &Identity) -> Self {
        Self {
            name: name.map_or_else(|| identity.default_name(), str::to_owned),
            // Blanks at its ends could not be told from the one before the marker.
            description: description
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
        }
    }

    /// The name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The description without a marker.
    pub(super) fn text(&self) -> &str {
        self.description.as_deref().unwrap_or_default()
    }

    /// What turns the label that stands into this one. A marker of ours keeps its attempt.
    pub(super) fn changes(
        &self,
        kind: RemoteKind,
        identity: &Identity,
        name: &str,
        description: &str,
    ) -> Vec<PatchOperation> {
        let mut operations = Vec::new();
        if name != self.name {
            operations.push(set(name_path(kind), name, &self.name));
        }
        let ours = identity.marker(kind, kept_attempt(kind, identity, description));
        let stands = Marker::split(description).is_some_and(|(text, marker)| {
            marker == ours && text == self.description.as_deref().unwrap_or_default()
        });
        if !stands {
            operations.push(set("/description", description, &self.description(&ours)));
        }
        operations
    }

    /// The hash of the label that stands when nobody changed it.
    pub(crate) fn hash(&self, kind: RemoteKind, identity: &Identity) -> Digest {
        label_hash(&self.name, &self.description(&identity.marker(kind, 1)))
    }

    /// The description with the marker at its end.
    pub(super) fn description(&self, marker: &Marker) -> String {
        marker.end(self.description.as_deref())
    }
}

/// What the Schema Registry calls a title, others call a name.
fn name_path(kind: RemoteKind) -> &'static str {
    match kind {
        RemoteKind::FieldGroup | RemoteKind::Schema => "/title",
        _ => "/name",
    }
}

/// Replaces what is there; a field that is not there can only be added (a replacement is FLOW-1455-400).
fn set(path: &str, stands: &str, value: &str) -> PatchOperation {
    if stands.is_empty() {
        PatchOperation::add(path, value)
    } else {
        PatchOperation::replace(path, value)
    }
}

/// The attempt in the marker that `text` ends with, if it is the marker of this very object; else the first.
pub(super) fn kept_attempt(kind: RemoteKind, identity: &Identity, text: &str) -> i64 {
    Marker::split(text)
        .filter(|(_, marker)| marker.identity == *identity && marker.object == kind)
        .map_or(1, |(_, marker)| marker.attempt)
}

/// What a `CustomerIoSource` should be in AEP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredSource {
    /// The resource it is for.
    pub identity: Identity,
    /// Name and description of the source connection.
    pub label: Label,
    /// `spec.adopt.policy`, if there is one.
    pub adopt: Option<AdoptPolicy>,
}

impl DesiredSource {
    /// From the resource's spec.
    pub fn new(identity: Identity, spec: &CustomerIoSourceSpec) -> Self {
        let label = Label::new(spec.name.as_deref(), spec.description.as_deref(), &identity);
        Self {
            identity,
            label,
            adopt: spec.adopt.as_ref().map(|adopt| adopt.policy),
        }
    }

    /// The body that creates the source connection.
    pub fn source_connection(&self, attempt: i64) -> NewSourceConnection {
        let marker = self.identity.marker(RemoteKind::SourceConnection, attempt);
        NewSourceConnection::customer_io(&self.label.name, &self.label.description(&marker))
    }

    /// Changes with anything that would be written.
    pub fn hash(&self) -> String {
        let body = serde_json::to_string(&self.source_connection(1)).unwrap_or_default();
        hash(&with_claim(&[&body], self.adopt))
    }
}

/// What an `AepDataflow` should be in AEP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredDataflow {
    /// The resource it is for.
    pub identity: Identity,
    /// Name and description of target connection and flow.
    pub label: Label,
    /// The dataset, and the schema that it shares with the mapping.
    pub target: ResolvedTarget,
    /// The rows of the mapping set.
    pub rows: Vec<RemoteRow>,
    /// A mapping set that somebody else made, instead of one with these rows.
    pub mapping_elsewhere: Option<MappingRef>,
    /// Whether the flow should run.
    pub state: DesiredState,
    /// `spec.adopt.policy`, if there is one.
    pub adopt: Option<AdoptPolicy>,
}

impl DesiredDataflow {
    /// From the resource's spec, and what its target came to.
    pub fn new(identity: Identity, spec: &AepDataflowSpec, target: ResolvedTarget) -> Self {
        let label = Label::new(spec.name.as_deref(), spec.description.as_deref(), &identity);
        Self {
            identity,
            label,
            rows: spec.mapping.iter().map(|it| row(it, &target)).collect(),
            target,
            mapping_elsewhere: spec.mapping_set.as_ref().map(|set| MappingRef {
                id: set.id.clone(),
                version: set.version.unsigned_abs(),
            }),
            state: spec.state,
            adopt: spec.adopt.as_ref().map(|adopt| adopt.policy),
        }
    }

    /// The body that creates the target connection.
    pub fn target_connection(&self, attempt: i64) -> NewTargetConnection {
        let marker = self.identity.marker(RemoteKind::TargetConnection, attempt);
        let ResolvedTarget {
            dataset_id, schema, ..
        } = &self.target;
        NewTargetConnection::data_lake(
            &self.label.name,
            &self.label.description(&marker),
            dataset_id,
            &schema.id,
            schema.major_version,
        )
    }

    /// The body that creates the mapping set, or writes its next version.
    pub fn mapping_set(&self, attempt: i64) -> NewMappingSet {
        let marker = self.identity.marker(RemoteKind::MappingSet, attempt);
        let schema = &self.target.schema;
        NewMappingSet::new(
            &marker.to_string(),
            &schema.id,
            schema.major_version,
            self.rows.clone(),
        )
    }

    /// The body that creates the flow on these three.
    pub fn flow(&self, attempt: i64, source: &str, target: &str, mapping: &MappingRef) -> NewFlow {
        let marker = self.identity.marker(RemoteKind::Flow, attempt);
        NewFlow::streaming(
            &self.label.name,
            &self.label.description(&marker),
            source,
            target,
            mapping,
        )
    }

    /// Whether `state` is the wanted one, in the Flow Service's word.
    pub fn is_state(&self, state: &str) -> bool {
        match self.state {
            DesiredState::Enabled => state == FlowState::Enabled.as_str(),
            DesiredState::Disabled => state == FlowState::Disabled.as_str(),
        }
    }

    /// The action that brings a flow from `state` to the wanted one.
    pub fn action(&self, state: &FlowState) -> Option<FlowAction> {
        match (self.state, state) {
            (DesiredState::Enabled, FlowState::Disabled) => Some(FlowAction::Enable),
            (DesiredState::Disabled, FlowState::Enabled) => Some(FlowAction::Disable),
            _ => None,
        }
    }

    /// Changes with anything that would be written.
    pub fn hash(&self) -> String {
        let bodies = self.bodies();
        hash(&with_claim(
            &bodies.each_ref().map(String::as_str),
            self.adopt,
        ))
    }

    /// Changes with what a person asks of the flow: anything that would be written, but for a claim, or a check (the value of
    /// the annotation that requests it).
    pub fn asked(&self, requested: Option<&str>) -> String {
        let [target, mapping, flow, state] = &self.bodies();
        hash(&[target, mapping, flow, state, requested.unwrap_or_default()])
    }

    fn bodies(&self) -> [String; 4] {
        let text = |value: serde_json::Result<String>| value.unwrap_or_default();
        let of_rows = || MappingRef {
            id: String::new(),
            version: 0,
        };
        let mapping = self.mapping_elsewhere.clone().unwrap_or_else(of_rows);
        [
            text(serde_json::to_string(&self.target_connection(1))),
            text(serde_json::to_string(&self.mapping_set(1))),
            text(serde_json::to_string(&self.flow(1, "", "", &mapping))),
            text(serde_json::to_string(&self.state)),
        ]
    }
}

/// One row in Data Prep's newer dialect. Admission lets exactly one of the three through.
fn row(row: &MappingRow, target: &ResolvedTarget) -> RemoteRow {
    let destination = &target.destination(&row.destination);
    match (&row.source, &row.expression, &row.value) {
        (Some(source), ..) => RemoteRow::attribute(source, destination),
        (None, Some(expression), _) => RemoteRow::expression(expression, destination),
        (None, None, value) => RemoteRow::fixed(value.as_deref().unwrap_or_default(), destination),
    }
}

/// A claim that was not there before is acted upon once, as a change of what is written: what was taken from
/// this resource since stays with whoever has it.
fn with_claim<'a>(bodies: &[&'a str], adopt: Option<AdoptPolicy>) -> Vec<&'a str> {
    let claim = (adopt == Some(AdoptPolicy::TakeOver)).then_some("TakeOver");
    bodies.iter().copied().chain(claim).collect()
}

/// Eight bytes are enough to tell two versions of one resource apart.
pub(super) fn hash(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let mut short = [0; 8];
    short.copy_from_slice(&digest.finalize()[..8]);
    format!("{:016x}", u64::from_be_bytes(short))
}

#[cfg(test)]
#[path = "desired_tests.rs"]
mod tests;

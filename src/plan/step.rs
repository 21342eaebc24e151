//! What a planner answers: steps to run, something to wait for, or why to stop.

use std::fmt;

use crate::customer_io::{Endpoint, WebhookSettings};
use crate::platform::{
    Etag, FlowAction, NewDataset, NewFieldGroup, NewFlow, NewMappingSet, NewSchema,
    NewSourceConnection, NewTargetConnection, PatchOperation,
};
use crate::resources::conditions::Reason;

use super::marker::Identity;
use super::question::Question;
use super::sighting::{Aspects, Sighted, Use};
use super::{Failure, RemoteKind};

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Run these; they are independent of each other.
    Run(Vec<Step>),
    /// Nothing to do until something else moves.
    Wait(Wait),
    /// Somebody has to act.
    Stop(Failure),
    /// What was read becomes the resource's own: it is recorded before anything is written to it.
    Adopt,
    /// Everything stands as written.
    Done,
}

/// What a resource waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The condition reason.
    pub reason: Reason,
    /// What is waited for, in words that stay the same while it is waited for.
    pub message: String,
    /// Whether the operator has to look again by itself; otherwise an event wakes it.
    pub poll: bool,
}

/// One call to the platform. The variants carry all that the call needs.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named after what they hold")]
pub enum Step {
    /// Find the object that attempt `attempt` may have made, by its marker.
    LookUp { kind: RemoteKind, attempt: i64 },
    /// The same for a kind whose titles are unique.
    LookUpTitle {
        kind: RemoteKind,
        attempt: i64,
        title: String,
    },
    /// Read the object as it stands now.
    Read { kind: RemoteKind, id: String },
    /// Create an object. Its intent, with the attempt, is written down before the call is made.
    Create { attempt: i64, body: Body },
    /// Change an object, if it still has this etag; the Schema Registry and the Catalog know none.
    Patch {
        kind: RemoteKind,
        id: String,
        etag: Etag,
        operations: Vec<PatchOperation>,
    },
    /// Write the rows of a mapping set as its next version.
    UpdateMappingSet { id: String, body: NewMappingSet },
    /// Enable or disable the flow.
    Act { id: String, action: FlowAction },
    /// List the flows that still name this source connection.
    FindUsers { source_connection: String },
    /// Ask for what has to be known first.
    Ask(Question),
    /// List the webhooks that send to `endpoint`: one of them is what attempt `attempt` made, if it made one. With
    /// a name, only those of it.
    FindSubscription {
        attempt: i64,
        endpoint: Endpoint,
        name: Option<String>,
    },
    /// List the webhooks: the one with this id, and the others that send to `endpoint`.
    SeeSubscription { id: String, endpoint: Endpoint },
    /// Replace all settings of a webhook.
    UpdateSubscription {
        id: String,
        body: WebhookSettings,
        change: WebhookChange,
    },
    /// Delete the object; that it is gone already is fine.
    Delete { kind: RemoteKind, id: String },
}

/// What a new version of a webhook comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookChange {
    /// It sends from now on.
    Enable,
    /// It does not send any more.
    Disable,
    /// It goes on as before, changed.
    Update,
}

/// What an object is created from.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "named after the kinds")]
pub enum Body {
    SourceConnection(NewSourceConnection),
    TargetConnection(NewTargetConnection),
    MappingSet(NewMappingSet),
    Flow(NewFlow),
    Subscription(WebhookSettings),
    FieldGroup(NewFieldGroup),
    Schema(NewSchema),
    Dataset(NewDataset),
}

impl Body {
    /// The kind of object it makes.
    pub fn kind(&self) -> RemoteKind {
        match self {
            Self::SourceConnection(_) => RemoteKind::SourceConnection,
            Self::TargetConnection(_) => RemoteKind::TargetConnection,
            Self::MappingSet(_) => RemoteKind::MappingSet,
            Self::Flow(_) => RemoteKind::Flow,
            Self::Subscription(_) => RemoteKind::Subscription,
            Self::FieldGroup(_) => RemoteKind::FieldGroup,
            Self::Schema(_) => RemoteKind::Schema,
            Self::Dataset(_) => RemoteKind::Dataset,
        }
    }
}

/// What a step does to what stands.
#[derive(PartialEq)]
enum Effect {
    /// It only looks.
    None,
    /// It changes an object of AEP.
    Changes,
    /// It makes or removes one, or changes one of Customer.io.
    Other,
}

impl Step {
    /// The kind of object the step is about.
    pub fn kind(&self) -> RemoteKind {
        match self {
            Self::LookUp { kind, .. }
            | Self::LookUpTitle { kind, .. }
            | Self::Read { kind, .. }
            | Self::Patch { kind, .. }
            | Self::Delete { kind, .. } => *kind,
            Self::Create { body, .. } => body.kind(),
            Self::UpdateMappingSet { .. } => RemoteKind::MappingSet,
            Self::Ask(question) => question.kind(),
            Self::Act { .. } | Self::FindUsers { .. } => RemoteKind::Flow,
            Self::FindSubscription { .. }
            | Self::SeeSubscription { .. }
            | Self::UpdateSubscription { .. } => RemoteKind::Subscription,
        }
    }

    /// Whether the step changes an object that stands in AEP. A webhook stands in Customer.io.
    pub fn changes(&self) -> bool {
        self.effect() == Effect::Changes
    }

    /// Whether the step only looks.
    pub fn only_reads(&self) -> bool {
        self.effect() == Effect::None
    }

    fn effect(&self) -> Effect {
        match self {
            Self::LookUp { .. }
            | Self::LookUpTitle { .. }
            | Self::Read { .. }
            | Self::FindUsers { .. }
            | Self::Ask(_)
            | Self::FindSubscription { .. }
            | Self::SeeSubscription { .. } => Effect::None,
            Self::Patch { .. } | Self::UpdateMappingSet { .. } | Self::Act { .. } => {
                Effect::Changes
            }
            Self::Create { .. } | Self::Delete { .. } | Self::UpdateSubscription { .. } => {
                Effect::Other
            }
        }
    }

    /// The object that a creation brought, as a listing would show it.
    pub fn sighted(&self, identity: &Identity, id: &str) -> Sighted {
        let kind = self.kind();
        let one = |kind, ids: &[String]| -> Vec<Use> {
            let of = |id: &String| Use {
                kind,
                id: id.clone(),
                version: 0,
            };
            ids.iter().map(of).collect()
        };
        let uses = match self {
            Self::Create {
                body: Body::Flow(body),
                ..
            } => {
                let mut uses = one(RemoteKind::SourceConnection, &body.source_connection_ids);
                uses.extend(one(
                    RemoteKind::TargetConnection,
                    &body.target_connection_ids,
                ));
                uses
            }
            _ => Vec::new(),
        };
        Sighted {
            kind,
            id: id.to_owned(),
            marker: self
                .creates()
                .map(|(kind, attempt)| identity.marker(kind, attempt)),
            uses,
            aspects: Aspects::default(),
            created_at: 0,
        }
    }

    /// The object it deletes, if it deletes one.
    pub fn deletes(&self) -> Option<(RemoteKind, &str)> {
        match self {
            Self::Delete { kind, id } => Some((*kind, id)),
            _ => None,
        }
    }

    /// The attempt number, where the step creates an object.
    pub fn creates(&self) -> Option<(RemoteKind, i64)> {
        match self {
            Self::Create { attempt, body } => Some((body.kind(), *attempt)),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind().title();
        match self {
            Self::LookUp { .. } | Self::LookUpTitle { .. } | Self::FindSubscription { .. } => {
                write!(f, "look up {kind}")
            }
            Self::Read { id, .. } => write!(f, "read {kind} {id}"),
            Self::Create { .. } => write!(f, "create {kind}"),
            Self::Patch { id, .. } | Self::UpdateMappingSet { id, .. } => {
                write!(f, "update {kind} {id}")
            }
            Self::Act {
                id,
                action: FlowAction::Enable,
            } => write!(f, "enable {kind} {id}"),
            Self::Act {
                id,
                action: FlowAction::Disable,
            } => write!(f, "disable {kind} {id}"),
            Self::FindUsers { source_connection } => {
                write!(f, "list flows on source connection {source_connection}")
            }
            Self::Ask(question) => question.fmt(f),
            Self::SeeSubscription { id, .. } => write!(f, "look at {kind} {id}"),
            Self::UpdateSubscription { id, change, .. } => {
                let verb = match change {
                    WebhookChange::Enable => "enable",
                    WebhookChange::Disable => "disable",
                    WebhookChange::Update => "update",
                };
                write!(f, "{verb} {kind} {id}")
            }
            Self::Delete { id, .. } => write!(f, "delete {kind} {id}"),
        }
    }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;

//! What a planner answers: steps to run, something to wait for, or why to stop.

use std::fmt;

use crate::platform::{
    Etag, FlowAction, NewFlow, NewMappingSet, NewSourceConnection, NewTargetConnection,
    PatchOperation,
};
use crate::resources::conditions::Reason;

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
    LookUp {
        kind: RemoteKind,
        attempt: i64,
    },
    /// Read the object as it stands now.
    Read {
        kind: RemoteKind,
        id: String,
    },
    CreateSourceConnection {
        attempt: i64,
        body: NewSourceConnection,
    },
    CreateTargetConnection {
        attempt: i64,
        body: NewTargetConnection,
    },
    CreateMappingSet {
        attempt: i64,
        body: NewMappingSet,
    },
    CreateFlow {
        attempt: i64,
        body: NewFlow,
    },
    /// Change a connection or flow, if it still has this etag.
    Patch {
        kind: RemoteKind,
        id: String,
        etag: Etag,
        operations: Vec<PatchOperation>,
    },
    /// Write the rows of a mapping set as its next version.
    UpdateMappingSet {
        id: String,
        body: NewMappingSet,
    },
    /// Enable or disable the flow.
    Act {
        id: String,
        action: FlowAction,
    },
    /// List the flows that still name this source connection.
    FindUsers {
        source_connection: String,
    },
    /// Delete the object; that it is gone already is fine.
    Delete {
        kind: RemoteKind,
        id: String,
    },
}

impl Step {
    /// The kind of object the step is about.
    pub fn kind(&self) -> RemoteKind {
        match self {
            Self::LookUp { kind, .. }
            | Self::Read { kind, .. }
            | Self::Patch { kind, .. }
            | Self::Delete { kind, .. } => *kind,
            Self::CreateSourceConnection { .. } => RemoteKind::SourceConnection,
            Self::CreateTargetConnection { .. } => RemoteKind::TargetConnection,
            Self::CreateMappingSet { .. } | Self::UpdateMappingSet { .. } => RemoteKind::MappingSet,
            Self::CreateFlow { .. } | Self::Act { .. } | Self::FindUsers { .. } => RemoteKind::Flow,
        }
    }

    /// Whether the step changes an object that stands.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Self::Patch { .. } | Self::UpdateMappingSet { .. } | Self::Act { .. }
        )
    }

    /// The attempt number, where the step creates an object.
    pub fn creates(&self) -> Option<(RemoteKind, i64)> {
        match self {
            Self::CreateSourceConnection { attempt, .. }
            | Self::CreateTargetConnection { attempt, .. }
            | Self::CreateMappingSet { attempt, .. }
            | Self::CreateFlow { attempt, .. } => Some((self.kind(), *attempt)),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind().title();
        match self {
            Self::LookUp { .. } => write!(f, "look up {kind}"),
            Self::Read { id, .. } => write!(f, "read {kind} {id}"),
            Self::CreateSourceConnection { .. }
            | Self::CreateTargetConnection { .. }
            | Self::CreateMappingSet { .. }
            | Self::CreateFlow { .. } => write!(f, "create {kind}"),
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
            Self::Delete { id, .. } => write!(f, "delete {kind} {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{desired_dataflow, desired_source};
    use super::*;
    use crate::platform::MappingRef;

    fn all() -> Vec<(Step, &'static str, RemoteKind)> {
        use RemoteKind::{Flow, MappingSet, SourceConnection, TargetConnection};
        let (source, dataflow) = (desired_source(), desired_dataflow());
        let mapping = MappingRef {
            id: "m".into(),
            version: 0,
        };
        let id = || "x".to_owned();
        let attempt = 2;
        vec![
            (
                Step::LookUp {
                    kind: Flow,
                    attempt,
                },
                "look up flow",
                Flow,
            ),
            (
                Step::Read {
                    kind: MappingSet,
                    id: id(),
                },
                "read mapping set x",
                MappingSet,
            ),
            (
                Step::CreateSourceConnection {
                    attempt,
                    body: source.source_connection(2),
                },
                "create source connection",
                SourceConnection,
            ),
            (
                Step::CreateTargetConnection {
                    attempt,
                    body: dataflow.target_connection(2),
                },
                "create target connection",
                TargetConnection,
            ),
            (
                Step::CreateMappingSet {
                    attempt,
                    body: dataflow.mapping_set(2),
                },
                "create mapping set",
                MappingSet,
            ),
            (
                Step::CreateFlow {
                    attempt,
                    body: dataflow.flow(2, "s", "t", &mapping),
                },
                "create flow",
                Flow,
            ),
            (
                Step::Patch {
                    kind: TargetConnection,
                    id: id(),
                    etag: Etag::default(),
                    operations: vec![],
                },
                "update target connection x",
                TargetConnection,
            ),
            (
                Step::UpdateMappingSet {
                    id: id(),
                    body: dataflow.mapping_set(2),
                },
                "update mapping set x",
                MappingSet,
            ),
            (
                Step::Act {
                    id: id(),
                    action: FlowAction::Enable,
                },
                "enable flow x",
                Flow,
            ),
            (
                Step::Act {
                    id: id(),
                    action: FlowAction::Disable,
                },
                "disable flow x",
                Flow,
            ),
            (
                Step::FindUsers {
                    source_connection: id(),
                },
                "list flows on source connection x",
                Flow,
            ),
            (
                Step::Delete {
                    kind: SourceConnection,
                    id: id(),
                },
                "delete source connection x",
                SourceConnection,
            ),
        ]
    }

    #[test]
    fn a_step_reads_as_a_sentence_s_end_and_knows_its_kind() {
        for (step, words, kind) in all() {
            assert_eq!((step.to_string().as_str(), step.kind()), (words, kind));
        }
    }

    /// Before such a step status has to say that what stands is no longer what was applied.
    #[test]
    fn every_step_that_writes_towards_the_spec_creates_or_changes() {
        for (step, words, kind) in all() {
            let creates = words.starts_with("create ");
            let changes = ["update ", "enable ", "disable "]
                .iter()
                .any(|verb| words.starts_with(verb));
            assert_eq!(step.creates(), creates.then_some((kind, 2)), "{words}");
            assert_eq!(step.changes(), changes, "{words}");
        }
    }
}

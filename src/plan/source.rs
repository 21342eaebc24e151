//! The planner of a `CustomerIoSource`: one source connection.

use crate::platform::SourceConnection;

use super::desired::DesiredSource;
use super::failure::Failure;
use super::{Known, Plan, RemoteKind, Step};

/// What is known of the source's remote object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedSource {
    /// The source connection.
    pub source_connection: Known<String, SourceConnection>,
    /// Number of the attempt that would create it.
    pub next_attempt: i64,
}

impl Default for ObservedSource {
    fn default() -> Self {
        Self {
            source_connection: Known::Absent,
            next_attempt: 1,
        }
    }
}

/// The next steps towards `desired`.
pub fn plan(desired: &DesiredSource, observed: &ObservedSource) -> Plan {
    let kind = RemoteKind::SourceConnection;
    match &observed.source_connection {
        Known::Pending { attempt } => Plan::Run(vec![Step::LookUp {
            kind,
            attempt: *attempt,
        }]),
        Known::Absent => {
            let attempt = observed.next_attempt;
            let body = desired.source_connection(attempt);
            Plan::Run(vec![Step::CreateSourceConnection { attempt, body }])
        }
        Known::Recorded(id) => Plan::Run(vec![Step::Read {
            kind,
            id: id.clone(),
        }]),
        Known::Missing(id) => Plan::Stop(Failure::remote_missing(kind, id)),
        Known::Trusted(_) => Plan::Done,
        Known::Read(found) => {
            let operations =
                desired
                    .label
                    .changes(kind, &desired.identity, &found.name, &found.description);
            if operations.is_empty() {
                return Plan::Done;
            }
            Plan::Run(vec![Step::Patch {
                kind,
                id: found.id.clone(),
                etag: found.etag.clone(),
                operations,
            }])
        }
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;

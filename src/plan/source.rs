//! The planner of a `CustomerIoSource`: one source connection.

use crate::platform::SourceConnection;
use crate::resources::lifecycle::{AdoptPolicy, OnRemoteMissing};

use super::adopt::{self, Adoption};
use super::desired::DesiredSource;
use super::failure::Failure;
use super::marker::Marker;
use super::{Body, Known, Plan, RemoteKind, Step};

/// What is known of the source's remote object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedSource {
    /// The source connection.
    pub source_connection: Known<String, SourceConnection>,
    /// Number of the attempt that would create it.
    pub next_attempt: i64,
    /// `spec.onRemoteMissing`.
    pub on_missing: OnRemoteMissing,
    /// The connection stood as this very spec says before: what differs now was changed elsewhere.
    pub settled: bool,
    /// A connection to adopt, until it is.
    pub adopt: Option<Adoption<SourceConnection>>,
    /// The platform does not let the connection have the wanted label.
    pub label_refused: bool,
}

impl Default for ObservedSource {
    fn default() -> Self {
        Self {
            source_connection: Known::Absent,
            next_attempt: 1,
            on_missing: OnRemoteMissing::default(),
            settled: false,
            adopt: None,
            label_refused: false,
        }
    }
}

/// The next steps towards `desired`.
pub fn plan(desired: &DesiredSource, observed: &ObservedSource) -> Plan {
    let kind = RemoteKind::SourceConnection;
    if let Some(adoption) = &observed.adopt {
        return adopt::source(desired, adoption);
    }
    match &observed.source_connection {
        Known::Pending { attempt } => Plan::Run(vec![Step::LookUp {
            kind,
            attempt: *attempt,
        }]),
        Known::Missing(id) if observed.on_missing == OnRemoteMissing::Stall => {
            Plan::Stop(Failure::remote_missing(kind, id))
        }
        Known::Absent | Known::Missing(_) => {
            let attempt = observed.next_attempt;
            let body = desired.source_connection(attempt);
            let body = Body::SourceConnection(body);
            Plan::Run(vec![Step::Create { attempt, body }])
        }
        Known::Recorded(id) => Plan::Run(vec![Step::Read {
            kind,
            id: id.clone(),
        }]),
        Known::Trusted(_) => Plan::Done,
        Known::Read(found) => {
            // A connection that may not be changed keeps the marker it was taken over with.
            let claimed = desired.adopt == Some(AdoptPolicy::TakeOver)
                && (!observed.settled || observed.label_refused);
            if let Some((_, marker)) = Marker::split(&found.description)
                && !marker.identity.same_resource(&desired.identity)
                && !claimed
            {
                let failure = Failure::taken(kind, &found.id, &marker, desired.adopt);
                return Plan::Stop(failure);
            }
            let operations =
                desired
                    .label
                    .changes(kind, &desired.identity, &found.name, &found.description);
            if operations.is_empty() || observed.label_refused {
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

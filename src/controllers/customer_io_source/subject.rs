//! A `CustomerIoSource` on its way: the planner over what is known, and how answers are taken in.

use crate::controllers::engine::Subject;
use crate::controllers::execute::Outcome;
use crate::controllers::reconcile::known;
use crate::plan::desired::DesiredSource;
use crate::plan::source::{ObservedSource, plan};
use crate::plan::{Known, Plan, RemoteKind};
use crate::resources::CustomerIoSourceStatus;

/// A `CustomerIoSource` on its way.
#[derive(Debug)]
pub struct SourceSubject {
    desired: DesiredSource,
    observed: ObservedSource,
    hash: String,
}

impl SourceSubject {
    /// What is known from status alone.
    pub fn new(
        desired: DesiredSource,
        status: &CustomerIoSourceStatus,
        trusted_hash: Option<&str>,
    ) -> Self {
        let hash = desired.hash();
        let trusted = trusted_hash == Some(hash.as_str());
        let source_connection = known(status, RemoteKind::SourceConnection, trusted, str::to_owned);
        Self {
            desired,
            observed: ObservedSource {
                source_connection,
                next_attempt: 1,
            },
            hash,
        }
    }

    /// Hash of what stands once the plan is done.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl Subject<CustomerIoSourceStatus> for SourceSubject {
    fn plan(&self, _: &CustomerIoSourceStatus) -> Plan {
        plan(&self.desired, &self.observed)
    }

    fn fold(&mut self, outcome: &Outcome, status: &mut CustomerIoSourceStatus) {
        let slot = &mut self.observed.source_connection;
        match outcome {
            Outcome::Created { id, .. } => *slot = Known::Trusted(id.clone()),
            Outcome::SourceConnection(found) => {
                // The etag of a change we act on; one that moved by itself is nobody's news.
                if let Some(recorded) = status
                    .source_connection
                    .as_mut()
                    .filter(|it| it.etag.is_empty())
                {
                    recorded.etag = found.etag.as_str().to_owned();
                }
                *slot = Known::Read((**found).clone());
            }
            Outcome::Changed { id, etag, .. } => {
                if let Some(recorded) = &mut status.source_connection {
                    recorded.etag = etag.as_str().to_owned();
                }
                *slot = Known::Trusted(id.clone());
            }
            Outcome::Kept { id, .. } => *slot = Known::Trusted(id.clone()),
            _ => {}
        }
    }

    fn unread(&mut self, _: RemoteKind, status: &CustomerIoSourceStatus) {
        if let Some(found) = &status.source_connection {
            self.observed.source_connection = Known::Recorded(found.id.clone());
        }
    }

    fn absent(&mut self, _: RemoteKind, next: i64) {
        self.observed = ObservedSource {
            source_connection: Known::Absent,
            next_attempt: next,
        };
    }

    fn unsettled(&mut self, _: RemoteKind, attempt: i64) {
        self.observed.source_connection = Known::Pending { attempt };
    }

    fn missing(&mut self, _: RemoteKind, status: &CustomerIoSourceStatus) {
        if let Some(found) = &status.source_connection {
            self.observed.source_connection = Known::Missing(found.id.clone());
        }
    }
}

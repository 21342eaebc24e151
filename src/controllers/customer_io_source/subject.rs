//! A `CustomerIoSource` on its way: the planner over what is known, and how answers are taken in.

use crate::controllers::engine::Subject;
use crate::controllers::execute::Outcome;
use crate::controllers::reconcile::known;
use crate::plan::desired::DesiredSource;
use crate::plan::source::{ObservedSource, plan};
use crate::plan::{Fate, Known, Plan, RemoteKind};
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
    pub fn new(desired: DesiredSource, status: &CustomerIoSourceStatus) -> Self {
        let hash = desired.hash();
        let trusted = status.applied_hash.as_ref() == Some(&hash);
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
            Outcome::Created { id, .. } | Outcome::Kept { id, .. } => {
                *slot = Known::Trusted(id.clone());
            }
            Outcome::SourceConnection(found) => {
                // The etag of a change we act on; one that moved by itself is nobody's news.
                if let Some(recorded) = status
                    .source_connection
                    .as_mut()
                    .filter(|it| it.etag.is_empty())
                {
                    found.etag.as_str().clone_into(&mut recorded.etag);
                }
                *slot = Known::Read((**found).clone());
            }
            Outcome::Changed { id, etag, .. } => {
                if let Some(recorded) = &mut status.source_connection {
                    etag.as_str().clone_into(&mut recorded.etag);
                }
                *slot = Known::Trusted(id.clone());
            }
            _ => {}
        }
    }

    fn meet(&mut self, _: RemoteKind, fate: Fate, status: &CustomerIoSourceStatus) {
        let recorded = status
            .source_connection
            .as_ref()
            .map(|found| found.id.clone());
        self.observed.source_connection.meet(fate, recorded);
        if let Fate::Absent { next } = fate {
            self.observed.next_attempt = next;
        }
    }
}

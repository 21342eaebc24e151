//! A `CustomerIoSource` on its way: the planner over what is known, and how answers are taken in.

use crate::controllers::consult::lacks;
use crate::controllers::engine::Subject;
use crate::controllers::execute::Outcome;
use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::reconcile::known;
use crate::plan::adopt::{Adoption, Found};
use crate::plan::desired::DesiredSource;
use crate::plan::drift::Drift;
use crate::plan::sighting::{Aspects, Expected, Sighted};
use crate::plan::source::{ObservedSource, plan};
use crate::plan::{Fate, Known, Plan, RemoteKind, Step};
use crate::resources::{CustomerIoSourceSpec, CustomerIoSourceStatus};

/// A `CustomerIoSource` on its way.
#[derive(Debug)]
pub struct SourceSubject {
    desired: DesiredSource,
    observed: ObservedSource,
    hash: String,
    /// Hash of the wanted label.
    label: String,
}

impl SourceSubject {
    /// What is known from status alone.
    pub fn new(
        desired: DesiredSource,
        spec: &CustomerIoSourceSpec,
        status: &CustomerIoSourceStatus,
    ) -> Self {
        let hash = desired.hash();
        let kind = RemoteKind::SourceConnection;
        let label = format!("{:016x}", desired.label.hash(kind, &desired.identity));
        let label_refused = status
            .source_connection
            .as_ref()
            .is_some_and(|found| found.refused_label.as_ref() == Some(&label));
        let trusted = status.applied_hash.as_ref() == Some(&hash);
        let source_connection = known(status, RemoteKind::SourceConnection, trusted, str::to_owned);
        Self {
            desired,
            observed: ObservedSource {
                source_connection,
                next_attempt: 1,
                on_missing: spec.on_remote_missing,
                settled: trusted,
                label_refused,
                adopt: spec
                    .adopt
                    .as_ref()
                    .filter(|_| lacks(status, RemoteKind::SourceConnection))
                    .map(|adopt| Adoption {
                        id: adopt.source_connection_id.clone(),
                        policy: adopt.policy,
                        found: Found::Unread,
                    }),
            },
            hash,
            label,
        }
    }

    /// The connection as it stands now that the plan is done.
    pub fn expected(&self, status: &CustomerIoSourceStatus) -> Vec<Expected> {
        let kind = RemoteKind::SourceConnection;
        let aspects = match &self.observed.source_connection {
            Known::Read(found) => Sighted::from(found).aspects,
            _ if self.observed.label_refused => Aspects::default(),
            _ => Aspects {
                label: Some(self.desired.label.hash(kind, &self.desired.identity)),
                ..Aspects::default()
            },
        };
        let id = status.source_connection.iter();
        id.map(|found| Expected {
            kind,
            id: found.id.clone().into(),
            aspects,
        })
        .collect()
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

    fn repairs(&self) -> bool {
        self.observed.settled
    }

    fn drift(&self, step: &Step) -> Option<Drift> {
        let kind = RemoteKind::SourceConnection;
        match (step, &self.observed.source_connection) {
            (Step::Patch { id, operations, .. }, Known::Read(found)) if self.observed.settled => {
                let (by, client) = (&found.updated_by, &found.updated_client);
                Some(Drift::repaired(kind, id, operations, by, client))
            }
            (Step::Create { .. }, Known::Missing(id)) => Some(Drift::recreated(kind, id)),
            _ => None,
        }
    }

    fn adopt(&mut self, status: &mut CustomerIoSourceStatus) -> Vec<(RemoteKind, String)> {
        let kind = RemoteKind::SourceConnection;
        let Some(Found::Read(found)) = self.observed.adopt.take().map(|it| it.found) else {
            return Vec::new();
        };
        status.record(kind, &found.id, found.etag.as_str(), 0);
        let adopted = vec![(kind, found.id.clone())];
        self.observed.source_connection = Known::Read(*found);
        adopted
    }

    fn fold(&mut self, outcome: &Outcome, status: &mut CustomerIoSourceStatus) {
        if let (Some(adoption), Outcome::SourceConnection(found)) =
            (&mut self.observed.adopt, outcome)
        {
            adoption.found = Found::Read(found.clone());
            return;
        }
        let slot = &mut self.observed.source_connection;
        match outcome {
            Outcome::Created { id, .. } => *slot = Known::Trusted(id.clone()),
            Outcome::Kept { id, .. } => {
                *slot = Known::Trusted(id.clone());
                self.observed.label_refused = true;
                if let Some(recorded) = &mut status.source_connection {
                    recorded.refused_label = Some(self.label.clone());
                }
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
        if let (Some(adoption), Fate::Missing) = (&mut self.observed.adopt, fate) {
            adoption.found = Found::Missing;
            return;
        }
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

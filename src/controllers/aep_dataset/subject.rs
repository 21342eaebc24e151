//! An `AepDataset` on its way: the planner over what is known, and how answers are taken in.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::clock::Clock;
use crate::controllers::engine::Subject;
use crate::controllers::execute::Outcome;
use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::reconcile::known;
use crate::plan::dataset::{ObservedDataset, look_up, plan, reference};
use crate::plan::desired_dataset::DesiredDataset;
use crate::plan::drift::Drift;
use crate::plan::question::Answer;
use crate::plan::sighting::{Aspects, Expected};
use crate::plan::{Fate, Known, Plan, RemoteKind, Step};
use crate::platform::PatchOperation;
use crate::resources::AepDatasetStatus;
use crate::resources::aep_dataset::SchemaStatus;
use crate::resources::lifecycle::OnRemoteMissing;

/// The most attempts that a look before the first creation has to know of: none was given up by this resource.
const ANY: i64 = i64::MAX;

/// An `AepDataset` on its way.
#[derive(Debug)]
pub struct DatasetSubject {
    desired: DesiredDataset,
    observed: ObservedDataset,
    hash: String,
    clock: Clock,
    /// Fields came to a schema that stood.
    grew: bool,
}

impl DatasetSubject {
    /// What is known from status alone.
    pub fn new(
        desired: DesiredDataset,
        on_missing: OnRemoteMissing,
        status: &AepDatasetStatus,
        clock: Clock,
    ) -> Self {
        let hash = desired.hash();
        let trusted = status.applied_hash.as_ref() == Some(&hash);
        let schema = |_: &str| status.schema.clone().unwrap_or_default();
        let observed = ObservedDataset {
            tenant: status.tenant_id.clone(),
            group: known(status, RemoteKind::FieldGroup, trusted, str::to_owned),
            schema: known(status, RemoteKind::Schema, trusted, schema),
            dataset: known(status, RemoteKind::Dataset, trusted, str::to_owned),
            on_missing,
            settled: trusted,
            ..ObservedDataset::default()
        };
        Self {
            desired,
            observed,
            hash,
            clock,
            grew: false,
        }
    }

    /// Everything stands: what it stands for, and since when it has its fields.
    pub fn settled(&self, status: &mut AepDatasetStatus) {
        status.applied_hash = Some(self.hash.clone());
        let Some(group) = &mut status.field_group else {
            return;
        };
        let fields = self.desired.fields_hash();
        // Other fields than those written down: an earlier run added them and did not come this far.
        let unnoticed = group.fields.as_ref().is_some_and(|it| *it != fields);
        group.fields = Some(fields);
        if self.grew || unnoticed {
            status.fields_changed_at = Some(Time(self.clock.now()));
        }
    }

    /// Whether `operations` bring fields to the schema.
    fn grows(kind: RemoteKind, operations: &[PatchOperation]) -> bool {
        let by = match kind {
            RemoteKind::FieldGroup => "/definitions/",
            RemoteKind::Schema => "/allOf/",
            _ => return false,
        };
        operations.iter().any(|it| it.path.starts_with(by))
    }

    fn author(&self, kind: RemoteKind) -> (&str, &str) {
        match (
            kind,
            &self.observed.group,
            &self.observed.schema,
            &self.observed.dataset,
        ) {
            (RemoteKind::FieldGroup, Known::Read(found), ..) => found.author(),
            (RemoteKind::Schema, _, Known::Read(found), _) => found.author(),
            (RemoteKind::Dataset, _, _, Known::Read(found)) => (&found.updated_user, ""),
            _ => ("", ""),
        }
    }
}

/// What the drift check looks at: no listing shows these, so each is read.
pub fn expected(status: &AepDatasetStatus) -> Vec<Expected> {
    let standing = AepDatasetStatus::KINDS.iter().filter_map(|kind| {
        Some(Expected {
            kind: *kind,
            id: status.id(*kind)?.into(),
            aspects: Aspects::default(),
        })
    });
    standing.collect()
}

impl Subject<AepDatasetStatus> for DatasetSubject {
    fn plan(&self, _: &AepDatasetStatus) -> Plan {
        plan(&self.desired, &self.observed)
    }

    fn repairs(&self) -> bool {
        self.observed.settled
    }

    fn drift(&self, step: &Step) -> Option<Drift> {
        match step {
            Step::Patch {
                kind,
                id,
                operations,
                ..
            } if self.observed.settled => {
                let (by, client) = self.author(*kind);
                Some(Drift::repaired(*kind, id, operations, by, client))
            }
            Step::Create { body, .. } => {
                let kind = body.kind();
                let missing = match kind {
                    RemoteKind::FieldGroup => self.observed.group.missing(),
                    RemoteKind::Schema => self.observed.schema.missing().map(|it| &it.id),
                    _ => self.observed.dataset.missing(),
                };
                missing.map(|id| Drift::recreated(kind, id))
            }
            _ => None,
        }
    }

    fn look_before(&self, kind: RemoteKind, _: &AepDatasetStatus) -> Option<Step> {
        Some(look_up(&self.desired, kind, ANY))
    }

    fn done(&mut self, step: &Step) {
        if let Step::Patch {
            kind, operations, ..
        } = step
        {
            self.grew |= Self::grows(*kind, operations);
        }
    }

    fn fold(&mut self, outcome: &Outcome, status: &mut AepDatasetStatus) {
        let observed = &mut self.observed;
        match outcome {
            Outcome::Answered(answer) => {
                if let Answer::Tenant(tenant) = &**answer {
                    observed.tenant = Some(tenant.clone());
                    status.tenant_id = Some(tenant.clone());
                }
            }
            Outcome::FieldGroup(found) => observed.group = Known::Read((**found).clone()),
            Outcome::Schema(found) => {
                // A look-up does not tell the version.
                status.schema = Some(reference(found));
                observed.schema = Known::Read((**found).clone());
            }
            Outcome::Dataset(found) => observed.dataset = Known::Read((**found).clone()),
            Outcome::Created { kind, id, .. } => match kind {
                RemoteKind::FieldGroup => {
                    observed.group = Known::Trusted(id.clone());
                    // One that stands has to be told of the new group.
                    if let Known::Trusted(schema) = &observed.schema {
                        observed.schema = Known::Recorded(schema.clone());
                    }
                }
                RemoteKind::Schema => {
                    observed.schema = Known::Trusted(recorded_schema(status));
                }
                _ => observed.dataset = Known::Trusted(id.clone()),
            },
            Outcome::Changed { kind, id, .. } => match kind {
                RemoteKind::FieldGroup => observed.group = Known::Trusted(id.clone()),
                RemoteKind::Schema => observed.schema = Known::Trusted(recorded_schema(status)),
                _ => observed.dataset = Known::Trusted(id.clone()),
            },
            _ => {}
        }
    }

    fn meet(&mut self, kind: RemoteKind, fate: Fate, status: &AepDatasetStatus) {
        let observed = &mut self.observed;
        let recorded = status.id(kind).map(str::to_owned);
        match kind {
            RemoteKind::FieldGroup => {
                if fate == Fate::Missing {
                    observed.replaced.clone_from(&recorded);
                }
                observed.group.meet(fate, recorded);
            }
            RemoteKind::Schema => observed.schema.meet(fate, status.schema.clone()),
            RemoteKind::Dataset => observed.dataset.meet(fate, recorded),
            _ => return,
        }
        if let Fate::Absent { next } = fate {
            *observed.next(kind) = next;
        }
    }
}

fn recorded_schema(status: &AepDatasetStatus) -> SchemaStatus {
    status.schema.clone().unwrap_or_default()
}

//! Where an `AepDataset` records its remote objects.

use crate::controllers::managed::{Common, Managed, ManagedStatus};
use crate::plan::RemoteKind;
use crate::resources::aep_dataset::{DatasetStatus, FieldGroupStatus, SchemaStatus};
use crate::resources::lifecycle::DeletionPolicy;
use crate::resources::status::Pending;
use crate::resources::{AepDataset, AepDatasetStatus};

impl Managed for AepDataset {
    const KIND: &'static str = "AepDataset";

    type Status = AepDatasetStatus;

    fn status(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }

    fn suspended(&self) -> bool {
        self.spec.suspend
    }

    fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy
    }
}

impl ManagedStatus for AepDatasetStatus {
    const KINDS: &'static [RemoteKind] = &[
        RemoteKind::FieldGroup,
        RemoteKind::Schema,
        RemoteKind::Dataset,
    ];

    fn common(&mut self) -> Common<'_> {
        Common {
            observed_generation: &mut self.observed_generation,
            conditions: &mut self.conditions,
            last_handled_reconcile_at: &mut self.last_handled_reconcile_at,
            pending: &mut self.pending,
            applied_hash: &mut self.applied_hash,
            organization_id: &mut self.organization_id,
            sandbox: &mut self.sandbox,
            last_drift: &mut self.last_drift,
        }
    }

    fn pending(&self) -> &[Pending] {
        &self.pending
    }

    fn id(&self, kind: RemoteKind) -> Option<&str> {
        match kind {
            RemoteKind::FieldGroup => self.field_group.as_ref().map(|it| it.id.as_str()),
            RemoteKind::Schema => self.schema.as_ref().map(|it| it.id.as_str()),
            RemoteKind::Dataset => self.dataset.as_ref().map(|it| it.id.as_str()),
            _ => None,
        }
    }

    /// Nothing tells an object that a look-up showed from one that was read, but before the first reconcile of a
    /// resource has ended, all are of the former kind.
    fn is_unread(&self, kind: RemoteKind) -> bool {
        self.id(kind).is_some() && self.observed_generation.is_none()
    }

    fn record(&mut self, kind: RemoteKind, id: &str, _: &str, version: u64) {
        let id = id.to_owned();
        match kind {
            RemoteKind::FieldGroup => {
                self.field_group = Some(FieldGroupStatus { id, fields: None });
            }
            RemoteKind::Schema => {
                let major_version = i64::try_from(version).unwrap_or(1).max(1);
                self.schema = Some(SchemaStatus { id, major_version });
            }
            RemoteKind::Dataset => self.dataset = Some(DatasetStatus { id, attempt: None }),
            _ => {}
        }
    }

    fn set_attempt(&mut self, kind: RemoteKind, attempt: i64) {
        if let (RemoteKind::Dataset, Some(dataset)) = (kind, &mut self.dataset) {
            dataset.attempt = (attempt > 1).then_some(attempt);
        }
    }

    /// Titles are unique, so there is never a second field group or schema.
    fn attempt(&self, kind: RemoteKind) -> i64 {
        match kind {
            RemoteKind::Dataset => self.dataset.as_ref().and_then(|it| it.attempt).unwrap_or(1),
            _ => 1,
        }
    }

    fn forget(&mut self, kind: RemoteKind) {
        match kind {
            RemoteKind::FieldGroup => self.field_group = None,
            RemoteKind::Schema => self.schema = None,
            RemoteKind::Dataset => self.dataset = None,
            _ => {}
        }
    }
}

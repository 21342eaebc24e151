//! Where a `CustomerIoSource` records its remote object.

use crate::controllers::managed::{Common, Managed, ManagedStatus};
use crate::plan::RemoteKind;
use crate::resources::lifecycle::DeletionPolicy;
use crate::resources::status::{ConnectionStatus, Pending};
use crate::resources::{CustomerIoSource, CustomerIoSourceStatus};

impl Managed for CustomerIoSource {
    const KIND: &'static str = "CustomerIoSource";

    type Status = CustomerIoSourceStatus;

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

impl ManagedStatus for CustomerIoSourceStatus {
    const KINDS: &'static [RemoteKind] = &[RemoteKind::SourceConnection];

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
            RemoteKind::SourceConnection => self
                .source_connection
                .as_ref()
                .map(|found| found.id.as_str()),
            _ => None,
        }
    }

    fn is_unread(&self, kind: RemoteKind) -> bool {
        kind == RemoteKind::SourceConnection
            && self
                .source_connection
                .as_ref()
                .is_some_and(|found| found.etag.is_empty())
    }

    fn record(&mut self, kind: RemoteKind, id: &str, etag: &str, _: u64) {
        if kind == RemoteKind::SourceConnection {
            self.source_connection = Some(ConnectionStatus {
                id: id.to_owned(),
                etag: etag.to_owned(),
                refused_label: None,
                attempt: None,
            });
        }
    }

    fn forget(&mut self, kind: RemoteKind) {
        if kind == RemoteKind::SourceConnection {
            self.source_connection = None;
        }
    }
}

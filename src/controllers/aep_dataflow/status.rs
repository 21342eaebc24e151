//! Where an `AepDataflow` records its remote objects.

use crate::controllers::managed::{Common, Managed, ManagedStatus};
use crate::plan::RemoteKind;
use crate::resources::conditions::INGESTING;
use crate::resources::lifecycle::DeletionPolicy;
use crate::resources::status::{ConnectionStatus, FlowStatus, MappingSetStatus, Pending};
use crate::resources::subscription::{SubscriptionState, SubscriptionStatus};
use crate::resources::{AepDataflow, AepDataflowStatus};

impl Managed for AepDataflow {
    const KIND: &'static str = "AepDataflow";

    type Status = AepDataflowStatus;

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

impl ManagedStatus for AepDataflowStatus {
    const KINDS: &'static [RemoteKind] = &[
        RemoteKind::TargetConnection,
        RemoteKind::MappingSet,
        RemoteKind::Flow,
        RemoteKind::Subscription,
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
            RemoteKind::TargetConnection => self
                .target_connection
                .as_ref()
                .map(|found| found.id.as_str()),
            RemoteKind::MappingSet => self.mapping_set.as_ref().map(|found| found.id.as_str()),
            RemoteKind::Flow => self.flow.as_ref().map(|found| found.id.as_str()),
            RemoteKind::Subscription => self.subscription.as_ref().map(|found| found.id.as_str()),
            _ => None,
        }
    }

    fn is_unread(&self, kind: RemoteKind) -> bool {
        match kind {
            RemoteKind::TargetConnection => self
                .target_connection
                .as_ref()
                .is_some_and(|found| found.etag.is_empty()),
            RemoteKind::Flow => self
                .flow
                .as_ref()
                .is_some_and(|flow| flow.etag.is_empty() && flow.state.is_none()),
            // A listing shows it as what a flow uses.
            RemoteKind::MappingSet => self.is_unread(RemoteKind::Flow),
            _ => false,
        }
    }

    fn record(&mut self, kind: RemoteKind, id: &str, etag: &str, version: u64) {
        let (id, etag) = (id.to_owned(), etag.to_owned());
        match kind {
            RemoteKind::TargetConnection => {
                self.target_connection = Some(ConnectionStatus {
                    id,
                    etag,
                    refused_label: None,
                    attempt: None,
                });
            }
            RemoteKind::MappingSet => {
                self.mapping_set = Some(MappingSetStatus {
                    id,
                    version: version.cast_signed(),
                    attempt: None,
                });
            }
            RemoteKind::Flow => {
                let before = self.flow.take();
                if before.as_ref().is_some_and(|flow| flow.id != id) {
                    self.forget_runs();
                }
                let same = before.filter(|flow| flow.id == id);
                let stopped_hash = same.and_then(|flow| flow.stopped_hash);
                self.flow = Some(FlowStatus {
                    id,
                    etag,
                    state: None,
                    changed_at: None,
                    stopped_hash,
                });
            }
            RemoteKind::Subscription => {
                self.subscription = Some(SubscriptionStatus {
                    id,
                    ..SubscriptionStatus::default()
                });
            }
            _ => {}
        }
    }

    fn set_attempt(&mut self, kind: RemoteKind, attempt: i64) {
        let attempt = (attempt > 1).then_some(attempt);
        match (kind, &mut self.mapping_set, &mut self.target_connection) {
            (RemoteKind::MappingSet, Some(found), _) => found.attempt = attempt,
            (RemoteKind::TargetConnection, _, Some(found)) => found.attempt = attempt,
            _ => {}
        }
    }

    fn attempt(&self, kind: RemoteKind) -> i64 {
        let attempt = match kind {
            RemoteKind::MappingSet => self.mapping_set.as_ref().and_then(|it| it.attempt),
            RemoteKind::TargetConnection => {
                self.target_connection.as_ref().and_then(|it| it.attempt)
            }
            _ => None,
        };
        attempt.unwrap_or(1)
    }

    fn removes(&mut self, kind: RemoteKind) -> bool {
        match (kind, &mut self.subscription) {
            (RemoteKind::Subscription, Some(stands)) => {
                stands.state = SubscriptionState::Removing;
                true
            }
            _ => false,
        }
    }

    fn distrust(&mut self) {
        self.applied_hash = None;
        if let Some(webhook) = &mut self.subscription {
            webhook.applied_hash = None;
        }
    }

    fn forget(&mut self, kind: RemoteKind) {
        match kind {
            RemoteKind::TargetConnection => self.target_connection = None,
            RemoteKind::MappingSet => self.mapping_set = None,
            RemoteKind::Flow => {
                (self.flow, self.inlet_url) = (None, None);
                self.forget_runs();
            }
            RemoteKind::Subscription => self.subscription = None,
            _ => {}
        }
    }
}

impl AepDataflowStatus {
    /// What was said of runs was about a flow that is none of this resource's any more.
    fn forget_runs(&mut self) {
        self.last_run = None;
        self.conditions.retain(|it| it.type_ != INGESTING);
    }
}

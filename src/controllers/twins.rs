//! A twin is an object that an attempt made after it was given up: its request was slower than the
//! settling time. Nothing refers to it, so it is deleted, and counted.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::plan::sighting::{Sighted, is_twin};
use crate::plan::{RemoteKind, Step};
use crate::platform::ApiError;

use super::consult::lacks;
use super::context::Suspicion;
use super::engine::Run;
use super::events::Note;
use super::execute::{execute, marked};
use super::kind::Kind;
use super::managed::ManagedStatus as _;

impl<K: Kind> Run<'_, K> {
    /// Deletes the twins of what status records, and of a resource that goes also what no status records. That it could not be done is no failure of the resource:
    /// what it needs stands, and the next drift check finds them again. A listing not older than `fresh` will do.
    pub(super) async fn clear_twins(&mut self, fresh: Duration) {
        if let Err(error) = self.try_clear_twins(fresh).await {
            warn!(%error, "a twin was not deleted; it is tried again");
            let suspicion = Suspicion {
                twins: true,
                ..Suspicion::default()
            };
            self.context.suspicions.add(&self.identity.uid, &suspicion);
        }
    }

    async fn try_clear_twins(&mut self, fresh: Duration) -> Result<(), ApiError> {
        let now = Instant::now();
        let since = now.checked_sub(fresh).unwrap_or(now);
        // What uses a connection decides whether it may go, so flows are listed in any case, and go first.
        let kinds = [RemoteKind::Flow]
            .into_iter()
            .chain(K::Status::KINDS.iter().copied())
            .filter(|kind| kind.is_listed());
        for kind in kinds {
            let sandbox = &self.remotes.sandbox;
            self.scope.ensure(sandbox, kind, Some(since)).await?;
        }
        let going = self.record.resource.meta().deletion_timestamp.is_some();
        for kind in K::Status::KINDS.iter().rev().copied() {
            let status = &self.record.status;
            // What is under way is looked up.
            if status.id(kind).is_none() && !(going && lacks(status, kind)) {
                continue;
            }
            let recorded = status.id(kind).unwrap_or_default().to_owned();
            for twin in self.twins(kind, &recorded).await? {
                if self.context.stop.is_cancelled() {
                    return Ok(());
                }
                if kind != RemoteKind::Flow && self.scope.is_used(&twin.id) {
                    warn!(kind = %kind, id = twin.id, "a twin is in use by a flow and stays");
                    continue;
                }
                self.delete_twin(&twin).await?;
            }
        }
        Ok(())
    }

    async fn twins(&self, kind: RemoteKind, recorded: &str) -> Result<Vec<Sighted>, ApiError> {
        let mut found = if kind.is_listed() {
            self.scope.ours(kind, self.identity)
        } else {
            match self.record.status.attempt(kind) {
                ..=1 => Vec::new(),
                attempt => marked(&self.remotes.sandbox, self.identity, kind, attempt).await?,
            }
        };
        found.retain(|it| is_twin(self.identity, recorded, it));
        Ok(found)
    }

    async fn delete_twin(&mut self, twin: &Sighted) -> Result<(), ApiError> {
        let step = Step::Delete {
            kind: twin.kind,
            id: twin.id.clone(),
        };
        execute(self.remotes, self.scope, self.identity, &step).await?;
        self.scope.gone(twin.kind, &twin.id);
        let title = twin.kind.title();
        let note = format!(
            "Deleted {title} {}: an earlier attempt had made it after it was given up, and nothing used it.",
            twin.id
        );
        info!(step = %step, "{note}");
        self.context.metrics.remote.twin_deleted(twin.kind);
        self.record
            .notes
            .push(Note::normal("TwinDeleted", &step, note));
        Ok(())
    }
}

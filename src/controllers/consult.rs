//! Before a resource's first creation: does something of its own stand already? A status may be lost (a
//! cluster rebuilt from Git, a restored backup), and the remote objects are still there.
//!
//! The sandbox's shared listing is asked, so in the common case this costs no call.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tracing::info;

use crate::plan::sighting::{Choice, Sighted, choose};
use crate::plan::{Failure, Fate, RemoteKind, journal};
use crate::platform::ApiError;
use crate::resources::status::Pending;

use super::engine::{End, Run, Subject};
use super::events::Note;
use super::managed::ManagedStatus;
use super::reconcile::Kind;

/// Before something is taken over, the listing that shows it must not be older than this.
pub(super) const FRESH: Duration = Duration::from_mins(1);

/// What became of it.
pub(super) enum Consulted {
    /// Nothing of this resource stands.
    Nothing,
    /// Something was taken over: the plan has to be made anew.
    Taken,
    /// It cannot go on.
    End(End),
}

impl<K: Kind> Run<'_, K> {
    /// Takes over what stands of this resource and is not recorded.
    pub(super) async fn consult(&mut self, subject: &mut impl Subject<K::Status>) -> Consulted {
        let mut taken = false;
        // A flow first: it names the connection and the mapping set that are in use.
        let kinds: Vec<RemoteKind> = K::Status::KINDS
            .iter()
            .rev()
            .copied()
            .filter(|kind| kind.is_listed() && self.begins(*kind))
            .collect();
        // At the same time: the first resource of a sandbox waits for one listing, not for each.
        join_all(
            kinds
                .iter()
                .map(|kind| self.scope.ensure(self.sandbox, *kind, None)),
        )
        .await;
        for kind in kinds {
            if !self.begins(kind) {
                continue;
            }
            match self.find(kind).await {
                Ok(Choice::Nothing) => {}
                Ok(Choice::Take(it)) => {
                    self.take_over(subject, &it);
                    taken = true;
                }
                Ok(Choice::Ambiguous(ids)) => {
                    return Consulted::End(Failure::ambiguous(kind, &ids).into());
                }
                Err(error) => {
                    let doing = format!("list {}s", kind.title());
                    let failure = Failure::from_call(&error, &doing, &self.access.scope);
                    return Consulted::End(failure.into());
                }
            }
        }
        if taken {
            Consulted::Taken
        } else {
            Consulted::Nothing
        }
    }

    /// Whether nothing of this kind is known: none was made, or an earlier attempt was given up and the next one
    /// has not been sent.
    fn begins(&self, kind: RemoteKind) -> bool {
        let status = &self.record.status;
        let (uid, journal) = (&self.identity.uid, &self.context.journal);
        let unsent = |entry: &Pending| journal.is_unsent(uid, kind, entry.attempt);
        status.id(kind).is_none() && journal::find(status.pending(), kind).is_none_or(unsent)
    }

    async fn find(&self, kind: RemoteKind) -> Result<Choice, ApiError> {
        self.scope.ensure(self.sandbox, kind, None).await?;
        if self.scope.ours(kind, self.identity).is_empty() {
            return Ok(Choice::Nothing);
        }
        let now = Instant::now();
        let fresh = now.checked_sub(FRESH).unwrap_or(now);
        self.scope.ensure(self.sandbox, kind, Some(fresh)).await?;
        self.scope
            .ensure(self.sandbox, RemoteKind::Flow, Some(fresh))
            .await?;
        let mut found = self.scope.ours(kind, self.identity);
        if kind == RemoteKind::TargetConnection {
            // With a flow that was let go of it was let go of too: AEP may not have let its marker be changed.
            found.retain(|it| self.scope.used_elsewhere(&it.id, self.identity).is_none());
        }
        Ok(choose(self.identity, &found, |id| self.scope.is_used(id)))
    }

    fn take_over(&mut self, subject: &mut impl Subject<K::Status>, it: &Sighted) {
        let status = &mut self.record.status;
        status.record(it.kind, &it.id, "", 0);
        journal::settle(status.common().pending, it.kind);
        self.context.journal.forget(&self.identity.uid, it.kind);
        subject.meet(it.kind, Fate::Unread, status);
        for used in &it.uses {
            if K::Status::KINDS.contains(&used.kind) && lacks(status, used.kind) {
                status.record(used.kind, &used.id, "", used.version);
                subject.meet(used.kind, Fate::Unread, status);
            }
        }
        let title = it.kind.title();
        let note = format!(
            "Took over {title} {}: its ownership marker names this resource.",
            it.id
        );
        info!(kind = %it.kind, id = it.id, "{note}");
        self.record.notes.push(Note {
            warning: false,
            reason: "TakenOver".into(),
            action: format!("TakeOver{}", it.kind.word()),
            note,
        });
    }
}

/// Whether status knows nothing of an object of this kind.
pub(super) fn lacks<S: ManagedStatus>(status: &S, kind: RemoteKind) -> bool {
    status.id(kind).is_none() && journal::find(status.pending(), kind).is_none()
}

//! Before a resource's first creation: does something of its own stand already? A status may be lost (a
//! cluster rebuilt from Git, a restored backup), and the remote objects are still there.
//!
//! The sandbox's shared listing is asked, so in the common case this costs no call. Kinds that are not listed for
//! everybody are asked for one by one, where their planner says how ([`Subject::look_before`]).
//!
//! Whether the organization sees what is to be created at all is asked at the same time, once.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tracing::info;

use crate::plan::sighting::{Choice, Sighted, choose};
use crate::plan::{Failure, Fate, RemoteKind, Service, Step, journal, preflight};
use crate::platform::ApiError;
use crate::resources::status::Pending;

use super::engine::{End, Run, Subject};
use super::events::Note;
use super::execute::{Outcome, execute};
use super::kind::Kind;
use super::managed::ManagedStatus;
use super::preflight::Hidden;
use super::record::RecordError;

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
    /// Takes over what stands of this resource and is not recorded, before `steps` create something. Each kind is
    /// asked for once a run: `consulted` has those that were.
    pub(super) async fn consult(
        &mut self,
        subject: &mut impl Subject<K::Status>,
        steps: &[Step],
        consulted: &mut BTreeSet<RemoteKind>,
        begun: &mut BTreeSet<Service>,
    ) -> Result<Consulted, RecordError> {
        match self.consult_listings(subject, consulted).await {
            Consulted::Nothing => self.consult_alone(subject, steps, consulted, begun).await,
            found => Ok(found),
        }
    }

    /// The kinds that are not listed for everybody.
    async fn consult_alone(
        &mut self,
        subject: &mut impl Subject<K::Status>,
        steps: &[Step],
        consulted: &mut BTreeSet<RemoteKind>,
        begun: &mut BTreeSet<Service>,
    ) -> Result<Consulted, RecordError> {
        let looks: Vec<Step> = steps
            .iter()
            .filter_map(Step::creates)
            .map(|(kind, _)| kind)
            .filter(|kind| !kind.is_listed() && consulted.insert(*kind) && self.begins(*kind))
            .filter_map(|kind| subject.look_before(kind, &self.record.status))
            .collect();
        if looks.is_empty() {
            return Ok(Consulted::Nothing);
        }
        let remotes = self.turn(&looks, begun).await?;
        let looking = looks
            .iter()
            .map(|look| execute(&remotes, self.scope, self.identity, look));
        let mut taken = Consulted::Nothing;
        for (look, result) in looks.iter().zip(join_all(looking).await) {
            let found = match result {
                Ok(Outcome::LookedUp { found, .. }) => found,
                Ok(_) => continue,
                Err(error) => {
                    let failure = self.failure(&error, look);
                    return Ok(Consulted::End(failure.into()));
                }
            };
            match choose(self.identity, &found, |id| self.scope.is_used(id)) {
                Choice::Nothing => {}
                Choice::Take(it) => {
                    self.take_over(subject, &it);
                    taken = Consulted::Taken;
                }
                Choice::Ambiguous(ids) => {
                    let failure = Failure::ambiguous(look.kind(), &ids);
                    return Ok(Consulted::End(failure.into()));
                }
            }
        }
        Ok(taken)
    }

    /// The kinds that the sandbox's shared listing shows.
    async fn consult_listings(
        &mut self,
        subject: &mut impl Subject<K::Status>,
        consulted: &mut BTreeSet<RemoteKind>,
    ) -> Consulted {
        let mut taken = false;
        // A flow first: it names the connection and the mapping set that are in use.
        let kinds: Vec<RemoteKind> = K::Status::KINDS
            .iter()
            .rev()
            .copied()
            .filter(|kind| kind.is_listed() && consulted.insert(*kind) && self.begins(*kind))
            .collect();
        // At the same time: the first resource of a sandbox waits for one listing, not for each.
        let needs_source = |kind: &RemoteKind| {
            matches!(
                kind,
                RemoteKind::SourceConnection | RemoteKind::TargetConnection | RemoteKind::Flow
            )
        };
        let sandbox = &self.remotes.sandbox;
        let listings = join_all(
            kinds
                .iter()
                .map(|kind| self.scope.ensure(sandbox, *kind, None)),
        );
        let hidden = if kinds.iter().any(needs_source) {
            futures::join!(listings, self.scope.hidden_spec(sandbox)).1
        } else {
            listings.await;
            None
        };
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
            return Consulted::Taken;
        }
        match hidden {
            Some(Hidden { spec, error }) => {
                Consulted::End(preflight::hidden(spec, &error, &self.access.scope).into())
            }
            None => Consulted::Nothing,
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
        let sandbox = &self.remotes.sandbox;
        self.scope.ensure(sandbox, kind, None).await?;
        if self.scope.ours(kind, self.identity).is_empty() {
            return Ok(Choice::Nothing);
        }
        let now = Instant::now();
        let fresh = now.checked_sub(FRESH).unwrap_or(now);
        self.scope.ensure(sandbox, kind, Some(fresh)).await?;
        self.scope
            .ensure(sandbox, RemoteKind::Flow, Some(fresh))
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
            let own = K::Status::KINDS.contains(&used.kind) && subject.takes_along(used.kind);
            if own && lacks(status, used.kind) {
                status.record(used.kind, &used.id, "", used.version);
                subject.meet(used.kind, Fate::Unread, status);
            }
        }
        let title = it.kind.title();
        let why = if it.kind == RemoteKind::Subscription {
            "it sends to this resource's flow"
        } else {
            "its ownership marker names this resource"
        };
        let note = format!("Took over {title} {}: {why}.", it.id);
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

//! What the calls of one round brought, taken into status and knowledge: results, look-ups and failures.

use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::plan::journal::{self, Finding};
use crate::plan::pace::Pace;
use crate::plan::sighting::Sighted;
use crate::plan::{Failure, Fate, RemoteKind, Service, Step, WebhookChange};
use crate::platform::{ApiError, Class};
use crate::resources::conditions::Reason;

use super::super::context::Suspicion;
use super::super::events::Note;
use super::super::execute::Outcome;
use super::super::kind::Kind;
use super::super::managed::ManagedStatus as _;
use super::{End, Run, Subject};

/// Stale etags of one run, before it is left to a later one.
const STALE: usize = 3;

impl<K: Kind> Run<'_, K> {
    /// Takes back intents that certainly led to nothing.
    pub(super) fn withdraw(&mut self, steps: &[Step], subject: &mut impl Subject<K::Status>) {
        for (kind, attempt) in steps.iter().filter_map(Step::creates) {
            self.nothing_came_of(kind, attempt);
            subject.meet(kind, Fate::Absent { next: attempt }, &self.record.status);
        }
    }

    /// An attempt certainly made nothing. The first one leaves no trace; a later one keeps its number in
    /// status, because what an earlier one may still make has to be told from what the next one makes.
    fn nothing_came_of(&mut self, kind: RemoteKind, attempt: i64) {
        // The first one too: the write that takes it out of status may fail, and the next reconcile finds it there.
        let uid = &self.identity.uid;
        self.context.journal.set_unsent(uid, kind, attempt, true);
        if attempt <= 1 {
            journal::settle(self.record.status.common().pending, kind);
        }
    }

    pub(super) fn took(
        &mut self,
        subject: &mut impl Subject<K::Status>,
        step: &Step,
        outcome: &Outcome,
    ) {
        let drift = subject.drift(step);
        let status = &mut self.record.status;
        match outcome {
            Outcome::Created {
                kind,
                id,
                etag,
                version,
            } => {
                status.record(*kind, id, etag.as_str(), *version);
                if let Some((_, attempt)) = step.creates() {
                    status.set_attempt(*kind, attempt);
                    self.scope.note(step.sighted(self.identity, id));
                }
                journal::settle(status.common().pending, *kind);
                self.context.journal.forget(&self.identity.uid, *kind);
            }
            Outcome::Deleted { kind, id, .. } => {
                self.scope.gone(*kind, id);
                // A twin may be deleted beside the object that stays.
                if status.id(*kind) == Some(id) {
                    status.forget(*kind);
                }
            }
            _ => {}
        }
        subject.done(step);
        subject.fold(outcome, status);
        self.record.notes.extend(subject.remarks(step));
        if let Some(done) = done(step, outcome) {
            info!(step = %step, "{}", done.note);
            self.record.notes.push(done);
        }
        for (reason, doubt) in subject.doubts(step) {
            warn!(step = %step, "{doubt}");
            self.record.notes.push(Note::warning(reason, step, doubt));
        }
        if let Some(drift) = drift {
            let remote = &self.context.metrics.remote;
            remote.drifted(drift.kind, drift.action);
            let told = drift.told();
            warn!(step = %step, "{told}");
            self.record
                .notes
                .push(Note::warning("DriftRepaired", step, told));
            *self.record.status.common().last_drift =
                Some(drift.recorded(self.context.clock.now()));
        }
    }

    /// A look-up came back.
    pub(super) fn settle(
        &mut self,
        subject: &mut impl Subject<K::Status>,
        kind: RemoteKind,
        attempt: i64,
        found: &[Sighted],
        as_of: Instant,
    ) -> Option<End> {
        let uid = &self.identity.uid;
        let since = self.context.journal.since(uid, kind, attempt);
        let watched = as_of.saturating_duration_since(since);
        let settle = self.context.settings.create_settle;
        let status = &mut self.record.status;
        if let [_, _, ..] = found {
            let ids: Vec<String> = found.iter().map(|it| it.id.clone()).collect();
            if subject.met_many(kind, &ids, status) {
                return None;
            }
        }
        let used = |id: &str| self.scope.is_used(id);
        match journal::judge(self.identity, found, used, attempt, watched, settle) {
            Finding::Stands { it, alone } => {
                self.context.metrics.remote.recovered(kind);
                info!(kind = %kind, id = it.id, "found the object of an earlier attempt");
                status.record(kind, &it.id, "", 0);
                // The last one, whichever made this: it may still make a twin.
                status.set_attempt(kind, attempt);
                journal::settle(status.common().pending, kind);
                self.context.journal.forget(uid, kind);
                subject.meet(kind, Fate::Unread, status);
                if !alone {
                    let suspicion = Suspicion {
                        twins: true,
                        ..Suspicion::default()
                    };
                    self.context.suspicions.add(uid, &suspicion);
                }
                None
            }
            Finding::NeverMade => {
                info!(kind = %kind, attempt, "an earlier attempt made nothing");
                let next = attempt + 1;
                self.context.journal.forget(uid, kind);
                if self.record.resource.meta().deletion_timestamp.is_some() {
                    journal::settle(status.common().pending, kind);
                } else {
                    let now = self.context.clock.now();
                    journal::intend(status.common().pending, kind, next, now);
                    self.context.journal.set_unsent(uid, kind, next, true);
                }
                subject.meet(kind, Fate::Absent { next }, status);
                None
            }
            Finding::TooEarly => {
                let title = kind.title();
                let message = format!(
                    "Whether an earlier attempt to create the {title} succeeded is being settled, so that there \
                     is never a second one."
                );
                let settled = settle.saturating_sub(watched);
                Some(Failure::passing(Reason::Progressing, message, Pace::Settle(settled)).into())
            }
            Finding::Ambiguous { ids } => Some(Failure::ambiguous(kind, &ids).into()),
        }
    }

    /// A connection keeps its old name: that connections can be patched is documented and contradicted
    /// (FLOW-1300, FLOW-1365). Nothing depends on the name, so the resource is as ready as it can be.
    fn kept(
        &mut self,
        subject: &mut impl Subject<K::Status>,
        step: &Step,
        id: &str,
        error: &ApiError,
    ) {
        let kind = step.kind();
        let (reason, note) = subject.kept(kind, id, error);
        warn!(step = %step, "{note}");
        subject.fold(
            &Outcome::Kept {
                kind,
                id: id.to_owned(),
            },
            &mut self.record.status,
        );
        self.record.notes.push(Note::warning(reason, step, note));
    }

    /// Whether status knows the object from a listing alone: nobody has read or made it since.
    fn only_listed(&self, kind: RemoteKind) -> bool {
        self.record.resource.meta().deletion_timestamp.is_none()
            && self.record.status.is_unread(kind)
    }

    /// A listing showed an object that is gone: it lags behind, or the reading does. Which of the two is
    /// settled like a creation without an answer.
    fn not_there_after_all(&mut self, kind: RemoteKind, subject: &mut impl Subject<K::Status>) {
        let status = &mut self.record.status;
        let id = status.id(kind).unwrap_or_default().to_owned();
        let seen = self.scope.marker(kind, &id);
        let attempt = seen.map_or(1, |marker| marker.attempt);
        self.scope.gone(kind, &id);
        status.forget(kind);
        journal::intend(
            status.common().pending,
            kind,
            attempt,
            self.context.clock.now(),
        );
        subject.meet(kind, Fate::Unsettled { attempt }, status);
    }

    pub(super) fn failed(
        &mut self,
        subject: &mut impl Subject<K::Status>,
        step: Step,
        error: &ApiError,
        stale: &mut usize,
    ) -> Option<End> {
        let request_id = error.request_id.as_deref();
        debug!(step = %step, %error, request_id, "step failed");
        let kind = step.kind();
        if let Some((kind, attempt)) = step.creates() {
            if error.outcome_unknown {
                // Starts the settling time.
                self.context
                    .journal
                    .since(&self.identity.uid, kind, attempt);
                subject.meet(kind, Fate::Unsettled { attempt }, &self.record.status);
            } else {
                self.nothing_came_of(kind, attempt);
                subject.meet(kind, Fate::Absent { next: attempt }, &self.record.status);
                if kind == RemoteKind::Flow && error.class == Class::NotFound && *stale == 0 {
                    // Something that it is built on is gone: which, is read.
                    *stale += 1;
                    for part in [RemoteKind::TargetConnection, RemoteKind::MappingSet] {
                        subject.meet(part, Fate::Unread, &self.record.status);
                    }
                    return None;
                }
            }
        } else if error.class == Class::NotFound
            && matches!(
                step,
                Step::Read { .. }
                    | Step::Patch { .. }
                    | Step::UpdateMappingSet { .. }
                    | Step::UpdateSubscription { .. }
                    | Step::Act { .. }
            )
        {
            if kind.service() == Service::Aep {
                *self.record.status.common().applied_hash = None;
            }
            if self.only_listed(kind) {
                self.not_there_after_all(kind, subject);
                return None;
            }
            // Made anew, it gets a number of its own.
            let id = self.record.status.id(kind).unwrap_or_default();
            let last = self.scope.marker(kind, id);
            let next = last.map_or(2, |marker| marker.attempt + 1);
            subject.meet(kind, Fate::Absent { next }, &self.record.status);
            subject.meet(kind, Fate::Missing, &self.record.status);
            return None;
        } else if let (Step::Patch { kind, id, .. }, Class::Rejected) = (&step, error.class)
            && subject.keeps(*kind)
        {
            self.kept(subject, &step, id, error);
            return None;
        } else if error.class == Class::Stale && *stale < STALE {
            *stale += 1;
            subject.meet(kind, Fate::Unread, &self.record.status);
            return None;
        }
        let mut failure = self.failure(error, &step);
        if kind.service() == Service::CustomerIo {
            failure = subject.held(&step, failure, &mut self.record.status)?;
        }
        Some(End::Failed {
            failure,
            step: Some(Box::new(step)),
        })
    }
}

/// What to think of an object that AEP keeps.
fn left_behind(kind: RemoteKind, id: &str) -> String {
    let title = kind.title();
    match kind {
        RemoteKind::FieldGroup | RemoteKind::Schema => format!(
            "AEP did not delete {title} {id}, perhaps because something else uses it; it stays there. Delete it in AEP once \
             nothing does; a resource of the same name and title takes it over."
        ),
        _ => format!("AEP did not delete {title} {id}; it stays there, unused. It can be ignored."),
    }
}

/// The Event of a step that changed something in AEP.
fn done(step: &Step, outcome: &Outcome) -> Option<Note> {
    let title = step.kind().title();
    Some(match (step, outcome) {
        (_, Outcome::Created { id, .. }) => {
            Note::normal("Created", step, format!("Created {title} {id}."))
        }
        (Step::Act { .. }, Outcome::Changed { .. }) => {
            Note::normal("Changed", step, format!("Asked AEP to {step}."))
        }
        (Step::UpdateSubscription { id, change, .. }, _) => {
            let what = match change {
                WebhookChange::Enable => format!("Enabled {title} {id}: events flow from now on."),
                WebhookChange::Disable => format!("Disabled {title} {id}."),
                WebhookChange::Update => format!("Updated {title} {id}."),
            };
            let reason = match change {
                WebhookChange::Enable | WebhookChange::Disable => "Changed",
                WebhookChange::Update => "Updated",
            };
            Note::normal(reason, step, what)
        }
        (_, Outcome::Changed { id, .. }) => {
            Note::normal("Updated", step, format!("Updated {title} {id}."))
        }
        (_, Outcome::Mapped(mapping)) => Note::normal(
            "Updated",
            step,
            format!(
                "Wrote version {} of {title} {}.",
                mapping.version, mapping.id
            ),
        ),
        (_, Outcome::Deleted { id, gone: true, .. }) => {
            Note::normal("Deleted", step, format!("Deleted {title} {id}."))
        }
        (
            _,
            Outcome::Deleted {
                id, gone: false, ..
            },
        ) => Note::warning("LeftBehind", step, left_behind(step.kind(), id)),
        _ => return None,
    })
}

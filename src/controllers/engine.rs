//! Runs plans: the loop every resource goes through, creating, changing or deleting.
//!
//! # Expected flow
//!
//! ask for a plan -> write down what is about to be created -> run all steps at the same time -> fold
//! what they brought into status and knowledge -> ask again. Status is written before a creation (the
//! intent, together with the results of the steps before it) and by the caller at the end.
//!
//! # Guarantees
//!
//! - No creation starts before its intent stands in Kubernetes.
//! - A creation whose outcome is unknown leaves its intent standing; the next run looks it up.
//! - All steps of one plan are awaited, whatever one of them says: no result is dropped.
//! - It ends: plans are asked for a bounded number of times.

use futures::future::join_all;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::plan::drift::Drift;
use crate::plan::journal::{self, Finding};
use crate::plan::marker::Identity;
use crate::plan::pace::Pace;
use crate::plan::sighting::Sighted;
use crate::plan::{Failure, Fate, Plan, RemoteKind, Step, Wait};
use crate::platform::{ApiError, Class, Sandbox};
use crate::resources::conditions::{Reason, Standing, is_failing};

use super::consult::Consulted;
use super::context::{Context, Suspicion};
use super::credentials::Access;
use super::events::Note;
use super::execute::{Outcome, execute};
use super::inventory::Scope;
use super::managed::ManagedStatus;
use super::reconcile::Kind;
use super::record::{Purpose, Record, RecordError};

/// Plans of one run; a dataflow from nothing takes five.
const ROUNDS: usize = 16;
/// Stale etags of one run, before it is left to a later one.
const STALE: usize = 3;

/// A resource on its way: what is known of its remote objects, and the planner over it.
pub trait Subject<S: ManagedStatus>: Send {
    /// What to do next.
    fn plan(&self, status: &S) -> Plan;

    /// Takes in what a step brought.
    fn fold(&mut self, outcome: &Outcome, status: &mut S);

    /// Records what was read as the resource's own, and says what.
    fn adopt(&mut self, status: &mut S) -> Vec<(RemoteKind, String)> {
        let _ = status;
        Vec::new()
    }

    /// Whether what it changes was changed elsewhere: the spec is the one that was carried out before.
    fn repairs(&self) -> bool {
        false
    }

    /// The change made elsewhere that `step` repairs, as far as it is one.
    fn drift(&self, step: &Step) -> Option<Drift> {
        let _ = step;
        None
    }

    /// A step was carried out; told before [`Subject::fold`].
    fn done(&mut self, step: &Step) {
        let _ = step;
    }

    /// Takes in what became of an object whose content no answer brought.
    fn meet(&mut self, kind: RemoteKind, fate: Fate, status: &S);

    /// More than one object carries the marker that was looked up. `false`: one of them is chosen.
    fn met_many(&mut self, kind: RemoteKind, ids: &[String], status: &mut S) -> bool {
        let _ = (kind, ids, status);
        false
    }

    /// The Event (reason and note) about a connection that AEP did not let be changed.
    fn kept(&self, kind: RemoteKind, id: &str, error: &ApiError) -> (&'static str, String) {
        let title = kind.title();
        let note = format!(
            "AEP does not let {title} {id} be renamed ({error}); it keeps its earlier name and description. \
             To change them, create this resource anew."
        );
        ("NameKept", note)
    }

    /// The last look before `steps` run, with their intents written: a reason not to run them.
    fn veto(
        &self,
        steps: &[Step],
    ) -> impl Future<Output = Result<Option<Failure>, RecordError>> + Send {
        let _ = steps;
        async { Ok(None) }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Everything stands (or, deleting, nothing does).
    Done,
    /// Something else has to move first.
    Waiting(Wait),
    /// It cannot go on; `step` is the one that failed, where one did.
    Failed {
        /// Why.
        failure: Failure,
        /// The step.
        step: Option<Box<Step>>,
    },
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed {
            failure,
            step: None,
        }
    }
}

/// What a run needs besides the subject.
pub struct Run<'a, K: Kind> {
    /// The process's context.
    pub context: &'a Context,
    /// The resource and its status.
    pub record: &'a mut Record<K>,
    /// Whose objects these are.
    pub identity: &'a Identity,
    /// The sandbox to call.
    pub sandbox: &'a Sandbox,
    /// What is listed of it.
    pub scope: &'a Scope,
    /// Where the credentials came from, for messages.
    pub access: &'a Access,
    /// Why nothing new may be made, though what stands is kept up.
    pub frozen: Option<End>,
}

impl<K: Kind> Run<'_, K> {
    /// Runs plans of `subject` until there is nothing to do now.
    pub async fn drive(
        &mut self,
        subject: &mut impl Subject<K::Status>,
    ) -> Result<End, RecordError> {
        let (mut stale, mut begun, mut consulted) = (0, false, false);
        for _ in 0..ROUNDS {
            let steps = match subject.plan(&self.record.status) {
                Plan::Done => return Ok(End::Done),
                Plan::Wait(wait) => return Ok(End::Waiting(wait)),
                Plan::Stop(failure) => return Ok(failure.into()),
                Plan::Adopt => {
                    self.adopt(subject).await?;
                    continue;
                }
                Plan::Run(steps) => steps,
            };
            if self.context.stop.is_cancelled() || !self.context.tenure.is_valid() {
                // What the rounds before brought is written down; no call is started any more.
                self.record.flush(Purpose::Result).await?;
                return Err(RecordError::Stopping);
            }
            let creates = steps.iter().any(|step| step.creates().is_some());
            if creates && let Some(end) = &self.frozen {
                return Ok(end.clone());
            }
            if creates && !consulted {
                consulted = true;
                match self.consult(subject).await {
                    Consulted::Nothing => {}
                    Consulted::Taken => continue,
                    Consulted::End(end) => return Ok(end),
                }
            }
            let sandbox = self.turn(&steps, begun).await?;
            begun = true;
            self.intend(&steps, subject.repairs()).await?;
            match subject.veto(&steps).await {
                Ok(None) => {}
                Ok(Some(failure)) => {
                    self.withdraw(&steps, subject);
                    return Ok(failure.into());
                }
                Err(error) => {
                    self.withdraw(&steps, subject);
                    self.record.flush(Purpose::Result).await?;
                    return Err(error);
                }
            }
            let results = join_all(
                steps
                    .iter()
                    .map(|step| execute(&sandbox, self.scope, self.identity, step)),
            )
            .await;
            let mut end: Option<End> = None;
            for (step, result) in steps.into_iter().zip(results) {
                let ended = match result {
                    Ok(Outcome::LookedUp {
                        kind,
                        attempt,
                        found,
                        as_of,
                    }) => self.settle(subject, kind, attempt, &found, as_of),
                    Ok(outcome) => {
                        self.took(subject, &step, &outcome);
                        None
                    }
                    Err(error) => self.failed(subject, step, &error, &mut stale),
                };
                end = worse(end, ended);
            }
            match end {
                Some(End::Failed {
                    failure,
                    step: Some(step),
                }) if failure.reason == Reason::Throttled => {
                    return Err(self.back_in_line(&step).await?);
                }
                Some(end) => return Ok(end),
                None => {}
            }
        }
        let message = "The remote objects keep changing; the operator looks again by itself.";
        Ok(Failure::passing(Reason::Progressing, message, Pace::Backoff).into())
    }

    /// Before anything is created or changed: writes down every creation among `steps`, with whatever
    /// else the status has to say by now; and that what stands is no longer what was last applied,
    /// before a change makes it so.
    async fn intend(&mut self, steps: &[Step], repairs: bool) -> Result<(), RecordError> {
        if !steps
            .iter()
            .any(|step| step.creates().is_some() || step.changes())
        {
            return Ok(());
        }
        let now = self.context.clock.now();
        let generation = self.record.generation();
        let going = self.record.resource.meta().deletion_timestamp.is_some();
        let before = self.record.status.clone();
        let common = self.record.status.common();
        // A repair leaves it: what the spec says has not changed, and a repair that is cut off is found again
        // by the next drift check.
        if steps.iter().any(Step::changes) && !repairs {
            *common.applied_hash = None;
        }
        for (kind, attempt) in steps.iter().filter_map(Step::creates) {
            journal::intend(common.pending, kind, attempt, now);
        }
        // Another try at what failed before is no news; only its outcome may be.
        if !going && !is_failing(common.conditions, generation) {
            let message = "Bringing the remote objects to what the spec says.".to_owned();
            let standing = Standing::Reconciling {
                reason: Reason::Progressing,
                message,
            };
            *common.conditions = standing.conditions(common.conditions, generation, now);
        }
        let written = self.record.flush(Purpose::Intent).await;
        if let Err(RecordError::Conflict | RecordError::Stopping) = written {
            // The intent is given up; what earlier rounds brought is not.
            self.record.status = before;
            self.record.flush(Purpose::Result).await?;
        }
        written?;
        for (kind, attempt) in steps.iter().filter_map(Step::creates) {
            let uid = &self.identity.uid;
            self.context.journal.set_unsent(uid, kind, attempt, false);
        }
        Ok(())
    }

    /// What the subject has read becomes the resource's own. It stands in status before anything is written
    /// to it, so that it is never changed by a resource that then forgets it.
    async fn adopt(&mut self, subject: &mut impl Subject<K::Status>) -> Result<(), RecordError> {
        for (kind, id) in subject.adopt(&mut self.record.status) {
            let note = format!("Adopted {} {id}, as spec.adopt says.", kind.title());
            info!(kind = %kind, id, "{note}");
            self.record.notes.push(Note {
                warning: false,
                reason: "Adopted".into(),
                action: format!("Adopt{}", kind.word()),
                note,
            });
        }
        self.record.flush(Purpose::Intent).await.map(|_| ())
    }

    /// Takes back intents that certainly led to nothing.
    fn withdraw(&mut self, steps: &[Step], subject: &mut impl Subject<K::Status>) {
        for (kind, attempt) in steps.iter().filter_map(Step::creates) {
            self.nothing_came_of(kind, attempt);
            subject.meet(kind, Fate::Absent { next: attempt }, &self.record.status);
        }
    }

    /// An attempt certainly made nothing. The first one leaves no trace; a later one keeps its number in
    /// status, because what an earlier one may still make has to be told from what the next one makes.
    fn nothing_came_of(&mut self, kind: RemoteKind, attempt: i64) {
        if attempt > 1 {
            let uid = &self.identity.uid;
            self.context.journal.set_unsent(uid, kind, attempt, true);
        } else {
            journal::settle(self.record.status.common().pending, kind);
        }
    }

    fn took(&mut self, subject: &mut impl Subject<K::Status>, step: &Step, outcome: &Outcome) {
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
        if let Some(done) = done(step, outcome) {
            info!(step = %step, "{}", done.note);
            self.record.notes.push(done);
        }
        if let Some(drift) = drift {
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
    fn settle(
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
        match journal::judge(self.identity, found, used, watched, settle) {
            Finding::Stands { it, alone } => {
                info!(kind = %kind, id = it.id, "found the object of an earlier attempt");
                status.record(kind, &it.id, "", 0);
                status.set_attempt(kind, it.marker.map_or(attempt, |marker| marker.attempt));
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
        let seen = self.scope.get(kind, &id).and_then(|it| it.marker);
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

    fn failed(
        &mut self,
        subject: &mut impl Subject<K::Status>,
        step: Step,
        error: &ApiError,
        stale: &mut usize,
    ) -> Option<End> {
        debug!(step = %step, %error, "step failed");
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
                    | Step::Act { .. }
            )
        {
            *self.record.status.common().applied_hash = None;
            if self.only_listed(kind) {
                self.not_there_after_all(kind, subject);
                return None;
            }
            // Made anew, it gets a number of its own.
            let id = self.record.status.id(kind).unwrap_or_default();
            let last = self.scope.get(kind, id).and_then(|it| it.marker);
            let next = last.map_or(2, |marker| marker.attempt + 1);
            subject.meet(kind, Fate::Absent { next }, &self.record.status);
            subject.meet(kind, Fate::Missing, &self.record.status);
            return None;
        } else if let (Step::Patch { kind, id, .. }, Class::Rejected) = (&step, error.class)
            && *kind != RemoteKind::Flow
        {
            self.kept(subject, &step, id, error);
            return None;
        } else if error.class == Class::Stale && *stale < STALE {
            *stale += 1;
            subject.meet(kind, Fate::Unread, &self.record.status);
            return None;
        }
        let failure = Failure::from_call(error, &step.to_string(), &self.access.scope);
        Some(End::Failed {
            failure,
            step: Some(Box::new(step)),
        })
    }
}

/// Of two ends of one round, the one a user has to know first.
fn worse(one: Option<End>, other: Option<End>) -> Option<End> {
    let weight = |end: &End| match end {
        End::Failed { failure, .. } if failure.stalled => 2,
        End::Failed { .. } => 1,
        End::Waiting(_) | End::Done => 0,
    };
    match (one, other) {
        (Some(one), Some(other)) => Some(if weight(&other) > weight(&one) {
            other
        } else {
            one
        }),
        (one, other) => one.or(other),
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
        ) => Note::warning(
            "LeftBehind",
            step,
            format!("AEP did not delete {title} {id}; it stays there, unused. It can be ignored."),
        ),
        _ => return None,
    })
}

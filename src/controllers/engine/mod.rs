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

mod fold;

use std::collections::BTreeSet;

use futures::future::join_all;
use tracing::info;

use crate::plan::drift::Drift;
use crate::plan::journal;
use crate::plan::marker::Identity;
use crate::plan::pace::Pace;
use crate::plan::{Failure, Fate, Plan, RemoteKind, Service, Step, Wait};
use crate::platform::ApiError;
use crate::resources::conditions::{Reason, Standing, is_failing};

use super::consult::Consulted;
use super::context::Context;
use super::credentials::Access;
use super::events::Note;
use super::execute::{Outcome, execute};
use super::inventory::Scope;
use super::kind::Kind;
use super::managed::ManagedStatus;
use super::record::{Purpose, Record, RecordError};
use super::remotes::Remotes;

/// Plans of one run; a dataflow from nothing takes five.
const ROUNDS: usize = 16;

/// A resource on its way: what is known of its remote objects, and the planner over it.
pub trait Subject<S: ManagedStatus>: Send {
    /// What to do next.
    fn plan(&self, status: &S) -> Plan;

    /// Puts into status what is known before the first step; told before a run.
    fn begin(&mut self, status: &mut S) {
        let _ = status;
    }

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

    /// What a user should know of a step that was carried out: reason and note of a warning.
    fn doubts(&self, step: &Step) -> Vec<(&'static str, String)> {
        let _ = step;
        Vec::new()
    }

    /// Whether an object of `kind` that one of this resource's uses is its own, and is taken over with it.
    fn takes_along(&self, kind: RemoteKind) -> bool {
        let _ = kind;
        true
    }

    /// Takes in what became of an object whose content no answer brought.
    fn meet(&mut self, kind: RemoteKind, fate: Fate, status: &S);

    /// The look-up that tells whether an object of `kind`, which is not listed for everybody, stands already:
    /// made before the first creation. `None`: it is known to be new, or its creation itself would tell.
    fn look_before(&self, kind: RemoteKind, status: &S) -> Option<Step> {
        let _ = (kind, status);
        None
    }

    /// More than one object carries the marker that was looked up. `false`: one of them is chosen.
    fn met_many(&mut self, kind: RemoteKind, ids: &[String], status: &mut S) -> bool {
        let _ = (kind, ids, status);
        false
    }

    /// Whether an object of `kind` that AEP does not let be changed stays as it is; else the refusal is a failure.
    fn keeps(&self, kind: RemoteKind) -> bool {
        matches!(
            kind,
            RemoteKind::SourceConnection | RemoteKind::TargetConnection
        )
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

    /// A step outside AEP failed. `Some`: the run ends with that; `None`: it is kept in mind, and the plan goes on
    /// without it.
    fn held(&mut self, step: &Step, failure: Failure, status: &mut S) -> Option<Failure> {
        let _ = (step, status);
        Some(failure)
    }

    /// Events about what a step brought, beyond the one that it was done.
    fn remarks(&mut self, step: &Step) -> Vec<Note> {
        let _ = step;
        Vec::new()
    }

    /// Whether what it waits for has come while its own steps ran: then it takes that in, and the run goes on.
    fn look_again(&mut self) -> impl Future<Output = Result<bool, RecordError>> + Send {
        async { Ok(false) }
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
    /// Where the objects stand.
    pub remotes: &'a Remotes,
    /// What is listed of the sandbox.
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
        let (mut stale, mut consulted) = (0, BTreeSet::new());
        let mut begun: BTreeSet<Service> = BTreeSet::new();
        subject.begin(&mut self.record.status);
        for round in 0..ROUNDS {
            let steps = match subject.plan(&self.record.status) {
                Plan::Done => return Ok(End::Done),
                // In the first round, what it depends on has only just been read.
                Plan::Wait(_) if round > 0 && subject.look_again().await? => continue,
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
            if creates {
                let (before, notes) = (self.record.status.clone(), self.record.notes.len());
                let found = self
                    .consult(subject, &steps, &mut consulted, &mut begun)
                    .await?;
                match found {
                    Consulted::Nothing => {}
                    Consulted::Taken => {
                        self.write_down(&before).await?;
                        if let Some(failure) = subject.veto(&steps).await? {
                            // It is let be, as it was before this resource found it.
                            self.record.status = before;
                            self.record.notes.truncate(notes);
                            return Ok(failure.into());
                        }
                        continue;
                    }
                    Consulted::End(end) => return Ok(end),
                }
            }
            let remotes = self.turn(&steps, &mut begun).await?;
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
                    .map(|step| execute(&remotes, self.scope, self.identity, step)),
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

    /// What it means that `step` failed.
    pub(super) fn failure(&self, error: &ApiError, step: &Step) -> Failure {
        let doing = step.to_string();
        match (step.kind().service(), &self.access.workspace) {
            (Service::CustomerIo, Some(workspace)) => {
                Failure::from_customer_io(error, &doing, &workspace.app_api)
            }
            _ => Failure::from_call(error, &doing, &self.access.scope),
        }
    }

    /// Before anything is created or changed: writes down every creation among `steps`, with whatever
    /// else the status has to say by now; and that what stands is no longer what was last applied,
    /// before a change makes it so. A deletion is written down where a resource that stays has to know of it.
    async fn intend(&mut self, steps: &[Step], repairs: bool) -> Result<(), RecordError> {
        let going = self.record.resource.meta().deletion_timestamp.is_some();
        let before = self.record.status.clone();
        let mut removes = false;
        for (kind, id) in steps.iter().filter_map(Step::deletes) {
            if !going && self.record.status.id(kind) == Some(id) {
                removes |= self.record.status.removes(kind);
            }
        }
        if !removes
            && !steps
                .iter()
                .any(|step| step.creates().is_some() || step.changes())
        {
            return Ok(());
        }
        let now = self.context.clock.now();
        let generation = self.record.generation();
        let common = self.record.status.common();
        // A repair leaves it: what the spec says has not changed, and a repair that is cut off is found again
        // by the next drift check.
        if steps.iter().any(Step::changes) && !repairs {
            *common.applied_hash = None;
        }
        for (kind, attempt) in steps.iter().filter_map(Step::creates) {
            journal::intend(common.pending, kind, attempt, now);
            // Should the write's own answer be lost, it stands in status, and still nothing was sent.
            self.context
                .journal
                .set_unsent(&self.identity.uid, kind, attempt, true);
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
        self.write_down(&before).await?;
        for (kind, attempt) in steps.iter().filter_map(Step::creates) {
            let uid = &self.identity.uid;
            self.context.journal.set_unsent(uid, kind, attempt, false);
        }
        Ok(())
    }

    /// Writes down what is about to be, before it is. If it cannot be, what earlier rounds brought is: `before`.
    async fn write_down(&mut self, before: &K::Status) -> Result<(), RecordError> {
        let written = self.record.flush(Purpose::Intent).await;
        if let Err(RecordError::Conflict | RecordError::Stopping) = written {
            self.record.status = before.clone();
            self.record.flush(Purpose::Result).await?;
        }
        written.map(|_| ())
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

//! A reconcile's turn to call AEP: asked for before an intent is written, waited for without being in
//! anybody's way.
//!
//! # Expected flow
//!
//! The first round of a run asks for a ticket; without one the reconcile ends and is woken when its turn
//! comes, to read and plan anew. Later rounds go on ahead of everybody, once those that have begun before are
//! through. A resource that the platform's limit keeps waiting says so once it has waited for [`PATIENCE`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Service, Step};
use crate::platform::{Later, Urgency};
use crate::resources::REQUESTED_AT;
use crate::resources::conditions::{Reason, STALLED, Standing, find};

use super::engine::Run;
use super::kind::Kind;
use super::managed::{Managed, ManagedStatus};
use super::record::{Purpose, Record, RecordError};
use super::remotes::Remotes;
use crate::work::{Cause, Key};

/// How long a resource waits for its turn before it says so.
const PATIENCE: Duration = Duration::from_secs(10);
/// When one that has said so looks again, should nobody wake it.
const AT_THE_LATEST: Duration = Duration::from_mins(5);

/// How urgent the next calls of a resource are.
fn urgency<K: Managed>(record: &mut Record<K>, steps: &[Step]) -> Urgency {
    let meta = record.resource.meta();
    let generation = meta.generation.unwrap_or_default();
    if meta.deletion_timestamp.is_some() {
        return Urgency::Delete;
    }
    let annotations = meta.annotations.as_ref();
    let requested = annotations.and_then(|all| all.get(REQUESTED_AT)).cloned();
    let common = record.status.common();
    match *common.observed_generation {
        None => Urgency::Create,
        Some(observed) if observed != generation => Urgency::Edit,
        Some(_) if requested.is_some() && requested != *common.last_handled_reconcile_at => {
            Urgency::Edit
        }
        Some(_) if steps.iter().all(Step::only_reads) => Urgency::Poll,
        Some(_) => Urgency::Retry,
    }
}

/// How many of `steps` are calls to `service`.
fn calls_to(service: Service, steps: &[Step]) -> usize {
    let to = |step: &&Step| step.kind().service() == service;
    steps.iter().filter(to).count()
}

impl<K: Kind> Run<'_, K> {
    /// Leave to run `steps` now, or the end of this reconcile. `begun`: the services that it was given a turn by.
    pub(super) async fn turn(
        &mut self,
        steps: &[Step],
        begun: &mut BTreeSet<Service>,
    ) -> Result<Remotes, RecordError> {
        let services: BTreeSet<Service> = steps.iter().map(|step| step.kind().service()).collect();
        let mut remotes = self.remotes.clone();
        for service in services {
            let calls = calls_to(service, steps);
            let first = begun.insert(service);
            let asked = if first {
                self.ask(&remotes, service, steps)
            } else {
                match remotes.go_on(service, calls).await {
                    // What is begun and has to wait for long waits like everybody else.
                    Err(_) => self.ask(&remotes, service, steps),
                    asked => asked,
                }
            };
            remotes = match asked {
                Ok(remotes) => remotes,
                Err(later) => return Err(self.put_off(service, later).await?),
            };
        }
        Ok(remotes)
    }

    /// A call was refused, or not sent, because it was one too many: gets in line.
    pub(super) async fn back_in_line(&mut self, step: &Step) -> Result<RecordError, RecordError> {
        let remotes = self.remotes.clone();
        match self.ask(&remotes, step.kind().service(), std::slice::from_ref(step)) {
            // Its turn already: at once, but from the start.
            Ok(_) => {
                self.record.flush(Purpose::Result).await?;
                Ok(RecordError::Conflict)
            }
            Err(later) => self.put_off(step.kind().service(), later).await,
        }
    }

    fn ask(
        &mut self,
        remotes: &Remotes,
        service: Service,
        steps: &[Step],
    ) -> Result<Remotes, Later> {
        let identity = self.identity;
        let key = Key::new(&identity.namespace, &identity.name);
        let side = K::side(self.context);
        let queue = Arc::clone(&side.queue);
        remotes.ticket(
            service,
            &identity.uid,
            &identity.namespace,
            urgency(self.record, steps),
            calls_to(service, steps),
            // What it waits for besides stays.
            Arc::new(move || queue.add(key.clone(), Cause::Turn)),
        )
    }

    /// Writes down what is done, and that it waits if it has for long.
    async fn put_off(
        &mut self,
        service: Service,
        later: Later,
    ) -> Result<RecordError, RecordError> {
        let generation = self.record.generation();
        let again = PATIENCE.saturating_sub(later.waited);
        let common = self.record.status.common();
        // What somebody has to act on says it best.
        let stalled = find(common.conditions, STALLED)
            .is_some_and(|it| it.observed_generation == Some(generation));
        let deleting = self.record.resource.meta().deletion_timestamp.is_some();
        if again.is_zero() && !deleting && !stalled {
            let who = match service {
                Service::Aep => "AEP",
                Service::CustomerIo => "Customer.io",
            };
            let standing = Standing::Reconciling {
                reason: Reason::Throttled,
                message: format!(
                    "{who} limits the number of calls right now, and other resources are before this one. The operator \
                     goes on by itself."
                ),
            };
            *common.conditions =
                standing.conditions(common.conditions, generation, self.context.clock.now());
        }
        self.record.flush(Purpose::Result).await?;
        Ok(RecordError::Queued(if again.is_zero() {
            AT_THE_LATEST
        } else {
            again
        }))
    }
}

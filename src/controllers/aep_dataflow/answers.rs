//! What answers bring to an `AepDataflow`: into what is known of its objects, and into its status.

use crate::controllers::execute::Outcome;
use crate::controllers::managed::ManagedStatus as _;
use crate::plan::adopt::Found;
use crate::plan::marker::Marker;
use crate::plan::question::Answer;
use crate::plan::{Known, RemoteKind};
use crate::platform::{Flow, FlowAction, MappingRef, MappingSet};
use crate::resources::AepDataflowStatus;
use crate::resources::status::MappingSetStatus;

use super::aim::Aim;
use super::settled::asked;
use super::subject::DataflowSubject;
use super::subscription::moment;

impl DataflowSubject<'_> {
    /// Takes in what a step brought.
    pub(super) fn take_in(&mut self, outcome: &Outcome, status: &mut AepDataflowStatus) {
        if let Outcome::Answered(answer) = outcome {
            self.learn(answer, status);
            return;
        }
        if let Outcome::MappingSet(found) = outcome
            && self.observed.adopt.is_none()
            && self.is_somebody_elses(found, status)
        {
            status.mapping_set = None;
            self.observed.mapping = Known::Absent;
            return;
        }
        if let Some(webhook) = &mut self.webhook {
            webhook.fold(outcome, status);
        }
        let observed = &mut self.observed;
        if let Some(adoption) = &mut observed.adopt {
            // Nothing of it is the resource's own yet.
            match outcome {
                Outcome::Flow(flow) => adoption.found = Found::Read(flow.clone()),
                Outcome::TargetConnection(found) => {
                    observed.target = Known::Read((**found).clone());
                }
                Outcome::MappingSet(found) => observed.mapping = Known::Read((**found).clone()),
                _ => {}
            }
            return;
        }
        match outcome {
            Outcome::Created {
                kind: RemoteKind::TargetConnection,
                id,
                ..
            } => {
                observed.target = Known::Trusted(id.clone());
                self.made_below(status);
            }
            Outcome::Created {
                kind: RemoteKind::MappingSet,
                id,
                version,
                ..
            } => {
                observed.mapping = Known::Trusted(MappingRef {
                    id: id.clone(),
                    version: *version,
                });
                self.made_below(status);
            }
            Outcome::Created {
                kind: RemoteKind::Flow,
                id,
                ..
            } => {
                // Its state and URL are still to come.
                observed.flow = Known::Recorded(id.clone());
                // What stood before was another one.
                (observed.settled, observed.stopped) = (false, false);
                self.moved(status);
                self.made(status);
            }
            Outcome::TargetConnection(found) => {
                if let Some(recorded) = status
                    .target_connection
                    .as_mut()
                    .filter(|it| it.etag.is_empty())
                {
                    found.etag.as_str().clone_into(&mut recorded.etag);
                }
                observed.target = Known::Read((**found).clone());
            }
            Outcome::MappingSet(found) => {
                status.mapping_set = Some(mapping_status(&found.reference(), status));
                observed.mapping = Known::Read((**found).clone());
            }
            Outcome::Flow(flow) => self.read(flow, status),
            Outcome::Deleted {
                kind: RemoteKind::Flow,
                ..
            } => observed.flow = Known::Absent,
            Outcome::Mapped(mapping) => {
                status.mapping_set = Some(mapping_status(mapping, status));
                observed.mapping = Known::Trusted(mapping.clone());
            }
            Outcome::Changed {
                kind: RemoteKind::Flow,
                id,
                etag,
            } => {
                if let Some(recorded) = &mut status.flow {
                    etag.as_str().clone_into(&mut recorded.etag);
                }
                // The change is carried out asynchronously.
                observed.flow = Known::Recorded(id.clone());
                self.moved(status);
            }
            _ => {}
        }
    }

    /// The flow was made or changed just now.
    fn moved(&self, status: &mut AepDataflowStatus) {
        if let Some(flow) = &mut status.flow {
            flow.changed_at = Some(moment(self.context.clock.exact()));
        }
    }

    /// The platform has answered.
    fn learn(&mut self, answer: &Answer, status: &mut AepDataflowStatus) {
        if let Answer::Mapping(checked) = answer {
            self.observed.checked = Some(checked.clone());
            return;
        }
        self.answers.take(answer.clone());
        let known = (&self.view, &self.answers, self.sandbox.as_str());
        self.aim = Aim::of(&self.identity, self.dataflow, status, known);
        self.record_target(status);
    }

    /// The mapping set of a flow that was found again. One that carries another name was adopted with the flow, or
    /// is somebody else's: `spec.mappingSet` named it before, and it is left alone.
    fn is_somebody_elses(&self, found: &MappingSet, status: &AepDataflowStatus) -> bool {
        let ours = Marker::split(&found.name)
            .is_some_and(|(_, marker)| marker.identity.same_resource(&self.identity));
        !ours && self.dataflow.spec.adopt.is_none() && status.is_unread(RemoteKind::MappingSet)
    }

    /// Something that the flow is built on was made.
    fn made_below(&mut self, status: &mut AepDataflowStatus) {
        look_at(&mut self.observed.flow);
        // A flow that stands has yet to be put on it, and that may fail.
        if status.flow.is_none() {
            self.made(status);
        }
    }

    /// Something was made from this spec a moment ago. If nothing else that status records is waiting to
    /// be read, a later reconcile (woken by the source, for the URL, or trying again what was refused)
    /// need not read any of it.
    fn made(&self, status: &mut AepDataflowStatus) {
        let target = matches!(self.observed.target, Known::Trusted(_) | Known::Absent);
        let elsewhere = self.dataflow.spec.mapping_set.is_some();
        let mapping =
            elsewhere || matches!(self.observed.mapping, Known::Trusted(_) | Known::Absent);
        if target && mapping {
            status.applied_hash = self.aim.hash().map(str::to_owned);
        }
    }

    /// A flow that was read: what its status shows of it.
    fn read(&mut self, flow: &Flow, status: &mut AepDataflowStatus) {
        if let Some(recorded) = &mut status.flow {
            recorded.state = Some(flow.state.as_str().to_owned());
            // In the same write as the state: what is seen now is what the next run compares with.
            if let Some(desired) = self.aim.desired()
                && self.observed.settled
                && desired.action(&flow.state) == Some(FlowAction::Enable)
            {
                recorded.stopped_hash = Some(asked(self.dataflow, desired));
            }
            if recorded.etag.is_empty() {
                flow.etag.as_str().clone_into(&mut recorded.etag);
            }
        }
        if let Some(url) = flow.inlet_url() {
            status.inlet_url = Some(url.to_owned());
        }
        if let Some(webhook) = &mut self.webhook {
            webhook.follow(status);
        }
        self.observed.flow = Known::Read(flow.clone());
    }
}

/// What a flow that stands is built on was made anew: the flow does not know of it.
fn look_at(flow: &mut Known<String, Flow>) {
    if let Known::Trusted(id) = flow {
        *flow = Known::Recorded(id.clone());
    }
}

fn mapping_status(mapping: &MappingRef, status: &AepDataflowStatus) -> MappingSetStatus {
    MappingSetStatus {
        attempt: status.mapping_set.as_ref().and_then(|set| set.attempt),
        id: mapping.id.clone(),
        version: mapping.version.cast_signed(),
    }
}

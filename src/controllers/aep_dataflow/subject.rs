//! An `AepDataflow` on its way: the planner over what is known, and how answers are taken in.

use kube::ResourceExt as _;

use crate::controllers::consult::lacks;
use crate::controllers::context::Context;
use crate::controllers::engine::Subject;
use crate::controllers::events::Note;
use crate::controllers::execute::Outcome;
use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::reconcile::known;
use crate::controllers::record::RecordError;
use crate::controllers::webhooks::WorkspaceAccess;
use crate::controllers::webhooks::watch::Entry;
use crate::plan::adopt::{Adoption, Found};
use crate::plan::claim::FlowProgress;
use crate::plan::dataflow::{ObservedDataflow, SourceView, plan};
use crate::plan::drift::Drift;
use crate::plan::marker::Identity;
use crate::plan::settling::Fields;
use crate::plan::sighting::{Aspects, Expected, Sighted, inlet_hash, mapping_hash, wiring_hash};
use crate::plan::target::{Answers, ResolvedTarget, TargetView};
use crate::plan::{Body, Failure, Fate, Known, Plan, RemoteKind, Step, Wait};
use crate::platform::MappingRef;
use crate::resources::aep_dataflow::DesiredState;
use crate::resources::conditions::Reason;
use crate::resources::status::MappingSetStatus;
use crate::resources::{AepDataflow, AepDataflowStatus};

use super::aim::Aim;
use super::observe::Surroundings;
use super::settled::{asked, has_stood, is_stopped, was_told};
use super::webhook::Part;
use super::{claim, observe, target};

/// An `AepDataflow` on its way.
pub struct DataflowSubject<'a> {
    pub(super) context: &'a Context,
    pub(super) dataflow: &'a AepDataflow,
    pub(super) identity: Identity,
    pub(super) sandbox: String,
    pub(super) view: TargetView,
    /// How far the fields of its dataset are.
    fields: Fields,
    pub(super) answers: Answers,
    pub(super) aim: Aim,
    pub(super) observed: ObservedDataflow,
    /// Changes of the flow already made in this run; a change that does not show is not made again.
    changed: Vec<Change>,
    /// Its webhook, if it has to do with one.
    pub webhook: Option<Part<'a>>,
}

/// A kind of change of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Patch,
    Act,
}

fn change_of(step: &Step) -> Option<Change> {
    match step {
        Step::Patch {
            kind: RemoteKind::Flow,
            ..
        } => Some(Change::Patch),
        Step::Act { .. } => Some(Change::Act),
        _ => None,
    }
}

impl<'a> DataflowSubject<'a> {
    /// What is known from status alone.
    pub fn new(
        context: &'a Context,
        dataflow: &'a AepDataflow,
        identity: Identity,
        surroundings: &'a Surroundings,
        status: &AepDataflowStatus,
    ) -> Self {
        let webhook = Part::new(
            context,
            dataflow,
            &identity,
            status,
            (&surroundings.access, surroundings.unreachable.as_ref()),
        );
        let view = surroundings.target.view.clone();
        let sandbox = surroundings.access.scope.sandbox.clone();
        let answers = Answers::default();
        let aim = Aim::of(&identity, dataflow, status, (&view, &answers, &sandbox));
        let applied = status.applied_hash.as_deref();
        let trusted = applied.is_some() && applied == aim.hash();
        let is_state = |state: &str| aim.desired().is_some_and(|desired| desired.is_state(state));
        let version = status
            .mapping_set
            .as_ref()
            .map_or(0, |found| found.version.cast_unsigned());
        // A flow is finished once it has its URL and the wanted state; until then it is read.
        let finished = trusted && status.inlet_url.is_some() && has_stood(status, is_state);
        let settled = trusted && (has_stood(status, is_state) || was_told(status));
        let stopped = aim
            .desired()
            .is_some_and(|desired| is_stopped(status, &asked(dataflow, desired)));
        let observed = ObservedDataflow {
            source: surroundings.source.clone(),
            target: known(status, RemoteKind::TargetConnection, trusted, str::to_owned),
            mapping: known(status, RemoteKind::MappingSet, trusted, |id| MappingRef {
                id: id.to_owned(),
                version,
            }),
            flow: known(status, RemoteKind::Flow, finished, str::to_owned),
            settled,
            stopped,
            on_missing: dataflow.spec.on_remote_missing,
            adopt: dataflow
                .spec
                .adopt
                .as_ref()
                .filter(|_| lacks(status, RemoteKind::Flow))
                .map(|adopt| Adoption {
                    id: adopt.flow_id.clone(),
                    policy: adopt.policy,
                    found: Found::Unread,
                }),
            ..ObservedDataflow::default()
        };
        Self {
            context,
            dataflow,
            identity,
            sandbox,
            view,
            fields: surroundings.target.fields.clone(),
            answers,
            aim,
            observed,
            changed: Vec::new(),
            webhook,
        }
    }

    /// Whether target connection, mapping set and flow stand as written.
    pub fn flow_stands(&self) -> bool {
        self.flow_plan() == Plan::Done
    }

    /// What a listing should show of the webhook, if everything stands as written.
    pub fn expected_webhook(
        &self,
        status: &AepDataflowStatus,
    ) -> Option<(&WorkspaceAccess, Entry)> {
        let webhook = self.webhook.as_ref()?;
        (self.plan(status) == Plan::Done)
            .then(|| webhook.expected(&self.dataflow.uid().unwrap_or_default(), status))
            .flatten()
    }

    /// The plan of the flow and what it is built on.
    fn flow_plan(&self) -> Plan {
        let plan = match &self.aim {
            Aim::Not(plan) => plan.clone(),
            Aim::Known {
                desired, advice, ..
            } => match advice.failure() {
                Some(failure) => Plan::Stop(failure),
                None => plan(desired, &self.observed),
            },
        };
        let again = |steps: &[Step]| {
            steps
                .iter()
                .filter_map(change_of)
                .any(|change| self.changed.contains(&change))
        };
        if let Some(hold) = self.fields.hold(&plan, self.context.clock.now()) {
            return hold;
        }
        match plan {
            Plan::Run(steps) if again(&steps) => Plan::Wait(Wait {
                reason: Reason::Progressing,
                message: "AEP took a change of the flow but does not show it yet.".to_owned(),
                poll: true,
            }),
            plan => plan,
        }
    }

    /// Hash of what stands once the plan is done.
    pub fn hash(&self) -> Option<&str> {
        self.aim.hash()
    }

    /// The dataset and schema that the objects are for.
    pub fn target(&self) -> Option<&ResolvedTarget> {
        self.aim.desired().map(|desired| &desired.target)
    }

    pub(super) fn record_target(&self, status: &mut AepDataflowStatus) {
        if let Some(target) = self.target() {
            status.target = Some(target.status());
        }
    }

    /// The source, as it was looked at last.
    pub fn source(&self) -> &SourceView {
        &self.observed.source
    }

    /// The objects as they stand now that the plan is done.
    pub fn expected(&self, status: &AepDataflowStatus) -> Vec<Expected> {
        let ObservedDataflow { source, flow, .. } = &self.observed;
        let id = |kind| status.id(kind).map(str::to_owned);
        let mut expected = Vec::new();
        if let Some(id) = id(RemoteKind::TargetConnection) {
            expected.push(Expected {
                kind: RemoteKind::TargetConnection,
                id: id.into(),
                aspects: Aspects::default(),
            });
        }
        let kind = RemoteKind::Flow;
        let Some(flow_id) = id(kind) else {
            return expected;
        };
        let target = id(RemoteKind::TargetConnection);
        let aspects = match (flow, source, target, self.aim.desired()) {
            (Known::Read(flow), ..) => Sighted::from(flow).aspects,
            (_, SourceView::Standing { id }, Some(target), Some(desired)) => {
                let own = status.mapping_set.as_ref().map(mapping_ref);
                let mapping = desired.mapping_elsewhere.clone().or(own);
                Aspects {
                    label: Some(desired.label.hash(kind, &desired.identity)),
                    running: Some(desired.state == DesiredState::Enabled),
                    wiring: Some(wiring_hash(std::slice::from_ref(id), &[target])),
                    mapping: mapping.map(|set| mapping_hash(&set.id, set.version)),
                    inlet: status.inlet_url.as_deref().map(inlet_hash),
                }
            }
            _ => Aspects::default(),
        };
        expected.push(Expected {
            kind,
            id: flow_id.into(),
            aspects,
        });
        expected
    }
}

impl Subject<AepDataflowStatus> for DataflowSubject<'_> {
    fn plan(&self, status: &AepDataflowStatus) -> Plan {
        let flow = self.flow_plan();
        match &self.webhook {
            Some(webhook) => webhook.join(flow, status),
            None => flow,
        }
    }

    fn begin(&mut self, status: &mut AepDataflowStatus) {
        self.record_target(status);
    }

    fn doubts(&self, step: &Step) -> Vec<(&'static str, String)> {
        let writes = matches!(
            step,
            Step::UpdateMappingSet { .. }
                | Step::Create {
                    body: Body::MappingSet(_),
                    ..
                }
        );
        match &self.aim {
            Aim::Known { advice, .. } if writes => {
                let doubts = advice.doubts.iter();
                doubts
                    .map(|doubt| ("MappingDoubtful", doubt.clone()))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn takes_along(&self, kind: RemoteKind) -> bool {
        kind != RemoteKind::MappingSet || self.dataflow.spec.mapping_set.is_none()
    }

    fn look_before(&self, kind: RemoteKind, status: &AepDataflowStatus) -> Option<Step> {
        let webhook = self.webhook.as_ref()?;
        (kind == RemoteKind::Subscription)
            .then(|| webhook.look_before(status))
            .flatten()
    }

    fn held(
        &mut self,
        step: &Step,
        failure: Failure,
        _: &mut AepDataflowStatus,
    ) -> Option<Failure> {
        let flow_stands = self.flow_stands();
        match &mut self.webhook {
            Some(webhook) => webhook.held(step, failure, flow_stands),
            None => Some(failure),
        }
    }

    fn remarks(&mut self, step: &Step) -> Vec<Note> {
        let webhook = self.webhook.as_mut();
        webhook.map_or_else(Vec::new, |webhook| webhook.remarks(step))
    }

    fn repairs(&self) -> bool {
        self.observed.settled
    }

    fn drift(&self, step: &Step) -> Option<Drift> {
        if step.kind() == RemoteKind::Subscription {
            return self.webhook.as_ref()?.drift(step);
        }
        match (step, &self.observed) {
            (Step::Patch { id, operations, .. }, observed) if observed.settled => {
                let Known::Read(flow) = &observed.flow else {
                    return None;
                };
                let (by, client) = (&flow.updated_by, &flow.updated_client);
                Some(Drift::repaired(
                    RemoteKind::Flow,
                    id,
                    operations,
                    by,
                    client,
                ))
            }
            (Step::Act { id, .. }, observed) if observed.settled => {
                let Known::Read(flow) = &observed.flow else {
                    return None;
                };
                Some(Drift::state(id, &flow.updated_by, &flow.updated_client))
            }
            (Step::Create { body, .. }, observed) => {
                let kind = body.kind();
                let missing = match kind {
                    RemoteKind::Flow => observed.flow.missing(),
                    RemoteKind::TargetConnection => observed.target.missing(),
                    RemoteKind::MappingSet => observed.mapping.missing().map(|set| &set.id),
                    _ => None,
                };
                missing.map(|id| Drift::recreated(kind, id))
            }
            _ => None,
        }
    }

    fn adopt(&mut self, status: &mut AepDataflowStatus) -> Vec<(RemoteKind, String)> {
        let ObservedDataflow {
            target,
            mapping,
            flow,
            adopt,
            ..
        } = &mut self.observed;
        let (Some(Found::Read(found)), Known::Read(target)) =
            (adopt.take().map(|it| it.found), &*target)
        else {
            return Vec::new();
        };
        let mut adopted = vec![(RemoteKind::TargetConnection, target.id.clone())];
        let (kind, etag) = (RemoteKind::TargetConnection, target.etag.as_str());
        status.record(kind, &target.id, etag, 0);
        // One that the spec names is somebody else's; it was not read.
        if let Known::Read(mapping) = &*mapping {
            status.record(RemoteKind::MappingSet, &mapping.id, "", mapping.version);
            adopted.push((RemoteKind::MappingSet, mapping.id.clone()));
        }
        status.record(RemoteKind::Flow, &found.id, found.etag.as_str(), 0);
        adopted.push((RemoteKind::Flow, found.id.clone()));
        *flow = Known::Read(*found);
        adopted
    }

    fn done(&mut self, step: &Step) {
        self.changed.extend(change_of(step));
        if let Some(webhook) = &mut self.webhook {
            webhook.done(step);
        }
    }

    fn fold(&mut self, outcome: &Outcome, status: &mut AepDataflowStatus) {
        self.take_in(outcome, status);
    }

    fn meet(&mut self, kind: RemoteKind, fate: Fate, status: &AepDataflowStatus) {
        if kind == RemoteKind::Subscription {
            if let Some(webhook) = &mut self.webhook {
                webhook.meet(fate, status);
            }
            return;
        }
        if let (Some(adoption), Fate::Missing) = (&mut self.observed.adopt, fate) {
            adoption.found = Found::Missing;
            return;
        }
        let ObservedDataflow {
            source: _,
            target,
            mapping,
            checked: _,
            flow,
            next_attempts,
            settled: _,
            stopped: _,
            on_missing: _,
            adopt: _,
        } = &mut self.observed;
        let id = status.id(kind).map(str::to_owned);
        let next = match kind {
            RemoteKind::TargetConnection => {
                target.meet(fate, id);
                &mut next_attempts.target
            }
            RemoteKind::MappingSet => {
                mapping.meet(fate, status.mapping_set.as_ref().map(mapping_ref));
                &mut next_attempts.mapping
            }
            RemoteKind::Flow => {
                flow.meet(fate, id);
                &mut next_attempts.flow
            }
            _ => return,
        };
        if let Fate::Absent { next: attempt } = fate {
            *next = attempt;
        }
    }

    async fn look_again(&mut self) -> Result<bool, RecordError> {
        if let SourceView::Standing { .. } = self.observed.source {
            return Ok(false);
        }
        let standing = observe::standing(self.context, self.dataflow).await?;
        let has_come = standing.is_some();
        if let Some(source) = standing {
            self.observed.source = source;
        }
        Ok(has_come)
    }

    async fn veto(&self, steps: &[Step]) -> Result<Option<Failure>, RecordError> {
        if !steps.iter().any(|step| step.creates().is_some()) {
            return Ok(None);
        }
        let makes_flow = steps
            .iter()
            .filter_map(Step::creates)
            .any(|(kind, _)| kind == RemoteKind::Flow);
        let claimed = async {
            if makes_flow {
                claim::check(self.context, self.dataflow, FlowProgress::Pending).await
            } else {
                Ok(None)
            }
        };
        // The intent is visible by now: either the source's deletion sees it, or this look sees that
        // the source is going.
        let (source, target, claimed) = futures::join!(
            observe::source_is_gone(self.context, self.dataflow, &self.observed.source),
            target::is_gone(self.context, self.dataflow, &self.view),
            claimed
        );
        Ok(source?.or(target?).or(claimed?))
    }
}

pub(super) fn mapping_ref(mapping: &MappingSetStatus) -> MappingRef {
    MappingRef {
        id: mapping.id.clone(),
        version: mapping.version.cast_unsigned(),
    }
}

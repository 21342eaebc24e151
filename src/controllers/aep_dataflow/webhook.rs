//! The webhook of a dataflow on its way: what is known of it goes to the planner, what answers bring is taken in.
//!
//! [`crate::plan::subscription`] decides; [`super::subscription`] says what status and surroundings tell before.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::Instant;

use crate::controllers::context::Context;
use crate::controllers::credentials::Access;
use crate::controllers::events::Note;
use crate::controllers::execute::Outcome;
use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::reconcile::known;
use crate::controllers::webhooks::WorkspaceAccess;
use crate::controllers::webhooks::watch::Entry;
use crate::customer_io::{Endpoint, Webhook, WebhookSettings};
use crate::plan::drift::Drift;
use crate::plan::marker::Identity;
use crate::plan::subscription::{DesiredSubscription, ObservedSubscription, find, join, plan};
use crate::plan::{Body, Failure, Fate, Known, Plan, Step, WebhookChange, journal};
use crate::resources::conditions::{READY, Reason, find as condition};
use crate::resources::lifecycle::OnRemoteMissing;
use crate::resources::subscription::SubscriptionState;
use crate::resources::{AepDataflow, AepDataflowStatus};

use super::subscription::{KIND, desired, endpoint, holds, is_other_key, moment, pause_left};

/// The webhook of a dataflow on its way.
pub struct Part<'a> {
    context: &'a Context,
    desired: Option<DesiredSubscription>,
    observed: ObservedSubscription,
    workspace: Option<&'a WorkspaceAccess>,
    /// What the spec comes to, whatever Customer.io takes of it.
    whole: Option<DesiredSubscription>,
    /// What was written in this run: what does not show is not written again.
    wrote: Option<WebhookSettings>,
    /// Where the flow took its events when what is known of the webhook was found out.
    sends_to: Option<Endpoint>,
    /// It was to be deleted the last time.
    removing: bool,
    /// A failure that passes was not told of yet: what comes next waits for the next try.
    patient: bool,
    twins: usize,
}

impl<'a> Part<'a> {
    /// What is known from status alone; none for a dataflow that has nothing to do with webhooks.
    pub fn new(
        context: &'a Context,
        dataflow: &AepDataflow,
        identity: &Identity,
        status: &AepDataflowStatus,
        (access, lacking): (&'a Access, Option<&Failure>),
    ) -> Option<Self> {
        let mut desired = desired(dataflow, identity);
        if desired.is_none() && !holds(status) {
            return None;
        }
        let whole = desired.clone();
        let workspace = access.workspace.as_ref();
        let mark = workspace.map_or("", |it| it.mark.as_str());
        let endpoint = endpoint(status);
        let stands = status.subscription.as_ref();
        let hash = whole
            .as_ref()
            .map(|whole| whole.hash(endpoint.as_ref().ok().and_then(Option::as_ref)));
        let removing = stands.is_some_and(|it| it.state == SubscriptionState::Removing);
        let settled =
            !removing && hash.is_some() && stands.is_some_and(|stands| stands.applied_hash == hash);
        let ready = condition(&status.conditions, READY);
        let well = ready.is_none_or(|ready| ready.reason == Reason::Succeeded.as_str());
        let sends = stands.is_some_and(|it| it.state == SubscriptionState::Enabled);
        let sent_before = stands.is_some_and(|it| it.enabled_at.is_some());
        // What was in any way wrong is looked at, and what a new key shows.
        let same_key = status.workspace.as_deref() == Some(mark);
        let trusted = settled && well && same_key && (sends || !sent_before);
        // One that this operator was about to delete is not missed.
        let on_missing = if removing {
            OnRemoteMissing::Recreate
        } else {
            dataflow.spec.on_remote_missing
        };
        if settled && let (Some(desired), Some(stands)) = (&mut desired, stands) {
            let unknown = desired.unknown.clone();
            let takes = |name: &String| name.contains('*') || stands.events.contains(name);
            if !unknown.iter().all(takes) {
                desired.drop_unknown();
            }
        }
        let failing = ready.is_some_and(|ready| {
            ready.observed_generation == dataflow.metadata.generation
                && ready.reason == Reason::PlatformUnavailable.as_str()
        });
        let flow = status.flow.as_ref().map_or("", |flow| flow.id.as_str());
        let sends_to = endpoint.as_ref().ok().cloned().flatten();
        let unusable = endpoint
            .err()
            .map(|error| Failure::no_endpoint(flow, &error.to_string()));
        let observed = ObservedSubscription {
            hook: known(status, KIND, trusted, str::to_owned),
            others: trusted.then(Vec::new),
            settled,
            sent_before,
            sends,
            on_missing,
            other_key: is_other_key(status, mark),
            held_back: lacking.cloned().or(unusable),
            ..ObservedSubscription::default()
        };
        Some(Self {
            context,
            desired,
            observed,
            workspace,
            whole,
            wrote: None,
            sends_to,
            removing,
            patient: !failing,
            twins: 0,
        })
    }

    /// What is known now.
    fn observed(&self, status: &AepDataflowStatus) -> ObservedSubscription {
        ObservedSubscription {
            pause_over: pause_left(self.context, status).is_zero(),
            ..self.observed.clone()
        }
    }

    /// The plan of the whole dataflow, from that of the flow.
    pub fn join(&self, flow: Plan, status: &AepDataflowStatus) -> Plan {
        let endpoint = endpoint(status).ok().flatten();
        let (desired, observed) = (self.desired.as_ref(), self.observed(status));
        let joined = join(flow, desired, &observed, endpoint.as_ref());
        let Plan::Run(steps) = &joined else {
            return joined;
        };
        match (steps.as_slice(), &self.wrote) {
            ([Step::UpdateSubscription { id, body, .. }], Some(wrote))
                if wrote.differences(body).is_empty() =>
            {
                let fields = match &observed.hook {
                    Known::Read(hook) => body.differences(&hook.settings),
                    _ => Vec::new(),
                };
                Plan::Stop(Failure::webhook_not_kept(id, &fields))
            }
            _ => joined,
        }
    }

    /// Whether it stands as written.
    fn is_done(&self, status: &AepDataflowStatus) -> bool {
        let endpoint = endpoint(status).ok().flatten();
        let (desired, observed) = (self.desired.as_ref(), self.observed(status));
        plan(desired, &observed, endpoint.as_ref()) == Plan::Done
    }

    /// Fills in what a status says once it does.
    pub fn settled(&self, status: &mut AepDataflowStatus) {
        if !self.is_done(status) {
            return;
        }
        let Some(whole) = &self.whole else {
            // What certainly was not sent leaves no trace.
            if self.observed.hook == Known::Absent {
                journal::settle(&mut status.pending, KIND);
                status.workspace = None;
            }
            return;
        };
        let endpoint = endpoint(status).ok().flatten();
        let hash = whole.hash(endpoint.as_ref());
        if let Some(stands) = &mut status.subscription {
            stands.applied_hash = Some(hash);
            if !whole.enabled() || stands.state != SubscriptionState::Enabled {
                // That it does not send, perhaps only until Adobe takes events again, is nobody else's doing.
                stands.enabled_at = None;
            }
        }
    }

    /// What a listing should show of it, if it stands as written.
    pub fn expected(
        &self,
        uid: &str,
        status: &AepDataflowStatus,
    ) -> Option<(&WorkspaceAccess, Entry)> {
        let (desired, stands) = (self.desired.as_ref()?, status.subscription.as_ref()?);
        let endpoint = endpoint(status).ok().flatten()?;
        let disabled = stands.state == SubscriptionState::Disabled;
        let entry = Entry {
            uid: uid.to_owned(),
            id: stands.id.clone(),
            settings: desired.settings(&endpoint, disabled).digest(),
            endpoint: endpoint.digest(),
            since: Instant::now(),
        };
        self.workspace.map(|workspace| (workspace, entry))
    }

    /// The look-up before the first creation: somebody may have made it by hand.
    pub fn look_before(&self, status: &AepDataflowStatus) -> Option<Step> {
        let endpoint = endpoint(status).ok().flatten()?;
        Some(find(self.observed.next_attempt, &endpoint))
    }

    /// The flow was read. If it takes its events elsewhere than before, because it was made anew or its inlet moved, the
    /// webhook does not send there yet, whatever is known of it; and that is nobody else's doing.
    pub fn follow(&mut self, status: &AepDataflowStatus) {
        let Some(now) = endpoint(status).ok().flatten() else {
            return;
        };
        if self.sends_to.as_ref() == Some(&now) {
            return;
        }
        self.sends_to = Some(now);
        self.observed.settled = false;
        if let Known::Trusted(id) = &self.observed.hook {
            self.observed.hook = Known::Recorded(id.clone());
            self.observed.others = None;
        }
    }

    /// Takes in what a step brought.
    pub fn fold(&mut self, outcome: &Outcome, status: &mut AepDataflowStatus) {
        match outcome {
            Outcome::Created { kind: KIND, id, .. } => {
                self.observed.hook = Known::Trusted(id.clone());
                self.observed.others = Some(Vec::new());
                (self.observed.sends, self.observed.sent_before) = (false, false);
                self.made(status);
            }
            Outcome::Webhook(hook) => self.saw(hook, status),
            Outcome::WebhookWritten(hook) => {
                self.observed.sent_before = !hook.settings.disabled;
                if hook.settings.disabled
                    && let Some(stands) = &mut status.subscription
                {
                    stands.enabled_at = None;
                }
                self.saw(hook, status);
            }
            Outcome::Webhooks { own, others, .. } => {
                self.observed.others = Some(others.clone());
                if let Some(hook) = own {
                    self.saw(hook, status);
                }
            }
            Outcome::Deleted { kind: KIND, id, .. } => match &mut self.observed.others {
                Some(others) if others.iter().any(|other| other.id == *id) => {
                    others.retain(|other| other.id != *id);
                    self.twins += 1;
                    self.context.metrics.remote.twin_deleted(KIND);
                }
                _ => self.observed.hook = Known::Absent,
            },
            _ => {}
        }
    }

    /// It was created a moment ago, disabled.
    fn made(&mut self, status: &mut AepDataflowStatus) {
        let now = moment(self.context.clock.exact());
        if let Some(flow) = &mut status.flow {
            // Of a flow that was found nobody knows how new it is.
            flow.changed_at.get_or_insert(now);
        }
        if let (Some(stands), Some(desired)) = (&mut status.subscription, &self.desired) {
            stands.events.clone_from(&desired.events);
            stands.unknown_events.clone_from(&desired.unknown);
        }
    }

    /// It was read, or written, just now.
    fn saw(&mut self, hook: &Webhook, status: &mut AepDataflowStatus) {
        let disabled = hook.settings.disabled;
        let now = Time(self.context.clock.now());
        if let Some(stands) = &mut status.subscription {
            if disabled {
                stands.state = SubscriptionState::Disabled;
            } else {
                stands.state = SubscriptionState::Enabled;
                stands.enabled_at.get_or_insert(now);
            }
            stands.events.clone_from(&hook.settings.events);
            stands.events.sort();
            stands.events.dedup();
            let desired = self.desired.as_ref();
            stands.unknown_events = desired.map(|it| it.unknown.clone()).unwrap_or_default();
        }
        if let Some(workspace) = self.workspace {
            // The key there is now shows it.
            status.workspace = Some(workspace.mark.clone());
            self.observed.other_key = false;
        }
        self.observed.sends = !disabled;
        self.observed.hook = Known::Read(hook.clone());
    }

    /// Takes in what became of a webhook whose content no answer brought.
    pub fn meet(&mut self, fate: Fate, status: &AepDataflowStatus) {
        if let Fate::Absent { next } = fate {
            self.observed.next_attempt = next;
        }
        if fate == Fate::Unread {
            self.observed.others = None;
        }
        let id = status.id(KIND).map(str::to_owned);
        self.observed.hook.meet(fate, id);
    }

    /// A step was carried out.
    pub fn done(&mut self, step: &Step) {
        if let Step::UpdateSubscription { body, .. } = step {
            self.wrote = Some(body.clone());
        }
    }

    /// The change made elsewhere that `step` repairs.
    pub fn drift(&self, step: &Step) -> Option<Drift> {
        match (step, &self.observed.hook) {
            (Step::UpdateSubscription { id, body, change }, Known::Read(hook))
                if self.observed.settled =>
            {
                let mut fields = body.differences(&hook.settings);
                // What we disabled ourselves is enabled when its time has come.
                fields.retain(|field| *field != "disabled" || *change != WebhookChange::Enable);
                (!fields.is_empty()).then(|| Drift::webhook(id, &fields))
            }
            (Step::Create { .. }, Known::Missing(id)) if !self.removing => {
                Some(Drift::recreated(KIND, id))
            }
            _ => None,
        }
    }

    /// Events about what `step` brought.
    pub fn remarks(&mut self, step: &Step) -> Vec<Note> {
        let mut notes = Vec::new();
        let writes = matches!(
            step,
            Step::UpdateSubscription { .. }
                | Step::Create {
                    body: Body::Subscription(_),
                    ..
                }
        );
        let desired = self.desired.as_ref().filter(|it| !it.unknown.is_empty());
        if let Some(desired) = desired.filter(|_| writes) {
            let note = format!(
                "spec.subscription.customerIo.events has names that this operator does not know, or patterns that match \
                 nothing: {}.",
                desired.unknown.join(", ")
            );
            notes.push(Note::warning("UnknownEvents", step, note));
        }
        if let Step::Delete { kind: KIND, id } = step
            && std::mem::take(&mut self.twins) > 0
        {
            let note = format!(
                "Subscription {id} sent every event to the flow a second time: an earlier attempt had made it after it \
                 was given up."
            );
            notes.push(Note::warning("TwinDeleted", step, note));
        }
        notes
    }

    /// A call to Customer.io failed. It ends the run, unless the flow has something left to do that must not wait
    /// for it.
    pub fn held(&mut self, step: &Step, failure: Failure, flow_stands: bool) -> Option<Failure> {
        let writes = step.creates().is_some() || matches!(step, Step::UpdateSubscription { .. });
        if writes
            && failure.reason == Reason::RejectedByPlatform
            && let Some(desired) = &mut self.desired
            && desired.drop_unknown()
        {
            return None;
        }
        if flow_stands || (!failure.stalled && self.patient) {
            return Some(failure);
        }
        self.observed.held_back = Some(failure);
        None
    }
}

//! The webhook of a dataflow on its way: what status and surroundings tell the planner, and how answers are taken in.
//!
//! [`crate::plan::subscription`] decides.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use tokio::time::Instant;

use crate::controllers::app_api_key;
use crate::controllers::context::Context;
use crate::controllers::credentials::Access;
use crate::controllers::dependencies::{Dependency, Key};
use crate::controllers::events::Note;
use crate::controllers::execute::Outcome;
use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::reconcile::known;
use crate::controllers::record::RecordError;
use crate::controllers::webhooks::WorkspaceAccess;
use crate::controllers::webhooks::watch::Entry;
use crate::customer_io::{Endpoint, InletError, Webhook, WebhookSettings};
use crate::plan::deletion::Trace;
use crate::plan::drift::Drift;
use crate::plan::marker::Identity;
use crate::plan::subscription::{DesiredSubscription, ObservedSubscription, find, join, plan};
use crate::plan::{Body, Failure, Fate, Known, Plan, RemoteKind, Step, WebhookChange, journal};
use crate::resources::aep_dataflow::DesiredState;
use crate::resources::conditions::{READY, Reason, find as condition};
use crate::resources::subscription::SubscriptionState;
use crate::resources::{AepDataflow, AepDataflowStatus, CustomerIoSource, REQUESTED_AT};

const KIND: RemoteKind = RemoteKind::Subscription;

/// Whether a dataflow has, may have, or is to have a webhook.
pub fn concerns(dataflow: &AepDataflow) -> bool {
    dataflow.spec.subscription.is_some() || dataflow.status.as_ref().is_some_and(holds)
}

fn holds(status: &AepDataflowStatus) -> bool {
    status.id(KIND).is_some() || journal::find(&status.pending, KIND).is_some()
}

/// The Secret with the App API key, where the dataflow depends on it.
pub fn dependency(dataflow: &AepDataflow, source: &CustomerIoSource) -> Option<Dependency> {
    let workspace = source.spec.customer_io.as_ref()?;
    concerns(dataflow).then(|| {
        Dependency::Secret(Key::new(
            dataflow.namespace().unwrap_or_default(),
            &workspace.app_api_key_ref.name,
        ))
    })
}

/// Adds the workspace to `access`, if the dataflow has to do with it; why it cannot be reached.
pub async fn reach(
    context: &Context,
    dataflow: &AepDataflow,
    source: &CustomerIoSource,
    access: &mut Access,
) -> Result<Option<Failure>, RecordError> {
    if !concerns(dataflow) {
        return Ok(None);
    }
    let Some(spec) = &source.spec.customer_io else {
        return Ok(Some(Failure::no_workspace(
            &source.name_any(),
            dataflow.spec.subscription.is_some(),
        )));
    };
    let namespace = dataflow.namespace().unwrap_or_default();
    Ok(match app_api_key::read(context, &namespace, spec).await? {
        Ok(workspace) => {
            access.workspace = Some(workspace);
            None
        }
        Err(failure) => Some(failure),
    })
}

/// Where the webhook of a flow sends to, once the flow has its URL.
fn endpoint(status: &AepDataflowStatus) -> Result<Option<Endpoint>, InletError> {
    let flow = status.flow.as_ref().map(|flow| flow.id.as_str());
    let inlet = status.inlet_url.as_deref().zip(flow);
    inlet
        .map(|(url, flow)| Endpoint::of_flow(url, flow))
        .transpose()
}

fn desired(dataflow: &AepDataflow, identity: &Identity) -> Option<DesiredSubscription> {
    let spec = dataflow.spec.subscription.as_ref()?;
    let state = dataflow.spec.state;
    Some(DesiredSubscription::new(identity, &spec.customer_io, state))
}

/// What a webhook that is to be deleted is known by.
pub fn trace(dataflow: &AepDataflow, status: &AepDataflowStatus, access: &Access) -> Option<Trace> {
    let workspace = access.workspace.as_ref()?;
    let default = || {
        let namespace = dataflow.namespace().unwrap_or_default();
        format!("{namespace}.{}", dataflow.name_any())
    };
    let spec = dataflow.spec.subscription.as_ref();
    let name = spec.and_then(|spec| spec.customer_io.name.clone());
    Some(Trace {
        endpoint: endpoint(status).ok().flatten(),
        name: name.unwrap_or_else(default),
        other_key: is_other_key(status, &workspace.mark),
    })
}

fn is_other_key(status: &AepDataflowStatus, mark: &str) -> bool {
    let made_with = status.workspace.as_deref();
    holds(status) && made_with.is_some_and(|made_with| made_with != mark)
}

/// Until something may have been made in it, the workspace is that of the key there is now.
pub fn prepare(dataflow: &AepDataflow, status: &mut AepDataflowStatus, access: &Access) {
    if holds(status) {
        return;
    }
    if dataflow.spec.subscription.is_none() {
        status.workspace = None;
    } else if let Some(workspace) = &access.workspace {
        status.workspace = Some(workspace.mark.clone());
    }
}

/// How long until a webhook that stands is to be enabled.
pub fn due(
    context: &Context,
    dataflow: &AepDataflow,
    status: &AepDataflowStatus,
) -> Option<Duration> {
    let waits = dataflow.spec.subscription.is_some()
        && dataflow.spec.state == DesiredState::Enabled
        && status.subscription.as_ref()?.state == SubscriptionState::Disabled;
    // A look too early finds it too early.
    waits.then(|| pause_left(context, status) + Duration::from_millis(10))
}

/// A moment as status keeps it: Kubernetes cuts times to whole seconds, which must not make the pause shorter.
pub fn moment(now: Timestamp) -> Time {
    let whole = now.as_second() + i64::from(now.subsec_nanosecond() > 0);
    Time(Timestamp::from_second(whole).unwrap_or(now))
}

/// What is left of Adobe's pause.
fn pause_left(context: &Context, status: &AepDataflowStatus) -> Duration {
    let changed = status
        .flow
        .as_ref()
        .and_then(|flow| flow.changed_at.as_ref());
    let Some(changed) = changed else {
        return Duration::ZERO;
    };
    let passed = context.clock.exact().as_millisecond() - changed.0.as_millisecond();
    let pause = context.settings.subscription_pause;
    match u64::try_from(passed) {
        Ok(passed) => pause.saturating_sub(Duration::from_millis(passed)),
        // A clock that was set back must not make it longer.
        Err(_) => pause,
    }
}

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
        let requested = dataflow.annotations().get(REQUESTED_AT);
        let asked = requested.is_some() && requested != status.last_handled_reconcile_at.as_ref();
        let settled =
            !asked && hash.is_some() && stands.is_some_and(|stands| stands.applied_hash == hash);
        let ready = condition(&status.conditions, READY);
        let well = ready.is_none_or(|ready| ready.reason == Reason::Succeeded.as_str());
        let sends = stands.is_some_and(|it| it.state == SubscriptionState::Enabled);
        let sent_before = stands.is_some_and(|it| it.enabled_at.is_some());
        // What was in any way wrong is looked at, and what a new key shows.
        let same_key = status.workspace.as_deref() == Some(mark);
        let trusted = settled && well && same_key && (sends || !sent_before);
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
            on_missing: dataflow.spec.on_remote_missing,
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
            if !whole.enabled() {
                // That it does not send is nobody else's doing.
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
                    self.context.metrics.twin_deleted(KIND.word());
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
            (Step::Create { .. }, Known::Missing(id)) => Some(Drift::recreated(KIND, id)),
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

/// The words about the webhook beside `Ready=True`.
pub fn ready_message(status: &AepDataflowStatus) -> Option<String> {
    let stands = status.subscription.as_ref()?;
    let (id, kinds) = (&stands.id, stands.events.len());
    let state = status.flow.as_ref().and_then(|flow| flow.state.as_deref());
    let mut message = match stands.state {
        SubscriptionState::Enabled => {
            format!("Customer.io's webhook {id} sends it events of {kinds} kinds.")
        }
        SubscriptionState::Disabled if state == Some("enabled") => format!(
            "Customer.io's webhook {id} stands, and starts to send once Adobe's pause for a new or changed flow is over."
        ),
        SubscriptionState::Disabled => format!("Customer.io's webhook {id} is disabled too."),
    };
    if !stands.unknown_events.is_empty() {
        let unknown = stands.unknown_events.join(", ");
        message.push_str(" Not known, or matching nothing, among its events: ");
        message.push_str(&unknown);
        message.push('.');
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_being_cut_to_whole_seconds() {
        let at = |millis| moment(Timestamp::from_millisecond(millis).unwrap()).0;
        assert_eq!(at(5_001).as_millisecond(), 6_000);
        assert_eq!(at(5_000).as_millisecond(), 5_000);
    }
}

//! The planner of a dataflow's webhook in Customer.io, and how its steps and those of the flow take turns.
//!
//! - It is created disabled and enabled once Adobe's pause after a change of the flow is over: events that come
//!   earlier may be lost. An update never disables it.
//! - Two that send to one flow double every row. What sends there before the first creation is taken over; a
//!   second one with the name we give is ours and goes; one of another name is somebody's, and is told of.
//! - It is silent before its flow is, and speaks after it does ([`join`]).
//! - What the App API key cannot see may be gone, or in another workspace: after a change of key it is never
//!   made anew.

use crate::customer_io::{Endpoint, Webhook, WebhookSettings, resolve};
use crate::platform::FlowAction;
use crate::resources::aep_dataflow::DesiredState;
use crate::resources::lifecycle::OnRemoteMissing;
use crate::resources::subscription::CustomerIoSubscription;

use super::desired::hash;
use super::marker::Identity;
use super::step::WebhookChange;
use super::{Body, Failure, Known, Plan, RemoteKind, Step};

/// What a dataflow's webhook should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredSubscription {
    /// Its name.
    pub name: String,
    /// The events, by name.
    pub events: Vec<String>,
    /// Names that are asked for though they are not known, and patterns that match nothing.
    pub unknown: Vec<String>,
    full_resolution: bool,
    with_content: bool,
    enabled: bool,
}

impl DesiredSubscription {
    /// From the resource's spec.
    pub fn new(identity: &Identity, spec: &CustomerIoSubscription, state: DesiredState) -> Self {
        let resolved = resolve(&spec.events);
        Self {
            name: spec.name.clone().unwrap_or_else(|| identity.default_name()),
            events: resolved.events,
            unknown: resolved.unknown,
            full_resolution: spec.full_resolution,
            with_content: spec.with_content,
            enabled: state == DesiredState::Enabled,
        }
    }

    /// Whether it is to send.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// The whole of it.
    pub fn settings(&self, endpoint: &Endpoint, disabled: bool) -> WebhookSettings {
        WebhookSettings {
            name: self.name.clone(),
            endpoint: endpoint.clone(),
            events: self.events.clone(),
            disabled,
            full_resolution: self.full_resolution,
            with_content: self.with_content,
            others: serde_json::Map::new(),
        }
    }

    /// Customer.io does not take names that it does not know: without them. `false`: there were none.
    pub fn drop_unknown(&mut self) -> bool {
        let before = self.events.len();
        self.events.retain(|event| !self.unknown.contains(event));
        self.events.len() != before
    }

    /// Changes with anything that would be written.
    pub fn hash(&self, endpoint: Option<&Endpoint>) -> String {
        let flags = format!(
            "{} {} {}",
            self.full_resolution, self.with_content, self.enabled
        );
        hash(&[
            &self.name,
            endpoint.map_or("", Endpoint::as_str),
            &self.events.join(" "),
            &self.unknown.join(" "),
            &flags,
        ])
    }
}

/// Another webhook with the flow's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What is known of a dataflow's webhook.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all of them may come together"
)]
pub struct ObservedSubscription {
    /// The webhook.
    pub hook: Known<String, Webhook>,
    /// Others with its endpoint. `None`: they have to be looked for.
    pub others: Option<Vec<Other>>,
    /// Number of the attempt that would create it.
    pub next_attempt: i64,
    /// It stood as this very spec says before: what differs now was changed elsewhere.
    pub settled: bool,
    /// It sent before: what is disabled now was disabled elsewhere.
    pub sent_before: bool,
    /// Whether it sends, as status has it.
    pub sends: bool,
    /// `spec.onRemoteMissing`.
    pub on_missing: OnRemoteMissing,
    /// It was made, or was to be made, with another App API key than there is now.
    pub other_key: bool,
    /// Adobe's pause is over.
    pub pause_over: bool,
    /// Why nothing can be done about it now.
    pub held_back: Option<Failure>,
}

impl Default for ObservedSubscription {
    fn default() -> Self {
        Self {
            hook: Known::Absent,
            others: Some(Vec::new()),
            next_attempt: 1,
            settled: false,
            sent_before: false,
            sends: false,
            on_missing: OnRemoteMissing::default(),
            other_key: false,
            pause_over: false,
            held_back: None,
        }
    }
}

const KIND: RemoteKind = RemoteKind::Subscription;

/// The next steps towards `desired` (`None`: there is to be none), for a flow that stands as written and takes its
/// events at `endpoint`.
pub fn plan(
    desired: Option<&DesiredSubscription>,
    observed: &ObservedSubscription,
    endpoint: Option<&Endpoint>,
) -> Plan {
    if let Some(failure) = &observed.held_back {
        return Plan::Stop(failure.clone());
    }
    let Some(desired) = desired else {
        return removal(observed, endpoint);
    };
    let Some(endpoint) = endpoint else {
        // Unreachable: a flow that stands as written has an inlet.
        return Plan::Done;
    };
    if desired.events.is_empty() {
        return Plan::Stop(Failure::no_events(&desired.unknown));
    }
    match (&observed.hook, &observed.others) {
        (Known::Pending { attempt }, _) => one(find(*attempt, endpoint)),
        (Known::Recorded(id), None) => one(Step::SeeSubscription {
            id: id.clone(),
            endpoint: endpoint.clone(),
        }),
        (Known::Recorded(id), Some(_)) => one(read(id)),
        (Known::Missing(id), _) => missing(desired, observed, id, endpoint),
        (Known::Absent, _) if observed.other_key => Plan::Stop(Failure::another_workspace(None)),
        (Known::Absent, _) => one(create(desired, observed, endpoint)),
        (Known::Trusted(id), _) if desired.enabled && !observed.sends && observed.pause_over => {
            one(read(id))
        }
        (Known::Trusted(_), _) => Plan::Done,
        (Known::Read(hook), others) => {
            let others = others.as_deref().unwrap_or_default();
            converge(desired, observed, hook, others, endpoint)
        }
    }
}

/// The webhook goes, and the flow stays.
fn removal(observed: &ObservedSubscription, endpoint: Option<&Endpoint>) -> Plan {
    match &observed.hook {
        Known::Absent => Plan::Done,
        Known::Pending { attempt } => match endpoint {
            Some(endpoint) => one(find(*attempt, endpoint)),
            None => Plan::Done,
        },
        // With another key a 404 does not say that it is gone.
        Known::Recorded(id) | Known::Trusted(id) if observed.other_key => one(read(id)),
        Known::Missing(id) if observed.other_key => {
            Plan::Stop(Failure::another_workspace(Some(id)))
        }
        Known::Recorded(id) | Known::Trusted(id) | Known::Missing(id) => one(delete(id)),
        Known::Read(hook) => one(delete(&hook.id.to_string())),
    }
}

fn missing(
    desired: &DesiredSubscription,
    observed: &ObservedSubscription,
    id: &str,
    endpoint: &Endpoint,
) -> Plan {
    if observed.other_key {
        return Plan::Stop(Failure::another_workspace(Some(id)));
    }
    match observed.on_missing {
        OnRemoteMissing::Stall => Plan::Stop(Failure::webhook_missing(id)),
        OnRemoteMissing::Recreate => one(create(desired, observed, endpoint)),
    }
}

/// From the webhook as it stands to the webhook as it should be.
fn converge(
    desired: &DesiredSubscription,
    observed: &ObservedSubscription,
    hook: &Webhook,
    others: &[Other],
    endpoint: &Endpoint,
) -> Plan {
    let id = hook.id.to_string();
    let twins: Vec<Step> = others
        .iter()
        .filter(|other| other.name == desired.name)
        .map(|other| delete(&other.id))
        .collect();
    if !twins.is_empty() {
        return Plan::Run(twins);
    }
    let read = &hook.settings;
    if observed.settled && observed.sent_before && read.disabled && desired.enabled {
        // It may be somebody's emergency stop.
        return Plan::Stop(Failure::webhook_disabled_elsewhere(&id));
    }
    let sends_there = !read.disabled && read.endpoint == *endpoint;
    let disabled = !desired.enabled || (!sends_there && !observed.pause_over);
    let wanted = desired.settings(endpoint, disabled).keeping(read);
    if !wanted.differences(read).is_empty() {
        let change = match (read.disabled, disabled) {
            (true, false) => WebhookChange::Enable,
            (false, true) => WebhookChange::Disable,
            _ => WebhookChange::Update,
        };
        return one(Step::UpdateSubscription {
            id,
            body: wanted,
            change,
        });
    }
    if others.is_empty() {
        Plan::Done
    } else {
        let others: Vec<String> = others.iter().map(|it| it.id.clone()).collect();
        Plan::Stop(Failure::other_webhooks(&id, &others))
    }
}

/// The plan of the whole dataflow, from that of the flow and its parts.
pub fn join(
    flow: Plan,
    desired: Option<&DesiredSubscription>,
    observed: &ObservedSubscription,
    endpoint: Option<&Endpoint>,
) -> Plan {
    match &flow {
        Plan::Done => plan(desired, observed, endpoint),
        Plan::Run(steps) => {
            // Once the flow is another one, nobody could tell what an earlier attempt made.
            if let (Known::Pending { attempt }, Some(endpoint)) = (&observed.hook, endpoint)
                && steps.iter().any(makes_or_deletes_flow)
                && observed.held_back.is_none()
            {
                return one(find(*attempt, endpoint));
            }
            if steps.iter().any(stops_flow)
                && let Some(step) = silence(desired, observed)
            {
                return one(step);
            }
            flow
        }
        // What is not wanted any more goes, whatever is the matter with the flow.
        Plan::Wait(_) | Plan::Stop(_) if desired.is_none() && observed.held_back.is_none() => {
            match removal(observed, endpoint) {
                Plan::Run(steps) => Plan::Run(steps),
                _ => flow,
            }
        }
        _ => flow,
    }
}

fn stops_flow(step: &Step) -> bool {
    matches!(
        step,
        Step::Act {
            action: FlowAction::Disable,
            ..
        } | Step::Delete {
            kind: RemoteKind::Flow,
            ..
        }
    )
}

fn makes_or_deletes_flow(step: &Step) -> bool {
    matches!(
        step,
        Step::Create {
            body: Body::Flow(_),
            ..
        } | Step::Delete {
            kind: RemoteKind::Flow,
            ..
        }
    )
}

/// What has to be done before the flow stops, so that no event meets a flow that does not take it.
fn silence(desired: Option<&DesiredSubscription>, observed: &ObservedSubscription) -> Option<Step> {
    if observed.held_back.is_some() {
        return None;
    }
    if desired.is_none() {
        return match removal(observed, None) {
            Plan::Run(mut steps) => steps.pop(),
            _ => None,
        };
    }
    match &observed.hook {
        Known::Recorded(id) => Some(read(id)),
        Known::Trusted(id) if observed.sends => Some(read(id)),
        Known::Read(hook) if !hook.settings.disabled => Some(Step::UpdateSubscription {
            id: hook.id.to_string(),
            body: WebhookSettings {
                disabled: true,
                ..hook.settings.clone()
            },
            change: WebhookChange::Disable,
        }),
        _ => None,
    }
}

fn one(step: Step) -> Plan {
    Plan::Run(vec![step])
}

/// Which webhooks send to the flow: what an attempt may have made, and what is taken over.
pub fn find(attempt: i64, endpoint: &Endpoint) -> Step {
    Step::FindSubscription {
        attempt,
        endpoint: endpoint.clone(),
        name: None,
    }
}

fn create(
    desired: &DesiredSubscription,
    observed: &ObservedSubscription,
    endpoint: &Endpoint,
) -> Step {
    Step::Create {
        attempt: observed.next_attempt,
        body: Body::Subscription(desired.settings(endpoint, true)),
    }
}

fn read(id: &str) -> Step {
    Step::Read {
        kind: KIND,
        id: id.to_owned(),
    }
}

fn delete(id: &str) -> Step {
    Step::Delete {
        kind: KIND,
        id: id.to_owned(),
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;

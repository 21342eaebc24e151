//! What status and surroundings tell of a dataflow's webhook: whether there is one, where it sends to, which workspace it
//! is in, and what is left of Adobe's pause.
//!
//! [`super::webhook`] brings it on its way.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use crate::controllers::app_api_key;
use crate::controllers::context::Context;
use crate::controllers::credentials::Access;
use crate::controllers::dependencies::Dependency;
use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::record::RecordError;
use crate::customer_io::{Endpoint, InletError};
use crate::plan::deletion::Trace;
use crate::plan::marker::Identity;
use crate::plan::subscription::DesiredSubscription;
use crate::plan::{Failure, RemoteKind, journal};
use crate::resources::aep_dataflow::DesiredState;
use crate::resources::subscription::SubscriptionState;
use crate::resources::{AepDataflow, AepDataflowStatus, CustomerIoSource};
use crate::work::Key;

pub(super) const KIND: RemoteKind = RemoteKind::Subscription;

/// Whether a dataflow has, may have, or is to have a webhook.
pub fn concerns(dataflow: &AepDataflow) -> bool {
    dataflow.spec.subscription.is_some() || dataflow.status.as_ref().is_some_and(holds)
}

pub(super) fn holds(status: &AepDataflowStatus) -> bool {
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
pub(super) fn endpoint(status: &AepDataflowStatus) -> Result<Option<Endpoint>, InletError> {
    let flow = status.flow.as_ref().map(|flow| flow.id.as_str());
    let inlet = status.inlet_url.as_deref().zip(flow);
    inlet
        .map(|(url, flow)| Endpoint::of_flow(url, flow))
        .transpose()
}

pub(super) fn desired(dataflow: &AepDataflow, identity: &Identity) -> Option<DesiredSubscription> {
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

pub(super) fn is_other_key(status: &AepDataflowStatus, mark: &str) -> bool {
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
pub(super) fn pause_left(context: &Context, status: &AepDataflowStatus) -> Duration {
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
        SubscriptionState::Removing => format!("Customer.io's webhook {id} is being deleted."),
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

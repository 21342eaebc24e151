//! Whether a flow has stood as its spec says before: what differs now was then changed by somebody else, and an emergency
//! stop is left alone. Read from status, which outlives the process.

use crate::plan::RemoteKind;
use crate::plan::drift::field;
use crate::resources::AepDataflowStatus;
use crate::resources::conditions::{READY, Reason, find};
use crate::resources::lifecycle::DriftAction;

/// The flow was last seen in the state that the spec wants.
pub(super) fn has_stood(status: &AepDataflowStatus, wanted: impl Fn(&str) -> bool) -> bool {
    let state = status.flow.as_ref().and_then(|flow| flow.state.as_deref());
    state.is_some_and(wanted)
}

/// Somebody was told that it was changed elsewhere, and that it is left so.
pub(super) fn was_told(status: &AepDataflowStatus) -> bool {
    let left = [Reason::DisabledElsewhere, Reason::OwnedByAnother];
    let told = find(&status.conditions, READY)
        .is_some_and(|ready| left.iter().any(|reason| ready.reason == reason.as_str()));
    // An outage puts its own words into the condition; what was found stays beside it.
    let state = field(RemoteKind::Flow, "state");
    let stopped = status.last_drift.as_ref().is_some_and(|drift| {
        drift.action == DriftAction::Reported && drift.fields.contains(&state)
    });
    told || stopped
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(value: &Value) -> AepDataflowStatus {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn an_emergency_stop_is_remembered_through_an_outage() {
        let ready = |reason: &str| {
            json!([{
                "type": "Ready", "status": "False", "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }])
        };
        let drift = |action: &str, field: &str| json!({"action": action, "fields": [field]});
        for (told, conditions, last_drift) in [
            (true, ready("DisabledElsewhere"), Value::Null),
            (true, ready("OwnedByAnother"), Value::Null),
            (
                true,
                ready("PlatformUnavailable"),
                drift("Reported", "flow.state"),
            ),
            (false, ready("PlatformUnavailable"), Value::Null),
            (
                false,
                ready("PlatformUnavailable"),
                drift("Repaired", "flow.state"),
            ),
            (
                false,
                ready("PlatformUnavailable"),
                drift("Reported", "subscription.disabled"),
            ),
        ] {
            let status = status(&json!({"conditions": conditions, "lastDrift": last_drift}));
            assert_eq!(was_told(&status), told, "{conditions} {last_drift}");
        }
    }

    #[test]
    fn a_flow_has_stood_once_it_was_seen_in_the_wanted_state() {
        for (flow, stood) in [
            (Value::Null, false),
            (json!({"id": "f", "etag": ""}), false),
            (json!({"id": "f", "etag": "", "state": "enabled"}), true),
            (json!({"id": "f", "etag": "", "state": "disabled"}), false),
        ] {
            let status = status(&json!({"flow": flow}));
            assert_eq!(has_stood(&status, |state| state == "enabled"), stood);
        }
    }
}

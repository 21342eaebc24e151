//! Whether a flow has stood as its spec says before: what differs now was then changed by somebody else, and an emergency
//! stop is left alone until something else is asked for. Read from status, which outlives the process.

use kube::ResourceExt as _;

use crate::plan::desired::DesiredDataflow;
use crate::resources::conditions::{READY, Reason, find};
use crate::resources::{AepDataflow, AepDataflowStatus, REQUESTED_AT};

/// The flow was last seen in the state that the spec wants.
pub(super) fn has_stood(status: &AepDataflowStatus, wanted: impl Fn(&str) -> bool) -> bool {
    let state = status.flow.as_ref().and_then(|flow| flow.state.as_deref());
    state.is_some_and(wanted)
}

/// Somebody was told that it was changed elsewhere, and that it is left so.
pub(super) fn was_told(status: &AepDataflowStatus) -> bool {
    let left = [Reason::DisabledElsewhere, Reason::OwnedByAnother];
    find(&status.conditions, READY)
        .is_some_and(|ready| left.iter().any(|reason| ready.reason == reason.as_str()))
}

/// What is asked for now, as `status.flow.stoppedHash` remembers it.
pub(super) fn asked(dataflow: &AepDataflow, desired: &DesiredDataflow) -> String {
    desired.asked(dataflow.annotations().get(REQUESTED_AT).map(String::as_str))
}

/// It was found disabled while exactly this was asked for. An outage, or an object that cannot be seen for a while, puts its
/// own words into the condition and takes the trust in what was applied; this stays.
pub(super) fn is_stopped(status: &AepDataflowStatus, asked: &str) -> bool {
    let flow = status.flow.as_ref();
    flow.is_some_and(|flow| flow.stopped_hash.as_deref() == Some(asked))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(value: &Value) -> AepDataflowStatus {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn what_was_told_is_known_by_its_reason() {
        for (told, reason) in [
            (true, "DisabledElsewhere"),
            (true, "OwnedByAnother"),
            (false, "PlatformUnavailable"),
        ] {
            let ready = json!({
                "type": "Ready", "status": "False", "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            });
            assert_eq!(
                was_told(&status(&json!({"conditions": [ready]}))),
                told,
                "{reason}"
            );
        }
    }

    #[test]
    fn a_stop_is_remembered_until_something_else_is_asked_for() {
        let stopped = status(&json!({"flow": {"id": "f", "etag": "", "stoppedHash": "a"}}));
        assert!(is_stopped(&stopped, "a"));
        assert!(!is_stopped(&stopped, "b"));
        assert!(!is_stopped(
            &status(&json!({"flow": {"id": "f", "etag": ""}})),
            "a"
        ));
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

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::platform::classify;

fn scope() -> Scope {
    Scope {
        secret: "adobe-credentials".into(),
        organization: "ORG@AdobeOrg".into(),
        sandbox: "prod".into(),
    }
}

fn flow(code: &str) -> Value {
    flow_in(code, "req-1")
}

fn flow_in(code: &str, request: &str) -> Value {
    json!({
        "type": format!("https://ns.adobe.com/aep/errors/FLOW-{code}"), "title": "t",
        "report": {"detailed-message": format!("Words about {code} (request {request})."), "request-id": request},
    })
}

fn gateway(code: &str) -> Value {
    json!({"error_code": code, "message": format!("Words about {code} (request req-1).")})
}

fn answer(status: u16, body: &Value, retry_after: Option<u32>) -> ApiError {
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", HeaderValue::from_static("req-1"));
    if let Some(seconds) = retry_after {
        headers.insert("retry-after", HeaderValue::from(seconds));
    }
    let status = StatusCode::from_u16(status).unwrap();
    classify(
        "create_flow",
        &Method::POST,
        status,
        &headers,
        body.to_string().as_bytes(),
    )
}

fn failure(error: &ApiError) -> Failure {
    Failure::from_call(error, "create flow", &scope())
}

#[test]
fn every_refusal_has_its_reason_its_remedy_and_its_pace() {
    use Reason::{
        CredentialsRejected, PermissionDenied, PlatformUnavailable, Progressing,
        RejectedByPlatform, SandboxNotFound, Throttled,
    };
    let secret = &["Secret \"adobe-credentials\"", "clientId", "orgId"][..];
    let permission = &[
        "Secret \"adobe-credentials\"",
        "sandbox \"prod\"",
        "\"ORG@AdobeOrg\"",
        "create flow",
    ][..];
    let sandbox = &[
        "ORG@AdobeOrg",
        "sandbox \"prod\"",
        "Secret \"adobe-credentials\"",
        "Create the sandbox",
    ][..];
    let spec = &["create flow", "in the spec"][..];
    let itself = &["by itself"][..];
    let table = [
        (401, gateway("401013"), CredentialsRejected, secret),
        (400, gateway("400003"), CredentialsRejected, secret),
        (403, gateway("403000"), CredentialsRejected, secret),
        (403, gateway("403003"), CredentialsRejected, secret),
        (400, flow("2115-400"), CredentialsRejected, secret),
        (403, gateway("403025"), PermissionDenied, permission),
        (401, flow("2000-401"), PermissionDenied, permission),
        (403, flow("2120-403"), PermissionDenied, permission),
        (400, flow("1100-400"), PermissionDenied, permission),
        (404, flow("2100-404"), SandboxNotFound, sandbox),
        (404, flow("1439-404"), RejectedByPlatform, spec),
        (400, flow("1419-400"), RejectedByPlatform, spec),
        (400, flow("1425-400"), RejectedByPlatform, spec),
        (400, flow("1325-400"), RejectedByPlatform, spec),
        (
            422,
            json!({"type": "http://ns.adobe.com/aep/errors/XDM-1406-422"}),
            RejectedByPlatform,
            spec,
        ),
        (
            400,
            json!({"message": "a body nobody documented"}),
            RejectedByPlatform,
            spec,
        ),
        (429, gateway("429050"), Throttled, itself),
        (412, flow("1404-412"), Progressing, itself),
        (400, flow("1420-400"), Progressing, itself),
        (400, flow("1447-400"), Progressing, itself),
        (500, flow("1102-500"), PlatformUnavailable, itself),
        (503, flow("1103-503"), PlatformUnavailable, itself),
        (504, flow("1104-504"), PlatformUnavailable, itself),
        (
            500,
            flow("2200-500"),
            PlatformUnavailable,
            &["by itself", "dataset and schema", "still exist"],
        ),
        (
            500,
            flow("2250-500"),
            PlatformUnavailable,
            &["by itself", "mapping set", "still exists"],
        ),
        (
            502,
            json!("<html><title>Bad gateway</title></html>"),
            PlatformUnavailable,
            itself,
        ),
        (403, gateway("403010"), PlatformUnavailable, itself),
        (400, flow("2105-400"), PlatformUnavailable, itself),
    ];
    for (status, body, reason, needles) in table {
        let failure = failure(&answer(status, &body, None));
        let shown = format!("{status} {body}: {failure:?}");
        assert_eq!(failure.reason, reason, "{shown}");
        let passing = matches!(reason, Throttled | Progressing | PlatformUnavailable);
        assert_eq!(failure.stalled, !passing, "{shown}");
        assert_eq!(
            failure.pace,
            if passing { Pace::Backoff } else { Pace::Slow },
            "{shown}"
        );
        for needle in needles {
            assert!(failure.message.contains(needle), "{needle}: {shown}");
        }
        assert!(!failure.message.contains("req-1"), "{shown}");
        assert!(failure.note.contains("[request req-1]"), "{shown}");
        let code = body["error_code"]
            .as_str()
            .or_else(|| body["type"].as_str()?.rsplit('/').next());
        if let Some(code) = code {
            assert!(failure.note.contains(code), "{shown}");
            assert!(passing || failure.message.contains(code), "{shown}");
        }
    }
}

#[test]
fn the_pause_that_the_platform_asks_for_is_kept() {
    for status in [429, 503] {
        let failure = failure(&answer(status, &gateway("429050"), Some(17)));
        assert_eq!(
            failure.pace,
            Pace::After(Duration::from_secs(17)),
            "{status}"
        );
    }
}

#[test]
fn a_message_stays_the_same_while_only_the_request_id_changes() {
    for (status, code) in [
        (400, "1425-400"),
        (403, "2120-403"),
        (500, "1102-500"),
        (412, "1404-412"),
    ] {
        let [one, two] = ["8c1e-77", "0b9d-12"]
            .map(|request| failure(&answer(status, &flow_in(code, request), None)));
        assert_eq!(one.message, two.message, "{code}");
        assert_eq!(
            (one.reason, one.stalled, one.pace),
            (two.reason, two.stalled, two.pace)
        );
        assert!(
            one.note.contains("8c1e-77") && two.note.contains("0b9d-12"),
            "{} {}",
            one.note,
            two.note
        );
    }
}

#[test]
fn a_passing_failure_says_no_more_than_its_code_so_that_conditions_stay_quiet() {
    let failure = failure(&answer(503, &flow("1103-503"), None));
    assert!(
        failure.message.contains("(FLOW-1103-503)"),
        "{}",
        failure.message
    );
    assert!(
        !failure.message.contains("Words about"),
        "{}",
        failure.message
    );
    assert!(failure.note.contains("Words about"), "{}", failure.note);
}

#[test]
fn a_missing_permission_is_the_one_that_the_call_needs() {
    let refused = |operation: &'static str| {
        let error = ApiError {
            operation,
            ..answer(403, &gateway("403025"), None)
        };
        Failure::from_call(&error, "do it", &scope()).message
    };
    for operation in [
        "create_field_group",
        "patch_schema",
        "create_dataset",
        "get_tenant",
    ] {
        let message = refused(operation);
        assert!(
            message.contains("Manage Datasets"),
            "{operation}: {message}"
        );
    }
    assert!(refused("create_flow").contains("Manage Sources"));
}

#[test]
fn a_call_without_an_answer_is_passing_too() {
    let error = ApiError {
        operation: "create_flow",
        class: Class::Unavailable { retry_after: None },
        status: None,
        code: None,
        detail: "no answer within 30s".into(),
        request_id: None,
        outcome_unknown: true,
    };
    let failure = failure(&error);
    assert_eq!(
        (failure.reason, failure.stalled),
        (Reason::PlatformUnavailable, false)
    );
    assert!(
        failure.note.contains("no answer within 30s") && !failure.note.contains("[request"),
        "{}",
        failure.note
    );
}

#[test]
fn what_stops_a_deletion_is_said_first_and_how_to_let_go() {
    let stalled = failure(&answer(403, &flow("2120-403"), None));
    let deleting = stalled.clone().while_deleting("flow f4d1");
    assert_eq!(
        (deleting.reason, deleting.stalled),
        (Reason::DeletionBlocked, true)
    );
    assert!(
        deleting.message.starts_with("Cannot delete flow f4d1: "),
        "{}",
        deleting.message
    );
    assert!(
        deleting.message.contains(&stalled.message) && deleting.message.contains("abandon=true")
    );
    assert!(deleting.note.contains("[request req-1]") && !deleting.message.contains("req-1"));

    let passing = failure(&answer(503, &flow("1103-503"), None));
    let deleting = passing.clone().while_deleting("flow f4d1");
    assert_eq!(
        (deleting.reason, deleting.stalled, deleting.pace),
        (passing.reason, false, passing.pace),
        "it goes on by itself"
    );
    assert!(
        deleting.message.starts_with(&passing.message)
            && deleting
                .message
                .contains("abandon=true to let go of flow f4d1"),
        "and if it does not: {}",
        deleting.message
    );
    let throttled = failure(&answer(429, &gateway("429050"), None));
    assert_eq!(throttled.clone().while_deleting("flow f4d1"), throttled);
    let blocked =
        Failure::source_connection_in_use("s", &["f1 (\"a\")".into(), "f2 (\"b\")".into()]);
    assert_eq!(
        blocked.clone().while_deleting("source connection s"),
        blocked,
        "it says so already"
    );
}

#[test]
fn objects_in_the_way_are_named() {
    let missing = Failure::remote_missing(RemoteKind::Flow, "f4d1");
    assert!(missing.message.contains("flow f4d1") && missing.message.contains("restore access"));
    let used = Failure::source_connection_in_use("s", &["f1 (\"a\")".into(), "f2 (\"b\")".into()]);
    assert!(
        used.message.contains("f1 (\"a\"), f2 (\"b\")"),
        "{}",
        used.message
    );
    let ambiguous = Failure::ambiguous(RemoteKind::Flow, &["f1".into(), "f2".into()]);
    assert!(
        ambiguous.message.contains("f1, f2"),
        "{}",
        ambiguous.message
    );
    for failure in [missing, used, ambiguous] {
        assert!(failure.stalled && failure.pace == Pace::Slow && failure.note == failure.message);
        let Standing::Stalled { reason, .. } = failure.standing() else {
            panic!("it is stalled")
        };
        assert_eq!(reason, failure.reason);
    }
}

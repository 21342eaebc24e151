//! Customer.io's App API: what it refuses, how many calls it takes, and the answers that no public source settles.
// Helpers of tests are tests too: what goes wrong in them is a failure.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use aep_emulator::{InletAnswer, Options, WebhookEndpoint};
use common::*;
use serde_json::json;

#[test]
fn the_app_api_is_strict() {
    let mut platform = Platform::new();
    let wrong = platform.call("GET", HOOKS, &[("authorization", "Bearer nonsense")], None);
    assert_eq!(
        (wrong.status, &wrong.body["errors"][0]["status"]),
        (401, &json!("401"))
    );
    let good = hook("https://example.com/", &["email_sent"]);
    for (field, value) in [
        ("endpoint", json!("not a url")),
        ("events", json!([])),
        ("events", json!(["email_exploded"])),
        ("name", json!("")),
        ("disabled", json!("no")),
        ("headers", json!({})),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let reply = app(&mut platform, "POST", HOOKS, Some(&body));
        assert_eq!(reply.status, 400, "{field}: {reply:?}");
    }
    assert_eq!(app(&mut platform, "POST", HOOKS, Some(&good)).status, 200);
    let partial = json!({"disabled": false});
    assert_eq!(
        app(&mut platform, "PUT", &format!("{HOOKS}/1"), Some(&partial)).status,
        400
    );
    platform.control(
        "POST",
        "options",
        &json!({"webhookPartialPut": "allowed", "appApiRateLimit": 1.0}),
    );
    assert_eq!(
        app(&mut platform, "PUT", &format!("{HOOKS}/1"), Some(&partial)).status,
        200
    );
    let throttled = app(&mut platform, "GET", HOOKS, None);
    assert_eq!(throttled.status, 429);
    assert_eq!(throttled.headers["retry-after"], "1");
}

#[test]
fn the_app_api_allows_ten_calls_a_second_unless_told_otherwise() {
    let mut platform = Platform::new();
    let mut answers = (0..11).map(|_| app(&mut platform, "GET", HOOKS, None).status);
    assert!(answers.by_ref().take(10).all(|status| status == 200));
    assert_eq!(answers.next(), Some(429));
    drop(answers);
    platform.control("POST", "options", &json!({"appApiRateLimit": 0.0}));
    assert_eq!(app(&mut platform, "GET", HOOKS, None).status, 200);
    let strange = format!("{HOOKS}?limit=1");
    assert_eq!(app(&mut platform, "GET", &strange, None).status, 400);
}

#[test]
fn an_endpoint_is_kept_as_it_is_or_written_anew() {
    let given = "HTTP://Example.COM:80/a?x-adobe-flow-id=f&a=%c3%a9%20b";
    for (webhook_endpoint, kept) in [
        (WebhookEndpoint::Verbatim, given),
        (
            WebhookEndpoint::Rewritten,
            "http://example.com/a?a=%C3%A9+b&x-adobe-flow-id=f",
        ),
    ] {
        let mut platform = Platform::with(Options {
            webhook_endpoint,
            ..Options::default()
        });
        let created = app(
            &mut platform,
            "POST",
            HOOKS,
            Some(&hook(given, &["email_sent"])),
        );
        assert_eq!(created.body["endpoint"], kept);
        let listed = app(&mut platform, "GET", HOOKS, None);
        assert_eq!(listed.body["reporting_webhooks"][0]["endpoint"], kept);
    }
}

#[test]
fn workspaces_do_not_see_each_other_s_webhooks() {
    let mut platform = Platform::new();
    let body = hook("https://example.com/", &["email_sent"]);
    app(&mut platform, "POST", HOOKS, Some(&body));
    let other = [("authorization", "Bearer other-app-key")];
    let listed = platform.call("GET", HOOKS, &other, None);
    assert_eq!(listed.body, json!({"reporting_webhooks": null}));
    let one = format!("{HOOKS}/1");
    for (method, body) in [("GET", None), ("PUT", Some(&body)), ("DELETE", None)] {
        assert_eq!(platform.call(method, &one, &other, body).status, 404);
    }
    assert_eq!(app(&mut platform, "GET", &one, None).status, 200);
}

#[test]
fn an_endpoint_may_be_tried_and_a_workspace_be_full() {
    let mut platform = Platform::with(Options {
        inlet_delay: std::time::Duration::ZERO,
        webhook_probe: true,
        webhook_limit: 1,
        inlet_disabled_flow: InletAnswer::NotFound,
        ..Options::default()
    });
    let flow = platform.flow("f");
    let inlet = platform.inlet(&flow);
    let good = format!("http://127.0.0.1{inlet}");
    let other = good.replace(&flow, "00000000");
    for bad in ["https://example.com/", other.as_str()] {
        let reply = app(
            &mut platform,
            "POST",
            HOOKS,
            Some(&hook(bad, &["email_sent"])),
        );
        assert_eq!(reply.status, 400, "{bad}");
    }
    let body = hook(&good, &["email_sent"]);
    assert_eq!(app(&mut platform, "POST", HOOKS, Some(&body)).status, 200);
    assert_eq!(platform.records().len(), 0, "a test event lands nowhere");
    assert_eq!(
        app(&mut platform, "POST", HOOKS, Some(&body)).status,
        400,
        "full"
    );
    app(&mut platform, "DELETE", &format!("{HOOKS}/1"), None);
    assert_eq!(app(&mut platform, "POST", HOOKS, Some(&body)).status, 200);
}

#[test]
fn a_new_webhook_may_be_late_in_lists() {
    let mut platform = Platform::with(Options {
        list_lag: std::time::Duration::from_secs(5),
        ..Options::default()
    });
    let body = hook("https://example.com/", &["email_sent"]);
    app(&mut platform, "POST", HOOKS, Some(&body));
    let read = app(&mut platform, "GET", &format!("{HOOKS}/1"), None);
    assert_eq!(read.status, 200);
    for listed in [0, 1] {
        let list = app(&mut platform, "GET", HOOKS, None).body;
        let count = list["reporting_webhooks"].as_array().map_or(0, Vec::len);
        assert_eq!(count, listed);
        platform.now += 5_000;
    }
}

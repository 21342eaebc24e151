//! What is read: lists and their pages, a schema, and what changes with time or behind the caller's back.
// Helpers of tests are tests too: what goes wrong in them is a failure.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use aep_emulator::Options;
use common::*;
use serde_json::{Value, json};

#[test]
fn lists_page_by_token_and_show_late_what_is_new() {
    let mut platform = Platform::new();
    for number in 0..5 {
        platform.source(&format!("s{number}"));
    }
    let mut seen = Vec::new();
    let mut path = format!("{SOURCES}?limit=2");
    loop {
        let page = platform.get(&path).body;
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["_links"]["next"]["href"].as_str() else {
            break;
        };
        // What one public client does: everything after the first `=` is the token.
        let token = next.split_once('=').unwrap().1;
        path = format!("{SOURCES}?limit=2&count=False&continuationToken={token}");
    }
    assert_eq!(seen, ["s0", "s1", "s2", "s3", "s4"]);
    let newest = platform.get(&format!("{SOURCES}?limit=1&orderby=-name"));
    assert_eq!(newest.item()["name"], "s4");
    for (query, code) in [
        ("limit=1&count=true", "FLOW-1401-400"),
        ("nosuch=1", "FLOW-1451-400"),
        ("property=nosuch==1", "FLOW-1449-400"),
        ("property=name~s", "FLOW-1440-400"),
        ("limit=0", "FLOW-1452-400"),
        ("orderby=colour", "FLOW-1433-400"),
        ("continuationToken=zz", "FLOW-1452-400"),
    ] {
        refused(&platform.get(&format!("{SOURCES}?{query}")), code);
    }
    platform.control("POST", "options", &json!({"listLagMs": 2000}));
    let late = platform.source("late");
    let by_name = format!("{SOURCES}?property=name==late");
    assert_eq!(platform.get(&by_name).body["items"], json!([]));
    assert_eq!(
        platform.get(&format!("{SOURCES}/{late}")).status,
        200,
        "by id it is there at once"
    );
    platform.now += 2_000;
    assert_eq!(platform.get(&by_name).item()["id"], late);
}

#[test]
fn a_thousand_flows_are_listed_in_ten_pages() {
    let mut platform = Platform::new();
    let (target, mapping) = (platform.target(), platform.mapping(&tutorial()));
    for number in 0..1_000 {
        let name = format!("f{number}");
        let source = platform.source(&name);
        assert_eq!(
            platform
                .post(FLOWS, &flow(&name, &source, &target, &mapping))
                .status,
            201
        );
    }
    let filter = "inheritedAttributes.sourceConnections[].connectionSpec.id==96479064-7b8a-4d69-b9ed-21c5683837ea";
    let mut path = format!("{FLOWS}?limit=100&property={filter}");
    let mut pages = 1;
    loop {
        let page = platform.get(&path).body;
        let Some(next) = page["_links"]["next"]["href"].as_str() else {
            break;
        };
        path = format!("/data/foundation/flowservice{next}");
        pages += 1;
    }
    assert_eq!(pages, 10);
}

#[test]
fn a_schema_is_read_by_id_under_the_right_accept() {
    let mut platform = Platform::new();
    let id = percent(SCHEMA);
    let path = format!("{REGISTRY}/tenant/schemas/{id}");
    let full = platform.call(
        "GET",
        &path,
        &[("accept", "application/vnd.adobe.xed-full+json; version=1")],
        None,
    );
    let fields = full.body["properties"]["_extconndev"]["properties"]
        .as_object()
        .unwrap();
    assert_eq!(
        fields.keys().collect::<Vec<_>>(),
        [
            "cio_id",
            "email",
            "event_id0",
            "metricx",
            "object_type1",
            "timestampx"
        ]
    );
    assert_eq!(full.body["required"], json!([]));
    refused(
        &platform.call("GET", &path, &[("accept", "application/json")], None),
        "XDM-1008-400",
    );
    let list = format!("{REGISTRY}/tenant/schemas");
    refused(
        &platform.call(
            "GET",
            &list,
            &[("accept", "application/vnd.adobe.xed+json; version=1")],
            None,
        ),
        "XDM-1009-400",
    );
}

fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[test]
fn empty_means_no_schema_and_no_dataset() {
    let mut platform = Platform::with(Options {
        empty: true,
        ..Options::default()
    });
    assert_eq!(platform.get(DATASETS).body, json!({}));
    let stats = platform.get(&format!("{REGISTRY}/stats")).body;
    assert_eq!(
        (&stats["tenantId"], &stats["counts"]["schemas"]),
        (&json!("extconndev"), &json!(0))
    );
}

#[test]
fn a_token_expires() {
    let mut platform = Platform::new();
    assert_eq!(platform.get(FLOWS).status, 200);
    platform.now += 86_399_000;
    assert_eq!(platform.get(FLOWS).body["error_code"], "401013");
}

#[test]
fn etags_may_move_by_themselves_and_updates_may_take_time() {
    let mut platform = Platform::with(Options {
        inlet_delay: Duration::ZERO,
        etag_drift: Duration::from_secs(10),
        update_delay: Duration::from_secs(2),
        ..Options::default()
    });
    let id = platform.flow("f");
    let path = format!("{FLOWS}/{id}");
    let before = platform.get(&path).item().clone();
    platform.now += 10_000;
    let after = platform.get(&path).item().clone();
    assert_ne!(before["etag"], after["etag"]);
    assert_eq!(
        (&before["name"], &before["updatedBy"]),
        (&after["name"], &after["updatedBy"])
    );
    let rename = json!([{"op": "replace", "path": "/name", "value": "g"}]);
    assert_eq!(platform.patch(&path, &rename).status, 200);
    assert_eq!(platform.get(&path).item()["state"], "updating");
    refused(&platform.patch(&path, &rename), "FLOW-1420-400");
    platform.now += 2_000;
    assert_eq!(platform.get(&path).item()["state"], "enabled");
    assert_eq!(platform.patch(&path, &rename).status, 200);
}

#[test]
fn edits_behind_the_back() {
    let mut platform = Platform::new();
    let id = platform.flow("f");
    let path = format!("{FLOWS}/{id}");
    let before = platform.get(&path).item().clone();
    platform.control(
        "POST",
        "edit",
        &json!({"kind": "flow", "id": id, "merge": {"state": "disabled"}}),
    );
    let after = platform.get(&path).item().clone();
    assert_eq!(after["state"], "disabled");
    assert_ne!(after["etag"], before["etag"]);
    assert_ne!(after["updatedBy"], before["updatedBy"]);
    platform.control(
        "POST",
        "edit",
        &json!({"kind": "flow", "id": id, "hidden": true}),
    );
    refused(&platform.get(&path), "FLOW-1439-404");
    refused(&platform.delete(&path), "FLOW-2120-403");
    assert_eq!(platform.get(FLOWS).body["items"], json!([]));
    assert_eq!(
        platform.control("GET", "objects", &Value::Null).body["flow"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    platform.control(
        "POST",
        "edit",
        &json!({"kind": "flow", "id": id, "delete": true}),
    );
    assert_eq!(
        platform.control("GET", "objects", &Value::Null).body["flow"],
        json!([])
    );
    let revoke = json!({"kind": "client", "id": "demo-client", "merge": {"secret": "new", "revokeTokens": true}});
    platform.control("POST", "edit", &revoke);
    assert_eq!(platform.get(FLOWS).body["error_code"], "401013");
    assert_eq!(
        platform
            .control("POST", "edit", &json!({"kind": "nosuch", "id": "x"}))
            .status,
        400
    );
}

#[test]
fn the_control_interface_counts_and_forgets() {
    let mut platform = Platform::new();
    platform.flow("f");
    let counts = platform.control("GET", "counts", &Value::Null).body;
    assert_eq!(counts["flows.create"], 1);
    assert_eq!(counts["sourceConnections.create"], 1);
    let log = platform.control("GET", "requests", &Value::Null).body;
    assert_eq!(
        log.as_array().unwrap().len(),
        5,
        "a token, three parts and the flow"
    );
    assert!(!log.to_string().contains("demo-secret"));
    assert_eq!(log[4]["headers"]["authorization"], "Bearer ***");
    platform.control("DELETE", "state", &Value::Null);
    assert_eq!(
        platform.control("GET", "counts", &Value::Null).body,
        json!({})
    );
    assert_eq!(
        platform.control("GET", "objects", &Value::Null).body["dataset"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        platform
            .control("POST", "options", &json!({"nosuch": 1}))
            .status,
        400
    );
}

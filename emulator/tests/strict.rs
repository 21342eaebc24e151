//! What the platform refuses: wrong bodies, wrong references, wrong parameters, and the answers that no
//! public source settles, played both ways.
// Helpers of tests are tests too: what goes wrong in them is a failure.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use aep_emulator::{MappingSetDelete, Options, Permission};
use common::*;
use serde_json::{Value, json};

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[key] = value;
    body
}

#[test]
fn bodies_of_connections() {
    let mut platform = Platform::new();
    for (pointer, value, code) in [
        ("/state", json!("enabled"), "FLOW-1410-400"),
        ("/nosuch", json!(1), "FLOW-1100-400"),
        ("/name", json!(""), "FLOW-1100-400"),
        (
            "/connectionSpec/id",
            json!("c604ff05-7f1a-43c0-8e18-33bf874cb11c"),
            "FLOW-1413-400",
        ),
        ("/connectionSpec/version", json!("2.0"), "FLOW-1413-400"),
        ("/data/format", json!("delimited"), "FLOW-1327-400"),
    ] {
        refused(
            &platform.post(SOURCES, &with(source("a"), pointer, value)),
            code,
        );
    }
    for (pointer, value, code) in [
        (
            "/connectionSpec/id",
            json!("96479064-7b8a-4d69-b9ed-21c5683837ea"),
            "FLOW-1307-400",
        ),
        ("/params/dataSetId", json!(""), "FLOW-1325-400"),
        (
            "/params/dataSetId",
            json!("000000000000000000000000"),
            "FLOW-1101-404",
        ),
        ("/data/format", json!("csv"), "FLOW-1327-400"),
        ("/data/nosuch", json!(1), "FLOW-1100-400"),
    ] {
        refused(
            &platform.post(TARGETS, &with(target(DATASET), pointer, value)),
            code,
        );
    }
    refused(
        &platform.call(
            "POST",
            SOURCES,
            &[("content-type", "application/json")],
            None,
        ),
        "FLOW-1405-400",
    );
    refused(
        &platform.call("GET", SOURCES, &[("x-sandbox-name", "nosuch")], None),
        "FLOW-2100-404",
    );
}

#[test]
fn references_of_flows() {
    let mut platform = Platform::new();
    let (source, target, mapping) = (
        platform.source("a"),
        platform.target(),
        platform.mapping(&tutorial()),
    );
    let good = flow("f", &source, &target, &mapping);
    for (pointer, value, code) in [
        ("/flowSpec/id", json!("nosuch"), "FLOW-1413-400"),
        ("/sourceConnectionIds/0", json!("nosuch"), "FLOW-1101-404"),
        ("/targetConnectionIds/0", json!("nosuch"), "FLOW-1101-404"),
        (
            "/transformations/0/params/mappingId",
            json!("nosuch"),
            "FLOW-1419-400",
        ),
        (
            "/transformations/0/params/mappingVersion",
            json!(3),
            "FLOW-1412-400",
        ),
        ("/transformations/0/name", json!("mapping"), "FLOW-1100-400"),
        ("/transformations", json!([]), "FLOW-1100-400"),
        ("/state", json!("enabled"), "FLOW-1410-400"),
        ("/scheduleParams", json!({}), "FLOW-1100-400"),
        (
            "/options",
            json!({"inletUrl": "https://example.com"}),
            "FLOW-1100-400",
        ),
    ] {
        let mut body = good.clone();
        if pointer.ends_with("/0") {
            *body.pointer_mut(pointer).unwrap() = value;
        } else {
            body = with(body, pointer, value);
        }
        refused(&platform.post(FLOWS, &body), code);
    }
    let text = with(
        good.clone(),
        "/transformations/0/params/mappingVersion",
        json!("0"),
    );
    assert_eq!(
        platform.post(FLOWS, &text).status,
        201,
        "a version may be sent as a text"
    );
    refused(&platform.post(FLOWS, &good), "FLOW-1447-400");
    platform.control("POST", "options", &json!({"sharedSource": "allowed"}));
    assert_eq!(platform.post(FLOWS, &good).status, 201);
}

#[test]
fn a_flow_takes_its_time_and_its_etag_moves() {
    let mut platform = Platform::with(Options {
        inlet_delay: Duration::from_secs(6),
        ..Options::default()
    });
    let id = platform.flow("f");
    let path = format!("{FLOWS}/{id}");
    let young = platform.get(&path);
    assert_eq!(young.item()["state"], "initializing");
    assert!(young.item()["options"].is_null());
    let rename = json!([{"op": "replace", "path": "/name", "value": "g"}]);
    refused(&platform.patch(&path, &rename), "FLOW-1420-400");
    platform.now += 5_999;
    assert_eq!(platform.get(&path).item()["etag"], young.item()["etag"]);
    platform.now += 1;
    let grown = platform.get(&path);
    assert_eq!(grown.item()["state"], "enabled");
    assert_eq!(grown.item()["updatedAt"], platform.now);
    assert_ne!(grown.item()["etag"], young.item()["etag"]);
    assert!(
        grown.item()["options"]["inletUrl"]
            .as_str()
            .unwrap()
            .contains("/collection/")
    );
}

#[test]
fn patches() {
    let mut platform = Platform::new();
    let id = platform.flow("f");
    let path = format!("{FLOWS}/{id}");
    for (instruction, code) in [
        (
            json!({"op": "replace", "path": "/targetConnectionIds/0", "value": "x"}),
            "FLOW-1365-400",
        ),
        (
            json!({"op": "replace", "path": "/state", "value": "disabled"}),
            "FLOW-1365-400",
        ),
        (
            json!({"op": "replace", "path": "/transformations/1", "value": {}}),
            "FLOW-1365-400",
        ),
        (
            json!({"op": "move", "path": "/name", "value": "x"}),
            "FLOW-1434-400",
        ),
        (json!({"op": "replace", "path": "/name"}), "FLOW-1100-400"),
        (
            json!({"op": "replace", "path": "/labels", "value": []}),
            "FLOW-1455-400",
        ),
    ] {
        refused(&platform.patch(&path, &json!([instruction])), code);
    }
    let upper = json!([{"op": "REPLACE", "path": "/description", "value": "new"}]);
    let before = platform.get(&path).item()["etag"].clone();
    let reply = platform.patch(&path, &upper);
    assert_eq!(reply.status, 200);
    assert_ne!(reply.body["etag"], before);
    let after = platform.get(&path);
    assert_eq!(after.item()["description"], "new");
    assert_ne!(
        after.item()["etag"],
        reply.body["etag"],
        "an update settles in the background"
    );
    platform.control("POST", "options", &json!({"updateMovesEtag": false}));
    let reply = platform.patch(&path, &upper);
    assert_eq!(platform.get(&path).item()["etag"], reply.body["etag"]);
    let source = after.item()["sourceConnectionIds"][0]
        .as_str()
        .unwrap()
        .to_owned();
    refused(
        &platform.patch(&format!("{SOURCES}/{source}"), &upper),
        "FLOW-1300-400",
    );
}

#[test]
fn actions() {
    let mut platform = Platform::new();
    let id = platform.flow("f");
    let action = |op: &str| format!("{FLOWS}/{id}/action?op={op}");
    assert_eq!(
        platform.call("POST", &action("disable"), &[], None).status,
        200
    );
    refused(
        &platform.call("POST", &action("disable"), &[], None),
        "FLOW-1422-400",
    );
    assert_eq!(
        platform.get(&format!("{FLOWS}/{id}")).item()["state"],
        "disabled"
    );
    refused(
        &platform.call("POST", &action("enable"), &[("if-match", "\"old\"")], None),
        "FLOW-1404-412",
    );
    refused(
        &platform.call("POST", &action("explode"), &[], None),
        "FLOW-1434-400",
    );
    platform.control("POST", "options", &json!({"actionNeedsSubOp": true}));
    refused(
        &platform.call("POST", &action("enable"), &[], None),
        "FLOW-1435-400",
    );
    assert_eq!(
        platform
            .call("POST", &action("ENABLE&subOp=x"), &[], None)
            .status,
        200
    );
}

#[test]
fn deletion() {
    let mut platform = Platform::new();
    let id = platform.flow("f");
    let item = platform.get(&format!("{FLOWS}/{id}")).item().clone();
    let source = format!(
        "{SOURCES}/{}",
        item["sourceConnectionIds"][0].as_str().unwrap()
    );
    let mapping = format!(
        "{MAPPING_SETS}/{}",
        item["transformations"][0]["params"]["mappingId"]
            .as_str()
            .unwrap()
    );
    refused(&platform.delete(&source), "FLOW-1447-400");
    assert_eq!(
        platform.delete(&format!("{DATASETS}/{DATASET}")).status,
        400,
        "a target connection names it"
    );
    assert_eq!(platform.delete(&format!("{FLOWS}/{id}")).status, 204);
    refused(&platform.delete(&format!("{FLOWS}/{id}")), "FLOW-1439-404");
    assert_eq!(platform.delete(&source).status, 204);
    for (answer, status) in [
        (MappingSetDelete::NotFound404, 404),
        (MappingSetDelete::NotAllowed405, 405),
        (MappingSetDelete::Supported, 204),
    ] {
        platform.control("POST", "options", &json!({"mappingSetDelete": answer}));
        assert_eq!(platform.delete(&mapping).status, status);
    }

    let mut lax = Platform::with(Options {
        connection_delete_in_use: Permission::Allowed,
        inlet_delay: Duration::ZERO,
        ..Options::default()
    });
    let id = lax.flow("f");
    let source = lax.get(&format!("{FLOWS}/{id}")).item()["sourceConnectionIds"][0]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(lax.delete(&format!("{SOURCES}/{source}")).status, 204);
}

#[test]
fn a_deletion_may_take_minutes() {
    let mut platform = Platform::with(Options {
        inlet_delay: Duration::from_secs(30),
        delete_delay: Duration::from_mins(2),
        mapping_set_delete: MappingSetDelete::RefusedInUse,
        ..Options::default()
    });
    let id = platform.flow("f");
    let path = format!("{FLOWS}/{id}");
    let item = platform.get(&path).item().clone();
    let named = |name: &str| item[name][0].as_str().unwrap().to_owned();
    let source = format!("{SOURCES}/{}", named("sourceConnectionIds"));
    let target = format!("{TARGETS}/{}", named("targetConnectionIds"));
    let mapping = &item["transformations"][0]["params"]["mappingId"];
    let mapping = format!("{MAPPING_SETS}/{}", mapping.as_str().unwrap());

    assert_eq!(platform.delete(&path).status, 204);
    // What was due before does not bring it back to life.
    for later in [0, 30_000, 89_999] {
        platform.now += later;
        let reply = platform.get(&path);
        assert_eq!(reply.item()["state"], "delete-finalizing", "{reply:?}");
        assert_ne!(reply.item()["etag"], item["etag"]);
        let listed = platform.get(&format!("{FLOWS}?property=state==delete-finalizing"));
        assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
        refused(&platform.delete(&path), "FLOW-1458-400");
        let rename = json!([{"op": "replace", "path": "/name", "value": "g"}]);
        refused(&platform.patch(&path, &rename), "FLOW-1457-400");
        refused(
            &platform.post(&format!("{path}/action?op=disable"), &Value::Null),
            "FLOW-1422-400",
        );
        refused(&platform.delete(&source), "FLOW-1447-400");
        refused(&platform.delete(&target), "FLOW-1447-400");
        assert_eq!(platform.delete(&mapping).status, 400);
    }
    platform.now += 1;
    refused(&platform.get(&path), "FLOW-1439-404");
    refused(&platform.delete(&path), "FLOW-1439-404");
    for path in [source, target, mapping] {
        assert_eq!(platform.delete(&path).status, 204);
    }
}

#[test]
fn mapping_sets_name_the_row_that_is_wrong() {
    let mut platform = Platform::new();
    for (bad, word) in [
        (row("metric", "nosuch"), "_extconndev.nosuch"),
        (
            json!({"sourceType": "EXPRESSION", "source": "nosuch(1)", "destination": "_extconndev.email"}),
            "nosuch",
        ),
        (
            json!({"sourceType": "WRONG", "source": "a", "destination": "_extconndev.email"}),
            "WRONG",
        ),
        (
            json!({"sourceType": "ATTRIBUTE", "source": "lower(a)", "destination": "_extconndev.email"}),
            "lower(a)",
        ),
        (row("metric", "cio_id"), "twice"),
        (
            json!({"sourceType": "ATTRIBUTE", "source": "a", "destination": "_extconndev.email", "colour": 1}),
            "colour",
        ),
    ] {
        let rows = json!([row("data.identifiers.cio_id", "cio_id"), bad]);
        let reply = platform.post(MAPPING_SETS, &mapping_set(&rows));
        let message = reply.body["message"].as_str().unwrap_or_default();
        assert_eq!(reply.status, 400, "{reply:?}");
        assert!(
            message.contains("Mapping 2") && message.contains(word),
            "{message}"
        );
        let verdicts = platform
            .post(&format!("{MAPPING_SETS}/validate"), &mapping_set(&rows))
            .body;
        assert_eq!(verdicts["validationResponse"][0]["status"], "SUCCESS");
        assert_eq!(verdicts["validationResponse"][1]["status"], "FAILED");
    }
    for schema in [
        json!({}),
        json!({"schemaRef": {"id": "nosuch", "contentType": FULL}}),
        json!({"schemaRef": {"id": SCHEMA}}),
    ] {
        let mut body = mapping_set(&tutorial());
        body["outputSchema"] = schema;
        assert_eq!(platform.post(MAPPING_SETS, &body).status, 400);
    }
    let unchecked = mapping_set(&json!([row("metric", "nosuch")]));
    let set = platform
        .post(&format!("{MAPPING_SETS}?validate=False"), &unchecked)
        .id();
    let (source, target) = (platform.source("a"), platform.target());
    refused(
        &platform.post(FLOWS, &flow("f", &source, &target, &set)),
        "FLOW-1419-400",
    );
}

#[test]
fn a_mapping_set_read_back_can_be_written_again() {
    let mut platform = Platform::new();
    let set = platform.mapping(&tutorial());
    let path = format!("{MAPPING_SETS}/{set}");
    let read = platform.get(&path).body;
    assert_eq!(read["mappings"][0]["sourceType"], "text/x.schema-path");
    assert_eq!(
        read["mappings"][0]["destinationXdmPath"],
        "_extconndev.cio_id"
    );
    let written = platform.call("PUT", &path, &[], Some(&read));
    assert_eq!((written.status, &written.body["version"]), (200, &json!(1)));
    assert_eq!(
        platform.get(&format!("{path}?version=0")).body["version"],
        0,
        "old versions stay"
    );
    assert_eq!(platform.get(&path).body["version"], 1);
}

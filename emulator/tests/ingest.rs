//! From a Customer.io event to a record in the dataset: webhook, inlet, mapping.
// Helpers of tests are tests too: what goes wrong in them is a failure.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use aep_emulator::{Backlog, InletAnswer, InletShape, Options, Permission};
use common::*;
use http::Request;
use serde_json::{Value, json};

/// The tutorial's record of an event: what is missing or null leaves its field out.
fn expected(event: &Value) -> Value {
    let mut fields = json!({});
    for (pointer, field) in [
        ("/data/identifiers/cio_id", "cio_id"),
        ("/data/identifiers/email", "email"),
        ("/event_id", "event_id0"),
        ("/metric", "metricx"),
        ("/object_type", "object_type1"),
        ("/timestamp", "timestampx"),
    ] {
        if let Some(value) = event.pointer(pointer).filter(|value| !value.is_null()) {
            fields[field] = value.clone();
        }
    }
    json!({"_extconndev": fields})
}

#[test]
fn every_known_event_lands_as_the_tutorial_maps_it() {
    for folder in ["ordinary", "edge"] {
        let mut platform = Platform::new();
        let flow = platform.flow("f");
        let inlet = platform.inlet(&flow);
        let events = events(folder);
        assert_eq!(events.len(), if folder == "edge" { 12 } else { 8 });
        for (name, event) in events {
            let reply = platform.post(&inlet, &event);
            assert_eq!(reply.status, 200, "{name}: {reply:?}");
            assert_eq!(reply.body["syncValidation"]["skipped"], true);
            assert_eq!(platform.records().last(), Some(&expected(&event)), "{name}");
        }
    }
}

#[test]
fn a_webhook_brings_the_events_it_asks_for() {
    let mut platform = Platform::new();
    let flow = platform.flow("f");
    let inlet = platform.inlet(&flow);
    assert_eq!(
        app(&mut platform, "GET", HOOKS, None).body,
        json!({"reporting_webhooks": null})
    );
    let body = hook(
        &format!("http://127.0.0.1{inlet}"),
        &[
            "customer_subscribed",
            "customer_subscription_preferences_changed",
            "email_clicked",
        ],
    );
    let created = app(&mut platform, "POST", HOOKS, Some(&body));
    assert_eq!((created.status, &created.body["id"]), (200, &json!(1)));
    assert_eq!(created.body["type"], "webhook");
    let all: Vec<Value> = ["ordinary", "edge"]
        .iter()
        .flat_map(|folder| events(folder))
        .map(|(_, event)| event)
        .collect();
    let reports = platform
        .control("POST", "events", &json!({"events": all}))
        .body;
    // Three subscriptions, one change of preferences, one click.
    assert_eq!(reports.as_array().unwrap().len(), 5, "{reports}");
    assert!(
        reports
            .as_array()
            .unwrap()
            .iter()
            .all(|report| report["status"] == 200 && report["webhookId"] == 1)
    );
    assert_eq!(platform.records().len(), 5);
    let click = events("edge")
        .into_iter()
        .find(|(name, _)| name.starts_with("05"))
        .unwrap()
        .1;
    let again = platform.control("POST", "events", &json!([click])).body;
    assert_eq!(
        again,
        json!([]),
        "only the first click of a message is reported"
    );
    let log = platform.control("GET", "requests", &Value::Null).body;
    let sent = log
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["operation"] == "inlet.event")
        .unwrap();
    assert_eq!(sent["headers"]["x-cio-timestamp"], "1790000000");
    assert_eq!(sent["headers"]["x-cio-signature"], "***");
    let off = json!({"name": "aep", "endpoint": "http://127.0.0.1/x", "events": ["customer_subscribed"], "disabled": true});
    assert_eq!(
        app(&mut platform, "PUT", &format!("{HOOKS}/1"), Some(&off)).body["disabled"],
        true
    );
    assert_eq!(
        platform.control("POST", "events", &json!(all)).body,
        json!([])
    );
    assert_eq!(
        app(&mut platform, "DELETE", &format!("{HOOKS}/1"), None).status,
        200
    );
    assert_eq!(
        app(&mut platform, "GET", &format!("{HOOKS}/1"), None).status,
        404
    );
}

#[test]
fn events_of_a_disabled_webhook_are_lost_or_kept() {
    for (webhook_backlog, late) in [(Backlog::Dropped, 0), (Backlog::Kept, 1)] {
        let mut platform = Platform::with(Options {
            inlet_delay: std::time::Duration::ZERO,
            webhook_backlog,
            ..Options::default()
        });
        let flow = platform.flow("f");
        let inlet = platform.inlet(&flow);
        let mut body = hook(
            &format!("http://127.0.0.1{inlet}"),
            &["customer_subscribed"],
        );
        body["disabled"] = json!(true);
        app(&mut platform, "POST", HOOKS, Some(&body));
        let event = events("ordinary").swap_remove(0).1;
        let reports = platform.control("POST", "events", &json!([event])).body;
        assert_eq!(reports, json!([]));
        body["disabled"] = json!(false);
        app(&mut platform, "PUT", &format!("{HOOKS}/1"), Some(&body));
        for (emitted, landed) in [(json!([]), late), (json!([event]), late + 1)] {
            platform.control("POST", "events", &emitted);
            assert_eq!(platform.records().len(), landed);
        }
    }
}

#[test]
fn a_message_without_a_flow_s_id_may_find_the_only_flow_of_its_inlet() {
    for (inlet_bare, flows, status) in [
        (Permission::Refused, 1, 400),
        (Permission::Allowed, 1, 200),
        (Permission::Allowed, 2, 400),
    ] {
        let mut platform = Platform::with(Options {
            inlet_delay: std::time::Duration::ZERO,
            inlet_bare,
            ..Options::default()
        });
        let first = platform.flow("a");
        for _ in 1..flows {
            platform.flow("b");
        }
        let inlet = platform.inlet(&first);
        let bare = inlet.split('?').next().unwrap();
        let event = events("ordinary").swap_remove(0).1;
        assert_eq!(platform.post(bare, &event).status, status);
        assert_eq!(platform.records().len(), usize::from(status == 200));
    }
}

#[test]
fn expressions_and_types() {
    let mut platform = Platform::new();
    let rows = json!([
        expression("lower(data.identifiers.email)", "email"),
        expression("iif(metric == 'sent', 'S', nullify())", "metricx"),
        expression("dformat(nowhere, 'yyyy')", "object_type1"),
        row("timestamp", "event_id0"),
        row("data.text", "timestampx"),
        {"sourceType": "STATIC", "source": "constant", "destination": "_extconndev.cio_id"}
    ]);
    let (source, target, mapping) = (
        platform.source("a"),
        platform.target(),
        platform.mapping(&rows),
    );
    let id = platform
        .post(FLOWS, &flow("f", &source, &target, &mapping))
        .id();
    let inlet = platform.inlet(&id);
    let event = json!({"event_id": "E", "metric": "sent", "timestamp": 7, "data": {"identifiers": {"email": "A@B"}, "text": "word"}});
    platform.post(&inlet, &event);
    let record = json!({"_extconndev": {"email": "a@b", "metricx": "S", "event_id0": "7", "cio_id": "constant"}});
    assert_eq!(platform.records(), [record]);
    let sums = platform
        .control("GET", &format!("datasets/{DATASET}"), &Value::Null)
        .body;
    assert_eq!((&sums["received"], &sums["failed"]), (&json!(1), &json!(0)));
    let warned: Vec<&Value> = sums["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| &warning["destination"])
        .collect();
    assert_eq!(
        warned,
        ["_extconndev.object_type1", "_extconndev.timestampx"]
    );
}

#[test]
fn nulls_are_kept_only_when_the_mapping_set_says_so() {
    let mut platform = Platform::new();
    let mut set = mapping_set(&json!([
        row("data.email", "email"),
        row("data.nowhere", "cio_id")
    ]));
    set["allowNullValues"] = json!(true);
    let mapping = platform.post(MAPPING_SETS, &set).id();
    let (source, target) = (platform.source("a"), platform.target());
    let id = platform
        .post(FLOWS, &flow("f", &source, &target, &mapping))
        .id();
    let inlet = platform.inlet(&id);
    platform.post(&inlet, &json!({"data": {"email": null}}));
    assert_eq!(
        platform.records(),
        [json!({"_extconndev": {"email": null}})]
    );
}

#[test]
fn a_record_without_its_required_fields_is_dropped_and_counted() {
    let mut platform = Platform::new();
    let group = json!({
        "title": "Event fields", "type": "object",
        "meta:intendedToExtend": ["https://ns.adobe.com/xdm/context/experienceevent"],
        "definitions": {"f": {"properties": {"_extconndev": {"type": "object", "properties": {"email": {"type": "string"}}}}}},
        "allOf": [{"$ref": "#/definitions/f"}]
    });
    let group = platform
        .post(&format!("{REGISTRY}/tenant/fieldgroups"), &group)
        .body["$id"]
        .clone();
    let schema = json!({
        "title": "Events", "type": "object",
        "allOf": [{"$ref": "https://ns.adobe.com/xdm/context/experienceevent"}, {"$ref": group}]
    });
    let schema = platform
        .post(&format!("{REGISTRY}/tenant/schemas"), &schema)
        .body["$id"]
        .clone();
    let dataset = json!({"name": "events", "schemaRef": {"id": schema, "contentType": FULL}});
    let dataset = platform.post(DATASETS, &dataset).body[0]
        .as_str()
        .unwrap()
        .trim_start_matches("@/dataSets/")
        .to_owned();
    let mut target_body = target(&dataset);
    target_body["data"]["schema"]["id"] = schema.clone();
    let target = platform.post(TARGETS, &target_body).id();
    let rows = json!([
        {"sourceType": "ATTRIBUTE", "source": "event_id", "destination": "_id"},
        {"sourceType": "EXPRESSION", "source": "dformat(timestamp*1000, \"yyyy-MM-dd'T'HH:mm:ss.SSSX\")", "destination": "timestamp"},
        {"sourceType": "ATTRIBUTE", "source": "data.email", "destination": "_extconndev.email"}
    ]);
    let mapping = json!({"outputSchema": {"schemaRef": {"id": schema, "contentType": FULL}}, "mappings": rows});
    let mapping = platform.post(MAPPING_SETS, &mapping).id();
    let source = platform.source("a");
    let id = platform
        .post(FLOWS, &flow("f", &source, &target, &mapping))
        .id();
    let inlet = platform.inlet(&id);
    assert_eq!(
        platform
            .post(
                &inlet,
                &json!({"event_id": "A", "timestamp": 1_790_000_000})
            )
            .status,
        200
    );
    assert_eq!(
        platform.post(&inlet, &json!({"event_id": "B"})).status,
        200,
        "received is not ingested"
    );
    let strict = platform.post(
        &format!("{inlet}&syncValidation=true"),
        &json!({"event_id": "C"}),
    );
    assert_eq!(strict.status, 400);
    let records = platform
        .control("GET", &format!("datasets/{dataset}/records"), &Value::Null)
        .body;
    assert_eq!(
        records,
        json!([{"_id": "A", "timestamp": "2026-09-21T14:13:20.000Z"}])
    );
    let sums = platform
        .control("GET", &format!("datasets/{dataset}"), &Value::Null)
        .body;
    assert_eq!((&sums["received"], &sums["failed"]), (&json!(3), &json!(2)));
}

#[test]
fn a_flow_keeps_its_mapping_version_until_it_is_patched() {
    let mut platform = Platform::new();
    let id = platform.flow("f");
    let inlet = platform.inlet(&id);
    let set =
        platform.get(&format!("{FLOWS}/{id}")).item()["transformations"][0]["params"]["mappingId"]
            .as_str()
            .unwrap()
            .to_owned();
    let narrow = mapping_set(&json!([row("metric", "metricx")]));
    assert_eq!(
        platform
            .call("PUT", &format!("{MAPPING_SETS}/{set}"), &[], Some(&narrow))
            .status,
        200
    );
    let event = json!({"event_id": "A", "metric": "sent"});
    platform.post(&inlet, &event);
    let patch = json!([{"op": "replace", "path": "/transformations/0",
        "value": {"name": "Mapping", "params": {"mappingId": set, "mappingVersion": 1}}}]);
    assert_eq!(platform.patch(&format!("{FLOWS}/{id}"), &patch).status, 200);
    platform.post(&inlet, &event);
    assert_eq!(
        platform.records(),
        [
            json!({"_extconndev": {"event_id0": "A", "metricx": "sent"}}),
            json!({"_extconndev": {"metricx": "sent"}})
        ]
    );
}

#[test]
fn what_an_inlet_says_without_a_live_flow_is_a_switch() {
    for (answer, status) in [
        (InletAnswer::Lost, 200),
        (InletAnswer::BadRequest, 400),
        (InletAnswer::NotFound, 404),
    ] {
        let options = Options {
            inlet_delay: std::time::Duration::ZERO,
            inlet_disabled_flow: answer,
            inlet_missing_flow: answer,
            ..Options::default()
        };
        let mut platform = Platform::with(options);
        let id = platform.flow("f");
        let inlet = platform.inlet(&id);
        let bare = inlet.split('?').next().unwrap().to_owned();
        assert_eq!(
            platform.post(&bare, &json!({"event_id": "A"})).status,
            status,
            "no flow named"
        );
        platform.call(
            "POST",
            &format!("{FLOWS}/{id}/action?op=disable"),
            &[],
            None,
        );
        assert_eq!(
            platform.post(&inlet, &json!({"event_id": "A"})).status,
            status,
            "disabled"
        );
        platform.delete(&format!("{FLOWS}/{id}"));
        assert_eq!(
            platform.post(&inlet, &json!({"event_id": "A"})).status,
            status,
            "deleted"
        );
        assert!(platform.records().is_empty());
    }
}

#[test]
fn inlets_are_shared_or_not() {
    for shape in [InletShape::Shared, InletShape::PerFlow] {
        let mut platform = Platform::with(Options {
            inlet: shape,
            inlet_delay: std::time::Duration::ZERO,
            ..Options::default()
        });
        let (one, two) = (platform.flow("a"), platform.flow("b"));
        let inlets = [platform.inlet(&one), platform.inlet(&two)]
            .map(|url| url.split('?').next().unwrap().to_owned());
        assert_eq!(inlets[0] == inlets[1], shape == InletShape::Shared);
    }
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    let mut platform = Platform::new();
    let id = platform.flow("f");
    let inlet = platform.inlet(&id);
    let event = json!({"event_id": "x".repeat(1_100_000)});
    assert_eq!(platform.post(&inlet, &event).status, 413);
    let request = Request::post(inlet).body("{}".into()).unwrap();
    assert_eq!(platform.send(&request).status, 400, "no content type");
}

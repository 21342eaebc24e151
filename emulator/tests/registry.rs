//! Schemas and datasets in lists and under change: pages of the registry, rules of evolution, tags.
// Helpers of tests are tests too: what goes wrong in them is a failure.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use aep_emulator::{BreakingChange, Options};
use common::{DATASETS, FULL, Platform, REGISTRY, Reply, SCHEMA};
use serde_json::{Value, json};

const LIST: (&str, &str) = ("accept", "application/vnd.adobe.xed+json");
const ONE: (&str, &str) = ("accept", "application/vnd.adobe.xed+json; version=1");
const RECORD: &str = "https://ns.adobe.com/xdm/data/record";

fn empty(breaking_change: BreakingChange) -> Platform {
    Platform::with(Options {
        empty: true,
        breaking_change,
        ..Options::default()
    })
}

fn registry(platform: &mut Platform, method: &str, path: &str, body: &Value) -> Reply {
    let path = format!("{REGISTRY}/tenant/{path}");
    let body = (!body.is_null()).then_some(body);
    platform.call(method, &path, &[ONE], body)
}

fn schema(title: &str, description: &str) -> Value {
    json!({"title": title, "description": description, "type": "object", "allOf": [{"$ref": RECORD}]})
}

fn page(platform: &mut Platform, query: &str) -> (Vec<String>, Value) {
    let path = format!("{REGISTRY}/tenant/schemas?{query}");
    let body = platform.call("GET", &path, &[LIST], None).body;
    let titles = body["results"].as_array().unwrap().iter();
    let titles = titles.map(|it| it["title"].as_str().unwrap().to_owned());
    (titles.collect(), body["_page"]["next"].clone())
}

/// The guide: entries strictly behind `start`; the limit is a hint, so that `start` splits no equal ones.
#[test]
fn a_page_starts_strictly_behind_the_last_one_and_splits_nothing_equal() {
    let mut platform = empty(BreakingChange::WithDataset);
    for (title, description) in [("c", "x"), ("a", "x"), ("b", "y"), ("d", "z")] {
        let reply = registry(
            &mut platform,
            "POST",
            "schemas",
            &schema(title, description),
        );
        assert_eq!(reply.status, 201, "{reply:?}");
    }
    let first = page(&mut platform, "orderby=title&limit=2");
    assert_eq!(first, (vec!["a".into(), "b".into()], json!("b")));
    let second = page(&mut platform, "orderby=title&limit=2&start=b");
    assert_eq!(second, (vec!["c".into(), "d".into()], Value::Null));
    let down = page(&mut platform, "orderby=-title&limit=3&start=d");
    assert_eq!(
        down,
        (vec!["c".into(), "b".into(), "a".into()], Value::Null)
    );
    let (equal, next) = page(&mut platform, "orderby=description&limit=1");
    assert_eq!((equal.len(), next), (2, json!("x")));
}

fn group(fields: &Value) -> Value {
    json!({
        "title": "g", "type": "object", "meta:intendedToExtend": [RECORD],
        "definitions": {"customFields": {"type": "object", "properties": {
            "_extconndev": {"type": "object", "properties": fields}}}},
        "allOf": [{"$ref": "#/definitions/customFields"}]
    })
}

/// The troubleshooting guide: since a dataset was made for it.
#[test]
fn a_schema_in_use_grows_and_never_changes_whichever_way_it_is_written() {
    let mut platform = empty(BreakingChange::WithDataset);
    let fields = json!({"a": {"type": "string"}, "b": {"type": "integer"}});
    let made = registry(&mut platform, "POST", "fieldgroups", &group(&fields)).body;
    let path = format!("fieldgroups/{}", made["meta:altId"].as_str().unwrap());
    let smaller = group(&json!({"a": {"type": "string"}}));
    let wider = group(
        &json!({"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "boolean"}}),
    );
    // Free, as long as nothing uses it.
    for body in [&smaller, &group(&fields)] {
        assert_eq!(registry(&mut platform, "PUT", &path, body).status, 200);
    }
    let mut body = schema("s", "");
    body["allOf"]
        .as_array_mut()
        .unwrap()
        .push(json!({"$ref": made["$id"]}));
    let schema = registry(&mut platform, "POST", "schemas", &body).body;
    let dataset = json!({"name": "d", "schemaRef": {"id": schema["$id"], "contentType": FULL}});
    assert_eq!(platform.post(DATASETS, &dataset).status, 201);

    let refused = registry(&mut platform, "PUT", &path, &smaller);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused.body["detail"]
            .as_str()
            .unwrap()
            .contains("_extconndev.b is removed")
    );
    assert_eq!(registry(&mut platform, "PUT", &path, &wider).status, 200);
    let place = "/definitions/customFields/properties/_extconndev/properties";
    for (op, field, value, status) in [
        ("add", "a", json!({"type": "number"}), 400),
        (
            "replace",
            "a",
            json!({"type": "string", "format": "date-time"}),
            400,
        ),
        ("replace", "a", json!({"type": "string", "title": "A"}), 200),
        ("add", "d", json!({"type": "string"}), 200),
    ] {
        let change = json!([{"op": op, "path": format!("{place}/{field}"), "value": value}]);
        let reply = registry(&mut platform, "PATCH", &path, &change);
        assert_eq!(reply.status, status, "{change} {reply:?}");
    }
    let without = json!([{"op": "remove", "path": "/allOf/1"}]);
    let path = format!("schemas/{}", schema["meta:altId"].as_str().unwrap());
    assert_eq!(
        registry(&mut platform, "PATCH", &path, &without).status,
        400
    );
}

#[test]
fn tags_in_a_comma_list_must_all_be_there() {
    let mut platform = Platform::new();
    for (name, tags) in [
        ("one", json!({"owner": ["me"], "team": ["crm"]})),
        ("two", json!({"owner": ["me"]})),
    ] {
        let dataset =
            json!({"name": name, "tags": tags, "schemaRef": {"id": SCHEMA, "contentType": FULL}});
        assert_eq!(platform.post(DATASETS, &dataset).status, 201);
    }
    for (tags, found) in [
        ("owner:me", 2),
        ("owner:me,team:*", 1),
        ("owner:me,team:other", 0),
    ] {
        let list = platform.get(&format!("{DATASETS}?tags={tags}")).body;
        assert_eq!(list.as_object().unwrap().len(), found, "{tags}");
    }
}

//! The tree of fields, and what is added to one that is there.

use super::*;

fn fields<const N: usize>(fields: [(&str, FieldType); N]) -> Fields {
    fields
        .into_iter()
        .map(|(path, kind)| (path.to_owned(), kind))
        .collect()
}

/// A group as the registry shows it: with words of its own beside ours.
fn group(properties: &Value) -> FieldGroup {
    serde_json::from_value(json!({
        "$id": "https://ns.adobe.com/acmecorp/mixins/5f0c", "title": "t", "version": "1.2",
        "definitions": {"customFields": {"type": "object", "properties": properties}}
    }))
    .unwrap()
}

#[test]
fn fields_are_written_as_a_tree_of_objects() {
    let new = NewFieldGroup::new(
        "Events",
        "about",
        "https://ns.adobe.com/xdm/context/experienceevent",
        &fields([
            ("_acmecorp.email", FieldType::String),
            ("_acmecorp.inner.at", FieldType::DateTime),
            ("_acmecorp.inner.score", FieldType::Number),
        ]),
    )
    .unwrap();
    assert_eq!(
        serde_json::to_value(new).unwrap(),
        json!({
            "title": "Events", "description": "about", "type": "object",
            "meta:intendedToExtend": ["https://ns.adobe.com/xdm/context/experienceevent"],
            "definitions": {"customFields": {"type": "object", "properties": {"_acmecorp": {
                "type": "object", "properties": {
                    "email": {"type": "string"},
                    "inner": {"type": "object", "properties": {
                        "at": {"type": "string", "format": "date-time"}, "score": {"type": "number"}}}
                }}}}},
            "allOf": [{"$ref": "#/definitions/customFields"}]
        })
    );
}

#[test]
fn every_type_reads_back_as_itself() {
    let all = fields([
        ("_t.a", FieldType::String),
        ("_t.b", FieldType::Integer),
        ("_t.c", FieldType::Number),
        ("_t.d", FieldType::Boolean),
        ("_t.e", FieldType::DateTime),
    ]);
    let new = NewFieldGroup::new("t", "", "c", &all).unwrap();
    let mut body = serde_json::to_value(new).unwrap();
    body["$id"] = json!("id");
    body["definitions"]["customFields"]["properties"]["_t"]["properties"]["f"] =
        json!({"type": "array", "items": {"type": "string"}});
    let read: FieldGroup = serde_json::from_value(body).unwrap();
    let mut expected: BTreeMap<String, Option<FieldType>> = all
        .into_iter()
        .map(|(path, kind)| (path, Some(kind)))
        .collect();
    expected.insert("_t.f".into(), None);
    assert_eq!(read.fields(), expected);
}

#[test]
fn only_what_is_missing_is_added_and_each_place_once() {
    let read = group(
        &json!({"_acmecorp": {"type": "object", "meta:xdmType": "object", "properties": {
        "email": {"type": "string", "title": "Email", "meta:xdmType": "string"}, "empty": {"type": "object"}}}}),
    );
    assert_eq!(
        read.additions(&fields([("_acmecorp.email", FieldType::String)])),
        Ok(Vec::new())
    );
    let wanted = fields([
        ("_acmecorp.email", FieldType::String),
        ("_acmecorp.empty.x", FieldType::Boolean),
        ("_acmecorp.inner.a", FieldType::Integer),
        ("_acmecorp.inner.b", FieldType::String),
        ("_acmecorp.odd/name~1", FieldType::String),
    ]);
    let place = "/definitions/customFields/properties/_acmecorp/properties";
    assert_eq!(
        serde_json::to_value(read.additions(&wanted).unwrap()).unwrap(),
        json!([
            {"op": "add", "path": format!("{place}/empty/properties"), "value": {"x": {"type": "boolean"}}},
            {"op": "add", "path": format!("{place}/inner"), "value": {"type": "object", "properties": {
                "a": {"type": "integer"}, "b": {"type": "string"}}}},
            {"op": "add", "path": format!("{place}/odd~1name~01"), "value": {"type": "string"}}
        ])
    );
}

#[test]
fn a_field_of_another_type_is_never_replaced() {
    let read = group(&json!({"_acmecorp": {"type": "object", "properties": {
        "email": {"type": "string"}, "inner": {"type": "object", "properties": {}},
        "list": {"type": "array", "items": {"type": "string"}}}}}));
    for (path, kind) in [
        ("_acmecorp.email", FieldType::Integer),
        ("_acmecorp.email", FieldType::DateTime),
        ("_acmecorp.email.host", FieldType::String),
        ("_acmecorp.inner", FieldType::String),
        ("_acmecorp.list", FieldType::String),
    ] {
        let conflict = read.additions(&fields([(path, kind)])).unwrap_err();
        assert_eq!(conflict.path, path);
    }
    let through = fields([("_t.a", FieldType::String), ("_t.a.b", FieldType::String)]);
    let conflict = NewFieldGroup::new("t", "", "c", &through).unwrap_err();
    assert_eq!(conflict.path, "_t.a.b");
}

#[test]
fn a_group_with_its_fields_elsewhere_is_left_alone() {
    let read: FieldGroup = serde_json::from_value(json!({
        "$id": "id", "definitions": {"other": {"properties": {"_t": {}}}}, "allOf": [{"$ref": "#/definitions/other"}]
    }))
    .unwrap();
    let wanted = fields([("_t.a", FieldType::String)]);
    assert_eq!(read.additions(&wanted).unwrap_err().path, "_t.a");
    assert!(read.fields().is_empty());
}

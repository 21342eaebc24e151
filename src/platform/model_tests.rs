//! The models against bodies shaped like those of Adobe's pages.

use serde_json::{Value, json};

use super::*;

const SCHEMA: &str = "https://ns.adobe.com/acmecorp/schemas/9b1c4d7e2f3a";

#[test]
fn a_source_connection_is_created_as_the_tutorial_shows() {
    assert_eq!(
        serde_json::to_value(NewSourceConnection::customer_io("src", "about")).unwrap(),
        json!({
            "name": "src",
            "providerId": "521eee4d-8cbe-4906-bb48-fb6bd4450033",
            "description": "about",
            "connectionSpec": {"id": "96479064-7b8a-4d69-b9ed-21c5683837ea", "version": "1.0"},
            "data": {"format": "json"}
        })
    );
}

#[test]
fn a_target_connection_is_created_as_the_tutorial_shows() {
    assert_eq!(
        serde_json::to_value(NewTargetConnection::data_lake(
            "tgt", "about", "65f0a1b2", SCHEMA, 1
        ))
        .unwrap(),
        json!({
            "name": "tgt",
            "description": "about",
            "connectionSpec": {"id": "c604ff05-7f1a-43c0-8e18-33bf874cb11c", "version": "1.0"},
            "data": {"format": "json",
                     "schema": {"id": SCHEMA, "version": "application/vnd.adobe.xed-full+json;version=1"}},
            "params": {"dataSetId": "65f0a1b2"}
        })
    );
}

#[test]
fn a_flow_is_created_as_the_tutorial_shows_and_without_a_state() {
    let mapping = MappingRef {
        id: "3a5c".into(),
        version: 0,
    };
    assert_eq!(
        serde_json::to_value(NewFlow::streaming("flow", "about", "s-1", "t-1", &mapping)).unwrap(),
        json!({
            "name": "flow",
            "description": "about",
            "flowSpec": {"id": "e77fde5a-22a8-11ed-861d-0242ac120002", "version": "1.0"},
            "sourceConnectionIds": ["s-1"],
            "targetConnectionIds": ["t-1"],
            "transformations": [{"name": "Mapping", "params": {"mappingId": "3a5c", "mappingVersion": 0}}]
        })
    );
}

#[test]
fn a_mapping_set_is_written_in_the_new_dialect() {
    let rows = vec![
        MappingRow::attribute("event_id", "_id"),
        MappingRow::expression("timestamp*1000", "timestamp"),
        MappingRow::fixed("cio", "_acmecorp.origin"),
    ];
    assert_eq!(
        serde_json::to_value(NewMappingSet::new("map", SCHEMA, 2, rows)).unwrap(),
        json!({
            "name": "map",
            "outputSchema": {"schemaRef":
                {"id": SCHEMA, "contentType": "application/vnd.adobe.xed-full+json;version=2"}},
            "mappings": [
                {"sourceType": "ATTRIBUTE", "source": "event_id", "destination": "_id"},
                {"sourceType": "EXPRESSION", "source": "timestamp*1000", "destination": "timestamp"},
                {"sourceType": "STATIC", "source": "cio", "destination": "_acmecorp.origin"}
            ]
        })
    );
}

#[test]
fn rows_read_equal_the_rows_written_in_either_dialect() {
    let rows: Vec<MappingRow> = serde_json::from_value(json!([
        {"id": "1a", "version": 0, "sourceType": "text/x.schema-path", "source": "event_id", "destination": "_id",
         "identity": false, "matchScore": 0.0, "sourceAttribute": "event_id", "destinationXdmPath": "_id"},
        {"sourceType": "text/x.aep-xl", "source": "timestamp*1000", "destination": "timestamp"},
        {"sourceAttribute": "metric", "destinationXdmPath": "_acmecorp.metric", "identity": false, "version": 0},
        {"sourceType": "STATIC", "source": "cio", "destination": "_acmecorp.origin"},
        {"sourceType": "text/x.unheard-of", "source": null, "destination": "d"}
    ]))
    .unwrap();
    assert_eq!(rows[0], MappingRow::attribute("event_id", "_id"));
    assert_eq!(
        rows[1],
        MappingRow::expression("timestamp*1000", "timestamp")
    );
    assert_eq!(rows[2], MappingRow::attribute("metric", "_acmecorp.metric"));
    assert_eq!(rows[3], MappingRow::fixed("cio", "_acmecorp.origin"));
    assert_eq!(
        rows[4].source_type,
        SourceType::Other("text/x.unheard-of".into())
    );
}

fn flow() -> Value {
    json!({
        "id": "f4d1", "createdAt": 1_790_000_005_000_u64, "updatedAt": 1_790_000_010_887_u64,
        "createdBy": "a@techacct.adobe.com", "updatedBy": "b@techacct.adobe.com", "updatedClient": "c0ffee",
        "name": "customerio-dev", "description": "about",
        "flowSpec": {"id": "e77f", "version": "1.0"},
        "state": "enabled", "version": "\"4c01-22\"", "etag": "\"4c01-22\"",
        "sourceConnectionIds": ["7d0f"], "targetConnectionIds": ["b3e2"],
        "inheritedAttributes": {"properties": {"isSourceFlow": true}},
        "options": {"inletUrl": "https://dcs.adobedc.net/collection/2f9c4e7b"},
        "transformations": [
            {"name": "Other", "params": {}},
            {"name": "Mapping", "params": {"mappingId": "3a5c", "mappingVersion": 1}}],
        "runs": "/runs?property=flowId==f4d1", "providerRefId": "c7b6",
        "lastOperation": {"started": 1, "updated": 2, "percentCompleted": 100.0, "operation": "update",
            "status": {"value": "failed", "errors": [{"code": "FLOW-1-400", "message": "broke\n"}, "plain", {"x": 1}]}}
    })
}

#[test]
fn a_flow_is_read_with_what_matters_and_without_what_does_not() {
    let read: Flow = serde_json::from_value(flow()).unwrap();
    assert_eq!(
        (read.id.as_str(), read.name.as_str(), read.etag.as_str()),
        ("f4d1", "customerio-dev", "\"4c01-22\"")
    );
    assert_eq!(read.state, FlowState::Enabled);
    assert_eq!(
        read.inlet_url(),
        Some("https://dcs.adobedc.net/collection/2f9c4e7b")
    );
    assert_eq!(read.mapping_index(), Some(1));
    assert_eq!(
        read.mapping(),
        Some(MappingRef {
            id: "3a5c".into(),
            version: 1
        })
    );
    assert_eq!(
        (read.updated_by.as_str(), read.updated_client.as_str()),
        ("b@techacct.adobe.com", "c0ffee")
    );
    assert_eq!(read.updated_at, 1_790_000_010_887);
    let operation = read.last_operation.unwrap();
    assert_eq!(
        (operation.operation.as_str(), operation.status()),
        ("update", "failed")
    );
    assert_eq!(
        operation.errors(),
        ["FLOW-1-400: broke", "plain", r#"{"x":1}"#]
    );
}

#[test]
fn a_mapping_version_may_be_text() {
    let mut body = flow();
    body["transformations"][1]["params"]["mappingVersion"] = "1".into();
    let read: Flow = serde_json::from_value(body).unwrap();
    assert_eq!(read.mapping().map(|m| m.version), Some(1));
}

#[test]
fn a_field_we_can_live_without_may_be_missing_null_or_of_another_shape() {
    let names: Vec<String> = flow()
        .as_object()
        .unwrap()
        .keys()
        .filter(|k| !DECISIVE.contains(&k.as_str()))
        .cloned()
        .collect();
    for name in names {
        for odd in [
            None,
            Some(Value::Null),
            Some(json!({"new": ["shape"]})),
            Some(json!(7)),
        ] {
            let mut body = flow();
            match &odd {
                None => drop(body.as_object_mut().unwrap().remove(&name)),
                Some(odd) => body[&name] = odd.clone(),
            }
            let read: Result<Flow, _> = serde_json::from_value(body);
            assert!(read.is_ok(), "{name} as {odd:?}: {read:?}");
        }
    }
    let bare: Flow = serde_json::from_value(json!({"id": "f4d1"})).unwrap();
    assert_eq!(
        (bare.inlet_url(), bare.mapping(), &bare.state),
        (None, None, &FlowState::Other(String::new()))
    );
    assert!(serde_json::from_value::<Flow>(json!({"name": "no id"})).is_err());
}

/// Read as empty, these would hide an object of ours or a user of one.
const DECISIVE: &[&str] = &[
    "id",
    "name",
    "description",
    "state",
    "flowSpec",
    "sourceConnectionIds",
    "targetConnectionIds",
    "transformations",
];

#[test]
fn a_field_that_decides_may_be_null_but_never_of_another_shape() {
    for name in &DECISIVE[1..] {
        for odd in [Value::Null, json!({"new": ["shape"]})] {
            let mut body = flow();
            body[*name] = odd.clone();
            let read: Result<Flow, _> = serde_json::from_value(body);
            assert_eq!(read.is_ok(), odd.is_null(), "{name} as {odd}");
        }
    }
}

#[test]
fn an_unknown_flow_state_is_kept_as_a_word() {
    for (word, state) in [
        ("enabled", FlowState::Enabled),
        ("DISABLED", FlowState::Disabled),
        (
            "enabled-finalizing",
            FlowState::Other("enabled-finalizing".into()),
        ),
    ] {
        assert_eq!(
            serde_json::from_value::<FlowState>(json!(word)).unwrap(),
            state
        );
    }
}

#[test]
fn the_debug_text_of_a_flow_hides_the_inlet() {
    let read: Flow = serde_json::from_value(flow()).unwrap();
    assert!(!format!("{read:?}").contains("dcs.adobedc.net"));
}

#[test]
fn a_target_connection_is_read_with_its_dataset_and_schema() {
    let read: TargetConnection = serde_json::from_value(json!({
        "id": "b3e2", "name": "tgt", "description": "about", "state": "enabled", "etag": "\"4c01-12\"",
        "connectionSpec": {"id": "c604", "version": "1.0"},
        "data": {"format": "json", "properties": null,
                 "schema": {"id": SCHEMA, "version": "application/vnd.adobe.xed-full+json;version=1"}},
        "params": {"dataSetId": "65f0a1b2"}
    }))
    .unwrap();
    assert_eq!((read.dataset_id(), read.format()), ("65f0a1b2", "json"));
    assert_eq!(read.schema().id, SCHEMA);
    assert_eq!(major_version_in(&read.schema().version), Some(1));
}

#[test]
fn the_major_version_is_read_from_either_content_type() {
    for (text, version) in [
        ("application/vnd.adobe.xed-full+json;version=1", Some(1)),
        ("application/vnd.adobe.xed+json; Version=12", Some(12)),
        ("application/vnd.adobe.xed+json;version=1.4", Some(1)),
        ("application/vnd.adobe.xed+json", None),
        ("", None),
    ] {
        assert_eq!(major_version_in(text), version, "{text}");
    }
}

#[test]
fn a_schema_is_read_by_its_dollar_id() {
    let read: Schema = serde_json::from_value(json!({
        "$id": SCHEMA, "title": "Customer.io events", "version": "1.3", "allOf": [],
        "meta:class": "https://ns.adobe.com/xdm/context/experienceevent", "meta:tenantNamespace": "_acmecorp"
    }))
    .unwrap();
    assert_eq!(
        (read.major_version(), read.tenant_namespace.as_str()),
        (Some(1), "_acmecorp")
    );
}

//! What the operator writes back, shared by all resources: ids and etags of remote objects, and the
//! journal of creations under way.
//!
//! The bounds here are wide: a status that the API server refuses is an id that nobody remembers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

/// Characters that a condition's message may have: the bound Kubernetes gives its own conditions.
pub(super) const LONGEST_MESSAGE: usize = 32_768;

/// Schema of the conditions, with the bounds of `metav1.Condition`: they are comments in
/// Kubernetes' sources, so the generated type lacks them.
pub(super) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let mut condition = generator.subschema_for::<Condition>();
    let bounds = [
        (
            "type",
            json!({
                "maxLength": 316,
                "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
            }),
        ),
        ("status", json!({"enum": ["True", "False", "Unknown"]})),
        ("observedGeneration", json!({"minimum": 0})),
        (
            "reason",
            json!({
                "minLength": 1,
                "maxLength": 1024,
                "pattern": r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            }),
        ),
        ("message", json!({"maxLength": LONGEST_MESSAGE})),
    ];
    for (field, bounds) in bounds {
        let property = condition.pointer_mut(&format!("/properties/{field}"));
        if let (Some(Value::Object(property)), Value::Object(bounds)) = (property, bounds) {
            property.extend(bounds);
        }
    }
    json_schema!({"type": "array", "maxItems": 16, "items": condition})
}

/// A resource is born as observed at -1 (see `not_yet_observed`): to us that is not at all.
pub(super) fn observed<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let generation = Option::<i64>::deserialize(from)?;
    Ok(generation.filter(|generation| *generation >= 0))
}

/// Schema of an annotation's value. Kubernetes bounds all annotations of an object together by
/// 256 KiB, so no value that a user can write makes the status refused.
pub(super) fn annotation_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 262_144})
}

/// A source or target connection as the Flow Service knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatus {
    /// Id given by the Flow Service.
    #[schemars(length(max = 256))]
    pub id: String,
    /// Etag of the operator's last write, with the inner quotes the Flow Service gives it.
    #[schemars(length(max = 256))]
    pub etag: String,
    /// Hash of the name and description that the Flow Service did not let it be given: they are not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub refused_label: Option<String>,
    /// The last attempt to make a target connection, where it was not the first: another may have left one more behind,
    /// which no drift check lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub attempt: Option<i64>,
}

/// A mapping set as Data Prep knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingSetStatus {
    /// Id given by Data Prep.
    #[schemars(length(max = 256))]
    pub id: String,
    /// Version of the set's rows; every change of the mapping adds one.
    #[schemars(range(min = 0))]
    pub version: i64,
    /// The last attempt to make it, where it was not the first: another may have left a set of its own behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub attempt: Option<i64>,
}

/// A flow as the Flow Service knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowStatus {
    /// Id given by the Flow Service; part of the URL that Customer.io posts to.
    #[schemars(length(max = 256))]
    pub id: String,
    /// Etag of the operator's last write or of the last change it acted on.
    #[schemars(length(max = 256))]
    pub etag: String,
    /// State as the Flow Service names it, such as `enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub state: Option<String>,
    /// When the operator made or last changed it: Adobe wants no events for five minutes from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Time>,
    /// Hash of what was asked for (the objects, and the last requested check) when somebody else was found to have disabled the
    /// flow: it is left so until something else is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub stopped_hash: Option<String>,
}

/// A remote object whose creation is intended or under way. It stands before the call is made, so
/// that a crash or a lost reply is followed by a look-up and never by a second object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Kind of remote object, such as `flow`.
    #[schemars(length(max = 32))]
    pub object: String,
    /// Number of the attempt; it is part of the ownership marker.
    #[schemars(range(min = 1))]
    pub attempt: i64,
    /// When the attempt was written down.
    pub since: Time,
}

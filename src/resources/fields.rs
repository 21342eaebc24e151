//! Field types that several resources share, with the bounds the API server enforces.
//!
//! Patterns are Go (RE2) expressions, as the API server reads them: there is no look-ahead, so
//! "must not contain" is a `not` beside the pattern.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Starts the ownership marker at the end of every remote description; never part of user text.
pub const MARKER_PREFIX: &str = "[aep-operator/";

/// Name of a Secret in the resource's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret, in the namespace of this resource.
    #[schemars(schema_with = "object_name")]
    pub name: String,
}

/// Schema of a Kubernetes object name (RFC 1123 subdomain).
pub(super) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 253,
        "pattern": r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
    })
}

/// Schema of an optional display name in AEP: one line, no surrounding space.
pub(super) fn display_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "nullable": true,
        "minLength": 1,
        "maxLength": 200,
        "pattern": r"^[^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?$",
        "not": {"pattern": r"\[aep-operator/"},
    })
}

/// Schema of an optional description in AEP: one line, room left for the ownership marker.
pub(super) fn description(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "nullable": true,
        "maxLength": 500,
        "pattern": r"^[^\p{Cc}]*$",
        "not": {"pattern": r"\[aep-operator/"},
    })
}

/// Schema of an AEP sandbox name.
pub(super) fn sandbox(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 256,
        "pattern": r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    })
}

/// Schema of an IMS organization id.
pub(super) fn organization_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "nullable": true,
        "maxLength": 64,
        "pattern": r"^[A-Za-z0-9]+@AdobeOrg$",
    })
}

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

/// One line of text without space at its ends and without control characters. `\s` is ASCII only in
/// RE2, `\p{Z}` is every other space and the Unicode line and paragraph separators.
const LINE: &str = r"^[^\s\p{Z}\p{Cc}]([^\p{Zl}\p{Zp}\p{Cc}]*[^\s\p{Z}\p{Cc}])?$";
/// The same, or nothing at all: what a template gives for a value left out.
const LINE_OR_NOTHING: &str = r"^([^\s\p{Z}\p{Cc}]([^\p{Zl}\p{Zp}\p{Cc}]*[^\s\p{Z}\p{Cc}])?)?$";

/// Schema of a Kubernetes object name (RFC 1123 subdomain).
pub(super) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 253,
        "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    })
}

/// Schema of an optional display name in AEP: one line, no surrounding space.
pub(super) fn display_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": LINE,
        "not": {"pattern": r"\[aep-operator/"},
    })
}

/// Schema of an optional description in AEP: one line, room left for the ownership marker. Nothing
/// tells a space at its end from the one before the marker, so there is none.
pub(super) fn description(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 500,
        "pattern": LINE_OR_NOTHING,
        "not": {"pattern": r"\[aep-operator/"},
    })
}

/// Schema of the name of a dataset that stands in AEP.
pub(super) fn dataset_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 256, "pattern": LINE})
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
        "maxLength": 64,
        "pattern": r"^[A-Za-z0-9]+@AdobeOrg$",
    })
}

/// Schema of an optional line of at most 512 characters: the path of an event's field.
pub(super) fn event_path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 512, "pattern": LINE})
}

/// Schema of an optional Data Prep expression: one line.
pub(super) fn expression(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 4096, "pattern": LINE})
}

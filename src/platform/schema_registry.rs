//! Schemas of the Schema Registry.
//!
//! Facts: Adobe, "Schema Registry API guide": the `Accept` header chooses the shape, and a lookup needs a
//! version in it.

use http::Method;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::error::ApiError;
use super::json::{lenient, nullable};
use super::sandbox::Sandbox;

const BASE: &str = "/data/foundation/schemaregistry/tenant";

/// The content type by which other services name a schema's major version.
pub fn schema_content_type(major_version: u32) -> String {
    format!("application/vnd.adobe.xed-full+json;version={major_version}")
}

/// A schema and its major version, as datasets and mapping sets name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaRef {
    /// The schema's `$id`.
    #[serde(default, deserialize_with = "nullable")]
    pub id: String,
    /// E.g. `application/vnd.adobe.xed-full+json;version=1`; datasets say `xed+json` too.
    #[serde(default, deserialize_with = "nullable")]
    pub content_type: String,
}

impl SchemaRef {
    /// Names a schema's major version.
    pub fn new(id: &str, major_version: u32) -> Self {
        Self {
            id: id.to_owned(),
            content_type: schema_content_type(major_version),
        }
    }

    /// The major version in the content type.
    pub fn major_version(&self) -> Option<u32> {
        major_version_in(&self.content_type)
    }
}

/// The major version in a schema's content type: 1 in `application/vnd.adobe.xed-full+json; version=1`.
pub fn major_version_in(content_type: &str) -> Option<u32> {
    content_type.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("version") {
            return None;
        }
        major(value)
    })
}

/// 1 in `1` and in `1.4`.
fn major(version: &str) -> Option<u32> {
    version.trim().split('.').next()?.parse().ok()
}

/// A schema as read. Absent text is empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Schema {
    /// The `$id`, a URL.
    #[serde(rename = "$id")]
    pub id: String,
    /// Unique among all resources of the registry.
    #[serde(default, deserialize_with = "lenient")]
    pub title: String,
    /// `major.minor`.
    #[serde(default, deserialize_with = "nullable")]
    pub version: String,
    /// The `$id` of its class.
    #[serde(default, rename = "meta:class", deserialize_with = "lenient")]
    pub class: String,
    /// The namespace of the organization's own fields, `_` and the tenant id.
    #[serde(default, rename = "meta:tenantNamespace", deserialize_with = "lenient")]
    pub tenant_namespace: String,
}

impl Schema {
    /// The major version.
    pub fn major_version(&self) -> Option<u32> {
        major(&self.version)
    }
}

impl Sandbox {
    /// Reads one of the organization's own schemas by its `$id` (or `meta:altId`).
    pub async fn get_schema(&self, id: &str, major_version: u32) -> Result<Schema, ApiError> {
        let accept = format!("application/vnd.adobe.xed+json; version={major_version}");
        self.fetch(Call::new("get_schema", Method::GET, BASE, &["schemas", id]).accept(accept))
            .await
    }
}

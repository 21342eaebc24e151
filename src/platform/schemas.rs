//! Schemas of the Schema Registry: a class and the field groups that add to it.
//!
//! Facts: Adobe, "Schemas API endpoint". What is common to all resources is in
//! [`schema_registry`](super::schema_registry).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::ApiError;
use super::flow_service::{Deleted, PatchOperation};
use super::json::{lenient, nullable};
use super::sandbox::Sandbox;
use super::schema_registry::{Reference, major};

const SCHEMAS: &str = "schemas";

/// Body of a schema's creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSchema {
    /// Unique among all resources of the registry.
    pub title: String,
    /// Free text.
    pub description: String,
    #[serde(rename = "type")]
    kind: &'static str,
    all_of: Vec<Reference>,
}

impl NewSchema {
    /// A schema of a class, with the fields of some field groups. All by `$id`.
    pub fn new(title: &str, description: &str, class: &str, field_groups: &[&str]) -> Self {
        let parts = std::iter::once(&class).chain(field_groups);
        Self {
            title: title.to_owned(),
            description: description.to_owned(),
            kind: "object",
            all_of: parts.map(|part| Reference::new(part)).collect(),
        }
    }
}

/// A schema as read. Absent text is empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    /// The `$id`, a URL.
    #[serde(rename = "$id")]
    pub id: String,
    /// Unique among all resources of the registry.
    #[serde(default, deserialize_with = "nullable")]
    pub title: String,
    /// Free text.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// `major.minor`.
    #[serde(default, deserialize_with = "nullable")]
    pub version: String,
    /// The `$id` of its class.
    #[serde(default, rename = "meta:class", deserialize_with = "lenient")]
    pub class: String,
    /// The namespace of the organization's own fields, `_` and the tenant id.
    #[serde(default, rename = "meta:tenantNamespace", deserialize_with = "lenient")]
    pub tenant_namespace: String,
    #[serde(default, deserialize_with = "nullable")]
    all_of: Vec<Reference>,
    #[serde(
        default,
        rename = "meta:registryMetadata",
        deserialize_with = "lenient"
    )]
    metadata: Metadata,
}

/// Who changed a resource of the registry last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Metadata {
    #[serde(
        default,
        rename = "xdm:lastModifiedUserId",
        deserialize_with = "lenient"
    )]
    user: String,
    #[serde(
        default,
        rename = "xdm:lastModifiedClientId",
        deserialize_with = "lenient"
    )]
    client: String,
}

impl Metadata {
    /// The account and the client id.
    pub(super) fn author(&self) -> (&str, &str) {
        (&self.user, &self.client)
    }
}

impl Schema {
    /// The major version.
    pub fn major_version(&self) -> Option<u32> {
        major(&self.version)
    }

    /// The `$id`s of its class and field groups, in order.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        let ids = self.all_of.iter().map(|part| part.to.as_str());
        ids.filter(|id| !id.is_empty() && !id.starts_with('#'))
    }

    /// Where in the schema a field group is named, by its `$id`.
    pub fn position_of(&self, id: &str) -> Option<usize> {
        self.all_of.iter().position(|part| part.to == id)
    }

    /// The account and the client id of the last change; empty when not told.
    pub fn author(&self) -> (&str, &str) {
        self.metadata.author()
    }
}

impl PatchOperation {
    /// Adds a field group to a schema, by its `$id`.
    pub fn add_field_group(id: &str) -> Self {
        Self::add("/allOf/-", json!({"$ref": id}))
    }

    /// Names another field group, by its `$id`, at a place of a schema that names one ([`Schema::position_of`]).
    pub fn put_field_group(position: usize, id: &str) -> Self {
        Self::replace(&format!("/allOf/{position}"), json!({"$ref": id}))
    }
}

/// Errors of all calls: see [`ApiError`].
impl Sandbox {
    /// Lists the organization's own schemas, all or those of a title. Check the titles of the results.
    pub async fn list_schemas(&self, title: Option<&str>) -> Result<Vec<Schema>, ApiError> {
        self.list_registered("list_schemas", SCHEMAS, title).await
    }

    /// Reads one of the organization's own schemas by its `$id` (or `meta:altId`).
    pub async fn get_schema(&self, id: &str, major_version: u32) -> Result<Schema, ApiError> {
        self.get_registered("get_schema", SCHEMAS, id, major_version)
            .await
    }

    /// Creates a schema. [`ApiError::is_title_taken`] when there is one of this title.
    pub async fn create_schema(&self, new: &NewSchema) -> Result<Schema, ApiError> {
        self.create_registered("create_schema", SCHEMAS, new).await
    }

    /// Changes a schema: `/title`, `/description`, [`PatchOperation::add_field_group`].
    pub async fn patch_schema(
        &self,
        id: &str,
        patch: &[PatchOperation],
    ) -> Result<Schema, ApiError> {
        self.patch_registered("patch_schema", SCHEMAS, id, patch)
            .await
    }

    /// Deletes a schema. Whether one that a dataset is made for can go is not documented.
    pub async fn delete_schema(&self, id: &str) -> Result<Deleted, ApiError> {
        self.delete_registered("delete_schema", SCHEMAS, id).await
    }
}

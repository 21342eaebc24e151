//! Field groups of the Schema Registry: the organization's own fields, which sit under its tenant id.
//!
//! Facts: Adobe, "Schema field groups API endpoint" (the body), "Schema Registry API guide". What is common to all
//! resources is in [`schema_registry`](super::schema_registry).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::flow_service::{Deleted, PatchOperation};
use super::json::{lenient, nullable};
use super::sandbox::Sandbox;
use super::schema_registry::{Reference, major};
use super::schemas::Metadata;

/// Ids still carry the old name, `mixins`; the path has the new one.
const FIELD_GROUPS: &str = "fieldgroups";

/// Where the fields are, by JSON pointer.
const FIELDS: &str = "/definitions/customFields/properties";

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// Text in the form of RFC 3339.
    DateTime,
}

impl FieldType {
    fn schema(self) -> Value {
        match self {
            Self::String => json!({"type": "string"}),
            Self::Integer => json!({"type": "integer"}),
            Self::Number => json!({"type": "number"}),
            Self::Boolean => json!({"type": "boolean"}),
            Self::DateTime => json!({"type": "string", "format": "date-time"}),
        }
    }

    /// The type of a field as the registry has it; none for what is not one of these.
    fn of(field: &Value) -> Option<Self> {
        let word = |name: &str| field.get(name).and_then(Value::as_str);
        Some(match (word("type")?, word("format")) {
            ("string", None) => Self::String,
            ("string", Some("date-time")) => Self::DateTime,
            ("integer", _) => Self::Integer,
            ("number", _) => Self::Number,
            ("boolean", _) => Self::Boolean,
            _ => return None,
        })
    }
}

/// A field that cannot be: what stands at its path, or on the way to it, is something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field {path} cannot be added: something else is there or on the way to it")]
pub struct FieldConflict {
    /// The path, with dots.
    pub path: String,
}

/// Fields by path, e.g. `_acmecorp.email`; a dot steps into an object.
pub type Fields = BTreeMap<String, FieldType>;

/// Body of a field group's creation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewFieldGroup {
    /// Unique among all resources of the registry.
    pub title: String,
    /// Free text.
    pub description: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "meta:intendedToExtend")]
    classes: Vec<String>,
    definitions: Value,
    all_of: Vec<Reference>,
}

impl NewFieldGroup {
    /// Fields for schemas of a class. All must be under `_` and the tenant id, else XDM-1020-400 and the like.
    ///
    /// # Errors
    /// One path leads through another's field.
    pub fn new(
        title: &str,
        description: &str,
        class: &str,
        fields: &Fields,
    ) -> Result<Self, FieldConflict> {
        let mut tree = Map::new();
        for (path, kind) in fields {
            put(&mut tree, path, *kind)?;
        }
        Ok(Self {
            title: title.to_owned(),
            description: description.to_owned(),
            kind: "object",
            classes: vec![class.to_owned()],
            definitions: json!({"customFields": {"type": "object", "properties": tree}}),
            all_of: vec![Reference::new("#/definitions/customFields")],
        })
    }
}

/// Puts a field into a tree, with the objects on the way to it.
fn put(tree: &mut Map<String, Value>, path: &str, kind: FieldType) -> Result<(), FieldConflict> {
    let conflict = || FieldConflict {
        path: path.to_owned(),
    };
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut place = tree;
    for parent in parents.split('.').filter(|_| !parents.is_empty()) {
        let object = place
            .entry(parent)
            .or_insert_with(|| json!({"type": "object", "properties": {}}));
        if object.get("type").is_none_or(|it| it != "object") {
            return Err(conflict());
        }
        place = object
            .as_object_mut()
            .map(|it| it.entry("properties").or_insert_with(|| json!({})))
            .and_then(Value::as_object_mut)
            .ok_or_else(conflict)?;
    }
    match place.get(name) {
        None => {
            place.insert(name.to_owned(), kind.schema());
            Ok(())
        }
        Some(field) if FieldType::of(field) == Some(kind) => Ok(()),
        Some(_) => Err(conflict()),
    }
}

/// A field group as read. Absent text is empty.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FieldGroup {
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
    /// The `$id`s of the classes it is for.
    #[serde(
        default,
        rename = "meta:intendedToExtend",
        deserialize_with = "nullable"
    )]
    pub classes: Vec<String>,
    #[serde(default)]
    definitions: Value,
    #[serde(
        default,
        rename = "meta:registryMetadata",
        deserialize_with = "lenient"
    )]
    metadata: Metadata,
}

impl FieldGroup {
    /// The major version.
    pub fn major_version(&self) -> Option<u32> {
        major(&self.version)
    }

    /// The account and the client id of the last change; empty when not told.
    pub fn author(&self) -> (&str, &str) {
        self.metadata.author()
    }

    fn tree(&self) -> Map<String, Value> {
        let fields = self.definitions.pointer("/customFields/properties");
        fields
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    }

    /// Its fields by path. Those of a type that we do not write (an array, a reference) have none.
    pub fn fields(&self) -> BTreeMap<String, Option<FieldType>> {
        let mut found = BTreeMap::new();
        flatten("", &self.tree(), &mut found);
        found
    }

    /// The patch that adds the fields it lacks; empty when it has them all. Never takes one away.
    ///
    /// # Errors
    /// A field is there with another type, which the registry would refuse to change; or this group was made by
    /// something else, which keeps its fields at another place.
    pub fn additions(&self, fields: &Fields) -> Result<Vec<PatchOperation>, FieldConflict> {
        let before = self.tree();
        let mut after = before.clone();
        for (path, kind) in fields {
            put(&mut after, path, *kind)?;
        }
        let mut patch = Vec::new();
        // A group that was made some other way keeps its fields elsewhere.
        let has_place = self
            .definitions
            .pointer("/customFields/properties")
            .is_some();
        if let (false, Some(path)) = (has_place, fields.keys().next()) {
            return Err(FieldConflict { path: path.clone() });
        }
        add_missing(FIELDS, &before, &after, &mut patch);
        Ok(patch)
    }
}

fn flatten(
    prefix: &str,
    tree: &Map<String, Value>,
    found: &mut BTreeMap<String, Option<FieldType>>,
) {
    for (name, field) in tree {
        let path = format!("{prefix}{name}");
        match field.get("properties").and_then(Value::as_object) {
            Some(inner) => flatten(&format!("{path}."), inner, found),
            None => drop(found.insert(path, FieldType::of(field))),
        }
    }
}

/// One `add` for everything that is new, as high up as it is: a second one below would have nowhere to go, and a
/// second one beside it would replace the first.
fn add_missing(
    place: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    patch: &mut Vec<PatchOperation>,
) {
    for (name, wanted) in after {
        let spot = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        match before.get(name) {
            None => patch.push(PatchOperation::add(&spot, wanted.clone())),
            Some(found) if found == wanted => {}
            Some(found) => {
                let inner = |it: &Value| it.get("properties").and_then(Value::as_object).cloned();
                let inside = format!("{spot}/properties");
                match (inner(found), inner(wanted)) {
                    (Some(before), Some(after)) => add_missing(&inside, &before, &after, patch),
                    (None, Some(after)) => {
                        patch.push(PatchOperation::add(&inside, Value::Object(after)));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Errors of all calls: see [`ApiError`].
impl Sandbox {
    /// Lists the organization's own field groups, all or those of a title. Check the titles of the results.
    pub async fn list_field_groups(
        &self,
        title: Option<&str>,
    ) -> Result<Vec<FieldGroup>, ApiError> {
        self.list_registered("list_field_groups", FIELD_GROUPS, title)
            .await
    }

    /// Reads one of the organization's own field groups by its `$id` (or `meta:altId`).
    pub async fn get_field_group(
        &self,
        id: &str,
        major_version: u32,
    ) -> Result<FieldGroup, ApiError> {
        self.get_registered("get_field_group", FIELD_GROUPS, id, major_version)
            .await
    }

    /// Creates a field group. [`ApiError::is_title_taken`] when there is a resource of this title.
    pub async fn create_field_group(&self, new: &NewFieldGroup) -> Result<FieldGroup, ApiError> {
        self.create_registered("create_field_group", FIELD_GROUPS, new)
            .await
    }

    /// Changes a field group: `/title`, `/description`, [`FieldGroup::additions`].
    pub async fn patch_field_group(
        &self,
        id: &str,
        patch: &[PatchOperation],
    ) -> Result<FieldGroup, ApiError> {
        self.patch_registered("patch_field_group", FIELD_GROUPS, id, patch)
            .await
    }

    /// Deletes a field group. Whether one that a schema uses can go is not documented.
    pub async fn delete_field_group(&self, id: &str) -> Result<Deleted, ApiError> {
        self.delete_registered("delete_field_group", FIELD_GROUPS, id)
            .await
    }
}

#[cfg(test)]
#[path = "field_group_tests.rs"]
mod tests;

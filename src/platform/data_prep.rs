//! Mapping sets of Data Prep. What it thinks of one before it is made: [`mapping_check`](super::mapping_check).
//!
//! Facts: Adobe, "Mapping sets API endpoint". Two dialects exist; the new one (`sourceType`, `source`,
//! `destination`) is written, both are read. No etag: the version is the only signal, and the last writer wins.

use http::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::call::{Call, encode};
use super::error::{ApiError, Class};
use super::flow_service::{Deleted, deleted};
use super::flows::MAPPING;
use super::json::{nullable, required_integer};
use super::list::PAGE_SIZE;
use super::sandbox::Sandbox;
use super::schema_registry::SchemaRef;

/// The service's path behind the gateway.
pub(super) const BASE: &str = "/data/foundation/conversion";
pub(super) const SETS: &str = "mappingSets";

/// One version of a mapping set: what a flow names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MappingRef {
    /// The set.
    pub id: String,
    /// Starts at 0; each update adds one. A flow keeps its version until it is patched.
    #[serde(deserialize_with = "required_integer")]
    pub version: u64,
}

impl MappingRef {
    pub(super) fn params(&self) -> Value {
        json!({"mappingId": self.id, "mappingVersion": self.version})
    }

    pub(super) fn transformation(&self) -> Value {
        json!({"name": MAPPING, "params": self.params()})
    }
}

/// Body of a mapping set's creation or update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewMappingSet {
    /// Not known to be unique.
    pub name: String,
    /// The schema mapped to; must equal the dataset's and the target connection's.
    pub output_schema: OutputSchema,
    /// The rows.
    pub mappings: Vec<MappingRow>,
}

/// A schema as mapping sets name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputSchema {
    /// The schema and its major version.
    #[serde(default, deserialize_with = "nullable")]
    pub schema_ref: SchemaRef,
}

impl NewMappingSet {
    /// A mapping to a schema.
    pub fn new(name: &str, schema_id: &str, major_version: u32, mappings: Vec<MappingRow>) -> Self {
        let output_schema = OutputSchema {
            schema_ref: SchemaRef::new(schema_id, major_version),
        };
        Self {
            name: name.to_owned(),
            output_schema,
            mappings,
        }
    }
}

/// What a row's source is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceType {
    /// A path in the event.
    Attribute,
    /// An expression of Data Prep's language.
    Expression,
    /// A fixed value.
    Static,
    /// Something unknown to us: the service's own word.
    Other(String),
}

impl SourceType {
    /// The word in a request.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Attribute => "ATTRIBUTE",
            Self::Expression => "EXPRESSION",
            Self::Static => "STATIC",
            Self::Other(word) => word,
        }
    }

    /// Answers use media types where requests use words.
    fn from_word(word: &str) -> Self {
        match word {
            "text/x.schema-path" => Self::Attribute,
            "text/x.aep-xl" => Self::Expression,
            _ if word.eq_ignore_ascii_case("ATTRIBUTE") => Self::Attribute,
            _ if word.eq_ignore_ascii_case("EXPRESSION") => Self::Expression,
            _ if word.eq_ignore_ascii_case("STATIC") => Self::Static,
            _ => Self::Other(word.to_owned()),
        }
    }
}

impl Serialize for SourceType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One row of a mapping, free of what differs between asking and reading: dialect, inner ids, dates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingRow {
    /// How to read the source.
    pub source_type: SourceType,
    /// Path, expression or value.
    pub source: String,
    /// Path in the schema.
    pub destination: String,
}

impl MappingRow {
    /// Copies a field of the event.
    pub fn attribute(source: &str, destination: &str) -> Self {
        Self::new(SourceType::Attribute, source, destination)
    }

    /// Computes a value.
    pub fn expression(expression: &str, destination: &str) -> Self {
        Self::new(SourceType::Expression, expression, destination)
    }

    /// Sets a fixed value.
    pub fn fixed(value: &str, destination: &str) -> Self {
        Self::new(SourceType::Static, value, destination)
    }

    fn new(source_type: SourceType, source: &str, destination: &str) -> Self {
        Self {
            source_type,
            source: source.to_owned(),
            destination: destination.to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for MappingRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Both dialects; an answer may hold both at once, so these are no aliases.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw {
            #[serde(default, deserialize_with = "nullable")]
            source_type: Option<String>,
            #[serde(default, deserialize_with = "nullable")]
            source: Option<String>,
            #[serde(default, deserialize_with = "nullable")]
            source_attribute: Option<String>,
            #[serde(default, deserialize_with = "nullable")]
            destination: Option<String>,
            #[serde(default, deserialize_with = "nullable")]
            destination_xdm_path: Option<String>,
        }
        let raw = Raw::deserialize(deserializer)?;
        Ok(Self {
            // The old dialect knows attributes only.
            source_type: raw
                .source_type
                .as_deref()
                .map_or(SourceType::Attribute, SourceType::from_word),
            source: raw.source.or(raw.source_attribute).unwrap_or_default(),
            destination: raw
                .destination
                .or(raw.destination_xdm_path)
                .unwrap_or_default(),
        })
    }
}

/// A mapping set as read. Absent text is empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingSet {
    /// The id.
    pub id: String,
    /// The version read.
    #[serde(deserialize_with = "required_integer")]
    pub version: u64,
    /// Not known to be unique.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The schema mapped to.
    #[serde(default, deserialize_with = "nullable")]
    pub output_schema: OutputSchema,
    /// The rows, normalised: equal to those of the [`NewMappingSet`] that made them.
    #[serde(default, deserialize_with = "nullable")]
    pub mappings: Vec<MappingRow>,
}

impl MappingSet {
    /// What a flow names to use this version.
    pub fn reference(&self) -> MappingRef {
        MappingRef {
            id: self.id.clone(),
            version: self.version,
        }
    }
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Value>,
    #[serde(default, rename = "_page")]
    paging: Value,
    #[serde(default, rename = "_links")]
    links: Value,
}

impl Page {
    /// `_page.count` can be 0 beside objects, so only the objects count. A service that caps the page below
    /// what we asked for says so in `_page.limit`.
    fn is_last(&self) -> bool {
        let limit = self
            .paging
            .get("limit")
            .and_then(super::json::integer)
            .and_then(|n| usize::try_from(n).ok());
        let full = limit.unwrap_or(PAGE_SIZE).min(PAGE_SIZE);
        let has_link = self
            .links
            .pointer("/next/href")
            .is_some_and(Value::is_string);
        self.data.is_empty() || (self.data.len() < full && !has_link)
    }
}

/// Errors of all calls: see [`ApiError`].
impl Sandbox {
    /// Creates a mapping set.
    pub async fn create_mapping_set(&self, new: &NewMappingSet) -> Result<MappingRef, ApiError> {
        self.fetch(Call::new("create_mapping_set", Method::POST, BASE, &[SETS]).body(new))
            .await
    }

    /// Reads a mapping set: a version of it, or the newest.
    ///
    /// # Errors
    /// [`Class::NotFound`] if there is none: no source says whether that is a 404 or a 400, and a question that
    /// names nothing but an id can be wrong in nothing else.
    pub async fn get_mapping_set(
        &self,
        id: &str,
        version: Option<u64>,
    ) -> Result<MappingSet, ApiError> {
        let query = version.map_or_else(String::new, |n| format!("version={n}"));
        let call = Call::new("get_mapping_set", Method::GET, BASE, &[SETS, id]).query(&query);
        self.fetch(call).await.map_err(|error| match error.class {
            Class::Rejected => ApiError {
                class: Class::NotFound,
                ..error
            },
            _ => error,
        })
    }

    /// Replaces the content of a mapping set, which makes a new version. Flows keep theirs until patched.
    pub async fn update_mapping_set(
        &self,
        id: &str,
        new: &NewMappingSet,
    ) -> Result<MappingRef, ApiError> {
        self.fetch(Call::new("update_mapping_set", Method::PUT, BASE, &[SETS, id]).body(new))
            .await
    }

    /// Deletes a mapping set. Adobe documents no such call, the public client makes it: best effort.
    pub async fn delete_mapping_set(&self, id: &str) -> Result<Deleted, ApiError> {
        deleted(
            self.send(Call::new(
                "delete_mapping_set",
                Method::DELETE,
                BASE,
                &[SETS, id],
            ))
            .await
            .map(drop),
        )
    }

    /// Lists the mapping sets of this name. Check the names of the results.
    pub async fn list_mapping_sets(&self, name: &str) -> Result<Vec<MappingSet>, ApiError> {
        const OPERATION: &str = "list_mapping_sets";
        let mut found: Vec<MappingSet> = Vec::new();
        let mut start = 0;
        for _ in 0..self.page_bound() {
            let query = format!("limit={PAGE_SIZE}&start={start}&name={}", encode(name));
            let reply = self
                .send(Call::new(OPERATION, Method::GET, BASE, &[SETS]).query(&query))
                .await?;
            let page: Page = reply.json(OPERATION, &Method::GET)?;
            let is_last = page.is_last();
            let known = found.len();
            start += page.data.len();
            for item in page.data {
                let set: MappingSet = serde_json::from_value(item).map_err(|_| {
                    reply.unreadable(
                        OPERATION,
                        &Method::GET,
                        "a mapping set in the list cannot be read",
                    )
                })?;
                if !found
                    .iter()
                    .any(|other| other.reference() == set.reference())
                {
                    found.push(set);
                }
            }
            // A page of nothing new: `start` means something else than we think.
            if is_last || found.len() == known {
                return Ok(found);
            }
        }
        Err(ApiError::local(
            OPERATION,
            Class::Unexpected,
            format!("the list has more than {} pages", self.page_bound()),
        ))
    }
}

//! Datasets of the Catalog Service.
//!
//! Facts: Adobe, "Look up a Catalog object", "Filter Catalog data using query parameters" (filters, pages, tags),
//! "Update an object". Neither whether names are unique nor the body of an error is documented. The last writer wins.
//!
//! Tags are free lists of values by key and can be asked for: a marker of ownership fits there. Keys that start with
//! `adobe`, `unifiedProfile` and `unifiedIdentity` are Adobe's own.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::call::{Call, encode};
use super::error::{ApiError, Class};
use super::flow_service::{Deleted, PatchOperation};
use super::json::{lenient, nullable, nullable_or_empty};
use super::sandbox::Sandbox;
use super::schema_registry::SchemaRef;
use super::transport::Reply;

const BASE: &str = "/data/foundation/catalog";
const DATASETS: &str = "dataSets";

/// Datasets per page: the most that the service gives.
const LIMIT: usize = 100;

/// A dataset as read. Absent text is empty, absent times are 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dataset {
    /// The id; the key of the answer, not a field of it.
    #[serde(skip)]
    pub id: String,
    /// Not known to be unique.
    #[serde(default, deserialize_with = "nullable_or_empty")]
    pub name: String,
    /// Free text.
    #[serde(default, deserialize_with = "nullable_or_empty")]
    pub description: String,
    /// The schema of its records; a dataset without one cannot be a target.
    #[serde(default, deserialize_with = "nullable")]
    pub schema_ref: Option<SchemaRef>,
    /// Free labels.
    #[serde(default, deserialize_with = "tags")]
    pub tags: BTreeMap<String, Vec<String>>,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub created: u64,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub updated: u64,
    /// The account of the last change.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_user: String,
}

impl Dataset {
    /// Whether it has this value among those of this tag.
    pub fn has_tag(&self, key: &str, value: &str) -> bool {
        let values = self.tags.get(key);
        values.is_some_and(|values| values.iter().any(|it| it == value))
    }
}

/// Lists of values by key. A single value is a list of one; a value that is no text keeps its place as JSON.
fn tags<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let raw: BTreeMap<String, Value> = nullable(deserializer)?;
    let list = |values| match values {
        Value::Null => Vec::new(),
        Value::Array(values) => values.into_iter().map(text).collect(),
        single => vec![text(single)],
    };
    Ok(raw.into_iter().map(|(key, it)| (key, list(it))).collect())
}

/// Body of a dataset's creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDataset {
    /// Not known to be unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The schema of its records; mapping set and target connection must name the same one, else FLOW-1425-400.
    pub schema_ref: SchemaRef,
    /// Free labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Vec<String>>,
}

impl NewDataset {
    /// A dataset for a schema.
    pub fn new(name: &str, description: &str, schema_ref: SchemaRef) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            schema_ref,
            tags: BTreeMap::new(),
        }
    }

    /// With a value of a tag.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        let values = self.tags.entry(key.to_owned()).or_default();
        values.push(value.to_owned());
        self
    }
}

impl PatchOperation {
    /// Sets a tag of a dataset to one value, whether it is there or not.
    pub fn set_tag(key: &str, value: &str) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        Self::add(&format!("/tags/{key}"), vec![Value::from(value)])
    }
}

/// Writes are answered with `["@/dataSets/{id}"]`.
fn named(reply: &Reply, operation: &'static str, method: &Method) -> Result<Vec<String>, ApiError> {
    let names: Vec<String> = reply.json(operation, method)?;
    let id = |name: &String| {
        let id = name.rsplit('/').next().filter(|id| !id.is_empty());
        id.map(str::to_owned)
    };
    let ids: Option<Vec<String>> = names.iter().map(id).collect();
    ids.ok_or_else(|| reply.unreadable(operation, method, "the answer names no dataset"))
}

/// Errors of all calls: see [`ApiError`].
impl Sandbox {
    /// Reads a dataset.
    pub async fn get_dataset(&self, id: &str) -> Result<Dataset, ApiError> {
        const OPERATION: &str = "get_dataset";
        let reply = self
            .send(Call::new(OPERATION, Method::GET, BASE, &[DATASETS, id]))
            .await?;
        // An object keyed by id; an empty one where other services would say 404.
        let mut found: BTreeMap<String, Value> = reply.json(OPERATION, &Method::GET)?;
        let body = found.remove(id).ok_or_else(|| ApiError {
            class: if found.is_empty() {
                Class::NotFound
            } else {
                Class::Unexpected
            },
            ..reply.unreadable(
                OPERATION,
                &Method::GET,
                "the answer does not hold the dataset",
            )
        })?;
        let dataset: Dataset = serde_json::from_value(body).map_err(|_| {
            reply.unreadable(
                OPERATION,
                &Method::GET,
                "the dataset in the answer cannot be read",
            )
        })?;
        Ok(Dataset {
            id: id.to_owned(),
            ..dataset
        })
    }

    /// Lists the datasets of this name. Check the names of the results.
    pub async fn list_datasets_by_name(&self, name: &str) -> Result<Vec<Dataset>, ApiError> {
        self.list_datasets(&format!("name={}", encode(name))).await
    }

    /// Lists the datasets with this value of a tag; a `*` in the value stands for anything. A comma or a colon in
    /// either is the service's own syntax. Check the results: [`Dataset::has_tag`].
    pub async fn list_datasets_by_tag(
        &self,
        key: &str,
        value: &str,
    ) -> Result<Vec<Dataset>, ApiError> {
        // The colon is syntax, so it stays.
        let query = format!("tags={}:{}", encode(key), encode(value).replace("%2A", "*"));
        self.list_datasets(&query).await
    }

    /// Pages overlap by one dataset: when that one is not where it was, something before it went away, and another
    /// one was not seen.
    async fn list_datasets(&self, condition: &str) -> Result<Vec<Dataset>, ApiError> {
        const OPERATION: &str = "list_datasets";
        let mut found: BTreeMap<String, Dataset> = BTreeMap::new();
        let mut start = 0;
        for _ in 0..self.page_bound() {
            let query = format!("{condition}&orderBy=asc:created&limit={LIMIT}&start={start}");
            let reply = self
                .send(Call::new(OPERATION, Method::GET, BASE, &[DATASETS]).query(&query))
                .await?;
            let page: BTreeMap<String, Value> = reply.json(OPERATION, &Method::GET)?;
            if start > 0 && !page.keys().any(|id| found.contains_key(id)) {
                return Err(ApiError {
                    class: Class::Unavailable { retry_after: None },
                    ..reply.unreadable(
                        OPERATION,
                        &Method::GET,
                        "datasets went away while they were listed",
                    )
                });
            }
            let is_last = page.len() < LIMIT;
            let known = found.len();
            for (id, body) in page {
                let dataset: Dataset = serde_json::from_value(body).map_err(|_| {
                    reply.unreadable(
                        OPERATION,
                        &Method::GET,
                        "a dataset in the list cannot be read",
                    )
                })?;
                found.insert(id.clone(), Dataset { id, ..dataset });
            }
            if is_last {
                return Ok(found.into_values().collect());
            }
            if found.len() == known {
                return Err(reply.unreadable(
                    OPERATION,
                    &Method::GET,
                    "the list's next page brings nothing new",
                ));
            }
            start = found.len() - 1;
        }
        Err(ApiError::local(
            OPERATION,
            Class::Unexpected,
            format!("the list has more than {} pages", self.page_bound()),
        ))
    }

    /// Creates a dataset; its id.
    pub async fn create_dataset(&self, new: &NewDataset) -> Result<String, ApiError> {
        const OPERATION: &str = "create_dataset";
        let call = Call::new(OPERATION, Method::POST, BASE, &[DATASETS]).body(new);
        let reply = self.send(call).await?;
        let mut ids = named(&reply, OPERATION, &Method::POST)?;
        ids.pop().ok_or_else(|| {
            reply.unreadable(OPERATION, &Method::POST, "the answer names no dataset")
        })
    }

    /// Changes a dataset: `/name`, `/description`, [`PatchOperation::set_tag`]. `add` replaces what is there, as
    /// Adobe's page does it. Always as JSON Patch: what a merge does to tags that it leaves out is not documented.
    pub async fn patch_dataset(&self, id: &str, patch: &[PatchOperation]) -> Result<(), ApiError> {
        self.send(
            Call::new("patch_dataset", Method::PATCH, BASE, &[DATASETS, id])
                .content_type("application/json-patch+json")
                .body(patch),
        )
        .await
        .map(drop)
    }

    /// Deletes a dataset **and its data**. Whether one that a flow writes to can go is not documented. The service
    /// answers with an empty list when there was none.
    pub async fn delete_dataset(&self, id: &str) -> Result<Deleted, ApiError> {
        const OPERATION: &str = "delete_dataset";
        let call = Call::new(OPERATION, Method::DELETE, BASE, &[DATASETS, id]);
        match self.send(call).await {
            Ok(reply) if reply.body.is_empty() => Ok(Deleted::Gone),
            Ok(reply) if named(&reply, OPERATION, &Method::DELETE)?.is_empty() => {
                Ok(Deleted::AlreadyGone)
            }
            Ok(_) => Ok(Deleted::Gone),
            Err(error) if error.class == Class::NotFound => Ok(Deleted::AlreadyGone),
            Err(error) => Err(error),
        }
    }
}

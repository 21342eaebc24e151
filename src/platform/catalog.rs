//! Datasets of the Catalog Service.
//!
//! Facts: Adobe, "Look up a Catalog object".

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::call::Call;
use super::error::{ApiError, Class};
use super::json::{lenient, nullable};
use super::sandbox::Sandbox;
use super::schema_registry::SchemaRef;

const BASE: &str = "/data/foundation/catalog";

/// A dataset as read. Absent text is empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dataset {
    /// The id; the key of the answer, not a field of it.
    #[serde(skip)]
    pub id: String,
    /// Not known to be unique.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Free text.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// The schema of its records; a dataset without one cannot be a target.
    #[serde(default, deserialize_with = "nullable")]
    pub schema_ref: Option<SchemaRef>,
    /// Free labels.
    #[serde(default, deserialize_with = "lenient")]
    pub tags: BTreeMap<String, Vec<String>>,
}

impl Sandbox {
    /// Reads a dataset.
    pub async fn get_dataset(&self, id: &str) -> Result<Dataset, ApiError> {
        const OPERATION: &str = "get_dataset";
        let reply = self
            .send(Call::new(OPERATION, Method::GET, BASE, &["dataSets", id]))
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
}

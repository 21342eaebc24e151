//! What all resources of the Schema Registry share: how they are named, listed, read, changed and deleted. The
//! schemas are in [`schemas`](super::schemas), the field groups in [`field_groups`](super::field_groups).
//!
//! Facts: Adobe, "Schema Registry API guide" and its appendix: the `Accept` header chooses the shape of a read; a
//! lookup needs a version in it, a list takes none. No `If-Match` is documented: the last writer wins.
//!
//! Changes that would break records are refused ("Experience Data Model (XDM) System troubleshooting guide") once a
//! dataset was made for the schema: fields may be added, never taken away or given another type. Which code that
//! refusal has is not documented; it is [`Class::Rejected`], and [`ApiError::detail`] holds the registry's reasons.

use std::collections::HashSet;

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, encode};
use super::error::{ApiError, Class};
use super::flow_service::{Deleted, PatchOperation, deleted};
use super::json::nullable;
use super::list::{PAGE_SIZE, next_query};
use super::sandbox::Sandbox;

/// The service's path behind the gateway, and the container of the organization's own resources.
const BASE: &str = "/data/foundation/schemaregistry";
const TENANT: &str = "/data/foundation/schemaregistry/tenant";

/// Whole resources in a list, references as they are; the short form (`xed-id`) has no descriptions.
const LIST_TYPE: &str = "application/vnd.adobe.xed+json";

/// The class of events: records have a time and never change. Requires `_id` and `timestamp`.
pub const EXPERIENCE_EVENT_CLASS: &str = "https://ns.adobe.com/xdm/context/experienceevent";
/// The class of persons' attributes.
pub const PROFILE_CLASS: &str = "https://ns.adobe.com/xdm/context/profile";

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
pub(super) fn major(version: &str) -> Option<u32> {
    version.trim().split('.').next()?.parse().ok()
}

/// Another resource of the registry, or a part of the same one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reference {
    /// An `$id`, or `#/definitions/...`. Empty for a part that is written in place.
    #[serde(default, rename = "$ref", deserialize_with = "nullable")]
    pub(super) to: String,
}

impl Reference {
    pub(super) fn new(to: &str) -> Self {
        Self { to: to.to_owned() }
    }
}

impl ApiError {
    /// The registry has another resource of this title (XDM-1521-400): titles are unique among all schemas, field
    /// groups, classes and data types. [`ApiError::detail`] names that resource. Older answers have no code, so
    /// after any refusal of a creation it is right to list by title.
    pub fn is_title_taken(&self) -> bool {
        self.code.as_deref() == Some("XDM-1521-400")
    }
}

#[derive(Deserialize)]
struct Stats {
    #[serde(rename = "tenantId")]
    tenant_id: String,
}

#[derive(Deserialize)]
struct Page {
    /// Required: an answer without it is no empty list.
    results: Vec<Value>,
    #[serde(default, rename = "_page")]
    paging: Value,
    #[serde(default, rename = "_links")]
    links: Value,
}

impl Page {
    /// The query of the next page, if there is one; or nothing to follow.
    fn next(&self, first: &str) -> Option<Result<String, ()>> {
        let start = match self.paging.get("next") {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        if let Some(start) = start {
            return Some(Ok(format!("{first}&start={}", encode(&start))));
        }
        let href = self
            .links
            .pointer("/next/href")
            .filter(|it| !it.is_null())?;
        Some(href.as_str().and_then(|it| next_query(it, first)).ok_or(()))
    }
}

impl Sandbox {
    /// The organization's tenant id, such as `acmecorp`: its own fields live under `_` and this.
    pub async fn tenant_id(&self) -> Result<String, ApiError> {
        const OPERATION: &str = "get_tenant";
        let reply = self
            .send(Call::new(OPERATION, Method::GET, BASE, &["stats"]))
            .await?;
        let stats: Stats = reply.json(OPERATION, &Method::GET)?;
        // It becomes part of paths, in which dots separate.
        let is_name = |id: &str| {
            !id.is_empty()
                && id
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        };
        if is_name(&stats.tenant_id) {
            Ok(stats.tenant_id)
        } else {
            Err(reply.unreadable(OPERATION, &Method::GET, "the tenant id is no name"))
        }
    }

    /// Reads a list of the tenant's resources to its end, the one of a title or all. Descriptions are only in the
    /// long form (`xed`). Ordered by title, since those are unique: `start` cannot split equal ones.
    pub(super) async fn list_registered<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        collection: &str,
        title: Option<&str>,
    ) -> Result<Vec<T>, ApiError> {
        let condition = title.map_or_else(String::new, |title| {
            format!("property=title=={}&", encode(title))
        });
        let first = format!("{condition}orderby=title&limit={PAGE_SIZE}");
        let mut query = first.clone();
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for _ in 0..self.page_bound() {
            let call = Call::new(operation, Method::GET, TENANT, &[collection])
                .accept(LIST_TYPE.to_owned())
                .query(&query);
            let reply = self.send(call).await?;
            let broken = |detail: &str| reply.unreadable(operation, &Method::GET, detail);
            let page: Page = reply.json(operation, &Method::GET)?;
            let next = page.next(&first);
            let known = seen.len();
            for item in page.results {
                let id = item.get("$id").and_then(Value::as_str).unwrap_or_default();
                // Whether a page starts behind `start` or with it is told differently: none is taken twice.
                if !seen.insert(id.to_owned()) {
                    continue;
                }
                found.push(
                    serde_json::from_value(item)
                        .map_err(|_| broken("a resource in the list cannot be read"))?,
                );
            }
            match next {
                None => return Ok(found),
                Some(Err(())) => {
                    return Err(broken("the link to the next page cannot be followed"));
                }
                Some(Ok(next)) if next == query || seen.len() == known => {
                    return Err(broken("the list's next page brings nothing new"));
                }
                Some(Ok(next)) => query = next,
            }
        }
        Err(ApiError::local(
            operation,
            Class::Unexpected,
            format!("the list has more than {} pages", self.page_bound()),
        ))
    }

    /// A lookup needs a version; in this form references stay references.
    pub(super) async fn get_registered<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        collection: &str,
        id: &str,
        major_version: u32,
    ) -> Result<T, ApiError> {
        let accept = format!("application/vnd.adobe.xed+json; version={major_version}");
        let call = Call::new(operation, Method::GET, TENANT, &[collection, id]);
        self.fetch(call.accept(accept)).await
    }

    pub(super) async fn create_registered<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        collection: &str,
        new: &(impl Serialize + Sync),
    ) -> Result<T, ApiError> {
        self.fetch(Call::new(operation, Method::POST, TENANT, &[collection]).body(new))
            .await
    }

    pub(super) async fn patch_registered<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        collection: &str,
        id: &str,
        patch: &[PatchOperation],
    ) -> Result<T, ApiError> {
        self.fetch(Call::new(operation, Method::PATCH, TENANT, &[collection, id]).body(patch))
            .await
    }

    pub(super) async fn delete_registered(
        &self,
        operation: &'static str,
        collection: &str,
        id: &str,
    ) -> Result<Deleted, ApiError> {
        let call = Call::new(operation, Method::DELETE, TENANT, &[collection, id]);
        deleted(self.send(call).await.map(drop))
    }
}

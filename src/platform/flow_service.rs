//! What all objects of the Flow Service share: ids, etags, patches, deletions.
//!
//! Facts: Adobe, "Update dataflows using the Flow Service API", "Delete dataflows...". The connections are in
//! [`connections`](super::connections), the flows in [`flows`](super::flows).

use std::fmt;

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::data_prep::MappingRef;
use super::error::{ApiError, Class};
use super::json::{lenient, nullable};
use super::sandbox::Sandbox;

/// The service's path behind the gateway.
pub(super) const BASE: &str = "/data/foundation/flowservice";

/// A version of an object. The value holds its own double quotes and is sent verbatim as `If-Match`.
///
/// A flow's etag also moves by itself some seconds after a create (Adobe's own example): read before a patch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Etag(String);

impl Etag {
    /// The value with its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Etag {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Etag {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a create, a patch or an action answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Created {
    /// The object.
    pub id: String,
    /// Its version. Empty, which no version matches, should the answer lack it: the id is what must not be lost.
    #[serde(default, deserialize_with = "lenient")]
    pub etag: Etag,
}

/// How a deletion that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The object was there, and is deleted.
    Gone,
    /// The service knows no such object.
    AlreadyGone,
}

/// One operation of a JSON Patch (RFC 6902).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PatchOperation {
    /// `replace`, `add` or `remove`; lower case as in Adobe's prose.
    pub op: &'static str,
    /// JSON pointer, e.g. `/name`.
    pub path: String,
    /// Absent for `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl PatchOperation {
    /// Sets what is there.
    pub fn replace(path: &str, value: impl Into<Value>) -> Self {
        Self {
            op: "replace",
            path: path.to_owned(),
            value: Some(value.into()),
        }
    }

    /// Sets what is not there yet.
    pub fn add(path: &str, value: impl Into<Value>) -> Self {
        Self {
            op: "add",
            path: path.to_owned(),
            value: Some(value.into()),
        }
    }

    /// Takes away.
    pub fn remove(path: &str) -> Self {
        Self {
            op: "remove",
            path: path.to_owned(),
            value: None,
        }
    }

    /// Points a flow at another mapping set or version. `index` is [`Flow::mapping_index`](super::Flow::mapping_index);
    /// the whole transformation is replaced, as Adobe's update page does.
    pub fn replace_mapping(index: usize, mapping: &MappingRef) -> Self {
        Self::replace(
            &format!("/transformations/{index}"),
            mapping.transformation(),
        )
    }
}

/// A specification and its version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpecRef {
    /// The id, the same for all organizations.
    pub id: String,
    /// `1.0`.
    #[serde(default, deserialize_with = "nullable")]
    pub version: String,
}

impl SpecRef {
    /// The only version of every specification used here.
    pub(super) fn v1(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            version: "1.0".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Value>,
}

impl Sandbox {
    pub(super) async fn create(
        &self,
        operation: &'static str,
        collection: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<Created, ApiError> {
        self.fetch(Call::new(operation, Method::POST, BASE, &[collection]).body(body))
            .await
    }

    /// One object: the service wraps it in a list of one.
    pub(super) async fn get_one<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        collection: &str,
        id: &str,
    ) -> Result<T, ApiError> {
        let reply = self
            .send(Call::new(operation, Method::GET, BASE, &[collection, id]))
            .await?;
        let items: Items = reply.json(operation, &Method::GET)?;
        match <[Value; 1]>::try_from(items.items) {
            Ok([item]) => serde_json::from_value(item).map_err(|_| {
                reply.unreadable(
                    operation,
                    &Method::GET,
                    "the object in the answer cannot be read",
                )
            }),
            Err(items) if items.is_empty() => Err(ApiError {
                class: Class::NotFound,
                ..reply.unreadable(operation, &Method::GET, "the answer holds no object")
            }),
            Err(_) => Err(reply.unreadable(
                operation,
                &Method::GET,
                "the answer holds more than one object",
            )),
        }
    }

    pub(super) async fn patch(
        &self,
        operation: &'static str,
        collection: &str,
        id: &str,
        etag: &Etag,
        operations: &[PatchOperation],
    ) -> Result<Created, ApiError> {
        self.fetch(
            Call::new(operation, Method::PATCH, BASE, &[collection, id])
                .if_match(etag.as_str())
                .body(operations),
        )
        .await
    }

    pub(super) async fn delete(
        &self,
        operation: &'static str,
        collection: &str,
        id: &str,
    ) -> Result<Deleted, ApiError> {
        deleted(
            self.send(Call::new(
                operation,
                Method::DELETE,
                BASE,
                &[collection, id],
            ))
            .await
            .map(drop),
        )
    }
}

/// "Not there" on a DELETE is what was wanted. Whichever status it came with: the catalogue lists 1430 and 1439
/// with 400 too.
pub(super) fn deleted(outcome: Result<(), ApiError>) -> Result<Deleted, ApiError> {
    match outcome {
        Ok(()) => Ok(Deleted::Gone),
        Err(error) if error.class == Class::NotFound => Ok(Deleted::AlreadyGone),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_etag_keeps_its_inner_quotes_both_ways() {
        let created: Created =
            serde_json::from_str(r#"{"id":"a","etag":"\"4c01-0000\""}"#).unwrap();
        assert_eq!(created.etag.as_str(), "\"4c01-0000\"");
        assert_eq!(
            serde_json::to_string(&created.etag).unwrap(),
            r#""\"4c01-0000\"""#
        );
    }

    #[test]
    fn an_id_is_not_lost_over_a_missing_or_odd_etag() {
        for body in [
            r#"{"id":"a"}"#,
            r#"{"id":"a","etag":null}"#,
            r#"{"id":"a","etag":7,"more":{}}"#,
        ] {
            let created: Created = serde_json::from_str(body).unwrap();
            assert_eq!((created.id.as_str(), created.etag.as_str()), ("a", ""));
        }
    }

    #[test]
    fn patches_are_written_as_adobes_update_page_shows() {
        let mapping = MappingRef {
            id: "3a5c".into(),
            version: 1,
        };
        let patch = [
            PatchOperation::replace("/name", "renamed"),
            PatchOperation::remove("/labels"),
            PatchOperation::replace_mapping(0, &mapping),
        ];
        assert_eq!(
            serde_json::to_value(patch).unwrap(),
            json!([
                {"op": "replace", "path": "/name", "value": "renamed"},
                {"op": "remove", "path": "/labels"},
                {"op": "replace", "path": "/transformations/0",
                 "value": {"name": "Mapping", "params": {"mappingId": "3a5c", "mappingVersion": 1}}}
            ])
        );
    }
}

//! Connection and flow specifications: whether the organization has the source at all.
//!
//! Facts: Adobe, "Flow Service API". The ids are the same for all organizations; a source in beta, or one that the
//! licence leaves out, is not visible to each. How that is answered is not documented: as a missing object, or with
//! the codes that a creation gets (FLOW-1100-400, not entitled; FLOW-1413-400, no such specification).

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::classify::flow_number;
use super::error::{ApiError, Class};
use super::json::{lenient, nullable};
use super::sandbox::Sandbox;

/// Whether the organization sees something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility<T> {
    /// It does.
    Visible(T),
    /// It does not; the platform's words.
    Hidden(ApiError),
}

/// A connection specification: a kind of source or target.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionSpec {
    /// The id.
    pub id: String,
    /// E.g. `customerio`.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// `1.0`.
    #[serde(default, deserialize_with = "lenient")]
    pub version: String,
    /// Who brings it.
    #[serde(default, deserialize_with = "lenient")]
    pub provider_id: String,
}

/// A flow specification: a kind of flow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowSpec {
    /// The id.
    pub id: String,
    /// E.g. `GenericStreamingAEP`.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// `1.0`.
    #[serde(default, deserialize_with = "lenient")]
    pub version: String,
    /// The sources it can read from.
    #[serde(default, deserialize_with = "nullable")]
    pub source_connection_spec_ids: Vec<String>,
    /// The targets it can write to.
    #[serde(default, deserialize_with = "nullable")]
    pub target_connection_spec_ids: Vec<String>,
}

/// Errors of all calls: see [`ApiError`].
impl Sandbox {
    /// Reads a connection specification, if the organization sees it.
    pub async fn connection_spec(&self, id: &str) -> Result<Visibility<ConnectionSpec>, ApiError> {
        self.spec("get_connection_spec", "connectionSpecs", id)
            .await
    }

    /// Reads a flow specification, if the organization sees it.
    pub async fn flow_spec(&self, id: &str) -> Result<Visibility<FlowSpec>, ApiError> {
        self.spec("get_flow_spec", "flowSpecs", id).await
    }

    async fn spec<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        collection: &str,
        id: &str,
    ) -> Result<Visibility<T>, ApiError> {
        match self.get_one(operation, collection, id).await {
            Ok(spec) => Ok(Visibility::Visible(spec)),
            Err(error) if is_hidden(&error) => Ok(Visibility::Hidden(error)),
            Err(error) => Err(error),
        }
    }
}

/// A right that is missing to look at all is another matter.
fn is_hidden(error: &ApiError) -> bool {
    error.class == Class::NotFound || matches!(flow_number(error), Some(1100 | 1413))
}

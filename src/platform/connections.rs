//! Source and target connections of the Flow Service.
//!
//! Facts: Adobe, "Create a streaming source connection for Customer.io" (the bodies and fixed ids). Adobe's
//! advice on updates: a connection belongs to one flow, which does not notice a patch of its connections.

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::flow_service::{BASE, Created, Deleted, Etag, PatchOperation, SpecRef};
use super::json::{lenient, nullable};
use super::list::Filter;
use super::sandbox::Sandbox;
use super::schema_registry::schema_content_type;

/// The connection specification of the Customer.io source, version 1.0.
pub const CUSTOMER_IO_CONNECTION_SPEC: &str = "96479064-7b8a-4d69-b9ed-21c5683837ea";
/// The provider that Adobe's tutorial sends with a streaming source connection.
pub const STREAMING_PROVIDER: &str = "521eee4d-8cbe-4906-bb48-fb6bd4450033";
/// The connection specification of the data lake, version 1.0.
pub const DATA_LAKE_CONNECTION_SPEC: &str = "c604ff05-7f1a-43c0-8e18-33bf874cb11c";

const SOURCES: &str = "sourceConnections";
const TARGETS: &str = "targetConnections";

/// `{"format":"json"}`: the only format of the Customer.io source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataFormat {
    /// `json`.
    pub format: String,
}

/// Body of a source connection's creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSourceConnection {
    /// Shown to people. Not known to be unique.
    pub name: String,
    /// [`STREAMING_PROVIDER`].
    pub provider_id: String,
    /// Free text.
    pub description: String,
    /// Which source this is.
    pub connection_spec: SpecRef,
    /// How its data looks.
    pub data: DataFormat,
}

impl NewSourceConnection {
    /// A connection to Customer.io.
    pub fn customer_io(name: &str, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            provider_id: STREAMING_PROVIDER.to_owned(),
            description: description.to_owned(),
            connection_spec: SpecRef::v1(CUSTOMER_IO_CONNECTION_SPEC),
            data: DataFormat {
                format: "json".to_owned(),
            },
        }
    }
}

/// Body of a target connection's creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTargetConnection {
    /// Shown to people. Not known to be unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// [`DATA_LAKE_CONNECTION_SPEC`].
    pub connection_spec: SpecRef,
    /// Format and schema.
    pub data: TargetData,
    /// The dataset.
    pub params: TargetParams,
}

/// What arrives at the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetData {
    /// `json` for streaming sources.
    pub format: String,
    /// The schema; mapping set and dataset must name the same one, else FLOW-1425-400.
    pub schema: TargetSchema,
}

/// A schema as target connections name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetSchema {
    /// The schema's `$id`.
    #[serde(default, deserialize_with = "nullable")]
    pub id: String,
    /// Its content type with the major version, as [`schema_content_type`] writes it.
    #[serde(default, deserialize_with = "nullable")]
    pub version: String,
}

/// Where the data lands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetParams {
    /// The dataset's id. This spelling is the service's.
    #[serde(rename = "dataSetId")]
    pub dataset_id: String,
}

impl NewTargetConnection {
    /// A connection to a dataset in the data lake.
    pub fn data_lake(
        name: &str,
        description: &str,
        dataset_id: &str,
        schema_id: &str,
        major_version: u32,
    ) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            connection_spec: SpecRef::v1(DATA_LAKE_CONNECTION_SPEC),
            data: TargetData {
                format: "json".to_owned(),
                schema: TargetSchema {
                    id: schema_id.to_owned(),
                    version: schema_content_type(major_version),
                },
            },
            params: TargetParams {
                dataset_id: dataset_id.to_owned(),
            },
        }
    }
}

/// A source connection as read. Absent text is empty, absent times are 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceConnection {
    /// The id.
    pub id: String,
    /// Shown to people.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Free text.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// `enabled` and others; no closed list is documented.
    #[serde(default, deserialize_with = "nullable")]
    pub state: String,
    /// The version.
    #[serde(default, deserialize_with = "lenient")]
    pub etag: Etag,
    /// Which source this is.
    #[serde(default, deserialize_with = "nullable")]
    pub connection_spec: SpecRef,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: u64,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_at: u64,
    /// The account of the last change.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_by: String,
    /// The client id of the last change.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_client: String,
}

/// A target connection as read. Absent text is empty, absent times are 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetConnection {
    /// The id.
    pub id: String,
    /// Shown to people.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Free text.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// `enabled` and others; no closed list is documented.
    #[serde(default, deserialize_with = "nullable")]
    pub state: String,
    /// The version.
    #[serde(default, deserialize_with = "lenient")]
    pub etag: Etag,
    /// Which target this is.
    #[serde(default, deserialize_with = "nullable")]
    pub connection_spec: SpecRef,
    #[serde(default, deserialize_with = "nullable")]
    data: ReadTargetData,
    #[serde(default, deserialize_with = "nullable")]
    params: ReadTargetParams,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: u64,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_at: u64,
    /// The account of the last change.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_by: String,
    /// The client id of the last change.
    #[serde(default, deserialize_with = "lenient")]
    pub updated_client: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct ReadTargetData {
    #[serde(default, deserialize_with = "nullable")]
    format: String,
    #[serde(default, deserialize_with = "nullable")]
    schema: TargetSchema,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct ReadTargetParams {
    #[serde(default, rename = "dataSetId", deserialize_with = "nullable")]
    dataset_id: String,
}

impl TargetConnection {
    /// The dataset's id.
    pub fn dataset_id(&self) -> &str {
        &self.params.dataset_id
    }

    /// The schema, with its version as a content type.
    pub const fn schema(&self) -> &TargetSchema {
        &self.data.schema
    }

    /// The data format.
    pub fn format(&self) -> &str {
        &self.data.format
    }
}

/// Errors of all calls: see [`ApiError`].
impl Sandbox {
    /// Creates a source connection.
    pub async fn create_source_connection(
        &self,
        new: &NewSourceConnection,
    ) -> Result<Created, ApiError> {
        self.create("create_source_connection", SOURCES, new).await
    }

    /// Reads a source connection.
    pub async fn get_source_connection(&self, id: &str) -> Result<SourceConnection, ApiError> {
        self.get_one("get_source_connection", SOURCES, id).await
    }

    /// Changes a source connection.
    pub async fn patch_source_connection(
        &self,
        id: &str,
        etag: &Etag,
        patch: &[PatchOperation],
    ) -> Result<Created, ApiError> {
        self.patch("patch_source_connection", SOURCES, id, etag, patch)
            .await
    }

    /// Deletes a source connection.
    pub async fn delete_source_connection(&self, id: &str) -> Result<Deleted, ApiError> {
        self.delete("delete_source_connection", SOURCES, id).await
    }

    /// Lists source connections, and returns what `keep` makes of them. Check the results: see [`Filter`].
    pub async fn list_source_connections<U>(
        &self,
        filter: &Filter,
        keep: impl FnMut(SourceConnection) -> Option<U>,
    ) -> Result<Vec<U>, ApiError> {
        self.list("list_source_connections", (BASE, SOURCES), filter, keep)
            .await
    }

    /// Creates a target connection.
    pub async fn create_target_connection(
        &self,
        new: &NewTargetConnection,
    ) -> Result<Created, ApiError> {
        self.create("create_target_connection", TARGETS, new).await
    }

    /// Reads a target connection.
    pub async fn get_target_connection(&self, id: &str) -> Result<TargetConnection, ApiError> {
        self.get_one("get_target_connection", TARGETS, id).await
    }

    /// Changes a target connection.
    pub async fn patch_target_connection(
        &self,
        id: &str,
        etag: &Etag,
        patch: &[PatchOperation],
    ) -> Result<Created, ApiError> {
        self.patch("patch_target_connection", TARGETS, id, etag, patch)
            .await
    }

    /// Deletes a target connection.
    pub async fn delete_target_connection(&self, id: &str) -> Result<Deleted, ApiError> {
        self.delete("delete_target_connection", TARGETS, id).await
    }

    /// Lists target connections, and returns what `keep` makes of them. Check the results: see [`Filter`].
    pub async fn list_target_connections<U>(
        &self,
        filter: &Filter,
        keep: impl FnMut(TargetConnection) -> Option<U>,
    ) -> Result<Vec<U>, ApiError> {
        self.list("list_target_connections", (BASE, TARGETS), filter, keep)
            .await
    }
}

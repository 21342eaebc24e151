//! What the operator writes back, shared by all resources: ids and etags of remote objects, and the
//! journal of creations under way.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A source or target connection as the Flow Service knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatus {
    /// Id given by the Flow Service.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Etag of the operator's last write, with the inner quotes the Flow Service gives it.
    #[schemars(length(max = 128))]
    pub etag: String,
}

/// A mapping set as Data Prep knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingSetStatus {
    /// Id given by Data Prep.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Version of the set's rows; every change of the mapping adds one.
    #[schemars(range(min = 0))]
    pub version: i64,
}

/// A flow as the Flow Service knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowStatus {
    /// Id given by the Flow Service; part of the URL that Customer.io posts to.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Etag of the operator's last write or of the last change it acted on.
    #[schemars(length(max = 128))]
    pub etag: String,
    /// State as the Flow Service names it, such as `enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
}

/// A remote object whose creation is intended or under way. It stands before the call is made, so
/// that a crash or a lost reply is followed by a look-up and never by a second object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Kind of remote object, such as `flow`.
    #[schemars(length(max = 32))]
    pub object: String,
    /// Number of the attempt; it is part of the ownership marker.
    #[schemars(range(min = 1))]
    pub attempt: i64,
    /// When the attempt was written down.
    pub since: Time,
}

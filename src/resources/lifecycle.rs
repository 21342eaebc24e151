//! Fields that say how a resource begins, ends and meets a loss: the same on every kind.

#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a private copy of each struct for its rules"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What deleting the resource does to its objects in AEP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They are deleted.
    #[default]
    Delete,
    /// They stay; the ownership marker in their descriptions becomes `released`, so that others may adopt them.
    Retain,
}

/// What happens when an object that stands in status is gone from AEP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OnRemoteMissing {
    /// The resource is `Stalled/RemoteMissing`: a new flow may get another URL.
    #[default]
    Stall,
    /// It is created again, and what depends on it too.
    Recreate,
}

/// How an object that stands in AEP already is adopted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AdoptPolicy {
    /// Only if it is as the spec says; any difference is `Stalled/AdoptionDiffers` with the fields, and nothing is
    /// written.
    #[default]
    Match,
    /// It is brought to what the spec says.
    Override,
    /// Like `Override`, even if another resource's ownership marker is on it.
    TakeOver,
}

/// The last change of an object in AEP that was not made by this operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastDrift {
    /// When it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The fields that differed, such as `flow.name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub fields: Vec<String>,
    /// Account of the last change, as AEP names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub by: Option<String>,
    /// Client id of the last change, as AEP names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub client: Option<String>,
    /// What the operator did about it.
    pub action: DriftAction,
}

/// What the operator did about a change made elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftAction {
    /// It wrote what the spec says.
    #[default]
    Repaired,
    /// It left the change and says so in the conditions.
    Reported,
    /// It created the object again.
    Recreated,
}

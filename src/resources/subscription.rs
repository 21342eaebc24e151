//! What a dataflow asks of Customer.io: the workspace that a source is of, the webhook that is wanted, and the one
//! that stands.

#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a private copy of each struct for its rules"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields;

/// The Customer.io workspace that events come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerIoWorkspace {
    /// Where the workspace is kept: `us` or `eu`. A key of one region is refused in the other.
    pub region: WorkspaceRegion,
    /// Key of a Secret that holds the App API key, from Account Settings, API Credentials in Customer.io. It needs
    /// access to reporting webhooks.
    pub app_api_key_ref: SecretKeyReference,
}

/// Where Customer.io keeps a workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkspaceRegion {
    /// The United States.
    #[default]
    Us,
    /// The European Union.
    Eu,
}

/// One key of a Secret in the resource's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Name of the Secret, in the namespace of this resource.
    #[schemars(schema_with = "fields::object_name")]
    pub name: String,
    /// Key in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._A-Za-z0-9]+$"))]
    pub key: String,
}

/// Where the events of a dataflow are subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// A reporting webhook in the workspace of the source (its `spec.customerIo`).
    pub customer_io: CustomerIoSubscription,
}

/// A reporting webhook of Customer.io that sends to the flow's inlet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerIoSubscription {
    /// Name of the webhook in Customer.io: one line without `[aep-operator/`. Default: `<namespace>.<name>` of this
    /// resource. A second webhook with the flow's endpoint is taken for the operator's own by this name, and deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::display_name")]
    pub name: Option<String>,
    /// Events to send: names of Customer.io's App API, such as `customer_subscribed`, or patterns, in which `*` stands
    /// for any run of characters, such as `email_*`. What they come to is in `status.subscription.events`. Names that
    /// the operator does not know are asked for all the same, and told in an Event.
    #[schemars(
        length(min = 1, max = 100),
        inner(length(min = 1, max = 64), regex(pattern = "^[a-z0-9_*]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub events: Vec<String>,
    /// Send every open and click of a message, not only the first.
    #[serde(default)]
    pub full_resolution: bool,
    /// Send the bodies of messages with `_sent` events. AEP advises records of at most 10 KB, which bodies exceed.
    #[serde(default)]
    pub with_content: bool,
}

/// The webhook that stands for a dataflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionStatus {
    /// Id of the reporting webhook in Customer.io.
    #[schemars(length(max = 256))]
    pub id: String,
    /// Whether it sends. A new one is `Disabled` until Adobe's pause for a new or changed flow is over.
    #[serde(default)]
    pub state: SubscriptionState,
    /// The events it sends, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), inner(length(max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub events: Vec<String>,
    /// Names in the spec that the operator does not know, and patterns that match nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), inner(length(max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub unknown_events: Vec<String>,
    /// When the operator enabled it, or found it enabled. What is disabled afterwards was disabled by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled_at: Option<Time>,
    /// Hash of the webhook as last written; while it stands, nothing needs to be read from Customer.io.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub applied_hash: Option<String>,
}

/// Whether a webhook sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SubscriptionState {
    /// It stands and sends nothing.
    #[default]
    Disabled,
    /// It sends.
    Enabled,
    /// It is being deleted, as the spec asks: written down before, so that one that is gone is nobody else's doing.
    Removing,
}

//! `CustomerIoSource`: a Customer.io source connection in one sandbox of AEP.
//!
//! It also carries what its dataflows need to reach AEP: sandbox and credentials.

#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a private copy of each struct for its rules"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::{self, SecretReference};
use super::lifecycle::{AdoptPolicy, DeletionPolicy, LastDrift, OnRemoteMissing};
use super::status::{self, ConnectionStatus, Pending};
use super::subscription::CustomerIoWorkspace;

/// What a Customer.io source connection should be.
#[derive(
    CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema,
)]
#[expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has keys of its own"
)]
#[kube(
    group = "aep-operator.dev",
    version = "v1alpha1",
    kind = "CustomerIoSource",
    plural = "customeriosources",
    singular = "customeriosource",
    shortname = "cios",
    category = "aep",
    namespaced,
    status = "CustomerIoSourceStatus",
    selectable = ".spec.credentialsRef.name",
    selectable = ".spec.customerIo.appApiKeyRef.name",
    doc = "A Customer.io source connection in one sandbox of Adobe Experience Platform.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Sandbox", type_ = "string", json_path = ".spec.sandbox"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Source Connection",
        type_ = "string",
        json_path = ".status.sourceConnection.id",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[cfg_attr(test, kube(cel))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.sandbox == oldSelf.sandbox").message("sandbox cannot be changed: a source connection stays in its sandbox. Create another CustomerIoSource for the other sandbox.").field_path(".sandbox"))]
#[x_kube(validation = Rule::new("!has(oldSelf.adopt) || (has(self.adopt) && self.adopt.sourceConnectionId == oldSelf.adopt.sourceConnectionId)").message("adopt.sourceConnectionId cannot be changed or removed once it is set: this resource holds that source connection. Create another resource for another one.").field_path(".adopt"))]
pub struct CustomerIoSourceSpec {
    /// Name of the source connection in AEP: one line without `[aep-operator/`. Default: `<namespace>.<name>` of this
    /// resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::display_name")]
    pub name: Option<String>,
    /// Description of the source connection in AEP: one line without `[aep-operator/`, with which the ownership
    /// marker starts that the operator adds at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::description")]
    pub description: Option<String>,
    /// Name of the AEP sandbox, lower case, as in the `x-sandbox-name` header. Cannot be changed.
    #[schemars(schema_with = "fields::sandbox")]
    pub sandbox: String,
    /// Secret with the Adobe credentials: keys `clientId`, `clientSecret`, `orgId` and, optionally,
    /// `scopes` (comma list) of an OAuth server-to-server credential.
    pub credentials_ref: SecretReference,
    /// IMS organization id (`...@AdobeOrg`) that the Secret must be for. Left out: whatever the Secret says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::organization_id")]
    pub organization_id: Option<String>,
    /// The Customer.io workspace that events come from. Needed by dataflows with `spec.subscription`, and for as long
    /// as one of them has a webhook there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_io: Option<CustomerIoWorkspace>,
    /// What deleting this resource does to its objects in AEP: `Delete` deletes them, `Retain` leaves them and takes
    /// this resource's ownership marker off.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// What happens when an object of this resource is gone from AEP: `Stall` reports it, `Recreate` makes it again (a
    /// new flow may get another URL).
    #[serde(default)]
    pub on_remote_missing: OnRemoteMissing,
    /// An existing source connection to take over instead of creating one. Its id cannot be changed once it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<SourceAdoption>,
    /// Stops all writes to AEP for this resource. The last Ready condition stays; deletion still works.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// An existing source connection to take over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceAdoption {
    /// Id of the source connection in AEP.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub source_connection_id: String,
    /// How differences from the spec and markers of other resources are met.
    #[serde(default)]
    pub policy: AdoptPolicy,
}

/// What stands in AEP for a CustomerIoSource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerIoSourceStatus {
    /// Generation of the spec that this status is about.
    #[serde(
        default,
        deserialize_with = "status::observed",
        skip_serializing_if = "Option::is_none"
    )]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Reconciling` or `Stalled` while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "status::conditions")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Last value of the annotation `reconcile.fluxcd.io/requestedAt` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "status::annotation_value")]
    pub last_handled_reconcile_at: Option<String>,
    /// The source connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_connection: Option<ConnectionStatus>,
    /// IMS organization the source connection was made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub organization_id: Option<String>,
    /// Sandbox the source connection was made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub sandbox: Option<String>,
    /// The last change made in AEP by somebody else, and what was done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drift: Option<LastDrift>,
    /// Creations under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["object".into()]))]
    pub pending: Vec<Pending>,
    /// Hash of the remote objects as last written; while it stands, nothing needs to be read from AEP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub applied_hash: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> CustomerIoSource {
        let spec = CustomerIoSourceSpec {
            sandbox: "prod".into(),
            credentials_ref: SecretReference {
                name: "adobe-credentials".into(),
            },
            ..CustomerIoSourceSpec::default()
        };
        CustomerIoSource::new("customer-io", spec)
    }

    #[test]
    fn the_sandbox_cannot_change_and_the_message_says_what_to_do() {
        let mut other = source();
        other.spec.sandbox = "dev".into();
        other.validate_cel().unwrap();
        let errors = other.validate_cel_update(&source()).unwrap_err();
        let text = errors.to_string();
        assert!(text.contains("sandbox cannot be changed"), "{text}");
        assert!(text.contains("Create another CustomerIoSource"), "{text}");
    }

    #[test]
    fn everything_else_may_change() {
        let mut other = source();
        other.spec.name = Some("n".into());
        other.spec.description = Some("d".into());
        other.spec.credentials_ref.name = "other".into();
        other.spec.organization_id = Some("1@AdobeOrg".into());
        other.spec.suspend = true;
        other.validate_cel_update(&source()).unwrap();
        source().validate_cel_update(&other).unwrap();
    }
}

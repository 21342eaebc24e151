//! `AepDataflow`: target connection, mapping set and flow on one source, and the inlet URL they give.

#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a private copy of each struct for its rules"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields;
use super::ingestion::{Expectation, LastRun, Outputs};
use super::lifecycle::{AdoptPolicy, DeletionPolicy, LastDrift, OnRemoteMissing};
use super::status::{self, ConnectionStatus, FlowStatus, MappingSetStatus, Pending};
use super::subscription::{Subscription, SubscriptionStatus};
pub use super::target::{
    DatasetReference, ExistingDataset, SchemaReference, Target, TargetSchema, TargetStatus,
};

/// What a dataflow should be.
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
    kind = "AepDataflow",
    plural = "aepdataflows",
    singular = "aepdataflow",
    shortname = "aepdf",
    category = "aep",
    namespaced,
    status = "AepDataflowStatus",
    selectable = ".spec.sourceRef.name",
    selectable = ".spec.target.datasetRef.name",
    doc = "A dataflow from a source into a dataset of Adobe Experience Platform: target connection, mapping set and flow.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".status.flow.state"),
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.sourceRef.name"),
    printcolumn(
        name = "Ingesting",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ingesting\")].status"
    ),
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
        name = "Flow",
        type_ = "string",
        json_path = ".status.flow.id",
        priority = 1
    ),
    printcolumn(
        name = "Target Connection",
        type_ = "string",
        json_path = ".status.targetConnection.id",
        priority = 1
    ),
    printcolumn(
        name = "Mapping Set",
        type_ = "string",
        json_path = ".status.mappingSet.id",
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
#[x_kube(validation = Rule::new("self.sourceRef == oldSelf.sourceRef").message("sourceRef cannot be changed: a flow stays on its source connection. Delete this AepDataflow and create one for the other source.").field_path(".sourceRef"))]
#[x_kube(validation = Rule::new("self.target == oldSelf.target").message("target cannot be changed: another dataset or schema needs a new flow with a new URL. Delete this AepDataflow and create one for the other target.").field_path(".target"))]
#[x_kube(validation = Rule::new("has(self.mapping) != has(self.mappingSet)").message("exactly one of mapping or mappingSet is needed: mapping lists the rows, mappingSet names a mapping set that was made elsewhere.").field_path(".mapping"))]
#[x_kube(validation = Rule::new("!has(oldSelf.adopt) || (has(self.adopt) && self.adopt.flowId == oldSelf.adopt.flowId)").message("adopt.flowId cannot be changed or removed once it is set: this resource holds that flow. Create another resource for another one.").field_path(".adopt"))]
pub struct AepDataflowSpec {
    /// The source whose events this dataflow carries. One dataflow per source. Cannot be changed.
    pub source_ref: SourceReference,
    /// Name of the flow in AEP: one line without `[aep-operator/`. Default: `<namespace>.<name>` of this resource. The
    /// target connection gets it too when it is created, and keeps that name when this one changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::display_name")]
    pub name: Option<String>,
    /// Description of the flow in AEP: one line without `[aep-operator/`, with which the ownership marker starts that
    /// the operator adds at the end. The target connection gets it too when it is created, and keeps that description
    /// when this one changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::description")]
    pub description: Option<String>,
    /// Where the records land. Cannot be changed.
    pub target: Target,
    /// How an event becomes a record: one row per destination field. Exactly one of `mapping` and `mappingSet` is
    /// needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["destination".into()]))]
    pub mapping: Vec<MappingRow>,
    /// A mapping set that was made elsewhere, instead of rows. It is used as it is: never changed, never deleted. Its
    /// output schema must be that of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping_set: Option<MappingSetReference>,
    /// Whether the flow runs. `Disabled` stops ingestion without deleting anything.
    #[serde(default)]
    pub state: DesiredState,
    /// What has to arrive, for the condition `Ingesting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
    /// A Secret to write the inlet's addresses into, for what reads them by itself. Taken out again or renamed, the
    /// Secret written before is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// The webhook that sends events to the flow. Left out: somebody makes it by hand. It is created disabled, enabled
    /// once Adobe's pause for a new flow is over, disabled and deleted before the flow is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Subscription>,
    /// What deleting this resource does to its objects in AEP: `Delete` deletes them, `Retain` leaves them and takes
    /// this resource's ownership marker off.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// What happens when an object of this resource is gone from AEP: `Stall` reports it, `Recreate` makes it again (a
    /// new flow may get another URL).
    #[serde(default)]
    pub on_remote_missing: OnRemoteMissing,
    /// An existing flow to take over, with its target connection and mapping set, instead of creating one. Its source
    /// connection must be that of the source. Its id cannot be changed once it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<FlowAdoption>,
    /// Stops all writes to AEP for this resource. The last Ready condition stays; deletion still works.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// Names a source in the namespace of the dataflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceReference {
    /// Kind of the source; may be left out.
    #[serde(default)]
    pub kind: SourceKind,
    /// Name of the source, in the namespace of this resource.
    #[schemars(schema_with = "fields::object_name")]
    pub name: String,
}

/// Kinds of source this operator knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourceKind {
    /// A `CustomerIoSource`.
    #[default]
    CustomerIoSource,
}

/// One field of the record: where its value comes from, and where it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.source) ? 1 : 0) + (has(self.expression) ? 1 : 0) + (has(self.value) ? 1 : 0) == 1").message("exactly one of source, expression or value is needed: source copies a field of the event, expression computes, value is constant"))]
pub struct MappingRow {
    /// Path of a field of the Customer.io event, such as `data.identifiers.email`. Exactly one of `source`,
    /// `expression` and `value` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::event_path")]
    pub source: Option<String>,
    /// Data Prep expression over fields of the event, such as `lower(data.identifiers.email)`; one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::expression")]
    pub expression: Option<String>,
    /// The same text in every record; one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[^\p{Zl}\p{Zp}\p{Cc}]*$")
    )]
    pub value: Option<String>,
    /// Path of the XDM field, such as `_mytenant.email`: names of letters, digits, `_`, `-` and `:`, joined by dots,
    /// each followed by `[0]` or `[*]` where it is a list. `_{tenant}` stands for the namespace of the organization's
    /// own fields, as in `_{tenant}.email`: the operator fills in the tenant id. Each destination may appear once.
    #[schemars(
        length(min = 1, max = 512),
        regex(
            pattern = r"^(_\{tenant\}|[A-Za-z0-9_][A-Za-z0-9_:-]*)(\[[0-9*]+\])?(\.(_\{tenant\}|[A-Za-z0-9_][A-Za-z0-9_:-]*)(\[[0-9*]+\])?)*$"
        )
    )]
    pub destination: String,
}

/// A version of a mapping set that was made elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingSetReference {
    /// Id of the mapping set in Data Prep.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub id: String,
    /// The version that the flow uses; the first one is 0. To use a newer one, change it here.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub version: i64,
}

/// Whether a flow should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DesiredState {
    /// The flow ingests.
    #[default]
    Enabled,
    /// The flow stands but does not ingest.
    Disabled,
}

/// An existing flow to take over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlowAdoption {
    /// Id of the flow in AEP.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub flow_id: String,
    /// How differences from the spec and markers of other resources are met.
    #[serde(default)]
    pub policy: AdoptPolicy,
}

/// What stands in AEP for an AepDataflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AepDataflowStatus {
    /// Generation of the spec that this status is about.
    #[serde(
        default,
        deserialize_with = "status::observed",
        skip_serializing_if = "Option::is_none"
    )]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Ingesting` once there is a flow, and `Reconciling` or `Stalled` while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "status::conditions")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Last value of the annotation `reconcile.fluxcd.io/requestedAt` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "status::annotation_value")]
    pub last_handled_reconcile_at: Option<String>,
    /// What `spec.target` came to when something was first built on it. It stays: a dataset that is renamed later does
    /// not move the flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetStatus>,
    /// The target connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_connection: Option<ConnectionStatus>,
    /// The mapping set of `spec.mapping`, and the version of it that was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping_set: Option<MappingSetStatus>,
    /// The flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowStatus>,
    /// URL of the inlet. Events go to it with `?x-adobe-flow-id=` and the flow's id added. Whoever knows it can
    /// write into the dataset: treat it as a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub inlet_url: Option<String>,
    /// The run that the condition `Ingesting` tells of. It changes with that condition's reason or AEP's error code, not
    /// with every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// Name of the Secret that `spec.outputs` has had written, or that is being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub outputs_secret: Option<String>,
    /// The webhook in Customer.io.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionStatus>,
    /// The Customer.io workspace the webhook was made in, as far as the operator can tell: its region, and a hash of
    /// the App API key. A webhook that another key cannot see may stand in another workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub workspace: Option<String>,
    /// IMS organization the remote objects were made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub organization_id: Option<String>,
    /// Sandbox the remote objects were made in.
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

    fn row(source: Option<&str>, expression: Option<&str>, value: Option<&str>) -> MappingRow {
        MappingRow {
            source: source.map(str::to_owned),
            expression: expression.map(str::to_owned),
            value: value.map(str::to_owned),
            destination: "_id".into(),
        }
    }

    fn dataflow() -> AepDataflow {
        let spec = AepDataflowSpec {
            source_ref: SourceReference {
                kind: SourceKind::CustomerIoSource,
                name: "customer-io".into(),
            },
            target: Target {
                existing: Some(ExistingDataset {
                    dataset_id: Some("63ec807d3f5ce91bd2d06c65".into()),
                    dataset_name: None,
                    schema: Some(SchemaReference {
                        id: "https://ns.adobe.com/t/schemas/1".into(),
                        major_version: 1,
                    }),
                }),
                dataset_ref: None,
            },
            mapping: vec![row(Some("event_id"), None, None)],
            ..AepDataflowSpec::default()
        };
        AepDataflow::new("events", spec)
    }

    fn changed(change: impl FnOnce(&mut AepDataflowSpec)) -> AepDataflow {
        let mut dataflow = dataflow();
        change(&mut dataflow.spec);
        dataflow
    }

    fn existing(spec: &mut AepDataflowSpec) -> &mut ExistingDataset {
        spec.target.existing.as_mut().unwrap()
    }

    fn schema(spec: &mut AepDataflowSpec) -> &mut SchemaReference {
        existing(spec).schema.as_mut().unwrap()
    }

    #[test]
    fn a_row_has_exactly_one_of_source_expression_and_value() {
        let some = Some("x");
        for (row, right) in [
            (row(some, None, None), true),
            (row(None, some, None), true),
            (row(None, None, some), true),
            (row(None, None, None), false),
            (row(some, some, None), false),
            (row(some, None, some), false),
            (row(None, some, some), false),
            (row(some, some, some), false),
        ] {
            let verdict = changed(|spec| spec.mapping.push(row.clone())).validate_cel();
            assert_eq!(verdict.is_ok(), right, "{row:?}: {verdict:?}");
            if let Err(errors) = verdict {
                let text = errors.to_string();
                assert!(
                    text.contains("exactly one of source, expression or value"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn source_and_target_cannot_change_and_the_message_says_what_to_do() {
        type Change = fn(&mut AepDataflowSpec);
        let target = "target cannot be changed";
        let changes: [(Change, &str); 6] = [
            (
                |spec| spec.source_ref.name = "other".into(),
                "sourceRef cannot be changed",
            ),
            (
                |spec| existing(spec).dataset_id = Some("other".into()),
                target,
            ),
            (|spec| schema(spec).id = "other".into(), target),
            (|spec| schema(spec).major_version = 2, target),
            (|spec| existing(spec).schema = None, target),
            (
                |spec| {
                    spec.target = Target {
                        existing: None,
                        dataset_ref: Some(DatasetReference { name: "d".into() }),
                    };
                },
                target,
            ),
        ];
        for (change, says) in changes {
            let errors = changed(change)
                .validate_cel_update(&dataflow())
                .expect_err(says);
            let text = errors.to_string();
            assert!(
                text.contains(says) && text.contains("Delete this AepDataflow"),
                "{text}"
            );
        }
    }

    #[test]
    fn everything_else_may_change() {
        let other = changed(|spec| {
            spec.name = Some("n".into());
            spec.description = Some("d".into());
            spec.mapping = vec![row(None, None, Some("x"))];
            spec.state = DesiredState::Disabled;
            spec.suspend = true;
        });
        other.validate_cel_update(&dataflow()).unwrap();
        dataflow().validate_cel_update(&other).unwrap();
    }

    #[test]
    fn what_may_be_left_out_reads_as_the_defaults_of_the_schema() {
        let text = r#"{
            "sourceRef": {"name": "customer-io"},
            "target": {"existing": {
                "datasetId": "63ec807d3f5ce91bd2d06c65",
                "schema": {"id": "https://ns.adobe.com/t/schemas/1"}
            }},
            "mapping": [{"source": "event_id", "destination": "_id"}]
        }"#;
        let spec: AepDataflowSpec = serde_json::from_str(text).unwrap();
        assert_eq!(spec, dataflow().spec);
    }
}

//! Where a dataflow's records land: as users name it, and as it was found.

#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a private copy of each struct for its rules"
)]

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::fields;

/// Where the records land. Exactly one of `existing` and `datasetRef` is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.existing) != has(self.datasetRef)").message("exactly one of existing or datasetRef is needed: existing names a dataset that stands in AEP, datasetRef an AepDataset of this namespace"))]
pub struct Target {
    /// A dataset that stands in AEP already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingDataset>,
    /// An `AepDataset` in the namespace of this resource. The flow is built once its dataset stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_ref: Option<DatasetReference>,
}

/// A dataset made outside this operator. Exactly one of `datasetId` and `datasetName` is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.datasetId) != has(self.datasetName)").message("exactly one of datasetId or datasetName is needed: an id names one dataset for ever, a name is looked up once and has to be the name of one dataset only"))]
pub struct ExistingDataset {
    /// Id of the dataset: 24 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 24), regex(pattern = "^[0-9a-f]{24}$"))]
    pub dataset_id: Option<String>,
    /// Name of the dataset. It is looked up before anything is built, and must be the name of one dataset of the
    /// sandbox only. Once something is built the dataset's id counts, whatever its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "fields::dataset_name")]
    pub dataset_name: Option<String>,
    /// Schema of the dataset. AEP refuses a flow whose mapping names another schema or version. Left out, it is read
    /// from the dataset, and the mapping is checked against the schema's class before anything is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaReference>,
}

/// Names an `AepDataset` in the namespace of the dataflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetReference {
    /// Name of the `AepDataset`, in the namespace of this resource.
    #[schemars(schema_with = "fields::object_name")]
    pub name: String,
}

/// An XDM schema by its `$id` and major version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaReference {
    /// The schema's `$id`, such as `https://ns.adobe.com/mytenant/schemas/0123abcd`.
    #[schemars(
        length(max = 256),
        regex(pattern = r"^https://ns\.adobe\.com/[A-Za-z0-9_.-]+/schemas/[A-Za-z0-9]+$")
    )]
    pub id: String,
    /// Major version of the schema, 1 if left out.
    #[serde(default = "first_version")]
    #[schemars(schema_with = "major_version")]
    pub major_version: u32,
}

fn first_version() -> u32 {
    1
}

fn major_version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 1000, "default": 1})
}

/// What `spec.target` came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Id of the dataset.
    #[schemars(length(max = 256))]
    pub dataset_id: String,
    /// Its schema.
    pub schema: TargetSchema,
    /// Tenant id of the organization, where a destination of the mapping has `{tenant}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub tenant_id: Option<String>,
}

/// The schema of a target, as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetSchema {
    /// The schema's `$id`.
    #[schemars(length(max = 1024))]
    pub id: String,
    /// Its major version.
    #[schemars(range(min = 0))]
    pub major_version: u32,
    /// The `$id` of its class, where the schema had to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub class: Option<String>,
}

//! What a dataflow says about its runs, and what is expected of them: the same for every kind of source.

#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a private copy of each struct for its rules"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::fields;

/// What has to arrive. Where it does not, the condition `Ingesting` is False; nothing is done to the flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.every) || has(self.maxFailedPercent)").message("expect needs every, maxFailedPercent or both: write how often events arrive, or how many records may fail; or leave expect out"))]
pub struct Expectation {
    /// At least one event arrives in any time this long: a number with `s`, `m` or `h`, such as `15m`. AEP tells of
    /// events in runs, each when its time is over, and the operator looks every `--runs-interval`: allow for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "span")]
    pub every: Option<String>,
    /// Of the records of one run, at most this many percent fail. 0: none. Without it, a run in which some records land
    /// and some fail is reported, but `Ingesting` stays True.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "percent")]
    pub max_failed_percent: Option<i32>,
}

/// Where a copy of the inlet's addresses goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// Name of a Secret in the namespace of this resource, with the keys `inletUrl`, `webhookUrl` (what a webhook in
    /// Customer.io posts to) and `flowId`. It is created, kept as it should be and deleted by the operator. One that
    /// exists already and is not this resource's is left as it is, and the resource is not `Ready`.
    #[schemars(schema_with = "fields::object_name")]
    pub secret_name: String,
}

/// The run that the condition `Ingesting` tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Id given by the Flow Service.
    #[schemars(length(max = 256))]
    pub id: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Records that came in, as far as AEP says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub received: Option<i64>,
    /// Records that landed in the dataset, as far as AEP says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ingested: Option<i64>,
    /// Records that failed, as far as AEP says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failed: Option<i64>,
    /// The first thing that went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunProblem>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RunOutcome {
    /// Everything landed.
    #[default]
    Succeeded,
    /// Some records landed, some failed.
    PartlyFailed,
    /// Nothing landed.
    Failed,
}

/// Something that went wrong in a run, in AEP's words. Samples of failed records are never shown: they hold people's
/// data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunProblem {
    /// AEP's code, such as `MAPPER-3700-400`.
    #[schemars(length(max = 1024))]
    pub code: String,
    /// AEP's message; words that may be an e-mail address are left out.
    #[schemars(length(max = 4096))]
    pub message: String,
}

/// Schema of a length of time, at most eleven years.
fn span(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 6, "pattern": "^[1-9][0-9]{0,4}[smh]$"})
}

fn percent(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 0, "maximum": 100})
}

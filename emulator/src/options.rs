//! What a stand-in is told at birth: pace, paging, and one switch per point that no public source of the
//! real platform settles. Set by the embedding program, by `aep-emulator serve` flags, or while running
//! by `POST /_emulator/options`; read by every service.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::seed::Seed;

/// Behaviour of a stand-in. Every field has a default; the unknowns default to the answer that is hardest
/// on a client, as long as the tutorial's own sequence of calls still works.
#[derive(Debug, Clone, Serialize, Deserialize, Args)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
// Switches are what this is.
#[allow(clippy::struct_excessive_bools)]
pub struct Options {
    /// How long a new flow stays `initializing`, without an inlet URL.
    #[arg(long, default_value = "6s", value_parser = duration)]
    #[serde(rename = "inletDelayMs", with = "millis")]
    pub inlet_delay: Duration,

    /// Start without the tutorial's schema and dataset.
    #[arg(long)]
    pub empty: bool,

    /// Scheme, host and port that inlet URLs start with; the server fills in its own address.
    #[arg(long)]
    pub base_url: Option<String>,

    /// Fixed latency of every call to the platform and to the App API.
    #[arg(long, default_value = "0s", value_parser = duration)]
    #[serde(rename = "latencyMs", with = "millis")]
    pub latency: Duration,

    /// Calls per second allowed to one organization and sandbox; above it the gateway answers 429.
    /// The platform's own figure is not public. None: no limit.
    #[arg(long)]
    pub rate_limit: Option<f64>,

    /// `Retry-After` seconds of those 429 answers; 0 leaves the header out.
    #[arg(long, default_value_t = 1)]
    pub retry_after: u64,

    /// Calls per second allowed to one App API key, as documented for most calls; 0: no limit.
    #[arg(long, default_value_t = 10.0)]
    pub app_api_rate_limit: f64,

    /// Page size of Flow Service lists without `limit` (not public).
    #[arg(long, default_value_t = 20)]
    pub default_page_limit: usize,

    /// Largest page size of Flow Service lists (not public; the search call documents 1000).
    #[arg(long, default_value_t = 1_000)]
    pub max_page_limit: usize,

    /// How long a new object, or webhook, is missing from lists (consistency is not public).
    #[arg(long, default_value = "0s", value_parser = duration)]
    #[serde(rename = "listLagMs", with = "millis")]
    pub list_lag: Duration,

    /// Whether an update settles in the background and moves the etag once more after the reply.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub update_moves_etag: bool,

    /// How long that takes; meanwhile the flow is `updating` and refuses writes.
    #[arg(long, default_value = "0s", value_parser = duration)]
    #[serde(rename = "updateDelayMs", with = "millis")]
    pub update_delay: Duration,

    /// Interval after which a flow's etag moves by itself; 0: never.
    #[arg(long, default_value = "0s", value_parser = duration)]
    #[serde(rename = "etagDriftMs", with = "millis")]
    pub etag_drift: Duration,

    /// How long enabling and disabling take (`enabling`, `disabling` meanwhile).
    #[arg(long, default_value = "0s", value_parser = duration)]
    #[serde(rename = "actionDelayMs", with = "millis")]
    pub action_delay: Duration,

    /// How long a deleted flow goes on standing (`delete-finalizing` meanwhile) and using its connections
    /// and mapping set.
    #[arg(long, default_value = "0s", value_parser = duration)]
    #[serde(rename = "deleteDelayMs", with = "millis")]
    pub delete_delay: Duration,

    /// Whether actions want `subOp`, as the published specification says and the prose does not.
    #[arg(long)]
    pub action_needs_sub_op: bool,

    /// Whether one source connection may serve two flows.
    #[arg(long, value_enum, default_value_t)]
    pub shared_source: Permission,

    /// Whether a connection may be deleted while a flow uses it.
    #[arg(long, value_enum, default_value_t)]
    pub connection_delete_in_use: Permission,

    /// Whether deleting a flow also removes its source and target connections.
    #[arg(long)]
    pub flow_delete_takes_connections: bool,

    /// Whether `/sourceConnectionIds`, `/targetConnectionIds` and `/options` of a flow may be patched.
    #[arg(long, value_enum, default_value_t)]
    pub patch_flow_wiring: Permission,

    /// Whether a source or target connection may be patched.
    #[arg(long, value_enum, default_value_t)]
    pub patch_connection: Permission,

    /// Whether mapping sets can be deleted: in neither specification nor prose, yet one client does it.
    #[arg(long, value_enum, default_value_t)]
    pub mapping_set_delete: MappingSetDelete,

    /// Whether a dataset may be deleted while a target connection names it, a schema while a dataset does.
    #[arg(long, value_enum, default_value_t)]
    pub dataset_delete_in_use: Permission,

    /// From when on a schema refuses changes that break records: the troubleshooting guide says since a dataset
    /// was made for it, the schema guide since there is data.
    #[arg(long, value_enum, default_value_t)]
    pub breaking_change: BreakingChange,

    /// How bad rows or expressions are answered when they are validated: with a verdict, as on Adobe's pages, or
    /// with a 400, which the specification has too.
    #[arg(long, value_enum, default_value_t)]
    pub bad_mapping: BadMapping,

    /// Whether the organization sees the connection spec of Customer.io, a source in beta; and how it is told
    /// that it does not.
    #[arg(long, value_enum, default_value_t)]
    pub customer_io_spec: SpecSight,

    /// The same of the flow spec that its flows are made of.
    #[arg(long, value_enum, default_value_t)]
    pub flow_spec: SpecSight,

    /// Whether two datasets may have one name.
    #[arg(long, value_enum, default_value_t)]
    pub dataset_names: DatasetNames,

    /// `mappingVersion` in flows as the number that was sent, or as a string, as the flow spec types it.
    #[arg(long, value_enum, default_value_t)]
    pub mapping_version: NumberShape,

    /// HTTP status of a refused token request.
    #[arg(long, default_value_t = 401)]
    pub ims_error_status: u16,

    /// Life of a token, in seconds.
    #[arg(long, default_value_t = 86_399)]
    pub token_ttl_s: u64,

    /// Report that life in milliseconds, as older IMS answers did.
    #[arg(long)]
    pub token_ttl_in_ms: bool,

    /// Whether all flows of a sandbox share one inlet.
    #[arg(long, value_enum, default_value_t)]
    pub inlet: InletShape,

    /// Whether a flow keeps its inlet URL when it is enabled again and when its mapping changes.
    #[arg(long, default_value = "yes", value_parser = BoolishValueParser::new(), action = clap::ArgAction::Set)]
    pub inlet_stable: bool,

    /// What an inlet says to a message whose flow is disabled.
    #[arg(long, value_enum, default_value_t = InletAnswer::Lost)]
    pub inlet_disabled_flow: InletAnswer,

    /// What an inlet says to a message whose flow does not exist, or that names no flow.
    #[arg(long, value_enum, default_value_t = InletAnswer::BadRequest)]
    pub inlet_missing_flow: InletAnswer,

    /// Whether an inlet takes a message that names no flow if it has one flow only.
    #[arg(long, value_enum, default_value_t)]
    pub inlet_bare: Permission,

    /// Length of the window that one flow run sums up.
    #[arg(long, default_value = "60s", value_parser = duration)]
    #[serde(rename = "runWindowMs", with = "millis")]
    pub run_window: Duration,

    /// How long a flow run is listed after its window; 0: for ever (retention is not public).
    #[arg(long, default_value = "0s", value_parser = duration)]
    #[serde(rename = "runRetentionMs", with = "millis")]
    pub run_retention: Duration,

    /// Whether a run is listed, as under way, while its window is open.
    #[arg(long)]
    pub run_in_progress: bool,

    /// Whether Customer.io takes two webhooks with the same endpoint.
    #[arg(long, value_enum, default_value_t = Permission::Allowed)]
    pub webhook_same_endpoint: Permission,

    /// Whether Customer.io keeps an endpoint as it was written, or writes it anew (case, port, query).
    #[arg(long, value_enum, default_value_t)]
    pub webhook_endpoint: WebhookEndpoint,

    /// Whether Customer.io tries an endpoint before it creates a webhook, and refuses one that gives no 2xx.
    #[arg(long)]
    pub webhook_probe: bool,

    /// The most webhooks a workspace may have; 0: no limit.
    #[arg(long, default_value_t = 0)]
    pub webhook_limit: usize,

    /// What becomes of events while a webhook is disabled.
    #[arg(long, value_enum, default_value_t)]
    pub webhook_backlog: Backlog,

    /// Whether a webhook update may leave fields out.
    #[arg(long, value_enum, default_value_t)]
    pub webhook_partial_put: Permission,

    /// Shape of single webhooks in App API answers.
    #[arg(long, value_enum, default_value_t)]
    pub webhook_replies: WebhookReply,

    /// Where ids, etags and tokens start; the same seed and the same calls give the same answers.
    #[arg(long = "seed", default_value_t = 1)]
    pub random_seed: u64,

    /// How many calls the request log keeps.
    #[arg(long, default_value_t = 100_000)]
    pub log_limit: usize,

    /// Who and what a fresh state knows.
    #[arg(skip)]
    #[serde(skip)]
    pub seed: Seed,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            inlet_delay: Duration::from_secs(6),
            empty: false,
            base_url: None,
            latency: Duration::from_millis(0),
            rate_limit: None,
            retry_after: 1,
            app_api_rate_limit: 10.0,
            default_page_limit: 20,
            max_page_limit: 1_000,
            list_lag: Duration::from_millis(0),
            update_moves_etag: true,
            update_delay: Duration::from_millis(0),
            etag_drift: Duration::from_millis(0),
            action_delay: Duration::from_millis(0),
            delete_delay: Duration::from_millis(0),
            action_needs_sub_op: false,
            shared_source: Permission::Refused,
            connection_delete_in_use: Permission::Refused,
            flow_delete_takes_connections: false,
            patch_flow_wiring: Permission::Refused,
            patch_connection: Permission::Refused,
            mapping_set_delete: MappingSetDelete::Supported,
            dataset_delete_in_use: Permission::Refused,
            breaking_change: BreakingChange::WithDataset,
            bad_mapping: BadMapping::Verdict,
            customer_io_spec: SpecSight::Visible,
            flow_spec: SpecSight::Visible,
            dataset_names: DatasetNames::Free,
            mapping_version: NumberShape::Number,
            ims_error_status: 401,
            token_ttl_s: 86_399,
            token_ttl_in_ms: false,
            inlet: InletShape::Shared,
            inlet_stable: true,
            inlet_disabled_flow: InletAnswer::Lost,
            inlet_missing_flow: InletAnswer::BadRequest,
            inlet_bare: Permission::Refused,
            run_window: Duration::from_mins(1),
            run_retention: Duration::ZERO,
            run_in_progress: false,
            webhook_same_endpoint: Permission::Allowed,
            webhook_endpoint: WebhookEndpoint::Rewritten,
            webhook_probe: false,
            webhook_limit: 0,
            webhook_backlog: Backlog::Dropped,
            webhook_partial_put: Permission::Refused,
            webhook_replies: WebhookReply::Flat,
            random_seed: 1,
            log_limit: 100_000,
            seed: Seed::default(),
        }
    }
}

/// Whether something undocumented is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Permission {
    /// Answered with the error that the catalogue has for it.
    #[default]
    Refused,
    /// Done.
    Allowed,
}

impl Permission {
    pub(crate) fn refused(self) -> bool {
        self == Self::Refused
    }
}

/// What `DELETE /mappingSets/{id}` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum MappingSetDelete {
    /// 204, also while a flow uses the set.
    #[default]
    Supported,
    /// 204, but 400 while a flow uses the set.
    RefusedInUse,
    /// 404: the route does not exist.
    NotFound404,
    /// 405: the route does not know the method.
    NotAllowed405,
}

/// From when on a schema refuses breaking changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum BreakingChange {
    /// Once a dataset is made for it.
    #[default]
    WithDataset,
    /// Once such a dataset holds data.
    WithData,
}

/// Whether the name of a dataset is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum DatasetNames {
    /// Any number of datasets may share one.
    #[default]
    Free,
    /// A name that another dataset of the sandbox has is refused.
    Unique,
}

/// How a mapping or an expression that is wrong is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum BadMapping {
    /// 200 with `FAILED` for each bad row; `false` for an expression.
    #[default]
    Verdict,
    /// 400 with a message.
    Refused,
}

/// How a spec looks to the organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum SpecSight {
    /// There.
    #[default]
    Visible,
    /// Not found, and not a valid spec in a creation.
    NotFound,
    /// Known, but the organization is not entitled to it.
    NotEntitled,
}

/// How a number comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum NumberShape {
    /// As a JSON number.
    #[default]
    Number,
    /// As a JSON string.
    String,
}

/// Which inlet a new flow gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum InletShape {
    /// One for the sandbox: only the flow id in the URL tells messages apart.
    #[default]
    Shared,
    /// A new one for every flow.
    PerFlow,
}

/// What an inlet answers when it cannot route a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum InletAnswer {
    /// 200, and the message is lost.
    Lost,
    /// 400 with the inlet's problem body.
    BadRequest,
    /// 404 with the inlet's problem body.
    NotFound,
}

/// Shape of single webhooks in App API answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum WebhookReply {
    /// The webhook itself, as the specification says.
    #[default]
    Flat,
    /// Inside `reporting_webhook`, as one client library expects.
    Wrapped,
}

/// What Customer.io keeps of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum WebhookEndpoint {
    /// Another spelling of the same address: parameters sorted and encoded anew, no default port.
    #[default]
    Rewritten,
    /// Every byte.
    Verbatim,
}

/// What becomes of events for a disabled webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Backlog {
    /// They are lost.
    #[default]
    Dropped,
    /// They are delivered once it is enabled, with the next events that are emitted.
    Kept,
}

/// `250ms`, `6s`, `2m`, or a bare number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|letter: char| letter.is_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number
        .trim()
        .parse()
        .map_err(|_| format!("`{text}` is not a duration such as 250ms or 6s"))?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        _ => return Err(format!("`{unit}` is not a unit of time; use ms, s or m")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Durations as milliseconds in JSON.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::millis;

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(millis(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Options, duration};

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("6s"), Ok(Duration::from_secs(6)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("six").is_err());
    }

    #[test]
    fn options_can_be_changed_one_at_a_time_as_json() {
        let options: Options =
            serde_json::from_str(r#"{"inletDelayMs": 0, "mappingSetDelete": "notAllowed405"}"#)
                .unwrap();
        assert_eq!(options.inlet_delay, Duration::ZERO);
        assert!(serde_json::from_str::<Options>(r#"{"inletDelay": 0}"#).is_err());
    }
}

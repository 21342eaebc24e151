//! The tables: every answer to every question, and which of them other tests ask.

use std::collections::BTreeSet;
use std::time::Duration;

use aep_emulator::{
    DatasetNames, InletShape, MappingSetDelete, NumberShape, Permission, WebhookReply,
};

use super::{Met, NOTHING, Unknown, row};

#[expect(clippy::too_many_lines, reason = "a table, one row an answer")]
pub(super) fn answers() -> Vec<Unknown> {
    vec![
        row(&[], "every default", NOTHING, |_| {}),
        row(&["--inlet-delay"], "at once", NOTHING, |it| {
            it.inlet_delay = Duration::ZERO;
        }),
        row(&["--inlet-delay"], "five minutes", NOTHING, |it| {
            it.inlet_delay = Duration::from_mins(5);
        }),
        row(&["--inlet"], "each flow has its own", NOTHING, |it| {
            it.inlet = InletShape::PerFlow;
        }),
        row(
            &["--patch-connection"],
            "connections can be changed",
            Met::Call(
                "PATCH /data/foundation/flowservice/sourceConnections/",
                "200",
            ),
            |it| it.patch_connection = Permission::Allowed,
        ),
        row(
            &["--patch-flow-wiring"],
            "a flow's connections can be changed",
            NOTHING,
            |it| it.patch_flow_wiring = Permission::Allowed,
        ),
        row(
            &["--shared-source"],
            "a source connection serves many flows",
            NOTHING,
            |it| it.shared_source = Permission::Allowed,
        ),
        row(
            &["--connection-delete-in-use"],
            "a connection in use can be deleted",
            NOTHING,
            |it| it.connection_delete_in_use = Permission::Allowed,
        ),
        row(
            &["--flow-delete-takes-connections"],
            "a flow takes its connections along",
            Met::Call(
                "DELETE /data/foundation/flowservice/targetConnections/",
                "404",
            ),
            |it| it.flow_delete_takes_connections = true,
        ),
        row(
            &["--mapping-set-delete"],
            "not while a flow uses it",
            NOTHING,
            |it| it.mapping_set_delete = MappingSetDelete::RefusedInUse,
        ),
        row(
            &["--mapping-set-delete"],
            "there is no such route",
            Met::Call("DELETE /data/foundation/conversion/mappingSets/", "404"),
            |it| it.mapping_set_delete = MappingSetDelete::NotFound404,
        ),
        row(
            &["--mapping-set-delete"],
            "the route does not know the method",
            Met::Call("DELETE /data/foundation/conversion/mappingSets/", "405"),
            |it| it.mapping_set_delete = MappingSetDelete::NotAllowed405,
        ),
        row(
            &["--update-moves-etag"],
            "an etag stays after the reply",
            NOTHING,
            |it| it.update_moves_etag = false,
        ),
        row(
            &["--etag-drift"],
            "an etag moves by itself",
            NOTHING,
            |it| {
                it.etag_drift = Duration::from_mins(1);
            },
        ),
        row(
            &["--update-delay"],
            "an update takes a minute",
            NOTHING,
            |it| {
                it.update_delay = Duration::from_mins(1);
            },
        ),
        row(
            &["--action-delay"],
            "an action takes a minute",
            NOTHING,
            |it| {
                it.action_delay = Duration::from_mins(1);
            },
        ),
        row(
            &["--delete-delay", "--mapping-set-delete"],
            "a deletion takes two minutes, and what the flow names is in use meanwhile",
            Met::Call(
                "DELETE /data/foundation/flowservice/targetConnections/",
                "400",
            ),
            |it| {
                it.delete_delay = Duration::from_mins(2);
                it.mapping_set_delete = MappingSetDelete::RefusedInUse;
            },
        ),
        row(
            &["--delete-delay", "--connection-delete-in-use"],
            "a deletion takes twenty minutes, and what the flow names goes at once",
            NOTHING,
            |it| {
                // Longer than the pause before the dataflow is made again.
                it.delete_delay = Duration::from_mins(20);
                it.connection_delete_in_use = Permission::Allowed;
            },
        ),
        row(
            &["--action-needs-sub-op"],
            "actions want subOp",
            Met::Call("POST /data/foundation/flowservice/flows/", "400"),
            |it| it.action_needs_sub_op = true,
        ),
        row(&["--mapping-version"], "it is a text", NOTHING, |it| {
            it.mapping_version = NumberShape::String;
        }),
        row(
            &["--list-lag"],
            "lists are a minute and a half behind",
            NOTHING,
            |it| it.list_lag = Duration::from_secs(90),
        ),
        row(
            &["--default-page-limit", "--max-page-limit"],
            "a page has one object",
            Met::Call("continuationToken=", "200"),
            |it| (it.default_page_limit, it.max_page_limit) = (1, 1),
        ),
        row(
            &["--ims-error-status"],
            "a refused token request is a 400",
            Met::Call("POST /ims/token/v3", "400"),
            |it| it.ims_error_status = 400,
        ),
        row(
            &["--token-ttl-in-ms"],
            "the life of a token is in milliseconds",
            NOTHING,
            |it| it.token_ttl_in_ms = true,
        ),
        row(&[], "a token lives for a minute", NOTHING, |it| {
            it.token_ttl_s = 60;
        }),
    ]
}

/// The inlets that webhooks were told to send to, by calls of this method.
fn inlets(lines: &[String], method: &str) -> BTreeSet<String> {
    let call = format!("{method} /v1/reporting_webhooks");
    let told = lines.iter().filter(|line| line.contains(&call));
    told.filter_map(|line| line.split_once("/collection/")?.1.split('?').next())
        .map(str::to_owned)
        .collect()
}

/// The same about datasets of our own and about webhooks. Both dataflows have a webhook.
pub(super) fn wide_answers() -> Vec<Unknown> {
    vec![
        row(
            &[],
            "every default",
            Met::All(|lines| inlets(lines, "POST").len() == 1),
            |_| {},
        ),
        row(
            &["--inlet"],
            "each flow has its own",
            Met::All(|lines| inlets(lines, "POST").len() == 2),
            |it| it.inlet = InletShape::PerFlow,
        ),
        row(
            &["--inlet-stable"],
            "a flow gets another URL with a mapping and when it is enabled",
            Met::All(|lines| !inlets(lines, "PUT").is_subset(&inlets(lines, "POST"))),
            |it| it.inlet_stable = false,
        ),
        row(
            &[
                "--inlet-stable",
                "--inlet",
                "--update-delay",
                "--action-delay",
            ],
            "the same, each flow has its own, and changes take a minute",
            Met::All(|lines| !inlets(lines, "PUT").is_subset(&inlets(lines, "POST"))),
            |it| {
                it.inlet_stable = false;
                it.inlet = InletShape::PerFlow;
                it.update_delay = Duration::from_mins(1);
                it.action_delay = Duration::from_mins(1);
            },
        ),
        row(
            &["--webhook-replies"],
            "a webhook comes wrapped",
            NOTHING,
            |it| it.webhook_replies = WebhookReply::Wrapped,
        ),
        row(
            &["--app-api-rate-limit"],
            "one call a second",
            Met::Call("/v1/reporting_webhooks", "429"),
            |it| it.app_api_rate_limit = 1.0,
        ),
        row(
            &["--list-lag"],
            "lists are a minute and a half behind",
            NOTHING,
            |it| it.list_lag = Duration::from_secs(90),
        ),
        row(
            &["--list-lag"],
            "lists are five minutes behind, longer than the operator waits for them",
            NOTHING,
            |it| it.list_lag = LATE,
        ),
        row(
            &["--delete-delay"],
            "a deletion takes two minutes",
            Met::Call(
                "DELETE /data/foundation/flowservice/targetConnections/",
                "400",
            ),
            |it| it.delete_delay = Duration::from_mins(2),
        ),
    ]
}

/// Longer than the operator waits for what it made to be listed (`--create-settle`).
pub(super) const LATE: Duration = Duration::from_mins(5);

/// What was made by a call whose answer was lost, under late lists: the call, and what shows that it was met.
pub(super) fn lost_answers() -> Vec<(&'static str, Unknown)> {
    vec![
        (
            "tenant/fieldgroups",
            row(
                &["--list-lag"],
                "a field group is listed late",
                Met::Call(
                    "POST /data/foundation/schemaregistry/tenant/fieldgroups",
                    "400",
                ),
                |it| it.list_lag = LATE,
            ),
        ),
        (
            "tenant/schemas",
            row(
                &["--list-lag"],
                "a schema is listed late",
                Met::Call("POST /data/foundation/schemaregistry/tenant/schemas", "400"),
                |it| it.list_lag = LATE,
            ),
        ),
        (
            "catalog/dataSets",
            row(
                &["--list-lag", "--dataset-names"],
                "a dataset is listed late, and names are unique",
                Met::Call("POST /data/foundation/catalog/dataSets", "400"),
                |it| (it.list_lag, it.dataset_names) = (LATE, DatasetNames::Unique),
            ),
        ),
        (
            "catalog/dataSets",
            row(
                &["--list-lag", "--dataset-names"],
                "a dataset is listed late, and names are free",
                Met::All(|lines| {
                    let call = "POST /data/foundation/catalog/dataSets";
                    let made = |it: &&String| it.contains(call) && it.ends_with("-> 201");
                    lines.iter().filter(made).count() == 2
                }),
                |it| it.list_lag = LATE,
            ),
        ),
        (
            "v1/reporting_webhooks",
            row(
                &["--list-lag", "--webhook-same-endpoint"],
                "a webhook is listed late, and one endpoint has one webhook",
                Met::Call("POST /v1/reporting_webhooks", "400"),
                |it| {
                    (it.list_lag, it.webhook_same_endpoint) = (LATE, Permission::Refused);
                },
            ),
        ),
        (
            "v1/reporting_webhooks",
            row(
                &["--list-lag", "--webhook-same-endpoint"],
                "a webhook is listed late, and one endpoint may have two",
                // One of them goes long before everything does.
                Met::All(|lines| {
                    let mut life = lines.iter().take_while(|it| !it.ends_with("is deleted"));
                    life.any(|it| it.contains("DELETE /v1/reporting_webhooks/"))
                }),
                |it| it.list_lag = LATE,
            ),
        ),
    ]
}

/// Questions that are not asked here: nothing in the stories meets them, because nobody sends events, refuses a webhook
/// or uses a dataset beside the operator. Each with the file and the test of the end to end suite that asks it; what
/// becomes of 429 is asked there, because one call a second with long pauses takes the operator hours.
pub(super) const NOT_MET: [(&str, &str, &str); 19] = [
    ("--rate-limit", "throttling", THROTTLED),
    ("--retry-after", "throttling", THROTTLED),
    (
        "--inlet-disabled-flow",
        "subscription",
        "it_is_silent_before_its_flow_is_and_speaks_after_it_does",
    ),
    (
        "--inlet-missing-flow",
        "subscription",
        "it_goes_before_its_flow_and_nothing_stays",
    ),
    (
        "--inlet-bare",
        "subscription",
        "it_is_made_disabled_enabled_after_the_pause_and_events_land",
    ),
    (
        "--customer-io-spec",
        "preflight",
        "a_source_that_the_catalogue_does_not_list_is_named_before_anything_is_made",
    ),
    (
        "--flow-spec",
        "preflight",
        "flows_that_the_catalogue_does_not_list_are_named_before_anything_is_made",
    ),
    (
        "--dataset-names",
        "dataset_unknowns",
        "a_name_that_another_dataset_has_is_told_if_it_may_not_be_used_twice",
    ),
    (
        "--dataset-delete-in-use",
        "dataset_unknowns",
        "a_dataset_that_somebody_else_uses_goes_when_the_platform_lets_it",
    ),
    (
        "--breaking-change",
        "dataset_unknowns",
        "a_field_that_somebody_could_take_away_comes_back",
    ),
    (
        "--bad-mapping",
        "mapping",
        "rows_that_the_platform_refuses_never_reach_a_flow_that_runs",
    ),
    (
        "--webhook-endpoint",
        "webhook_unknowns",
        "one_that_customer_io_spells_as_it_was_written_is_the_same_one",
    ),
    (
        "--webhook-probe",
        "webhook_unknowns",
        "one_that_is_refused_while_its_flow_is_disabled_is_made_with_it",
    ),
    (
        "--webhook-limit",
        "webhook_unknowns",
        "one_webhook_too_many_is_told_and_made_once_there_is_room",
    ),
    (
        "--webhook-backlog",
        "webhook_unknowns",
        "events_of_the_pause_that_were_kept_land_after_it",
    ),
    (
        "--webhook-partial-put",
        "subscription_troubles",
        "what_somebody_changes_is_put_right_whole_and_told",
    ),
    ("--run-in-progress", "ingestion", RUNS),
    ("--run-retention", "ingestion", RUNS),
    ("--run-window", "ingestion", RUNS),
];

const THROTTLED: &str = "a_mass_is_made_within_the_limit_and_an_edit_does_not_wait_for_it";
const RUNS: &str = "a_run_says_nothing_before_its_end_and_stays_said_after_it_is_forgotten";

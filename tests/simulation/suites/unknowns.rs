//! What no public source says of the platform, each answer in turn: a dataflow is made, changed in every way, changed
//! elsewhere, deleted and made again, and after each of these all is as it should be.
//!
//! docs/emulator.md has the list of unknowns; a switch that is missing here fails a test.

use std::collections::BTreeSet;
use std::time::Duration;

use aep_emulator::{
    DatasetNames, InletShape, MappingSetDelete, NumberShape, Options, Permission, WebhookReply,
};
use simulation::check::Checks;
use simulation::line::{Death, Moment};
use simulation::process::End;
use simulation::run::run;
use simulation::scenario::{Act, Scenario};
use simulation::weather::Weather;

/// One answer to one question.
struct Unknown {
    /// The switches that play it, as in docs/emulator.md.
    switches: &'static [&'static str],
    /// The answer, in words.
    answer: &'static str,
    options: Options,
    met: Met,
}

/// What happens in the story under an answer only.
#[derive(Clone, Copy)]
enum Met {
    /// No call is peculiar to it: what it changes is what answers hold, or how long things take.
    Nothing,
    /// A call: a part of it, and its status.
    Call(&'static str, &'static str),
    /// Something about all calls.
    All(fn(&[String]) -> bool),
}

impl Met {
    fn is_in(self, lines: &[String]) -> bool {
        match self {
            Self::Nothing => true,
            Self::Call(call, status) => {
                let ends = format!("-> {status}");
                lines
                    .iter()
                    .any(|line| line.contains(call) && line.ends_with(&ends))
            }
            Self::All(holds) => holds(lines),
        }
    }
}

fn row(
    switches: &'static [&'static str],
    answer: &'static str,
    met: Met,
    change: fn(&mut Options),
) -> Unknown {
    let mut options = Options {
        log_limit: 1,
        ..Options::default()
    };
    change(&mut options);
    Unknown {
        switches,
        answer,
        options,
        met,
    }
}

const NOTHING: Met = Met::Nothing;

#[expect(clippy::too_many_lines, reason = "a table, one row an answer")]
fn answers() -> Vec<Unknown> {
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
fn wide_answers() -> Vec<Unknown> {
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
const LATE: Duration = Duration::from_mins(5);

/// What was made by a call whose answer was lost, under late lists: the call, and what shows that it was met.
fn lost_answers() -> Vec<(&'static str, Unknown)> {
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
const NOT_MET: [(&str, &str, &str); 19] = [
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
        "dataset",
        "fields_are_added_and_what_would_break_records_is_refused",
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

/// What happens, one after the other. Another dataflow, on another source, stands beside it.
const STORY: [Act; 12] = [
    Act::RenameSource(0),
    Act::RenameDataflow(0),
    Act::DescribeDataflow(0),
    Act::MapDataflow(0),
    Act::SwitchDataflow(0),
    Act::EditFlow,
    Act::SwitchDataflow(0),
    Act::SpoilSecret,
    Act::GiveSecret,
    Act::EditFlow,
    Act::DeleteDataflow(0),
    Act::CreateDataflow(0),
];

/// The same of a dataset of our own and of a subscription, which the first dataflow has.
const WIDE_STORY: [Act; 11] = [
    Act::DescribeDataset(0),
    Act::GrowDataset(0),
    Act::MapDataflow(0),
    Act::SwitchDataflow(0),
    Act::SwitchDataflow(0),
    Act::EditWebhook,
    Act::SubscribeDataflow(0),
    Act::SubscribeDataflow(0),
    Act::DeleteDataflow(0),
    Act::DeleteDataset(0),
    Act::CreateDataset(0),
];

/// Between two acts: longer than anything above takes.
const PAUSE: u64 = 900_000;

fn scenario(options: Options, acts: &[Act]) -> Scenario {
    let mut story = vec![
        (1, Act::GiveSecret),
        (2, Act::CreateSource(0)),
        (3, Act::CreateDataflow(0)),
        (4, Act::CreateSource(1)),
        (5, Act::CreateDataflow(1)),
    ];
    for (number, act) in (1..).zip(acts) {
        story.push((number * PAUSE, *act));
    }
    Scenario {
        options,
        calm_at: story.last().map_or(0, |(at, _)| *at) + 1,
        acts: story,
        ..Scenario::plain(2)
    }
}

fn wide_scenario(options: Options, acts: &[Act]) -> Scenario {
    let mut scenario = scenario(options, acts);
    scenario.datasets = 1;
    scenario.targets[0] = Some(0);
    scenario.subscribed = vec![true; 2];
    scenario.acts.push((6, Act::CreateDataset(0)));
    scenario.acts.sort_by_key(|(at, _)| *at);
    scenario
}

/// The story is told up to each of its acts: then everything has to become as it should be, and stay so.
fn told(unknown: &Unknown, story: &[Act], scene: fn(Options, &[Act]) -> Scenario) -> Vec<String> {
    let who = format!("{} {}", unknown.switches.join(" "), unknown.answer);
    let mut wrong = Vec::new();
    for acts in 0..=story.len() {
        let scenario = scene(unknown.options.clone(), &story[..acts]);
        let whole = acts == story.len();
        let outcome = run(&scenario, Weather::none(), Checks::default(), whole);
        let last = acts.checked_sub(1).map(|last| story[last]);
        if let Some(violation) = outcome.violation {
            wrong.push(format!("{who}, after {last:?}: {violation}"));
        }
        if whole && !unknown.met.is_in(outcome.trace.lines()) {
            wrong.push(format!("{who}: never met"));
        }
    }
    wrong
}

#[test]
fn under_every_answer_each_change_ends_well() {
    let mut wrong = Vec::new();
    for unknown in answers() {
        // A source whose connection went with a dataflow's flow asks what to do (`RemoteMissing`): there the story
        // ends with everything deleted at once.
        let end = if unknown.options.flow_delete_takes_connections {
            STORY.len() - 2
        } else {
            STORY.len()
        };
        wrong.extend(told(&unknown, &STORY[..end], scenario));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn so_does_each_change_of_a_dataset_and_of_a_subscription() {
    let wrong: Vec<String> = wide_answers()
        .iter()
        .flat_map(|unknown| told(unknown, &WIDE_STORY, wide_scenario))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The reply to a creation is lost with the process that waited for it, and no list shows what was made until the
/// operator has stopped waiting: it is found all the same, nothing is made twice, and nobody else is accused.
#[test]
fn what_a_lost_answer_made_is_found_however_late_it_is_listed() {
    let mut wrong = Vec::new();
    for (path, unknown) in lost_answers() {
        let mut scenario = wide_scenario(unknown.options.clone(), &[]);
        scenario.calm_at = millis(LATE);
        let (method, moment) = ("POST", Moment::AfterCommit);
        scenario.replicas = vec![vec![End::Killed(Death::At {
            method,
            path,
            moment,
        })]];
        let outcome = run(&scenario, Weather::none(), Checks::default(), true);
        let lines = outcome.trace.lines();
        let kills = outcome.trace.counts().get("kills").copied();
        let accused = lines.iter().find(|line| line.contains("OwnedByAnother"));
        if let Some(what) = outcome.violation.as_ref().or(accused) {
            wrong.push(format!("{}: {what}", unknown.answer));
        }
        if kills != Some(1) || !unknown.met.is_in(lines) {
            wrong.push(format!("{}: never met, {kills:?} kills", unknown.answer));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The table in docs/emulator.md and the one above have the same switches.
#[test]
fn every_unknown_of_the_documentation_is_tried() {
    let text = std::fs::read_to_string("../../docs/emulator.md").unwrap();
    let (_, part) = text.split_once("## What no public source says").unwrap();
    let documented: BTreeSet<&str> = part
        .split('`')
        .filter(|word| word.starts_with("--"))
        .collect();
    let mut tried = BTreeSet::new();
    let lost = lost_answers().into_iter().map(|(_, unknown)| unknown);
    for unknown in answers().into_iter().chain(wide_answers()).chain(lost) {
        tried.extend(unknown.switches);
    }
    for (switch, file, test) in NOT_MET {
        let path = format!("../suites/end_to_end/{file}.rs");
        let suite = std::fs::read_to_string(path).unwrap();
        assert!(
            suite.contains(&format!("async fn {test}()")),
            "{switch}: {test} in {file}"
        );
        tried.insert(switch);
    }
    assert_eq!(documented, tried);
}

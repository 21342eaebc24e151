//! What no public source says of the platform, each answer in turn: a dataflow is made, changed in every way, changed
//! elsewhere, deleted and made again, and after each of these all is as it should be.
//!
//! docs/emulator.md has the list of unknowns; a switch that is missing here fails a test.

use std::collections::BTreeSet;
use std::time::Duration;

use aep_emulator::{
    Backlog, BadMapping, BreakingChange, InletShape, MappingSetDelete, NumberShape, Options,
    Permission, WebhookEndpoint, WebhookReply,
};
use simulation::check::Checks;
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
    /// A call (its beginning and its status) that happens in the story under this answer only; empty: none is peculiar
    /// to it.
    met: (&'static str, &'static str),
}

fn row(
    switches: &'static [&'static str],
    answer: &'static str,
    met: (&'static str, &'static str),
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

/// No call is peculiar to an answer.
const NOTHING: (&str, &str) = ("", "");

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
            (
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
            (
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
            ("DELETE /data/foundation/conversion/mappingSets/", "404"),
            |it| it.mapping_set_delete = MappingSetDelete::NotFound404,
        ),
        row(
            &["--mapping-set-delete"],
            "the route does not know the method",
            ("DELETE /data/foundation/conversion/mappingSets/", "405"),
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
            (
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
            ("POST /data/foundation/flowservice/flows/", "400"),
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
            ("continuationToken=", "200"),
            |it| (it.default_page_limit, it.max_page_limit) = (1, 1),
        ),
        row(
            &["--ims-error-status"],
            "a refused token request is a 400",
            ("POST /ims/token/v3", "400"),
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

/// The same about datasets of our own and about webhooks.
fn wide_answers() -> Vec<Unknown> {
    vec![
        row(&[], "every default", NOTHING, |_| {}),
        row(
            &["--dataset-delete-in-use"],
            "a dataset or schema in use can be deleted",
            NOTHING,
            |it| it.dataset_delete_in_use = Permission::Allowed,
        ),
        row(
            &["--breaking-change"],
            "refused once there is data",
            NOTHING,
            |it| it.breaking_change = BreakingChange::WithData,
        ),
        row(&["--bad-mapping"], "a bad row is a 400", NOTHING, |it| {
            it.bad_mapping = BadMapping::Refused;
        }),
        row(
            &["--webhook-same-endpoint"],
            "one endpoint, one webhook",
            NOTHING,
            |it| it.webhook_same_endpoint = Permission::Refused,
        ),
        row(
            &["--webhook-endpoint"],
            "endpoints stay as written",
            NOTHING,
            |it| it.webhook_endpoint = WebhookEndpoint::Verbatim,
        ),
        row(
            &["--webhook-probe"],
            "an endpoint is tried first",
            NOTHING,
            |it| it.webhook_probe = true,
        ),
        row(
            &["--webhook-limit"],
            "a workspace has two webhooks at most",
            NOTHING,
            |it| it.webhook_limit = 2,
        ),
        row(
            &["--webhook-backlog"],
            "events of a disabled webhook are kept",
            NOTHING,
            |it| it.webhook_backlog = Backlog::Kept,
        ),
        row(
            &["--webhook-partial-put"],
            "fields may be left out",
            NOTHING,
            |it| it.webhook_partial_put = Permission::Allowed,
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
            NOTHING,
            |it| it.app_api_rate_limit = 1.0,
        ),
        row(
            &["--list-lag"],
            "lists are a minute and a half behind",
            NOTHING,
            |it| it.list_lag = Duration::from_secs(90),
        ),
        row(
            &["--run-in-progress", "--run-retention", "--run-window"],
            "runs are listed at once, for ten minutes, and take two",
            NOTHING,
            |it| {
                it.run_in_progress = true;
                it.run_retention = Duration::from_mins(10);
                it.run_window = Duration::from_mins(2);
            },
        ),
        row(
            &["--delete-delay", "--dataset-delete-in-use"],
            "a deletion takes two minutes",
            NOTHING,
            |it| it.delete_delay = Duration::from_mins(2),
        ),
    ]
}

/// Questions that are not asked here: the operator sends nothing through an inlet, and a source that the organization
/// does not see is asked for end to end. What it makes of 429 is asked end to end; one call a second with long pauses
/// takes it hours.
const NOT_MET: [&str; 6] = [
    "--rate-limit",
    "--retry-after",
    "--inlet-disabled-flow",
    "--inlet-missing-flow",
    "--customer-io-spec",
    "--inlet-bare",
];

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
    scenario.subscribed[0] = true;
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
        let (call, status) = unknown.met;
        let ends = format!("-> {status}");
        let met = |line: &String| line.contains(call) && line.ends_with(&ends);
        if whole && !status.is_empty() && !outcome.trace.lines().iter().any(met) {
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

/// The table in docs/emulator.md and the one above have the same switches.
#[test]
fn every_unknown_of_the_documentation_is_tried() {
    let text = std::fs::read_to_string("../../docs/emulator.md").unwrap();
    let (_, part) = text.split_once("## What no public source says").unwrap();
    let documented: BTreeSet<&str> = part
        .split('`')
        .filter(|word| word.starts_with("--"))
        .collect();
    let mut tried: BTreeSet<&str> = NOT_MET.into_iter().collect();
    for unknown in answers().into_iter().chain(wide_answers()) {
        tried.extend(unknown.switches);
    }
    assert_eq!(documented, tried);
}

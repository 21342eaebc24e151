//! The crash matrix: for each kind of step, a process that dies before it is sent, after it was carried out, or with
//! its reply in hand. The next process ends with exactly one object each and Ready, or with nothing left.

use aep_emulator::{Options, Permission};
use simulation::check::Checks;
use simulation::line::{Death, Moment};
use simulation::process::End;
use simulation::run::run;
use simulation::scenario::{Act, Scenario};
use simulation::weather::Weather;

/// A step by method and path, and what users do to have it taken.
type Step = (&'static str, &'static str, Vec<Act>);

/// The steps of a dataflow into a dataset that stands.
fn narrow() -> Vec<Step> {
    let change = |act| vec![act];
    let delete = || vec![Act::DeleteDataflow(0), Act::DeleteSource(0)];
    vec![
        ("POST", "flowservice/sourceConnections", vec![]),
        ("POST", "flowservice/targetConnections", vec![]),
        ("POST", "conversion/mappingSets", vec![]),
        ("POST", "flowservice/flows", vec![]),
        ("PATCH", "sourceConnections/*", change(Act::RenameSource(0))),
        ("PATCH", "flows/*", change(Act::DescribeDataflow(0))),
        ("PUT", "mappingSets/*", change(Act::MapDataflow(0))),
        ("POST", "flows/*/action", change(Act::SwitchDataflow(0))),
        ("DELETE", "flows/*", delete()),
        ("DELETE", "targetConnections/*", delete()),
        ("DELETE", "mappingSets/*", delete()),
        ("DELETE", "sourceConnections/*", delete()),
    ]
}

/// The steps that a dataset of our own and a subscription add.
fn wide() -> Vec<Step> {
    let change = |act| vec![act];
    let delete = || vec![Act::DeleteDataflow(0), Act::DeleteDataset(0)];
    vec![
        ("POST", "tenant/fieldgroups", vec![]),
        ("POST", "tenant/schemas", vec![]),
        ("POST", "catalog/dataSets", vec![]),
        ("POST", "v1/reporting_webhooks", vec![]),
        ("PATCH", "fieldgroups/*", change(Act::GrowDataset(0))),
        ("PATCH", "dataSets/*", change(Act::DescribeDataset(0))),
        // Enabled after the pause.
        ("PUT", "reporting_webhooks/*", vec![]),
        ("PUT", "reporting_webhooks/*", change(Act::EditWebhook)),
        (
            "DELETE",
            "reporting_webhooks/*",
            change(Act::SubscribeDataflow(0)),
        ),
        ("DELETE", "reporting_webhooks/*", delete()),
        ("DELETE", "dataSets/*", delete()),
        ("DELETE", "schemas/*", delete()),
        ("DELETE", "fieldgroups/*", delete()),
    ]
}

fn scenario(wide: bool) -> Scenario {
    let mut scenario = Scenario {
        options: Options {
            patch_connection: Permission::Allowed,
            ..Options::default()
        },
        acts: vec![
            (1, Act::GiveSecret),
            (2, Act::CreateSource(0)),
            (3, Act::CreateDataflow(0)),
        ],
        calm_at: 400_000,
        ..Scenario::plain(1)
    };
    if wide {
        scenario.datasets = 1;
        scenario.targets = vec![Some(0)];
        scenario.subscribed = vec![true];
        scenario.acts.push((5, Act::CreateDataset(0)));
    }
    scenario
}

fn every_death(steps: Vec<Step>, wide: bool) {
    let mut wrong = Vec::new();
    for (method, path, acts) in steps {
        for moment in [Moment::BeforeSend, Moment::AfterCommit, Moment::AfterReply] {
            let death = Death::At {
                method,
                path,
                moment,
            };
            let mut scenario = scenario(wide);
            scenario.replicas = vec![vec![End::Killed(death)]];
            for (number, act) in acts.iter().enumerate() {
                scenario.acts.push((60_000 + number as u64, *act));
            }
            let outcome = run(&scenario, Weather::none(), Checks::default(), false);
            let kills = outcome.trace.counts().get("kills").copied();
            if outcome.violation.is_some() || kills != Some(1) {
                let what = outcome.violation.unwrap_or_default();
                wrong.push(format!(
                    "{method} {path} {acts:?} {moment:?}: {kills:?} kills, {what}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_step_survives_a_death_on_either_side_of_it() {
    every_death(narrow(), false);
}

#[test]
fn so_does_every_step_of_a_dataset_and_of_a_subscription() {
    every_death(wide(), true);
}

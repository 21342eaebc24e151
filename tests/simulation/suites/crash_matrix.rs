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
fn steps() -> Vec<(&'static str, &'static str, Vec<Act>)> {
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
        ("POST", "v1/reporting_webhooks", vec![]),
        ("PUT", "v1/reporting_webhooks/*", vec![]),
        ("DELETE", "v1/reporting_webhooks/*", delete()),
    ]
}

#[test]
fn every_step_survives_a_death_on_either_side_of_it() {
    let mut wrong = Vec::new();
    for (method, path, acts) in steps() {
        for moment in [Moment::BeforeSend, Moment::AfterCommit, Moment::AfterReply] {
            let death = Death::At {
                method,
                path,
                moment,
            };
            let mut scenario = Scenario {
                seed: 1,
                options: Options {
                    patch_connection: Permission::Allowed,
                    ..Options::default()
                },
                sources: 1,
                dataflows: vec![0],
                subscribed: vec![true],
                acts: vec![
                    (1, Act::GiveSecret),
                    (2, Act::CreateSource(0)),
                    (3, Act::CreateDataflow(0)),
                ],
                calm_at: 400_000,
                replicas: vec![vec![End::Killed(death)]],
            };
            for (number, act) in acts.iter().enumerate() {
                scenario.acts.push((60_000 + number as u64, *act));
            }
            let outcome = run(&scenario, Weather::none(), Checks::default(), false);
            let kills = outcome.trace.counts().get("kills").copied();
            if outcome.violation.is_some() || kills != Some(1) {
                let what = outcome.violation.unwrap_or_default();
                wrong.push(format!(
                    "{method} {path} {moment:?}: {kills:?} kills, {what}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

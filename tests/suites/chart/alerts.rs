//! When alerts fire and when they are silent, in promtool's own form: one file of `alerts/` a subject.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use playground::binaries::{Binaries, Tool};
use serde_json::Value;

use crate::suite::{chart, repository};

/// The files of tests.
fn files() -> Vec<PathBuf> {
    let folder = fs::read_dir(repository("tests/suites/chart/alerts")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

#[tokio::test]
async fn alerts_fire_when_they_should_and_only_then() {
    let programs = Binaries::find(&[Tool::Promtool]).await.unwrap();
    let promtool = || std::process::Command::new(programs.path(Tool::Promtool).unwrap());
    let rules = chart() + "/files/alerts.yaml";
    let checked = promtool()
        .args(["check", "rules", &rules])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let tested = promtool().args(["test", "rules"]).args(files()).output();
    let tested = tested.unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&tested.stdout),
        String::from_utf8_lossy(&tested.stderr)
    );
    assert!(tested.status.success(), "{said}");
}

#[test]
fn every_alert_is_tested_firing_and_silent() {
    let text = fs::read_to_string(chart() + "/files/alerts.yaml").unwrap();
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    let rules = list(&rules, "groups").flat_map(|group| list(group, "rules"));
    let alerts: BTreeSet<String> = rules
        .map(|rule| rule["alert"].as_str().unwrap().to_owned())
        .collect();
    // Whether a test of it fires, and a test of it does not at any moment.
    let mut tested: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for file in files() {
        let tests: Value = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for test in list(&tests, "tests") {
            let mut fires: BTreeMap<&str, bool> = BTreeMap::new();
            for moment in list(test, "alert_rule_test") {
                let alert = moment["alertname"].as_str().unwrap();
                *fires.entry(alert).or_default() |= list(moment, "exp_alerts").next().is_some();
            }
            for (alert, fires) in fires {
                let seen = tested.entry(alert.to_owned()).or_default();
                (seen.0, seen.1) = (seen.0 || fires, seen.1 || !fires);
            }
        }
    }
    let wanted = alerts.into_iter().map(|alert| (alert, (true, true)));
    assert_eq!(tested, wanted.collect());
}

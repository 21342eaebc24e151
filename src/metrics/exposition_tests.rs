//! The text as a scraper reads it: names, types, units, and labels that dashboards and alerts rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::jiff::Timestamp;

use super::{Ended, Metrics};
use crate::plan::{RemoteKind, Service};
use crate::platform::{BudgetRecord, CallRecord, RunRecords, Urgency};
use crate::resources::conditions::Standing;
use crate::resources::ingestion::RunOutcome;
use crate::resources::lifecycle::DriftAction;
use crate::work::{Cause, Key};

/// Everything an operator can count, counted once.
fn busy() -> Metrics {
    let metrics = Metrics::default();
    let line = metrics.controllers.line("aepdataflow", 32);
    let queue = metrics.controllers.work().queue("aepdataflow");
    queue.add(Key::new("n", "a"), Cause::Change);
    let running = line.next().now_or_never().unwrap();
    line.end(running, Ended::Panicked, None, Duration::from_millis(3));
    queue.add(Key::new("n", "b"), Cause::Change);
    let call = CallRecord {
        operation: "create_flow",
        status: Some(201),
        class: "success",
        elapsed: Duration::from_millis(20),
    };
    metrics.calls.called(Service::Aep, &call);
    let waited = BudgetRecord::Waited {
        urgency: Urgency::Edit,
        waited: Duration::from_millis(1),
    };
    metrics.calls.paced(Service::Aep, waited);
    let calls = &metrics.calls;
    calls.paced(Service::CustomerIo, BudgetRecord::Refused);
    calls.paced(Service::CustomerIo, BudgetRecord::Allowed(9.5));
    metrics.calls.ask_about_tokens(Box::new(|| Some(1.5e9)));
    let resources = &metrics.resources;
    resources.stands("AepDataflow", Key::new("n", "a").id(), &[], Duration::ZERO);
    let ready = Standing::Ready {
        message: String::new(),
    };
    let ready = ready.conditions(&[], 1, Timestamp::UNIX_EPOCH);
    resources.stands(
        "AepDataflow",
        Key::new("n", "a").id(),
        &ready,
        Duration::from_secs(7),
    );
    resources.wrote_status("AepDataflow");
    let remote = &metrics.remote;
    remote.drifted(RemoteKind::Flow, DriftAction::Repaired);
    remote.recovered(RemoteKind::Flow);
    remote.twin_deleted(RemoteKind::Flow);
    let records = RunRecords {
        ingested: Some(7),
        failed: Some(2),
        ..RunRecords::default()
    };
    metrics.ingestion.run_seen(RunOutcome::Succeeded, &records);
    metrics.process.leads("aep-operator", true);
    metrics
}

/// Type and unit of each metric family.
fn families(text: &str) -> BTreeMap<&str, (&str, &str)> {
    let mut families = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|it| it.split_once(' '))
        {
            let before = families.insert(name, (kind, ""));
            assert_eq!(before, None, "{name} is there twice");
        }
        if let Some((name, unit)) = line
            .strip_prefix("# UNIT ")
            .and_then(|it| it.split_once(' '))
        {
            assert!(
                name.ends_with(unit),
                "{name} does not end in its unit {unit}"
            );
            families.get_mut(name).unwrap().1 = unit;
        }
    }
    families
}

#[test]
fn the_names_types_and_units_are_those_that_dashboards_know() {
    let text = busy().text();
    let expected = [
        ("aep_budget_allowed_rate", "gauge", ""),
        ("aep_budget_wait_seconds", "histogram", "seconds"),
        ("aep_create_recoveries", "counter", ""),
        ("aep_drift_found", "counter", ""),
        ("aep_operator_build", "info", ""),
        ("aep_orphans", "gauge", ""),
        ("aep_records_failed", "counter", ""),
        ("aep_records_ingested", "counter", ""),
        ("aep_request_duration_seconds", "histogram", "seconds"),
        ("aep_requests", "counter", ""),
        ("aep_resources", "gauge", ""),
        ("aep_runs", "counter", ""),
        ("aep_status_writes", "counter", ""),
        ("aep_throttled", "counter", ""),
        ("aep_time_to_ready_seconds", "histogram", "seconds"),
        ("aep_token_expiry_timestamp_seconds", "gauge", "seconds"),
        ("aep_twins_deleted", "counter", ""),
        ("controller_runtime_active_workers", "gauge", ""),
        ("controller_runtime_max_concurrent_reconciles", "gauge", ""),
        ("controller_runtime_reconcile", "counter", ""),
        ("controller_runtime_reconcile_errors", "counter", ""),
        ("controller_runtime_reconcile_panics", "counter", ""),
        (
            "controller_runtime_reconcile_time_seconds",
            "histogram",
            "seconds",
        ),
        ("leader_election_master_status", "gauge", ""),
        ("workqueue_adds", "counter", ""),
        ("workqueue_depth", "gauge", ""),
        (
            "workqueue_longest_running_processor_seconds",
            "gauge",
            "seconds",
        ),
        ("workqueue_queue_duration_seconds", "histogram", "seconds"),
        ("workqueue_retries", "counter", ""),
        ("workqueue_unfinished_work_seconds", "gauge", "seconds"),
        ("workqueue_work_duration_seconds", "histogram", "seconds"),
    ];
    let expected: BTreeMap<_, _> = expected
        .map(|(name, kind, unit)| (name, (kind, unit)))
        .into();
    assert_eq!(families(&text), expected);
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn whatever_dashboard_and_alerts_ask_for_is_there() {
    let text = busy().text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let there: BTreeSet<&str> = samples
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let ours = [
        "aep_",
        "controller_runtime_",
        "workqueue_",
        "leader_election_",
    ];
    for file in [
        include_str!("../../deploy/helm/aep-operator/files/dashboard.json"),
        include_str!("../../deploy/helm/aep-operator/files/alerts.yaml"),
    ] {
        let words = file.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let asked: BTreeSet<&str> = words
            .filter(|word| ours.iter().any(|prefix| word.starts_with(prefix)))
            .collect();
        assert!(asked.len() > 5, "{asked:?}");
        let missing: Vec<_> = asked.difference(&there).collect();
        assert!(missing.is_empty(), "no data for {missing:?}");
    }
}

#[test]
fn no_label_is_one_that_a_scrape_puts_there() {
    let text = busy().text();
    let of_a_scrape = [
        "namespace",
        "service",
        "pod",
        "container",
        "endpoint",
        "job",
        "instance",
    ];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for label in of_a_scrape {
            let begins = [format!("{{{label}=\""), format!(",{label}=\"")];
            assert!(!begins.iter().any(|it| line.contains(it)), "{line}");
        }
    }
}

#[test]
fn samples_belong_to_the_family_above_them() {
    let text = busy().text();
    let mut family = ("", "");
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            family = head.split_once(' ').unwrap();
        }
        if line.starts_with('#') {
            continue;
        }
        let name = &line[..line.find(['{', ' ']).unwrap()];
        let suffixes: &[&str] = match family.1 {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        let fits = suffixes
            .iter()
            .any(|suffix| name.strip_prefix(family.0) == Some(suffix));
        assert!(fits, "{line} below {family:?}");
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn samples_say_what_was_counted() {
    let text = busy().text();
    let queue = "controller=\"aepdataflow\",name=\"aepdataflow\"";
    let expected = [
        "controller_runtime_reconcile_total{controller=\"aepdataflow\",result=\"error\"} 1"
            .to_owned(),
        // What never happened is there, so that a rate has a beginning.
        "controller_runtime_reconcile_total{controller=\"aepdataflow\",result=\"success\"} 0"
            .into(),
        "controller_runtime_reconcile_errors_total{controller=\"aepdataflow\"} 1".into(),
        "controller_runtime_reconcile_panics_total{controller=\"aepdataflow\"} 1".into(),
        "controller_runtime_active_workers{controller=\"aepdataflow\"} 0".into(),
        "controller_runtime_max_concurrent_reconciles{controller=\"aepdataflow\"} 32".into(),
        format!("workqueue_adds_total{{{queue}}} 2"),
        format!("workqueue_depth{{{queue}}} 1"),
        format!("workqueue_retries_total{{{queue}}} 1"),
        format!("workqueue_queue_duration_seconds_count{{{queue}}} 1"),
        "aep_requests_total{platform=\"aep\",operation=\"create_flow\",class=\"success\"} 1".into(),
        "aep_budget_wait_seconds_count{platform=\"aep\",urgency=\"edit\"} 1".into(),
        "aep_throttled_total{platform=\"aep\"} 0".into(),
        "aep_throttled_total{platform=\"customerio\"} 1".into(),
        "aep_budget_allowed_rate{platform=\"aep\"} inf".into(),
        "aep_budget_allowed_rate{platform=\"customerio\"} 9.5".into(),
        "aep_token_expiry_timestamp_seconds 1500000000.0".into(),
        "aep_drift_found_total{object=\"flow\",action=\"repaired\"} 1".into(),
        "aep_create_recoveries_total{object=\"flow\"} 1".into(),
        "aep_resources{kind=\"AepDataflow\",condition=\"Ready\",status=\"True\",reason=\"Succeeded\"} 1".into(),
        "aep_time_to_ready_seconds_sum{kind=\"AepDataflow\"} 7.0".into(),
        "aep_status_writes_total{kind=\"AepDataflow\"} 1".into(),
        "aep_records_ingested_total 7".into(),
        "aep_records_failed_total 2".into(),
        format!(
            "aep_operator_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        ),
    ];
    for line in expected {
        assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
    }
}

#[test]
fn without_a_token_there_is_no_time_at_which_one_ends() {
    assert!(!Metrics::default().text().contains("aep_token_expiry"));
}

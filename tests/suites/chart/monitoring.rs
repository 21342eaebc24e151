//! Alerts and dashboard, as far as they can be judged without Prometheus.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::suite::{Suite, chart, objects, only, values};

fn dashboard() -> Value {
    let text = fs::read_to_string(chart() + "/files/dashboard.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

fn alerts(rules: &Value) -> Vec<Value> {
    let groups = rules["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    rules.cloned().collect()
}

#[test]
fn every_alert_says_what_is_wrong_and_where_the_remedy_is() {
    let everything = values("everything.yaml");
    let rendered = Suite::get().render(&[&everything]);
    let rule = only(&rendered, "PrometheusRule");
    assert_eq!(rule["metadata"]["labels"]["release"], "prometheus");
    let alerts = alerts(&rule["spec"]);
    let file = fs::read_to_string(chart() + "/files/alerts.yaml").unwrap();
    let names = file.matches("- alert: ").count();
    assert_eq!(alerts.len(), names);
    assert!(names > 0);
    let mut seen = BTreeSet::new();
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(seen.insert(name.to_owned()), "{name} twice");
        assert!(name.starts_with("Aep"), "{name}");
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}"
        );
        let annotations = &alert["annotations"];
        for text in ["summary", "description"] {
            let text = annotations[text].as_str().unwrap_or_default();
            assert!(text.ends_with('.'), "{name}: {text}");
        }
        assert_eq!(
            annotations["runbook_url"],
            format!("https://wiki.example.com/aep#{}", name.to_lowercase())
        );
    }
}

#[test]
fn runbooks_are_in_the_documentation_unless_told_otherwise() {
    let rendered = Suite::get().render(&["--set=metrics.prometheusRule.enabled=true"]);
    for alert in alerts(&only(&rendered, "PrometheusRule")["spec"]) {
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        assert!(url.starts_with("docs/operations.md#aep"), "{url}");
    }
}

#[test]
fn the_dashboard_comes_whole_and_every_panel_asks_for_something() {
    let everything = values("everything.yaml");
    let rendered = Suite::get().render(&[&everything]);
    let map = only(&rendered, "ConfigMap");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Data");
    let text = map["data"]["aep-operator.json"].as_str().unwrap();
    let rendered: Value = serde_json::from_str(text).unwrap();
    assert_eq!(rendered, dashboard());

    let panels = rendered["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_i64()).collect();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let expression = target["expr"].as_str().unwrap_or_default();
            assert!(!expression.is_empty(), "{title}");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

/// Cells of the dashboard's grid that two panels cover.
#[test]
fn no_panel_hides_another() {
    let mut covered = BTreeSet::new();
    for panel in dashboard()["panels"].as_array().unwrap() {
        let side = |name: &str| panel["gridPos"][name].as_i64().unwrap();
        assert!(side("x") + side("w") <= 24, "{}", panel["title"]);
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(covered.insert((x, y)), "{}", panel["title"]);
            }
        }
    }
}

#[test]
fn the_service_monitor_finds_the_service_of_metrics_and_that_the_pods() {
    let rendered = Suite::get().render(&["--set=metrics.serviceMonitor.enabled=true"]);
    let monitor = only(&rendered, "ServiceMonitor");
    let services = rendered.iter().filter(|object| object["kind"] == "Service");
    let wanted = &monitor["spec"]["selector"]["matchLabels"];
    let found: Vec<_> = services
        .filter(|service| includes(&service["metadata"]["labels"], wanted))
        .collect();
    assert_eq!(found.len(), 1, "the Service of `helm test` is not scraped");
    let service = &found[0]["spec"];
    assert_eq!(
        service["ports"][0]["name"],
        monitor["spec"]["endpoints"][0]["port"]
    );
    let template = &only(&rendered, "Deployment")["spec"]["template"];
    assert!(includes(
        &template["metadata"]["labels"],
        &service["selector"]
    ));
    let ports = template["spec"]["containers"][0]["ports"]
        .as_array()
        .unwrap();
    let port = &service["ports"][0]["targetPort"];
    assert!(ports.iter().any(|named| &named["name"] == port));
}

fn includes(labels: &Value, wanted: &Value) -> bool {
    let wanted = wanted.as_object().unwrap();
    !wanted.is_empty() && wanted.iter().all(|(name, value)| &labels[name] == value)
}

#[test]
fn the_files_are_plain_yaml_and_json_for_those_without_the_chart() {
    let text = fs::read_to_string(chart() + "/files/alerts.yaml").unwrap();
    assert_eq!(objects(&text).len(), 1);
    assert!(dashboard()["title"].is_string());
}

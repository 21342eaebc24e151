//! What kubectl shows: columns, selectors, explanations.

use serde_json::json;

use crate::suite::*;

/// The rows of a table of kubectl. It puts three spaces between columns.
fn table(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(|line| {
            let cells = line.split("   ").map(str::trim);
            cells
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect()
        })
        .collect()
}

#[test]
fn a_dataflow_shows_its_state_and_wide_its_ids() {
    let suite = Suite::get();
    make(suite, "AepDataflow", "shown", |_| ());
    let condition = |type_: &str, status: &str| {
        json!({
            "type": type_, "status": status, "reason": "Succeeded", "message": "All stands.",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let status = json!({
        "conditions": [condition("Ready", "True"), condition("Ingesting", "Unknown")],
        "flow": {"id": "flow-1", "etag": "1", "state": "enabled"},
        "targetConnection": {"id": "target-1", "etag": "1"},
        "mappingSet": {"id": "set-1", "version": 3},
    });
    let args = patch_status("aepdf/shown", &status);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    suite.kubectl(&args, None);

    let narrow = table(&suite.kubectl(&["get", "aepdf", "shown", NAMESPACE], None));
    let headers = [
        "NAME",
        "READY",
        "STATE",
        "SOURCE",
        "INGESTING",
        "REASON",
        "AGE",
    ];
    assert_eq!(narrow[0], headers);
    let shown = [
        "shown",
        "True",
        "enabled",
        "customer-io",
        "Unknown",
        "Succeeded",
    ];
    assert_eq!(narrow[1][..6], shown);
    let wide = table(&suite.kubectl(&["get", "aepdf", "shown", "--output=wide", NAMESPACE], None));
    assert_eq!(wide[0][..7], headers);
    assert_eq!(
        wide[0][7..],
        ["FLOW", "TARGET CONNECTION", "MAPPING SET", "MESSAGE"]
    );
    assert_eq!(wide[1][7..], ["flow-1", "target-1", "set-1", "All stands."]);
}

#[test]
fn a_source_shows_its_sandbox_and_wide_its_id() {
    let suite = Suite::get();
    make(suite, "CustomerIoSource", "shown", |_| ());
    let status = json!({
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "SecretMissing", "message": "Make the Secret.",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
        "sourceConnection": {"id": "source-1", "etag": "1"},
    });
    let args = patch_status("cios/shown", &status);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    suite.kubectl(&args, None);

    let narrow = table(&suite.kubectl(&["get", "cios", "shown", NAMESPACE], None));
    let headers = ["NAME", "READY", "SANDBOX", "REASON", "AGE"];
    assert_eq!(narrow[0], headers);
    assert_eq!(narrow[1][..4], ["shown", "False", "prod", "SecretMissing"]);
    let wide = table(&suite.kubectl(&["get", "cios", "shown", "--output=wide", NAMESPACE], None));
    assert_eq!(wide[0][..5], headers);
    assert_eq!(wide[0][5..], ["SOURCE CONNECTION", "MESSAGE"]);
    assert_eq!(wide[1][5..], ["source-1", "Make the Secret."]);
}

#[test]
fn a_dataset_shows_its_id_and_wide_its_schema() {
    let suite = Suite::get();
    make(suite, "AepDataset", "shown", |_| ());
    let status = json!({
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Succeeded", "message": "All stands.",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
        "fieldGroup": {"id": "group-1"},
        "schema": {"id": "schema-1", "majorVersion": 1},
        "dataset": {"id": "dataset-1"},
    });
    let args = patch_status("aepds/shown", &status);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    suite.kubectl(&args, None);

    let wide = table(&suite.kubectl(&["get", "aepds", "shown", "--output=wide", NAMESPACE], None));
    let headers = ["NAME", "READY", "SANDBOX", "DATASET", "REASON", "AGE"];
    assert_eq!(wide[0][..6], headers);
    assert_eq!(wide[0][6..], ["SCHEMA", "FIELD GROUP", "MESSAGE"]);
    let shown = ["shown", "True", "prod", "dataset-1", "Succeeded"];
    assert_eq!(wide[1][..5], shown);
    assert_eq!(wide[1][6..], ["schema-1", "group-1", "All stands."]);
}

/// The rules over fields cost the more the more fields there are, and the API server refuses what costs too much.
#[test]
fn a_dataset_with_the_most_and_longest_fields_can_be_changed() {
    let suite = Suite::get();
    make(suite, "AepDataset", "most-fields", |manifest| {
        manifest["spec"]["schema"]["fields"] = long_fields(100);
    });
    let patch = r#"--patch={"spec": {"description": "other"}}"#;
    let args = [
        "patch",
        "aepds/most-fields",
        "--type=merge",
        NAMESPACE,
        patch,
    ];
    suite.kubectl(&args, None);
}

#[test]
fn the_category_aep_lists_every_kind() {
    let suite = Suite::get();
    make(suite, "AepDataflow", "listed", |_| ());
    make(suite, "CustomerIoSource", "listed", |_| ());
    make(suite, "AepDataset", "listed", |_| ());
    let listed = suite.kubectl(&["get", "aep", "--output=name", NAMESPACE], None);
    for name in ["aepdataflow", "aepdataset", "customeriosource"] {
        let line = format!("{name}.aep-operator.dev/listed");
        assert!(listed.lines().any(|listed| listed == line), "{listed}");
    }
}

#[test]
fn dataflows_can_be_selected_by_their_source() {
    let suite = Suite::get();
    for (name, source) in [("selected", "one-of-two"), ("not-selected", "other-of-two")] {
        make(suite, "AepDataflow", name, |manifest| {
            manifest["spec"]["sourceRef"]["name"] = source.into();
        });
    }
    let selector = "--field-selector=spec.sourceRef.name=one-of-two";
    let found = suite.kubectl(
        &["get", "aepdf", selector, "--output=name", NAMESPACE],
        None,
    );
    assert_eq!(found.trim(), "aepdataflow.aep-operator.dev/selected");
}

#[test]
fn kubectl_explains_fields_by_short_name() {
    let suite = Suite::get();
    for (field, says) in [
        ("cios.spec.sandbox", "x-sandbox-name"),
        (
            "aepdf.spec.mapping.destination",
            "Each destination may appear once",
        ),
        ("aepdf.status.inletUrl", "treat it as a secret"),
        ("aepds.spec.deletionPolicy", "with all its data"),
    ] {
        let explained = suite.kubectl(&["explain", field], None);
        let flat = explained.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(says), "{explained}");
    }
}

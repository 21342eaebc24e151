//! Status: what fits, and who may write what.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::suite::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusCase {
    name: String,
    kind: String,
    status: Value,
    field: String,
    says: String,
}

#[test]
fn a_status_the_schema_does_not_know_is_refused_with_its_field_named() {
    let suite = Suite::get();
    make(suite, "AepDataflow", "status", |_| ());
    make(suite, "CustomerIoSource", "status", |_| ());
    suite.judge_each(
        read::<Vec<StatusCase>>("status_refused.yaml"),
        |case| {
            let resource = format!("{}/status", case.kind);
            (patch_status(&resource, &case.status), String::new())
        },
        |case, output| refused(&case.name, &case.field, &case.says, output),
    );
}

#[test]
fn the_longest_status_fits() {
    let suite = Suite::get();
    make(suite, "AepDataflow", "long-status", |_| ());
    let text = |letters| "é".repeat(letters);
    let status = json!({
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "RejectedByPlatform", "message": text(20_000),
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
        }],
        "flow": {"id": text(256), "etag": text(256), "state": text(256)},
        "inletUrl": text(2048),
        "subscription": {
            "id": text(256), "state": "Enabled", "events": [text(256)], "unknownEvents": [text(64)],
            "enabledAt": "2026-01-01T00:00:00Z", "appliedHash": text(64),
        },
        "workspace": "eu/0123456789abcdef",
        "lastHandledReconcileAt": text(20_000),
        "pending": [{"object": "flow", "attempt": 7, "since": "2026-01-01T00:00:00Z"}],
    });
    let args = patch_status("aepdf/long-status", &status);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    suite.kubectl(&args, None);
}

#[test]
fn status_is_a_subresource_that_leaves_the_generation_alone() {
    let suite = Suite::get();
    make(suite, "AepDataflow", "subresource", |manifest| {
        manifest["status"] = json!({"inletUrl": "https://from.a.manifest"});
    });
    let get = ["get", "aepdf", "subresource", "--output=json", NAMESPACE];
    // Born as not looked at yet, whatever the manifest says.
    let born = json!({"observedGeneration": -1});
    assert_eq!(suite.json(&get, None).pointer("/status"), Some(&born));
    let patch = patch_status(
        "aepdf/subresource",
        &json!({"inletUrl": "https://from.the.operator"}),
    );
    let patch: Vec<&str> = patch.iter().map(String::as_str).collect();
    suite.kubectl(&patch, None);
    let spec = r#"{"spec": {"suspend": true}, "status": {"inletUrl": "https://from.a.user"}}"#;
    let patch = [
        "patch",
        "aepdf/subresource",
        "--type=merge",
        NAMESPACE,
        "--patch",
        spec,
    ];
    suite.kubectl(&patch, None);
    let stored = suite.json(&get, None);
    assert_eq!(stored["status"]["inletUrl"], "https://from.the.operator");
    assert_eq!(stored["metadata"]["generation"], 2);
}

#[test]
fn conditions_and_rows_of_several_writers_live_side_by_side() {
    let suite = Suite::get();
    make(suite, "AepDataflow", "shared", |_| ());
    let head = json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "AepDataflow", "metadata": {"name": "shared"},
    });
    for (writer, type_) in [("operator", "Ready"), ("monitor", "Ingesting")] {
        let mut manifest = head.clone();
        manifest["status"] = json!({"conditions": [{
            "type": type_, "status": "True", "reason": "Succeeded", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]});
        let manager = format!("--field-manager={writer}");
        let args = [
            "apply",
            "--server-side",
            "--subresource=status",
            &manager,
            NAMESPACE,
            "--filename=-",
        ];
        suite.kubectl(&args, Some(&manifest.to_string()));
    }
    let mut manifest = head;
    manifest["spec"] = json!({
        "sourceRef": {"name": "customer-io"},
        "target": {"existing": {
            "datasetId": "63ec807d3f5ce91bd2d06c65",
            "schema": {"id": "https://ns.adobe.com/extconndev/schemas/945546112b746524bfd9f1264b26c2b7"},
        }},
        "mapping": [{"value": "x", "destination": "producedBy"}],
    });
    let args = [
        "apply",
        "--server-side",
        "--field-manager=team",
        NAMESPACE,
        "--filename=-",
    ];
    suite.kubectl(&args, Some(&manifest.to_string()));

    let stored = suite.json(
        &["get", "aepdf", "shared", "--output=json", NAMESPACE],
        None,
    );
    let all = |list: &Value, key: &str| -> Vec<String> {
        let items = list.as_array().unwrap();
        items
            .iter()
            .map(|item| item[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        all(&stored["status"]["conditions"], "type"),
        ["Ready", "Ingesting"]
    );
    assert_eq!(
        all(&stored["spec"]["mapping"], "destination"),
        ["_id", "producedBy"]
    );
}

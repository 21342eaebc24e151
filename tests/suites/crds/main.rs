//! What the API server makes of the custom resources: what it refuses and in which words, what it admits, stores and
//! shows. The manifests are data, in `tests/manifests`. And what the schema alone promises: descriptions, bounds, and
//! that `crds/` is what the code generates.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of a test fail as the test does"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use playground::control_plane::{ControlPlane, Options, Output};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use tokio::{runtime::Runtime, sync::Semaphore, task::JoinSet};

/// kubectl processes at a time.
const AT_A_TIME: usize = 4;
const NAMESPACE: &str = "--namespace=crds";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of `tests/manifests`.
fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = repository("tests/manifests").join(file);
    let text = std::fs::read_to_string(&path).expect("the file is there");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One manifest, told by what it differs in from a good one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    kind: String,
    #[serde(default = "minimal")]
    from: String,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    fill: BTreeMap<String, usize>,
    rows: Option<usize>,
    fields: Option<usize>,
    field: Option<String>,
    #[serde(default)]
    says: String,
    #[serde(default)]
    becomes: BTreeMap<String, Value>,
}

fn minimal() -> String {
    "minimal".to_owned()
}

impl Case {
    /// The good manifest that this case starts from.
    fn good(&self) -> Value {
        static GOOD: LazyLock<Value> = LazyLock::new(|| read("good.yaml"));
        GOOD[&self.kind][&self.from].clone()
    }

    /// The manifest of this case.
    fn manifest(&self) -> Value {
        let mut manifest = self.good();
        assert!(manifest.is_object(), "{}: nothing to start from", self.name);
        for (pointer, value) in &self.set {
            set(&mut manifest, pointer, value.clone());
        }
        for (pointer, letters) in &self.fill {
            set(&mut manifest, pointer, "x".repeat(*letters).into());
        }
        for pointer in &self.remove {
            remove(&mut manifest, pointer);
        }
        if let Some(rows) = self.rows {
            let row = |n| json!({"source": format!("data.field{n}"), "destination": format!("_extconndev.f{n}")});
            set(&mut manifest, "/spec/mapping", (0..rows).map(row).collect());
        }
        if let Some(fields) = self.fields {
            set(&mut manifest, "/spec/schema/fields", long_fields(fields));
        }
        manifest
    }
}

/// So many fields, with the longest paths there may be.
fn long_fields(fields: usize) -> Value {
    let field = |n| {
        let path = format!("_{{tenant}}.{:x<187}{n:03}", "");
        json!({"path": path, "type": "date-time"})
    };
    (0..fields).map(field).collect()
}

fn parent<'a>(manifest: &'a mut Value, pointer: &str) -> (&'a mut Value, String) {
    let (parent, last) = pointer.rsplit_once('/').expect("a JSON pointer");
    let parent = manifest
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("no parent of {pointer}"));
    (parent, last.to_owned())
}

fn set(manifest: &mut Value, pointer: &str, value: Value) {
    match parent(manifest, pointer) {
        (Value::Object(object), field) => {
            object.insert(field, value);
        }
        (Value::Array(list), index) => match index.parse::<usize>() {
            Ok(index) if index < list.len() => list[index] = value,
            _ => list.push(value),
        },
        (other, _) => panic!("{pointer}: {other} has no parts"),
    }
}

fn remove(manifest: &mut Value, pointer: &str) {
    let removed = match parent(manifest, pointer) {
        (Value::Object(object), field) => object.remove(&field),
        (Value::Array(list), index) => Some(list.remove(index.parse().expect("an index"))),
        (other, _) => panic!("{pointer}: {other} has no parts"),
    };
    assert!(removed.is_some(), "{pointer} was not there");
}

/// The one control plane of this suite, with the definitions established.
struct Suite {
    runtime: Runtime,
    plane: Arc<ControlPlane>,
}

impl Suite {
    fn get() -> &'static Self {
        static SUITE: LazyLock<Suite> = LazyLock::new(Suite::start);
        &SUITE
    }

    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let plane = runtime.block_on(async {
            let plane = ControlPlane::start(Options::default())
                .await
                .expect("the control plane starts");
            let crds = repository("crds");
            let crds = format!("--filename={}", crds.display());
            for args in [
                vec!["create", "namespace", "crds"],
                vec!["apply", &crds],
                vec![
                    "wait",
                    "--for=condition=Established",
                    "--timeout=60s",
                    &crds,
                ],
            ] {
                let output = plane.kubectl(&args, None).await.unwrap();
                output.success().unwrap();
            }
            plane
        });
        let suite = Self {
            runtime,
            plane: Arc::new(plane),
        };
        // Established is what the definition says; discovery may follow a moment later.
        let served = || {
            let known = suite.try_kubectl(&["get", "aep", NAMESPACE], None);
            known.status.success()
        };
        let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
        while !served() {
            assert!(
                std::time::Instant::now() < deadline,
                "the kinds are not served"
            );
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        suite
    }

    fn try_kubectl(&self, args: &[&str], stdin: Option<&str>) -> Output {
        self.runtime
            .block_on(self.plane.kubectl(args, stdin))
            .expect("kubectl runs")
    }

    fn kubectl(&self, args: &[&str], stdin: Option<&str>) -> String {
        self.try_kubectl(args, stdin).success().unwrap()
    }

    fn json(&self, args: &[&str], stdin: Option<&str>) -> Value {
        let output = self.kubectl(args, stdin);
        serde_json::from_str(&output).unwrap()
    }

    /// One kubectl for each case, several at a time; what `judge` complains about, by the names of the cases.
    fn judge_each<T: Send + 'static>(
        &self,
        cases: Vec<T>,
        call: fn(&T) -> (Vec<String>, String),
        judge: fn(&T, &Output) -> Result<(), String>,
    ) {
        let permits = Arc::new(Semaphore::new(AT_A_TIME));
        let complaints = self.runtime.block_on(async {
            let mut calls = JoinSet::new();
            for case in cases {
                let (permits, plane) = (permits.clone(), self.plane.clone());
                calls.spawn(async move {
                    let _permit = permits.acquire_owned().await;
                    let (args, stdin) = call(&case);
                    let args: Vec<&str> = args.iter().map(String::as_str).collect();
                    let output = plane
                        .kubectl(&args, Some(&stdin))
                        .await
                        .expect("kubectl runs");
                    judge(&case, &output).err()
                });
            }
            calls.join_all().await
        });
        let complaints: Vec<String> = complaints.into_iter().flatten().collect();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}

fn words(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}

/// Whether `text` names the field and not merely one whose name begins alike.
fn names(text: &str, field: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '.' || c == '[';
    text.match_indices(field).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + field.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Refused, and the message names the field and says the rest.
fn refused(name: &str, field: &str, says: &str, output: &Output) -> Result<(), String> {
    let said = format!("kubectl said: {}{}", output.stdout, output.stderr);
    if output.status.success() {
        return Err(format!("{name}: was admitted"));
    }
    if !names(&output.stderr, field) {
        return Err(format!("{name}: the message does not name {field}; {said}"));
    }
    if !output.stderr.contains(says) {
        return Err(format!("{name}: the message does not say `{says}`; {said}"));
    }
    Ok(())
}

#[test]
fn every_malformed_manifest_is_refused_with_its_field_named() {
    let cases: Vec<Case> = read("refused.yaml");
    assert!(cases.len() >= 50, "{} cases", cases.len());
    Suite::get().judge_each(
        cases,
        |case| {
            let args = ["create", "--dry-run=server", NAMESPACE, "--filename=-"];
            (words(&args), case.manifest().to_string())
        },
        |case, output| {
            let field = case.field.as_deref().expect("a field to be named");
            assert!(!case.says.is_empty(), "{}: says nothing", case.name);
            refused(&case.name, field, &case.says, output)
        },
    );
}

#[test]
fn what_is_right_is_admitted_and_stored_as_meant() {
    Suite::get().judge_each(
        read::<Vec<Case>>("admitted.yaml"),
        |case| {
            let args = [
                "create",
                "--dry-run=server",
                "--output=json",
                NAMESPACE,
                "--filename=-",
            ];
            (words(&args), case.manifest().to_string())
        },
        |case, output| {
            if !output.status.success() {
                return Err(format!("{}: {}", case.name, output.stderr));
            }
            if !output.stderr.is_empty() {
                return Err(format!("{}: a warning: {}", case.name, output.stderr));
            }
            let stored: Value = serde_json::from_str(&output.stdout).unwrap();
            for (pointer, expected) in &case.becomes {
                let found = stored.pointer(pointer);
                // A stored null must not pass for a field that is not there.
                let same = if expected.is_null() {
                    found.is_none()
                } else {
                    found == Some(expected)
                };
                if !same {
                    return Err(format!("{}: {pointer} became {found:?}", case.name));
                }
            }
            Ok(())
        },
    );
}

#[test]
fn a_change_of_what_stays_is_refused_with_a_remedy_and_any_other_admitted() {
    let suite = Suite::get();
    let named = |mut manifest: Value, name: &str| {
        manifest["metadata"]["name"] = name.into();
        manifest
    };
    let cases: Vec<(String, Case)> = read::<Vec<Case>>("updates.yaml")
        .into_iter()
        .enumerate()
        .map(|(n, case)| (format!("update-{n}"), case))
        .collect();
    let stand: Vec<Value> = cases
        .iter()
        .map(|(name, case)| named(case.good(), name))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": stand});
    suite.kubectl(
        &["apply", NAMESPACE, "--filename=-"],
        Some(&list.to_string()),
    );
    suite.judge_each(
        cases,
        |(name, case)| {
            let mut changed = case.manifest();
            changed["metadata"]["name"] = name.as_str().into();
            let args = ["apply", "--dry-run=server", NAMESPACE, "--filename=-"];
            (words(&args), changed.to_string())
        },
        |(_, case), output| match &case.field {
            Some(field) => refused(&case.name, field, &case.says, output),
            None if output.stdout.contains("configured") => Ok(()),
            None => Err(format!("{}: {}{}", case.name, output.stdout, output.stderr)),
        },
    );
}

#[test]
fn the_tutorial_applies_and_applying_it_again_changes_nothing() {
    let suite = Suite::get();
    let folder = repository("deploy/samples/tutorial");
    let folder = format!("--filename={}", folder.display());
    suite.kubectl(&["apply", &folder], None);
    let again = suite.kubectl(&["apply", &folder], None);
    for resource in [
        "customeriosource.aep-operator.dev/customer-io",
        "aepdataflow.aep-operator.dev/customer-io-events",
    ] {
        assert!(
            again.contains(&format!("{resource} unchanged\n")),
            "{again}"
        );
    }
    let get = ["get", "aep", "--namespace=marketing", "--output=json"];
    let resources = suite.json(&get, None);
    let generations: Vec<_> = resources["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["kind"].as_str().unwrap(),
                item["metadata"]["generation"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(generations, [("AepDataflow", 1), ("CustomerIoSource", 1)]);
}

#[test]
fn defaults_do_not_make_a_second_apply_a_change() {
    let suite = Suite::get();
    let good: Value = read("good.yaml");
    let mut manifest = good["AepDataflow"]["minimal"].clone();
    manifest["metadata"]["name"] = "defaulted".into();
    let manifest = manifest.to_string();
    suite.kubectl(&["apply", NAMESPACE, "--filename=-"], Some(&manifest));
    let again = suite.kubectl(&["apply", NAMESPACE, "--filename=-"], Some(&manifest));
    assert!(again.ends_with(" unchanged\n"), "{again}");
    let server_side = [
        "apply",
        "--server-side",
        "--field-manager=gitops",
        NAMESPACE,
        "--filename=-",
    ];
    suite.kubectl(&server_side, Some(&manifest));
    let get = ["get", "aepdf", "defaulted", "--output=json", NAMESPACE];
    assert_eq!(suite.json(&get, None)["metadata"]["generation"], 1);
}

/// Makes a minimal resource of its own for a test.
fn make(suite: &Suite, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
    let good: Value = read("good.yaml");
    let mut manifest = good[kind]["minimal"].clone();
    manifest["metadata"]["name"] = name.into();
    change(&mut manifest);
    suite.kubectl(
        &["create", NAMESPACE, "--filename=-"],
        Some(&manifest.to_string()),
    );
}

fn patch_status(name: &str, status: &Value) -> Vec<String> {
    let patch = format!("--patch={}", json!({"status": status}));
    words(&[
        "patch",
        name,
        "--subresource=status",
        "--type=merge",
        NAMESPACE,
        &patch,
    ])
}

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
    assert_eq!(suite.json(&get, None).pointer("/status"), None);
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

/// The definitions as `crds/` has them, by file name.
fn definitions() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(repository("crds")).unwrap();
    files
        .map(|file| {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, serde_saphyr::from_str(&text).unwrap())
        })
        .collect()
}

/// Every schema below `spec` and `status` of every definition, with its path.
fn walk(visit: &mut dyn FnMut(&str, &Map<String, Value>)) {
    fn descend(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Map<String, Value>)) {
        let schema = schema
            .as_object()
            .unwrap_or_else(|| panic!("{path}: no schema"));
        visit(path, schema);
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            descend(&format!("{path}.{name}"), property, visit);
        }
        if let Some(items) = schema.get("items") {
            descend(&format!("{path}[]"), items, visit);
        }
        if let Some(values) = schema
            .get("additionalProperties")
            .filter(|values| values.is_object())
        {
            descend(&format!("{path}.*"), values, visit);
        }
    }
    let definitions = definitions();
    assert_eq!(definitions.len(), 3);
    for definition in definitions.values() {
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        for version in definition["spec"]["versions"].as_array().unwrap() {
            let properties = &version["schema"]["openAPIV3Schema"]["properties"];
            for part in ["spec", "status"] {
                descend(&format!("{kind}.{part}"), &properties[part], visit);
            }
        }
    }
}

#[test]
fn every_field_is_described() {
    let mut poor = Vec::new();
    walk(&mut |path, schema| {
        let description = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // A list's items are explained with the list, unless they are objects.
        let explained = !path.ends_with("[]") || schema["type"] == "object";
        let sentence = description.contains(' ') && description.ends_with(['.', ')']);
        if explained && (!sentence || description.contains('\n')) {
            poor.push(format!("{path}: {description:?}"));
        }
    });
    assert!(
        poor.is_empty(),
        "not described in a sentence on one line: {poor:#?}"
    );
}

#[test]
fn every_string_list_and_map_is_bounded() {
    let mut unbounded = Vec::new();
    walk(&mut |path, schema| {
        let has = |keyword: &str| schema.contains_key(keyword);
        let bounded = match schema.get("type").and_then(Value::as_str) {
            Some("string") => {
                has("maxLength") || has("enum") || schema.get("format") == Some(&json!("date-time"))
            }
            Some("array") => has("maxItems"),
            // Fields that are named bound an object; a map needs a number.
            Some("object") if has("properties") => {
                !has("additionalProperties") && !has("x-kubernetes-preserve-unknown-fields")
            }
            Some("object") => has("maxProperties"),
            Some("integer" | "boolean") => true,
            _ => false,
        };
        if !bounded {
            unbounded.push(path.to_owned());
        }
    });
    assert!(unbounded.is_empty(), "{unbounded:#?}");
}

#[test]
fn no_field_is_nullable() {
    walk(&mut |path, schema| assert!(!schema.contains_key("nullable"), "{path}"));
}

#[test]
fn every_list_says_how_writers_share_it() {
    walk(&mut |path, schema| {
        if schema["type"] == "array" {
            assert!(schema.contains_key("x-kubernetes-list-type"), "{path}");
        }
    });
}

#[test]
fn every_rule_says_where_and_what_to_do() {
    walk(&mut |path, schema| {
        let rules = schema
            .get("x-kubernetes-validations")
            .and_then(Value::as_array);
        for rule in rules.into_iter().flatten() {
            let message = rule["message"].as_str().unwrap_or_default();
            assert!(message.len() > 40, "{path}: {rule}");
            // A rule on a whole spec would name no field.
            assert!(
                !path.ends_with("spec") || rule["fieldPath"].is_string(),
                "{path}: {rule}"
            );
        }
    });
}

#[test]
fn the_files_of_crds_are_what_the_code_generates() {
    let generated = aep_operator::resources::yaml().unwrap();
    let documents: Vec<&str> = generated
        .split("---\n")
        .filter(|text| !text.is_empty())
        .collect();
    assert_eq!(documents.len(), definitions().len(), "run .ci/generate");
    for document in documents {
        let definition: Value = serde_saphyr::from_str(document).unwrap();
        let path = format!(
            "crds/{}.yaml",
            definition["spec"]["names"]["plural"].as_str().unwrap()
        );
        let file = std::fs::read_to_string(repository(&path)).unwrap_or_default();
        assert!(
            file == document,
            "{path} is not what the code generates: run .ci/generate"
        );
    }
}

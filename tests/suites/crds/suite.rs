//! One API server for the suite, and the tables of cases.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use playground::control_plane::{ControlPlane, Options, Output};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, sync::Semaphore, task::JoinSet};

/// kubectl processes at a time.
pub(crate) const AT_A_TIME: usize = 4;
pub(crate) const NAMESPACE: &str = "--namespace=crds";

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of `tests/manifests`.
pub(crate) fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = repository("tests/manifests").join(file);
    let text = std::fs::read_to_string(&path).expect("the file is there");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One manifest, told by what it differs in from a good one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: String,
    #[serde(default = "minimal")]
    pub(crate) from: String,
    #[serde(default)]
    pub(crate) set: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) remove: Vec<String>,
    #[serde(default)]
    pub(crate) fill: BTreeMap<String, usize>,
    pub(crate) rows: Option<usize>,
    pub(crate) fields: Option<usize>,
    pub(crate) field: Option<String>,
    #[serde(default)]
    pub(crate) says: String,
    #[serde(default)]
    pub(crate) becomes: BTreeMap<String, Value>,
}

pub(crate) fn minimal() -> String {
    "minimal".to_owned()
}

impl Case {
    /// The good manifest that this case starts from.
    pub(crate) fn good(&self) -> Value {
        static GOOD: LazyLock<Value> = LazyLock::new(|| read("good.yaml"));
        GOOD[&self.kind][&self.from].clone()
    }

    /// The manifest of this case.
    pub(crate) fn manifest(&self) -> Value {
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
pub(crate) fn long_fields(fields: usize) -> Value {
    let field = |n| {
        let path = format!("_{{tenant}}.{:x<187}{n:03}", "");
        json!({"path": path, "type": "date-time"})
    };
    (0..fields).map(field).collect()
}

pub(crate) fn parent<'a>(manifest: &'a mut Value, pointer: &str) -> (&'a mut Value, String) {
    let (parent, last) = pointer.rsplit_once('/').expect("a JSON pointer");
    let parent = manifest
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("no parent of {pointer}"));
    (parent, last.to_owned())
}

pub(crate) fn set(manifest: &mut Value, pointer: &str, value: Value) {
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

pub(crate) fn remove(manifest: &mut Value, pointer: &str) {
    let removed = match parent(manifest, pointer) {
        (Value::Object(object), field) => object.remove(&field),
        (Value::Array(list), index) => Some(list.remove(index.parse().expect("an index"))),
        (other, _) => panic!("{pointer}: {other} has no parts"),
    };
    assert!(removed.is_some(), "{pointer} was not there");
}

/// The one control plane of this suite, with the definitions established.
pub(crate) struct Suite {
    pub(crate) runtime: Runtime,
    pub(crate) plane: Arc<ControlPlane>,
}

impl Suite {
    pub(crate) fn get() -> &'static Self {
        static SUITE: LazyLock<Suite> = LazyLock::new(Suite::start);
        &SUITE
    }

    pub(crate) fn start() -> Self {
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

    pub(crate) fn try_kubectl(&self, args: &[&str], stdin: Option<&str>) -> Output {
        self.runtime
            .block_on(self.plane.kubectl(args, stdin))
            .expect("kubectl runs")
    }

    pub(crate) fn kubectl(&self, args: &[&str], stdin: Option<&str>) -> String {
        self.try_kubectl(args, stdin).success().unwrap()
    }

    pub(crate) fn json(&self, args: &[&str], stdin: Option<&str>) -> Value {
        let output = self.kubectl(args, stdin);
        serde_json::from_str(&output).unwrap()
    }

    /// One kubectl for each case, several at a time; what `judge` complains about, by the names of the cases.
    pub(crate) fn judge_each<T: Send + 'static>(
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

pub(crate) fn words(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}

/// Whether `text` names the field and not merely one whose name begins alike.
pub(crate) fn names(text: &str, field: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '.' || c == '[';
    text.match_indices(field).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + field.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Refused, and the message names the field and says the rest.
pub(crate) fn refused(name: &str, field: &str, says: &str, output: &Output) -> Result<(), String> {
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

/// Makes a minimal resource of its own for a test.
pub(crate) fn make(suite: &Suite, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
    let good: Value = read("good.yaml");
    let mut manifest = good[kind]["minimal"].clone();
    manifest["metadata"]["name"] = name.into();
    change(&mut manifest);
    suite.kubectl(
        &["create", NAMESPACE, "--filename=-"],
        Some(&manifest.to_string()),
    );
}

pub(crate) fn patch_status(name: &str, status: &Value) -> Vec<String> {
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

//! One API server for the suite, helm's output as values, and where things are in it.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, Instant},
};

use playground::control_plane::{ControlPlane, Options, Output};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::lifecycle::{self, Lifecycle};

/// Where releases go: under restricted Pod Security, enforced and told.
pub(crate) const NAMESPACE: &str = "aep-system";

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

pub(crate) fn chart() -> String {
    arg(&repository("deploy/helm/aep-operator"))
}

/// A file of `values/`, as helm's argument.
pub(crate) fn values(file: &str) -> String {
    let file = repository("tests/suites/chart/values").join(file);
    format!("--values={}", file.display())
}

/// Every object of some YAML.
pub(crate) fn objects(yaml: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    objects.into_iter().map(with_whole_numbers).collect()
}

/// `1.0` is `1`: JSON knows one kind of number, and helm writes the shorter.
#[expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "compared with what it came from"
)]
fn with_whole_numbers(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(with_whole_numbers).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, with_whole_numbers(value)))
            .collect(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float as i64 as f64 == float => json!(float as i64),
            _ => Value::Number(number),
        },
        other => other,
    }
}

/// Where two values differ first.
pub(crate) fn difference(at: &str, left: &Value, right: &Value) -> Option<String> {
    let none = Value::Null;
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.keys().chain(right.keys()).find_map(|key| {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                let (left, right) = (of(left), of(right));
                let (left, right) = (left.as_ref(), right.as_ref());
                difference(
                    &format!("{at}/{key}"),
                    left.unwrap_or(&none),
                    right.unwrap_or(&none),
                )
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right).enumerate();
            pairs
                .into_iter()
                .find_map(|(n, (left, right))| difference(&format!("{at}/{n}"), left, right))
        }
        _ if left == right => None,
        _ => Some(format!("{at}: {left} and {right}")),
    }
}

/// `Kind/name`.
pub(crate) fn id(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str();
    format!("{}/{}", object["kind"].as_str().unwrap(), name.unwrap())
}

/// The only object of a kind.
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut of_kind = objects.iter().filter(|object| object["kind"] == kind);
    let only = of_kind.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(of_kind.next().is_none(), "more than one {kind}");
    only
}

pub(crate) fn kinds(objects: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<_> = objects
        .iter()
        .map(|object| object["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The strings of a list.
pub(crate) fn strings(list: &Value) -> Vec<&str> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|item| item.as_str().unwrap()).collect()
}

/// The one control plane of this suite. The CRDs are those that a chart installed and left behind.
pub(crate) struct Suite {
    runtime: Runtime,
    plane: ControlPlane,
    pub(crate) lifecycle: Lifecycle,
}

impl Suite {
    pub(crate) fn get() -> &'static Self {
        static SUITE: LazyLock<Suite> = LazyLock::new(Suite::start);
        &SUITE
    }

    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let options = Options {
            helm: true,
            ..Options::default()
        };
        let plane = runtime
            .block_on(ControlPlane::start(options))
            .expect("the control plane starts");
        let mut suite = Self {
            runtime,
            plane,
            lifecycle: Lifecycle::default(),
        };
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/warn": "restricted",
            }},
        });
        suite.apply(&namespace);
        suite.apply(
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "marketing"}}),
        );
        // No controller makes it here, and no Pod is admitted without an account.
        suite.apply(&json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE},
        }));
        let monitoring = arg(&repository("tests/suites/chart/monitoring-crds.yaml"));
        suite.kubectl(&["apply", "--filename", &monitoring], None);
        suite.lifecycle = lifecycle::play(&suite);
        suite.until_served("aep");
        suite.until_served("servicemonitors");
        suite.until_served("prometheusrules");
        suite
    }

    /// A definition is served a moment after it is there.
    fn until_served(&self, resource: &str) {
        let deadline = Instant::now() + Duration::from_mins(1);
        let get = ["get", resource, "--all-namespaces"];
        while !self.try_kubectl(&get, None).status.success() {
            assert!(Instant::now() < deadline, "{resource}: not served");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn try_kubectl(&self, args: &[&str], stdin: Option<&str>) -> Output {
        let call = self.plane.kubectl(args, stdin);
        self.runtime.block_on(call).expect("kubectl runs")
    }

    pub(crate) fn kubectl(&self, args: &[&str], stdin: Option<&str>) -> String {
        self.try_kubectl(args, stdin).success().unwrap()
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.kubectl(args, None)).unwrap()
    }

    pub(crate) fn apply(&self, object: &Value) {
        let object = object.to_string();
        self.kubectl(&["apply", "--server-side", "--filename=-"], Some(&object));
    }

    pub(crate) fn try_helm(&self, args: &[&str]) -> Output {
        let call = self.plane.helm(args, None);
        self.runtime.block_on(call).expect("helm runs")
    }

    pub(crate) fn helm(&self, args: &[&str]) -> String {
        self.try_helm(args).success().unwrap()
    }

    /// What the release `check` of the chart is with more arguments, its test included.
    pub(crate) fn render(&self, more: &[&str]) -> Vec<Value> {
        let output = self.try_render(more).success().unwrap();
        objects(&output)
    }

    pub(crate) fn try_render(&self, more: &[&str]) -> Output {
        let chart = chart();
        let template = ["template", "check", &chart, "--namespace", NAMESPACE];
        let args: Vec<&str> = template.iter().chain(more).copied().collect();
        self.try_helm(&args)
    }

    /// The API server's word on objects, without making them: no refusal, no unknown field, no warning.
    pub(crate) fn admits(&self, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let apply = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "--filename=-",
        ];
        let output = self.try_kubectl(&apply, Some(&list));
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("Warning"), "{said}");
        assert_eq!(output.stdout.lines().count(), objects.len(), "{said}");
    }
}

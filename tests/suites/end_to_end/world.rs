//! A running stack, and the words scenarios speak in.

use std::time::{Duration, Instant};

use playground::stack::{Stack, StackOptions};
use serde_json::{Value, json};

use crate::crowd::in_short;

/// How long anything may take that a scenario waits for.
const LIMIT: Duration = Duration::from_mins(1);
/// The tutorial's dataset and schema, which a fresh emulator has.
pub const DATASET: &str = "63ec807d3f5ce91bd2d06c65";
pub const SCHEMA: &str =
    "https://ns.adobe.com/extconndev/schemas/945546112b746524bfd9f1264b26c2b7d8e7f5b7fadb953a";
pub const NAMESPACE: &str = "marketing";

pub struct World {
    pub stack: Stack,
}

/// One call the platform took.
#[derive(Clone, Debug)]
pub struct Call {
    pub operation: String,
    pub body: Value,
    pub status: u64,
    /// When it arrived, milliseconds since the epoch.
    pub at: u64,
    /// What the caller calls the platform: replicas beside the first say `localhost`.
    pub host: String,
}

impl Call {
    /// Whether it is one page of a listing.
    pub fn lists(&self) -> bool {
        self.operation.ends_with("list")
    }

    /// Whether it asks what the organization has at all: once for a sandbox and credential.
    pub fn asks_for_a_spec(&self) -> bool {
        ["connectionSpecs.get", "flowSpecs.get"].contains(&self.operation.as_str())
    }

    /// Whether it changes something on the platform.
    pub fn writes(&self) -> bool {
        ["create", "update", "patch", "delete", "action"]
            .iter()
            .any(|verb| self.operation.ends_with(verb))
    }
}

impl World {
    /// A stack whose flows are enabled at once, and whose operator looks at what is broken every
    /// two seconds; with the namespace and the tutorial's Secret.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with the operator's own paces: what is broken is looked at every five minutes, so within
    /// a scenario only an event can wake it.
    pub async fn unhurried() -> Self {
        Self::with(|options| options.operator_args.clear()).await
    }

    /// The same, changed.
    pub async fn with(change: impl FnOnce(&mut StackOptions)) -> Self {
        let mut options = StackOptions::new(env!("CARGO_BIN_EXE_aep-operator"));
        options.emulator.inlet_delay = Duration::ZERO;
        options.operator_args = ["--stalled-retry=2s", "--retry-max=2s"]
            .map(Into::into)
            .to_vec();
        change(&mut options);
        let world = Self {
            stack: Stack::start(options).await.expect("the stack starts"),
        };
        world
            .apply(
                &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
            )
            .await;
        world.apply(&secret("demo-client", "demo-secret")).await;
        world
    }

    /// Ends well, or the scenario fails.
    pub async fn end(self) {
        self.stack
            .stop()
            .await
            .expect("the operator ends when it is told to");
    }

    /// kubectl in our namespace, which has to succeed.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args, None)
            .await
            .unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub async fn try_kubectl(&self, args: &[&str], stdin: Option<&str>) -> anyhow::Result<String> {
        let all: Vec<&str> = ["--namespace", NAMESPACE]
            .iter()
            .chain(args)
            .copied()
            .collect();
        self.stack
            .control_plane()
            .kubectl(&all, stdin)
            .await?
            .success()
    }

    pub async fn apply(&self, manifest: &Value) {
        self.try_kubectl(&["apply", "-f", "-"], Some(&manifest.to_string()))
            .await
            .unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// A resource as it stands.
    pub async fn get(&self, resource: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["get", resource, "-o", "json"]).await).unwrap()
    }

    pub async fn exists(&self, resource: &str) -> bool {
        !self
            .kubectl(&["get", resource, "--ignore-not-found", "-o", "name"])
            .await
            .is_empty()
    }

    /// `kubectl wait --for=condition=Ready`, as a user would.
    pub async fn wait_ready(&self, resource: &str) {
        let waited = self
            .try_kubectl(
                &["wait", "--for=condition=Ready", "--timeout=60s", resource],
                None,
            )
            .await;
        if let Err(error) = waited {
            let stands = self.get(resource).await;
            panic!(
                "{error:#}\n{:#}\n{}",
                stands["status"],
                self.stack.operator().log_tail()
            );
        }
    }

    /// Waits until the resource's `Ready` has this reason; the whole resource.
    pub async fn wait_reason(&self, resource: &str, reason: &str) -> Value {
        self.wait_for(&format!("{resource} to say {reason}"), async || {
            let stands = self.get(resource).await;
            (condition(&stands, "Ready")["reason"] == reason).then_some(stands)
        })
        .await
    }

    /// Waits until a resource is gone.
    pub async fn wait_gone(&self, resource: &str) {
        self.wait_for(&format!("{resource} to be gone"), async || {
            (!self.exists(resource).await).then_some(())
        })
        .await;
    }

    /// Waits for something, and says what, if it does not come.
    pub async fn wait_for<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            if Instant::now() > deadline {
                let all: Vec<String> = self.all().await.iter().map(in_short).collect();
                // What matters most comes last: of a long output, the end is what people see.
                panic!(
                    "{}\n{}\nwaited for {what}",
                    self.stack.operator().log_tail(),
                    all.join("\n")
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The platform's calls since the last [`World::forget_calls`], tokens left out.
    pub async fn calls(&self) -> Vec<Call> {
        let requests = self
            .stack
            .emulator()
            .get("/_emulator/requests")
            .await
            .unwrap();
        let calls = requests.as_array().unwrap().iter().map(|entry| Call {
            operation: entry["operation"].as_str().unwrap().to_owned(),
            body: entry["body"].clone(),
            status: entry["status"].as_u64().unwrap_or_default(),
            at: entry["time"].as_u64().unwrap_or_default(),
            host: text(&entry["headers"]["host"]).to_owned(),
        });
        calls.filter(|call| call.operation != "ims.token").collect()
    }

    /// How often a token was asked for since the last [`World::forget_calls`].
    pub async fn token_calls(&self) -> usize {
        let emulator = self.stack.emulator();
        let requests = emulator.get("/_emulator/requests").await.unwrap();
        let all = requests.as_array().unwrap();
        all.iter()
            .filter(|entry| entry["operation"] == "ims.token")
            .count()
    }

    /// The names of those calls, sorted.
    pub async fn operations(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .calls()
            .await
            .into_iter()
            .map(|call| call.operation)
            .collect();
        names.sort();
        names
    }

    /// Reconciles of all controllers since the operator started.
    pub async fn reconciles(&self) -> u64 {
        let metrics = self.stack.metrics().await.unwrap();
        let counts = metrics
            .lines()
            .filter(|line| line.starts_with("controller_runtime_reconcile_total{"));
        counts
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    pub async fn forget_calls(&self) {
        self.stack
            .emulator()
            .delete("/_emulator/requests")
            .await
            .unwrap();
    }

    /// Live objects of a kind, tutorial's own dataset and schema included.
    pub async fn objects(&self, kind: &str) -> Vec<Value> {
        let objects = self
            .stack
            .emulator()
            .get("/_emulator/objects")
            .await
            .unwrap();
        objects[kind].as_array().cloned().unwrap_or_default()
    }

    /// Flows, connections and mapping sets: all that the operator ever makes.
    pub async fn ours(&self) -> Vec<String> {
        let mut found = Vec::new();
        for kind in ["flow", "targetConnection", "mappingSet", "sourceConnection"] {
            let objects = self.objects(kind).await;
            found.extend(
                objects
                    .iter()
                    .map(|object| format!("{kind} {}", object["id"])),
            );
        }
        found
    }

    /// Arms fault rules; an empty list clears them.
    pub async fn faults(&self, rules: Value) {
        self.stack
            .emulator()
            .post("/_emulator/faults", &rules)
            .await
            .unwrap();
    }

    /// Changes something behind the operator's back.
    pub async fn edit(&self, edit: Value) {
        self.stack
            .emulator()
            .post("/_emulator/edit", &edit)
            .await
            .unwrap();
    }

    /// What `kubectl get events` says of an object: `reason: note` lines.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let selector = format!("involvedObject.name={name}");
        let events = self
            .kubectl(&["get", "events", "--field-selector", &selector, "-o", "json"])
            .await;
        let events: Value = serde_json::from_str(&events).unwrap();
        let line =
            |event: &Value| format!("{}: {}", text(&event["reason"]), text(&event["message"]));
        events["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(line)
            .collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A condition of a resource; `null` if it does not stand.
pub fn condition(resource: &Value, type_: &str) -> Value {
    let conditions = resource["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    conditions
        .into_iter()
        .find(|condition| condition["type"] == type_)
        .unwrap_or(Value::Null)
}

pub fn secret(client: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "adobe-credentials", "namespace": NAMESPACE},
        "stringData": {"clientId": client, "clientSecret": secret, "orgId": "1234567890ABCDEF12345678@AdobeOrg"},
    })
}

pub fn source(name: &str) -> Value {
    json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "CustomerIoSource",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "name": "Streaming Source Connection for Customer.io",
            "description": "Streaming Source Connection for customer.io",
            "sandbox": "prod",
            "credentialsRef": {"name": "adobe-credentials"},
        },
    })
}

/// A dataset of its own with two fields.
pub fn dataset(name: &str) -> Value {
    json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "AepDataset",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "sandbox": "prod",
            "credentialsRef": {"name": "adobe-credentials"},
            "name": name,
            "description": "Events of every campaign",
            "schema": {"title": format!("Schema of {name}"), "description": "What Customer.io reports", "fields": [
                {"path": "_{tenant}.email", "type": "string"},
                {"path": "_{tenant}.sent.at", "type": "date-time"},
            ]},
        },
    })
}

pub fn dataflow(name: &str, source: &str) -> Value {
    let row = |source: &str, field: &str| json!({"source": source, "destination": format!("_extconndev.{field}")});
    json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "AepDataflow",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "sourceRef": {"name": source},
            "name": "Streaming Dataflow for Customer.io",
            "description": "Streaming Dataflow for Customer.io",
            "target": {"existing": {"datasetId": DATASET, "schema": {"id": SCHEMA, "majorVersion": 1}}},
            "mapping": [
                row("data.identifiers.cio_id", "cio_id"),
                row("data.identifiers.email", "email"),
                row("event_id", "event_id0"),
                row("metric", "metricx"),
                row("object_type", "object_type1"),
                row("timestamp", "timestampx"),
            ],
        },
    })
}

/// A manifest with one field changed; `pointer` as in `/spec/name`.
pub fn changed(mut manifest: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    manifest.pointer_mut(parent).unwrap()[field] = value;
    manifest
}

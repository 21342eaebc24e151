//! Dataflows by the hundred, each with a source of its own: made with one kubectl, looked at with one,
//! and held against what stands on the platform.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{World, changed, condition, dataflow, source};

/// Between two looks at everything.
const LOOK: Duration = Duration::from_secs(2);
/// What the operator makes: the resource, where its status has the id, and what the platform calls it.
const MADE: [(&str, &str, &str); 4] = [
    (
        "CustomerIoSource",
        "/status/sourceConnection/id",
        "sourceConnection",
    ),
    (
        "AepDataflow",
        "/status/targetConnection/id",
        "targetConnection",
    ),
    ("AepDataflow", "/status/mappingSet/id", "mappingSet"),
    ("AepDataflow", "/status/flow/id", "flow"),
];

/// The manifests of so many dataflows, each behind its source.
pub fn pairs(count: usize) -> Vec<Value> {
    (0..count).flat_map(pair).collect()
}

/// A source and its dataflow, of the same name.
pub fn pair(number: usize) -> [Value; 2] {
    let name = format!("crowd-{number:04}");
    [
        changed(source(&name), "/spec/name", json!(format!("Source {name}"))),
        changed(
            dataflow(&name, &name),
            "/spec/name",
            json!(format!("Dataflow {name}")),
        ),
    ]
}

/// A field of a resource or an object, as text; empty if it is not there.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether `Ready` is true of what the resource says now.
fn is_ready(resource: &Value) -> bool {
    let ready = condition(resource, "Ready");
    ready["status"] == "True"
        && ready["observedGeneration"] == resource["metadata"]["generation"]
        && resource["metadata"]["deletionTimestamp"].is_null()
}

/// A resource in a line: what is asked of it, how far it is, what it says of itself.
pub fn in_short(resource: &Value) -> String {
    let meta = &resource["metadata"];
    format!(
        "{} {} generation {} deleted {}: {} pending {}",
        resource["kind"],
        meta["name"],
        meta["generation"],
        meta["deletionTimestamp"],
        resource["status"]["conditions"],
        resource["status"]["pending"]
    )
}

/// What is wrong if there has to be exactly one of everything: an object without a resource, a resource
/// without an object, one object for two resources, another resource's marker, a creation not settled.
fn wrong(resources: &[Value], objects: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (resource_kind, pointer, kind) in MADE {
        let standing: BTreeMap<&str, String> = objects[kind]
            .as_array()
            .unwrap()
            .iter()
            .map(|object| (text(object, "/id"), object.to_string()))
            .collect();
        let mut named = BTreeSet::new();
        for resource in resources.iter().filter(|it| it["kind"] == resource_kind) {
            let (name, uid) = (
                text(resource, "/metadata/name"),
                text(resource, "/metadata/uid"),
            );
            let id = text(resource, pointer);
            match standing.get(id) {
                None => wrong.push(format!("{resource_kind} {name} has no {kind} (\"{id}\")")),
                // The uid in other markers may be an earlier one: the platform lets few of them be changed.
                Some(object)
                    if !object.contains(&format!("/{name} "))
                        || (kind == "flow" && !object.contains(uid)) =>
                {
                    wrong.push(format!("{kind} {id} is not marked as {name}'s: {object}"));
                }
                Some(_) => {}
            }
            if !named.insert(id) {
                wrong.push(format!("{kind} {id} serves two resources, one is {name}"));
            }
        }
        let orphans = standing.iter().filter(|(id, _)| !named.contains(*id));
        wrong.extend(orphans.map(|(_, object)| format!("nobody names {kind} {object}")));
    }
    let pending = resources
        .iter()
        .filter(|it| !it["status"]["pending"].is_null());
    wrong.extend(pending.map(|it| {
        format!(
            "{} has {}",
            text(it, "/metadata/name"),
            it["status"]["pending"]
        )
    }));
    wrong
}

impl World {
    /// Applies many manifests with one command, one request each.
    pub async fn apply_all(&self, manifests: &[Value]) {
        self.try_apply_all(manifests)
            .await
            .unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// The same, where it may fail: what is just going cannot be applied.
    pub async fn try_apply_all(&self, manifests: &[Value]) -> anyhow::Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests}).to_string();
        let apply = ["apply", "--server-side", "-f", "-"];
        self.try_kubectl(&apply, Some(&list)).await.map(drop)
    }

    /// All sources and dataflows as they stand.
    pub async fn all(&self) -> Vec<Value> {
        let all = self.kubectl(&["get", "aep", "-o", "json"]).await;
        let mut all: Value = serde_json::from_str(&all).unwrap();
        match all["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        }
    }

    /// Waits until there are exactly `count` sources and dataflows and all are Ready.
    pub async fn wait_all_ready(&self, count: usize, limit: Duration) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let all = self.all().await;
            let late: Vec<&Value> = all.iter().filter(|it| !is_ready(it)).collect();
            if all.len() == count && late.is_empty() {
                return all;
            }
            if begun.elapsed() > limit {
                let shown: Vec<String> = late.iter().take(5).map(|it| in_short(it)).collect();
                // What matters most comes last: of a long output, the end is what people see.
                panic!(
                    "{}\n{}\n{} of {count} there, {} of them not Ready, such as these",
                    self.stack.operator().log_tail(),
                    shown.join("\n"),
                    all.len(),
                    late.len()
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Exactly one of everything for these resources, and nothing else; in the end, for a twin may have to
    /// be found first.
    pub async fn exactly_one_each(&self, resources: &[Value], limit: Duration) {
        let begun = Instant::now();
        loop {
            let objects = self.stack.emulator().get("/_emulator/objects").await;
            let wrong = wrong(resources, &objects.unwrap());
            if wrong.is_empty() {
                return;
            }
            assert!(
                begun.elapsed() < limit,
                "{}\n{}\n{} things are wrong, such as these",
                self.stack.operator().log_tail(),
                wrong[..wrong.len().min(10)].join("\n"),
                wrong.len()
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

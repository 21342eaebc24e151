//! Creations, changes and deletions: what an object looks like after them, or why it stays as it is.

use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::kinds::Kind;
use super::schema;

/// Which part of an object a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    Status,
}

/// What a change comes to.
#[derive(Debug)]
pub(crate) enum After {
    Same,
    Stored(Value),
    Gone(Value),
}

/// A new object as it is stored.
pub(crate) fn created(
    kind: &Kind,
    namespace: &str,
    name: &str,
    mut object: Value,
    uid: String,
    now: &str,
) -> Value {
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    if kind.status {
        remove(&mut object, "status");
    }
    let meta = &mut object["metadata"];
    for given in [
        "managedFields",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "generation",
    ] {
        remove(meta, given);
    }
    meta["name"] = json!(name);
    if kind.namespaced {
        meta["namespace"] = json!(namespace);
    }
    meta["uid"] = json!(uid);
    meta["creationTimestamp"] = json!(now);
    if kind.custom {
        meta["generation"] = json!(1);
    }
    tidy(meta);
    complete(kind, &mut object);
    if kind.kind == "Namespace" {
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
        object["spec"] = json!({"finalizers": ["kubernetes"]});
        object["status"] = json!({"phase": "Active"});
    }
    object
}

/// What the server adds to or takes from an object by itself.
fn complete(kind: &Kind, object: &mut Value) {
    if let Some(schema) = &kind.schema {
        schema::apply(object, schema);
    }
    if kind.kind == "Secret" {
        let fields = object.as_object_mut();
        let plain = fields.and_then(|fields| fields.remove("stringData"));
        for (key, value) in plain.iter().filter_map(Value::as_object).flatten() {
            object["data"][key] = json!(base64(value.as_str().unwrap_or_default().as_bytes()));
        }
        if object["type"].is_null() {
            object["type"] = json!("Opaque");
        }
    }
}

/// Whether a write that wants `wanted` may go on from `current`.
pub(crate) fn check_preconditions(
    kind: &Kind,
    current: &Value,
    wanted: &Value,
) -> Result<(), Refusal> {
    let (now, wanted) = (&current["metadata"], &wanted["metadata"]);
    let name = now["name"].as_str().unwrap_or_default();
    if let Some(uid) = wanted["uid"]
        .as_str()
        .filter(|uid| now["uid"].as_str() != Some(uid))
    {
        let what = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            now["uid"].as_str().unwrap_or_default()
        );
        return Err(Refusal::about(409, "Conflict", kind, name, &what));
    }
    let version = wanted["resourceVersion"]
        .as_str()
        .filter(|version| !version.is_empty());
    if version.is_some_and(|version| now["resourceVersion"].as_str() != Some(version)) {
        return Err(Refusal::moved(kind, name));
    }
    Ok(())
}

/// What becomes of `current` when somebody wants `wanted`.
pub(crate) fn changed(
    kind: &Kind,
    current: &Value,
    mut wanted: Value,
    part: Part,
) -> Result<After, Refusal> {
    check_preconditions(kind, current, &wanted)?;
    let mut next = match part {
        Part::Status => {
            let mut next = current.clone();
            set(&mut next, "status", wanted.get("status").cloned());
            next
        }
        Part::Main => {
            for own in ["apiVersion", "kind"] {
                wanted[own] = current[own].clone();
            }
            if kind.status {
                set(&mut wanted, "status", current.get("status").cloned());
            }
            let meta = &mut wanted["metadata"];
            for own in [
                "uid",
                "creationTimestamp",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "generation",
                "name",
                "namespace",
                "resourceVersion",
            ] {
                set(meta, own, current["metadata"].get(own).cloned());
            }
            remove(meta, "managedFields");
            tidy(meta);
            wanted
        }
    };
    complete(kind, &mut next);
    let deleting = !current["metadata"]["deletionTimestamp"].is_null();
    if deleting {
        let held = finalizers(current);
        if finalizers(&next).iter().any(|name| !held.contains(name)) {
            let name = current["metadata"]["name"].as_str().unwrap_or_default();
            let what = "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted";
            return Err(Refusal::about(422, "Invalid", kind, name, what).by_kind(kind));
        }
        if finalizers(&next).is_empty() && kind.kind != "Namespace" {
            return Ok(After::Gone(next));
        }
    }
    if kind.custom && body(&next) != body(current) {
        let generation = current["metadata"]["generation"]
            .as_i64()
            .unwrap_or_default();
        next["metadata"]["generation"] = json!(generation + 1);
    }
    Ok(if next == *current {
        After::Same
    } else {
        After::Stored(next)
    })
}

/// What becomes of `current` when somebody deletes it.
pub(crate) fn deleted(
    kind: &Kind,
    current: &Value,
    options: &Value,
    now: &str,
) -> Result<After, Refusal> {
    check_preconditions(
        kind,
        current,
        &json!({"metadata": options.get("preconditions").cloned().unwrap_or_default()}),
    )
    .map_err(|refusal| refusal.by_kind(kind))?;
    if kind.kind != "Namespace" && finalizers(current).is_empty() {
        return Ok(After::Gone(current.clone()));
    }
    if !current["metadata"]["deletionTimestamp"].is_null() {
        return Ok(After::Same);
    }
    let mut next = current.clone();
    let meta = &mut next["metadata"];
    meta["deletionTimestamp"] = json!(now);
    if kind.kind == "Namespace" {
        next["status"]["phase"] = json!("Terminating");
    } else {
        meta["deletionGracePeriodSeconds"] = json!(0);
        if let Some(generation) = meta["generation"].as_i64() {
            meta["generation"] = json!(generation + 1);
        }
    }
    Ok(After::Stored(next))
}

/// RFC 7396.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(fields) = target {
        for (name, change) in changes {
            if change.is_null() {
                fields.remove(name);
            } else {
                merge(fields.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
    }
}

fn finalizers(object: &Value) -> Vec<&str> {
    let names = object["metadata"]["finalizers"].as_array();
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// All but metadata and status.
fn body(object: &Value) -> Vec<(&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status"))
        .collect()
}

/// Kubernetes leaves empty lists and maps of metadata out.
fn tidy(meta: &mut Value) {
    if let Value::Object(fields) = meta {
        fields.retain(|_, value| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
            _ => true,
        });
    }
}

fn set(object: &mut Value, name: &str, value: Option<Value>) {
    match value {
        Some(value) => object[name] = value,
        None => remove(object, name),
    }
}

fn remove(object: &mut Value, name: &str) {
    if let Value::Object(fields) = object {
        fields.remove(name);
    }
}

/// Standard alphabet, padded.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let all = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

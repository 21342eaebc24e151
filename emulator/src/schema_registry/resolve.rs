//! From references to fields: a schema's class and field groups merged into one tree of properties and
//! required names.

use serde_json::{Map, Value, json};

use crate::shelf::{Object, Shelf};
use crate::world::Sandbox;

/// Classes and behaviours of the global container that schemas may build on.
pub(super) const EXPERIENCE_EVENT: &str = "https://ns.adobe.com/xdm/context/experienceevent";
pub(super) const PROFILE: &str = "https://ns.adobe.com/xdm/context/profile";
pub(super) const RECORD: &str = "https://ns.adobe.com/xdm/data/record";
pub(super) const TIME_SERIES: &str = "https://ns.adobe.com/xdm/data/time-series";

/// The major version that a content type names, as in `...;version=1`. The oldest form is the bare number.
pub(crate) fn major_version(content_type: &str) -> Option<u64> {
    let version = match content_type
        .split(';')
        .find_map(|part| part.trim().strip_prefix("version="))
    {
        Some(version) => version,
        None if content_type.starts_with(|letter: char| letter.is_ascii_digit()) => content_type,
        None => return None,
    };
    version.split('.').next()?.trim().parse().ok()
}

/// Fields of a class. A record class as such has none.
pub(super) fn class(id: &str) -> Option<Value> {
    let text = json!({"type": "string"});
    let date = json!({"type": "string", "format": "date-time"});
    match id {
        EXPERIENCE_EVENT => Some(json!({
            "properties": {"_id": text, "timestamp": date, "eventType": text, "producedBy": text, "eventMergeId": text},
            "required": ["_id", "timestamp"]
        })),
        PROFILE => Some(json!({
            "properties": {
                "_id": text, "createdByBatchID": text, "modifiedByBatchID": text, "personID": text,
                "repositoryCreatedBy": text, "repositoryLastModifiedBy": text,
                "_repo": {"type": "object", "properties": {"createDate": date, "modifyDate": date}}
            },
            "required": []
        })),
        RECORD => Some(json!({"properties": {}, "required": []})),
        _ => None,
    }
}

/// Resolves every schema of a sandbox again; done after any change to a field group or schema.
pub(crate) fn refresh(sandbox: &mut Sandbox) {
    let Sandbox {
        schemas,
        field_groups,
        resolved,
        ..
    } = sandbox;
    *resolved = schemas
        .iter()
        .map(|item| (item.id.clone(), resolve(&item.value, field_groups)))
        .collect();
}

/// One schema with its references resolved.
pub(super) fn resolve(schema: &Object, field_groups: &Shelf) -> Value {
    let mut tree = json!({"type": "object", "properties": {}, "required": []});
    for part in schema
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        add(&mut tree, part, schema, field_groups, 0);
    }
    tree
}

fn add(tree: &mut Value, part: &Value, owner: &Object, field_groups: &Shelf, depth: u8) {
    if depth > 8 {
        return;
    }
    if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
        if let Some(pointer) = reference.strip_prefix('#') {
            if let Some(local) = Value::Object(owner.clone()).pointer(pointer) {
                add(tree, local, owner, field_groups, depth + 1);
            }
        } else if let Some(fields) = class(reference) {
            add(tree, &fields, owner, field_groups, depth + 1);
        } else if let Some(group) = field_groups.get(reference) {
            for part in group
                .value
                .get("allOf")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                add(tree, part, &group.value, field_groups, depth + 1);
            }
        }
    }
    if let Some(properties) = part.get("properties") {
        merge(&mut tree["properties"], properties);
    }
    let required = part
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    if let Some(list) = tree["required"].as_array_mut() {
        list.extend(required.cloned());
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(
                    into.entry(name.clone())
                        .or_insert_with(|| Value::Object(Map::new())),
                    value,
                );
            }
        }
        (into, from) => *into = from.clone(),
    }
}

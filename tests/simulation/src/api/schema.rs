//! What a CRD's schema does to an object before it is stored: unknown fields go, nulls go, defaults come.

use serde_json::{Map, Value};

/// Prunes and defaults the parts of a custom object that its schema describes (`metadata` is Kubernetes' own).
pub(crate) fn apply(object: &mut Value, schema: &Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    let properties = &schema["properties"];
    fields.retain(|name, _| {
        matches!(name.as_str(), "apiVersion" | "kind" | "metadata")
            || !properties[name.as_str()].is_null()
    });
    for name in ["spec", "status"] {
        if let Some(default) = properties[name].get("default") {
            fields
                .entry(name.to_owned())
                .or_insert_with(|| default.clone());
        }
        if let Some(value) = fields.get_mut(name) {
            walk(value, &properties[name]);
        }
    }
}

fn walk(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => walk_object(fields, schema),
        Value::Array(items) => {
            for item in items {
                walk(item, &schema["items"]);
            }
        }
        _ => {}
    }
}

fn walk_object(fields: &mut Map<String, Value>, schema: &Value) {
    if let Some(properties) = schema["properties"].as_object() {
        fields.retain(|name, value| {
            properties
                .get(name)
                .is_some_and(|schema| !value.is_null() || schema["nullable"] == true)
        });
        for (name, schema) in properties {
            if let Some(default) = schema.get("default") {
                fields
                    .entry(name.clone())
                    .or_insert_with(|| default.clone());
            }
            if let Some(value) = fields.get_mut(name) {
                walk(value, schema);
            }
        }
    } else if schema["additionalProperties"].is_object() {
        for value in fields.values_mut() {
            walk(value, &schema["additionalProperties"]);
        }
    }
}

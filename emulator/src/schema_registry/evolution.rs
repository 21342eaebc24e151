//! What a change does to records that are there already: fields may be added, and nothing else may happen to
//! them (the public rules of schema evolution).

use std::collections::BTreeMap;

use serde_json::Value;

/// Each way in which the fields after a change no longer fit records made before it.
pub(super) fn breaks(before: &Value, after: &Value) -> Vec<String> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten("", before, &mut old);
    flatten("", after, &mut new);
    let mut found = Vec::new();
    for (path, was) in &old {
        match new.get(path) {
            None => found.push(format!("the field {path} is removed")),
            Some(is) if is.kind != was.kind => {
                found.push(format!("the type of the field {path} is changed"));
            }
            Some(_) => {}
        }
    }
    for (path, is) in &new {
        if is.required && old.get(path).is_none_or(|was| !was.required) {
            found.push(format!("the field {path} becomes required"));
        }
    }
    found
}

struct Field {
    kind: (Value, Value),
    required: bool,
}

fn flatten(prefix: &str, tree: &Value, found: &mut BTreeMap<String, Field>) {
    let required = |name: &str| {
        let list = tree["required"].as_array().into_iter().flatten();
        list.into_iter().any(|it| it == name)
    };
    for (name, field) in tree["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        flatten(&format!("{path}."), field, found);
        let kind = (field["type"].clone(), field["format"].clone());
        let required = required(name);
        found.insert(path, Field { kind, required });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::breaks;

    #[test]
    fn only_additions_break_nothing() {
        let before = json!({"properties": {
            "_id": {"type": "string"},
            "_t": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
        }, "required": ["_id"]});
        assert!(breaks(&before, &before).is_empty());
        let mut after = before.clone();
        after["properties"]["_t"]["properties"]["c"] =
            json!({"type": "string", "format": "date-time"});
        assert!(breaks(&before, &after).is_empty());
        assert_eq!(breaks(&after, &before), ["the field _t.c is removed"]);
        after["properties"]["_t"]["properties"]["b"] = json!({"type": "string"});
        after["properties"]["_t"]["required"] = json!(["c"]);
        assert_eq!(
            breaks(&before, &after),
            [
                "the type of the field _t.b is changed",
                "the field _t.c becomes required"
            ]
        );
    }
}

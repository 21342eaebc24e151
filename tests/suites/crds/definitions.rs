//! The definitions themselves.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::suite::*;

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

//! `docs/fields.md`: every field of the custom resources, written out of `crds/`.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::repository;

/// The kinds in the order in which a reader meets them.
const KINDS: [&str; 3] = ["customeriosources", "aepdatasets", "aepdataflows"];

const HEAD: &str = "# Field reference

<!-- Written by .ci/generate from crds/, and those from src/resources: change the descriptions there. -->

Group `aep-operator.dev`, version `v1alpha1`, all namespaced, category `aep`. `kubectl explain aepdataflow.spec` says the same.
A field in **bold** is required. Patterns of names and texts are in `crds/`; what breaks one is refused with its field.
";

/// The page.
///
/// # Errors
///
/// A definition cannot be read.
pub fn page() -> Result<String> {
    let mut page = HEAD.to_owned();
    for plural in KINDS {
        let file = repository::crds().join(plural).with_extension("yaml");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let definition: Value = serde_saphyr::from_str(&text)
            .with_context(|| format!("{} is no YAML", file.display()))?;
        kind(&mut page, &definition["spec"]);
    }
    Ok(page)
}

fn kind(page: &mut String, spec: &Value) {
    let names = &spec["names"];
    let schema = &spec["versions"][0]["schema"]["openAPIV3Schema"];
    put(page, &format!("\n## {}\n", text(&names["kind"])));
    put(page, &prose(schema));
    let short = text(&names["shortNames"][0]);
    put(page, &format!("Short name: `{short}`.\n"));
    for part in ["spec", "status"] {
        let schema = &schema["properties"][part];
        put(page, "| field | type | what it is |\n|---|---|---|");
        let mut rules = Vec::new();
        fields(page, &mut rules, part, schema);
        put(page, "");
        if !rules.is_empty() {
            put(page, "Refused by the API server:\n");
            for rule in &rules {
                put(page, rule);
            }
            put(page, "");
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
}

/// A row for each field below `path`, and the rules that stand there.
fn fields(page: &mut String, rules: &mut Vec<String>, path: &str, schema: &Value) {
    for rule in list(&schema["x-kubernetes-validations"]) {
        rules.push(format!("- `{path}`: {}", text(&rule["message"])));
    }
    let required: Vec<_> = list(&schema["required"]).iter().map(text).collect();
    let properties = schema["properties"].as_object();
    for (name, field) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        let shown = if required.contains(&name.as_str()) {
            format!("**`{path}`**")
        } else {
            format!("`{path}`")
        };
        put(
            page,
            &format!("| {shown} | {} | {} |", type_of(field), cell(field)),
        );
        // Conditions are Kubernetes' own, the same everywhere.
        if name == "conditions" {
            continue;
        }
        fields(page, rules, &path, field);
        fields(page, rules, &format!("{path}[]"), &field["items"]);
    }
}

fn type_of(field: &Value) -> String {
    match text(&field["type"]) {
        "array" => format!("list of {}", type_of(&field["items"])),
        "string" if !field["format"].is_null() => text(&field["format"]).to_owned(),
        other => other.to_owned(),
    }
}

/// What a cell can hold: the description, what may be written, and the default.
fn cell(field: &Value) -> String {
    let mut words = vec![prose(field).replace('|', "\\|")];
    let values: Vec<_> = list(&field["enum"])
        .iter()
        .map(|it| format!("`{}`", text(it)))
        .collect();
    if !values.is_empty() {
        words.push(format!("One of {}.", values.join(", ")));
    }
    for (least, most, unit) in [
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "entries"),
        ("minimum", "maximum", ""),
    ] {
        words.extend(bounds(&field[least], &field[most], unit));
    }
    if !field["default"].is_null() {
        words.push(format!("Default: `{}`.", plain(&field["default"])));
    }
    words.retain(|it| !it.is_empty());
    words.join(" ")
}

fn bounds(least: &Value, most: &Value, unit: &str) -> Option<String> {
    let said = match (least.as_f64(), most.as_f64()) {
        (Some(least), Some(most)) => format!("{least} to {most} {unit}"),
        (Some(least), None) => format!("At least {least} {unit}"),
        (None, Some(most)) => format!("At most {most} {unit}"),
        (None, None) => return None,
    };
    Some(format!("{}.", said.trim_end()))
}

fn prose(schema: &Value) -> String {
    text(&schema["description"]).replace('\n', " ")
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn put(page: &mut String, line: &str) {
    // Writing into a String cannot fail.
    let _ = writeln!(page, "{line}");
}

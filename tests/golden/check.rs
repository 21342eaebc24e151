//! Compares what is sent with a golden file, as JSON values, and names every difference by its place.

use serde_json::Value;

/// The golden file `name`.
pub(crate) fn read(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with one line a difference.
#[track_caller]
pub(crate) fn check(name: &str, sent: &Value) {
    let mut differences = Vec::new();
    compare("", Some(&read(name)), Some(sent), &mut differences);
    let list = differences.join("\n");
    assert!(
        differences.is_empty(),
        "not as in tests/golden/{name}.json:\n{list}"
    );
}

fn compare(
    place: &str,
    golden: Option<&Value>,
    sent: Option<&Value>,
    differences: &mut Vec<String>,
) {
    match (golden, sent) {
        (Some(Value::Object(golden)), Some(Value::Object(sent))) => {
            let mut keys: Vec<&String> = golden.keys().chain(sent.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                compare(
                    &format!("{place}/{key}"),
                    golden.get(key),
                    sent.get(key),
                    differences,
                );
            }
        }
        (Some(Value::Array(golden)), Some(Value::Array(sent))) => {
            for index in 0..golden.len().max(sent.len()) {
                compare(
                    &format!("{place}/{index}"),
                    golden.get(index),
                    sent.get(index),
                    differences,
                );
            }
        }
        _ if golden == sent => {}
        _ => {
            let show = |value: Option<&Value>| {
                value.map_or_else(|| "nothing".to_owned(), Value::to_string)
            };
            differences.push(format!(
                "{place}: golden {}, sent {}",
                show(golden),
                show(sent)
            ));
        }
    }
}

//! One event through one mapping set: source values, converted to the schema's types, put together as an XDM
//! record. What goes wrong with a field makes it null and adds a warning; it never stops the event.

use serde_json::{Map, Value, json};

use crate::expression::{self, Expr, Path, Scope, evaluate};

/// Where a row takes its value from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Attribute(Path),
    Expression(Expr),
    Static(String),
}

/// One row of a mapping set, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) source: Source,
    /// The source as it was written.
    pub(crate) text: String,
    /// The kind as it was written, for error reports.
    pub(crate) kind: String,
    pub(crate) destination: String,
    pub(crate) path: Path,
}

/// What became of an event.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) record: Value,
    pub(crate) warnings: Vec<Value>,
}

impl Row {
    /// The report of an error in this row.
    pub(crate) fn report(&self, exception: &str) -> Value {
        json!({
            "destination": self.destination, "exception": exception, "source": self.text,
            "columnName": null, "sourceType": self.kind
        })
    }
}

/// Applies the rows in order.
pub(crate) fn apply(
    rows: &[Row],
    schema: &Value,
    allow_nulls: bool,
    scope: &mut Scope<'_>,
) -> Mapped {
    let mut mapped = Mapped {
        record: Value::Object(Map::new()),
        warnings: Vec::new(),
    };
    for row in rows {
        let value = match &row.source {
            Source::Attribute(path) => match path.find(scope.event) {
                // A missing attribute leaves the field out, whatever is said about nulls.
                None => continue,
                Some(value) => Ok(value),
            },
            Source::Expression(expr) => evaluate(expr, scope),
            Source::Static(text) => Ok(Value::String(text.clone())),
        };
        let value = value.and_then(|value| match row.path.field(schema) {
            Some(field) => convert(value, field),
            None => Err("Destination path not found in the output schema".to_owned()),
        });
        let value = value.unwrap_or_else(|reason| {
            mapped.warnings.push(row.report(&reason));
            Value::Null
        });
        if !value.is_null() || allow_nulls {
            row.path.put(&mut mapped.record, value);
        }
    }
    mapped
}

/// Converts a value to the type that the schema gives the field.
fn convert(value: Value, field: &Value) -> Result<Value, String> {
    let wrong = |value: &Value, wanted: &str| format!("{value} cannot be converted to {wanted}");
    let kind = field
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("object");
    match (kind, &value) {
        ("string", Value::String(text)) => match field.get("format").and_then(Value::as_str) {
            Some("date-time") if expression::read_iso(text).is_err() => {
                Err(wrong(&value, "date-time"))
            }
            _ => Ok(value),
        },
        ("string", Value::Number(number)) => {
            match (field.get("format").and_then(Value::as_str), number.as_i64()) {
                // Assumed: a number in a date field is a time in milliseconds.
                (Some("date-time"), Some(millis)) => expression::iso(millis).map(Value::String),
                _ => Ok(Value::String(value.to_string())),
            }
        }
        ("string", Value::Bool(_)) => Ok(Value::String(value.to_string())),
        ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(value),
        ("integer", Value::String(text)) => text
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| wrong(&value, kind)),
        (_, Value::Null)
        | ("number", Value::Number(_))
        | ("boolean", Value::Bool(_))
        | ("object", Value::Object(_))
        | ("array", Value::Array(_)) => Ok(value),
        ("number", Value::String(text)) => text
            .parse::<f64>()
            .map(Value::from)
            .map_err(|_| wrong(&value, kind)),
        ("boolean", Value::String(text)) => text
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| wrong(&value, kind)),
        _ => Err(wrong(&value, kind)),
    }
}

/// The first required field that a record lacks. A field inside an object is only required with the object.
pub(crate) fn missing_required(schema: &Value, record: &Value) -> Option<String> {
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for name in required {
        if record.get(name).is_none_or(Value::is_null) {
            return Some(name.to_owned());
        }
    }
    let fields = record.as_object()?;
    fields.iter().find_map(|(name, value)| {
        let inner = missing_required(schema.get("properties")?.get(name)?, value)?;
        Some(format!("{name}.{inner}"))
    })
}

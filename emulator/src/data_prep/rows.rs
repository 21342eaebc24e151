//! Rows of a mapping set, in both dialects: `sourceType`, `source`, `destination`, and the older
//! `sourceAttribute`, `destinationXdmPath`. Reads come back in one form.

use serde_json::{Value, json};

use crate::call::unknown_field;
use crate::expression::{Path, parse};
use crate::shelf::{Object, text};
use crate::transform::{Row, Source};

const FIELDS: &[&str] = &[
    "id",
    "version",
    "createdBy",
    "createdDate",
    "modifiedBy",
    "modifiedDate",
    "sourceType",
    "source",
    "destination",
    "name",
    "description",
    "functionVersion",
    "expressionAttributes",
    "identity",
    "primaryIdentity",
    "matchScore",
    "sourceAttribute",
    "destinationXdmPath",
    "namespaceCode",
];

/// Reads one row; the error says what is wrong with it.
pub(super) fn read(value: &Value) -> Result<Row, String> {
    let Value::Object(row) = value else {
        return Err("A mapping must be an object".to_owned());
    };
    if let Some(name) = unknown_field(row, FIELDS) {
        return Err(format!("Unrecognized field \"{name}\""));
    }
    let source = field(row, "source", "sourceAttribute").ok_or("The source is missing")?;
    let destination =
        field(row, "destination", "destinationXdmPath").ok_or("The destination is missing")?;
    let path = Path::parse(destination)
        .map_err(|_| format!("Destination path {destination} is not a path"))?;
    let (kind, read) = match text(row, "sourceType") {
        Some(kind @ ("ATTRIBUTE" | "text/x.schema-path")) => (kind, attribute(source)?),
        Some(kind @ ("EXPRESSION" | "text/x.aep-xl")) => (kind, Source::Expression(parse(source)?)),
        Some(kind @ ("STATIC" | "text/x.static")) => (kind, Source::Static(source.to_owned())),
        Some(other) => {
            return Err(format!(
                "The sourceType {other} is not one of ATTRIBUTE, EXPRESSION, STATIC"
            ));
        }
        // The older dialect has no kind: what is not a path is an expression.
        None if row.contains_key("sourceAttribute") => match attribute(source) {
            Ok(path) => ("ATTRIBUTE", path),
            Err(_) => ("EXPRESSION", Source::Expression(parse(source)?)),
        },
        None => return Err("The sourceType is missing".to_owned()),
    };
    Ok(Row {
        source: read,
        text: source.to_owned(),
        kind: kind.to_owned(),
        destination: destination.to_owned(),
        path,
    })
}

fn attribute(source: &str) -> Result<Source, String> {
    Path::parse(source).map(Source::Attribute)
}

fn field<'a>(row: &'a Object, new: &str, old: &str) -> Option<&'a str> {
    text(row, new)
        .or_else(|| text(row, old))
        .filter(|value| !value.is_empty())
}

/// The kind as reads show it.
pub(super) fn read_kind(row: &Row) -> &'static str {
    match row.source {
        Source::Attribute(_) => "text/x.schema-path",
        Source::Expression(_) => "text/x.aep-xl",
        // Assumed: no page shows a static row read back.
        Source::Static(_) => "text/x.static",
    }
}

/// The fields that reads add.
pub(super) fn add_read_fields(shown: &mut Value, row: &Row) {
    shown["identity"] = json!(false);
    shown["primaryIdentity"] = json!(false);
    shown["matchScore"] = json!(0.0);
    shown["functionVersion"] = json!(1);
    shown["sourceAttribute"] = json!(row.text);
    shown["destinationXdmPath"] = json!(row.destination);
}

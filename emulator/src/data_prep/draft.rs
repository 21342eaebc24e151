//! A mapping set on its way in: its body read, every row checked, refused or made a version.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::invalid;
use super::rows;
use super::store::{MappingSet, Version};
use crate::call::unknown_field;
use crate::ids::Ids;
use crate::refusal::Refusal;
use crate::schema_registry::major_version;
use crate::shelf::{Object, text};
use crate::transform::Row;
use crate::world::Sandbox;

const FIELDS: &[&str] = &[
    "id",
    "version",
    "createdBy",
    "createdDate",
    "modifiedBy",
    "modifiedDate",
    "name",
    "inputSchema",
    "outputSchema",
    "mappings",
    "allowNullValues",
    "supportVersion",
    "tags",
    "xdmSchema",
    "xdmVersion",
    "schemaRef",
    "status",
    "strictMapping",
];

/// A mapping set's body, read but not yet checked against the schema.
pub(super) struct Draft {
    name: Option<String>,
    schema_id: String,
    schema_major: u64,
    content_type: String,
    allow_nulls: bool,
    tags: Option<Value>,
    rows: Vec<Result<Row, String>>,
    raw: Vec<Value>,
}

pub(super) fn read(body: &Object) -> Result<Draft, Refusal> {
    if let Some(name) = unknown_field(body, FIELDS) {
        return Err(invalid(format!("Unrecognized field \"{name}\"")));
    }
    let reference = body
        .get("outputSchema")
        .and_then(|schema| schema.get("schemaRef"))
        .or_else(|| body.get("schemaRef"))
        .and_then(Value::as_object);
    let (id, content_type) = match reference {
        Some(reference) => (text(reference, "id"), text(reference, "contentType")),
        // The oldest form names the schema at the top.
        None => (
            text(body, "xdmSchema"),
            Some(text(body, "xdmVersion").unwrap_or("1.0")),
        ),
    };
    let (Some(id), Some(content_type)) = (id, content_type) else {
        return Err(invalid(
            "The output schema is missing: outputSchema.schemaRef needs an id and a contentType",
        ));
    };
    let Some(major) = major_version(content_type) else {
        return Err(invalid(format!(
            "The contentType {content_type} of the output schema names no version"
        )));
    };
    let raw = match body.get("mappings") {
        Some(Value::Array(rows)) if !rows.is_empty() => rows.clone(),
        _ => return Err(invalid("The mappings are missing")),
    };
    let allow_nulls = match body.get("allowNullValues") {
        None => false,
        Some(Value::Bool(allow)) => *allow,
        Some(_) => return Err(invalid("allowNullValues must be true or false")),
    };
    let name = match body.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return Err(invalid("The name must be a text")),
    };
    Ok(Draft {
        name,
        schema_id: id.to_owned(),
        schema_major: major,
        content_type: content_type.to_owned(),
        allow_nulls,
        tags: body.get("tags").cloned(),
        rows: raw.iter().map(rows::read).collect(),
        raw,
    })
}

impl Draft {
    pub(super) fn schema<'a>(&self, sandbox: &'a Sandbox) -> Result<&'a Value, Refusal> {
        let known = sandbox
            .resolved
            .get(&self.schema_id)
            .filter(|_| self.schema_major == 1);
        known.ok_or_else(|| {
            invalid(format!(
                "The output schema {} version {} was not found",
                self.schema_id, self.schema_major
            ))
        })
    }

    /// What is wrong with each row: nothing, or the report that validation gives.
    pub(super) fn reports(&self, schema: &Value) -> Vec<Option<Value>> {
        let mut seen = HashSet::new();
        let check = |(row, raw): (&Result<Row, String>, &Value)| match row {
            Err(reason) => Some(json!({
                "destination": raw.get("destination").or_else(|| raw.get("destinationXdmPath")),
                "exception": reason, "source": raw.get("source").or_else(|| raw.get("sourceAttribute")),
                "columnName": null, "sourceType": raw.get("sourceType")
            })),
            Ok(row) if row.path.field(schema).is_none() => {
                Some(row.report("Destination path not found in the output schema"))
            }
            // Assumed: two rows cannot fill one field.
            Ok(row) if !seen.insert(row.destination.clone()) => {
                Some(row.report("Destination path is mapped twice"))
            }
            Ok(_) => None,
        };
        self.rows.iter().zip(&self.raw).map(check).collect()
    }

    /// Refuses the first bad row by its number and destination.
    pub(super) fn check(&self, sandbox: &Sandbox) -> Result<(), Refusal> {
        let reports = self.reports(self.schema(sandbox)?);
        let bad = reports
            .iter()
            .enumerate()
            .find_map(|(place, report)| Some((place, report.as_ref()?)));
        let Some((place, report)) = bad else {
            return Ok(());
        };
        let field = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
        Err(invalid(format!(
            "Mapping {} (source '{}', destination '{}') is invalid: {}",
            place + 1,
            field("source"),
            field("destination"),
            field("exception")
        )))
    }

    /// Turns the draft into a version, if its rows are good.
    pub(super) fn accept(
        self,
        sandbox: &Sandbox,
        ids: &mut Ids,
        validate: bool,
        stamp: (u64, u64, &str),
    ) -> Result<Version, Refusal> {
        self.schema(sandbox)?;
        if validate || self.rows.iter().any(Result::is_err) {
            self.check(sandbox)?;
        }
        let rows: Vec<Row> = self.rows.into_iter().filter_map(Result::ok).collect();
        let (number, modified, modified_by) = stamp;
        Ok(Version {
            number,
            modified,
            modified_by: modified_by.to_owned(),
            name: self.name,
            schema_id: self.schema_id,
            schema_major: self.schema_major,
            content_type: self.content_type,
            schema_ref_id: ids.hex(32),
            allow_nulls: self.allow_nulls,
            tags: self.tags,
            row_ids: rows.iter().map(|_| ids.hex(32)).collect(),
            rows,
        })
    }
}

pub(super) fn missing() -> Refusal {
    // Assumed: neither the status nor the body of a missing set is documented.
    Refusal::DataPrep(400, "Mapping set not found".to_owned())
}

/// Adds a version to a set.
pub(crate) fn rewrite(
    sandbox: &mut Sandbox,
    ids: &mut Ids,
    id: &str,
    body: &Object,
    now: u64,
    user: &str,
) -> Result<(), Refusal> {
    let next = sandbox
        .mapping_sets
        .get(id)
        .and_then(MappingSet::latest)
        .map(|version| version.number + 1);
    let next = next.ok_or_else(missing)?;
    let version = read(body)?.accept(sandbox, ids, true, (next, now, user))?;
    if let Some(set) = sandbox.mapping_sets.get_mut(id) {
        set.versions.push(version);
    }
    Ok(())
}

/// Whether every destination of a version is still in its schema.
pub(crate) fn destinations_exist(sandbox: &Sandbox, version: &Version) -> bool {
    let Some(schema) = sandbox.resolved.get(&version.schema_id) else {
        return false;
    };
    version
        .rows
        .iter()
        .all(|row| row.path.field(schema).is_some())
}

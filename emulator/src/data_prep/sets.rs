//! Mapping sets: create, read, list, update, validate, preview, delete.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::invalid;
use super::rows;
use super::store::{MappingSet, Version};
use crate::call::{Call, unknown_field};
use crate::expression::Scope;
use crate::flow_service::mapping_of;
use crate::ids::Ids;
use crate::options::MappingSetDelete;
use crate::refusal::{Answer, Refusal, empty_reply, json_reply};
use crate::schema_registry::major_version;
use crate::shelf::{Object, text};
use crate::time::millis;
use crate::transform::{Row, apply};
use crate::world::{Caller, Sandbox, World};

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
struct Draft {
    name: Option<String>,
    schema_id: String,
    schema_major: u64,
    content_type: String,
    allow_nulls: bool,
    tags: Option<Value>,
    rows: Vec<Result<Row, String>>,
    raw: Vec<Value>,
}

fn read(body: &Object) -> Result<Draft, Refusal> {
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
    fn schema<'a>(&self, sandbox: &'a Sandbox) -> Result<&'a Value, Refusal> {
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
    fn reports(&self, schema: &Value) -> Vec<Option<Value>> {
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

    /// Turns the draft into a version, refusing the first bad row by its number and destination.
    fn accept(
        self,
        sandbox: &Sandbox,
        ids: &mut Ids,
        validate: bool,
        stamp: (u64, u64, &str),
    ) -> Result<Version, Refusal> {
        let schema = self.schema(sandbox)?;
        let unreadable = self.rows.iter().any(Result::is_err);
        if validate || unreadable {
            let reports = self.reports(schema);
            let bad = reports
                .iter()
                .enumerate()
                .find_map(|(place, report)| Some((place, report.as_ref()?)));
            if let Some((place, report)) = bad {
                let field = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
                return Err(invalid(format!(
                    "Mapping {} (source '{}', destination '{}') is invalid: {}",
                    place + 1,
                    field("source"),
                    field("destination"),
                    field("exception")
                )));
            }
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

fn sandbox_mut<'a>(
    world: &'a mut World,
    caller: &Caller,
) -> Result<(&'a mut Sandbox, &'a mut Ids), Refusal> {
    let sandbox = world
        .sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    Ok((sandbox, &mut world.ids))
}

fn missing() -> Refusal {
    // Assumed: neither the status nor the body of a missing set is documented.
    Refusal::DataPrep(400, "Mapping set not found".to_owned())
}

/// `POST /mappingSets`: 200, not 201. One client adds `validate=False` to put the check off.
pub(super) fn create(world: &mut World, caller: &Caller, call: &Call<'_>) -> Answer {
    if let Some(name) = call.unknown_param(&["validate"]) {
        return Err(invalid(format!("Unknown query parameter {name}")));
    }
    let validate = !call
        .param("validate")
        .is_some_and(|value| value.eq_ignore_ascii_case("false"));
    let lag = millis(world.options.list_lag);
    let (sandbox, ids) = sandbox_mut(world, caller)?;
    let draft = read(&call.object(invalid)?)?;
    let version = draft.accept(sandbox, ids, validate, (0, call.now, &caller.user))?;
    let id = ids.hex(32);
    sandbox.mapping_sets.insert(MappingSet {
        id: id.clone(),
        created: call.now,
        created_by: caller.user.clone(),
        listed_from: call.now + lag,
        versions: vec![version],
    });
    Ok(json_reply(
        200,
        &json!({"id": id, "version": 0, "createdDate": call.now, "modifiedDate": call.now,
            "createdBy": caller.user, "modifiedBy": caller.user}),
    ))
}

/// `PUT /mappingSets/{id}`: same id, next version.
pub(super) fn update(world: &mut World, caller: &Caller, call: &Call<'_>, id: &str) -> Answer {
    let body = call.object(invalid)?;
    let (sandbox, ids) = sandbox_mut(world, caller)?;
    rewrite(sandbox, ids, id, &body, call.now, &caller.user)?;
    let set = sandbox.mapping_sets.get(id).ok_or_else(missing)?;
    Ok(json_reply(
        200,
        &set.latest()
            .map(|version| set.show_update(version))
            .unwrap_or_default(),
    ))
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

/// `GET /mappingSets/{id}[?version=n]`.
pub(super) fn get(world: &mut World, caller: &Caller, call: &Call<'_>, id: &str) -> Answer {
    if let Some(name) = call.unknown_param(&["version", "expandSchema"]) {
        return Err(invalid(format!("Unknown query parameter {name}")));
    }
    let (sandbox, _) = sandbox_mut(world, caller)?;
    let set = sandbox.mapping_sets.get(id).ok_or_else(missing)?;
    let version = match call.param("version") {
        None => set.latest(),
        Some(version) => version
            .parse()
            .ok()
            .and_then(|version| set.version(version)),
    };
    Ok(json_reply(200, &set.show(version.ok_or_else(missing)?)))
}

/// `GET /mappingSets`. `start` is documented as required, yet a client that leaves it out works.
pub(super) fn list(world: &mut World, caller: &Caller, call: &Call<'_>) -> Answer {
    if let Some(name) = call.unknown_param(&[
        "limit",
        "start",
        "name",
        "orderBy",
        "expandSchema",
        "property",
    ]) {
        return Err(invalid(format!("Unknown query parameter {name}")));
    }
    let number = |name: &str| match call.param(name) {
        None => Ok(None),
        Some(value) => value
            .parse::<usize>()
            .map(Some)
            .map_err(|_| invalid(format!("{name} must be a number"))),
    };
    let Some(limit) = number("limit")?.filter(|limit| *limit > 0) else {
        return Err(invalid("The query parameter limit is required"));
    };
    let start = number("start")?.unwrap_or(0);
    let (sandbox, _) = sandbox_mut(world, caller)?;
    let named = |set: &&MappingSet| {
        let latest = set.latest().and_then(|version| version.name.as_deref());
        set.listed_from <= call.now && call.param("name").is_none_or(|name| latest == Some(name))
    };
    let mut sets: Vec<&MappingSet> = sandbox.mapping_sets.iter().filter(named).collect();
    if call
        .param("orderBy")
        .is_some_and(|order| order.starts_with('-'))
    {
        sets.reverse();
    }
    let shown = sets.iter().skip(start).take(limit);
    let data: Vec<Value> = shown
        .filter_map(|set| Some(set.show(set.latest()?)))
        .collect();
    // The count is 0 although sets are present, as on the documentation's page.
    let mut page = json!({"data": data, "_page": {"count": 0, "limit": limit}});
    if !data.is_empty() {
        page["_links"] = if sets.len() > start + limit {
            json!({"next": {"href": format!("/mappingSets?limit={limit}&start={}", start + limit), "templated": false}})
        } else {
            json!({})
        };
    }
    Ok(json_reply(200, &page))
}

/// `GET /mappingSets/{id}/mappings[/{row}]`.
pub(super) fn mappings(world: &mut World, caller: &Caller, id: &str, row: Option<&str>) -> Answer {
    let (sandbox, _) = sandbox_mut(world, caller)?;
    let set = sandbox.mapping_sets.get(id).ok_or_else(missing)?;
    let rows = set
        .latest()
        .map(|version| version.show_rows(true))
        .unwrap_or_default();
    let Some(row) = row else {
        return Ok(json_reply(200, &rows));
    };
    let found = rows
        .as_array()
        .into_iter()
        .flatten()
        .find(|shown| shown["id"] == row);
    found
        .map(|row| json_reply(200, row))
        .ok_or_else(|| invalid("Mapping not found"))
}

/// `POST /mappingSets/validate`: a verdict for every row.
pub(super) fn validate(world: &mut World, caller: &Caller, call: &Call<'_>) -> Answer {
    let draft = read(&call.object(invalid)?)?;
    let (sandbox, _) = sandbox_mut(world, caller)?;
    let verdict = |report: Option<Value>| match report {
        None => json!({"status": "SUCCESS", "errors": null}),
        Some(report) => json!({"status": "FAILED", "errors": [report]}),
    };
    let verdicts: Vec<Value> = draft
        .reports(draft.schema(sandbox)?)
        .into_iter()
        .map(verdict)
        .collect();
    Ok(json_reply(200, &json!({"validationResponse": verdicts})))
}

/// `POST /mappingSets/preview`: events through a mapping set that is not stored.
pub(super) fn preview(world: &mut World, caller: &Caller, call: &Call<'_>) -> Answer {
    let body = call.object(invalid)?;
    if let Some(name) = unknown_field(&body, &["data", "mappingSet"]) {
        return Err(invalid(format!("Unrecognized field \"{name}\"")));
    }
    let events = match body.get("data") {
        Some(Value::Array(events)) => events.clone(),
        Some(event @ Value::Object(_)) => vec![event.clone()],
        _ => return Err(invalid("The data is missing")),
    };
    let Some(Value::Object(set)) = body.get("mappingSet") else {
        return Err(invalid("The mappingSet is missing"));
    };
    let draft = read(set)?;
    let (sandbox, ids) = sandbox_mut(world, caller)?;
    let version = draft.accept(sandbox, ids, true, (0, call.now, &caller.user))?;
    let schema = sandbox
        .resolved
        .get(&version.schema_id)
        .cloned()
        .unwrap_or_default();
    let results = events.iter().map(|event| {
        let mapped = apply(
            &version.rows,
            &schema,
            version.allow_nulls,
            &mut Scope {
                event,
                now: call.now,
                ids,
            },
        );
        let errors = if mapped.warnings.is_empty() {
            Value::Null
        } else {
            Value::Array(mapped.warnings)
        };
        json!({"data": mapped.record, "errors": errors})
    });
    Ok(json_reply(200, &Value::Array(results.collect())))
}

/// `DELETE /mappingSets/{id}`: documented nowhere, see `Options::mapping_set_delete`.
pub(super) fn delete(world: &mut World, caller: &Caller, id: &str) -> Answer {
    let mode = world.options.mapping_set_delete;
    let (sandbox, _) = sandbox_mut(world, caller)?;
    match mode {
        MappingSetDelete::NotFound404 => return Err(Refusal::NoRoute(404)),
        MappingSetDelete::NotAllowed405 => return Err(Refusal::NoRoute(405)),
        MappingSetDelete::RefusedInUse => {
            let used = sandbox
                .flows
                .iter()
                .any(|flow| mapping_of(&flow.value).is_some_and(|(set, _)| set == id));
            if used {
                return Err(invalid("The mapping set is used by a flow"));
            }
        }
        MappingSetDelete::Supported => {}
    }
    match sandbox.mapping_sets.remove(id) {
        Some(_) => Ok(empty_reply(204)),
        None => Err(missing()),
    }
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

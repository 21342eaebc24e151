//! Mapping sets: create, read, list, update, validate, preview, delete.

use serde_json::{Value, json};

use super::draft::{missing, read, rewrite};
use super::invalid;
use super::store::MappingSet;
use crate::call::{Call, unknown_field};
use crate::expression::Scope;
use crate::flow_service::mapping_of;
use crate::ids::Ids;
use crate::options::{BadMapping, MappingSetDelete};
use crate::refusal::{Answer, Refusal, empty_reply, json_reply};
use crate::time::millis;
use crate::transform::apply;
use crate::world::{Caller, Sandbox, World};

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

/// `POST /mappingSets/validate`: a verdict for every row; see `Options::bad_mapping`.
pub(super) fn validate(world: &mut World, caller: &Caller, call: &Call<'_>) -> Answer {
    let draft = read(&call.object(invalid)?)?;
    let refuse = world.options.bad_mapping == BadMapping::Refused;
    let (sandbox, _) = sandbox_mut(world, caller)?;
    if refuse {
        draft.check(sandbox)?;
    }
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

//! Catalog: datasets. Objects keyed by id, lists filtered by name, tags and properties, writes answered with
//! `@/dataSets/{id}`. Error bodies are assumed: the specification leaves them empty.

use serde_json::{Map, Value, json};

use crate::call::{Call, unknown_field};
use crate::ids::Ids;
use crate::json_patch;
use crate::options::{DatasetNames, Options};
use crate::refusal::{Answer, Refusal, json_reply, with_header};
use crate::schema_registry::major_version;
use crate::shelf::{Item, Object, text};
use crate::time::millis;
use crate::world::{Caller, Sandbox, World};

const WRITABLE: &[&str] = &[
    "name",
    "description",
    "schemaRef",
    "tags",
    "enableErrorDiagnostics",
    "fileDescription",
    "unifiedProfile",
    "unifiedIdentity",
];

/// Routes a call that the gateway let through.
pub(crate) fn serve(world: &mut World, caller: &Caller, call: &Call<'_>, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", ["dataSets" | "datasets"]) => list(world, caller, call),
        ("POST", ["dataSets" | "datasets"]) => create(world, caller, call),
        ("GET", ["dataSets" | "datasets", id]) => get(world, caller, call, id),
        ("PATCH", ["dataSets", id] | ["v2", "dataSets", id]) => patch(world, caller, call, id),
        ("DELETE", ["dataSets", id]) => delete(world, caller, id),
        (_, ["dataSets" | "datasets", ..]) => Err(Refusal::NoRoute(405)),
        _ => Err(Refusal::NoRoute(404)),
    }
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::Catalog(400, "BadRequest", detail.into())
}

fn missing(id: &str) -> Refusal {
    Refusal::Catalog(404, "NotFound", format!("The dataset {id} was not found"))
}

fn sandbox_of<'a>(world: &'a mut World, caller: &Caller) -> Result<&'a mut Sandbox, Refusal> {
    world
        .sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))
}

/// Stores a dataset under an id.
pub(crate) fn store(
    sandbox: &mut Sandbox,
    ids: &mut Ids,
    caller: &Caller,
    (now, listed_from): (u64, u64),
    id: &str,
    body: Object,
) {
    let mut value = body;
    let table: String = text(&value, "name").unwrap_or_default().to_lowercase();
    let table: String = table
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect();
    let mut tags = value
        .get("tags")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    tags.insert("adobe/pqs/table".to_owned(), json!([table]));
    value.insert("tags".to_owned(), Value::Object(tags));
    let added = json!({
        "imsOrg": caller.org, "sandboxId": sandbox.id, "namespace": "ACP", "state": "DRAFT", "version": "1.0.0",
        "created": now, "updated": now, "createdClient": caller.client, "createdUser": caller.user,
        "updatedUser": caller.user, "viewId": ids.hex(24),
        "fileDescription": {"persisted": true, "containerFormat": "parquet", "format": "parquet"},
        "files": format!("@/dataSetFiles?dataSetId={id}")
    });
    if let Value::Object(added) = added {
        value.extend(added);
    }
    sandbox.datasets.insert(id, value, listed_from);
}

fn create(world: &mut World, caller: &Caller, call: &Call<'_>) -> Answer {
    let body = call.object(invalid)?;
    if let Some(name) = unknown_field(&body, WRITABLE) {
        return Err(invalid(format!("The field {name} is not known")));
    }
    if text(&body, "name").is_none_or(|name| name.trim().is_empty()) {
        return Err(invalid("The field name is required"));
    }
    let listed_from = call.now + millis(world.options.list_lag);
    let World {
        sandboxes,
        ids,
        options,
        ..
    } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    check_fields(sandbox, &body)?;
    check_name(sandbox, options, &body, None)?;
    let id = ids.hex(24);
    let times = (call.now, listed_from);
    store(sandbox, ids, caller, times, &id, body);
    Ok(with_header(
        json_reply(201, &named(&id)),
        "location",
        &format!("/data/foundation/catalog/dataSets/{id}"),
    ))
}

fn named(id: &str) -> Value {
    json!([format!("@/dataSets/{id}")])
}

fn check_fields(sandbox: &Sandbox, body: &Object) -> Result<(), Refusal> {
    if let Some(reference) = body.get("schemaRef") {
        let of = |name: &str| {
            reference
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if !sandbox.schemas.contains(of("id")) || major_version(of("contentType")) != Some(1) {
            return Err(invalid(format!("The schema {} was not found", of("id"))));
        }
    }
    let Some(tags) = body.get("tags") else {
        return Ok(());
    };
    let lists = tags
        .as_object()
        .is_some_and(|tags| tags.values().all(Value::is_array));
    if lists {
        Ok(())
    } else {
        Err(invalid("The tags must be lists of values by key"))
    }
}

/// Assumed: whether names are unique, and the words of the refusal. `own` is the dataset's id once it has one.
fn check_name(
    sandbox: &Sandbox,
    options: &Options,
    body: &Object,
    own: Option<&str>,
) -> Result<(), Refusal> {
    if options.dataset_names == DatasetNames::Free {
        return Ok(());
    }
    let name = text(body, "name").unwrap_or_default();
    let has_it = |it: &Item| Some(it.id.as_str()) != own && text(&it.value, "name") == Some(name);
    if sandbox.datasets.iter().any(has_it) {
        return Err(invalid(format!(
            "A dataset with the name {name} already exists"
        )));
    }
    Ok(())
}

fn get(world: &mut World, caller: &Caller, call: &Call<'_>, id: &str) -> Answer {
    if let Some(name) = call.unknown_param(&["properties"]) {
        return Err(invalid(format!("The query parameter {name} is not known")));
    }
    let item = sandbox_of(world, caller)?
        .datasets
        .get(id)
        .ok_or_else(|| missing(id))?;
    Ok(json_reply(
        200,
        &Value::Object(Map::from_iter([(id.to_owned(), project(call, item))])),
    ))
}

/// The object, or the properties of it that the call asks for.
fn project(call: &Call<'_>, item: &Item) -> Value {
    let mut shown = item.value.clone();
    if let Some(wanted) = call.param("properties") {
        let wanted: Vec<&str> = wanted.split(',').collect();
        shown.retain(|name, _| wanted.contains(&name.as_str()));
    }
    Value::Object(shown)
}

fn list(world: &mut World, caller: &Caller, call: &Call<'_>) -> Answer {
    let known = [
        "limit",
        "start",
        "name",
        "description",
        "tags",
        "property",
        "properties",
        "orderBy",
        "created",
        "updated",
        "createdClient",
        "createdUser",
        "updatedUser",
        "version",
        "enableErrorDiagnostics",
    ];
    if let Some(name) = call.unknown_param(&known) {
        return Err(invalid(format!("The query parameter {name} is not known")));
    }
    let number = |name: &str, default: usize| match call.param(name) {
        None => Ok(default),
        Some(value) => value
            .parse::<usize>()
            .map_err(|_| invalid(format!("{name} must be a number"))),
    };
    let (limit, start) = (number("limit", 20)?, number("start", 0)?);
    if limit == 0 || limit > 100 {
        return Err(invalid("limit must be between 1 and 100"));
    }
    let patterns = call
        .params("property")
        .map(Condition::parse)
        .collect::<Result<Vec<_>, _>>()?;
    let sandbox = sandbox_of(world, caller)?;
    let wanted = |item: &&Item| {
        let plain = [
            "name",
            "description",
            "createdClient",
            "createdUser",
            "updatedUser",
            "version",
            "created",
            "updated",
        ];
        let equal = plain.iter().all(|name| {
            call.param(name)
                .is_none_or(|want| shown(item.value.get(*name)).as_deref() == Some(want))
        });
        equal
            && call
                .params("tags")
                .flat_map(|tags| tags.split(','))
                .all(|tag| tagged(&item.value, tag))
            && patterns.iter().all(|pattern| pattern.holds(&item.value))
    };
    let listed = sandbox.datasets.listed(call.now).map(|(_, item)| item);
    let mut items: Vec<&Item> = listed.filter(wanted).collect();
    if call
        .param("orderBy")
        .is_some_and(|order| order.starts_with("desc:") || order.starts_with('-'))
    {
        items.reverse();
    }
    let page = items
        .into_iter()
        .skip(start)
        .take(limit)
        .map(|item| (item.id.clone(), project(call, item)));
    Ok(json_reply(200, &Value::Object(page.collect())))
}

fn shown(value: Option<&Value>) -> Option<String> {
    value.map(|value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    })
}

/// `key:value`, where `*` stands for anything. A comma between several means "and".
fn tagged(dataset: &Object, tag: &str) -> bool {
    let (key, wanted) = tag.split_once(':').unwrap_or((tag, "*"));
    let values = dataset
        .get("tags")
        .and_then(|tags| tags.get(key))
        .and_then(Value::as_array);
    values
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .any(|value| match wanted.split_once('*') {
            Some((start, end)) => {
                value.len() >= start.len() + end.len()
                    && value.starts_with(start)
                    && value.ends_with(end)
            }
            None => value == wanted,
        })
}

/// `property=name~^x` or `property=name==x`.
enum Condition {
    Pattern(String, regex::Regex),
    Equal(String, String),
}

impl Condition {
    fn parse(text: &str) -> Result<Self, Refusal> {
        if let Some((name, wanted)) = text.split_once("==") {
            return Ok(Self::Equal(name.to_owned(), wanted.to_owned()));
        }
        let (name, pattern) = text
            .split_once('~')
            .ok_or_else(|| invalid(format!("The filter {text} has no operator")))?;
        let pattern = regex::Regex::new(pattern).map_err(|error| invalid(error.to_string()))?;
        Ok(Self::Pattern(name.to_owned(), pattern))
    }

    fn holds(&self, dataset: &Object) -> bool {
        let at = |name: &str| {
            let mut path = name.split('.');
            let first = dataset.get(path.next()?)?;
            shown(path.try_fold(first, |value, step| value.get(step)))
        };
        match self {
            Self::Pattern(name, pattern) => at(name).is_some_and(|value| pattern.is_match(&value)),
            Self::Equal(name, wanted) => at(name).as_ref() == Some(wanted),
        }
    }
}

/// A merge of fields, or JSON Patch under its own content type.
fn patch(world: &mut World, caller: &Caller, call: &Call<'_>, id: &str) -> Answer {
    let body = call.json().map_err(invalid)?;
    let World {
        sandboxes, options, ..
    } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    let mut changed = Value::Object(
        sandbox
            .datasets
            .get(id)
            .ok_or_else(|| missing(id))?
            .value
            .clone(),
    );
    let writable = |name: &str| WRITABLE.contains(&name);
    if call.content_type() == Some("application/json-patch+json") || body.is_array() {
        for instruction in json_patch::parse(body).map_err(invalid)? {
            if !instruction
                .path
                .trim_start_matches('/')
                .split('/')
                .next()
                .is_some_and(writable)
            {
                return Err(invalid(format!(
                    "The path {} cannot be patched",
                    instruction.path
                )));
            }
            json_patch::apply(&mut changed, &instruction).map_err(invalid)?;
        }
    } else {
        let Value::Object(fields) = &body else {
            return Err(invalid("The request body must be a JSON object"));
        };
        if let Some(name) = unknown_field(fields, WRITABLE) {
            return Err(invalid(format!("The field {name} cannot be changed")));
        }
        json_patch::merge(&mut changed, &body);
    }
    let Value::Object(mut changed) = changed else {
        return Err(invalid("The patch leaves no object"));
    };
    check_fields(sandbox, &changed)?;
    check_name(sandbox, options, &changed, Some(id))?;
    changed.insert("updated".to_owned(), json!(call.now));
    changed.insert("updatedUser".to_owned(), json!(caller.user));
    if let Some(item) = sandbox.datasets.get_mut(id) {
        item.value = changed;
    }
    Ok(json_reply(200, &named(id)))
}

/// 200 with the id, or with an empty list when there was nothing to delete.
fn delete(world: &mut World, caller: &Caller, id: &str) -> Answer {
    let refuse = world.options.dataset_delete_in_use.refused();
    let sandbox = sandbox_of(world, caller)?;
    let used = sandbox.targets.iter().any(|target| {
        target
            .value
            .get("params")
            .and_then(|params| params.get("dataSetId"))
            == Some(&json!(id))
    });
    if used && refuse {
        // Assumed: whether a dataset in use can go is not documented.
        return Err(invalid(format!(
            "The dataset {id} is used by a target connection"
        )));
    }
    sandbox.contents.remove(id);
    let gone = sandbox.datasets.remove(id);
    Ok(json_reply(
        200,
        &gone.map_or_else(|| json!([]), |_| named(id)),
    ))
}

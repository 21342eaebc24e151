//! Schemas and field groups as resources: stored as written, with the registry's own fields added.

use serde_json::{Value, json};

use super::accept::{self, Shape};
use super::resolve::{EXPERIENCE_EVENT, PROFILE, RECORD, TIME_SERIES, class, refresh, resolve};
use crate::call::{Call, unknown_field};
use crate::ids::Ids;
use crate::json_patch::{self, Op};
use crate::refusal::{Answer, Refusal, empty_reply, json_reply};
use crate::shelf::{Item, Object, Shelf, text};
use crate::world::{Caller, Sandbox, World};

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Schema,
    FieldGroup,
}

impl Kind {
    fn shelf(self, sandbox: &Sandbox) -> &Shelf {
        if self == Self::Schema {
            &sandbox.schemas
        } else {
            &sandbox.field_groups
        }
    }

    fn shelf_mut(self, sandbox: &mut Sandbox) -> &mut Shelf {
        if self == Self::Schema {
            &mut sandbox.schemas
        } else {
            &mut sandbox.field_groups
        }
    }

    /// Field groups still carry their old name in ids.
    fn segment(self) -> &'static str {
        if self == Self::Schema {
            "schemas"
        } else {
            "mixins"
        }
    }

    fn noun(self) -> &'static str {
        if self == Self::Schema {
            "schema"
        } else {
            "field group"
        }
    }
}

const REGISTRY_FIELDS: &[&str] = &[
    "$id",
    "$schema",
    "meta:altId",
    "meta:resourceType",
    "version",
    "imsOrg",
    "meta:extensible",
    "meta:abstract",
    "meta:extends",
    "meta:class",
    "meta:xdmType",
    "meta:registryMetadata",
    "meta:containerId",
    "meta:tenantNamespace",
    "meta:sandboxId",
    "meta:sandboxType",
];
const FIELDS: &[&str] = &[
    "title",
    "description",
    "type",
    "allOf",
    "definitions",
    "properties",
    "required",
    "meta:intendedToExtend",
    "meta:immutableTags",
    "meta:descriptorStatus",
    "meta:extensible",
    "meta:abstract",
    "meta:tags",
];

fn invalid(detail: impl Into<String>) -> Refusal {
    // Assumed code: the general one for a body that breaks the meta-schema.
    Refusal::Registry(
        "XDM-1300-400",
        "JSON Schema validation error",
        detail.into(),
    )
}

fn missing(kind: Kind) -> Refusal {
    let detail = format!(
        "The requested {} does not exist in this container",
        kind.noun()
    );
    Refusal::Registry("XDM-1010-404", "Resource not found", detail)
}

fn sandbox_of<'a>(world: &'a mut World, caller: &Caller) -> Result<&'a mut Sandbox, Refusal> {
    world
        .sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))
}

/// The `$id` of a resource named by `$id` or `meta:altId`.
fn canonical(kind: Kind, tenant: &str, id: &str) -> String {
    let short = format!("_{tenant}.{}.", kind.segment());
    match id.strip_prefix(&short) {
        Some(hex) => format!("https://ns.adobe.com/{tenant}/{}/{hex}", kind.segment()),
        None => id.to_owned(),
    }
}

/// Stores a field group under an id, resolving the schemas that use it again.
pub(crate) fn store_field_group(
    sandbox: &mut Sandbox,
    ids: &mut Ids,
    tenant: &str,
    caller: &Caller,
    now: u64,
    id: &str,
    body: Object,
) {
    store(
        sandbox,
        ids,
        tenant,
        caller,
        now,
        Kind::FieldGroup,
        id,
        body,
    );
}

/// Stores a schema under an id.
pub(crate) fn store_schema(
    sandbox: &mut Sandbox,
    ids: &mut Ids,
    tenant: &str,
    caller: &Caller,
    now: u64,
    id: &str,
    body: Object,
) {
    store(sandbox, ids, tenant, caller, now, Kind::Schema, id, body);
}

#[allow(clippy::too_many_arguments)]
fn store(
    sandbox: &mut Sandbox,
    ids: &mut Ids,
    tenant: &str,
    caller: &Caller,
    now: u64,
    kind: Kind,
    id: &str,
    body: Object,
) {
    let mut value = body;
    let hex = id.rsplit('/').next().unwrap_or(id);
    let extends: Vec<String> = references(&value)
        .into_iter()
        .flat_map(|reference| match reference.as_str() {
            EXPERIENCE_EVENT => vec![reference, TIME_SERIES.to_owned()],
            PROFILE => vec![reference, RECORD.to_owned()],
            _ => vec![reference],
        })
        .collect();
    let added = json!({
        "$id": id, "meta:altId": format!("_{tenant}.{}.{hex}", kind.segment()), "meta:resourceType": kind.segment(),
        "version": "1.0", "imsOrg": caller.org, "meta:extensible": false, "meta:abstract": kind == Kind::FieldGroup,
        "meta:xdmType": "object", "meta:containerId": "tenant", "meta:tenantNamespace": format!("_{tenant}"),
        "meta:registryMetadata": {
            "repo:createdDate": now, "repo:lastModifiedDate": now,
            "xdm:createdClientId": caller.client, "xdm:lastModifiedClientId": caller.client,
            "xdm:createdUserId": caller.user, "xdm:lastModifiedUserId": caller.user,
            "eTag": ids.hex(8), "meta:globalLibVersion": "1.53.0"
        }
    });
    if let Value::Object(added) = added {
        value.extend(added);
    }
    if kind == Kind::Schema {
        let class = extends
            .iter()
            .find(|reference| class(reference).is_some())
            .cloned()
            .unwrap_or_default();
        value.insert("meta:class".to_owned(), json!(class));
        value.insert("meta:extends".to_owned(), json!(extends));
    }
    kind.shelf_mut(sandbox).insert(id, value, 0);
    if kind == Kind::FieldGroup {
        refresh(sandbox);
    } else if let Some(item) = sandbox.schemas.get(id) {
        let tree = resolve(&item.value, &sandbox.field_groups);
        sandbox.resolved.insert(id.to_owned(), tree);
    }
}

fn references(value: &Object) -> Vec<String> {
    let parts = value
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    parts
        .filter_map(|part| Some(part.get("$ref")?.as_str()?.to_owned()))
        .filter(|id| !id.starts_with('#'))
        .collect()
}

/// `GET /{container}/{kind}`.
pub(super) fn list(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    container: &str,
) -> Answer {
    let short = accept::list(call)?;
    if let Some(name) = call.unknown_param(&["property", "orderby", "start", "limit"]) {
        return Err(Refusal::Registry(
            "XDM-1050-400",
            "Invalid query parameter",
            format!("The query parameter {name} is not known"),
        ));
    }
    let (paged, order) = (
        call.param("start").or(call.param("limit")),
        call.param("orderby"),
    );
    if paged.is_some() && order.is_none() {
        return Err(Refusal::Registry(
            "XDM-1051-400",
            "Invalid query parameter",
            "start and limit need orderby".to_owned(),
        ));
    }
    let limit = call
        .param("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(300_usize)
        .clamp(1, 300);
    let sandbox = sandbox_of(world, caller)?;
    let conditions: Vec<&str> = call.params("property").collect();
    let accepted = |item: &&Item| {
        conditions
            .iter()
            .all(|condition| holds(&item.value, condition))
    };
    let mut items: Vec<&Item> = if container == "tenant" {
        kind.shelf(sandbox).iter().filter(accepted).collect()
    } else {
        Vec::new()
    };
    let order = order.unwrap_or("updated");
    let field = order
        .split(',')
        .next()
        .unwrap_or(order)
        .trim_start_matches('-');
    let key = |item: &Item| {
        item.value.get(field).map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    items.sort_by_key(|item| key(item));
    if order.starts_with('-') {
        items.reverse();
    }
    let from = call.param("start");
    let after: Vec<&Item> = items
        .into_iter()
        .filter(|item| from.is_none_or(|from| key(item).is_some_and(|key| key.as_str() >= from)))
        .collect();
    let next = after.get(limit).and_then(|item| key(item));
    let results: Vec<Value> = after
        .iter()
        .take(limit)
        .map(|item| {
            if short {
                let field = |name: &str| item.value.get(name).cloned().unwrap_or_default();
                json!({"$id": field("$id"), "meta:altId": field("meta:altId"), "version": field("version"), "title": field("title")})
            } else {
                Value::Object(item.value.clone())
            }
        })
        .collect();
    let mut links = json!({"next": next.as_ref().map(|start| json!({"href": format!("/{container}/{}?orderby={order}&start={start}&limit={limit}", kind.segment())}))});
    if container == "tenant" && !results.is_empty() {
        links[format!("global_{}", kind.segment())] = json!({"href": format!("https://platform.adobe.io/data/foundation/schemaregistry/global/{}", kind.segment())});
    }
    let page = json!({"orderby": order, "next": next, "count": results.len()});
    Ok(json_reply(
        200,
        &json!({"results": results, "_page": page, "_links": links}),
    ))
}

/// One `property=` condition: a comparison, or just a name that must be there.
fn holds(object: &Object, condition: &str) -> bool {
    for (symbol, accept) in [
        (
            "==",
            std::cmp::Ordering::is_eq as fn(std::cmp::Ordering) -> bool,
        ),
        ("!=", std::cmp::Ordering::is_ne),
        ("<=", std::cmp::Ordering::is_le),
        (">=", std::cmp::Ordering::is_ge),
        ("<", std::cmp::Ordering::is_lt),
        (">", std::cmp::Ordering::is_gt),
    ] {
        if let Some((name, wanted)) = condition.split_once(symbol) {
            let value = object.get(name).map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            });
            return value.is_some_and(|value| accept(value.as_str().cmp(wanted)));
        }
    }
    object.contains_key(condition)
}

/// `GET /{container}/{kind}/{id}`.
pub(super) fn get(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    container: &str,
    id: &str,
) -> Answer {
    let (shape, major) = accept::single(call)?;
    let id = canonical(kind, &world.options.seed.tenant, id);
    let sandbox = sandbox_of(world, caller)?;
    let item = kind
        .shelf(sandbox)
        .get(&id)
        .filter(|_| container == "tenant" && major == 1)
        .ok_or_else(|| missing(kind))?;
    let mut shown = item.value.clone();
    if shape == Shape::Full {
        let tree = resolve(&item.value, &sandbox.field_groups);
        shown.remove("definitions");
        shown.insert("properties".to_owned(), tree["properties"].clone());
        shown.insert("required".to_owned(), tree["required"].clone());
    }
    Ok(json_reply(200, &Value::Object(shown)))
}

/// Checks a resource as it would be stored.
fn check(
    sandbox: &Sandbox,
    tenant: &str,
    kind: Kind,
    own: Option<&str>,
    body: &Object,
) -> Result<(), Refusal> {
    let title = text(body, "title")
        .filter(|title| !title.trim().is_empty())
        .ok_or_else(|| invalid("The field title is required"))?;
    if body.get("type") != Some(&json!("object")) {
        return Err(invalid("The field type must be object"));
    }
    let others = sandbox.schemas.iter().chain(sandbox.field_groups.iter());
    if let Some(other) = others
        .into_iter()
        .find(|item| own != Some(item.id.as_str()) && text(&item.value, "title") == Some(title))
    {
        let detail = format!(
            "The title must be unique in the organization; it is already used by {}",
            other.id
        );
        return Err(Refusal::Registry(
            "XDM-1521-400",
            "Title not unique",
            detail,
        ));
    }
    if body
        .get("allOf")
        .is_none_or(|parts| parts.as_array().is_none_or(Vec::is_empty))
    {
        return Err(invalid("The field allOf is required"));
    }
    let references = references(body);
    for reference in &references {
        if class(reference).is_none() && !sandbox.field_groups.contains(reference) {
            return Err(Refusal::Registry(
                "XDM-1014-404",
                "Resource not found",
                format!("The referenced resource {reference} does not exist"),
            ));
        }
    }
    if kind == Kind::Schema {
        let classes = references
            .iter()
            .filter(|reference| class(reference).is_some())
            .count();
        return if classes == 1 {
            Ok(())
        } else {
            Err(invalid("A schema must name exactly one class"))
        };
    }
    if !body.get("meta:intendedToExtend").is_some_and(|classes| {
        classes
            .as_array()
            .is_some_and(|classes| !classes.is_empty())
    }) {
        return Err(invalid("The field meta:intendedToExtend is required"));
    }
    let tree = resolve(body, &sandbox.field_groups);
    let namespace = format!("_{tenant}");
    let stray = tree["properties"]
        .as_object()
        .is_none_or(|fields| fields.is_empty() || fields.keys().any(|name| *name != namespace));
    if stray {
        return Err(Refusal::Registry(
            "XDM-1020-400",
            "Namespace validation error",
            format!("Custom fields must sit under {namespace}"),
        ));
    }
    Ok(())
}

/// `POST /tenant/{kind}`.
pub(super) fn create(world: &mut World, caller: &Caller, call: &Call<'_>, kind: Kind) -> Answer {
    let body = call.object(invalid)?;
    if let Some(name) = unknown_field(&body, FIELDS) {
        return Err(invalid(format!("The field {name} is not known")));
    }
    let tenant = world.options.seed.tenant.clone();
    let World { sandboxes, ids, .. } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    check(sandbox, &tenant, kind, None, &body)?;
    let id = format!(
        "https://ns.adobe.com/{tenant}/{}/{}",
        kind.segment(),
        ids.hex(48)
    );
    store(sandbox, ids, &tenant, caller, call.now, kind, &id, body);
    Ok(json_reply(201, &shown(sandbox, kind, &id)))
}

fn shown(sandbox: &Sandbox, kind: Kind, id: &str) -> Value {
    kind.shelf(sandbox)
        .get(id)
        .map(|item| Value::Object(item.value.clone()))
        .unwrap_or_default()
}

/// `PATCH /tenant/{kind}/{id}`: JSON Patch.
pub(super) fn patch(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    id: &str,
) -> Answer {
    let instructions = json_patch::parse(call.json().map_err(invalid)?).map_err(invalid)?;
    let id = canonical(kind, &world.options.seed.tenant, id);
    let sandbox = sandbox_of(world, caller)?;
    let item = kind.shelf(sandbox).get(&id).ok_or_else(|| missing(kind))?;
    let mut changed = Value::Object(item.value.clone());
    for instruction in instructions {
        let top = instruction
            .path
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap_or_default();
        if !FIELDS.contains(&top) {
            return Err(invalid(format!(
                "The path {} cannot be patched",
                instruction.path
            )));
        }
        let structural = matches!(
            top,
            "allOf" | "definitions" | "properties" | "required" | "type"
        );
        if instruction.op != Op::Add && structural && has_data(sandbox, kind, &id) {
            return Err(Refusal::Registry(
                "XDM-1533-400",
                "Breaking change",
                "The resource is used by datasets that hold data".to_owned(),
            ));
        }
        json_patch::apply(&mut changed, &instruction).map_err(invalid)?;
    }
    let Value::Object(changed) = changed else {
        return Err(invalid("The patch leaves no object"));
    };
    replace(world, caller, call, kind, &id, changed)
}

/// `PUT /tenant/{kind}/{id}`: the whole resource again.
pub(super) fn put(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    id: &str,
) -> Answer {
    let body = call.object(invalid)?;
    let known: Vec<&str> = FIELDS.iter().chain(REGISTRY_FIELDS).copied().collect();
    if let Some(name) = unknown_field(&body, &known) {
        return Err(invalid(format!("The field {name} is not known")));
    }
    let id = canonical(kind, &world.options.seed.tenant, id);
    let sandbox = sandbox_of(world, caller)?;
    let mut changed = kind
        .shelf(sandbox)
        .get(&id)
        .ok_or_else(|| missing(kind))?
        .value
        .clone();
    changed.retain(|name, _| REGISTRY_FIELDS.contains(&name.as_str()));
    changed.extend(
        body.into_iter()
            .filter(|(name, _)| !REGISTRY_FIELDS.contains(&name.as_str())),
    );
    replace(world, caller, call, kind, &id, changed)
}

fn replace(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    id: &str,
    mut changed: Object,
) -> Answer {
    let tenant = world.options.seed.tenant.clone();
    let World { sandboxes, ids, .. } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    check(sandbox, &tenant, kind, Some(id), &changed)?;
    let minor = text(&changed, "version")
        .and_then(|version| version.split_once('.')?.1.parse::<u64>().ok())
        .unwrap_or(0);
    changed.insert("version".to_owned(), json!(format!("1.{}", minor + 1)));
    if let Some(Value::Object(metadata)) = changed.get_mut("meta:registryMetadata") {
        metadata.insert("repo:lastModifiedDate".to_owned(), json!(call.now));
        metadata.insert("xdm:lastModifiedUserId".to_owned(), json!(caller.user));
        metadata.insert("xdm:lastModifiedClientId".to_owned(), json!(caller.client));
        metadata.insert("eTag".to_owned(), json!(ids.hex(8)));
    }
    if let Some(item) = kind.shelf_mut(sandbox).get_mut(id) {
        item.value = changed;
    }
    refresh(sandbox);
    Ok(json_reply(200, &shown(sandbox, kind, id)))
}

fn has_data(sandbox: &Sandbox, kind: Kind, id: &str) -> bool {
    let schemas: Vec<&str> = match kind {
        Kind::Schema => vec![id],
        Kind::FieldGroup => sandbox
            .schemas
            .iter()
            .filter(|item| references(&item.value).iter().any(|used| used == id))
            .map(|item| item.id.as_str())
            .collect(),
    };
    sandbox.datasets.iter().any(|dataset| {
        let schema = dataset
            .value
            .get("schemaRef")
            .and_then(|reference| reference.get("id"))
            .and_then(Value::as_str);
        let records = sandbox
            .contents
            .get(&dataset.id)
            .is_some_and(|contents| !contents.records.is_empty());
        records && schema.is_some_and(|schema| schemas.contains(&schema))
    })
}

/// `DELETE /tenant/{kind}/{id}`.
pub(super) fn delete(world: &mut World, caller: &Caller, kind: Kind, id: &str) -> Answer {
    let id = canonical(kind, &world.options.seed.tenant, id);
    let refuse = world.options.dataset_delete_in_use.refused();
    let sandbox = sandbox_of(world, caller)?;
    if !kind.shelf(sandbox).contains(&id) {
        return Err(missing(kind));
    }
    let used = match kind {
        Kind::Schema => sandbox.datasets.iter().any(|item| {
            item.value
                .get("schemaRef")
                .and_then(|reference| reference.get("id"))
                == Some(&json!(id))
        }),
        Kind::FieldGroup => sandbox
            .schemas
            .iter()
            .any(|item| references(&item.value).contains(&id)),
    };
    if used && refuse {
        // Assumed: neither whether nor how a resource in use refuses to go is documented.
        return Err(Refusal::Registry(
            "XDM-1500-400",
            "Resource in use",
            format!("The {} is in use", kind.noun()),
        ));
    }
    kind.shelf_mut(sandbox).remove(&id);
    refresh(sandbox);
    Ok(empty_reply(204))
}

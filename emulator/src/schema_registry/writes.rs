//! Writing schemas and field groups: create, patch, replace, delete, and the checks before each.

use serde_json::{Value, json};

use super::evolution::breaks;
use super::resolve::{class, refresh, resolve};
use super::store::{Author, Kind, canonical, is_used, missing, references, sandbox_of, store};
use crate::call::{Call, unknown_field};
use crate::json_patch;
use crate::options::BreakingChange;
use crate::refusal::{Answer, Refusal, empty_reply, json_reply};
use crate::shelf::{Object, text};
use crate::time::millis;
use crate::world::{Caller, Sandbox, World};

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
    let listed_from = call.now + millis(world.options.list_lag);
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
    let author = Author {
        caller,
        tenant: &tenant,
        now: call.now,
        listed_from,
    };
    store(sandbox, ids, &author, kind, &id, body);
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
    let with_data = world.options.breaking_change == BreakingChange::WithData;
    let World { sandboxes, ids, .. } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    check(sandbox, &tenant, kind, Some(id), &changed)?;
    if let Some(item) = kind.shelf(sandbox).get(id) {
        let fields = |it: &Object| resolve(it, &sandbox.field_groups);
        let breaks = breaks(&fields(&item.value), &fields(&changed));
        if let (false, true) = (breaks.is_empty(), is_used(sandbox, kind, id, with_data)) {
            // Assumed code: that such a change is refused is documented, how is not.
            let detail = format!(
                "The {} is in use, and the change would break records: {}",
                kind.noun(),
                breaks.join("; ")
            );
            return Err(Refusal::Registry("XDM-1533-400", "Breaking change", detail));
        }
    }
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

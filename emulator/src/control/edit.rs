//! Changes behind the client's back: what somebody else does in the product's own interface, or an
//! administrator to a credential.

use serde_json::{Value, json};

use super::invalid;
use crate::call::{Call, unknown_field};
use crate::flow_service::{index, remove, touch, unindex};
use crate::json_patch::merge;
use crate::refusal::Refusal;
use crate::shelf::{Object, Shelf};
use crate::world::{Rights, Sandbox, World};

/// Author of an edit that names none: somebody in the web interface.
const EDITOR: &str = "9F8E7D6C5B4A392817061524@AdobeID";
const EDITOR_CLIENT: &str = "exc_app";

/// `{"kind", "id", "delete": true}`, `{"kind", "id", "merge": {...}}` or `{"kind", "id", "hidden": true}`.
pub(super) fn edit(world: &mut World, call: &Call<'_>) -> Result<Value, Refusal> {
    let body = call.object(invalid)?;
    if let Some(name) = unknown_field(&body, &["kind", "id", "delete", "merge", "hidden"]) {
        return Err(invalid(format!("There is no field {name} in an edit")));
    }
    let of = |name: &str| {
        body.get(name).map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    let (Some(kind), Some(id)) = (of("kind"), of("id")) else {
        return Err(invalid("An edit needs a kind and an id"));
    };
    let delete = body.get("delete") == Some(&json!(true));
    let changes = body.get("merge").cloned().unwrap_or_else(|| json!({}));
    match kind.as_str() {
        "client" | "credentials" => client(world, &id, delete, &changes),
        "appApiKey" => app_api_key(world, &changes),
        "webhook" => webhook(world, &id, delete, &changes),
        _ => object(
            world,
            call.now,
            &kind,
            &id,
            delete,
            &changes,
            body.get("hidden"),
        ),
    }
}

fn missing(kind: &str, id: &str) -> Refusal {
    Refusal::Control(404, format!("There is no {kind} {id}"))
}

/// A credential: `secret`, `secrets`, `revoked`, `forbidden` (true or "write"), `revokeTokens`.
fn client(world: &mut World, id: &str, delete: bool, changes: &Value) -> Result<Value, Refusal> {
    if delete {
        world.tokens.retain(|_, token| token.client != id);
        return world
            .clients
            .remove(id)
            .map(|_| json!({"deleted": id}))
            .ok_or_else(|| missing("client", id));
    }
    let fields = changes
        .as_object()
        .ok_or_else(|| invalid("merge must be an object"))?;
    if let Some(name) = unknown_field(
        fields,
        &["secret", "secrets", "revoked", "forbidden", "revokeTokens"],
    ) {
        return Err(invalid(format!("There is no field {name} in a client")));
    }
    let client = world
        .clients
        .get_mut(id)
        .ok_or_else(|| missing("client", id))?;
    if let Some(secret) = changes["secret"].as_str() {
        client.secrets = vec![secret.to_owned()];
    }
    if let Some(secrets) = changes["secrets"].as_array() {
        client.secrets = secrets
            .iter()
            .filter_map(|secret| Some(secret.as_str()?.to_owned()))
            .collect();
    }
    if let Some(revoked) = changes["revoked"].as_bool() {
        client.revoked = revoked;
    }
    client.rights = match &changes["forbidden"] {
        Value::Bool(true) => Rights::None,
        Value::Bool(false) => Rights::All,
        Value::String(what) if what == "write" => Rights::ReadOnly,
        _ => client.rights,
    };
    if changes["revokeTokens"] == json!(true) {
        world.tokens.retain(|_, token| token.client != id);
    }
    Ok(json!({"edited": id}))
}

fn app_api_key(world: &mut World, changes: &Value) -> Result<Value, Refusal> {
    let fields = changes
        .as_object()
        .ok_or_else(|| invalid("merge must be an object"))?;
    if let Some(name) = unknown_field(fields, &["key", "forbidden"]) {
        return Err(invalid(format!(
            "There is no field {name} in an App API key"
        )));
    }
    if let Some(key) = changes["key"].as_str() {
        key.clone_into(&mut world.webhooks.app_api_key);
    }
    if let Some(forbidden) = changes["forbidden"].as_bool() {
        world.webhooks.forbidden = forbidden;
    }
    Ok(json!({"edited": "appApiKey"}))
}

fn webhook(world: &mut World, id: &str, delete: bool, changes: &Value) -> Result<Value, Refusal> {
    if delete {
        return world
            .webhooks
            .remove(id)
            .map(|()| json!({"deleted": id}))
            .ok_or_else(|| missing("webhook", id));
    }
    let hook = world
        .webhooks
        .get_mut(id)
        .ok_or_else(|| missing("webhook", id))?;
    let mut edited = Value::Object(hook.clone());
    merge(&mut edited, changes);
    if let Value::Object(edited) = edited {
        *hook = edited;
    }
    Ok(json!(hook))
}

fn shelf<'a>(sandbox: &'a mut Sandbox, kind: &str) -> Option<&'a mut Shelf> {
    Some(match kind {
        "flow" => &mut sandbox.flows,
        "sourceConnection" => &mut sandbox.sources,
        "targetConnection" => &mut sandbox.targets,
        "dataset" => &mut sandbox.datasets,
        "schema" => &mut sandbox.schemas,
        "fieldGroup" => &mut sandbox.field_groups,
        _ => return None,
    })
}

fn object(
    world: &mut World,
    now: u64,
    kind: &str,
    id: &str,
    delete: bool,
    changes: &Value,
    hidden: Option<&Value>,
) -> Result<Value, Refusal> {
    let World { sandboxes, ids, .. } = world;
    if kind == "mappingSet" {
        let sandbox = sandboxes
            .values_mut()
            .find(|sandbox| sandbox.mapping_sets.get(id).is_some());
        let sandbox = sandbox.ok_or_else(|| missing(kind, id))?;
        if delete {
            sandbox.mapping_sets.remove(id);
            return Ok(json!({"deleted": id}));
        }
        // Somebody's edit of a mapping set is a new version, as with every PUT.
        let set = sandbox
            .mapping_sets
            .get(id)
            .ok_or_else(|| missing(kind, id))?;
        let mut body = set
            .latest()
            .map(|version| set.show(version))
            .unwrap_or_default();
        merge(&mut body, changes);
        let body = body.as_object().cloned().unwrap_or_default();
        crate::data_prep::rewrite(sandbox, ids, id, &body, now, EDITOR)?;
        return Ok(body.into());
    }
    let known = shelf(&mut Sandbox::default(), kind).is_some();
    if !known {
        return Err(invalid(format!("There is no kind {kind}")));
    }
    let sandbox = sandboxes.values_mut().find_map(|sandbox| {
        let holds = shelf(sandbox, kind).is_some_and(|shelf| shelf.contains(id));
        holds.then_some(sandbox)
    });
    let sandbox = sandbox.ok_or_else(|| missing(kind, id))?;
    if delete {
        if kind == "flow" {
            remove(sandbox, id);
        } else if let Some(shelf) = shelf(sandbox, kind) {
            shelf.remove(id);
        }
    } else {
        if kind == "flow" {
            unindex(sandbox, id);
        }
        if let Some(item) = shelf(sandbox, kind).and_then(|shelf| shelf.get_mut(id)) {
            if let Some(hidden) = hidden.and_then(Value::as_bool) {
                item.hidden = hidden;
            }
            if changes
                .as_object()
                .is_some_and(|changes| !changes.is_empty())
            {
                change(item, ids, now, kind, changes);
            }
        }
        if kind == "flow" {
            index(sandbox, id);
        }
    }
    if matches!(kind, "schema" | "fieldGroup") {
        crate::schema_registry::refresh(sandbox);
    }
    match shelf(sandbox, kind).and_then(|shelf| shelf.get(id)) {
        Some(item) => Ok(json!(item.value)),
        None => Ok(json!({"deleted": id})),
    }
}

/// Merges the changes, signed by the editor, with a moved etag where the kind has one.
fn change(
    item: &mut crate::shelf::Item,
    ids: &mut crate::ids::Ids,
    now: u64,
    kind: &str,
    changes: &Value,
) {
    let mut edited = Value::Object(item.value.clone());
    let (by, via) = if kind == "dataset" {
        ("updatedUser", "updatedClient")
    } else {
        ("updatedBy", "updatedClient")
    };
    let signed = if matches!(kind, "schema" | "fieldGroup") {
        json!({"meta:registryMetadata": {
            "repo:lastModifiedDate": now,
            "xdm:lastModifiedUserId": EDITOR,
            "xdm:lastModifiedClientId": EDITOR_CLIENT,
        }})
    } else {
        json!({by: EDITOR, via: EDITOR_CLIENT})
    };
    merge(&mut edited, &signed);
    merge(&mut edited, changes);
    if let Value::Object(edited) = edited {
        item.value = edited;
    }
    match kind {
        "flow" | "sourceConnection" | "targetConnection" => {
            touch(item, ids, now, None);
        }
        "dataset" => drop(item.value.insert("updated".to_owned(), json!(now))),
        _ => {}
    }
}

/// Every live object, by kind.
pub(crate) fn objects(world: &World) -> Value {
    let mut all = json!({});
    let mut add = |kind: &str, sandbox: &str, id: &str, value: &Object| {
        let mut shown = value.clone();
        shown.insert("id".to_owned(), json!(id));
        shown.insert("sandboxName".to_owned(), json!(sandbox));
        if !all[kind].is_array() {
            all[kind] = json!([]);
        }
        if let Some(list) = all[kind].as_array_mut() {
            list.push(Value::Object(shown));
        }
    };
    for (name, sandbox) in &world.sandboxes {
        for (kind, shelf) in [
            ("flow", &sandbox.flows),
            ("sourceConnection", &sandbox.sources),
            ("targetConnection", &sandbox.targets),
            ("dataset", &sandbox.datasets),
            ("schema", &sandbox.schemas),
            ("fieldGroup", &sandbox.field_groups),
        ] {
            for item in shelf.iter() {
                add(kind, name, &item.id, &item.value);
            }
        }
        for set in sandbox.mapping_sets.iter() {
            if let Some(Value::Object(mut shown)) = set.latest().map(|version| set.show(version)) {
                let versions: Vec<Value> = set.versions.iter().map(|it| set.show(it)).collect();
                shown.insert("versions".to_owned(), json!(versions));
                add("mappingSet", name, &set.id, &shown);
            }
        }
    }
    let hooks: Vec<&Object> = world.webhooks.iter().map(|(_, hook)| hook).collect();
    all["webhook"] = json!(hooks);
    for kind in [
        "flow",
        "sourceConnection",
        "targetConnection",
        "dataset",
        "schema",
        "fieldGroup",
        "mappingSet",
    ] {
        if !all[kind].is_array() {
            all[kind] = json!([]);
        }
    }
    all
}

//! Source and target connections: create and delete. Reading, listing and patching are shared with flows.

use serde_json::{Value, json};

use super::specs::check_spec;
use super::{
    CUSTOMER_IO_SPEC, DATA_LAKE_SPEC, Kind, PROVIDER, body, created, draft, invalid, no_fields,
    no_params, spec_id, stamped, text_field,
};
use crate::call::Call;
use crate::options::SpecSight;
use crate::refusal::{Answer, Refusal, connector, empty_reply, flow, flow_about};
use crate::shelf::Object;
use crate::time::millis;
use crate::world::{Caller, Sandbox, World};

/// `POST /sourceConnections` and `POST /targetConnections`.
pub(super) fn create(world: &mut World, caller: &Caller, call: &Call<'_>, kind: Kind) -> Answer {
    let draft = draft(call)?;
    let body = body(call)?;
    let World {
        sandboxes,
        ids,
        options,
        ..
    } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    let fields = match kind {
        Kind::Source => source(&body, options.customer_io_spec)?,
        _ => target(&body, sandbox)?,
    };
    let (id, etag) = (ids.uuid(), ids.etag(call.now));
    let mut item = stamped(&id, &etag, caller, &sandbox.id, call.now);
    item.extend(fields);
    item.insert(
        "state".to_owned(),
        json!(if draft { "draft" } else { "enabled" }),
    );
    if kind == Kind::Source {
        item.insert("providerRefId".to_owned(), json!(ids.uuid()));
    }
    let shelf = if kind == Kind::Source {
        &mut sandbox.sources
    } else {
        &mut sandbox.targets
    };
    shelf.insert(&id, item, call.now + millis(options.list_lag));
    Ok(created(kind.collection(), &id, &etag))
}

fn source(body: &Object, sight: SpecSight) -> Result<Object, Refusal> {
    no_fields(
        body,
        &[
            "name",
            "description",
            "providerId",
            "baseConnectionId",
            "connectionSpec",
            "data",
            "params",
        ],
    )?;
    let mut fields = Object::new();
    fields.insert("name".to_owned(), json!(text_field(body, "name", true)?));
    if let Some(description) = text_field(body, "description", false)? {
        fields.insert("description".to_owned(), json!(description));
    }
    let spec = spec_id(body, "connectionSpec")?;
    check_spec(&spec, CUSTOMER_IO_SPEC, sight)?;
    fields.insert(
        "connectionSpec".to_owned(),
        json!({"id": spec, "version": "1.0"}),
    );
    if body.contains_key("baseConnectionId") {
        return Err(connector(
            "1332-400",
            "This connection spec takes no base connection",
        ));
    }
    if let Some(provider) = text_field(body, "providerId", false)?
        && provider != PROVIDER
    {
        return Err(invalid(
            "The providerId does not belong to the connection spec.",
        ));
    }
    let data = object(body, "data")?;
    no_fields(data, &["format"])?;
    if data.get("format") != Some(&json!("json")) {
        return Err(flow("1327-400", "The format of this source must be json."));
    }
    fields.insert("data".to_owned(), json!(data));
    if let Some(params) = body.get("params") {
        fields.insert("params".to_owned(), json!(params));
    }
    Ok(fields)
}

fn target(body: &Object, sandbox: &Sandbox) -> Result<Object, Refusal> {
    no_fields(
        body,
        &["name", "description", "connectionSpec", "data", "params"],
    )?;
    let mut fields = Object::new();
    for name in ["name", "description"] {
        if let Some(text) = text_field(body, name, false)? {
            fields.insert(name.to_owned(), json!(text));
        }
    }
    let spec = spec_id(body, "connectionSpec")?;
    if spec != DATA_LAKE_SPEC {
        return Err(flow(
            "1307-400",
            "The target connection spec of this flow must be the data lake.",
        ));
    }
    fields.insert(
        "connectionSpec".to_owned(),
        json!({"id": spec, "version": "1.0"}),
    );
    let data = object(body, "data")?;
    no_fields(data, &["format", "schema", "properties"])?;
    if !matches!(
        data.get("format").and_then(Value::as_str),
        Some("json" | "parquet_xdm")
    ) {
        return Err(flow(
            "1327-400",
            "The format of the target connection is wrong.",
        ));
    }
    let mut stored = data.clone();
    if data.contains_key("schema") {
        let schema = object(data, "schema")?;
        no_fields(schema, &["id", "version"])?;
        if !["id", "version"]
            .iter()
            .all(|name| schema.get(*name).is_some_and(Value::is_string))
        {
            return Err(invalid(
                "The schema of a target connection needs an id and a version.",
            ));
        }
    }
    stored.entry("properties").or_insert(Value::Null);
    fields.insert("data".to_owned(), json!(stored));
    let params = object(body, "params")?;
    no_fields(params, &["dataSetId"])?;
    let dataset = params
        .get("dataSetId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if dataset.is_empty() {
        return Err(flow("1325-400", "The dataSetId must not be empty."));
    }
    if !sandbox.datasets.contains(dataset) {
        // Assumed: the catalogue's general code for a reference to nothing.
        let message = format!(
            "The requested resource is not found. Error from flow provider: Dataset with id {dataset} does not exist."
        );
        return Err(flow_about("1101-404", message, dataset, "dataSets"));
    }
    fields.insert("params".to_owned(), json!(params));
    Ok(fields)
}

fn object<'a>(body: &'a Object, name: &str) -> Result<&'a Object, Refusal> {
    match body.get(name) {
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(invalid(format!("The field \"{name}\" must be an object."))),
        None => Err(invalid(format!("The field \"{name}\" is required."))),
    }
}

/// `DELETE /sourceConnections/{id}` and `DELETE /targetConnections/{id}`.
pub(super) fn delete(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    id: &str,
) -> Answer {
    no_params(call, &[])?;
    let World {
        sandboxes, options, ..
    } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    match kind.shelf(sandbox).get(id) {
        None => return Err(kind.missing(id)),
        Some(item) if item.hidden => {
            return Err(flow("2120-403", "You lack permissions for this operation"));
        }
        Some(_) => {}
    }
    let used = sandbox.uses.get(id).is_some_and(|flows| !flows.is_empty());
    if used && options.connection_delete_in_use.refused() {
        return Err(flow_about(
            "1447-400",
            format!("Found active flows containing id {id}."),
            id,
            kind.collection(),
        ));
    }
    let shelf = if kind == Kind::Source {
        &mut sandbox.sources
    } else {
        &mut sandbox.targets
    };
    shelf.remove(id);
    Ok(empty_reply(204))
}

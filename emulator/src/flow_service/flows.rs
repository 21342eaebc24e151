//! Flows: create and delete. What a flow refers to is checked here, once for create, publish and patch.

use serde_json::{Value, json};

use super::lifecycle::{Transition, index, unindex};
use super::specs::check_spec;
use super::{
    FLOW_SPEC, Kind, body, created, draft, invalid, no_fields, no_params, spec_id, stamped,
    text_field, touch,
};
use crate::call::Call;
use crate::options::{NumberShape, Options};
use crate::refusal::{Answer, Refusal, empty_reply, flow, flow_about, flow_on};
use crate::shelf::{Object, text};
use crate::time::millis;
use crate::world::{Caller, Sandbox, World};

/// State of a flow that was deleted and still stands: the error catalogue's word. Assumed: that it can be
/// read, since no page shows a flow in it.
const GOING: &str = "delete-finalizing";

/// `POST /flows`.
pub(super) fn create(world: &mut World, caller: &Caller, call: &Call<'_>) -> Answer {
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
    no_fields(
        &body,
        &[
            "name",
            "description",
            "flowSpec",
            "sourceConnectionIds",
            "targetConnectionIds",
            "transformations",
            "options",
            "labels",
        ],
    )?;
    let name = text_field(&body, "name", true)?;
    let description = text_field(&body, "description", false)?;
    check_spec(&spec_id(&body, "flowSpec")?, FLOW_SPEC, options.flow_spec)?;
    let sources = connection_ids(&body, "sourceConnectionIds", !draft)?;
    let targets = connection_ids(&body, "targetConnectionIds", !draft)?;
    let transformations = transformations(&body, options)?;
    check_options(&body)?;

    let (id, etag) = (ids.uuid(), ids.etag(call.now));
    let mut item = stamped(&id, &etag, caller, &sandbox.id, call.now);
    item.insert("name".to_owned(), json!(name));
    if let Some(description) = description {
        item.insert("description".to_owned(), json!(description));
    }
    item.insert(
        "flowSpec".to_owned(),
        json!({"id": FLOW_SPEC, "version": "1.0"}),
    );
    item.insert(
        "state".to_owned(),
        json!(if draft { "draft" } else { "initializing" }),
    );
    item.insert("sourceConnectionIds".to_owned(), json!(sources));
    item.insert("targetConnectionIds".to_owned(), json!(targets));
    item.insert(
        "inheritedAttributes".to_owned(),
        inherited(sandbox, &sources, &targets),
    );
    for name in ["options", "labels"] {
        if let Some(value) = body.get(name) {
            item.insert(name.to_owned(), value.clone());
        }
    }
    item.insert("transformations".to_owned(), Value::Array(transformations));
    item.insert(
        "runs".to_owned(),
        json!(format!("/runs?property=flowId=={id}")),
    );
    item.insert("providerRefId".to_owned(), json!(ids.uuid()));
    item.insert(
        "lastOperation".to_owned(),
        json!({"started": 0, "updated": 0, "operation": "create"}),
    );
    check_wiring(sandbox, options, &item, None, !draft)?;

    sandbox
        .flows
        .insert(&id, item, call.now + millis(options.list_lag));
    index(sandbox, &id);
    if !draft {
        sandbox.due.insert(
            (call.now + millis(options.inlet_delay), id.clone()),
            Transition::Enable,
        );
    }
    Ok(created("flows", &id, &etag))
}

/// Ids of connections: one for a complete flow, at most one for a draft.
fn connection_ids(body: &Object, name: &str, required: bool) -> Result<Vec<String>, Refusal> {
    let ids: Vec<String> = match body.get(name) {
        None if !required => return Ok(Vec::new()),
        None => return Err(invalid(format!("The field \"{name}\" is required."))),
        Some(Value::Array(ids)) => ids
            .iter()
            .filter_map(|id| Some(id.as_str()?.to_owned()))
            .collect(),
        Some(_) => {
            return Err(invalid(format!(
                "The field \"{name}\" must be a list of ids."
            )));
        }
    };
    if ids.len() > 1 || (ids.is_empty() && required) {
        return Err(invalid(format!(
            "The field \"{name}\" must name exactly one connection."
        )));
    }
    Ok(ids)
}

fn check_options(body: &Object) -> Result<(), Refusal> {
    match body.get("options") {
        None => Ok(()),
        // Assumed: `inletUrl` is written by the service alone.
        Some(Value::Object(options)) => no_fields(
            options,
            &["errorDiagnosticsEnabled", "partialIngestionPercent"],
        ),
        Some(_) => Err(invalid("The field \"options\" must be an object.")),
    }
}

/// The transformations of a body, in the shape in which they come back.
pub(super) fn transformations(body: &Object, options: &Options) -> Result<Vec<Value>, Refusal> {
    let list = match body.get("transformations") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(invalid("The field \"transformations\" must be a list.")),
    };
    if list.len() > 1 {
        return Err(invalid("A flow of this spec has one transformation."));
    }
    list.iter()
        .map(|value| transformation(value, options))
        .collect()
}

/// One transformation: a mapping set and its version, which may be sent as a number or as text.
pub(super) fn transformation(value: &Value, options: &Options) -> Result<Value, Refusal> {
    let Value::Object(fields) = value else {
        return Err(invalid("A transformation must be an object."));
    };
    no_fields(fields, &["name", "params"])?;
    if text(fields, "name") != Some("Mapping") {
        return Err(invalid(
            "The flow spec has one transformation, named Mapping.",
        ));
    }
    let Some(Value::Object(params)) = fields.get("params") else {
        return Err(invalid("The transformation needs params."));
    };
    no_fields(params, &["mappingId", "mappingVersion"])?;
    let Some(mapping) = text(params, "mappingId") else {
        return Err(invalid("The transformation needs a mappingId."));
    };
    let version = match params.get("mappingVersion") {
        None => Some(0),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
    };
    let Some(version) = version else {
        return Err(flow(
            "1412-400",
            "Invalid Mapping Version in request. Please provide correct mapping version.",
        ));
    };
    let version = match options.mapping_version {
        NumberShape::Number => json!(version),
        NumberShape::String => json!(version.to_string()),
    };
    Ok(json!({"name": "Mapping", "params": {"mappingId": mapping, "mappingVersion": version}}))
}

/// Mapping set and version of a flow.
pub(crate) fn mapping_of(item: &Object) -> Option<(String, u64)> {
    let params = item.get("transformations")?.get(0)?.get("params")?;
    let version = match params.get("mappingVersion")? {
        Value::String(text) => text.parse().ok()?,
        number => number.as_u64()?,
    };
    Some((params.get("mappingId")?.as_str()?.to_owned(), version))
}

/// Copies of the connections' specs, as a flow carries them.
pub(super) fn inherited(sandbox: &Sandbox, sources: &[String], targets: &[String]) -> Value {
    let specs = |ids: &[String], shelf: &crate::shelf::Shelf| -> Vec<Value> {
        let known = ids
            .iter()
            .filter_map(|id| Some((id, shelf.get(id)?.value.get("connectionSpec")?)));
        known
            .map(|(id, spec)| json!({"id": id, "connectionSpec": spec}))
            .collect()
    };
    json!({
        "properties": {"isSourceFlow": true},
        "sourceConnections": specs(sources, &sandbox.sources),
        "targetConnections": specs(targets, &sandbox.targets)
    })
}

fn ids_of<'a>(item: &'a Object, name: &str) -> impl Iterator<Item = &'a str> {
    item.get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Checks everything a flow refers to. `own` is the flow's id once it has one.
pub(super) fn check_wiring(
    sandbox: &Sandbox,
    options: &Options,
    item: &Object,
    own: Option<&str>,
    complete: bool,
) -> Result<(), Refusal> {
    for (name, shelf) in [
        ("sourceConnectionIds", &sandbox.sources),
        ("targetConnectionIds", &sandbox.targets),
    ] {
        for id in ids_of(item, name) {
            if !shelf.contains(id) {
                let message = "The requested resource is not found. Error from flow provider: Resource with given id does not exist.";
                return Err(flow_about(
                    "1101-404",
                    message,
                    id,
                    if name.starts_with('s') {
                        "sourceConnections"
                    } else {
                        "targetConnections"
                    },
                ));
            }
        }
    }
    for id in ids_of(item, "sourceConnectionIds") {
        let taken = sandbox
            .uses
            .get(id)
            .is_some_and(|flows| flows.iter().any(|flow| Some(flow.as_str()) != own));
        // Assumed code: a source connection belongs to one flow, but no page says what a second one gets.
        if taken && options.shared_source.refused() {
            return Err(flow_about(
                "1447-400",
                format!("Found active flows containing id {id}."),
                id,
                "sourceConnections",
            ));
        }
    }
    let Some((mapping, version)) = mapping_of(item) else {
        // Assumed code: the input is not XDM, so there is no flow without a mapping.
        return if complete {
            Err(invalid("The field \"transformations\" is required."))
        } else {
            Ok(())
        };
    };
    check_mapping(sandbox, item, &mapping, version)
}

/// Mapping, target connection and dataset must name the same schema and version.
fn check_mapping(
    sandbox: &Sandbox,
    item: &Object,
    mapping: &str,
    version: u64,
) -> Result<(), Refusal> {
    let Some(set) = sandbox.mapping_sets.get(mapping) else {
        let message = format!(
            "Error while validating mapping with id {mapping}, version {version}. This could be because of inadequate permissions on mapped fields. Please check your mapping or contact your admin."
        );
        return Err(flow("1419-400", message));
    };
    let Some(set) = set.version(version) else {
        return Err(flow(
            "1412-400",
            "Invalid Mapping Version in request. Please provide correct mapping version.",
        ));
    };
    for target in ids_of(item, "targetConnectionIds").filter_map(|id| sandbox.targets.get(id)) {
        let value = |path: &str| {
            let (first, rest) = path.split_once('/')?;
            let value = rest
                .split('/')
                .try_fold(target.value.get(first)?, |value, step| value.get(step));
            value.and_then(Value::as_str).map(str::to_owned)
        };
        let dataset = value("params/dataSetId").unwrap_or_default();
        let Some(stored) = sandbox.datasets.get(&dataset) else {
            return Err(flow(
                "2200-500",
                "There was a problem while calling the Catalog service for validating schema.",
            ));
        };
        let reference = stored.value.get("schemaRef");
        let of = |name: &str| {
            reference
                .and_then(|reference| reference.get(name))
                .and_then(Value::as_str)
        };
        let wanted = (
            of("id").map(str::to_owned),
            of("contentType").and_then(crate::schema_registry::major_version),
        );
        let named = value("data/schema/id").map(|id| {
            let version = value("data/schema/version");
            (
                Some(id),
                version
                    .as_deref()
                    .and_then(crate::schema_registry::major_version),
            )
        });
        let mapped = (Some(set.schema_id.clone()), Some(set.schema_major));
        if mapped != wanted || named.is_some_and(|named| named != wanted) {
            let message = format!(
                "Error while matching schema in target dataset {dataset} with schema in mapping {mapping}. Schema with same id and version must be used in both mapping and target dataset."
            );
            return Err(flow("1425-400", message));
        }
    }
    if !crate::data_prep::destinations_exist(sandbox, set) {
        let message = format!(
            "Error while validating mapping with id {mapping}, version {version}. This could be because of inadequate permissions on mapped fields. Please check your mapping or contact your admin."
        );
        return Err(flow("1419-400", message));
    }
    Ok(())
}

/// `DELETE /flows/{id}`: answered at once, whether the flow goes at once or later.
pub(super) fn delete(world: &mut World, caller: &Caller, call: &Call<'_>, id: &str) -> Answer {
    no_params(call, &[])?;
    let World {
        sandboxes,
        ids,
        options,
        ..
    } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    match sandbox.flows.get_mut(id) {
        None => return Err(Kind::Flow.missing(id)),
        Some(item) if item.hidden => {
            return Err(flow("2120-403", "You lack permissions for this operation"));
        }
        Some(item) if is_going(&item.value) => {
            return Err(flow_on(
                "1458-400",
                "The flow cannot be deleted while its deletion is being finalized.",
                id,
            ));
        }
        Some(item) if !options.delete_delay.is_zero() => {
            item.value.insert("state".to_owned(), json!(GOING));
            touch(item, ids, call.now, Some(caller));
            let at = call.now + millis(options.delete_delay);
            // Whatever else was on its way does not happen any more.
            sandbox.due.retain(|(_, flow), _| flow != id);
            sandbox.due.insert((at, id.to_owned()), Transition::Gone);
        }
        Some(_) => vanish(sandbox, options, id),
    }
    Ok(empty_reply(204))
}

/// Whether the flow was deleted and still stands.
pub(super) fn is_going(item: &Object) -> bool {
    text(item, "state") == Some(GOING)
}

/// A deleted flow is gone, with its connections where those go along.
pub(super) fn vanish(sandbox: &mut Sandbox, options: &Options, id: &str) {
    let Some(gone) = remove(sandbox, id) else {
        return;
    };
    if options.flow_delete_takes_connections {
        for source in ids_of(&gone, "sourceConnectionIds") {
            sandbox.sources.remove(source);
        }
        for target in ids_of(&gone, "targetConnectionIds") {
            sandbox.targets.remove(target);
        }
    }
}

/// Takes a flow away, with everything that was due for it.
pub(crate) fn remove(sandbox: &mut Sandbox, id: &str) -> Option<Object> {
    unindex(sandbox, id);
    Some(sandbox.flows.remove(id)?.value)
}

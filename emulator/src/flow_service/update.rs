//! Changing what exists: PATCH under `If-Match`, and the actions that move an object between states.

use serde_json::{Value, json};

use super::flows::{check_wiring, inherited, is_going, transformation};
use super::lifecycle::{ENABLED, Transition, index, maps, renew, unindex};
use super::{Kind, invalid, no_params, touch, written};
use crate::call::Call;
use crate::json_patch::{self, Instruction, Op};
use crate::options::Options;
use crate::refusal::{Answer, Refusal, flow, flow_on};
use crate::shelf::{Item, text};
use crate::time::millis;
use crate::world::{Caller, Sandbox, World};

fn item_mut<'a>(sandbox: &'a mut Sandbox, kind: Kind, id: &str) -> Result<&'a mut Item, Refusal> {
    let shelf = match kind {
        Kind::Source => &mut sandbox.sources,
        Kind::Target => &mut sandbox.targets,
        Kind::Flow => &mut sandbox.flows,
    };
    match shelf.get_mut(id) {
        None => Err(kind.missing(id)),
        Some(item) if item.hidden => Err(flow(
            "2120-403",
            "You do not have sufficient permissions to perform the operation. Please contact your administrator to resolve permissions and try again.",
        )),
        Some(item) => Ok(item),
    }
}

fn check_match(call: &Call<'_>, item: &Item, required: bool) -> Result<(), Refusal> {
    let current = text(&item.value, "etag").unwrap_or_default();
    match call.header("if-match") {
        None if required => Err(flow(
            "1403-400",
            "The header 'If-Match' is missing in the request. Please provide the header and try again.",
        )),
        Some(given) if given != current => {
            let message = format!(
                "The supplied version '{given}' does not match the current version on entity '{current}'. Please ensure that the supplied version matches the current version on entity and try again."
            );
            Err(flow_on("1404-412", message, &item.id))
        }
        _ => Ok(()),
    }
}

/// `PATCH /{collection}/{id}`.
pub(super) fn patch(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    id: &str,
) -> Answer {
    no_params(call, &[])?;
    let World {
        sandboxes,
        ids,
        options,
        inlets,
        ..
    } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    let item = item_mut(sandbox, kind, id)?;
    check_match(call, item, true)?;
    if is_going(&item.value) {
        return Err(flow_on(
            "1457-400",
            "The flow cannot be updated while its deletion is being finalized.",
            id,
        ));
    }
    let state = text(&item.value, "state").unwrap_or_default().to_owned();
    if !matches!(state.as_str(), "enabled" | "disabled" | "draft") {
        return Err(flow_on(
            "1420-400",
            format!("The current state {state} cannot be updated."),
            id,
        ));
    }
    let body = call.json().map_err(invalid)?;
    let instructions = json_patch::parse(body.clone()).map_err(|reason| {
        if reason.starts_with("Unsupported operation") {
            flow("1434-400", reason)
        } else {
            invalid(reason)
        }
    })?;
    let mut changed = Value::Object(item.value.clone());
    for instruction in instructions {
        let instruction = permitted(instruction, kind, &state, options)?;
        json_patch::apply(&mut changed, &instruction).map_err(|missing| {
            flow(
                "1455-400",
                format!("An error has occurred while validating patch instructions: {missing}."),
            )
        })?;
    }
    let Value::Object(mut changed) = changed else {
        return Err(invalid("The patch leaves no object."));
    };
    if text(&changed, "name").is_none_or(|name| name.trim().is_empty()) {
        return Err(invalid(
            "The field \"name\" must be a text that is not empty.",
        ));
    }
    if kind == Kind::Flow {
        check_wiring(sandbox, options, &changed, Some(id), state != "draft")?;
        let list = |name: &str| -> Vec<String> {
            let ids = changed
                .get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            ids.filter_map(|id| Some(id.as_str()?.to_owned())).collect()
        };
        let inherited = inherited(
            sandbox,
            &list("sourceConnectionIds"),
            &list("targetConnectionIds"),
        );
        changed.insert("inheritedAttributes".to_owned(), inherited);
        unindex(sandbox, id);
    }
    let item = item_mut(sandbox, kind, id)?;
    item.value = changed;
    let etag = touch(item, ids, call.now, Some(caller));
    if kind == Kind::Flow {
        if state != "draft" && !options.inlet_stable && !options.update_moves_etag && maps(&body) {
            renew(sandbox, ids, inlets, (&caller.sandbox, options), id);
        } else if state != "draft" && options.update_moves_etag {
            if options.update_delay > std::time::Duration::ZERO && state == "enabled" {
                item.value.insert("state".to_owned(), json!("updating"));
            }
            let at = call.now + millis(options.update_delay);
            sandbox.due.insert(
                (at, id.to_owned()),
                Transition::Updated {
                    started: call.now,
                    ops: body,
                },
            );
        }
        index(sandbox, id);
    }
    Ok(written(200, id, &etag))
}

/// Lets through what may be patched, in the shape in which it is stored.
fn permitted(
    mut instruction: Instruction,
    kind: Kind,
    state: &str,
    options: &Options,
) -> Result<Instruction, Refusal> {
    let path = instruction.path.trim_end_matches('/').to_owned();
    let refused = || flow("1365-400", format!("The path {path} cannot be patched."));
    if kind != Kind::Flow {
        return match path.as_str() {
            "/connectionSpec" | "/connectionSpec/id" | "/connectionSpec/version" => Err(flow(
                "1414-400",
                "The connection spec of a connection cannot be updated.",
            )),
            _ if options.patch_connection.refused() && state != "draft" => Err(flow(
                "1300-400",
                "PATCH of connections is not supported by this connection spec.",
            )),
            "/name" | "/description" | "/data" | "/params" | "/params/dataSetId" => Ok(instruction),
            _ => Err(refused()),
        };
    }
    match path.as_str() {
        "/name" | "/description" => {
            let clears = instruction.op == Op::Remove && path == "/description";
            if clears || instruction.value.is_string() {
                Ok(instruction)
            } else {
                Err(invalid(format!("{path} must be a text.")))
            }
        }
        "/transformations/0" | "/transformations/-" if instruction.op != Op::Remove => {
            instruction.value = transformation(&instruction.value, options)?;
            Ok(instruction)
        }
        "/transformations" if state == "draft" && instruction.op != Op::Remove => {
            let list = match &instruction.value {
                Value::Array(list) => list.clone(),
                one => vec![one.clone()],
            };
            let list = list
                .iter()
                .map(|value| transformation(value, options))
                .collect::<Result<Vec<_>, _>>()?;
            instruction.value = Value::Array(list);
            Ok(instruction)
        }
        "/labels" | "/policy" => Ok(instruction),
        "/sourceConnectionIds"
        | "/targetConnectionIds"
        | "/sourceConnectionIds/0"
        | "/targetConnectionIds/0"
        | "/options"
            if state == "draft" || !options.patch_flow_wiring.refused() =>
        {
            Ok(instruction)
        }
        _ => Err(refused()),
    }
}

/// `POST /{collection}/{id}/action?op=`.
pub(super) fn action(
    world: &mut World,
    caller: &Caller,
    call: &Call<'_>,
    kind: Kind,
    id: &str,
) -> Answer {
    no_params(call, &["op", "subOp"])?;
    let World {
        sandboxes,
        ids,
        options,
        inlets,
        ..
    } = world;
    let sandbox = sandboxes
        .get_mut(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    let item = item_mut(sandbox, kind, id)?;
    check_match(call, item, false)?;
    let op = call.param("op").unwrap_or_default().to_ascii_lowercase();
    if options.action_needs_sub_op && call.param("subOp").is_none() {
        return Err(flow(
            "1435-400",
            "Unsupported sub action '' received. Please use one of the supported sub action types and try again.",
        ));
    }
    let state = text(&item.value, "state").unwrap_or_default().to_owned();
    let (next, meanwhile) = match (op.as_str(), state.as_str(), kind) {
        ("enable", "disabled", Kind::Flow) => (ENABLED, "enabling"),
        ("disable", "enabled", Kind::Flow) => ("disabled", "disabling"),
        ("publish", "draft", Kind::Flow) => ("initializing", "initializing"),
        ("publish", "draft", _) => ("enabled", "enabled"),
        ("finalize", ..) => {
            return Err(flow(
                "1402-400",
                "The action 'finalize' is supported for provider requests only.",
            ));
        }
        ("enable" | "disable" | "publish", ..) => {
            let message = format!(
                "The action {op} cannot be applied on the current state {state}. Please update the action and try again."
            );
            return Err(flow_on("1422-400", message, id));
        }
        _ => {
            return Err(flow(
                "1434-400",
                format!(
                    "Unsupported operation '{op}' received. Please use one of the supported operation types and try again."
                ),
            ));
        }
    };
    if op == "publish" && kind == Kind::Flow {
        let value = item.value.clone();
        let complete = ["sourceConnectionIds", "targetConnectionIds"]
            .iter()
            .all(|name| {
                value
                    .get(*name)
                    .and_then(Value::as_array)
                    .is_some_and(|ids| ids.len() == 1)
            });
        if !complete {
            return Err(invalid("The flow needs a source and a target connection."));
        }
        check_wiring(sandbox, options, &value, Some(id), true)?;
        sandbox.due.insert(
            (call.now + millis(options.inlet_delay), id.to_owned()),
            Transition::Enable,
        );
    }
    let at = call.now + millis(options.action_delay);
    let wait = at > call.now && op != "publish";
    if wait {
        sandbox
            .due
            .insert((at, id.to_owned()), Transition::Acted(next));
    } else if op == "enable" && !options.inlet_stable {
        renew(sandbox, ids, inlets, (&caller.sandbox, options), id);
    }
    let item = item_mut(sandbox, kind, id)?;
    item.value.insert(
        "state".to_owned(),
        json!(if wait { meanwhile } else { next }),
    );
    if op != "publish" {
        item.value.insert(
            "lastOperation".to_owned(),
            json!({"started": 0, "updated": 0, "operation": op}),
        );
    }
    let etag = touch(item, ids, call.now, Some(caller));
    Ok(written(200, id, &etag))
}

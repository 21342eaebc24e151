//! What has to hold of webhooks once everything had its time: one for each dataflow that wants one, sending to its flow
//! if that runs, and none besides.

use serde_json::Value;

use crate::user::NAMESPACE;
use crate::world::World;

/// What somebody calls a webhook in Customer.io.
pub const RENAMED: &str = "somebody else's name";

fn hooks(remote: &Value) -> Vec<Value> {
    remote["webhook"].as_array().cloned().unwrap_or_default()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn is_ready(dataflow: &Value) -> bool {
    let conditions = dataflow["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter()
            .any(|it| it["type"] == "Ready" && it["status"] == "True")
    })
}

fn endpoint(hook: &Value) -> &str {
    hook["endpoint"].as_str().unwrap_or_default()
}

/// The webhook that a dataflow has recorded was disabled in Customer.io.
pub fn is_stopped(remote: &Value, dataflow: &Value) -> bool {
    let id = dataflow["status"]["subscription"]["id"].as_str();
    hooks(remote)
        .iter()
        .any(|hook| Some(hook["id"].to_string().as_str()) == id && hook["disabled"] == true)
}

/// What is wrong with the webhook of a ready dataflow.
pub fn wrong_webhook(dataflow: &Value, (world, remote): (&World, &Value)) -> Option<String> {
    if !is_ready(dataflow) {
        return None;
    }
    let (status, spec) = (&dataflow["status"], &dataflow["spec"]);
    let flow = status["flow"]["id"].as_str().unwrap_or_default();
    let all = hooks(remote);
    let of_flow: Vec<&Value> = all
        .iter()
        .filter(|hook| endpoint(hook).ends_with(&format!("x-adobe-flow-id={flow}")))
        .collect();
    let name = name(dataflow);
    if spec["subscription"].is_null() {
        // One that an earlier resource of this name let go of is its user's, and never was this one's. One made long after
        // its settling time has nothing that tells it from one that somebody made by hand; it sends nothing: it is disabled.
        let let_go = world.is_retained(name) && status["subscription"].is_null();
        let stays = |hook: &&Value| {
            let_go || hook["disabled"] == true && world.is_very_late(endpoint(hook))
        };
        let left = of_flow.into_iter().find(|hook| !stays(hook));
        return left.map(|hook| format!("{name} wants no webhook and has {hook}"));
    }
    let [hook] = of_flow.as_slice() else {
        return Some(format!(
            "{name} has {} webhooks: {of_flow:?}",
            of_flow.len()
        ));
    };
    let flows = remote["flow"].as_array().into_iter().flatten();
    let mut inlets = flows
        .filter(|it| it["id"] == *flow)
        .map(|it| &it["options"]["inletUrl"]);
    if let Some(inlet) = inlets.next().and_then(Value::as_str) {
        let sends_to = format!("{inlet}?x-adobe-flow-id={flow}");
        if status["inletUrl"] != *inlet || endpoint(hook) != sends_to {
            return Some(format!(
                "{name} has not followed its flow to {inlet}: {hook}, {status}"
            ));
        }
    }
    let id = status["subscription"]["id"].as_str();
    if id != Some(hook["id"].to_string().as_str()) {
        return Some(format!("{name} has recorded {id:?}, and {hook} stands"));
    }
    let wanted = spec["state"] == "Disabled";
    if hook["disabled"] != wanted {
        return Some(format!("{name}: disabled should be {wanted} in {hook}"));
    }
    let called = format!("{NAMESPACE}.{name}");
    if hook["name"] != *called || hook["events"].as_array().map(Vec::len) != Some(15) {
        return Some(format!("{name}: not as written: {hook}"));
    }
    None
}

/// A webhook of ours that no resource knows of.
pub fn orphan(world: &World, remote: &Value, dataflows: &[Value]) -> Option<String> {
    hooks(remote)
        .into_iter()
        .find(|hook| {
            let id = hook["id"].to_string();
            let known = |it: &Value| it["status"]["subscription"]["id"].as_str() == Some(&id);
            let settling = |it: &Value| !is_ready(it) && is_of(hook, name(it));
            !is_excused(world, hook) && !dataflows.iter().any(|it| known(it) || settling(it))
        })
        .map(|hook| format!("nobody knows of webhook {hook}"))
}

/// A webhook that sends to a flow that does not run, though nobody meddled.
pub fn sends_in_vain(world: &World, remote: &Value) -> Option<String> {
    let flows = remote["flow"].as_array().cloned().unwrap_or_default();
    let runs = |hook: &Value| {
        flows.iter().any(|flow| {
            let id = flow["id"].as_str().unwrap_or_default();
            flow["state"] == "enabled" && endpoint(hook).ends_with(id)
        })
    };
    hooks(remote)
        .into_iter()
        .find(|hook| hook["disabled"] == false && !runs(hook) && !world.was_meddled())
        .map(|hook| format!("its flow does not run: {hook}"))
}

/// Nothing of ours is left in Customer.io.
pub fn nothing_left(world: &World) -> Result<(), String> {
    let left = hooks(&world.remote())
        .into_iter()
        .find(|hook| !is_excused(world, hook));
    left.map_or(Ok(()), |hook| Err(format!("left behind: webhook {hook}")))
}

fn is_of(hook: &Value, dataflow: &str) -> bool {
    hook["name"] == *format!("{NAMESPACE}.{dataflow}")
}

/// It may stay: let go of on purpose, made when nobody was left who could know of it, or given another name before
/// anybody had recorded it.
fn is_excused(world: &World, hook: &Value) -> bool {
    let name = hook["name"].as_str().unwrap_or_default();
    if name == RENAMED {
        return true;
    }
    let resource = name.rsplit('.').next().unwrap_or_default();
    world.is_retained(resource) || world.is_very_late(endpoint(hook))
}

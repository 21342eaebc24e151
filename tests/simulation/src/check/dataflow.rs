//! Dataflows: each ready one has a flow that is as its spec says.

use serde_json::Value;

use super::{
    dataset, deleting, heals, is_named, is_secret_going, name, ready, retains, standing,
    waits_for_secret,
};
use crate::webhooks;
use crate::world::World;

/// What is not as it should be with a dataflow.
pub(super) fn wrong(
    dataflow: &Value,
    sources: &[Value],
    dataflows: &[Value],
    (world, remote): (&World, &Value),
) -> Option<String> {
    let source = dataflow["spec"]["sourceRef"]["name"].as_str();
    let rival = dataflows.iter().any(|other| {
        other["spec"]["sourceRef"]["name"].as_str() == source && name(other) != name(dataflow)
    });
    let stands = sources
        .iter()
        .any(|other| Some(name(other)) == source && !deleting(other));
    let source_waits = || {
        let on = sources.iter().find(|other| Some(name(other)) == source);
        on.is_some_and(|on| waits_for_secret(on, world))
    };
    // A flow that was let go of, on the source all the same.
    let taken = || {
        let on = sources.iter().find(|other| Some(name(other)) == source);
        on.is_some_and(|on| is_named(remote, &on["status"]["sourceConnection"]["id"]))
    };
    match standing(dataflow) {
        Err(wrong) => Some(wrong),
        Ok("") if !deleting(dataflow) => None,
        Ok("SourceInUse") if (rival || taken()) && !deleting(dataflow) => None,
        Ok("WaitingForSource") if (!stands || source_waits()) && !deleting(dataflow) => None,
        Ok("SecretMissing") if is_secret_going(world) && !deleting(dataflow) => None,
        Ok("WaitingForDataset") if !deleting(dataflow) && dataset::is_lacking(dataflow, world) => {
            None
        }
        // AEP fails to check a flow whose dataset somebody deleted. One that is to be released waits for somebody who
        // lets go of it as it stands.
        Ok("PlatformUnavailable") if !deleting(dataflow) && dataset::is_lost(dataflow, remote) => {
            None
        }
        Ok("PlatformUnavailable") if hangs(dataflow, remote) => None,
        // A flow stays with its dataset, also when its AepDataset was healed with another one.
        Ok("RemoteMissing")
            if !deleting(dataflow)
                && world.was_meddled()
                && (!heals(dataflow) || dataset::is_lost(dataflow, remote)) =>
        {
            None
        }
        Ok("DisabledElsewhere")
            if !deleting(dataflow)
                && world.was_meddled()
                && (is_stopped(remote, dataflow) || webhooks::is_stopped(remote, dataflow)) =>
        {
            None
        }
        // Its credentials were with the source, which somebody deleted or made anew elsewhere.
        Ok("DeletionBlocked") if deleting(dataflow) && !stands => None,
        Ok(reason) => Some(format!(
            "dataflow {} is {reason}: {dataflow}",
            name(dataflow)
        )),
    }
}

fn is_stopped(remote: &Value, dataflow: &Value) -> bool {
    let flows = remote["flow"].as_array();
    let id = &dataflow["status"]["flow"]["id"];
    let stopped = |flow: &Value| flow["id"] == *id && flow["state"] == "disabled";
    flows.is_some_and(|flows| flows.iter().any(stopped))
}

/// A ready dataflow's flow is as its spec says.
pub(super) fn wrong_flow(dataflow: &Value, remote: &Value) -> Option<String> {
    if ready(dataflow).is_none_or(|ready| ready["status"] != "True") {
        return None;
    }
    let id = &dataflow["status"]["flow"]["id"];
    let flows = remote["flow"].as_array()?;
    let Some(flow) = flows.iter().find(|flow| flow["id"] == *id) else {
        return Some(format!("{} is ready without a flow {id}", name(dataflow)));
    };
    let spec = &dataflow["spec"];
    let namespace = dataflow["metadata"]["namespace"]
        .as_str()
        .unwrap_or_default();
    let wanted = match spec["name"].as_str() {
        Some(name) => name.to_owned(),
        None => format!("{namespace}.{}", name(dataflow)),
    };
    if flow["name"] != *wanted {
        return Some(format!("flow {id} is not named {wanted}: {flow}"));
    }
    let state = if spec["state"] == "Disabled" {
        "disabled"
    } else {
        "enabled"
    };
    if flow["state"] != state {
        return Some(format!("flow {id} is not {state}: {flow}"));
    }
    let says = flow["description"].as_str().unwrap_or_default();
    if !says.starts_with(spec["description"].as_str().unwrap_or_default()) {
        return Some(format!("flow {id} has another description: {flow}"));
    }
    wrong_mapping(dataflow, flow, remote)
}

/// A ready dataflow's flow maps as its spec says.
fn wrong_mapping(dataflow: &Value, flow: &Value, remote: &Value) -> Option<String> {
    let (id, used) = (&flow["id"], &flow["transformations"][0]["params"]);
    let sets = remote["mappingSet"].as_array()?;
    let Some(set) = sets.iter().find(|set| set["id"] == used["mappingId"]) else {
        return Some(format!("flow {id} has no mapping set: {flow}"));
    };
    // An update that came late may have made a newer version of the same rows; the flow stays on its own.
    let version = |value: &Value| value.to_string().trim_matches('"').to_owned();
    let pinned = version(&used["mappingVersion"]);
    let versions = set["versions"].as_array();
    let Some(set) =
        versions.and_then(|all| all.iter().find(|it| version(&it["version"]) == pinned))
    else {
        return Some(format!("flow {id} is on no version of {set}: {flow}"));
    };
    let rows = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let (wanted, found) = (rows(&dataflow["spec"]["mapping"]), rows(&set["mappings"]));
    let stands = |row: &Value| {
        let text = row["value"].as_str().or(row["source"].as_str());
        let text = text.or(row["expression"].as_str());
        let destination = row["destination"].as_str().unwrap_or_default();
        let destination = destination.replace("{tenant}", "extconndev");
        found.iter().any(|it| {
            let source = it["source"].as_str().unwrap_or_default();
            it["destination"] == *destination
                && source.trim_matches('"') == text.unwrap_or_default()
        })
    };
    if wanted.len() != found.len() || !wanted.iter().all(stands) {
        return Some(format!("flow {id} maps otherwise than its spec: {set}"));
    }
    None
}

/// A dataflow whose release waits for somebody who reads its message and lets go of it as it stands.
pub(super) fn hangs(dataflow: &Value, remote: &Value) -> bool {
    let message = ready(dataflow).and_then(|ready| ready["message"].as_str());
    deleting(dataflow)
        && retains(dataflow)
        && dataset::is_lost(dataflow, remote)
        && standing(dataflow) == Ok("PlatformUnavailable")
        && message.is_some_and(|message| message.contains("aep-operator.dev/abandon=true"))
}

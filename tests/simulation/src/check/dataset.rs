//! Datasets of our own: each ready one stands with its schema and its fields.

use serde_json::Value;

use super::dataflow::hangs;
use super::{deleting, heals, is_secret_going, name, ready, standing};
use crate::world::World;

/// What is not as it should be with a dataset.
pub(super) fn wrong(
    dataset: &Value,
    dataflows: &[Value],
    (world, remote): (&World, &Value),
) -> Option<String> {
    let on_it =
        |dataflow: &Value| dataflow["spec"]["target"]["datasetRef"]["name"] == *name(dataset);
    match standing(dataset) {
        Err(wrong) => Some(wrong),
        Ok("") if !deleting(dataset) => incomplete(dataset, remote),
        Ok("SecretMissing") if is_secret_going(world) && !deleting(dataset) => None,
        Ok("DeletionBlocked")
            if deleting(dataset) && (dataflows.iter().any(on_it) || is_named(dataset, remote)) =>
        {
            None
        }
        Ok("Deleting")
            if deleting(dataset) && dataflows.iter().any(|it| on_it(it) && hangs(it, remote)) =>
        {
            None
        }
        Ok("RemoteMissing") if !heals(dataset) && super::is_lost(remote, "dataset", dataset) => {
            None
        }
        Ok(reason) => Some(format!("dataset {} is {reason}: {dataset}", name(dataset))),
    }
}

/// Whether a target connection names it, such as one that was let go of.
fn is_named(dataset: &Value, remote: &Value) -> bool {
    let id = dataset["status"]["dataset"]["id"].as_str();
    let targets = remote["targetConnection"].as_array();
    id.is_some_and(|id| {
        targets
            .into_iter()
            .flatten()
            .any(|it| it.to_string().contains(id))
    })
}

/// What a ready dataset lacks in the platform.
fn incomplete(dataset: &Value, remote: &Value) -> Option<String> {
    let find = |kind: &str| {
        let id = &dataset["status"][kind]["id"];
        let all = remote[kind].as_array()?;
        // The registry's objects go by their $id.
        all.iter().find(|it| it["id"] == *id || it["$id"] == *id)
    };
    let say = |what: &str| Some(format!("{} is ready and {what}: {dataset}", name(dataset)));
    let (Some(group), Some(schema), Some(stands)) =
        (find("fieldGroup"), find("schema"), find("dataset"))
    else {
        return say("something of it is missing");
    };
    let text = group.to_string();
    let fields = dataset["spec"]["schema"]["fields"].as_array();
    for field in fields.into_iter().flatten() {
        let path = field["path"].as_str().unwrap_or_default();
        let last = path.rsplit('.').next().unwrap_or_default();
        if !text.contains(&format!("\"{last}\"")) {
            return say(&format!("its field group lacks {path}"));
        }
    }
    let has = |object: &Value, id: &Value| object.to_string().contains(&id.to_string());
    if !has(schema, &dataset["status"]["fieldGroup"]["id"]) {
        return say("its schema lacks the field group");
    }
    if !has(stands, &dataset["status"]["schema"]["id"]) {
        return say("it is of another schema");
    }
    None
}

/// Whether the dataset that a dataflow names is not there, or not ready itself.
pub(super) fn is_lacking(dataflow: &Value, world: &World) -> bool {
    let wanted = &dataflow["spec"]["target"]["datasetRef"]["name"];
    let datasets = world.api().objects("aepdatasets");
    let found = datasets.iter().find(|it| it["metadata"]["name"] == *wanted);
    found.is_none_or(|it| deleting(it) || ready(it).is_none_or(|ready| ready["status"] != "True"))
}

/// Whether the dataset that a dataflow was built on is gone from the platform.
pub(super) fn is_lost(dataflow: &Value, remote: &Value) -> bool {
    let id = &dataflow["status"]["target"]["datasetId"];
    let all = remote["dataset"].as_array();
    !id.is_null() && all.is_none_or(|all| all.iter().all(|it| it["id"] != *id))
}

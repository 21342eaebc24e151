//! What has to hold, during a run and after it. Every check looks from outside: at the API server's objects and at
//! the platform's.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

use crate::webhooks;
use crate::world::{OWNER, World, marker_in};

mod dataflow;
mod dataset;

/// Which checks are in force.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// A twin that appears when its settling time is long over is gone in the end.
    pub twins_go: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self { twins_go: true }
    }
}

/// A remote object of ours.
#[derive(Clone, Debug)]
struct Ours {
    kind: &'static str,
    id: String,
    marker: String,
    /// Namespace, name and uid of its resource.
    resource: String,
    /// Whether a live flow names it; a flow is used by itself.
    used: bool,
    /// It may stay after its resource, marker and all: the platform does not let every description be changed.
    retained: bool,
    /// It was made when its settling time was long over; or it is a field group in a schema that was, and AEP refuses to
    /// delete it. It may stay where nobody is left who could know of it.
    late: bool,
}

const KINDS: [&str; 7] = [
    "sourceConnection",
    "targetConnection",
    "mappingSet",
    "flow",
    "fieldGroup",
    "schema",
    "dataset",
];

/// The resources of this operator, by the plurals of their kinds.
const RESOURCES: [&str; 3] = ["customeriosources", "aepdatasets", "aepdataflows"];

fn resources(world: &World) -> Vec<Value> {
    let api = world.api();
    let of = |plural: &&str| api.objects(plural);
    RESOURCES.iter().flat_map(of).collect()
}

/// What names an object of this kind, if it is used.
fn user_of(kind: &str) -> &'static str {
    match kind {
        "fieldGroup" => "schema",
        "schema" => "dataset",
        "dataset" => "targetConnection",
        _ => "flow",
    }
}

fn ours(world: &World) -> Vec<Ours> {
    let remote = world.remote();
    let list = |kind: &str| remote[kind].as_array().map_or(&[][..], Vec::as_slice);
    let mut found = Vec::new();
    for kind in KINDS {
        let users = list(user_of(kind));
        let place = if kind == "mappingSet" {
            "name"
        } else {
            "description"
        };
        for object in list(kind) {
            let Some(marker) = object[place].as_str().and_then(marker_in) else {
                continue;
            };
            // [aep-operator/v1 <owner>/<namespace>/<name> <object> <uid> <attempt>]
            let words: Vec<&str> = marker.trim_matches(['[', ']']).split(' ').collect();
            let [_, who, _, uid, _] = words.as_slice() else {
                continue;
            };
            if !who.starts_with(&format!("{OWNER}/")) {
                continue;
            }
            let id = object["id"].as_str().unwrap_or_default().to_owned();
            let users = || users.iter().map(Value::to_string);
            let used = kind == "flow" || users().any(|user| user.contains(&id));
            let is_late = |text: &str| marker_in(text).is_some_and(|it| world.is_very_late(it));
            let is_held = || users().any(|user| user.contains(&id) && is_late(&user));
            let late = is_late(marker) || (kind == "fieldGroup" && is_held());
            let name = who.rsplit('/').next().unwrap_or_default();
            let retained = world.is_retained(name);
            found.push(Ours {
                kind,
                id,
                marker: marker.to_owned(),
                resource: format!("{who} {uid}"),
                used,
                retained,
                late,
            });
        }
    }
    found
}

/// The flows and target connections that resources let go of, or that came when theirs was gone, by kind.
pub fn left_on_purpose(world: &World) -> Vec<(&'static str, String)> {
    let dataflows = world.api().objects("aepdataflows");
    let held = |id: &str| dataflows.iter().any(|it| it.to_string().contains(id));
    let remote = world.remote();
    let kinds = ["flow", "targetConnection"];
    let released = kinds.into_iter().flat_map(|kind| {
        let all = remote[kind].as_array().into_iter().flatten();
        all.filter_map(move |object| {
            let (id, says) = (object["id"].as_str()?, object["description"].as_str()?);
            says.ends_with("released]").then(|| (kind, id.to_owned()))
        })
    });
    let lives = |resource: &str| {
        let uid = resource.rsplit(' ').next().unwrap_or_default();
        dataflows.iter().any(|it| it["metadata"]["uid"] == *uid)
    };
    // Retained; or so late that nobody who could know of it is left.
    let left = |it: &Ours| it.retained || (it.late && !lives(&it.resource));
    let marked = ours(world)
        .into_iter()
        .filter(|it| left(it) && kinds.contains(&it.kind) && !held(&it.id))
        .map(|it| (it.kind, it.id));
    released.chain(marked).collect()
}

/// Never two live objects for one resource that something uses.
pub fn never_two(world: &World) -> Result<(), String> {
    let mut used: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for object in ours(world).into_iter().filter(|object| object.used) {
        let ids = used.entry((object.kind, object.resource)).or_default();
        ids.push(object.id);
    }
    match used.iter().find(|(_, ids)| ids.len() > 1) {
        Some(((kind, resource), ids)) => Err(format!(
            "two {kind}s in use for {resource}: {}",
            ids.join(", ")
        )),
        None => Ok(()),
    }
}

/// No secret and no inlet URL where they do not belong.
pub fn no_leak(world: &World) -> Result<(), String> {
    let api = world.api();
    let mut inlets = Vec::new();
    for plural in RESOURCES {
        for object in api.objects(plural) {
            inlets.extend(object["status"]["inletUrl"].as_str().map(str::to_owned));
            let text = object.to_string();
            for secret in ["demo-secret", "demo-app-key", "Bearer "] {
                if text.contains(secret) {
                    return Err(format!("\"{secret}\" is in {text}"));
                }
            }
        }
    }
    for event in api.objects("events") {
        let text = event.to_string();
        let leaked = inlets.iter().find(|inlet| text.contains(inlet.as_str()));
        if leaked.is_some()
            || ["demo-secret", "demo-app-key", "Bearer "]
                .iter()
                .any(|it| text.contains(it))
        {
            return Err(format!("an Event tells a secret: {text}"));
        }
    }
    Ok(())
}

/// What is not as it should be once everything had its time; `None` if all is.
pub fn unsettled(world: &World, checks: Checks) -> Option<String> {
    let objects = |plural: &str| world.api().objects(plural);
    let (sources, dataflows) = (objects("customeriosources"), objects("aepdataflows"));
    let remote = world.remote();
    for source in &sources {
        if let Some(wrong) = wrong_source(source, &dataflows, (world, &remote)) {
            return Some(wrong);
        }
    }
    for dataflow in &dataflows {
        if let Some(wrong) = dataflow::wrong(dataflow, &sources, &dataflows, (world, &remote)) {
            return Some(wrong);
        }
    }
    for dataflow in &dataflows {
        if let Some(wrong) = dataflow::wrong_flow(dataflow, &remote) {
            return Some(wrong);
        }
        if let Some(wrong) = webhooks::wrong_webhook(dataflow, (world, &remote)) {
            return Some(wrong);
        }
    }
    let datasets = objects("aepdatasets");
    for dataset in &datasets {
        if let Some(wrong) = dataset::wrong(dataset, &dataflows, (world, &remote)) {
            return Some(wrong);
        }
    }
    let wrong = webhooks::orphan(world, &remote, &dataflows)
        .or_else(|| webhooks::sends_in_vain(world, &remote));
    if wrong.is_some() {
        return wrong;
    }
    let known: Vec<(String, String)> = sources
        .iter()
        .chain(&datasets)
        .chain(&dataflows)
        .map(|object| {
            let meta = &object["metadata"];
            let text = |name: &str| meta[name].as_str().unwrap_or_default().to_owned();
            let resource = format!(
                "{OWNER}/{}/{} {}",
                text("namespace"),
                text("name"),
                text("uid")
            );
            (resource, object["status"].to_string())
        })
        .collect();
    for object in ours(world) {
        let of = known
            .iter()
            .find(|(resource, _)| *resource == object.resource);
        let late = world.is_very_late(&object.marker);
        let what = format!("{} {} {}", object.kind, object.id, object.marker);
        match of {
            // Nobody is left who could know of it, or who has a use for it.
            None if object.late || object.retained => {}
            None if object.kind == "mappingSet" && sets_stay(world) => {}
            None => return Some(format!("orphan: {what}")),
            Some((_, status)) if status.contains(&object.id) => {}
            // What is held up settles what was under way, and clears up, when it goes on.
            Some((_, status)) if !status.contains("\"Succeeded\"") => {}
            Some(_) if late && !checks.twins_go => {}
            Some(_) => return Some(format!("twin: {what}")),
        }
    }
    None
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

fn ready(object: &Value) -> Option<&Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|it| it["type"] == "Ready")
}

/// Why an object is not ready, if its status is about what it is now.
fn standing(object: &Value) -> Result<&str, String> {
    let say = |what: &str| Err(format!("{} {what}: {object}", name(object)));
    let Some(ready) = ready(object) else {
        return say("has no Ready");
    };
    if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
        return say("was not looked at");
    }
    let reason = ready["reason"].as_str().unwrap_or_default();
    if ready["status"] == "True" {
        if object["status"]["pending"]
            .as_array()
            .is_some_and(|it| !it.is_empty())
        {
            return say("is ready with a creation under way");
        }
        return Ok("");
    }
    Ok(reason)
}

/// What a resource recorded of one of its objects, if that is gone from the platform.
fn is_lost(remote: &Value, kind: &str, resource: &Value) -> bool {
    let id = &resource["status"][kind]["id"];
    let objects = remote[kind].as_array();
    !id.is_null() && objects.is_none_or(|objects| objects.iter().all(|it| it["id"] != *id))
}

/// Whether a flow that stands names the object with this id.
fn is_named(remote: &Value, id: &Value) -> bool {
    let flows = remote["flow"].as_array();
    let named = |flow: &Value| flow["sourceConnectionIds"][0] == *id;
    flows.is_some_and(|flows| flows.iter().any(named))
}

/// A Secret that goes when the deletions are done that need it, and that nobody can put back before.
fn is_secret_going(world: &World) -> bool {
    let secrets = world.api().objects("secrets");
    secrets.iter().any(deleting) && resources(world).iter().any(deleting)
}

/// Such a Secret keeps a source from being made, and so its dataflows waiting: the deletion that holds the Secret may
/// be one that only people can bring to its end, of a source that a dataflow stays on.
fn waits_for_secret(source: &Value, world: &World) -> bool {
    is_secret_going(world) && !deleting(source) && standing(source) == Ok("SecretMissing")
}

fn retains(resource: &Value) -> bool {
    resource["spec"]["deletionPolicy"] == "Retain"
}

/// The names of the dataflows whose release waits for somebody who lets go of them as they stand.
pub fn to_abandon(world: &World) -> Vec<String> {
    let remote = world.remote();
    let dataflows = world.api().objects("aepdataflows");
    let hang = dataflows.iter().filter(|it| dataflow::hangs(it, &remote));
    hang.map(|it| name(it).to_owned()).collect()
}

fn heals(resource: &Value) -> bool {
    resource["spec"]["onRemoteMissing"] == "Recreate"
}

fn wrong_source(
    source: &Value,
    dataflows: &[Value],
    (world, remote): (&World, &Value),
) -> Option<String> {
    let on_it = |dataflow: &&Value| dataflow["spec"]["sourceRef"]["name"] == *name(source);
    let used = || {
        dataflows.iter().any(|it| on_it(&it))
            || is_named(remote, &source["status"]["sourceConnection"]["id"])
    };
    match standing(source) {
        Err(wrong) => Some(wrong),
        Ok("") if !deleting(source) => None,
        Ok("SecretMissing") if is_secret_going(world) && !deleting(source) => None,
        Ok("DeletionBlocked") if deleting(source) && used() => None,
        Ok("Deleting")
            if deleting(source)
                && dataflows
                    .iter()
                    .any(|it| on_it(&it) && dataflow::hangs(it, remote)) =>
        {
            None
        }
        Ok("RemoteMissing") if is_lost(remote, "sourceConnection", source) && !heals(source) => {
            None
        }
        Ok(reason) => Some(format!("source {} is {reason}: {source}", name(source))),
    }
}

/// How many resources are not ready and so are looked at now and then.
pub fn waiting(world: &World) -> u64 {
    let all = resources(world).into_iter();
    all.filter(|object| ready(object).is_none_or(|ready| ready["status"] != "True"))
        .count() as u64
}

/// Whether this platform deletes no mapping sets at all.
fn sets_stay(world: &World) -> bool {
    let options = world.control(Method::GET, "options", &Value::Null);
    matches!(
        options["mappingSetDelete"].as_str(),
        Some("notFound404" | "notAllowed405")
    )
}

/// Nothing of ours is left anywhere, but what this platform does not let go.
pub fn nothing_left(world: &World) -> Result<(), String> {
    if let Some(object) = resources(world).first() {
        return Err(format!("still there after its deletion: {object}"));
    }
    let secrets = world.api().objects("secrets");
    if let Some(secret) = secrets
        .iter()
        .find(|it| it["metadata"]["finalizers"][0].is_string())
    {
        let name = &secret["metadata"]["name"];
        return Err(format!("Secret {name} is held by nobody's finalizer"));
    }
    let left = ours(world)
        .into_iter()
        .filter(|object| object.kind != "mappingSet" || !sets_stay(world))
        .find(|object| !object.retained && !object.late);
    match left {
        Some(object) => Err(format!(
            "left behind: {} {} {}",
            object.kind, object.id, object.marker
        )),
        None => webhooks::nothing_left(world),
    }
}

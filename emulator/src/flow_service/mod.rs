//! Flow Service: source and target connections, flows, runs, specs. Routes and what they have in common.

mod connections;
mod filter;
mod flows;
mod lifecycle;
mod listing;
mod runs;
mod specs;
mod update;

use serde_json::{Value, json};

pub(crate) use flows::{mapping_of, remove};
pub(crate) use lifecycle::{Transition, index, settle, unindex};

use crate::call::Call;
use crate::ids::Ids;
use crate::refusal::{Answer, Refusal, Reply, flow, flow_about, json_reply, with_header};
use crate::shelf::{Item, Object, Shelf};
use crate::world::{Caller, World};

/// Customer.io's connection spec.
pub(crate) const CUSTOMER_IO_SPEC: &str = "96479064-7b8a-4d69-b9ed-21c5683837ea";
/// The data lake's connection spec.
pub(crate) const DATA_LAKE_SPEC: &str = "c604ff05-7f1a-43c0-8e18-33bf874cb11c";
/// The flow spec of streaming sources.
pub(crate) const FLOW_SPEC: &str = "e77fde5a-22a8-11ed-861d-0242ac120002";
/// Provider of both.
pub(crate) const PROVIDER: &str = "521eee4d-8cbe-4906-bb48-fb6bd4450033";

/// A collection of Flow Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Source,
    Target,
    Flow,
}

impl Kind {
    fn of(collection: &str) -> Option<Self> {
        match collection {
            "sourceConnections" => Some(Self::Source),
            "targetConnections" => Some(Self::Target),
            "flows" => Some(Self::Flow),
            _ => None,
        }
    }

    fn collection(self) -> &'static str {
        match self {
            Self::Source => "sourceConnections",
            Self::Target => "targetConnections",
            Self::Flow => "flows",
        }
    }

    fn shelf(self, sandbox: &crate::world::Sandbox) -> &Shelf {
        match self {
            Self::Source => &sandbox.sources,
            Self::Target => &sandbox.targets,
            Self::Flow => &sandbox.flows,
        }
    }

    fn missing(self, id: &str) -> Refusal {
        let message = format!(
            "The requested {} resource {id} is not found. Verify the resource ID before trying again.",
            self.collection()
        );
        flow_about("1439-404", message, id, self.collection())
    }
}

/// Routes a call that the gateway let through.
pub(crate) fn serve(world: &mut World, caller: &Caller, call: &Call<'_>, rest: &[&str]) -> Answer {
    let method = call.method.as_str();
    match (method, rest) {
        ("GET", ["connectionSpecs", id @ ..]) => specs::connection_specs(&world.options, call, id),
        ("GET", ["flowSpecs", id @ ..]) => specs::flow_specs(&world.options, call, id),
        ("GET", ["runs"]) => runs::list(world, caller, call),
        (_, [collection, rest @ ..]) => {
            let Some(kind) = Kind::of(collection) else {
                return Err(Refusal::NoRoute(404));
            };
            match (method, rest) {
                ("GET", []) => list(world, caller, call, kind),
                ("POST", []) if kind == Kind::Flow => flows::create(world, caller, call),
                ("POST", []) => connections::create(world, caller, call, kind),
                ("GET", [id]) => get(world, caller, call, kind, id),
                ("PATCH", [id]) => update::patch(world, caller, call, kind, id),
                ("DELETE", [id]) if kind == Kind::Flow => flows::delete(world, caller, call, id),
                ("DELETE", [id]) => connections::delete(world, caller, call, kind, id),
                ("POST", [id, "action"]) => update::action(world, caller, call, kind, id),
                (_, [] | [_] | [_, "action"]) => Err(Refusal::NoRoute(405)),
                _ => Err(Refusal::NoRoute(404)),
            }
        }
        _ => Err(Refusal::NoRoute(404)),
    }
}

fn list(world: &mut World, caller: &Caller, call: &Call<'_>, kind: Kind) -> Answer {
    let World {
        sandboxes, options, ..
    } = world;
    let sandbox = sandboxes
        .get(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    listing::list(call, options, kind.collection(), kind.shelf(sandbox))
}

fn get(world: &mut World, caller: &Caller, call: &Call<'_>, kind: Kind, id: &str) -> Answer {
    no_params(call, &[])?;
    let sandbox = world
        .sandboxes
        .get(&caller.sandbox)
        .ok_or(Refusal::NoRoute(404))?;
    match kind.shelf(sandbox).get(id) {
        // A labelled object that the caller may not see looks like a missing one.
        Some(item) if !item.hidden => Ok(json_reply(
            200,
            &One {
                items: [&item.value],
            },
        )),
        _ => Err(kind.missing(id)),
    }
}

/// A single object, as every read by id shows it; borrowed, since flows are read by the thousand.
#[derive(serde::Serialize)]
struct One<'a> {
    items: [&'a Object; 1],
}

/// Refuses query parameters that the call does not have.
fn no_params(call: &Call<'_>, known: &[&str]) -> Result<(), Refusal> {
    match call.unknown_param(known) {
        Some(name) => Err(flow(
            "1451-400",
            format!("Invalid params {name} provided in query params."),
        )),
        None => Ok(()),
    }
}

/// Refuses body fields that the call does not have. Assumed: the catalogue has no code for it.
fn no_fields(body: &Object, known: &[&str]) -> Result<(), Refusal> {
    if body.contains_key("state") && !known.contains(&"state") {
        return Err(flow(
            "1410-400",
            "`State` is not allowed in the create flow request.",
        ));
    }
    match crate::call::unknown_field(body, known) {
        Some(name) => Err(invalid(format!(
            "Unrecognized field \"{name}\" in the request body."
        ))),
        None => Ok(()),
    }
}

/// A malformed body. Assumed: `1100-400` is the catalogue's general "could not be processed".
fn invalid(message: impl Into<String>) -> Refusal {
    flow(
        "1100-400",
        format!("The request could not be processed. {}", message.into()),
    )
}

fn body(call: &Call<'_>) -> Result<Object, Refusal> {
    if call.body.is_empty() {
        let message = "The request body cannot be null or empty. Please provide a request body and try again.";
        return Err(flow("1405-400", message));
    }
    call.object(invalid)
}

/// Text of a required or optional field, refused when it is of another type or empty.
fn text_field(body: &Object, name: &str, required: bool) -> Result<Option<String>, Refusal> {
    match body.get(name) {
        Some(Value::String(text)) if !(required && text.trim().is_empty()) => {
            Ok(Some(text.clone()))
        }
        None if !required => Ok(None),
        None => Err(invalid(format!("The field \"{name}\" is required."))),
        Some(_) => Err(invalid(format!(
            "The field \"{name}\" must be a text that is not empty."
        ))),
    }
}

/// The id of a spec, whose version must be the only one there is.
fn spec_id(body: &Object, name: &str) -> Result<String, Refusal> {
    let spec = match body.get(name) {
        Some(Value::Object(spec)) => spec,
        Some(_) => return Err(invalid(format!("The field \"{name}\" must be an object."))),
        None => return Err(invalid(format!("The field \"{name}\" is required."))),
    };
    no_fields(spec, &["id", "version"])?;
    let id = spec.get("id").and_then(Value::as_str).unwrap_or_default();
    let version = spec
        .get("version")
        .map_or("1.0", |version| version.as_str().unwrap_or_default());
    if version != "1.0" {
        return Err(flow(
            "1413-400",
            "The spec ID provided is invalid. Please provide a valid spec ID and try again.",
        ));
    }
    Ok(id.to_owned())
}

/// The fields that every object of Flow Service carries.
fn stamped(id: &str, etag: &str, caller: &Caller, sandbox_id: &str, now: u64) -> Object {
    let fields = json!({
        "id": id, "createdAt": now, "updatedAt": now,
        "createdBy": caller.user, "updatedBy": caller.user,
        "createdClient": caller.client, "updatedClient": caller.client,
        "sandboxId": sandbox_id, "sandboxName": caller.sandbox, "imsOrgId": caller.org,
        "version": etag, "etag": etag
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Object::new(),
    }
}

/// Moves the etag; with a caller, also the author and time of the change.
pub(crate) fn touch(item: &mut Item, ids: &mut Ids, now: u64, caller: Option<&Caller>) -> String {
    let etag = ids.etag(now);
    item.value.insert("etag".to_owned(), json!(etag));
    item.value.insert("version".to_owned(), json!(etag));
    item.value.insert("updatedAt".to_owned(), json!(now));
    if let Some(caller) = caller {
        item.value
            .insert("updatedBy".to_owned(), json!(caller.user));
        item.value
            .insert("updatedClient".to_owned(), json!(caller.client));
    }
    etag
}

/// The short answer to every write.
fn written(status: u16, id: &str, etag: &str) -> Reply {
    json_reply(status, &json!({"id": id, "etag": etag}))
}

fn created(collection: &str, id: &str, etag: &str) -> Reply {
    with_header(
        written(201, id, etag),
        "location",
        &format!("/data/foundation/flowservice/{collection}/{id}"),
    )
}

/// `?mode=draft`, or nothing.
fn draft(call: &Call<'_>) -> Result<bool, Refusal> {
    no_params(call, &["mode"])?;
    match call.param("mode") {
        None => Ok(false),
        Some("draft") => Ok(true),
        Some(other) => Err(invalid(format!("Unknown mode {other}."))),
    }
}

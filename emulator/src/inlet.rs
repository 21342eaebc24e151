//! The streaming inlet: takes Customer.io's events, finds the flow, maps them, and lands the records in the
//! dataset. A 2xx says that a message was received; whether it was ingested shows in the runs and counters.

use serde_json::{Value, json};

use crate::call::Call;
use crate::expression::Scope;
use crate::flow_service::mapping_of;
use crate::ids::Ids;
use crate::options::{InletAnswer, Options};
use crate::refusal::{Answer, Refusal, json_reply};
use crate::shelf::{Object, text};
use crate::time::millis;
use crate::transform::{apply, missing_required};
use crate::world::{Sandbox, World};

/// Largest message.
const MAX_MESSAGE: usize = 1_048_576;
/// How many warnings a dataset keeps.
const MAX_WARNINGS: usize = 1_000;

/// What has landed in a dataset.
#[derive(Debug, Default)]
pub(crate) struct Dataset {
    pub(crate) records: Vec<Value>,
    pub(crate) received: u64,
    pub(crate) failed: u64,
    pub(crate) warnings: Vec<Value>,
}

/// What one flow took in during one window of time.
#[derive(Debug, Default)]
pub(crate) struct RunWindow {
    pub(crate) id: String,
    pub(crate) activity: String,
    pub(crate) received: u64,
    pub(crate) failed: u64,
    pub(crate) bytes: usize,
    /// Why the last failed record failed.
    pub(crate) sample: String,
}

/// What became of one message.
enum Outcome {
    Landed,
    /// A record that is dropped later: why.
    Failed(String),
    /// The flow is missing or disabled and the message is lost without a word.
    Lost,
}

/// `POST /collection/{inlet}`.
pub(crate) fn event(world: &mut World, call: &Call<'_>, inlet: &str) -> Answer {
    check(call)?;
    let sandbox = find(world, inlet)?;
    let message = call
        .json()
        .map_err(|reason| Refusal::Inlet(400, "Invalid Message Format", reason))?;
    let synchronous = ["syncValidation", "synchronousValidation"]
        .iter()
        .any(|name| call.param(name) == Some("true"));
    let flow = flow_of(call, &message);
    let outcome = ingest(world, &sandbox, flow.as_deref(), inlet, &message, call.now)?;
    if let (Outcome::Failed(reason), true) = (&outcome, synchronous) {
        return Err(Refusal::Inlet(
            400,
            "Invalid XDM Message Format",
            reason.clone(),
        ));
    }
    let mut reply = json!({
        "inletId": inlet, "xactionId": xaction(world, call.now), "receivedTimeMs": call.now
    });
    if !synchronous {
        reply["syncValidation"] = json!({"skipped": true});
    }
    Ok(json_reply(200, &reply))
}

/// `POST /collection/batch/{inlet}`: 207, a verdict for every message.
pub(crate) fn batch(world: &mut World, call: &Call<'_>, inlet: &str) -> Answer {
    check(call)?;
    let sandbox = find(world, inlet)?;
    let body = call.object(|reason| Refusal::Inlet(400, "Invalid Message Format", reason))?;
    let Some(Value::Array(messages)) = body.get("messages") else {
        return Err(Refusal::Inlet(
            400,
            "Invalid Message Format",
            "required key [messages] not found".to_owned(),
        ));
    };
    let mut responses = Vec::new();
    for message in messages {
        let flow = flow_of(call, message);
        responses.push(
            match ingest(world, &sandbox, flow.as_deref(), inlet, message, call.now) {
                Ok(_) => json!({"xactionId": xaction(world, call.now)}),
                Err(_) => json!({"statusCode": 400, "message": "inlet message failed validation"}),
            },
        );
    }
    let reply = json!({
        "inletId": inlet, "batchId": format!("{}:batch", call.now), "receivedTimeMs": call.now, "responses": responses
    });
    Ok(json_reply(207, &reply))
}

fn xaction(world: &mut World, now: u64) -> String {
    format!(
        "{now}:{}:{}",
        world.ids.next() % 10_000,
        world.ids.next() % 100
    )
}

fn check(call: &Call<'_>) -> Result<(), Refusal> {
    if call.method != http::Method::POST {
        return Err(Refusal::NoRoute(405));
    }
    if call.content_type() != Some("application/json") {
        return Err(Refusal::Inlet(
            400,
            "Invalid Content Type",
            "A valid content-type must be specified".to_owned(),
        ));
    }
    if call.body.len() > MAX_MESSAGE {
        return Err(Refusal::Inlet(
            413,
            "Payload Too Large",
            "The payload is larger than 1 MB".to_owned(),
        ));
    }
    Ok(())
}

fn find(world: &World, inlet: &str) -> Result<String, Refusal> {
    let sandbox = world.inlets.get(inlet).cloned();
    sandbox.ok_or_else(|| {
        Refusal::Inlet(
            404,
            "Inlet Not Found",
            format!("The inlet {inlet} does not exist"),
        )
    })
}

/// The flow that a message is for: query, header, or the envelope's own header.
fn flow_of(call: &Call<'_>, message: &Value) -> Option<String> {
    let enveloped = || message.pointer("/header/flowId").and_then(Value::as_str);
    call.param("x-adobe-flow-id")
        .or_else(|| call.header("x-adobe-flow-id"))
        .or_else(enveloped)
        .map(str::to_owned)
}

/// Whether an endpoint is an inlet here that answers a message with a 2xx.
pub(crate) fn answers(world: &World, endpoint: &str) -> bool {
    let Ok(endpoint) = url::Url::parse(endpoint) else {
        return false;
    };
    let Some(inlet) = endpoint.path().strip_prefix("/collection/") else {
        return false;
    };
    let flow = endpoint
        .query_pairs()
        .find(|(name, _)| name == "x-adobe-flow-id");
    let flow = flow.as_ref().map(|(_, id)| id.as_ref());
    find(world, inlet)
        .ok()
        .and_then(|sandbox| world.sandboxes.get(&sandbox))
        .is_some_and(|sandbox| routed(sandbox, &world.options, flow, inlet).is_ok())
}

/// The flow that takes a message; none: the message is lost without a word.
fn routed(
    sandbox: &Sandbox,
    options: &Options,
    flow: Option<&str>,
    inlet: &str,
) -> Result<Option<String>, Refusal> {
    let is_here = |flow: &Object| {
        let own = flow
            .get("options")
            .and_then(|options| options.get("inletUrl"))
            .and_then(Value::as_str);
        own.is_some_and(|url| url.ends_with(inlet))
    };
    let only = || {
        let mut here = sandbox.flows.iter().filter(|item| is_here(&item.value));
        let one = here.next().filter(|_| here.next().is_none())?;
        Some(one.id.as_str())
    };
    let flow = match flow {
        None if !options.inlet_bare.refused() => only(),
        named => named,
    };
    let Some(flow) = flow else {
        return unroutable(
            options.inlet_missing_flow,
            "required header [x-adobe-flow-id] not found",
        );
    };
    let Some(item) = sandbox.flows.get(flow) else {
        return unroutable(options.inlet_missing_flow, "the flow does not exist");
    };
    if !is_here(&item.value) {
        return unroutable(
            options.inlet_missing_flow,
            "the flow does not belong to this inlet",
        );
    }
    if !matches!(text(&item.value, "state"), Some("enabled" | "updating")) {
        return unroutable(options.inlet_disabled_flow, "the flow is not enabled");
    }
    Ok(Some(flow.to_owned()))
}

fn unroutable(answer: InletAnswer, cause: &str) -> Result<Option<String>, Refusal> {
    match answer {
        InletAnswer::Lost => Ok(None),
        InletAnswer::BadRequest => Err(Refusal::Inlet(400, "Invalid Flow", cause.to_owned())),
        InletAnswer::NotFound => Err(Refusal::Inlet(404, "Flow Not Found", cause.to_owned())),
    }
}

fn ingest(
    world: &mut World,
    sandbox: &str,
    flow: Option<&str>,
    inlet: &str,
    message: &Value,
    now: u64,
) -> Result<Outcome, Refusal> {
    let World {
        sandboxes,
        ids,
        options,
        ..
    } = world;
    let sandbox = sandboxes.get_mut(sandbox).ok_or(Refusal::NoRoute(404))?;
    let Some(flow) = routed(sandbox, options, flow, inlet)? else {
        return Ok(Outcome::Lost);
    };
    let Some(item) = sandbox.flows.get(&flow) else {
        return Ok(Outcome::Lost);
    };
    let Some((set, version)) = mapping_of(&item.value) else {
        return Ok(Outcome::Lost);
    };
    let target = item
        .value
        .get("targetConnectionIds")
        .and_then(|ids| ids.get(0))
        .and_then(Value::as_str);
    let dataset = target
        .and_then(|id| sandbox.targets.get(id))
        .and_then(|target| target.value.get("params")?.get("dataSetId")?.as_str())
        .map(str::to_owned);
    let Some(dataset) = dataset.filter(|id| sandbox.datasets.contains(id)) else {
        return Ok(Outcome::Lost);
    };
    let outcome = land(sandbox, ids, &dataset, (&set, version), message, now);
    let sums = window(sandbox, ids, options, &flow, now);
    sums.received += 1;
    sums.bytes += message.to_string().len();
    if let Outcome::Failed(reason) = &outcome {
        sums.failed += 1;
        sums.sample.clone_from(reason);
    }
    Ok(outcome)
}

fn window<'a>(
    sandbox: &'a mut Sandbox,
    ids: &mut Ids,
    options: &Options,
    flow: &str,
    now: u64,
) -> &'a mut RunWindow {
    let window = now / millis(options.run_window).max(1);
    sandbox
        .runs
        .entry((flow.to_owned(), window))
        .or_insert_with(|| RunWindow {
            id: ids.uuid(),
            activity: ids.uuid(),
            ..RunWindow::default()
        })
}

/// Maps one message and lands it, or drops it when a required field is missing.
fn land(
    sandbox: &mut Sandbox,
    ids: &mut Ids,
    dataset: &str,
    mapping: (&str, u64),
    message: &Value,
    now: u64,
) -> Outcome {
    let contents = sandbox.contents.entry(dataset.to_owned()).or_default();
    contents.received += 1;
    let version = sandbox
        .mapping_sets
        .get(mapping.0)
        .and_then(|set| set.version(mapping.1));
    let schema = version.and_then(|version| sandbox.resolved.get(&version.schema_id));
    let (Some(version), Some(schema)) = (version, schema) else {
        contents.failed += 1;
        return Outcome::Failed("the mapping or its schema no longer exists".to_owned());
    };
    let mapped = apply(
        &version.rows,
        schema,
        version.allow_nulls,
        &mut Scope {
            event: message,
            now,
            ids,
        },
    );
    let event_id = message.get("event_id").cloned().unwrap_or_default();
    for mut warning in mapped.warnings {
        warning["eventId"] = event_id.clone();
        if contents.warnings.len() < MAX_WARNINGS {
            contents.warnings.push(warning);
        }
    }
    if let Some(field) = missing_required(schema, &mapped.record) {
        contents.failed += 1;
        return Outcome::Failed(format!("required key [{field}] not found"));
    }
    contents.records.push(mapped.record);
    Outcome::Landed
}

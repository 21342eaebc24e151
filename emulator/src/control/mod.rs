//! `/_emulator`: what tests, the demo and the benchmarks look at and steer. Never logged, never faulted, open
//! to whoever reaches the port, which is why the server listens on loopback.

mod edit;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::call::Call;
use crate::customer_io::{Delivery, DeliveryResult};
use crate::emulator::Emulator;
use crate::faults::{FaultRule, Faults};
use crate::journal::Journal;
use crate::options::Options;
use crate::refusal::{Answer, Refusal, Reply, empty_reply, json_reply};
use crate::world::World;
pub(crate) use edit::objects;

/// Routes a control call.
pub(crate) fn serve(emulator: &mut Emulator, call: &Call<'_>) -> Answer {
    let rest = call.rest(1);
    match (call.method.as_str(), rest.as_slice()) {
        ("GET", [] | ["health"]) => Ok(shown(&json!({"status": "ok"}))),
        ("GET", ["requests"]) => Ok(shown(&emulator.journal.entries())),
        ("DELETE", ["requests"]) => {
            emulator.journal = Journal::default();
            Ok(empty_reply(204))
        }
        ("GET", ["counts"]) => Ok(shown(&emulator.journal.counts())),
        ("GET", ["faults"]) => Ok(shown(&json!(emulator.faults.armed()))),
        ("POST", ["faults"]) => {
            let rules = list(call, "rules")?;
            let rules: Vec<FaultRule> =
                serde_json::from_value(rules).map_err(|error| invalid(error.to_string()))?;
            emulator.faults.arm(rules).map_err(invalid)?;
            Ok(shown(&json!(emulator.faults.armed())))
        }
        ("GET", ["options"]) => Ok(shown(&json!(emulator.world.options))),
        ("POST", ["options"]) => {
            emulator.world.options =
                changed_options(&emulator.world.options, &call.json().map_err(invalid)?)?;
            Ok(shown(&json!(emulator.world.options)))
        }
        ("GET", ["datasets", id, "records"]) => {
            dataset(&emulator.world, id, |contents| json!(contents.records))
        }
        ("GET", ["datasets", id]) => dataset(&emulator.world, id, |contents| {
            json!({"received": contents.received, "ingested": contents.records.len(), "failed": contents.failed,
                "warnings": contents.warnings})
        }),
        ("GET", ["deliveries"]) => Ok(shown(&json!(emulator.world.webhooks.results()))),
        ("GET", ["objects"]) => Ok(shown(&edit::objects(&emulator.world))),
        ("POST", ["edit"]) => Ok(shown(&edit::edit(&mut emulator.world, call)?)),
        ("POST", ["events"]) => {
            let events = events(call.body)?;
            let mut reports = Vec::new();
            for delivery in emulator.deliveries(call.now, &events) {
                let result = deliver_here(emulator, call.now, &delivery);
                emulator.delivered(&delivery, &result);
                reports.push(delivery.report(&result));
            }
            Ok(shown(&Value::Array(reports)))
        }
        ("DELETE", ["state"]) => {
            let options = emulator.world.options.clone();
            emulator.world = World::new(options);
            emulator.faults = Faults::default();
            emulator.journal = Journal::default();
            emulator.forget_late();
            Ok(empty_reply(204))
        }
        _ => Err(Refusal::Control(
            404,
            format!(
                "{} {} is not part of the control interface",
                call.method, call.path
            ),
        )),
    }
}

fn shown(value: &Value) -> Reply {
    json_reply(200, value)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::Control(400, message.into())
}

/// A body that is a list, or an object with the list under a name.
fn list(call: &Call<'_>, name: &str) -> Result<Value, Refusal> {
    match call.json().map_err(invalid)? {
        list @ Value::Array(_) => Ok(list),
        Value::Object(mut fields) if fields.get(name).is_some_and(Value::is_array) => {
            Ok(fields.remove(name).unwrap_or_default())
        }
        one @ Value::Object(_) if name == "rules" => Ok(Value::Array(vec![one])),
        _ => Err(invalid(format!(
            "The body must be a list, or an object with a list under \"{name}\""
        ))),
    }
}

/// The events of a control call.
pub(crate) fn events(body: &Bytes) -> Result<Vec<Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Array(events)) => Ok(events),
        Ok(Value::Object(mut fields)) => match fields.remove("events") {
            Some(Value::Array(events)) => Ok(events),
            None => Ok(vec![Value::Object(fields)]),
            Some(_) => Err(invalid("events must be a list")),
        },
        Ok(_) => Err(invalid("The body must be a list of events")),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// Delivers without a network: to the emulator's own inlets only.
fn deliver_here(emulator: &mut Emulator, now: u64, delivery: &Delivery) -> DeliveryResult {
    let base = emulator
        .world
        .options
        .base_url
        .clone()
        .unwrap_or_else(|| "http://127.0.0.1".to_owned());
    if !delivery
        .endpoint
        .starts_with(&format!("{}/collection/", base.trim_end_matches('/')))
    {
        return DeliveryResult::Failed("only a host with a network delivers elsewhere".to_owned());
    }
    let request: Result<Request<Bytes>, String> = delivery.request();
    match request {
        Ok(request) => DeliveryResult::Answered(emulator.handle(now, &request).status().as_u16()),
        Err(reason) => DeliveryResult::Failed(reason),
    }
}

fn dataset(world: &World, id: &str, show: impl Fn(&crate::inlet::Dataset) -> Value) -> Answer {
    let empty = crate::inlet::Dataset::default();
    let holder = world
        .sandboxes
        .values()
        .find(|sandbox| sandbox.datasets.contains(id) || sandbox.contents.contains_key(id));
    match holder {
        Some(sandbox) => Ok(shown(&show(sandbox.contents.get(id).unwrap_or(&empty)))),
        None => Err(Refusal::Control(404, format!("There is no dataset {id}"))),
    }
}

fn changed_options(options: &Options, changes: &Value) -> Result<Options, Refusal> {
    let mut all = json!(options);
    let known = all.as_object().cloned().unwrap_or_default();
    let Value::Object(fields) = changes else {
        return Err(invalid("The body must be a JSON object"));
    };
    if let Some(name) = fields.keys().find(|name| !known.contains_key(*name)) {
        return Err(invalid(format!("There is no option {name}")));
    }
    if let Value::Object(all) = &mut all {
        all.extend(fields.clone());
    }
    let altered: Options =
        serde_json::from_value(all).map_err(|error| invalid(error.to_string()))?;
    Ok(Options {
        seed: options.seed.clone(),
        ..altered
    })
}

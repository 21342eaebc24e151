//! Customer.io: the part of the App API that manages reporting webhooks, and the webhooks themselves.

mod events;
mod webhooks;

pub use events::{Delivery, DeliveryResult};
pub(crate) use webhooks::Webhooks;
use webhooks::Workspace;

use serde_json::json;

use crate::call::Call;
use crate::inlet;
use crate::rate::Bucket;
use crate::refusal::{Answer, Refusal, json_reply};
use crate::world::World;

/// Routes a call under `/v1`.
pub(crate) fn serve(world: &mut World, call: &Call<'_>, rest: &[&str]) -> Answer {
    if !matches!(rest, ["workspaces" | "reporting_webhooks", ..]) {
        return Err(Refusal::CustomerIo(404, "not found".to_owned()));
    }
    let workspace = admit(world, call)?;
    // None of these calls has a parameter.
    if let Some(name) = call.unknown_param(&[]) {
        return Err(Refusal::CustomerIo(
            400,
            format!("unknown parameter {name}"),
        ));
    }
    if world.options.webhook_probe && call.method == http::Method::POST {
        let endpoint = webhooks::endpoint_of(call)?;
        if !inlet::answers(world, &endpoint) {
            // Assumed: whether there is such a test is not known, nor its words.
            let detail = "endpoint did not answer a test event with a 2xx".to_owned();
            return Err(Refusal::CustomerIo(400, detail));
        }
    }
    let World {
        webhooks, options, ..
    } = world;
    match (call.method.as_str(), rest) {
        ("GET", ["workspaces"]) => Ok(json_reply(
            200,
            &json!({"workspaces": [{"id": 1, "name": "Demo", "messages_sent": 0, "people": 0}]}),
        )),
        ("GET", ["reporting_webhooks"]) => Ok(webhooks.list(workspace, call.now)),
        ("POST", ["reporting_webhooks"]) => webhooks.create(call, workspace, options),
        ("GET", ["reporting_webhooks", id]) => webhooks.get(workspace, id, options),
        ("PUT", ["reporting_webhooks", id]) => webhooks.update(call, workspace, id, options),
        ("DELETE", ["reporting_webhooks", id]) => webhooks.delete(workspace, id),
        (_, ["workspaces" | "reporting_webhooks"] | ["reporting_webhooks", _]) => {
            Err(Refusal::CustomerIo(405, "method not allowed".to_owned()))
        }
        _ => Err(Refusal::CustomerIo(404, "not found".to_owned())),
    }
}

/// The workspace that the call's key is of.
fn admit(world: &mut World, call: &Call<'_>) -> Result<Workspace, Refusal> {
    let workspace = call
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .and_then(|key| world.webhooks.workspace_of(key));
    let Some(workspace) = workspace else {
        return Err(Refusal::CustomerIo(401, "unauthorized".to_owned()));
    };
    if world.webhooks.forbidden {
        return Err(Refusal::CustomerIo(
            403,
            "the API key has no access to reporting webhooks".to_owned(),
        ));
    }
    let limit = world.options.app_api_rate_limit;
    if limit > 0.0 {
        let bucket = world
            .buckets
            .entry(format!("customer.io {workspace:?}"))
            .or_insert_with(|| Bucket::new(limit, call.now));
        if !bucket.take(limit, call.now) {
            let detail = format!("rate limited to {limit} requests per 1s (reference emulated)");
            return Err(Refusal::CustomerIo(429, detail));
        }
    }
    Ok(workspace)
}

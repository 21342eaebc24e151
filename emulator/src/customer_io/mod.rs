//! Customer.io: the part of the App API that manages reporting webhooks, and the webhooks themselves.

mod events;
mod webhooks;

pub use events::{Delivery, DeliveryResult};
pub(crate) use webhooks::Webhooks;

use serde_json::json;

use crate::call::Call;
use crate::rate::Bucket;
use crate::refusal::{Answer, Refusal, json_reply};
use crate::world::World;

/// Routes a call under `/v1`.
pub(crate) fn serve(world: &mut World, call: &Call<'_>, rest: &[&str]) -> Answer {
    if !matches!(rest, ["workspaces" | "reporting_webhooks", ..]) {
        return Err(Refusal::CustomerIo(404, "not found".to_owned()));
    }
    admit(world, call)?;
    let World {
        webhooks, options, ..
    } = world;
    match (call.method.as_str(), rest) {
        ("GET", ["workspaces"]) => Ok(json_reply(
            200,
            &json!({"workspaces": [{"id": 1, "name": "Demo", "messages_sent": 0, "people": 0}]}),
        )),
        ("GET", ["reporting_webhooks"]) => Ok(webhooks.list()),
        ("POST", ["reporting_webhooks"]) => webhooks.create(call, options),
        ("GET", ["reporting_webhooks", id]) => webhooks.get(id, options),
        ("PUT", ["reporting_webhooks", id]) => webhooks.update(call, id, options),
        ("DELETE", ["reporting_webhooks", id]) => webhooks.delete(id),
        (_, ["workspaces" | "reporting_webhooks"] | ["reporting_webhooks", _]) => {
            Err(Refusal::CustomerIo(405, "method not allowed".to_owned()))
        }
        _ => Err(Refusal::CustomerIo(404, "not found".to_owned())),
    }
}

fn admit(world: &mut World, call: &Call<'_>) -> Result<(), Refusal> {
    let key = call
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    if key != Some(world.webhooks.app_api_key.as_str()) {
        return Err(Refusal::CustomerIo(401, "unauthorized".to_owned()));
    }
    if world.webhooks.forbidden {
        return Err(Refusal::CustomerIo(
            403,
            "the API key has no access to reporting webhooks".to_owned(),
        ));
    }
    if let Some(limit) = world.options.app_api_rate_limit {
        let bucket = world
            .buckets
            .entry("customer.io".to_owned())
            .or_insert_with(|| Bucket::new(limit, call.now));
        if !bucket.take(limit, call.now) {
            let detail = format!("rate limited to {limit} requests per 1s (reference emulated)");
            return Err(Refusal::CustomerIo(429, detail));
        }
    }
    Ok(())
}

//! Reporting webhooks: CRUD as the App API has it. No etag, no idempotency key, and the signing key is never
//! shown.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use serde_json::{Value, json};

use super::events::{Delivery, DeliveryResult, is_known};
use crate::call::{Call, unknown_field};
use crate::options::{Options, WebhookReply};
use crate::refusal::{Answer, Refusal, Reply, empty_reply, json_reply};
use crate::shelf::{Object, text};

/// The webhooks of the workspace.
#[derive(Debug)]
pub(crate) struct Webhooks {
    pub(crate) app_api_key: String,
    /// The key lacks the right to manage webhooks.
    pub(crate) forbidden: bool,
    hooks: BTreeMap<u64, Object>,
    next: u64,
    /// First opens and clicks already reported, per webhook.
    pub(super) reported: HashSet<(u64, String)>,
    results: Vec<Value>,
}

/// How many delivery results are kept.
const MAX_RESULTS: usize = 10_000;

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::CustomerIo(400, detail.into())
}

fn missing() -> Refusal {
    Refusal::CustomerIo(404, "reporting webhook not found".to_owned())
}

impl Webhooks {
    pub(crate) fn new(app_api_key: String) -> Self {
        Self {
            app_api_key,
            forbidden: false,
            hooks: BTreeMap::new(),
            next: 1,
            reported: HashSet::new(),
            results: Vec::new(),
        }
    }

    /// An empty workspace lists `null`, not an empty list.
    pub(super) fn list(&self) -> Reply {
        let hooks = if self.hooks.is_empty() {
            Value::Null
        } else {
            json!(self.hooks.values().collect::<Vec<_>>())
        };
        json_reply(200, &json!({"reporting_webhooks": hooks}))
    }

    pub(super) fn create(&mut self, call: &Call<'_>, options: &Options) -> Answer {
        let mut hook = read(call, &Object::new())?;
        let endpoint = hook.get("endpoint").cloned();
        if options.webhook_same_endpoint.refused()
            && self
                .hooks
                .values()
                .any(|other| other.get("endpoint") == endpoint.as_ref())
        {
            return Err(invalid(
                "a reporting webhook with this endpoint already exists",
            ));
        }
        let id = self.next;
        self.next += 1;
        hook.insert("id".to_owned(), json!(id));
        hook.insert("type".to_owned(), json!("webhook"));
        self.hooks.insert(id, hook);
        self.get(&id.to_string(), options)
    }

    pub(super) fn get(&self, id: &str, options: &Options) -> Answer {
        let hook = id
            .parse()
            .ok()
            .and_then(|id: u64| self.hooks.get(&id))
            .ok_or_else(missing)?;
        Ok(match options.webhook_replies {
            WebhookReply::Flat => json_reply(200, &json!(hook)),
            WebhookReply::Wrapped => json_reply(200, &json!({"reporting_webhook": hook})),
        })
    }

    pub(super) fn update(&mut self, call: &Call<'_>, id: &str, options: &Options) -> Answer {
        let key: u64 = id.parse().map_err(|_| missing())?;
        let old = self.hooks.get(&key).ok_or_else(missing)?;
        let base = if options.webhook_partial_put.refused() {
            Object::new()
        } else {
            old.clone()
        };
        let mut hook = read(call, &base)?;
        hook.insert("id".to_owned(), json!(key));
        hook.insert("type".to_owned(), json!("webhook"));
        self.hooks.insert(key, hook);
        self.get(id, options)
    }

    pub(super) fn delete(&mut self, id: &str) -> Answer {
        self.remove(id)
            .map(|()| empty_reply(200))
            .ok_or_else(missing)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<()> {
        self.hooks.remove(&id.parse().ok()?).map(|_| ())
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Object> {
        self.hooks.get_mut(&id.parse().ok()?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Object)> {
        self.hooks.iter().map(|(id, hook)| (*id, hook))
    }

    /// The requests that these events cause, in order.
    pub(crate) fn deliveries(
        &mut self,
        now: u64,
        events: &[Value],
        signing_key: &str,
    ) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for event in events {
            let Some(name) = super::events::name(event) else {
                continue;
            };
            for (id, hook) in &self.hooks {
                let flag = |name: &str| hook.get(name) == Some(&json!(true));
                let listens = hook
                    .get("events")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .any(|wanted| *wanted == name);
                if flag("disabled") || !listens {
                    continue;
                }
                if !flag("full_resolution")
                    && let Some(first) = super::events::first_of(event, &name)
                    && !self.reported.insert((*id, first))
                {
                    continue;
                }
                let body = super::events::body(event, flag("with_content"));
                deliveries.push(Delivery::new(
                    *id,
                    event
                        .get("event_id")
                        .and_then(Value::as_str)
                        .unwrap_or_default(),
                    text(hook, "endpoint").unwrap_or_default(),
                    Bytes::from(body.to_string()),
                    now / 1000,
                    signing_key,
                ));
            }
        }
        deliveries
    }

    /// Keeps what came of a delivery.
    pub(crate) fn record(&mut self, delivery: &Delivery, result: &DeliveryResult) {
        if self.results.len() < MAX_RESULTS {
            self.results.push(delivery.report(result));
        }
    }

    /// What came of all deliveries so far.
    pub(crate) fn results(&self) -> &[Value] {
        &self.results
    }
}

/// Reads a webhook's body on top of what may be left out.
fn read(call: &Call<'_>, base: &Object) -> Result<Object, Refusal> {
    if call.content_type() != Some("application/json") {
        return Err(invalid("the content type must be application/json"));
    }
    let body = call.object(invalid)?;
    let known = [
        "name",
        "endpoint",
        "events",
        "disabled",
        "full_resolution",
        "with_content",
        "id",
        "type",
    ];
    if let Some(name) = unknown_field(&body, &known) {
        return Err(invalid(format!("unknown field {name}")));
    }
    let field = |name: &str| body.get(name).or_else(|| base.get(name));
    let mut hook = Object::new();
    for name in ["name", "endpoint"] {
        match field(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => {
                hook.insert(name.to_owned(), json!(text))
            }
            _ => return Err(invalid(format!("{name} is required"))),
        };
    }
    let endpoint = text(&hook, "endpoint").and_then(|endpoint| url::Url::parse(endpoint).ok());
    if !endpoint.is_some_and(|endpoint| {
        matches!(endpoint.scheme(), "http" | "https") && endpoint.has_host()
    }) {
        return Err(invalid("endpoint is not a url"));
    }
    let events = match field("events") {
        Some(Value::Array(events)) if !events.is_empty() => events,
        _ => return Err(invalid("events is required")),
    };
    if let Some(unknown) = events
        .iter()
        .find(|event| !event.as_str().is_some_and(is_known))
    {
        return Err(invalid(format!(
            "events contains {unknown}, which is not an event"
        )));
    }
    hook.insert("events".to_owned(), json!(events));
    for name in ["disabled", "full_resolution", "with_content"] {
        match field(name) {
            None => hook.insert(name.to_owned(), json!(false)),
            Some(Value::Bool(flag)) => hook.insert(name.to_owned(), json!(flag)),
            Some(_) => return Err(invalid(format!("{name} must be true or false"))),
        };
    }
    Ok(hook)
}

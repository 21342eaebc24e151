//! Reporting webhooks: CRUD as the App API has it. No etag, no idempotency key, and the signing key is never
//! shown.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use serde_json::{Value, json};

use super::events::{Delivery, DeliveryResult, is_known};
use crate::call::{Call, unknown_field};
use crate::options::{Backlog, Options, WebhookEndpoint, WebhookReply};
use crate::refusal::{Answer, Refusal, Reply, empty_reply, json_reply};
use crate::shelf::{Object, text};
use crate::time::millis;

/// Whose webhook it is. A key is of one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workspace {
    First,
    Other,
}

/// A webhook as it is stored.
#[derive(Debug)]
struct Hook {
    fields: Object,
    workspace: Workspace,
    /// From when lists show it, epoch milliseconds.
    listed: u64,
}

/// The webhooks of all workspaces.
#[derive(Debug)]
pub(crate) struct Webhooks {
    pub(crate) app_api_key: String,
    other_app_api_key: String,
    /// The key lacks the right to manage webhooks.
    pub(crate) forbidden: bool,
    hooks: BTreeMap<u64, Hook>,
    next: u64,
    /// First opens and clicks already reported, per webhook.
    reported: HashSet<(u64, String)>,
    /// Events for disabled webhooks.
    held: BTreeMap<u64, Vec<Value>>,
    results: Vec<Value>,
}

/// How many delivery results, and how many events of a disabled webhook, are kept.
const MAX_RESULTS: usize = 10_000;

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::CustomerIo(400, detail.into())
}

fn missing() -> Refusal {
    Refusal::CustomerIo(404, "reporting webhook not found".to_owned())
}

impl Webhooks {
    pub(crate) fn new(app_api_key: String, other_app_api_key: String) -> Self {
        Self {
            app_api_key,
            other_app_api_key,
            forbidden: false,
            hooks: BTreeMap::new(),
            next: 1,
            reported: HashSet::new(),
            held: BTreeMap::new(),
            results: Vec::new(),
        }
    }

    pub(super) fn workspace_of(&self, key: &str) -> Option<Workspace> {
        if key == self.app_api_key {
            Some(Workspace::First)
        } else {
            (key == self.other_app_api_key).then_some(Workspace::Other)
        }
    }

    fn of(&self, workspace: Workspace) -> impl Iterator<Item = &Hook> {
        self.hooks
            .values()
            .filter(move |hook| hook.workspace == workspace)
    }

    /// The id of a webhook of this workspace.
    fn find(&self, workspace: Workspace, id: &str) -> Result<u64, Refusal> {
        id.parse()
            .ok()
            .filter(|id| {
                let hook = self.hooks.get(id);
                hook.is_some_and(|hook| hook.workspace == workspace)
            })
            .ok_or_else(missing)
    }

    /// An empty workspace lists `null`, not an empty list.
    pub(super) fn list(&self, workspace: Workspace, now: u64) -> Reply {
        let hooks: Vec<&Object> = self
            .of(workspace)
            .filter(|hook| hook.listed <= now)
            .map(|hook| &hook.fields)
            .collect();
        let hooks = if hooks.is_empty() {
            Value::Null
        } else {
            json!(hooks)
        };
        json_reply(200, &json!({"reporting_webhooks": hooks}))
    }

    pub(super) fn create(
        &mut self,
        call: &Call<'_>,
        workspace: Workspace,
        options: &Options,
    ) -> Answer {
        let mut fields = read(call, &Object::new(), options)?;
        let endpoint = fields.get("endpoint").cloned();
        if options.webhook_same_endpoint.refused()
            && self
                .of(workspace)
                .any(|other| other.fields.get("endpoint") == endpoint.as_ref())
        {
            return Err(invalid(
                "a reporting webhook with this endpoint already exists",
            ));
        }
        // Assumed: neither a limit nor its answer is documented.
        if options.webhook_limit > 0 && self.of(workspace).count() >= options.webhook_limit {
            return Err(invalid(
                "the workspace has as many reporting webhooks as it may have",
            ));
        }
        let id = self.next;
        self.next += 1;
        fields.insert("id".to_owned(), json!(id));
        fields.insert("type".to_owned(), json!("webhook"));
        let listed = call.now + millis(options.list_lag);
        self.hooks.insert(
            id,
            Hook {
                fields,
                workspace,
                listed,
            },
        );
        self.get(workspace, &id.to_string(), options)
    }

    pub(super) fn get(&self, workspace: Workspace, id: &str, options: &Options) -> Answer {
        let id = self.find(workspace, id)?;
        let hook = self.hooks.get(&id).map(|hook| &hook.fields);
        Ok(match options.webhook_replies {
            WebhookReply::Flat => json_reply(200, &json!(hook)),
            WebhookReply::Wrapped => json_reply(200, &json!({"reporting_webhook": hook})),
        })
    }

    pub(super) fn update(
        &mut self,
        call: &Call<'_>,
        workspace: Workspace,
        id: &str,
        options: &Options,
    ) -> Answer {
        let key = self.find(workspace, id)?;
        let hook = self.hooks.get_mut(&key).ok_or_else(missing)?;
        let base = if options.webhook_partial_put.refused() {
            Object::new()
        } else {
            hook.fields.clone()
        };
        let kind = hook.fields.get("type").cloned();
        hook.fields = read(call, &base, options)?;
        hook.fields.insert("id".to_owned(), json!(key));
        hook.fields
            .insert("type".to_owned(), kind.unwrap_or_default());
        self.get(workspace, id, options)
    }

    pub(super) fn delete(&mut self, workspace: Workspace, id: &str) -> Answer {
        self.find(workspace, id)?;
        self.remove(id)
            .map(|()| empty_reply(200))
            .ok_or_else(missing)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<()> {
        let id = id.parse().ok()?;
        self.held.remove(&id);
        self.hooks.remove(&id).map(|_| ())
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Object> {
        self.hooks
            .get_mut(&id.parse().ok()?)
            .map(|hook| &mut hook.fields)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Object)> {
        self.hooks.iter().map(|(id, hook)| (*id, &hook.fields))
    }

    /// The requests that these events cause, in order; before them those that were held for webhooks which
    /// are no longer disabled.
    pub(crate) fn deliveries(
        &mut self,
        now: u64,
        events: &[Value],
        options: &Options,
    ) -> Vec<Delivery> {
        let Self {
            hooks,
            held,
            reported,
            ..
        } = self;
        let mut due: Vec<(u64, Value)> = Vec::new();
        for (id, _) in hooks.iter().filter(|(_, hook)| !hook.is("disabled")) {
            let events = held.remove(id).into_iter().flatten();
            due.extend(events.map(|event| (*id, event)));
        }
        for event in events {
            let Some(name) = super::events::name(event) else {
                continue;
            };
            for (id, hook) in hooks.iter().filter(|(_, hook)| hook.listens(&name)) {
                if !hook.is("disabled") {
                    due.push((*id, event.clone()));
                } else if options.webhook_backlog == Backlog::Kept {
                    let held = held.entry(*id).or_default();
                    if held.len() < MAX_RESULTS {
                        held.push(event.clone());
                    }
                }
            }
        }
        let mut deliveries = Vec::new();
        for (id, event) in due {
            let (Some(hook), Some(name)) = (hooks.get(&id), super::events::name(&event)) else {
                continue;
            };
            if !hook.is("full_resolution")
                && let Some(first) = super::events::first_of(&event, &name)
                && !reported.insert((id, first))
            {
                continue;
            }
            let body = super::events::body(&event, hook.is("with_content"));
            deliveries.push(Delivery::new(
                id,
                event
                    .get("event_id")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
                text(&hook.fields, "endpoint").unwrap_or_default(),
                Bytes::from(body.to_string()),
                now / 1000,
                &options.seed.signing_key,
            ));
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

impl Hook {
    fn is(&self, flag: &str) -> bool {
        self.fields.get(flag) == Some(&json!(true))
    }

    fn listens(&self, name: &str) -> bool {
        self.fields
            .get("events")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .any(|wanted| *wanted == name)
    }
}

/// The endpoint of a creation, in a body that is good.
pub(super) fn endpoint_of(call: &Call<'_>) -> Result<String, Refusal> {
    let fields = read(call, &Object::new(), &Options::default())?;
    Ok(text(&fields, "endpoint").unwrap_or_default().to_owned())
}

/// The same address in another spelling.
fn rewritten(mut endpoint: url::Url) -> String {
    let mut pairs: Vec<(String, String)> = endpoint.query_pairs().into_owned().collect();
    pairs.sort();
    if !pairs.is_empty() {
        endpoint.query_pairs_mut().clear().extend_pairs(pairs);
    }
    endpoint.into()
}

/// Reads a webhook's body on top of what may be left out.
fn read(call: &Call<'_>, base: &Object, options: &Options) -> Result<Object, Refusal> {
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
    let endpoint = text(&hook, "endpoint")
        .and_then(|endpoint| url::Url::parse(endpoint).ok())
        .filter(|endpoint| matches!(endpoint.scheme(), "http" | "https") && endpoint.has_host())
        .ok_or_else(|| invalid("endpoint is not a url"))?;
    if options.webhook_endpoint == WebhookEndpoint::Rewritten {
        hook.insert("endpoint".to_owned(), json!(rewritten(endpoint)));
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

//! The calls: list, read, create, replace and delete reporting webhooks.

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::Deleted;
use super::client::Workspace;
use super::webhook::{Webhook, WebhookSettings};
use crate::platform::parts::{Call, Reply};
use crate::platform::{ApiError, Class};

/// The App API's path.
const BASE: &str = "/v1";
const WEBHOOKS: &str = "reporting_webhooks";

#[derive(Deserialize)]
struct Listing {
    /// `null` in an empty workspace. Not optional: an answer without it is no empty list, and taking it for one
    /// would create twins.
    reporting_webhooks: Value,
    /// Other listings of the App API name their next page here; this one is documented without pages.
    #[serde(default)]
    next: Value,
}

/// Nobody looks for a webhook that has no address.
fn sends_nothing(row: &Value) -> bool {
    row["type"] == "js" || row["endpoint"].is_null()
}

impl Workspace {
    /// All webhooks that send somewhere: not those of type `js`, nor one without an endpoint.
    ///
    /// # Errors
    /// As the call fares; [`Class::Unexpected`] if any of the list cannot be read, or it is not all.
    pub async fn list_webhooks(&self) -> Result<Vec<Webhook>, ApiError> {
        let operation = "list_webhooks";
        let call = Call::new(operation, Method::GET, BASE, &[WEBHOOKS]);
        let reply = self.send(call, &[]).await?;
        let broken = |detail| reply.unreadable(operation, &Method::GET, detail);
        let listing: Listing = reply.json(operation, &Method::GET)?;
        if listing.next.as_str().is_some_and(|next| !next.is_empty()) {
            return Err(broken(
                "the list of webhooks goes on, which is not known of",
            ));
        }
        let rows = match listing.reporting_webhooks {
            Value::Null => Vec::new(),
            Value::Array(rows) => rows,
            _ => return Err(broken("the list of webhooks is no list")),
        };
        rows.into_iter()
            .filter(|row| !(row.is_object() && sends_nothing(row)))
            .map(|row| {
                // The parser's own words could quote an endpoint.
                serde_json::from_value(row)
                    .map_err(|_| broken("a webhook in the list cannot be read"))
            })
            .collect()
    }

    /// One webhook. [`Class::NotFound`]: deleted, or of another workspace than the key.
    ///
    /// # Errors
    /// As the call fares.
    pub async fn get_webhook(&self, id: u64) -> Result<Webhook, ApiError> {
        let call = one("get_webhook", Method::GET, id);
        let reply = self.send(call, &[]).await?;
        read(&reply, "get_webhook", &Method::GET, Some(id))
    }

    /// Creates a webhook. If the error's `outcome_unknown` is set it may be there all the same: list the webhooks
    /// and look for the endpoint before creating it again.
    ///
    /// # Errors
    /// As the call fares.
    pub async fn create_webhook(&self, settings: &WebhookSettings) -> Result<Webhook, ApiError> {
        let operation = "create_webhook";
        let call = Call::new(operation, Method::POST, BASE, &[WEBHOOKS]).body(settings);
        let reply = self.send(call, &settings.endpoint.spellings()).await?;
        read(&reply, operation, &Method::POST, None)
    }

    /// Replaces a webhook's settings, all of them: see [`WebhookSettings::keeping`].
    ///
    /// # Errors
    /// As the call fares.
    pub async fn update_webhook(
        &self,
        id: u64,
        settings: &WebhookSettings,
    ) -> Result<Webhook, ApiError> {
        let operation = "update_webhook";
        let call = one(operation, Method::PUT, id).body(settings);
        let reply = self.send(call, &settings.endpoint.spellings()).await?;
        read(&reply, operation, &Method::PUT, Some(id))
    }

    /// Deletes a webhook. One that is not there, or not in this workspace, is [`Deleted::AlreadyGone`].
    ///
    /// # Errors
    /// As the call fares.
    pub async fn delete_webhook(&self, id: u64) -> Result<Deleted, ApiError> {
        match self
            .send(one("delete_webhook", Method::DELETE, id), &[])
            .await
        {
            Ok(_) => Ok(Deleted::Gone),
            Err(error) if error.class == Class::NotFound => Ok(Deleted::AlreadyGone),
            Err(error) => Err(error),
        }
    }
}

fn one(operation: &'static str, method: Method, id: u64) -> Call {
    Call::new(operation, method, BASE, &[WEBHOOKS, &id.to_string()])
}

/// A webhook as the specification shows it, or inside `reporting_webhook`, as one client library expects it.
fn read(
    reply: &Reply,
    operation: &'static str,
    method: &Method,
    id: Option<u64>,
) -> Result<Webhook, ApiError> {
    let mut body: Value = reply.json(operation, method)?;
    if let Some(inner @ Value::Object(_)) = body.get_mut("reporting_webhook") {
        body = inner.take();
    }
    // The parser's own words could quote an endpoint.
    serde_json::from_value(body)
        .ok()
        .filter(|webhook: &Webhook| id.is_none_or(|id| id == webhook.id))
        .ok_or_else(|| reply.unreadable(operation, method, "the answer is not the webhook"))
}

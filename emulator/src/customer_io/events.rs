//! Events on their way out: their names, what a webhook's switches leave in them, and the signed request.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use serde_json::{Value, json};
use sha2::Sha256;

/// Every event a webhook can ask for: a family and its metrics.
const FAMILIES: &[(&str, &str)] = &[
    (
        "customer",
        "subscribed unsubscribed subscription_preferences_changed",
    ),
    (
        "email",
        "drafted attempted sent delivered opened clicked converted bounced dropped deferred spammed failed unsubscribed undeliverable",
    ),
    (
        "in_app",
        "drafted attempted sent opened clicked converted failed undeliverable",
    ),
    (
        "push",
        "drafted attempted sent delivered opened clicked converted bounced dropped failed undeliverable",
    ),
    ("slack", "drafted attempted sent clicked converted failed"),
    (
        "sms",
        "drafted attempted sent delivered clicked converted bounced dropped failed undeliverable replied",
    ),
    (
        "whatsapp",
        "drafted attempted sent delivered clicked converted bounced dropped failed undeliverable replied opened",
    ),
    (
        "webhook",
        "drafted attempted sent clicked converted failed undeliverable",
    ),
];

/// Whether the App API knows an event of this name.
pub(super) fn is_known(name: &str) -> bool {
    FAMILIES.iter().any(|(family, metrics)| {
        let metric = name
            .strip_prefix(family)
            .and_then(|rest| rest.strip_prefix('_'));
        metric.is_some_and(|metric| metrics.split(' ').any(|known| known == metric))
    })
}

/// The App API's name of an event. A customer's change of subscription names the channel that caused it in
/// `object_type`, and belongs to the customer family all the same.
pub(super) fn name(event: &Value) -> Option<String> {
    let metric = event.get("metric")?.as_str()?;
    if metric == "cio_subscription_preferences_changed" {
        return Some("customer_subscription_preferences_changed".to_owned());
    }
    let family = event.get("object_type")?.as_str()?;
    let data = event.get("data");
    let of_customer = matches!(metric, "subscribed" | "unsubscribed")
        && data.is_some_and(|data| data.get("email_address").is_some());
    Some(format!(
        "{}_{metric}",
        if of_customer { "customer" } else { family }
    ))
}

/// What makes an open or click the first one of its message.
pub(super) fn first_of(event: &Value, name: &str) -> Option<String> {
    let counted = name.ends_with("_opened") || name.ends_with("_clicked");
    let delivery = event.get("data")?.get("delivery_id")?.as_str()?;
    counted.then(|| format!("{name} {delivery}"))
}

/// The event as a webhook sends it: message bodies only when it asks for them.
pub(super) fn body(event: &Value, with_content: bool) -> Value {
    let mut body = event.clone();
    if !with_content
        && event.get("metric") == Some(&json!("sent"))
        && let Some(Value::Object(data)) = body.get_mut("data")
    {
        data.remove("content");
        data.remove("headers");
    }
    body
}

/// One request that Customer.io wants to make.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The webhook.
    pub webhook_id: u64,
    /// The event.
    pub event_id: String,
    /// Where to.
    pub endpoint: String,
    /// Unix seconds, as in `x-cio-timestamp`.
    pub timestamp: u64,
    /// Hexadecimal, as in `x-cio-signature`.
    pub signature: String,
    /// The event as JSON, as signed.
    pub body: Bytes,
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The endpoint answered with this status.
    Answered(u16),
    /// There was no answer: why.
    Failed(String),
}

impl Delivery {
    pub(super) fn new(
        webhook_id: u64,
        event_id: &str,
        endpoint: &str,
        body: Bytes,
        timestamp: u64,
        key: &str,
    ) -> Self {
        Self {
            webhook_id,
            event_id: event_id.to_owned(),
            endpoint: endpoint.to_owned(),
            timestamp,
            signature: sign(key, timestamp, &body),
            body,
        }
    }

    /// The request, or why there is none.
    pub fn request(&self) -> Result<Request<Bytes>, String> {
        Request::post(self.endpoint.as_str())
            .header("content-type", "application/json")
            .header("user-agent", "Customer.io Web Hooks/1.0")
            .header("x-cio-timestamp", self.timestamp.to_string())
            .header("x-cio-signature", &self.signature)
            .body(self.body.clone())
            .map_err(|error| error.to_string())
    }

    /// What the control interface says about it.
    pub(crate) fn report(&self, result: &DeliveryResult) -> Value {
        let (status, error) = match result {
            DeliveryResult::Answered(status) => (Some(*status), None),
            DeliveryResult::Failed(reason) => (None, Some(reason)),
        };
        json!({"webhookId": self.webhook_id, "eventId": self.event_id, "status": status, "error": error})
    }
}

/// Hexadecimal HMAC-SHA256 over `v0:<timestamp>:<body>`.
fn sign(key: &str, timestamp: u64, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_receivers_compute() {
        let body = br#"{"event_id":"01KH0000000000000000000000","metric":"sent"}"#;
        assert_eq!(
            sign("cio-test-signing-key", 1_770_681_600, body),
            "1d4ce6f4b197291a0ec6998fef6d1b3a8a6eeda5d2afbd5cccf1858779b17931"
        );
    }

    #[test]
    fn events_are_named_by_family_and_metric_with_the_customer_traps() {
        let named = |event: Value| name(&event).unwrap();
        assert_eq!(
            named(json!({"object_type": "email", "metric": "sent", "data": {}})),
            "email_sent"
        );
        assert_eq!(
            named(
                json!({"object_type": "email", "metric": "unsubscribed", "data": {"email_address": null}})
            ),
            "customer_unsubscribed"
        );
        assert_eq!(
            named(
                json!({"object_type": "email", "metric": "unsubscribed", "data": {"recipient": "a"}})
            ),
            "email_unsubscribed"
        );
        assert_eq!(
            named(
                json!({"object_type_type": "email", "metric": "cio_subscription_preferences_changed"})
            ),
            "customer_subscription_preferences_changed"
        );
        let count: usize = FAMILIES
            .iter()
            .map(|(_, metrics)| metrics.split(' ').count())
            .sum();
        assert_eq!(count, 72);
        assert!(
            is_known("in_app_clicked") && !is_known("slack_undeliverable") && !is_known("email_")
        );
    }
}

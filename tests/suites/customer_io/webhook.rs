//! A webhook, as the tests want it.

use aep_operator::customer_io::{Endpoint, WebhookSettings, resolve};
use serde_json::{Map, Value, json};

pub(crate) const KEY: &str = "app-k3y-not-to-be-shown";
pub(crate) const INLET: &str = "https://dcs.adobedc.net/collection/c4b1";
pub(crate) const ONE: &str = "/v1/reporting_webhooks/7";
pub(crate) const ALL: &str = "/v1/reporting_webhooks";

pub(crate) fn settings() -> WebhookSettings {
    WebhookSettings {
        name: "aep".into(),
        endpoint: Endpoint::of_flow(INLET, "f-1").unwrap(),
        events: resolve(["customer_subscribed", "email_opened"]).events,
        disabled: true,
        full_resolution: false,
        with_content: false,
        others: Map::new(),
    }
}

pub(crate) fn body() -> Value {
    json!({
        "name": "aep", "endpoint": format!("{INLET}?x-adobe-flow-id=f-1"),
        "events": ["customer_subscribed", "email_opened"],
        "disabled": true, "full_resolution": false, "with_content": false
    })
}

pub(crate) fn stored() -> Value {
    let mut stored = body();
    (stored["id"], stored["type"]) = (json!(7), json!("webhook"));
    stored
}

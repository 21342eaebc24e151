//! What a reporting webhook is, and what of it differs from what is wanted.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use crate::platform::parts::{nullable, required_integer};

/// The part of a webhook that is written: the body of a creation, and of an update, which replaces all of it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookSettings {
    /// Shown to people.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Where events go. Not known to be unique.
    pub endpoint: Endpoint,
    /// Which events; at least one is required. The order has no meaning.
    #[serde(default, deserialize_with = "nullable")]
    pub events: Vec<String>,
    /// Nothing is sent. Whether events of that time are kept for later is not documented.
    #[serde(default, deserialize_with = "nullable")]
    pub disabled: bool,
    /// Every open and click, not just the first of a message.
    #[serde(default, deserialize_with = "nullable")]
    pub full_resolution: bool,
    /// With the bodies of sent messages.
    #[serde(default, deserialize_with = "nullable")]
    pub with_content: bool,
    /// What else was read: written back, since an update replaces everything.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl WebhookSettings {
    /// These settings as an update of a webhook that was read: with everything in it that we know nothing of.
    #[must_use]
    pub fn keeping(self, read: &Self) -> Self {
        Self {
            others: read.others.clone(),
            ..self
        }
    }

    /// A hash of everything that [`WebhookSettings::differences`] compares: equal where there is none.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let events: BTreeSet<&String> = self.events.iter().collect();
        (&self.name, self.endpoint.digest(), events).hash(&mut hasher);
        (self.disabled, self.full_resolution, self.with_content).hash(&mut hasher);
        hasher.finish()
    }

    /// The fields, by the App API's names, in which `read` is not as these settings want it. The endpoint is
    /// compared by its meaning, events as a set, what we know nothing of not at all.
    pub fn differences(&self, read: &Self) -> Vec<&'static str> {
        let set = |events: &[String]| events.iter().cloned().collect::<BTreeSet<_>>();
        [
            ("name", self.name != read.name),
            ("endpoint", self.endpoint != read.endpoint),
            ("events", set(&self.events) != set(&read.events)),
            ("disabled", self.disabled != read.disabled),
            (
                "full_resolution",
                self.full_resolution != read.full_resolution,
            ),
            ("with_content", self.with_content != read.with_content),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}

/// Neither the endpoint nor what we know nothing of.
impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSettings")
            .field("name", &self.name)
            .field("events", &self.events)
            .field("disabled", &self.disabled)
            .field("full_resolution", &self.full_resolution)
            .field("with_content", &self.with_content)
            .finish_non_exhaustive()
    }
}

/// A webhook as read. The key that its deliveries are signed with is in no answer of the App API.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Webhook {
    /// Unique in its workspace, at least.
    #[serde(deserialize_with = "required_integer")]
    pub id: u64,
    /// `webhook`; never written.
    #[serde(default, rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// The rest.
    #[serde(flatten)]
    pub settings: WebhookSettings,
}

/// The webhooks that send to this endpoint, the oldest first: more than one after a creation that was repeated.
pub fn with_endpoint<'a>(webhooks: &'a [Webhook], endpoint: &Endpoint) -> Vec<&'a Webhook> {
    let mut found: Vec<&Webhook> = webhooks
        .iter()
        .filter(|webhook| webhook.settings.endpoint == *endpoint)
        .collect();
    found.sort_by_key(|webhook| webhook.id);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Webhook, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    fn full() -> Value {
        json!({
            "id": 7, "type": "webhook", "name": "aep", "endpoint": "https://dcs.adobedc.net/collection/5e3?x=1",
            "events": ["email_sent", "email_clicked"], "disabled": true, "full_resolution": true,
            "with_content": false, "unheard_of": {"a": [1]}
        })
    }

    #[test]
    fn an_update_writes_back_what_was_read_but_not_what_only_the_service_writes() {
        let webhook = read(full()).unwrap();
        assert_eq!((webhook.id, webhook.kind.as_str()), (7, "webhook"));
        let mut expected = full();
        let fields = expected.as_object_mut().unwrap();
        fields.remove("id");
        fields.remove("type");
        assert_eq!(serde_json::to_value(&webhook.settings).unwrap(), expected);
        let wanted = WebhookSettings {
            disabled: false,
            others: Map::new(),
            ..webhook.settings.clone()
        };
        let body = serde_json::to_value(wanted.keeping(&webhook.settings)).unwrap();
        expected["disabled"] = json!(false);
        assert_eq!(body, expected);
    }

    #[test]
    fn what_may_be_left_out_has_its_documented_default() {
        let webhook = read(json!({
            "id": "12", "endpoint": "https://example.com/", "events": null, "with_content": null
        }));
        let webhook = webhook.unwrap();
        assert_eq!(webhook.id, 12);
        let settings = &webhook.settings;
        assert!(!settings.disabled && !settings.full_resolution && !settings.with_content);
        assert!(settings.events.is_empty() && settings.others.is_empty());
    }

    #[test]
    fn what_decides_must_be_there_and_fit() {
        for (field, value) in [
            ("id", json!(null)),
            ("id", json!(1.5)),
            ("endpoint", json!(null)),
            ("endpoint", json!(["https://example.com/"])),
            ("events", json!("email_sent")),
            ("events", json!([1])),
            ("disabled", json!("no")),
            ("full_resolution", json!(1)),
            ("with_content", json!("yes")),
        ] {
            let mut bad = full();
            bad[field] = value.clone();
            assert!(read(bad).is_err(), "{field}: {value}");
        }
        for field in ["id", "endpoint"] {
            let mut bad = full();
            bad.as_object_mut().unwrap().remove(field);
            assert!(read(bad).is_err(), "{field}");
        }
    }

    #[test]
    fn differences_are_named_and_neither_order_nor_spelling_is_one() {
        let wanted = read(full()).unwrap().settings;
        let mut same = full();
        same["events"] = json!(["email_clicked", "email_sent", "email_sent"]);
        same["endpoint"] = json!("HTTPS://DCS.adobedc.net:443/collection/%35e3?x=1");
        same["unheard_of"] = json!(2);
        let same = read(same).unwrap().settings;
        assert!(wanted.differences(&same).is_empty());
        assert_eq!(wanted.digest(), same.digest());
        for (field, value) in [
            ("name", json!("other")),
            ("endpoint", json!("https://example.com/")),
            ("events", json!(["email_sent"])),
            ("disabled", json!(false)),
            ("full_resolution", json!(false)),
            ("with_content", json!(true)),
        ] {
            let mut other = full();
            other[field] = value;
            let other = read(other).unwrap().settings;
            assert_eq!(wanted.differences(&other), [field]);
            assert_ne!(wanted.digest(), other.digest(), "{field}");
        }
    }

    #[test]
    fn all_webhooks_of_an_endpoint_are_found_the_oldest_first() {
        let hook = |id: u64, endpoint: &str| {
            let mut hook = full();
            (hook["id"], hook["endpoint"]) = (json!(id), json!(endpoint));
            read(hook).unwrap()
        };
        let hooks = [
            hook(9, "https://Example.com/a?x=1&y=2"),
            hook(3, "https://example.com/a?y=2&x=1"),
            hook(4, "https://example.com/b"),
        ];
        let found = with_endpoint(&hooks, &Endpoint::from("https://example.com/a?x=1&y=2"));
        let ids: Vec<u64> = found.iter().map(|hook| hook.id).collect();
        assert_eq!(ids, [3, 9]);
    }

    #[test]
    fn nothing_prints_the_endpoint() {
        let shown = format!("{:?}", read(full()).unwrap());
        assert!(shown.contains("aep") && !shown.contains("dcs"), "{shown}");
    }
}

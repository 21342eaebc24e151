//! The story that the exchanges tell: played in its order, with the ids that the emulator made in place of its own.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aep_emulator::{Options, Permission, Seed};
use serde_json::Value;

use super::common::{Platform, Reply};

pub(super) const FLOW: &str = "f4d1c2b3-9a87-4e65-b432-10fedcba9876";
const SOURCE: &str = "7d0f1a52-3c64-4a8e-9f21-0b5d6e7c8a91";
const TARGET: &str = "b3e2c1d0-5a49-4f7b-8c6d-1e2f3a4b5c6d";
pub(super) const MAPPING: &str = "3a5c7e9012b4d6f8a0c2e4f60718293b";
pub(super) const INLET: &str = "2f9c4e7b1a6d3058c2e4f60718293a4b5c6d7e8f90112233445566778899aabb";
const FLOW_PATH: &str = "/data/foundation/flowservice/flows/f4d1c2b3-9a87-4e65-b432-10fedcba9876";

/// Values that are part of an answer's meaning: they must be equal, not just alike.
const MEANINGFUL: &[&str] = &[
    "type",
    "error_code",
    "status",
    "state",
    "title",
    "error",
    "operation",
    "token_type",
    "count",
    "sourceType",
];

/// The exchanges of a group, played in the order of a story.
pub(super) struct Story {
    pub(super) platform: Platform,
    pub(super) exchanges: HashMap<String, Value>,
    pub(super) played: BTreeSet<String>,
    /// Ids of the story and what the emulator made of them.
    known: Vec<(String, String)>,
}

pub(super) fn options() -> Options {
    Options {
        inlet_delay: Duration::from_secs(6),
        shared_source: Permission::Allowed,
        seed: Seed {
            org: "0A1B2C3D4E5F60718293A4B5@AdobeOrg".into(),
            tenant: "acmecorp".into(),
            client_id: "c0ffee00c0ffee00c0ffee00c0ffee00".into(),
            client_secret: "example-client-secret".into(),
            user: "A1B2C3D4E5F6071829304152@techacct.adobe.com".into(),
            sandboxes: vec!["dev-crm".into()],
            objects: Vec::new(),
            ..Seed::default()
        },
        ..Options::default()
    }
}

impl Story {
    pub(super) fn new(group: &str) -> Self {
        Self::with(group, options())
    }

    pub(super) fn with(group: &str, options: Options) -> Self {
        let mut exchanges = HashMap::new();
        let groups = [
            "ims",
            "gateway",
            "schema_registry",
            "catalog",
            "connections",
            "data_prep",
            "flows",
            "runs",
            "inlet",
        ];
        let mut own = BTreeSet::new();
        for name in groups {
            let path = format!("{}/tests/exchanges/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let list: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            for exchange in list {
                let key = exchange["name"].as_str().unwrap().to_owned();
                if name == group {
                    own.insert(key.clone());
                }
                exchanges.insert(key, exchange);
            }
        }
        Self {
            platform: Platform::with(options),
            exchanges,
            played: own,
            known: Vec::new(),
        }
    }

    pub(super) fn translate(&self, text: &str) -> String {
        self.known
            .iter()
            .fold(text.to_owned(), |text, (story, real)| {
                text.replace(story, real)
            })
    }

    pub(super) fn learn(&mut self, story: &str, real: &str) {
        self.known.retain(|(known, _)| known != story);
        self.known.push((story.to_owned(), real.to_owned()));
    }

    /// Plays an exchange as it is written.
    pub(super) fn play(&mut self, name: &str) -> Reply {
        self.play_with(name, None, &[])
    }

    /// Plays an exchange with another body or other headers than it names.
    pub(super) fn play_with(
        &mut self,
        name: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let exchange = self
            .exchanges
            .get(name)
            .unwrap_or_else(|| panic!("no exchange {name}"))
            .clone();
        self.played.remove(name);
        let path = self.translate(exchange["path"].as_str().unwrap());
        let body = body.or_else(|| exchange.get("request").cloned());
        let body: Option<Value> =
            body.map(|body| serde_json::from_str(&self.translate(&body.to_string())).unwrap());
        let mut all: Vec<(String, String)> = Vec::new();
        for (key, value) in exchange["headers"].as_object().into_iter().flatten() {
            if key != "If-Match" {
                all.push((key.to_lowercase(), value.as_str().unwrap().to_owned()));
            }
        }
        all.extend(
            headers
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        let all: Vec<(&str, &str)> = all
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let request = self.platform.request(
            exchange["method"].as_str().unwrap(),
            &path,
            &all,
            body.as_ref(),
        );
        let reply = self.platform.send(&request);
        self.compare(name, &exchange, &reply);
        reply
    }

    pub(super) fn compare(&self, name: &str, exchange: &Value, reply: &Reply) {
        assert_eq!(
            u64::from(reply.status),
            exchange["status"].as_u64().unwrap(),
            "{name}: {reply:?}"
        );
        for header in exchange["responseHeaders"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.to_lowercase())
        {
            assert!(
                reply.headers.contains_key(&header),
                "{name}: no {header} in {reply:?}"
            );
        }
        let expected = exchange.get("response").unwrap_or(&Value::Null);
        let expected: Value = serde_json::from_str(&self.translate(&expected.to_string())).unwrap();
        alike(&expected, &reply.body, name, "");
    }

    /// PATCH and actions under the etag of this moment.
    pub(super) fn etag(&mut self) -> String {
        let path = self.translate(FLOW_PATH);
        self.platform.get(&path).item()["etag"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.platform.now += seconds * 1000;
    }

    pub(super) fn schema(&mut self) {
        let group = self.play("schema.fieldgroup.create").body["$id"]
            .as_str()
            .unwrap()
            .to_owned();
        self.learn(
            "https://ns.adobe.com/acmecorp/mixins/5f0c3b6f8d2a4e71b9c0d1e2f3a4b5c6d7e8f90112233445",
            &group,
        );
        let schema = self.play("schema.create").body["$id"]
            .as_str()
            .unwrap()
            .to_owned();
        let hex = schema.rsplit('/').next().unwrap().to_owned();
        self.learn("9b1c4d7e2f3a4b5c6d7e8f9001122334455667788990aabb", &hex);
    }

    pub(super) fn dataset(&mut self) {
        self.schema();
        let reply = self.play("dataset.create");
        let id = reply.body[0]
            .as_str()
            .unwrap()
            .trim_start_matches("@/dataSets/")
            .to_owned();
        self.learn("65f0a1b2c3d4e5f607182930", &id);
    }

    pub(super) fn connections(&mut self) {
        self.dataset();
        let source = self.play("sourceconnection.create").id();
        self.learn(SOURCE, &source);
        let target = self.play("targetconnection.create").id();
        self.learn(TARGET, &target);
    }

    pub(super) fn mapping(&mut self) {
        let mapping = self.play("mappingset.create").id();
        self.learn(MAPPING, &mapping);
    }

    pub(super) fn flow(&mut self) {
        self.connections();
        self.mapping();
        let flow = self.play("flow.create").id();
        self.learn(FLOW, &flow);
    }

    /// A flow that is enabled, its inlet known.
    pub(super) fn enabled(&mut self) {
        self.flow();
        self.wait(6);
        let reply = self.play("flow.get");
        let url = reply.item()["options"]["inletUrl"].as_str().unwrap();
        let inlet = url.rsplit('/').next().unwrap().to_owned();
        self.learn(INLET, &inlet);
    }

    pub(super) fn finish(self) {
        assert!(self.played.is_empty(), "never played: {:?}", self.played);
    }
}

/// Same keys and types, down to the leaves; lists as long as the story's, or at least not empty.
fn alike(expected: &Value, actual: &Value, name: &str, at: &str) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let keys = |object: &serde_json::Map<String, Value>| {
                object.keys().cloned().collect::<BTreeSet<_>>()
            };
            assert_eq!(keys(expected), keys(actual), "{name}: keys at {at}");
            for (key, expected) in expected {
                alike(expected, &actual[key], name, &format!("{at}/{key}"));
            }
        }
        (Value::Array(expected), Value::Array(actual)) => {
            assert_eq!(
                expected.len(),
                actual.len(),
                "{name}: length of {at}: {actual:?}"
            );
            for (place, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                alike(expected, actual, name, &format!("{at}/{place}"));
            }
        }
        _ => {
            assert_eq!(
                std::mem::discriminant(expected),
                std::mem::discriminant(actual),
                "{name}: type of {at}: {actual}"
            );
            let key = at.rsplit('/').next().unwrap_or_default();
            if MEANINGFUL.contains(&key) && !at.contains("counts") {
                assert_eq!(expected, actual, "{name}: {at}");
            }
        }
    }
}

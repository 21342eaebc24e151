//! The documented exchanges, played against the emulator: one consistent story (organization, sandbox
//! `dev-crm`, tenant `acmecorp`), hand-made from the public documentation. Status, error codes and the shape
//! of every body must be those of the story; ids, etags, times and texts may differ.
// Helpers of tests are tests too: what goes wrong in them is a failure.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aep_emulator::{NumberShape, Options, Permission, Seed};
use common::{Platform, Reply};
use serde_json::{Value, json};

const FLOW: &str = "f4d1c2b3-9a87-4e65-b432-10fedcba9876";
const SOURCE: &str = "7d0f1a52-3c64-4a8e-9f21-0b5d6e7c8a91";
const TARGET: &str = "b3e2c1d0-5a49-4f7b-8c6d-1e2f3a4b5c6d";
const MAPPING: &str = "3a5c7e9012b4d6f8a0c2e4f60718293b";
const INLET: &str = "2f9c4e7b1a6d3058c2e4f60718293a4b5c6d7e8f90112233445566778899aabb";
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
struct Story {
    platform: Platform,
    exchanges: HashMap<String, Value>,
    played: BTreeSet<String>,
    /// Ids of the story and what the emulator made of them.
    known: Vec<(String, String)>,
}

fn options() -> Options {
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
    fn new(group: &str) -> Self {
        Self::with(group, options())
    }

    fn with(group: &str, options: Options) -> Self {
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

    fn translate(&self, text: &str) -> String {
        self.known
            .iter()
            .fold(text.to_owned(), |text, (story, real)| {
                text.replace(story, real)
            })
    }

    fn learn(&mut self, story: &str, real: &str) {
        self.known.retain(|(known, _)| known != story);
        self.known.push((story.to_owned(), real.to_owned()));
    }

    /// Plays an exchange as it is written.
    fn play(&mut self, name: &str) -> Reply {
        self.play_with(name, None, &[])
    }

    /// Plays an exchange with another body or other headers than it names.
    fn play_with(&mut self, name: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Reply {
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

    fn compare(&self, name: &str, exchange: &Value, reply: &Reply) {
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
    fn etag(&mut self) -> String {
        let path = self.translate(FLOW_PATH);
        self.platform.get(&path).item()["etag"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn wait(&mut self, seconds: u64) {
        self.platform.now += seconds * 1000;
    }

    fn schema(&mut self) {
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

    fn dataset(&mut self) {
        self.schema();
        let reply = self.play("dataset.create");
        let id = reply.body[0]
            .as_str()
            .unwrap()
            .trim_start_matches("@/dataSets/")
            .to_owned();
        self.learn("65f0a1b2c3d4e5f607182930", &id);
    }

    fn connections(&mut self) {
        self.dataset();
        let source = self.play("sourceconnection.create").id();
        self.learn(SOURCE, &source);
        let target = self.play("targetconnection.create").id();
        self.learn(TARGET, &target);
    }

    fn mapping(&mut self) {
        let mapping = self.play("mappingset.create").id();
        self.learn(MAPPING, &mapping);
    }

    fn flow(&mut self) {
        self.connections();
        self.mapping();
        let flow = self.play("flow.create").id();
        self.learn(FLOW, &flow);
    }

    /// A flow that is enabled, its inlet known.
    fn enabled(&mut self) {
        self.flow();
        self.wait(6);
        let reply = self.play("flow.get");
        let url = reply.item()["options"]["inletUrl"].as_str().unwrap();
        let inlet = url.rsplit('/').next().unwrap().to_owned();
        self.learn(INLET, &inlet);
    }

    fn finish(self) {
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

#[test]
fn identity() {
    let mut story = Story::new("ims");
    let form = "grant_type=client_credentials&client_id=c0ffee00c0ffee00c0ffee00c0ffee00&client_secret=example-client-secret&scope=openid%2Csession%2CAdobeID%2Cread_organizations%2Cadditional_info.projectedProductContext";
    for (name, form) in [
        ("ims.token", form.to_owned()),
        (
            "ims.token.invalid-client",
            form.replace("example-client", "wrong"),
        ),
    ] {
        let request = http::Request::post("/ims/token/v3")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())
            .unwrap();
        let reply = story.platform.send(&request);
        let exchange = story.exchanges[name].clone();
        story.compare(name, &exchange, &reply);
        story.played.remove(name);
    }
    story.finish();
}

#[test]
fn gateway() {
    let mut story = Story::new("gateway");
    story.play_with("gateway.no-token", None, &[("authorization", "")]);
    story.play_with(
        "gateway.bad-token",
        None,
        &[("authorization", "Bearer nonsense")],
    );
    story.play_with("gateway.no-api-key", None, &[("x-api-key", "")]);
    story.play_with("gateway.bad-api-key", None, &[("x-api-key", "unknown")]);
    story.play_with("gateway.no-org", None, &[("x-gw-ims-org-id", "")]);
    story.play_with(
        "gateway.no-profile",
        None,
        &[("x-gw-ims-org-id", "FFFFFFFFFFFFFFFFFFFFFFFF@AdobeOrg")],
    );
    story.play("gateway.no-content-type");
    story
        .platform
        .control("POST", "options", &json!({"rateLimit": 1.0}));
    let flows = "/data/foundation/flowservice/flows";
    story.platform.get(flows);
    story.play("gateway.throttled");
    story.finish();
}

#[test]
fn schema_registry() {
    let mut story = Story::new("schema_registry");
    story.play("schema.stats");
    story.schema();
    story.play("schema.get");
    story.play("schema.list-by-title");
    story.play("schema.list-empty");
    let again = story.exchanges["schema.create"]["request"].clone();
    story.play_with("schema.create.title-taken", Some(again), &[]);
    story.play("schema.get.missing");
    story.play("schema.get.bad-accept");
    let mut stray = story.exchanges["schema.fieldgroup.create"]["request"].clone();
    stray["title"] = json!("another title");
    let fields = stray["definitions"]["customFields"]["properties"]
        .as_object_mut()
        .unwrap();
    let inner = fields.remove("_acmecorp").unwrap();
    fields.insert("elsewhere".into(), inner);
    story.play_with("schema.fieldgroup.create.bad-namespace", Some(stray), &[]);
    story.play("schema.patch");
    story.play("schema.delete");
    story.finish();
}

#[test]
fn catalog() {
    let mut story = Story::new("catalog");
    story.dataset();
    for name in [
        "dataset.get",
        "dataset.list-by-name",
        "dataset.list-by-tag",
        "dataset.list-empty",
        "dataset.patch",
    ] {
        story.play(name);
    }
    story.play("dataset.delete");
    story.play("dataset.delete.nothing");
    story.finish();
}

#[test]
fn connections() {
    let mut story = Story::new("connections");
    story.play("connectionspec.get");
    story.play("flowspec.get");
    story.connections();
    for name in [
        "sourceconnection.get",
        "sourceconnection.list-by-name",
        "sourceconnection.list-empty",
    ] {
        story.play(name);
    }
    let mut based = story.exchanges["sourceconnection.create"]["request"].clone();
    based["baseConnectionId"] = json!("b0000000-0000-4000-8000-000000000000");
    story.play_with("sourceconnection.create.with-base", Some(based), &[]);
    story.play("targetconnection.get");
    story.play("targetconnection.list-by-dataset");
    story.play("sourceconnection.delete");
    story.play("targetconnection.delete");
    story.finish();
}

#[test]
fn data_prep() {
    let mut story = Story::new("data_prep");
    story.schema();
    story.mapping();
    for name in [
        "mappingset.get",
        "mappingset.list-by-name",
        "mappingset.list-empty",
        "mappingset.mappings",
    ] {
        story.play(name);
    }
    story.play("mappingset.create-legacy");
    let updated = story.play("mappingset.update");
    assert_eq!(updated.body["version"], 1);
    story.play("mappingset.validate");
    story.play("mappingset.validate.failed");
    let preview = story.play("mappingset.preview");
    assert_eq!(
        preview.body, story.exchanges["mappingset.preview"]["response"],
        "the values are documented too"
    );
    assert_eq!(story.play("expression.validate").body, true);
    story.play("mappingset.get.bad-request");
    story.finish();
}

#[test]
fn flows() {
    let mut story = Story::new("flows");
    story.flow();
    story.play("flow.get.initializing");
    story.wait(6);
    story.play("flow.get");
    story.play("flow.list-by-name");
    story.play("flow.list-empty");
    story.play_with(
        "flow.error.no-if-match",
        Some(json!([{"op": "replace", "path": "/name", "value": "x"}])),
        &[],
    );
    let stale = [("if-match", "\"4c010000-0000-0200-0000-000000000000\"")];
    story.play_with(
        "flow.error.stale",
        Some(json!([{"op": "replace", "path": "/name", "value": "x"}])),
        &stale,
    );
    let etag = story.etag();
    let wrong_version = json!([{"op": "replace", "path": "/transformations/0",
        "value": {"name": "Mapping", "params": {"mappingId": MAPPING, "mappingVersion": 7}}}]);
    story.play_with(
        "flow.error.bad-mapping-version",
        Some(wrong_version),
        &[("if-match", &etag)],
    );
    story.play("flow.error.bad-filter");
    story.play_with("flow.error.no-sandbox", None, &[("x-sandbox-name", "")]);
    story.play("flow.error.in-use");

    story.play("mappingset.update");
    story.play_with("flow.patch.mapping", None, &[("if-match", &etag)]);
    story.play("flow.get.after-update");
    let etag = story.etag();
    story.play_with("flow.patch.name", None, &[("if-match", &etag)]);
    story.play("flow.disable");
    story.play("flow.error.wrong-action");
    story.play("flow.get.disabled");
    story.play("flow.enable");

    let draft = story.play("flow.create-draft").id();
    story.learn("0e9d8c7b-6a5f-4e3d-9c2b-1a0f9e8d7c6b", &draft);
    let draft_path = format!("/data/foundation/flowservice/flows/{draft}");
    let mapping = json!([{"op": "add", "path": "/transformations", "value":
        [{"name": "Mapping", "params": {"mappingId": story.translate(MAPPING), "mappingVersion": 0}}]}]);
    assert_eq!(story.platform.patch(&draft_path, &mapping).status, 200);
    story.play("flow.publish");

    let forbidden = json!({"kind": "client", "id": "c0ffee00c0ffee00c0ffee00c0ffee00", "merge": {"forbidden": "write"}});
    story.platform.control("POST", "edit", &forbidden);
    story.play_with(
        "flow.error.forbidden",
        Some(json!([{"op": "remove", "path": "/description"}])),
        &[("if-match", "\"x\"")],
    );
    let allowed = json!({"kind": "client", "id": "c0ffee00c0ffee00c0ffee00c0ffee00", "merge": {"forbidden": false}});
    story.platform.control("POST", "edit", &allowed);
    story.platform.control(
        "POST",
        "faults",
        &json!([{"method": "PATCH", "path": "/flows/", "status": 503, "times": 1}]),
    );
    story.play("flow.error.unavailable");

    story.play("flow.delete");
    story.play("flow.get.missing");
    let rest = [
        "flow.list-duplicates",
        "flow.list.page1",
        "flow.list.page2",
        "flow.count",
        "flow.error.busy",
        "flow.error.schema-mismatch",
        "flow.get.mapping-as-string",
    ];
    assert_eq!(
        story.played,
        rest.iter().map(|name| (*name).to_owned()).collect(),
        "the rest is played below"
    );
}

#[test]
fn lists_of_flows() {
    let mut story = Story::new("flows");
    story.enabled();
    story.play("flow.create");
    story.wait(6);
    story.play("flow.list-duplicates");
    story.play("flow.count");
    let first = story.play("flow.list.page1");
    let next = first.body["_links"]["next"]["href"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = next.split('=').nth(1).unwrap();
    story.learn("eyJleGFtcGxlIjoxfQ%3D%3D", token);
    let second = story.play("flow.list.page2");
    assert_ne!(first.item()["id"], second.item()["id"]);
    let followed = story
        .platform
        .get(&format!("/data/foundation/flowservice{next}"));
    assert_eq!(followed.body, second.body, "the link alone is enough");
}

#[test]
fn flows_that_refuse() {
    let mut story = Story::with(
        "flows",
        Options {
            action_delay: Duration::from_secs(5),
            ..options()
        },
    );
    story.enabled();
    story.play("flow.disable");
    let etag = story.etag();
    story.play_with(
        "flow.error.busy",
        Some(json!([{"op": "replace", "path": "/name", "value": "x"}])),
        &[("if-match", &etag)],
    );
    story.wait(5);
    story.play("flow.get.disabled");
    let mut other = story.exchanges["schema.create"]["request"].clone();
    other["title"] = json!("another schema");
    let other = serde_json::from_str(&story.translate(&other.to_string())).unwrap();
    let reply = story
        .platform
        .post("/data/foundation/schemaregistry/tenant/schemas", &other);
    let mut mapping = story.exchanges["mappingset.create"]["request"].clone();
    mapping["outputSchema"]["schemaRef"]["id"] = reply.body["$id"].clone();
    let mapping = story
        .platform
        .post("/data/foundation/conversion/mappingSets", &mapping)
        .id();
    let mut flow = story.exchanges["flow.create"]["request"].clone();
    flow["transformations"][0]["params"]["mappingId"] = json!(mapping);
    story.play_with("flow.error.schema-mismatch", Some(flow), &[]);
}

#[test]
fn mapping_version_as_text() {
    let mut story = Story::with(
        "flows",
        Options {
            mapping_version: NumberShape::String,
            ..options()
        },
    );
    story.flow();
    story.wait(6);
    story.play("flow.get.mapping-as-string");
}

#[test]
fn inlet_and_runs() {
    let mut story = Story::new("inlet");
    story.enabled();
    story.play("runs.list.empty");
    story.play("inlet.event");
    let unstamped = json!({"object_type": "customer", "metric": "subscribed"});
    story.play_with("inlet.event.invalid", Some(unstamped.clone()), &[]);
    let mut batch = story.exchanges["inlet.batch"]["request"].clone();
    batch["messages"][1]["header"] = json!({"flowId": "missing"});
    batch["messages"][0]["header"] = json!({"flowId": FLOW});
    story.play_with("inlet.batch", Some(batch), &[]);
    // Whether an inlet is authenticated is set when it is made; this source's never is.
    story.platform.control(
        "POST",
        "faults",
        &json!([{"path": "^/collection/", "status": 401, "times": 1}]),
    );
    story.play("inlet.event.unauthorized");
    story.wait(60);
    story.play("runs.list.partial");
    story.finish();
}

#[test]
fn runs_by_outcome() {
    let mut story = Story::new("runs");
    story.enabled();
    story.play("runs.list.empty");
    story.play("inlet.event");
    story.wait(60);
    story.play("runs.list.success");

    let mut failing = Story::new("runs");
    failing.enabled();
    let path = failing.translate(&format!("/collection/{INLET}?x-adobe-flow-id={FLOW}"));
    failing
        .platform
        .post(&path, &json!({"metric": "subscribed"}));
    failing.wait(60);
    failing.play("runs.list.failed");
}

//! A caller of the emulator for tests: keeps a clock, a token and the headers that every call needs.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::new_without_default)]

use aep_emulator::{Emulator, Options};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

pub const FLOWS: &str = "/data/foundation/flowservice/flows";
pub const SOURCES: &str = "/data/foundation/flowservice/sourceConnections";
pub const TARGETS: &str = "/data/foundation/flowservice/targetConnections";
pub const MAPPING_SETS: &str = "/data/foundation/conversion/mappingSets";
pub const REGISTRY: &str = "/data/foundation/schemaregistry";
pub const DATASETS: &str = "/data/foundation/catalog/dataSets";
pub const SCHEMA: &str =
    "https://ns.adobe.com/extconndev/schemas/945546112b746524bfd9f1264b26c2b7d8e7f5b7fadb953a";
pub const DATASET: &str = "63ec807d3f5ce91bd2d06c65";
pub const FULL: &str = "application/vnd.adobe.xed-full+json;version=1";

/// An answer, read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Value,
}

impl Reply {
    fn read(response: Response<Bytes>) -> Self {
        let (parts, bytes) = response.into_parts();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap_or_else(|_| text())
        };
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// The code at the end of an error's type.
    pub fn code(&self) -> &str {
        self.body["type"]
            .as_str()
            .and_then(|kind| kind.rsplit('/').next())
            .unwrap_or_default()
    }

    pub fn id(&self) -> String {
        self.body["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no id in {self:?}"))
            .to_owned()
    }

    pub fn item(&self) -> &Value {
        &self.body["items"][0]
    }
}

pub struct Platform {
    pub emulator: Emulator,
    pub now: u64,
    pub headers: Vec<(String, String)>,
}

impl Platform {
    /// A platform whose flows are enabled at once.
    pub fn new() -> Self {
        Self::with(Options {
            inlet_delay: std::time::Duration::ZERO,
            ..Options::default()
        })
    }

    pub fn with(options: Options) -> Self {
        let seed = options.seed.clone();
        let mut platform = Self {
            emulator: Emulator::new(options),
            now: 1_790_000_000_000,
            headers: Vec::new(),
        };
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=openid",
            seed.client_id, seed.client_secret
        );
        let request = Request::post("/ims/token/v3")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .unwrap();
        let token = platform.send(&request).body["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        platform.headers = vec![
            ("authorization".into(), format!("Bearer {token}")),
            ("x-api-key".into(), seed.client_id),
            ("x-gw-ims-org-id".into(), seed.org),
            ("x-sandbox-name".into(), seed.sandboxes[0].clone()),
        ];
        platform
    }

    pub fn send(&mut self, request: &Request<Bytes>) -> Reply {
        Reply::read(self.emulator.handle(self.now, request))
    }

    pub fn request(
        &self,
        method: &str,
        path: &str,
        extra: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Request<Bytes> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            if !extra.iter().any(|(extra, _)| extra == name) {
                request = request.header(name, value);
            }
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in extra.iter().filter(|(_, value)| !value.is_empty()) {
            request.headers_mut().unwrap().insert(
                http::HeaderName::try_from(*name).unwrap(),
                value.parse().unwrap(),
            );
        }
        request
            .body(body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())))
            .unwrap()
    }

    pub fn call(
        &mut self,
        method: &str,
        path: &str,
        extra: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Reply {
        let request = self.request(method, path, extra, body);
        self.send(&request)
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.call("GET", path, &[], None)
    }

    pub fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, &[], Some(body))
    }

    pub fn delete(&mut self, path: &str) -> Reply {
        self.call("DELETE", path, &[], None)
    }

    /// PATCH under the etag that the object has now.
    pub fn patch(&mut self, path: &str, body: &Value) -> Reply {
        let etag = self.get(path).item()["etag"]
            .as_str()
            .unwrap_or("\"none\"")
            .to_owned();
        self.call("PATCH", path, &[("if-match", &etag)], Some(body))
    }

    pub fn control(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        let path = format!("/_emulator/{path}");
        let body = (!body.is_null()).then_some(body);
        self.call(method, &path, &[], body)
    }

    pub fn source(&mut self, name: &str) -> String {
        self.post(SOURCES, &source(name)).id()
    }

    pub fn target(&mut self) -> String {
        self.post(TARGETS, &target(DATASET)).id()
    }

    pub fn mapping(&mut self, rows: &Value) -> String {
        self.post(MAPPING_SETS, &mapping_set(rows)).id()
    }

    /// A flow of the tutorial, with everything it needs.
    pub fn flow(&mut self, name: &str) -> String {
        let (source, target, mapping) =
            (self.source(name), self.target(), self.mapping(&tutorial()));
        self.post(FLOWS, &flow(name, &source, &target, &mapping))
            .id()
    }

    /// The path and query of a flow's inlet.
    pub fn inlet(&mut self, flow: &str) -> String {
        let reply = self.get(&format!("{FLOWS}/{flow}"));
        let url = reply.item()["options"]["inletUrl"]
            .as_str()
            .unwrap_or_else(|| panic!("no inlet in {reply:?}"));
        format!(
            "{}?x-adobe-flow-id={flow}",
            &url[url.find("/collection").unwrap()..]
        )
    }

    pub fn records(&mut self) -> Vec<Value> {
        self.control("GET", &format!("datasets/{DATASET}/records"), &Value::Null)
            .body
            .as_array()
            .unwrap()
            .clone()
    }
}

pub fn source(name: &str) -> Value {
    json!({
        "name": name, "providerId": "521eee4d-8cbe-4906-bb48-fb6bd4450033",
        "connectionSpec": {"id": "96479064-7b8a-4d69-b9ed-21c5683837ea", "version": "1.0"}, "data": {"format": "json"}
    })
}

pub fn target(dataset: &str) -> Value {
    json!({
        "name": "target", "connectionSpec": {"id": "c604ff05-7f1a-43c0-8e18-33bf874cb11c", "version": "1.0"},
        "data": {"format": "json", "schema": {"id": SCHEMA, "version": FULL}}, "params": {"dataSetId": dataset}
    })
}

pub fn mapping_set(rows: &Value) -> Value {
    json!({"outputSchema": {"schemaRef": {"id": SCHEMA, "contentType": FULL}}, "mappings": rows})
}

pub fn flow(name: &str, source: &str, target: &str, mapping: &str) -> Value {
    json!({
        "name": name, "description": "a flow", "flowSpec": {"id": "e77fde5a-22a8-11ed-861d-0242ac120002", "version": "1.0"},
        "sourceConnectionIds": [source], "targetConnectionIds": [target],
        "transformations": [{"name": "Mapping", "params": {"mappingId": mapping, "mappingVersion": 0}}]
    })
}

pub fn row(source: &str, destination: &str) -> Value {
    json!({"sourceType": "ATTRIBUTE", "source": source, "destination": format!("_extconndev.{destination}")})
}

pub fn expression(source: &str, destination: &str) -> Value {
    json!({"sourceType": "EXPRESSION", "source": source, "destination": format!("_extconndev.{destination}")})
}

/// The tutorial's six rows.
pub fn tutorial() -> Value {
    json!([
        row("data.identifiers.cio_id", "cio_id"),
        row("data.identifiers.email", "email"),
        row("event_id", "event_id0"),
        row("metric", "metricx"),
        row("object_type", "object_type1"),
        row("timestamp", "timestampx"),
    ])
}

/// The events of a folder, by file name.
pub fn events(folder: &str) -> Vec<(String, Value)> {
    let path = format!("{}/tests/events/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut events: Vec<(String, Value)> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let event = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                event,
            )
        })
        .collect();
    events.sort_by(|one, two| one.0.cmp(&two.0));
    events
}

/// The reply refuses with this code and its status.
#[track_caller]
pub fn refused(reply: &Reply, code: &str) {
    assert_eq!(reply.code(), code, "{reply:?}");
    let status: u16 = code.rsplit('-').next().unwrap().parse().unwrap();
    assert_eq!(reply.status, status);
}

/// Where Customer.io's App API keeps webhooks.
pub const HOOKS: &str = "/v1/reporting_webhooks";

/// A call to Customer.io's App API.
pub fn app(platform: &mut Platform, method: &str, path: &str, body: Option<&Value>) -> Reply {
    platform.call(
        method,
        path,
        &[("authorization", "Bearer demo-app-key")],
        body,
    )
}

/// The body of a webhook.
pub fn hook(endpoint: &str, events: &[&str]) -> Value {
    json!({"name": "aep", "endpoint": endpoint, "events": events})
}

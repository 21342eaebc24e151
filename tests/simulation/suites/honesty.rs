//! The in-memory API server is held against a real one: the same scripts are sent to both, and what they answer has
//! to be the same, but for uids, times, versions (their order counts, not their values) and the wording of messages.
//!
//! The binaries of the control plane are found or built as for the playground.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::nonminimal_bool,
    reason = "a helper that fails fails its test, and the scripts are one table"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use playground::control_plane::{ControlPlane, Options};
use serde_json::{Value, json};
use simulation::api::ApiServer;
use simulation::wire;

const SOURCES: &str = "/apis/aep-operator.dev/v1alpha1/namespaces/NS/customeriosources";
const DATAFLOWS: &str = "/apis/aep-operator.dev/v1alpha1/namespaces/NS/aepdataflows";
const SECRETS: &str = "/api/v1/namespaces/NS/secrets";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/NS/leases";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/NS/events";

/// One request of a script. `{3.rv}` stands for the resourceVersion that answer 3 brought, `{3.uid}` for its uid.
struct Call {
    method: &'static str,
    path: String,
    body: Option<Value>,
    metadata_only: bool,
}

fn call(method: &'static str, path: impl Into<String>) -> Call {
    Call {
        method,
        path: path.into(),
        body: None,
        metadata_only: false,
    }
}

fn send(method: &'static str, path: impl Into<String>, body: Value) -> Call {
    Call {
        body: Some(body),
        ..call(method, path)
    }
}

fn metadata(path: impl Into<String>) -> Call {
    Call {
        metadata_only: true,
        ..call("GET", path)
    }
}

fn source(name: &str) -> Value {
    json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "CustomerIoSource",
        "metadata": {"name": name},
        "spec": {"sandbox": "prod", "credentialsRef": {"name": "adobe"}},
    })
}

fn dataflow(name: &str, source: &str) -> Value {
    json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "AepDataflow",
        "metadata": {"name": name},
        "spec": {
            "sourceRef": {"name": source},
            "target": {"existing": {
                "datasetId": "63ec807d3f5ce91bd2d06c65", "schema": {"id": "https://ns.adobe.com/t/schemas/1"},
            }},
            "mapping": [{"source": "event_id", "destination": "_id", "expression": null}],
        },
    })
}

fn condition(status: &str) -> Value {
    json!({"conditions": [{
        "type": "Ready", "status": status, "reason": "Succeeded", "message": "m",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]})
}

/// Every script has a namespace of its own, made before it starts.
fn scripts() -> Vec<(&'static str, Vec<Call>)> {
    let one = |base: &str| format!("{base}/one");
    let status = |base: &str| format!("{base}/one/status");
    let watch = |base: &str, from: &str| {
        format!("{base}?watch=true&timeoutSeconds=1&resourceVersion={from}")
    };
    vec![
        (
            "create, read, defaults, pruning",
            vec![
                send("POST", DATAFLOWS, dataflow("one", "s")),
                send("POST", DATAFLOWS, dataflow("one", "s")),
                call("GET", one(DATAFLOWS)),
                metadata(one(DATAFLOWS)),
                call("GET", format!("{DATAFLOWS}/two")),
                send("POST", SOURCES, {
                    let mut it = source("one");
                    it["spec"]["unknown"] = json!(1);
                    it["unknown"] = json!(1);
                    it["spec"]["description"] = json!(null);
                    it["status"] = condition("True");
                    it["metadata"]["labels"] = json!({});
                    it["metadata"]["finalizers"] = json!([]);
                    it["metadata"]["generation"] = json!(7);
                    it
                }),
                send(
                    "POST",
                    "/apis/aep-operator.dev/v1alpha1/namespaces/nowhere/customeriosources",
                    source("one"),
                ),
                call("GET", "/apis/aep-operator.dev/v1alpha1/nothings"),
            ],
        ),
        (
            "conflicts",
            vec![
                send("POST", SOURCES, source("one")),
                send("PATCH", one(SOURCES), json!({"spec": {"name": "a"}})),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"resourceVersion": "{0.rv}"}, "spec": {"name": "b"}}),
                ),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"resourceVersion": "{1.rv}"}, "spec": {"name": "b"}}),
                ),
                send(
                    "PATCH",
                    status(SOURCES),
                    json!({"metadata": {"resourceVersion": "{1.rv}"}, "status": condition("True")}),
                ),
                send(
                    "PATCH",
                    status(SOURCES),
                    json!({"metadata": {"resourceVersion": "{3.rv}"}, "status": condition("True")}),
                ),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"uid": "11111111-1111-4111-8111-111111111111"}, "spec": {"name": "c"}}),
                ),
                send("PUT", one(SOURCES), source("one")),
                send("PUT", one(SOURCES), {
                    let mut it = source("one");
                    it["metadata"]["resourceVersion"] = json!("{3.rv}");
                    it
                }),
                send("PUT", one(SOURCES), {
                    let mut it = source("one");
                    it["metadata"]["resourceVersion"] = json!("{5.rv}");
                    it
                }),
                send("PUT", one(SOURCES), {
                    let mut it = source("one");
                    it["metadata"]["resourceVersion"] = json!("{9.rv}");
                    it["metadata"]["uid"] = json!("11111111-1111-4111-8111-111111111111");
                    it
                }),
                send("POST", SOURCES, {
                    let mut it = source("three");
                    it["metadata"]["resourceVersion"] = json!("{9.rv}");
                    it
                }),
                send("PUT", format!("{SOURCES}/two"), source("two")),
                send(
                    "PATCH",
                    format!("{SOURCES}/two"),
                    json!({"spec": {"name": "c"}}),
                ),
            ],
        ),
        (
            "status apart from the rest, generation, nothing changed",
            vec![
                send("POST", SOURCES, source("one")),
                send(
                    "PATCH",
                    status(SOURCES),
                    json!({"status": {"sandbox": "prod", "pending": [{"object": "flow", "attempt": 1, "since": "2026-01-01T00:00:00Z"}]}, "spec": {"name": "x"}, "metadata": {"annotations": {"a": "b"}}}),
                ),
                send(
                    "PATCH",
                    status(SOURCES),
                    json!({"status": {"sandbox": "prod"}}),
                ),
                send("PATCH", one(SOURCES), json!({"status": {"sandbox": "dev"}})),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"annotations": {"a": "b"}}}),
                ),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"annotations": {"a": "b"}}}),
                ),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"annotations": {"a": null}}}),
                ),
                send("PATCH", one(SOURCES), json!({"spec": {"suspend": true}})),
                send("PATCH", one(SOURCES), json!({"spec": {"suspend": true}})),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"spec": {"name": "n", "suspend": null}}),
                ),
                send(
                    "PATCH",
                    status(SOURCES),
                    json!({"status": {"sandbox": null, "pending": null, "made": "up"}}),
                ),
                send("PATCH", status(SOURCES), json!({"status": null})),
                call("GET", one(SOURCES)),
                metadata(one(SOURCES)),
            ],
        ),
        (
            "finalizers and deletion",
            vec![
                send("POST", SOURCES, source("one")),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"finalizers": ["aep-operator.dev/finalizer", "a.example/b"], "resourceVersion": "{0.rv}"}}),
                ),
                call("DELETE", one(SOURCES)),
                call("DELETE", one(SOURCES)),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"finalizers": ["aep-operator.dev/finalizer", "a.example/b", "a.example/c"]}}),
                ),
                send("PATCH", one(SOURCES), json!({"spec": {"name": "late"}})),
                send(
                    "PATCH",
                    status(SOURCES),
                    json!({"status": {"sandbox": "prod"}}),
                ),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"finalizers": ["a.example/b"]}}),
                ),
                send("POST", SOURCES, source("one")),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"finalizers": null, "resourceVersion": "{6.rv}"}}),
                ),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"finalizers": null}}),
                ),
                call("GET", one(SOURCES)),
                send(
                    "PATCH",
                    one(SOURCES),
                    json!({"metadata": {"finalizers": null}}),
                ),
                send("POST", SOURCES, source("one")),
                call("DELETE", one(SOURCES)),
                call("DELETE", one(SOURCES)),
                call("GET", watch(SOURCES, "{0.rv}")),
            ],
        ),
        (
            "deletion preconditions",
            vec![
                send(
                    "POST",
                    SECRETS,
                    json!({"metadata": {"name": "one", "finalizers": ["aep-operator.dev/in-use"]}, "stringData": {"a": "b"}}),
                ),
                send(
                    "DELETE",
                    one(SECRETS),
                    json!({"preconditions": {"uid": "11111111-1111-4111-8111-111111111111"}}),
                ),
                send(
                    "DELETE",
                    one(SECRETS),
                    json!({"preconditions": {"uid": "{0.uid}", "resourceVersion": "1"}}),
                ),
                send(
                    "DELETE",
                    one(SECRETS),
                    json!({"preconditions": {"uid": "{0.uid}", "resourceVersion": "{0.rv}"}}),
                ),
                send("PATCH", one(SECRETS), json!({"data": {"c": "ZA=="}})),
                send(
                    "PATCH",
                    one(SECRETS),
                    json!({"metadata": {"finalizers": []}}),
                ),
                call("GET", one(SECRETS)),
                send("POST", SECRETS, json!({"metadata": {"name": "one"}})),
                call("DELETE", one(SECRETS)),
            ],
        ),
        (
            "lists, pages and selections",
            vec![
                send("POST", DATAFLOWS, dataflow("a", "s")),
                send("POST", DATAFLOWS, dataflow("b", "t")),
                send("POST", DATAFLOWS, dataflow("c", "s")),
                call("GET", DATAFLOWS),
                call(
                    "GET",
                    format!("{DATAFLOWS}?fieldSelector=spec.sourceRef.name%3Ds"),
                ),
                call(
                    "GET",
                    format!("{DATAFLOWS}?fieldSelector=metadata.name%3Db"),
                ),
                call("GET", format!("{DATAFLOWS}?fieldSelector=spec.name%3Db")),
                call("GET", format!("{DATAFLOWS}?limit=2")),
                send("POST", DATAFLOWS, dataflow("d", "s")),
                call("DELETE", format!("{DATAFLOWS}/c")),
                call(
                    "GET",
                    format!("{DATAFLOWS}?limit=2&continue={{7.continue}}"),
                ),
                metadata(DATAFLOWS),
                send(
                    "POST",
                    SECRETS,
                    json!({"metadata": {"name": "one", "labels": {"x.example/y": "z"}}, "type": "Opaque", "data": {"a": "Yg=="}}),
                ),
                send(
                    "POST",
                    SECRETS,
                    json!({"metadata": {"name": "two"}, "stringData": {"a": "b"}}),
                ),
                call("GET", SECRETS),
                call("GET", format!("{SECRETS}?labelSelector=x.example%2Fy%3Dz")),
                metadata(SECRETS),
            ],
        ),
        (
            "watches",
            vec![
                send("POST", DATAFLOWS, dataflow("one", "s")),
                send("POST", DATAFLOWS, dataflow("two", "t")),
                send(
                    "PATCH",
                    one(DATAFLOWS),
                    json!({"spec": {"state": "Disabled"}}),
                ),
                send(
                    "PATCH",
                    status(DATAFLOWS),
                    json!({"status": {"inletUrl": "u"}}),
                ),
                send(
                    "PATCH",
                    status(DATAFLOWS),
                    json!({"status": {"inletUrl": "u"}}),
                ),
                call("DELETE", one(DATAFLOWS)),
                send("POST", DATAFLOWS, dataflow("one", "s")),
                call("GET", watch(DATAFLOWS, "{0.rv}")),
                metadata(watch(DATAFLOWS, "{2.rv}")),
                metadata(watch(DATAFLOWS, "{6.rv}")),
                call("GET", watch(DATAFLOWS, "")),
                call(
                    "GET",
                    format!(
                        "{}&fieldSelector=spec.sourceRef.name%3Dt",
                        watch(DATAFLOWS, "{0.rv}")
                    ),
                ),
                // From before there was anything: 410 in the stream.
                call("GET", watch(DATAFLOWS, "1")),
                metadata(watch(DATAFLOWS, "1")),
            ],
        ),
        (
            "leases and events",
            vec![
                send(
                    "POST",
                    LEASES,
                    json!({"metadata": {"name": "one"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}}),
                ),
                send(
                    "POST",
                    LEASES,
                    json!({"metadata": {"name": "one"}, "spec": {"holderIdentity": "b"}}),
                ),
                send(
                    "PUT",
                    one(LEASES),
                    json!({"metadata": {"name": "one", "resourceVersion": "{0.rv}"}, "spec": {"holderIdentity": "b"}}),
                ),
                send(
                    "PUT",
                    one(LEASES),
                    json!({"metadata": {"name": "one", "resourceVersion": "{0.rv}"}, "spec": {"holderIdentity": "a"}}),
                ),
                send(
                    "PATCH",
                    one(LEASES),
                    json!({"metadata": {"resourceVersion": "{0.rv}"}, "spec": {"holderIdentity": "a"}}),
                ),
                send(
                    "PATCH",
                    one(LEASES),
                    json!({"metadata": {"resourceVersion": "{2.rv}"}, "spec": {"holderIdentity": null}}),
                ),
                send(
                    "POST",
                    EVENTS,
                    json!({"metadata": {"name": "one"}, "regarding": {"kind": "Secret", "name": "x", "namespace": "NS"}, "reason": "R", "action": "A", "type": "Normal", "reportingController": "c.example/c", "reportingInstance": "i", "eventTime": "2026-01-01T00:00:00.000000Z", "note": "n"}),
                ),
                send(
                    "PATCH",
                    one(EVENTS),
                    json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}),
                ),
            ],
        ),
    ]
}

/// What a server answered: status code and normalized body.
type Said = Vec<(u16, Value)>;

async fn play(client: &Client, namespace: &str, script: &[Call]) -> Said {
    let mut raw: Vec<Value> = Vec::new();
    let mut said = Said::new();
    let create = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let created = exchange(client, &send("POST", "/api/v1/namespaces", create), "").await;
    assert_eq!(created.0, 201, "{created:?}");
    for call in script {
        let mut path = call.path.replace("NS", namespace);
        let mut body = call.body.as_ref().map(Value::to_string).unwrap_or_default();
        body = body.replace("\"NS\"", &format!("\"{namespace}\""));
        for (place, answer) in raw.iter().enumerate() {
            for (word, pointer) in [
                ("rv", "/metadata/resourceVersion"),
                ("uid", "/metadata/uid"),
                ("continue", "/metadata/continue"),
            ] {
                let value = answer
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let token = format!("{{{place}.{word}}}");
                path = path.replace(&token, &value.replace('|', "%7C"));
                body = body.replace(&token, value);
            }
        }
        let (code, answer) = exchange(
            client,
            &Call {
                path,
                body: None,
                ..*call
            },
            &body,
        )
        .await;
        raw.push(answer.clone());
        said.push((code, answer));
    }
    let mut names = Names::default();
    for (_, answer) in &mut said {
        names.normalize(answer, namespace);
    }
    said
}

async fn exchange(client: &Client, call: &Call, body: &str) -> (u16, Value) {
    let body = match &call.body {
        Some(body) => body.to_string(),
        None => body.to_owned(),
    };
    let mut request = Request::builder().method(call.method).uri(&call.path);
    let watch = call.path.contains("watch=true");
    if call.metadata_only {
        let form = if watch || call.path.ends_with("/one") {
            "PartialObjectMetadata"
        } else {
            "PartialObjectMetadataList"
        };
        request = request.header(
            "accept",
            format!("application/json;as={form};g=meta.k8s.io;v=v1"),
        );
    }
    request = request.header(
        "content-type",
        if call.method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        },
    );
    let request = request.body(Body::from(body.into_bytes())).unwrap();
    let response = client.send(request).await.unwrap();
    let code = response.status().as_u16();
    if watch {
        return (code, events(response.into_body()).await);
    }
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// Everything a watch says within a moment, bookmarks aside.
async fn events(body: Body) -> Value {
    let mut text = Vec::new();
    let mut frames = body.into_data_stream();
    while let Ok(Some(Ok(frame))) =
        tokio::time::timeout(Duration::from_millis(1_500), frames.next()).await
    {
        text.extend_from_slice(&frame);
    }
    let text = String::from_utf8(text).unwrap();
    let mut events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|event: &Value| event["type"] != "BOOKMARK")
        .collect();
    if events.iter().all(|event| event["type"] == "ADDED") {
        // A watch from nothing starts with what there is, in no order.
        events.sort_by_key(|event| event["object"]["metadata"]["name"].to_string());
    }
    json!(events)
}

/// Versions and uids by the order in which they first appear.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn normalize(&mut self, value: &mut Value, namespace: &str) {
        match value {
            Value::Object(fields) => {
                fields.remove("managedFields");
                // What typed objects show although nobody set it, and an end of pages that is said in words.
                fields.retain(|name, value| {
                    !name.starts_with("deprecated") && !(name == "continue" && value == "")
                });
                if fields.get("kind") == Some(&json!("Status")) {
                    fields.remove("message");
                    if let Some(details) = fields.get_mut("details").and_then(Value::as_object_mut)
                    {
                        details.remove("causes");
                    }
                }
                for (name, value) in fields.iter_mut() {
                    match (name.as_str(), &*value) {
                        ("resourceVersion" | "uid", Value::String(text)) if !text.is_empty() => {
                            let next = format!("{name} {}", self.0.len());
                            *value = json!(*self.0.entry(text.clone()).or_insert(next));
                        }
                        (
                            "continue" | "creationTimestamp" | "deletionTimestamp",
                            Value::String(_),
                        ) => {
                            *value = json!("some");
                        }
                        _ => self.normalize(value, namespace),
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.normalize(item, namespace);
                }
            }
            Value::String(text) if text == namespace => "NS".clone_into(text),
            _ => {}
        }
    }
}

fn memory() -> Client {
    let server = Arc::new(Mutex::new(ApiServer::new()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = Arc::clone(&server);
        async move {
            let request = wire::whole(request).await?;
            let answer = server.lock().unwrap().handle(1_800_000_000_000, &request);
            Ok::<_, tower::BoxError>(wire::reply(answer))
        }
    });
    Client::new(service, "default")
}

async fn real() -> (ControlPlane, Client) {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
    let folder = folder.to_str().unwrap();
    for args in [
        ["apply", "--server-side", "--filename", folder],
        [
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            &format!("--filename={folder}"),
        ],
    ] {
        plane.kubectl(&args, None).await.unwrap().success().unwrap();
    }
    let file = Kubeconfig::read_from(plane.kubeconfig_path()).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options);
    let mut config = config.await.unwrap();
    config.default_retry = false;
    (plane, Client::try_from(config).unwrap())
}

#[tokio::test]
async fn both_answer_the_same() {
    let memory = memory();
    let (_plane, real) = real().await;
    let mut differences = Vec::new();
    for (place, (title, script)) in scripts().into_iter().enumerate() {
        let namespace = format!("honest-{place}");
        let ours = play(&memory, &namespace, &script).await;
        let theirs = play(&real, &namespace, &script).await;
        for (place, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            if ours != theirs {
                let call = &script[place];
                differences.push(format!(
                    "{title}, call {place}: {} {}\n  real:   {} {}\n  memory: {} {}",
                    call.method, call.path, theirs.0, theirs.1, ours.0, ours.1
                ));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}

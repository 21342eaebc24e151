//! What is asked of both servers, as one table of scripts.

use serde_json::{Value, json};

const SOURCES: &str = "/apis/aep-operator.dev/v1alpha1/namespaces/NS/customeriosources";
const DATAFLOWS: &str = "/apis/aep-operator.dev/v1alpha1/namespaces/NS/aepdataflows";
const SECRETS: &str = "/api/v1/namespaces/NS/secrets";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/NS/leases";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/NS/events";

/// One request of a script. `{3.rv}` stands for the resourceVersion that answer 3 brought, `{3.uid}` for its uid.
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) metadata_only: bool,
}

fn call(method: &'static str, path: impl Into<String>) -> Call {
    Call {
        method,
        path: path.into(),
        body: None,
        metadata_only: false,
    }
}

pub(super) fn send(method: &'static str, path: impl Into<String>, body: Value) -> Call {
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
pub(super) fn scripts() -> Vec<(&'static str, Vec<Call>)> {
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

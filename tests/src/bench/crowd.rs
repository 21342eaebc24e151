//! Dataflows by the thousand, each with a source of its own.

use serde_json::{Value, json};

/// Where they live.
pub const NAMESPACE: &str = "bench";
const DATASET: &str = "63ec807d3f5ce91bd2d06c65";
const SCHEMA: &str =
    "https://ns.adobe.com/extconndev/schemas/945546112b746524bfd9f1264b26c2b7d8e7f5b7fadb953a";

/// What all of them need.
pub fn ground() -> Vec<Value> {
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "adobe-credentials", "namespace": NAMESPACE},
            "stringData": {
                "clientId": "demo-client", "clientSecret": "demo-secret",
                "orgId": "1234567890ABCDEF12345678@AdobeOrg",
            },
        }),
    ]
}

/// The names of a range of them.
pub fn name(number: usize) -> String {
    format!("crowd-{number:05}")
}

/// The manifests of a source and its dataflow: the tutorial's.
pub fn pair(number: usize) -> [Value; 2] {
    [source(number), dataflow(number, "Customer.io events")]
}

/// The manifests of a range.
pub fn pairs(numbers: std::ops::Range<usize>) -> Vec<Value> {
    numbers.flat_map(pair).collect()
}

fn source(number: usize) -> Value {
    json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "CustomerIoSource",
        "metadata": {"name": name(number), "namespace": NAMESPACE},
        "spec": {"sandbox": "prod", "credentialsRef": {"name": "adobe-credentials"}},
    })
}

/// A dataflow with this description.
pub fn dataflow(number: usize, description: &str) -> Value {
    let row = |source: &str, field: &str| json!({"source": source, "destination": format!("_extconndev.{field}")});
    json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "AepDataflow",
        "metadata": {"name": name(number), "namespace": NAMESPACE},
        "spec": {
            "sourceRef": {"name": name(number)},
            "description": description,
            "target": {"existing": {"datasetId": DATASET, "schema": {"id": SCHEMA, "majorVersion": 1}}},
            "mapping": [
                row("data.identifiers.cio_id", "cio_id"), row("data.identifiers.email", "email"),
                row("event_id", "event_id0"), row("metric", "metricx"),
                row("object_type", "object_type1"), row("timestamp", "timestampx"),
            ],
        },
    })
}

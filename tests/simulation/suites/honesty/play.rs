//! A script, played against a server, and what the answers come to once what may differ is taken out.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::scripts::{Call, send};

/// What a server answered: status code and normalized body.
pub(super) type Said = Vec<(u16, Value)>;

pub(super) async fn play(client: &Client, namespace: &str, script: &[Call]) -> Said {
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

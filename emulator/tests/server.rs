//! The emulator on a real socket, and in time: dropped replies, late commits, hangs, deliveries.
// Helpers of tests are tests too: what goes wrong in them is a failure.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use aep_emulator::host::{Host, NoReply};
use aep_emulator::{Emulator, Options, server};
use bytes::Bytes;
use common::*;
use http::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

struct Server {
    address: std::net::SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    done: tokio::task::JoinHandle<std::io::Result<()>>,
    token: String,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let options = Options {
            inlet_delay: Duration::ZERO,
            ..Options::default()
        };
        let done = tokio::spawn(server::serve(listener, options, async move {
            drop(stopped.await);
        }));
        let mut server = Self {
            address,
            stop: Some(stop),
            done,
            token: String::new(),
        };
        let form = "grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret&scope=openid";
        let (_, body) = server
            .raw(
                "POST",
                "/ims/token/v3",
                "",
                "application/x-www-form-urlencoded",
                form,
            )
            .await
            .unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        server.token += answer["access_token"].as_str().unwrap();
        server
    }

    /// One call on a connection of its own. None: closed without a byte.
    async fn raw(
        &self,
        method: &str,
        path: &str,
        bearer: &str,
        kind: &str,
        body: &str,
    ) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: Bearer {}\r\nx-api-key: demo-client\r\nx-gw-ims-org-id: 1234567890ABCDEF12345678@AdobeOrg\r\nx-sandbox-name: prod\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            bearer,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        if answer.is_empty() {
            return None;
        }
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, answer.split_once("\r\n\r\n").unwrap().1.to_owned()))
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, body) = self
            .raw(method, path, &self.token, "application/json", &body)
            .await?;
        Some((
            status,
            serde_json::from_str(&body).unwrap_or(Value::String(body)),
        ))
    }

    async fn id(&self, path: &str, body: &Value) -> String {
        self.call("POST", path, body).await.unwrap().1["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn count(&self) -> usize {
        let (_, list) = self.call("GET", SOURCES, &Value::Null).await.unwrap();
        list["items"].as_array().unwrap().len()
    }

    async fn fault(&self, rule: Value) {
        assert_eq!(
            self.call("POST", "/_emulator/faults", &json!([rule]))
                .await
                .unwrap()
                .0,
            200
        );
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.done.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_dropped_reply_closes_the_connection_before_or_after_the_work_is_done() {
    let server = Server::start().await;
    server.fault(json!({"method": "POST", "path": "sourceConnections", "dropBeforeCommit": true, "times": 1})).await;
    assert_eq!(server.call("POST", SOURCES, &source("a")).await, None);
    assert_eq!(server.count().await, 0);
    server.fault(json!({"method": "POST", "path": "sourceConnections", "dropAfterCommit": true, "times": 1})).await;
    assert_eq!(server.call("POST", SOURCES, &source("a")).await, None);
    assert_eq!(server.count().await, 1);
    server
        .fault(json!({"method": "POST", "status": 504, "commitLateMs": 200, "times": 1}))
        .await;
    assert_eq!(
        server.call("POST", SOURCES, &source("b")).await.unwrap().0,
        504
    );
    assert_eq!(server.count().await, 1);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(
        server.count().await,
        2,
        "the work was done behind the client's back"
    );
    server
        .fault(json!({"html": true, "status": 502, "times": 1}))
        .await;
    let (status, page) = server.call("GET", SOURCES, &Value::Null).await.unwrap();
    assert!(status == 502 && page.as_str().unwrap().contains("<html>"));
    server
        .fault(json!({"status": 429, "retryAfter": 7, "times": 1}))
        .await;
    let (status, body) = server.call("GET", SOURCES, &Value::Null).await.unwrap();
    assert_eq!((status, &body["error_code"]), (429, &json!("429050")));
    let (_, log) = server
        .call("GET", "/_emulator/requests", &Value::Null)
        .await
        .unwrap();
    assert!(
        log.as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["fault"] == "dropAfterCommit" && entry["status"].is_null())
    );
    server.stop().await;
}

#[tokio::test]
async fn a_hanging_call_never_answers_and_does_not_hold_up_the_end() {
    let server = Server::start().await;
    server
        .fault(json!({"method": "GET", "hang": true, "times": 1}))
        .await;
    let call = tokio::time::timeout(
        Duration::from_millis(200),
        server.call("GET", SOURCES, &Value::Null),
    )
    .await;
    assert!(call.is_err());
    server.stop().await;
}

#[tokio::test]
async fn events_travel_over_http_to_loopback_only() {
    let server = Server::start().await;
    let source = server.id(SOURCES, &source("a")).await;
    let target = server.id(TARGETS, &target(DATASET)).await;
    let mapping = server.id(MAPPING_SETS, &mapping_set(&tutorial())).await;
    let flow = server
        .id(FLOWS, &flow("f", &source, &target, &mapping))
        .await;
    let (_, read) = server
        .call("GET", &format!("{FLOWS}/{flow}"), &Value::Null)
        .await
        .unwrap();
    let inlet = read["items"][0]["options"]["inletUrl"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        inlet.starts_with(&format!("http://{}/collection/", server.address)),
        "{inlet}"
    );

    for endpoint in [
        format!("{inlet}?x-adobe-flow-id={flow}"),
        "http://192.0.2.1/".to_owned(),
        "http://127.0.0.1:1/".to_owned(),
    ] {
        let hook = json!({"name": "aep", "endpoint": endpoint, "events": ["customer_subscribed"]});
        let reply = server
            .raw(
                "POST",
                "/v1/reporting_webhooks",
                "demo-app-key",
                "application/json",
                &hook.to_string(),
            )
            .await;
        assert_eq!(reply.unwrap().0, 200);
    }
    let event = events("ordinary")[0].1.clone();
    let (_, reports) = server
        .call("POST", "/_emulator/events", &json!([event]))
        .await
        .unwrap();
    assert_eq!(reports[0]["status"], 200, "{reports}");
    assert!(
        reports[1]["error"].as_str().unwrap().contains("loopback"),
        "{reports}"
    );
    assert!(
        reports[2]["error"].is_string() && reports[2]["status"].is_null(),
        "{reports}"
    );
    let (_, records) = server
        .call(
            "GET",
            &format!("/_emulator/datasets/{DATASET}/records"),
            &Value::Null,
        )
        .await
        .unwrap();
    assert_eq!(records[0]["_extconndev"]["email"], "ada@example.com");
    server.stop().await;
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /v1/reporting_webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..6 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    server.stop().await;
}

/// A host in memory under paused time: what a simulation uses.
#[tokio::test(start_paused = true)]
async fn a_simulation_waits_in_no_time_at_all() {
    let platform = Platform::with(Options {
        latency: Duration::from_millis(100),
        ..Options::default()
    });
    let create = |name: &str| platform.request("POST", SOURCES, &[], Some(&source(name)));
    let list = || platform.request("GET", SOURCES, &[], None);
    let control = |rule: Value| {
        Request::post("/_emulator/faults")
            .body(Bytes::from(rule.to_string()))
            .unwrap()
    };
    let (create_a, create_b) = (create("a"), create("b"));
    let list = [list(), list(), list()];
    let host = Host::new(platform.emulator, platform.now);
    let began = tokio::time::Instant::now();
    assert_eq!(host.call(create_a).await.unwrap().status(), 201);
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    assert_eq!(host.now(), platform.now + 100);

    host.call(control(
        json!([{"method": "POST", "commitLateMs": 60_000, "dropBeforeCommit": true, "times": 1}]),
    ))
    .await
    .unwrap();
    assert_eq!(host.call(create_b).await.err(), Some(NoReply));
    let count = |reply: http::Response<Bytes>| {
        serde_json::from_slice::<Value>(reply.body()).unwrap()["items"]
            .as_array()
            .unwrap()
            .len()
    };
    let [one, two, three] = list;
    assert_eq!(count(host.call(one).await.unwrap()), 1);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(count(host.call(two).await.unwrap()), 2);

    // A client that gives up does not stop the server from finishing.
    host.call(control(json!([{"method": "GET", "latencyMs": 5_000}])))
        .await
        .unwrap();
    assert!(
        tokio::time::timeout(Duration::from_secs(1), host.call(three))
            .await
            .is_err()
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    let log = host.with(|emulator| {
        let request = Request::get("/_emulator/requests")
            .body(Bytes::new())
            .unwrap();
        serde_json::from_slice::<Value>(emulator.handle(0, &request).body()).unwrap()
    });
    assert_eq!(log.as_array().unwrap().last().unwrap()["status"], 200);
}

#[test]
fn the_same_calls_give_the_same_answers() {
    let run = || {
        let mut platform = Platform::new();
        let flow = platform.flow("f");
        platform.get(&format!("{FLOWS}/{flow}")).body
    };
    assert_eq!(run(), run());
    let mut emulator = Emulator::new(Options {
        random_seed: 2,
        ..Options::default()
    });
    let other = emulator.handle(
        0,
        &Request::get("/_emulator/objects")
            .body(Bytes::new())
            .unwrap(),
    );
    assert_eq!(other.status(), 200);
}

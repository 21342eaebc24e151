//! An API server that knows one Lease, for tests: preconditions, writes that change nothing, lost replies.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

/// How a request fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Well,
    /// It is carried out after this time.
    Slow(Duration),
    /// It never arrives.
    Lost,
    /// It is carried out, and the answer is lost.
    Mute,
    /// It is carried out after this time, and the answer is lost.
    Late(Duration),
    /// It is refused with this status.
    Refused(u16),
}

#[derive(Default)]
struct Store {
    lease: Option<Value>,
    version: u64,
}

/// The server; clones share it.
#[derive(Clone, Default)]
pub(super) struct Leases(Arc<Mutex<Store>>);

/// How the requests of one client fare; clones share it.
#[derive(Clone, Default)]
pub(super) struct Link(Arc<Mutex<Mood>>);

impl Link {
    pub(super) fn set(&self, mood: Mood) {
        *self.0.lock().unwrap() = mood;
    }

    fn mood(&self) -> Mood {
        *self.0.lock().unwrap()
    }
}

impl Leases {
    /// A client of this server, and what becomes of its requests.
    pub(super) fn client(&self) -> (Client, Link) {
        let (server, link) = (self.clone(), Link::default());
        let moods = link.clone();
        let service = service_fn(move |request: Request<Body>| {
            let (server, mood) = (server.clone(), moods.mood());
            async move { Ok::<_, tower::BoxError>(server.answer(request, mood).await) }
        });
        (Client::new(service, "default"), link)
    }

    /// The spec of the lease as it stands.
    pub(super) fn spec(&self) -> Value {
        let store = self.store();
        store
            .lease
            .as_ref()
            .map_or(Value::Null, |lease| lease["spec"].clone())
    }

    /// What a person does.
    pub(super) fn delete(&self) {
        self.store().lease = None;
    }

    /// What a person does.
    pub(super) fn label(&self) {
        let mut store = self.store();
        let mut lease = store.lease.clone().unwrap();
        lease["metadata"]["labels"]["team"] = "data".into();
        store.put(lease);
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap()
    }

    async fn answer(&self, request: Request<Body>, mood: Mood) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        match mood {
            Mood::Lost => std::future::pending::<()>().await,
            Mood::Slow(time) | Mood::Late(time) => tokio::time::sleep(time).await,
            Mood::Refused(status) => return refusal(status, "Forbidden"),
            Mood::Well | Mood::Mute => {}
        }
        let answer = self.store().carry_out(&parts.method, body);
        if matches!(mood, Mood::Mute | Mood::Late(_)) {
            std::future::pending::<()>().await;
        }
        answer
    }
}

impl Store {
    fn carry_out(&mut self, method: &Method, body: Value) -> Response<Body> {
        match (method.as_str(), &self.lease) {
            ("GET" | "PUT", None) => refusal(404, "NotFound"),
            ("GET", Some(lease)) => respond(200, lease),
            ("POST", Some(_)) => refusal(409, "AlreadyExists"),
            ("POST", None) => self.put(body),
            ("PUT", Some(lease)) => {
                assert_ne!(
                    body["metadata"]["resourceVersion"],
                    Value::Null,
                    "unconditional"
                );
                if body["metadata"]["resourceVersion"] == lease["metadata"]["resourceVersion"] {
                    self.put(body)
                } else {
                    refusal(409, "Conflict")
                }
            }
            (other, _) => panic!("{other} of a lease"),
        }
    }

    fn put(&mut self, mut lease: Value) -> Response<Body> {
        if self.lease.as_ref() != Some(&lease) {
            self.version += 1;
        }
        lease["metadata"]["resourceVersion"] = self.version.to_string().into();
        let answer = respond(200, &lease);
        self.lease = Some(lease);
        answer
    }
}

fn respond(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn refusal(status: u16, reason: &str) -> Response<Body> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": status,
    });
    respond(status, &body)
}

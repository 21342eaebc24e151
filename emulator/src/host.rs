//! An emulator in time: waits out latencies, keeps or drops replies, delivers webhooks. The server puts a
//! host on a socket; a simulation calls one in memory under tokio's paused clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::control;
use crate::customer_io::{Delivery, DeliveryResult};
use crate::emulator::{Emulator, is_control};
use crate::faults::{Commit, PlannedReply};
use crate::refusal::json_reply;
use crate::time::millis;

/// Customer.io gives up on an endpoint after this long.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(4);

/// The connection was closed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoReply;

impl std::fmt::Display for NoReply {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection was closed without an answer")
    }
}

impl std::error::Error for NoReply {}

/// How webhooks are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Courier {
    Memory,
    Http,
}

/// A running emulator; clones share it.
#[derive(Debug, Clone)]
pub struct Host {
    emulator: Arc<Mutex<Emulator>>,
    courier: Courier,
    started: Instant,
    started_at: u64,
}

/// What became of a call.
enum Outcome {
    Reply(Response<Bytes>),
    Dropped,
    Hanging,
}

impl Host {
    /// A host whose clock shows `started_at` (epoch milliseconds) now and goes on with tokio's, and which
    /// delivers webhooks in memory, to its own inlets only.
    pub fn new(emulator: Emulator, started_at: u64) -> Self {
        Self {
            emulator: Arc::new(Mutex::new(emulator)),
            courier: Courier::Memory,
            started: Instant::now(),
            started_at,
        }
    }

    /// Delivers webhooks over HTTP instead, to loopback addresses only.
    #[must_use]
    pub fn over_http(self) -> Self {
        Self {
            courier: Courier::Http,
            ..self
        }
    }

    /// The host's clock, epoch milliseconds.
    pub fn now(&self) -> u64 {
        self.started_at + millis(self.started.elapsed())
    }

    /// Looks at or changes the emulator directly.
    pub fn with<R>(&self, look: impl FnOnce(&mut Emulator) -> R) -> R {
        look(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Emulator> {
        self.emulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call. It runs to its end when the caller stops waiting, as on a real server.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, NoReply> {
        let host = self.clone();
        match tokio::spawn(async move { host.run(request).await }).await {
            Ok(Outcome::Reply(reply)) => Ok(reply),
            Ok(Outcome::Hanging) => std::future::pending().await,
            Ok(Outcome::Dropped) | Err(_) => Err(NoReply),
        }
    }

    async fn run(&self, request: Request<Bytes>) -> Outcome {
        if is_control(&request)
            && request.method() == Method::POST
            && request.uri().path() == "/_emulator/events"
        {
            return Outcome::Reply(self.emit(request.body()).await);
        }
        let plan = self.lock().plan(self.now(), &request);
        wait(plan.latency).await;
        let reply = match plan.commit {
            Commit::Now => Some(self.lock().commit(self.now(), &request, &plan)),
            Commit::Late(after) if plan.reply == PlannedReply::Normal => {
                wait(after).await;
                Some(self.lock().commit(self.now(), &request, &plan))
            }
            Commit::Late(after) => {
                let at = self.now() + millis(after);
                self.lock().commit_later(at, &request);
                None
            }
            Commit::Never => None,
        };
        match (plan.reply, reply) {
            (PlannedReply::Normal, Some(reply)) => Outcome::Reply(reply),
            (PlannedReply::Error { .. }, _) => Outcome::Reply(self.lock().fail(&request, &plan)),
            (reply, _) => {
                self.lock().close_silently(&plan);
                if reply == PlannedReply::Hang {
                    Outcome::Hanging
                } else {
                    Outcome::Dropped
                }
            }
        }
    }

    /// Delivers events to the webhooks that ask for them, one after the other, and says what came of it.
    async fn emit(&self, body: &Bytes) -> Response<Bytes> {
        let events = match control::events(body) {
            Ok(events) => events,
            Err(refusal) => return refusal.render(""),
        };
        let deliveries = self.lock().deliveries(self.now(), &events);
        let mut reports = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let attempt = tokio::time::timeout(DELIVERY_TIMEOUT, self.deliver(&delivery));
            let result = attempt
                .await
                .unwrap_or_else(|_| DeliveryResult::Failed("no answer within 4 s".to_owned()));
            self.lock().delivered(&delivery, &result);
            reports.push(delivery.report(&result));
        }
        json_reply(200, &Value::Array(reports))
    }

    async fn deliver(&self, delivery: &Delivery) -> DeliveryResult {
        let request = match delivery.request() {
            Ok(request) => request,
            Err(reason) => return DeliveryResult::Failed(reason),
        };
        let outcome = match self.courier {
            Courier::Http => post(request).await,
            Courier::Memory => match Box::pin(self.run(request)).await {
                Outcome::Reply(reply) => Ok(reply.status().as_u16()),
                Outcome::Dropped => Err(NoReply.to_string()),
                Outcome::Hanging => std::future::pending().await,
            },
        };
        match outcome {
            Ok(status) => DeliveryResult::Answered(status),
            Err(reason) => DeliveryResult::Failed(reason),
        }
    }
}

async fn wait(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// Posts to a loopback address; anything else is refused, so that no emulator ever calls out.
async fn post(request: Request<Bytes>) -> Result<u16, String> {
    let uri = request.uri().clone();
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let local = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if uri.scheme_str() != Some("http") || !local {
        return Err("refused: the endpoint is not a plain HTTP address on loopback".to_owned());
    }
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80)))
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    parts.headers.insert(
        "host",
        authority.parse().map_err(|_| "bad host".to_owned())?,
    );
    parts.uri = uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
        .parse()
        .map_err(|_| "bad path".to_owned())?;
    let reply = sender
        .send_request(Request::from_parts(parts, Full::new(body)))
        .await
        .map_err(|error| error.to_string())?;
    let status = reply.status().as_u16();
    // The answer's body is of no interest, but an endless one must not keep the connection.
    drop(Limited::new(reply.into_body(), 1 << 20).collect().await);
    connection.abort();
    Ok(status)
}

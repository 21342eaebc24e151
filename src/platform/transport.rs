//! One HTTP exchange: the only place that sets headers, bounds time, and reads answers.
//!
//! Nothing is ever repeated here, with one exception: a request whose token was refused is sent once more with a
//! new one. The refusal comes before the service, so that is right for a POST too.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use url::Url;

use super::auth::{Token, Tokens};
use super::classify::{classify_redacted, is_read, token_refused};
use super::endpoints::{Credentials, Endpoints, Fingerprint};
use super::error::{ApiError, Class, one_line};
use super::http_client::NeverSent;

/// Anything that carries out HTTP requests. A failure counts as "perhaps carried out" unless its source chain
/// holds a [`NeverSent`]. Must neither repeat requests nor follow redirects.
pub type HttpService = BoxCloneSyncService<Request<Bytes>, http::Response<Bytes>, tower::BoxError>;

/// Told of every exchange, token requests included. Must return quickly.
pub type Observer = Arc<dyn Fn(CallRecord) + Send + Sync>;

/// One exchange, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRecord {
    /// The call: a fixed word.
    pub operation: &'static str,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// `success`, or [`Class::label`] of the failure.
    pub class: &'static str,
    /// From sending to the whole answer.
    pub elapsed: Duration,
}

/// How calls are made.
#[derive(Clone)]
pub struct Options {
    /// The longest one exchange may take, the whole answer included. 30 s.
    pub request_timeout: Duration,
    /// The most pages one listing may have before it counts as broken. 1000.
    pub page_bound: usize,
    /// Told of every exchange.
    pub observer: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            page_bound: 1000,
            observer: None,
        }
    }
}

/// The platform: one per process, cheap to clone.
#[derive(Clone)]
pub struct Platform {
    inner: Arc<Inner>,
}

struct Inner {
    wire: Wire,
    tokens: Tokens,
}

/// The way to the services, before any credential.
pub(super) struct Wire {
    service: HttpService,
    pub(super) endpoints: Endpoints,
    options: Options,
}

impl Platform {
    /// Makes no call.
    pub fn new(service: HttpService, endpoints: Endpoints, options: Options) -> Self {
        let wire = Wire {
            service,
            endpoints,
            options,
        };
        Self {
            inner: Arc::new(Inner {
                wire,
                tokens: Tokens::default(),
            }),
        }
    }

    /// The platform as one credential sees one sandbox. Makes no call.
    pub fn sandbox(&self, credentials: Arc<Credentials>, sandbox: &str) -> Sandbox {
        Sandbox {
            platform: self.clone(),
            credentials,
            name: sandbox.into(),
        }
    }

    /// Makes sure there is a token for these credentials; asks for one only if none is known.
    ///
    /// # Errors
    /// [`Class::Credentials`] when they are refused; else as the token service fares.
    pub async fn authenticate(&self, credentials: &Arc<Credentials>) -> Result<(), ApiError> {
        self.inner
            .tokens
            .get(&self.inner.wire, credentials)
            .await
            .map(drop)
    }

    /// Drops the token of a credential, so that the next call asks for a new one.
    pub fn forget(&self, fingerprint: &Fingerprint) {
        self.inner.tokens.forget(fingerprint);
    }
}

/// One sandbox as one credential sees it: all typed calls are methods of this. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    platform: Platform,
    credentials: Arc<Credentials>,
    name: Arc<str>,
}

impl Sandbox {
    /// The sandbox's name, as sent in `x-sandbox-name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who asks.
    pub const fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    pub(super) fn page_bound(&self) -> usize {
        self.platform.inner.wire.options.page_bound
    }

    /// Sends, and reads a JSON answer.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, ApiError> {
        let (operation, method) = (call.operation, call.method.clone());
        let reply = self.send(call).await?;
        reply.json(operation, &method)
    }

    /// Sends, with a token renewed once if it is refused.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, ApiError> {
        let Inner { wire, tokens } = &*self.platform.inner;
        let token = tokens.get(wire, &self.credentials).await?;
        match self.attempt(wire, &call, &token).await {
            Err(refusal) if token_refused(&refusal) => {
                let token = tokens
                    .renew(wire, &self.credentials, token.generation)
                    .await?;
                self.attempt(wire, &call, &token).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(&self, wire: &Wire, call: &Call, token: &Token) -> Result<Reply, ApiError> {
        let request = self.request(wire, call, token)?;
        let secrets = [
            token.secret.expose_secret(),
            self.credentials.client_secret.expose_secret(),
        ];
        wire.exchange(call.operation, request, |status, headers, body| {
            classify_redacted(
                call.operation,
                &call.method,
                status,
                headers,
                body,
                &secrets,
            )
        })
        .await
    }

    fn request(&self, wire: &Wire, call: &Call, token: &Token) -> Result<Request<Bytes>, ApiError> {
        let value = |what: &str, text: &str, class| {
            HeaderValue::from_str(text)
                .ok()
                .filter(|v| !v.is_empty())
                .ok_or_else(|| {
                    ApiError::local(
                        call.operation,
                        class,
                        format!("{what} is empty or cannot be sent in a header"),
                    )
                })
        };
        let mut bearer = value(
            "the access token",
            &format!("Bearer {}", token.secret.expose_secret()),
            Class::Unexpected,
        )?;
        bearer.set_sensitive(true);
        let mut request = Request::new(call.body.clone().unwrap_or_default());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = address(
            call.operation,
            wire.endpoints.platform(),
            call.path.as_deref().map_err(Clone::clone)?,
        )?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(
            HeaderName::from_static("x-api-key"),
            value(
                "the client id",
                &self.credentials.client_id,
                Class::Credentials,
            )?,
        );
        headers.insert(
            HeaderName::from_static("x-gw-ims-org-id"),
            value(
                "the organization id",
                &self.credentials.organization_id,
                Class::Credentials,
            )?,
        );
        headers.insert(
            HeaderName::from_static("x-sandbox-name"),
            value("the sandbox name", &self.name, Class::SandboxNotFound)?,
        );
        headers.insert(
            header::ACCEPT,
            value("the accepted type", &call.accept, Class::Unexpected)?,
        );
        if call.body.is_some() {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        }
        if let Some(etag) = &call.if_match {
            // An etag nobody can send is as good as an old one.
            headers.insert(header::IF_MATCH, value("the etag", etag, Class::Stale)?);
        }
        Ok(request)
    }
}

impl Wire {
    /// One exchange. `refusal` reads an answer that is no success.
    pub(super) async fn exchange(
        &self,
        operation: &'static str,
        request: Request<Bytes>,
        refusal: impl FnOnce(StatusCode, &HeaderMap, &[u8]) -> ApiError,
    ) -> Result<Reply, ApiError> {
        let read_only = is_read(request.method());
        let started = Instant::now();
        let answer = tokio::time::timeout(
            self.options.request_timeout,
            self.service.clone().oneshot(request),
        )
        .await;
        let unanswered = |detail: String, sent: bool| ApiError {
            outcome_unknown: sent && !read_only,
            ..ApiError::local(operation, Class::Unavailable { retry_after: None }, detail)
        };
        let result = match answer {
            Err(_) => Err(unanswered(
                format!("no answer within {:?}", self.options.request_timeout),
                true,
            )),
            Ok(Err(error)) => {
                let sent = !NeverSent::is_in(error.as_ref());
                Err(unanswered(chain(error.as_ref()), sent))
            }
            Ok(Ok(response)) => {
                let (parts, body) = response.into_parts();
                if parts.status.is_success() {
                    Ok(Reply {
                        status: parts.status,
                        headers: parts.headers,
                        body,
                    })
                } else {
                    Err(refusal(parts.status, &parts.headers, &body))
                }
            }
        };
        self.note(operation, started.elapsed(), &result);
        result
    }

    /// The one trace of a call: no header, body, address or token in it.
    fn note(&self, operation: &'static str, elapsed: Duration, result: &Result<Reply, ApiError>) {
        let (status, class, request_id) = match result {
            Ok(reply) => (Some(reply.status.as_u16()), "success", reply.request_id()),
            Err(error) => (error.status, error.class.label(), error.request_id.clone()),
        };
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            operation,
            status,
            class,
            milliseconds,
            request_id,
            "platform call"
        );
        if let Some(observer) = &self.options.observer {
            observer(CallRecord {
                operation,
                status,
                class,
                elapsed,
            });
        }
    }
}

/// An error and its causes on one line. Causes often repeat each other: each is said once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// A success.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn request_id(&self) -> Option<String> {
        Some(one_line(
            self.headers.get("x-request-id")?.to_str().ok()?,
            128,
        ))
    }

    /// A success we cannot read is [`Class::Unexpected`], and what it did is unknown.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        method: &Method,
    ) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Where it broke, but not the text around it: a body may hold an inlet's address.
            let detail = format!(
                "the answer cannot be read ({:?} at line {}, column {})",
                error.classify(),
                error.line(),
                error.column()
            );
            self.unreadable(operation, method, detail)
        })
    }

    pub(super) fn unreadable(
        &self,
        operation: &'static str,
        method: &Method,
        detail: impl std::fmt::Display,
    ) -> ApiError {
        ApiError {
            status: Some(self.status.as_u16()),
            request_id: self.request_id(),
            outcome_unknown: !is_read(method),
            ..ApiError::local(operation, Class::Unexpected, detail)
        }
    }
}

/// A request to one of the services, before headers and host.
pub(super) struct Call {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Path and query, encoded; or why there is none.
    path: Result<String, ApiError>,
    accept: String,
    if_match: Option<String>,
    body: Option<Bytes>,
}

impl Call {
    /// `base` is a service's fixed path; `segments` are appended to it, each encoded as one path segment.
    pub(super) fn new(
        operation: &'static str,
        method: Method,
        base: &str,
        segments: &[&str],
    ) -> Self {
        let mut path = Ok(base.to_owned());
        for segment in segments {
            // A blank or dotted id would name the collection, or another one.
            if matches!(segment.trim(), "" | "." | "..") {
                path = Err(ApiError::local(
                    operation,
                    Class::Rejected,
                    format!("{segment:?} cannot be the id of an object"),
                ));
                break;
            }
            if let Ok(path) = &mut path {
                path.push('/');
                path.push_str(&encode(segment));
            }
        }
        Self {
            operation,
            method,
            path,
            accept: "application/json".into(),
            if_match: None,
            body: None,
        }
    }

    /// Appends a query that is encoded already.
    pub(super) fn query(mut self, query: &str) -> Self {
        if let Ok(path) = &mut self.path
            && !query.is_empty()
        {
            path.push('?');
            path.push_str(query);
        }
        self
    }

    pub(super) fn accept(mut self, media_type: String) -> Self {
        self.accept = media_type;
        self
    }

    pub(super) fn if_match(mut self, etag: &str) -> Self {
        self.if_match = Some(etag.to_owned());
        self
    }

    pub(super) fn body<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body = Some(bytes.into()),
            Err(error) => {
                self.path = Err(ApiError::local(
                    self.operation,
                    Class::Unexpected,
                    format!("the request cannot be written: {error}"),
                ));
            }
        }
        self
    }
}

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes a path segment or a query value.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A base address with an encoded path and query behind it.
pub(super) fn address(operation: &'static str, base: &Url, path: &str) -> Result<Uri, ApiError> {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
        .parse()
        .map_err(|error| {
            ApiError::local(
                operation,
                Class::Rejected,
                format!("no address can be made of this: {error}"),
            )
        })
}

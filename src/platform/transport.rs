//! One HTTP exchange: bounded in time, read, told of, never repeated.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, debug, error_span};

use super::budget::BudgetObserver;
use super::classify::is_read;
use super::endpoints::Endpoints;
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
    /// Told of what the budgets of calls do.
    pub budget_observer: Option<BudgetObserver>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            page_bound: 1000,
            observer: None,
            budget_observer: None,
        }
    }
}

/// The way to the services, before any credential; `E` says where they are.
pub(crate) struct Wire<E = Endpoints> {
    pub(crate) service: HttpService,
    pub(crate) endpoints: E,
    pub(crate) options: Options,
}

impl<E> Wire<E> {
    /// One exchange. `refusal` reads an answer that is no success.
    pub(crate) async fn exchange(
        &self,
        operation: &'static str,
        request: Request<Bytes>,
        refusal: impl FnOnce(StatusCode, &HeaderMap, &[u8]) -> ApiError,
    ) -> Result<Reply, ApiError> {
        // An error span, so that the lines within name their request whatever the log filter lets through.
        let span = error_span!(
            "call",
            operation,
            status = Empty,
            class = Empty,
            request_id = Empty
        );
        self.bounded(operation, request, refusal)
            .instrument(span)
            .await
    }

    async fn bounded(
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
        let span = Span::current();
        span.record("status", status);
        span.record("class", class);
        span.record("request_id", request_id.as_deref());
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        debug!(milliseconds, "platform call");
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
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn request_id(&self) -> Option<String> {
        Some(one_line(
            self.headers.get("x-request-id")?.to_str().ok()?,
            128,
        ))
    }

    /// A success we cannot read is [`Class::Unexpected`], and what it did is unknown.
    pub(crate) fn json<T: DeserializeOwned>(
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

    pub(crate) fn unreadable(
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

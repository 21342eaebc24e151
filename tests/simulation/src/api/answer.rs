//! Answers as the API server words them.

use bytes::Bytes;
use futures::channel::mpsc::UnboundedReceiver;
use http::Response;
use serde_json::{Value, json};

use super::kinds::Kind;

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer {
    /// All of it at once.
    Whole(Response<Bytes>),
    /// A watch: one line an event, until the sender is gone.
    Watch(UnboundedReceiver<Bytes>),
}

/// A refusal: a `Status` object.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
        }
    }

    /// A refusal about one object.
    pub(crate) fn about(
        code: u16,
        reason: &'static str,
        kind: &Kind,
        name: &str,
        what: &str,
    ) -> Self {
        let message = match reason {
            "NotFound" | "AlreadyExists" => format!("{} \"{name}\" {what}", kind.resource()),
            "Conflict" => format!(
                "Operation cannot be fulfilled on {} \"{name}\": {what}",
                kind.resource()
            ),
            "Invalid" => format!("{}.{} \"{name}\" is invalid: {what}", kind.kind, kind.group),
            _ => what.to_owned(),
        };
        let mut details = json!({"name": name, "kind": kind.plural});
        if !kind.group.is_empty() {
            details["group"] = json!(kind.group);
        }
        Self {
            details,
            ..Self::new(code, reason, message)
        }
    }

    /// The same, where the server names the kind instead of the resource.
    pub(crate) fn by_kind(mut self, kind: &Kind) -> Self {
        self.details["kind"] = json!(kind.kind);
        self
    }

    pub(crate) fn missing(kind: &Kind, name: &str) -> Self {
        Self::about(404, "NotFound", kind, name, "not found")
    }

    pub(crate) fn moved(kind: &Kind, name: &str) -> Self {
        let what = "the object has been modified; please apply your changes to the latest version and try again";
        Self::about(409, "Conflict", kind, name, what)
    }

    pub(crate) fn expired() -> Self {
        let message = "The resourceVersion for the provided watch or list is too old.";
        Self::new(410, "Expired", message)
    }

    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if self.reason != "Unknown" {
            status["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

/// A JSON answer.
pub fn json_answer(code: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

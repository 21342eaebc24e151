//! Every way of saying no, in the shape of the service that says it. Services return a `Refusal`; the
//! emulator renders it once, with a request id.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

/// An answer.
pub(crate) type Reply = Response<Bytes>;
/// What a service returns.
pub(crate) type Answer = Result<Reply, Refusal>;

/// An error answer before it is rendered.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The gateway, before any service: status, code, message.
    Gateway(u16, &'static str, &'static str),
    /// A malformed call, caught before the service looks at it.
    BadRequest(String),
    /// No such route.
    NoRoute(u16),
    /// Flow Service.
    Flow(Box<FlowError>),
    /// Schema Registry: code, title, detail.
    Registry(&'static str, &'static str, String),
    /// Data Prep: status, message. Assumed: the shape is not documented.
    DataPrep(u16, String),
    /// Catalog: status, title, detail. Assumed: the shape is not documented.
    Catalog(u16, &'static str, String),
    /// Inlet: status, title, cause.
    Inlet(u16, &'static str, String),
    /// Customer.io's App API: status, detail.
    CustomerIo(u16, String),
    /// IMS: status, error, description. Assumed to follow RFC 6749.
    Ims(u16, &'static str, &'static str),
    /// The control interface.
    Control(u16, String),
}

/// A Flow Service error.
#[derive(Debug)]
pub(crate) struct FlowError {
    pub(crate) prefix: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) id: Option<String>,
    pub(crate) kind: Option<&'static str>,
}

/// A Flow Service error without an object.
pub(crate) fn flow(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Flow(Box::new(FlowError {
        prefix: "FLOW",
        code,
        message: message.into(),
        id: None,
        kind: None,
    }))
}

/// A Flow Service error about one object.
pub(crate) fn flow_about(
    code: &'static str,
    message: impl Into<String>,
    id: &str,
    kind: &'static str,
) -> Refusal {
    let (id, kind) = (Some(id.to_owned()), Some(kind));
    Refusal::Flow(Box::new(FlowError {
        prefix: "FLOW",
        code,
        message: message.into(),
        id,
        kind,
    }))
}

/// A Flow Service error about one object whose kind it does not name.
pub(crate) fn flow_on(code: &'static str, message: impl Into<String>, id: &str) -> Refusal {
    let mut refusal = flow(code, message);
    if let Refusal::Flow(error) = &mut refusal {
        error.id = Some(id.to_owned());
    }
    refusal
}

/// A Flow Service error that a provider raised.
pub(crate) fn connector(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Flow(Box::new(FlowError {
        prefix: "CONNECTOR",
        code,
        message: message.into(),
        id: None,
        kind: None,
    }))
}

/// Titles as the public error catalogue has them.
fn flow_title(code: &str) -> &'static str {
    match code {
        "1403-400" | "2105-400" => "Header is missing",
        "1404-412" => "Version not matching",
        "2100-404" => "Sandbox not found",
        "2118-403" => "Missing permission",
        _ => match code.rsplit('-').next() {
            Some("404") => "Resource not found",
            Some("403") => "Forbidden",
            Some("500") => "Internal Error",
            Some("503") => "Service Unavailable",
            Some("504") => "Gateway Timeout",
            _ => "Invalid request",
        },
    }
}

/// The HTTP status that the last three digits of a code name.
fn status_of(code: &str) -> u16 {
    code.rsplit('-')
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(400)
}

impl Refusal {
    /// The answer on the wire.
    pub(crate) fn render(self, request_id: &str) -> Reply {
        match self {
            Self::Gateway(status, code, message) => {
                json_reply(status, &json!({"error_code": code, "message": message}))
            }
            Self::BadRequest(detail) => json_reply(
                400,
                &json!({"type": "/placeholder/type/uri", "status": 400, "title": "BadRequestError", "detail": detail}),
            ),
            Self::NoRoute(status) => json_reply(
                status,
                &json!({"type": "/placeholder/type/uri", "status": status,
                    "title": if status == 405 { "MethodNotAllowedError" } else { "NotFoundError" },
                    "detail": "No resource at this path takes this method"}),
            ),
            Self::Flow(error) => error.render(request_id),
            Self::Registry(code, title, detail) => json_reply(
                status_of(code),
                &json!({
                    "type": format!("http://ns.adobe.com/aep/errors/{code}"), "title": title, "status": status_of(code),
                    "report": {"registryRequestId": request_id, "timestamp": "01-01-2026 00:00:00",
                        "detailed-message": detail, "sub-errors": []},
                    "detail": detail
                }),
            ),
            Self::DataPrep(status, message) => json_reply(status, &json!({"message": message})),
            Self::Catalog(status, title, detail) => json_reply(
                status,
                &json!({"type": format!("/catalog/{title}"), "title": title, "status": status, "detail": detail}),
            ),
            // The authorization problem has its status as a text.
            Self::Inlet(401, ..) => json_reply(
                401,
                &json!({
                    "type": "https://ns.adobe.com/adobecloud/problem/data-collection-service-authorization",
                    "status": "401", "title": "Authorization", "report": {"message": "Authorization is required"}
                }),
            ),
            Self::Inlet(status, title, cause) => json_reply(
                status,
                &json!({
                    "type": "http://ns.adobe.com/adobecloud/problem/data-collection-service/inlet",
                    "status": status, "title": title,
                    "report": {"message": "inlet message failed validation", "cause": {"_streamingValidation": [{
                        "schemaLocation": "#", "pointerToViolation": "#", "causingExceptions": [],
                        "keyword": "required", "message": cause}]}}
                }),
            ),
            Self::CustomerIo(status, detail) => json_reply(
                status,
                &json!({"errors": [{"detail": detail, "status": status.to_string()}]}),
            ),
            Self::Ims(status, error, description) => json_reply(
                status,
                &json!({"error": error, "error_description": description}),
            ),
            Self::Control(status, message) => json_reply(status, &json!({"error": message})),
        }
    }
}

impl FlowError {
    fn render(&self, request_id: &str) -> Reply {
        let mut report = json!({"detailed-message": self.message, "request-id": request_id});
        if let Some(id) = &self.id {
            report["id"] = json!(id);
        }
        if let Some(kind) = self.kind {
            report["type"] = json!(kind);
        }
        json_reply(
            status_of(self.code),
            &json!({
                "type": format!("https://ns.adobe.com/aep/errors/{}-{}", self.prefix, self.code),
                "title": flow_title(self.code), "status": status_of(self.code), "report": report,
                "errorMessage": self.message, "errorDetails": self.message
            }),
        )
    }
}

/// A JSON answer.
pub(crate) fn json_reply(status: u16, body: &impl Serialize) -> Reply {
    // Plain data with text keys: writing it cannot fail.
    let mut reply = Response::new(Bytes::from(serde_json::to_vec(body).unwrap_or_default()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(
        "content-type",
        http::HeaderValue::from_static("application/json"),
    );
    reply
}

/// An answer without a body.
pub(crate) fn empty_reply(status: u16) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
}

/// The page that a proxy puts in front of a service that is down.
pub(crate) fn html_reply(status: u16) -> Reply {
    let page = format!(
        "<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>proxy</body></html>"
    );
    let mut reply = Response::new(Bytes::from(page));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("text/html"));
    reply
}

/// Adds a header, if its value can be one.
pub(crate) fn with_header(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    if let Ok(value) = http::HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
    reply
}

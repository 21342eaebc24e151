//! From an answer to an [`ApiError`]: pure, so that every documented code is one line of a table test.
//!
//! The HTTP status decides first, the code second, the words never. Facts: Adobe's "Experience Platform FAQ and
//! troubleshooting guide" (gateway codes), "Flow Service error messages" and "Sources error messages".

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use super::error::{ApiError, Class, DETAIL_CHARS, one_line};
use super::redact::redact;

/// The longest wait we take from a `Retry-After`: a wrong header must not park an operator for a year.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// The longest request id and code kept.
const WORD_CHARS: usize = 128;

/// Reads the refusal of a platform service or of the gateway before it.
pub fn classify(
    operation: &'static str,
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> ApiError {
    classify_redacted(operation, method, status, headers, body, &[])
}

/// How an API says no.
pub(crate) struct Dialect {
    /// What a JSON object says.
    pub(crate) words: fn(&Value) -> Said,
    /// What it means.
    pub(crate) class: fn(StatusCode, &Said, Option<Duration>) -> Class,
}

/// Adobe's.
const ADOBE: Dialect = Dialect {
    words: Said::from_json,
    class: class_of,
};

/// [`classify`], with every occurrence of `secrets` taken out of the words before they are cut.
pub(super) fn classify_redacted(
    operation: &'static str,
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[&str],
) -> ApiError {
    ADOBE.classify(operation, method, status, headers, body, secrets)
}

impl Dialect {
    /// Reads a refusal, with every occurrence of `secrets` taken out of the words before they are cut.
    pub(crate) fn classify(
        &self,
        operation: &'static str,
        method: &Method,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[&str],
    ) -> ApiError {
        let said = Said::read(headers, body, secrets, self.words);
        let class = (self.class)(status, &said, retry_after(headers));
        ApiError {
            operation,
            class,
            status: Some(status.as_u16()),
            code: said.code,
            detail: said.detail.unwrap_or_else(|| {
                status
                    .canonical_reason()
                    .unwrap_or("no explanation given")
                    .to_owned()
            }),
            request_id: said.request_id,
            outcome_unknown: !is_read(method) && !is_definite_refusal(status),
        }
    }
}

/// Reads do nothing, so there is no outcome to be unsure about.
pub(super) fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// A 4xx says that nothing was done; a 408 comes from whatever stands between when it lost patience.
fn is_definite_refusal(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT
}

/// Says whether the access token was refused before the request reached a service, so that a new token and
/// one repetition, of a POST too, is right.
pub(super) fn token_refused(error: &ApiError) -> bool {
    let numbers = error.code.as_deref().map(CodeNumber::of);
    match error.status {
        Some(401) => true,
        // Documented as 401013; accepted with the status the gateway is known to mix up.
        Some(403) => error
            .code
            .as_deref()
            .is_some_and(|code| is_gateway_code(code) && code.starts_with("401")),
        Some(400) => matches!(numbers, Some(CodeNumber(Some(2114 | 2115)))),
        _ => false,
    }
}

/// The number of a Flow Service error: 1100 in `FLOW-1100-400`.
pub(super) fn flow_number(error: &ApiError) -> Option<u32> {
    CodeNumber::of(error.code.as_deref()?).0
}

fn class_of(status: StatusCode, said: &Said, retry_after: Option<Duration>) -> Class {
    let code = said.code.as_deref().unwrap_or_default();
    let CodeNumber(number) = CodeNumber::of(code);
    match status.as_u16() {
        401 => match number {
            // The token is good, the organization is not its own.
            Some(2000) => Class::Permission,
            // A header of ours did not arrive.
            Some(2001 | 2002) => Class::Unexpected,
            _ => Class::Credentials,
        },
        403 => match code {
            "403000" | "403003" => Class::Credentials,
            "403010" => Class::Unexpected,
            _ if is_gateway_code(code) && code.starts_with("401") => Class::Credentials,
            _ => Class::Permission,
        },
        404 => match number {
            Some(2100 | 2101 | 2103) => Class::SandboxNotFound,
            // A page, or the gateway's "no such route", is not the service's word that an object is gone;
            // a deletion would otherwise end on the answer of a wrong host.
            _ if said.is_page || is_gateway_code(code) => Class::Unexpected,
            _ => Class::NotFound,
        },
        408 | 500..=599 => Class::Unavailable { retry_after },
        412 | 428 => Class::Stale,
        423 => Class::Busy,
        429 => Class::Throttled { retry_after },
        400..=499 if code == "400003" => Class::Credentials,
        400..=499 => class_of_refusal(number),
        _ => Class::Unexpected,
    }
}

/// The codes that come with a plain 400 (or with some other 4xx than documented).
fn class_of_refusal(number: Option<u32>) -> Class {
    match number {
        Some(2114 | 2115) => Class::Credentials,
        Some(1100 | 2111 | 2118 | 2120 | 2121) => Class::Permission,
        Some(2100 | 2101 | 2103) => Class::SandboxNotFound,
        Some(1430 | 1439) => Class::NotFound,
        Some(1403 | 1404 | 1455) => Class::Stale,
        Some(1416 | 1417 | 1418 | 1420 | 1421 | 1422 | 1444 | 1447 | 1456 | 1457 | 1458) => {
            Class::Busy
        }
        // A header of ours did not arrive, or arrived where it must not.
        Some(2001 | 2002 | 2105 | 2110) => Class::Unexpected,
        _ => Class::Rejected,
    }
}

/// The number in a Flow Service code; `None` for any other service's, whose numbers mean other things.
struct CodeNumber(Option<u32>);

impl CodeNumber {
    /// `FLOW-1439-404`, `CONNECTOR-1332-400` and, as in Adobe's tables, the bare `1439-404`.
    fn of(code: &str) -> Self {
        let parts: Vec<&str> = code.split('-').collect();
        Self(match parts.as_slice() {
            ["FLOW" | "CONNECTOR", number, _] | [number, _] => number.parse().ok(),
            _ => None,
        })
    }
}

/// `403025`: three digits of status and three more, from the gateway before the services.
fn is_gateway_code(code: &str) -> bool {
    code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())
}

/// What an answer says about itself, whichever of the platform's body shapes it has.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) code: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The body is markup: not the words of any service of the platform.
    pub(crate) is_page: bool,
}

impl Said {
    fn read(headers: &HeaderMap, body: &[u8], secrets: &[&str], words: fn(&Value) -> Self) -> Self {
        let mut said = match serde_json::from_slice::<Value>(body) {
            Ok(json @ Value::Object(_)) => words(&json),
            _ => Self::from_text(&String::from_utf8_lossy(body)),
        };
        let clean = |text: String, max| {
            Some(one_line(&redact(text, secrets), max)).filter(|t| !t.is_empty())
        };
        said.detail = said.detail.and_then(|t| clean(t, DETAIL_CHARS));
        said.code = said.code.and_then(|t| clean(t, WORD_CHARS));
        said.request_id = said
            .request_id
            .or_else(|| Some(headers.get("x-request-id")?.to_str().ok()?.to_owned()))
            .and_then(|t| clean(t, WORD_CHARS));
        said
    }

    fn from_json(json: &Value) -> Self {
        let text = |pointer: &str| match json.pointer(pointer) {
            Some(Value::String(s)) if !s.trim().is_empty() => Some(s.clone()),
            Some(Value::Number(n)) => Some(n.to_string()),
            _ => None,
        };
        let first = |pointers: &[&str]| pointers.iter().find_map(|p| text(p));
        Self {
            code: text("/error_code")
                .or_else(|| code_in_type(&text("/type")?))
                // A service's own bare code, e.g. Catalog's.
                .or_else(|| text("/code")),
            detail: first(&[
                "/report/detailed-message",
                "/errorMessage",
                "/detail",
                "/message",
                "/error_description",
                "/description",
                "/title",
                "/error",
            ])
            .map(|words| with_reasons(words, json))
            .or_else(|| Some(json.to_string())),
            request_id: first(&[
                "/report/request-id",
                "/report/registryRequestId",
                "/request-id",
                "/requestId",
            ]),
            is_page: false,
        }
    }

    fn from_text(text: &str) -> Self {
        let is_page = text.trim_start().starts_with('<');
        let detail = if is_page {
            let title = title_of(text).map_or_else(String::new, |t| format!(" \"{}\"", t.trim()));
            format!("a page instead of an answer{title}; does a proxy stand between?")
        } else {
            text.to_owned()
        };
        Self {
            detail: Some(detail),
            is_page,
            ..Self::default()
        }
    }
}

/// The words with the reasons below them: the Schema Registry may say in a list why a change breaks a schema.
/// What is in that list is not documented, only that there is one: texts and objects with words are taken.
fn with_reasons(mut words: String, json: &Value) -> String {
    let reasons = json.pointer("/report/sub-errors").and_then(Value::as_array);
    for reason in reasons.into_iter().flatten() {
        let said = |name: &str| reason.get(name).and_then(Value::as_str);
        let text = reason.as_str().or_else(|| {
            ["detailed-message", "message", "detail", "title"]
                .into_iter()
                .find_map(said)
        });
        if let Some(text) = text.filter(|text| !words.contains(text)) {
            words.push_str("; ");
            words.push_str(text);
        }
    }
    words
}

/// The code is the last segment of the error type's URL: `https://ns.adobe.com/aep/errors/FLOW-1439-404`.
fn code_in_type(kind: &str) -> Option<String> {
    let last = kind.rsplit('/').next()?;
    let (_, status) = last.rsplit_once('-')?;
    (status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit())).then(|| last.to_owned())
}

fn title_of(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    page.get(start..end)
}

/// `Retry-After` in seconds, or as a date. A date is measured against the answer's own `Date`, so neither our
/// clock nor its error matters; without one it is ignored.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: header::HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(header::RETRY_AFTER)?;
    let wait = if let Ok(seconds) = asked.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let instant = |date: &str| {
            k8s_openapi::jiff::fmt::rfc2822::parse(date)
                .ok()
                .map(|z| z.timestamp())
        };
        let wait = instant(asked)?.duration_since(instant(text(header::DATE)?)?);
        // Negative when the moment has passed: no wait.
        Duration::try_from(wait).unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Reads a refusal of the Identity Management Service, Adobe's token endpoint. Its error bodies are not
/// documented; those of RFC 6749 section 5.2 are expected, anything else is told by its status.
pub(super) fn classify_ims(
    operation: &'static str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[&str],
) -> ApiError {
    let mut error = classify_redacted(operation, &Method::GET, status, headers, body, secrets);
    let oauth = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|json| Some(json.get("error")?.as_str()?.to_owned()))
        .map(|text| one_line(&redact(text, secrets), WORD_CHARS));
    error.class = match (status.as_u16(), &oauth) {
        (400 | 401, _) | (403, Some(_)) => Class::Credentials,
        (408 | 429 | 500..=599, _) => error.class,
        // No word of the token service: a wrong host, or something in between.
        _ => Class::Unexpected,
    };
    error.code = oauth.or(error.code);
    error
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;

//! What the App API's refusals mean.
//!
//! Its documented envelope is `{"errors":[{"detail","status","code"?,"source":{"pointer"}?}]}`; older answers have
//! `{"meta":{"error"}}`. The HTTP status decides, the words never.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use crate::platform::parts::{Dialect, Said, one_line};
use crate::platform::{ApiError, Class, DETAIL_CHARS};

const APP_API: Dialect = Dialect { words, class };

/// Reads a refusal, with every occurrence of `secrets` taken out of its words.
pub(super) fn classify(
    operation: &'static str,
    method: &Method,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[&str],
) -> ApiError {
    let mut error = APP_API.classify(operation, method, status, headers, body, secrets);
    let ours = match error.class {
        Class::Credentials => {
            "the App API key is refused: wrong, revoked, or a key of the other region"
        }
        Class::Permission => "the App API key may lack access to reporting webhooks",
        _ => return error,
    };
    error.detail = one_line(&format!("{ours} ({})", error.detail), DETAIL_CHARS);
    error
}

fn class(status: StatusCode, said: &Said, retry_after: Option<Duration>) -> Class {
    match status.as_u16() {
        408 | 500..=599 => Class::Unavailable { retry_after },
        // Without a `Retry-After` for daily quotas, and in answers of a month before it was documented.
        429 => Class::Throttled { retry_after },
        // Some proxy's page; a deletion must not end on its 404.
        400..=499 if said.is_page => Class::Unexpected,
        401 => Class::Credentials,
        403 => Class::Permission,
        404 => Class::NotFound,
        // No such call: a wrong host or prefix.
        405 => Class::Unexpected,
        400..=499 => Class::Rejected,
        _ => Class::Unexpected,
    }
}

fn words(json: &Value) -> Said {
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let errors = json["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let details: Vec<String> = errors
        .iter()
        .filter_map(|error| {
            let detail = text(error.get("detail").or(Some(error)))?;
            Some(match text(error.pointer("/source/pointer")) {
                Some(place) => format!("{detail} (at {place})"),
                None => detail,
            })
        })
        .collect();
    Said {
        code: errors.iter().find_map(|error| text(error.get("code"))),
        detail: Some(details.join("; "))
            .filter(|details| !details.is_empty())
            .or_else(|| text(json.pointer("/meta/error")))
            .or_else(|| Some(json.to_string())),
        ..Said::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &Method, status: u16, retry_after: Option<&str>, body: &str) -> ApiError {
        let status = StatusCode::from_u16(status).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(seconds) = retry_after {
            headers.insert("retry-after", seconds.parse().unwrap());
        }
        classify("op", method, status, &headers, body.as_bytes(), &["s3cret"])
    }

    const LIMITED: &str = r#"{"errors":[{"detail":"rate limited to 10 requests per 1s (reference abc)","status":"429"}]}"#;

    #[test]
    fn the_status_decides_what_the_caller_does_next() {
        let refused = r#"{"errors":[{"detail":"no","status":"400"}]}"#;
        let unavailable = Class::Unavailable { retry_after: None };
        for (status, class) in [
            (400, Class::Rejected),
            (401, Class::Credentials),
            (402, Class::Rejected),
            (403, Class::Permission),
            (404, Class::NotFound),
            (405, Class::Unexpected),
            (408, unavailable),
            (422, Class::Rejected),
            (429, Class::Throttled { retry_after: None }),
            (500, unavailable),
            (503, unavailable),
            (302, Class::Unexpected),
        ] {
            assert_eq!(
                read(&Method::GET, status, None, refused).class,
                class,
                "{status}"
            );
            assert_eq!(
                read(&Method::GET, status, None, "").class,
                class,
                "{status}"
            );
        }
        let wait = Some(Duration::from_secs(3));
        assert_eq!(
            read(&Method::GET, 429, Some("3"), LIMITED).class,
            Class::Throttled { retry_after: wait }
        );
    }

    #[test]
    fn a_page_of_a_proxy_is_no_word_of_customer_io() {
        let page = "<html><title>Not here</title></html>";
        for status in [401, 403, 404] {
            assert_eq!(
                read(&Method::DELETE, status, None, page).class,
                Class::Unexpected,
                "{status}"
            );
        }
    }

    #[test]
    fn only_a_write_without_a_definite_refusal_has_an_unknown_outcome() {
        for (method, status, unknown) in [
            (Method::POST, 500, true),
            (Method::POST, 408, true),
            (Method::POST, 302, true),
            (Method::POST, 400, false),
            (Method::POST, 429, false),
            (Method::DELETE, 404, false),
            (Method::PUT, 502, true),
            (Method::GET, 502, false),
        ] {
            let error = read(&method, status, None, "");
            assert_eq!(error.outcome_unknown, unknown, "{method} {status}");
        }
    }

    #[test]
    fn every_documented_envelope_gives_its_words() {
        let details = |body: &str| read(&Method::GET, 400, None, body).detail;
        for (body, words) in [
            (
                LIMITED,
                "rate limited to 10 requests per 1s (reference abc)",
            ),
            (
                r#"{"errors":[{"detail":"is unknown","status":400,"source":{"pointer":"/events/1"}},{"detail":"b"}]}"#,
                "is unknown (at /events/1); b",
            ),
            (r#"{"errors":["malformed"]}"#, "malformed"),
            (r#"{"meta":{"error":"old words"}}"#, "old words"),
            (r#"{"what":1}"#, r#"{"what":1}"#),
            ("plain", "plain"),
            ("", "Bad Request"),
        ] {
            assert_eq!(details(body), words, "{body}");
        }
        let coded = read(
            &Method::GET,
            400,
            None,
            r#"{"errors":[{"detail":"x","code":"invalid"}]}"#,
        );
        assert_eq!(coded.code.as_deref(), Some("invalid"));
    }

    #[test]
    fn a_refused_key_is_explained_and_never_shown() {
        let error = read(
            &Method::GET,
            401,
            None,
            r#"{"errors":[{"detail":"key s3cret is unauthorized","status":"401"}]}"#,
        );
        assert!(error.detail.contains("other region"), "{error}");
        assert!(error.detail.contains("unauthorized"), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        let error = read(&Method::GET, 403, None, "");
        assert!(
            error.detail.contains("access to reporting webhooks"),
            "{error}"
        );
    }
}

//! A request in the making: path, query and body, before host, token and headers.

use bytes::Bytes;
use http::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::Url;

use super::error::{ApiError, Class};

/// A request to one of the services, before headers and host.
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// Path and query, encoded; or why there is none.
    pub(crate) path: Result<String, ApiError>,
    pub(super) accept: String,
    pub(super) if_match: Option<String>,
    /// The type of the body, if there is one.
    pub(super) content_type: &'static str,
    pub(crate) body: Option<Bytes>,
}

impl Call {
    /// `base` is a service's fixed path; `segments` are appended to it, each encoded as one path segment.
    pub(crate) fn new(
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
            content_type: "application/json",
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

    pub(super) fn content_type(mut self, media_type: &'static str) -> Self {
        self.content_type = media_type;
        self
    }

    pub(crate) fn body<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
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
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A base address with an encoded path and query behind it.
pub(crate) fn address(operation: &'static str, base: &Url, path: &str) -> Result<Uri, ApiError> {
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

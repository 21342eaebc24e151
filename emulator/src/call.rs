//! One incoming call, taken apart: what every service reads instead of the raw request.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::refusal::Refusal;
use crate::shelf::Object;

/// A request at a moment.
pub(crate) struct Call<'a> {
    pub(crate) now: u64,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    /// Path segments, percent-decoded.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
}

impl<'a> Call<'a> {
    pub(crate) fn new(now: u64, request: &'a Request<Bytes>) -> Self {
        let path = request.uri().path();
        Self {
            now,
            method: request.method(),
            path,
            segments: path
                .split('/')
                .filter(|segment| !segment.is_empty())
                .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
                .collect(),
            query: url::form_urlencoded::parse(
                request.uri().query().unwrap_or_default().as_bytes(),
            )
            .into_owned()
            .collect(),
            headers: request.headers(),
            body: request.body(),
        }
    }

    /// Segments from `from` on, for matching.
    pub(crate) fn rest(&self, from: usize) -> Vec<&str> {
        self.segments
            .iter()
            .skip(from)
            .map(String::as_str)
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn params(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first query parameter that is not in the list.
    pub(crate) fn unknown_param(&self, known: &[&str]) -> Option<&str> {
        self.query
            .iter()
            .map(|(key, _)| key.as_str())
            .find(|key| !known.contains(key))
    }

    pub(crate) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(self.body)
            .map_err(|error| format!("The request body is not valid JSON: {error}"))
    }

    /// The body as a JSON object, or the refusal that `refuse` makes of the reason.
    pub(crate) fn object(&self, refuse: impl Fn(String) -> Refusal) -> Result<Object, Refusal> {
        match self.json() {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(refuse("The request body must be a JSON object".to_owned())),
            Err(reason) => Err(refuse(reason)),
        }
    }

    /// The header's media type, without parameters.
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.header("content-type")
            .and_then(|value| value.split(';').next())
            .map(str::trim)
    }
}

/// The first key of an object that is not in the list.
pub(crate) fn unknown_field<'a>(object: &'a Object, known: &[&str]) -> Option<&'a str> {
    object
        .keys()
        .map(String::as_str)
        .find(|key| !known.contains(key))
}

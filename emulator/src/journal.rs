//! The request log: every call with what came of it, secrets masked on the way out, bounded in length.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use serde_json::{Map, Value, json};

use crate::operation::operation;

const MASK: &str = "***";

#[derive(Debug)]
struct Entry {
    time: u64,
    operation: &'static str,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    status: Option<u16>,
    fault: Option<&'static str>,
}

/// Calls in the order in which they came in.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    /// Number of the first entry still kept.
    first: u64,
    counts: BTreeMap<&'static str, u64>,
}

impl Journal {
    /// Notes a call; the number finds it again.
    pub(crate) fn note(&mut self, now: u64, request: &Request<Bytes>, limit: usize) -> u64 {
        let operation = operation(request.method(), request.uri().path());
        *self.counts.entry(operation).or_default() += 1;
        self.entries.push_back(Entry {
            time: now,
            operation,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
            body: request.body().clone(),
            status: None,
            fault: None,
        });
        while self.entries.len() > limit {
            self.entries.pop_front();
            self.first += 1;
        }
        self.first + self.entries.len() as u64 - 1
    }

    /// Adds the outcome of a call.
    pub(crate) fn close(&mut self, number: u64, status: Option<u16>, fault: Option<&'static str>) {
        let place = number
            .checked_sub(self.first)
            .and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            entry.status = status;
            entry.fault = fault;
        }
    }

    /// Calls per operation.
    pub(crate) fn counts(&self) -> Value {
        json!(self.counts)
    }

    /// The log, masked.
    pub(crate) fn entries(&self) -> Value {
        Value::Array(self.entries.iter().map(Entry::show).collect())
    }
}

impl Entry {
    fn show(&self) -> Value {
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| {
                let shown = match name.as_str() {
                    "authorization" => match value.to_str() {
                        Ok(value) if value.starts_with("Bearer ") => "Bearer ***",
                        _ => MASK,
                    },
                    "x-cio-signature" | "cookie" => MASK,
                    _ => value.to_str().unwrap_or("(binary)"),
                };
                (name.as_str().to_owned(), json!(shown))
            })
            .collect();
        let mut entry = json!({
            "time": self.time, "operation": self.operation, "method": self.method.as_str(), "path": self.path,
            "query": mask_form(&self.query), "headers": headers, "body": self.show_body(), "status": self.status
        });
        if let Some(fault) = self.fault {
            entry["fault"] = json!(fault);
        }
        entry
    }

    fn show_body(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        if self.operation == "ims.token" {
            return json!(mask_form(&String::from_utf8_lossy(&self.body)));
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&self.body)))
    }
}

/// A form or query with the secret's value masked.
fn mask_form(form: &str) -> String {
    form.split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key @ ("client_secret" | "access_token"), _)) => format!("{key}={MASK}"),
            _ => pair.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_reaches_the_log_and_the_log_is_bounded() {
        let mut journal = Journal::default();
        for number in 0..3_u8 {
            let request = Request::builder()
                .method("POST")
                .uri(format!("/ims/token/v3?n={number}&client_secret=s3cr3t"))
                .header("authorization", "Bearer s3cr3t")
                .header("x-cio-signature", "s3cr3t")
                .body(Bytes::from_static(b"client_id=a&client_secret=s3cr3t"))
                .unwrap();
            let entry = journal.note(1, &request, 2);
            journal.close(entry, Some(200), None);
        }
        let shown = journal.entries();
        assert!(!shown.to_string().contains("s3cr3t"), "{shown}");
        assert_eq!(shown.as_array().unwrap().len(), 2);
        assert_eq!(shown[1]["status"], 200);
        assert_eq!(journal.counts()["ims.token"], 3);
    }
}

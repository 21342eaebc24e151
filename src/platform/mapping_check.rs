//! Whether Data Prep would take a mapping, asked before anything is changed.
//!
//! Facts: Adobe, "Mapping sets API endpoint" (`validate`) and its specification (`languages/el/validate`). Both are
//! POSTs that change nothing.

use std::fmt;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::data_prep::{BASE, NewMappingSet, SETS};
use super::error::{ApiError, DETAIL_CHARS, one_line};
use super::json::{lenient, nullable};
use super::sandbox::Sandbox;

/// Why a row of a mapping would not be taken. Safe to show: one bounded line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingProblem {
    /// The row, from 0, when the service judged as many as were sent. The order is that of Adobe's examples.
    pub row: Option<usize>,
    /// What the row reads.
    pub source: String,
    /// Where it writes.
    pub destination: String,
    /// The service's own words.
    pub reason: String,
}

impl fmt::Display for MappingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            destination,
            reason,
            ..
        } = self;
        write!(f, "{source} -> {destination}: {reason}")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    validation_response: Vec<Verdict>,
}

/// `SUCCESS` without errors, or `FAILED` with some.
#[derive(Deserialize)]
struct Verdict {
    #[serde(default, deserialize_with = "nullable")]
    status: String,
    /// `null` on success.
    #[serde(default, deserialize_with = "nullable")]
    errors: Vec<Value>,
}

#[derive(Default, Deserialize)]
struct Reason {
    #[serde(default, deserialize_with = "lenient")]
    destination: String,
    #[serde(default, deserialize_with = "lenient")]
    source: String,
    #[serde(default, deserialize_with = "lenient")]
    exception: String,
}

impl Verdict {
    fn problems(&self, row: Option<usize>, new: &NewMappingSet) -> Vec<MappingProblem> {
        let mut errors = self.errors.clone();
        if errors.is_empty() && self.status.eq_ignore_ascii_case("FAILED") {
            errors.push(Value::Null);
        }
        let sent = row.and_then(|row| new.mappings.get(row));
        let or_sent = |said: String, sent: Option<&String>| match sent {
            Some(sent) if said.is_empty() => sent.clone(),
            _ => one_line(&said, DETAIL_CHARS),
        };
        let problem = |error: Value| {
            let plain = error.as_str().map(str::to_owned);
            let told: Reason = serde_json::from_value(error).unwrap_or_default();
            let words = plain.unwrap_or(told.exception);
            MappingProblem {
                row,
                source: or_sent(told.source, sent.map(|it| &it.source)),
                destination: or_sent(told.destination, sent.map(|it| &it.destination)),
                reason: match one_line(&words, DETAIL_CHARS) {
                    words if words.is_empty() => "refused without a reason".to_owned(),
                    words => words,
                },
            }
        };
        errors.into_iter().map(problem).collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExpressionCheck<'a> {
    expression: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_data_type: Option<&'static str>,
}

/// Errors of all calls: see [`ApiError`]. None leaves anything unknown: nothing is changed.
impl Sandbox {
    /// What is wrong with a mapping to its schema; empty when nothing is. The specification also knows a refusal
    /// (400) of the whole mapping: [`Class::Rejected`](super::Class::Rejected), with the service's words.
    pub async fn check_mapping(
        &self,
        new: &NewMappingSet,
    ) -> Result<Vec<MappingProblem>, ApiError> {
        const OPERATION: &str = "check_mapping";
        let call = Call::new(OPERATION, Method::POST, BASE, &[SETS, "validate"]).body(new);
        let reply = self.send(call).await.map_err(nothing_done)?;
        let answer: Answer = reply.json(OPERATION, &Method::POST).map_err(nothing_done)?;
        let verdicts = answer.validation_response;
        if verdicts.is_empty() && !new.mappings.is_empty() {
            let silent = reply.unreadable(OPERATION, &Method::POST, "the answer judges no row");
            return Err(nothing_done(silent));
        }
        let in_order = verdicts.len() == new.mappings.len();
        let problems = verdicts
            .iter()
            .enumerate()
            .flat_map(|(row, verdict)| verdict.problems(in_order.then_some(row), new));
        Ok(problems.collect())
    }

    /// Whether an expression is one of the language; with a sample event, whether it works on that. The service
    /// gives no reason, but for the 400 that the specification knows:
    /// [`Class::Rejected`](super::Class::Rejected).
    pub async fn check_expression(
        &self,
        expression: &str,
        sample: Option<&Value>,
    ) -> Result<bool, ApiError> {
        let body = ExpressionCheck {
            expression,
            sample_data: sample.map(Value::to_string),
            sample_data_type: sample.map(|_| "application/json"),
        };
        let path = ["languages", "el", "validate"];
        let call = Call::new("check_expression", Method::POST, BASE, &path).body(&body);
        self.fetch(call).await.map_err(nothing_done)
    }
}

fn nothing_done(error: ApiError) -> ApiError {
    ApiError {
        outcome_unknown: false,
        ..error
    }
}

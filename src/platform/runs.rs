//! Runs of flows: what a flow took in during some time, and what failed.
//!
//! Facts: Adobe, "Monitor dataflows using the Flow Service API" (the body), "Sorting and filtering responses in the
//! Flow Service API". How long a run of a streaming flow lasts, and how long runs are kept, is not documented.
//! Adobe's own example is a `success` with a failed record and an error: the counts say more than the status.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::error::{ApiError, DETAIL_CHARS, one_line};
use super::flow_service::BASE;
use super::json::{integer, lenient, nullable};
use super::list::Filter;
use super::sandbox::Sandbox;

/// The property to filter runs by their flows.
pub const RUN_FLOW_PROPERTY: &str = "flowId";
/// The property to filter runs by their beginning, in milliseconds since 1970; see [`Filter::above`].
pub const RUN_STARTED_PROPERTY: &str = "metrics.durationSummary.startedAtUTC";

/// The most different errors kept of one run.
const ERRORS_MAX: usize = 10;

/// How a run stands. Adobe's pages and specification have different words, in different cases.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// Not over, or not begun.
    UnderWay,
    /// Over; the counts say whether some records failed all the same.
    Success,
    /// Over; some records failed.
    Partial,
    /// Over; it failed.
    Failed,
    /// Unknown to us: the service's own word.
    Other(String),
}

impl RunStatus {
    fn of(word: &str) -> Self {
        let letters: String = word.chars().filter(|c| c.is_alphanumeric()).collect();
        match letters.to_lowercase().as_str() {
            "inprogress" | "queued" | "scheduled" => Self::UnderWay,
            "success" | "completed" => Self::Success,
            "partialsuccess" | "partialfailure" => Self::Partial,
            "failed" => Self::Failed,
            _ => Self::Other(one_line(word, DETAIL_CHARS)),
        }
    }
}

/// Records of a run. None: not told; the service writes -1 too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunRecords {
    /// Taken in.
    pub received: Option<u64>,
    /// Landed in the dataset.
    pub ingested: Option<u64>,
    /// Refused or broken.
    pub failed: Option<u64>,
}

/// Something that went wrong in a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunError {
    /// E.g. `MAPPER-3700-400`.
    pub code: String,
    /// The platform's own words, one bounded line.
    pub message: String,
    /// To how many records, when told.
    pub records: Option<u64>,
}

/// One run as read. Absent text is empty, absent times are 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Raw")]
pub struct Run {
    /// The id.
    pub id: String,
    /// Whose run it is.
    pub flow_id: String,
    /// Milliseconds since 1970.
    pub created_at: u64,
    /// Milliseconds since 1970.
    pub updated_at: u64,
    /// How it stands.
    pub status: RunStatus,
    /// Milliseconds since 1970.
    pub started_at: Option<u64>,
    /// Milliseconds since 1970; none while it is under way.
    pub completed_at: Option<u64>,
    /// How many records.
    pub records: RunRecords,
    /// What went wrong, at most ten different things.
    pub errors: Vec<RunError>,
    /// Where the platform keeps samples of failed records: an address of its API. Those hold people's data.
    pub samples: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    flow_id: String,
    #[serde(default, deserialize_with = "lenient")]
    created_at: u64,
    #[serde(default, deserialize_with = "lenient")]
    updated_at: u64,
    #[serde(default)]
    metrics: Value,
    /// The specification spells it `activites`.
    #[serde(default, alias = "activites")]
    activities: Value,
}

impl From<Raw> for Run {
    fn from(raw: Raw) -> Self {
        let metric = |pointer: &str| raw.metrics.pointer(pointer).and_then(integer);
        let activities = || raw.activities.as_array().into_iter().flatten();
        let status = raw.metrics.pointer("/statusSummary/status");
        let sample = "/statusSummary/extensions/manifest/sampleErrors";
        let lists = std::iter::once(raw.metrics.pointer("/statusSummary/errors"))
            .chain(activities().map(|it| it.pointer("/statusSummary/extensions/errors")))
            .chain(activities().map(|it| it.pointer("/statusSummary/errors")));
        let mut errors: Vec<RunError> = Vec::new();
        for error in lists.flatten().filter_map(Value::as_array).flatten() {
            let error = RunError::of(error);
            let is_known = |it: &RunError| it.code == error.code && it.message == error.message;
            if errors.len() < ERRORS_MAX && !errors.iter().any(is_known) {
                errors.push(error);
            }
        }
        let samples = activities().find_map(|it| it.pointer(sample)?.as_str());
        Self {
            status: RunStatus::of(status.and_then(Value::as_str).unwrap_or_default()),
            started_at: metric("/durationSummary/startedAtUTC"),
            completed_at: metric("/durationSummary/completedAtUTC"),
            records: RunRecords {
                received: metric("/recordSummary/inputRecordCount"),
                ingested: metric("/recordSummary/outputRecordCount"),
                failed: metric("/recordSummary/failedRecordCount"),
            },
            errors,
            samples: samples.map(|it| one_line(it, DETAIL_CHARS)),
            id: raw.id,
            flow_id: raw.flow_id,
            created_at: raw.created_at,
            updated_at: raw.updated_at,
        }
    }
}

impl RunError {
    fn of(error: &Value) -> Self {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let words = match (text("message"), error.as_str()) {
            ("", Some(plain)) => plain,
            (words, _) => words,
        };
        Self {
            code: one_line(text("code"), DETAIL_CHARS),
            message: one_line(words, DETAIL_CHARS),
            records: error.get("recordCount").and_then(integer),
        }
    }
}

/// The newest runs, as far as was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs {
    /// Newest first.
    pub runs: Vec<Run>,
    /// Whether these are all that the filter lets through.
    pub is_complete: bool,
}

impl Sandbox {
    /// The newest runs that a filter lets through, at most `pages` pages of [`PAGE_SIZE`](super::PAGE_SIZE): of one
    /// flow, of some fifty ([`Filter::any_of`] with [`RUN_FLOW_PROPERTY`]) or of all flows of the sandbox. Check the
    /// results. Errors: see [`ApiError`].
    pub async fn list_runs(&self, filter: &Filter, pages: usize) -> Result<Runs, ApiError> {
        let first = format!("{}&orderby=-createdAt", filter.query());
        let bound = pages.clamp(1, self.page_bound().max(1));
        let (mut runs, is_complete) = self
            .pages("list_runs", (BASE, "runs"), first, bound, Some::<Run>)
            .await?;
        // A run that began meanwhile pushes others to the next page.
        let mut seen = HashSet::new();
        runs.retain(|run| seen.insert(run.id.clone()));
        runs.sort_by_key(|run| std::cmp::Reverse(run.created_at));
        Ok(Runs { runs, is_complete })
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;

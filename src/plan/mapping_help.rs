//! What is wrong with the rows of a mapping, told from the rows alone and before anything is made.
//!
//! A schema of events requires `_id` and a date in `timestamp` of every record: a mapping that fills neither makes a
//! flow that looks healthy and lands nothing. That a schema is one of events is known
//!
//! - of an `AepDataset`, whose spec says so;
//! - of a schema that was read, because `spec.target.existing` names none;
//! - of a mapping with a row for `timestamp`: an organization's own fields are in its own namespace, so the field is
//!   that of the class.
//!
//! Of a schema that the spec names in full it is not known, and not asked: that would be one call more for every new
//! dataflow. (So the tutorial's own mapping, which fills neither field, is taken as it is; whether records land then
//! is for AEP to say.)
//!
//! Only what cannot work is refused. What may be meant, or may be read by AEP in a way nobody documents, is a doubt:
//! it is told once, in an Event, and done.
//!
//! Facts: Adobe, "Schemas API endpoint" (what the class requires), "Handling data formats with Data Prep" (the formats
//! in which a text is taken for a date); Customer.io, "Reporting webhooks" (`timestamp` is Unix time in seconds).

use k8s_openapi::jiff::Timestamp;

use crate::platform::{EXPERIENCE_EVENT_CLASS, PROFILE_CLASS};
use crate::resources::aep_dataflow::MappingRow;
use crate::resources::conditions::Reason;

use super::Failure;

const ID: &str = "_id";
const TIMESTAMP: &str = "timestamp";
/// A date from Customer.io's Unix seconds.
const A_DATE: &str = r#"{expression: 'dformat(timestamp*1000, "yyyy-MM-dd''T''HH:mm:ss.SSSX")', destination: timestamp}"#;
/// The field of every event that tells it from all others.
const AN_ID: &str = "{source: event_id, destination: _id}";
/// Digits of the shortest text that Data Prep takes for a date by itself, such as `01.Dec.2020`.
const FEWEST_DIGITS: usize = 6;
/// Fields of every Customer.io event that hold text and never a date.
const NO_DATES: [&str; 3] = ["event_id", "metric", "object_type"];

/// What a look at the rows came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// What cannot work.
    refusals: Vec<String>,
    /// What may not be meant.
    pub doubts: Vec<String>,
}

impl Advice {
    /// Why the rows are not used.
    pub fn failure(&self) -> Option<Failure> {
        let message = self.refusals.join(" ");
        (!message.is_empty()).then(|| Failure::stalled(Reason::InvalidSpec, message))
    }
}

/// A look at rows to a schema of this class, as far as that is known.
pub fn advise(rows: &[MappingRow], class: Option<&str>) -> Advice {
    let mut advice = Advice::default();
    let to = |destination: &str| rows.iter().find(|row| row.destination == destination);
    let (id, timestamp) = (to(ID), to(TIMESTAMP));
    let (events, why) = match class {
        Some(EXPERIENCE_EVENT_CLASS) => (true, "the ExperienceEvent class of its schema"),
        Some(PROFILE_CLASS) => (false, ""),
        // A class of the organization's own is of events or of records.
        _ => (
            timestamp.is_some(),
            "a schema with a timestamp, which is one of events,",
        ),
    };
    if events && !rows.is_empty() {
        if id.is_none() {
            advice.refusals.push(format!(
                "spec.mapping has no row for {ID}, and {why} requires it of every record. Add {AN_ID}."
            ));
        }
        if timestamp.is_none() {
            advice.refusals.push(format!(
                "spec.mapping has no row for {TIMESTAMP}, and {why} requires a date there of every record. Add {A_DATE}."
            ));
        }
    }
    if let Some(MappingRow { value: Some(_), .. }) = id.filter(|_| events) {
        advice.doubts.push(format!(
            "spec.mapping gives every record the same {ID}, which tells a record from all others. Customer.io's is event_id: {AN_ID}."
        ));
    }
    if let Some(row) = timestamp {
        date(row, &mut advice);
    }
    advice
}

/// A row for the time of an event.
fn date(row: &MappingRow, advice: &mut Advice) {
    let seconds = |what: &str| {
        format!(
            "spec.mapping: the row for {TIMESTAMP} {what} Customer.io's timestamp as it is, a number of seconds, and no date. \
             Replace it by {A_DATE}."
        )
    };
    if let Some(source) = &row.source {
        let field = source.trim_start_matches("$.");
        if field == TIMESTAMP {
            advice.refusals.push(seconds("copies"));
        } else if NO_DATES.contains(&field) {
            advice.refusals.push(format!(
                "spec.mapping: the row for {TIMESTAMP} copies {source}, which is no date. Replace it by {A_DATE}."
            ));
        }
    }
    if let Some(expression) = &row.expression {
        let dense: String = expression.split_whitespace().collect();
        if dense == TIMESTAMP || dense == "$.timestamp" {
            advice.refusals.push(seconds("is"));
        } else if dense.starts_with("dformat(timestamp,") {
            advice.doubts.push(format!(
                "spec.mapping: the row for {TIMESTAMP} gives dformat seconds where it takes milliseconds, which makes dates of \
                 January 1970. What is meant is {A_DATE}."
            ));
        }
    }
    if let Some(value) = &row.value {
        let digits = value.chars().filter(char::is_ascii_digit).count();
        if digits < FEWEST_DIGITS {
            advice.refusals.push(format!(
                "spec.mapping: the row for {TIMESTAMP} has the fixed value \"{value}\", which is no date. For the time of the event \
                 use {A_DATE}."
            ));
        } else if value.parse::<Timestamp>().is_err() {
            advice.doubts.push(format!(
                "spec.mapping: the row for {TIMESTAMP} has the fixed value \"{value}\", which is no time as RFC 3339 writes it, such as \
                 2026-02-10T00:00:00Z. AEP may read it as another date or as none."
            ));
        }
    }
}

#[cfg(test)]
#[path = "mapping_help_tests.rs"]
mod tests;

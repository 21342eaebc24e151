//! The mapping set of a dataflow: made from the rows of the spec, or somebody else's and left alone.
//!
//! New rows of a flow that runs are shown to the platform before they are written, so that a bad one changes
//! nothing. The first rows are not: that would be one call more for everybody, and a creation that is refused has
//! changed nothing either.

use crate::platform::{MappingProblem, MappingRef, MappingRow, MappingSet, SourceType};
use crate::resources::conditions::Reason;

use super::dataflow::ObservedDataflow;
use super::desired::{DesiredDataflow, kept_attempt};
use super::question::Question;
use super::{Body, Failure, Known, RemoteKind, Step};

const KIND: RemoteKind = RemoteKind::MappingSet;

/// Refused rows that a message shows.
const SHOWN: usize = 10;

/// What comes before a mapping set stands that has the rows of the spec.
pub(super) fn steps(desired: &DesiredDataflow, observed: &ObservedDataflow) -> Vec<Step> {
    if let Known::Pending { attempt } = observed.mapping {
        return vec![Step::LookUp {
            kind: KIND,
            attempt,
        }];
    }
    if desired.mapping_elsewhere.is_some() {
        return Vec::new();
    }
    match &observed.mapping {
        Known::Recorded(found) => vec![Step::Read {
            kind: KIND,
            id: found.id.clone(),
        }],
        Known::Absent | Known::Missing(_) => {
            let attempt = observed.next_attempts.mapping;
            vec![Step::Create {
                attempt,
                body: Body::MappingSet(desired.mapping_set(attempt)),
            }]
        }
        Known::Read(found) if !same_rows(desired, found) => {
            let attempt = kept_attempt(KIND, &desired.identity, &found.name);
            let body = desired.mapping_set(attempt);
            let judged = observed.checked.as_ref().is_some_and(|it| it.body == body);
            let runs = !matches!(observed.flow, Known::Absent | Known::Missing(_));
            vec![if runs && !judged {
                Step::Ask(Question::Mapping(body))
            } else {
                Step::UpdateMappingSet {
                    id: found.id.clone(),
                    body,
                }
            }]
        }
        Known::Read(_) | Known::Trusted(_) | Known::Pending { .. } => Vec::new(),
    }
}

/// Why the new rows are not written.
pub(super) fn refused(desired: &DesiredDataflow, observed: &ObservedDataflow) -> Option<Failure> {
    let checked = observed.checked.as_ref()?;
    let Known::Read(found) = &observed.mapping else {
        return None;
    };
    let attempt = kept_attempt(KIND, &desired.identity, &found.name);
    (desired.mapping_elsewhere.is_none()
        && !same_rows(desired, found)
        && checked.body == desired.mapping_set(attempt)
        && !checked.problems.is_empty())
    .then(|| refusal(&checked.problems, "The flow goes on with the rows it has."))
}

/// The mapping set that the flow should use, once it stands.
pub(super) fn standing(
    desired: &DesiredDataflow,
    observed: &ObservedDataflow,
) -> Option<MappingRef> {
    let own = || observed.mapping.standing(MappingSet::reference);
    desired.mapping_elsewhere.clone().or_else(own)
}

/// The platform's words about each row that it refuses.
pub fn refusal(problems: &[MappingProblem], meanwhile: &str) -> Failure {
    let rows: Vec<String> = problems
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    let more = match problems.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let what = match problems.len() {
        1 => "a row".to_owned(),
        several => format!("{several} rows"),
    };
    Failure::stalled(
        Reason::RejectedByPlatform,
        format!(
            "AEP refuses {what} of spec.mapping: {}{more}. Correct what it names. {meanwhile}",
            rows.join("; ")
        ),
    )
}

/// Rows are a set: their order has no meaning to Data Prep.
pub(super) fn same_rows(desired: &DesiredDataflow, found: &MappingSet) -> bool {
    fn sorted(rows: &[MappingRow]) -> Vec<&MappingRow> {
        let mut rows: Vec<&MappingRow> = rows.iter().collect();
        rows.sort_by_key(|row| &row.destination);
        rows
    }
    let (wanted, found) = (sorted(&desired.rows), sorted(&found.mappings));
    wanted.len() == found.len()
        && wanted
            .into_iter()
            .zip(found)
            .all(|(wanted, found)| same_row(wanted, found))
}

/// What fields and expressions are called when read back is documented, what a fixed value is called is
/// not: an unknown word is no difference there, or the row would be written for ever.
fn same_row(wanted: &MappingRow, found: &MappingRow) -> bool {
    let unnamed = matches!(
        (&wanted.source_type, &found.source_type),
        (SourceType::Static, SourceType::Other(_))
    );
    (unnamed || wanted.source_type == found.source_type)
        && wanted.source == found.source
        && wanted.destination == found.destination
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;

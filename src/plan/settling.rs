//! A field that is new in a schema: no mapping names it before the platform knows it.
//!
//! People add a field to an `AepDataset` and a row for it to a dataflow with one `kubectl apply`. The row waits until
//! the field stands, and then until AEP's caches of the schema are renewed: it documents that a record may be judged by
//! the schema of up to 15 minutes ago.

use k8s_openapi::jiff::Timestamp;

use crate::resources::conditions::Reason;

use super::failure::Failure;
use super::pace::Pace;
use super::{Body, Plan, Step, Wait};

/// How far the fields of an `AepDataset` are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Name of the `AepDataset`.
    pub dataset: String,
    /// Why its objects are not as its spec says, if they are not: the reason of its `Ready`.
    pub behind: Option<String>,
    /// When what was added last may be used.
    pub settled_at: Option<Timestamp>,
}

impl Fields {
    /// What `plan` has to wait for, if it writes rows or asks about them too early.
    pub fn hold(&self, plan: &Plan, now: Timestamp) -> Option<Plan> {
        let Plan::Run(steps) = plan else { return None };
        if !steps.iter().any(maps) {
            return None;
        }
        let name = &self.dataset;
        if let Some(reason) = &self.behind {
            return Some(Plan::Wait(Wait {
                reason: Reason::WaitingForDataset,
                message: format!(
                    "AepDataset \"{name}\" is not as its spec says yet ({reason}): the mapping is written when it is, so \
                     that no row names a field that is not there."
                ),
                poll: false,
            }));
        }
        let rest = self.settled_at?.duration_since(now);
        let rest = std::time::Duration::try_from(rest)
            .ok()
            .filter(|rest| !rest.is_zero())?;
        let message = format!(
            "Fields were added to AepDataset \"{name}\". AEP may not know them for some minutes, so the mapping is written \
             after that; a flow that runs keeps its earlier one."
        );
        let failure = Failure::passing(Reason::WaitingForDataset, message, Pace::After(rest));
        Some(Plan::Stop(failure))
    }
}

/// Whether a step is about rows that may name a new field.
fn maps(step: &Step) -> bool {
    match step {
        Step::Create { body, .. } => matches!(body, Body::MappingSet(_)),
        Step::UpdateMappingSet { .. } => true,
        Step::Ask(question) => question.is_about_rows(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::desired_dataflow;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn update() -> Plan {
        Plan::Run(vec![Step::UpdateMappingSet {
            id: "m".into(),
            body: desired_dataflow().mapping_set(1),
        }])
    }

    fn fields(behind: Option<&str>, settled_at: Option<i64>) -> Fields {
        Fields {
            dataset: "events".into(),
            behind: behind.map(str::to_owned),
            settled_at: settled_at.map(at),
        }
    }

    #[test]
    fn rows_wait_for_the_fields_and_then_for_the_caches() {
        let behind = fields(Some("Progressing"), None).hold(&update(), at(0));
        let Some(Plan::Wait(wait)) = behind else {
            panic!("{behind:?}")
        };
        assert_eq!(wait.reason, Reason::WaitingForDataset);
        assert!(wait.message.contains("events") && wait.message.contains("Progressing"));
        let early = fields(None, Some(900)).hold(&update(), at(100));
        let Some(Plan::Stop(failure)) = early else {
            panic!("{early:?}")
        };
        let rest = std::time::Duration::from_secs(800);
        assert_eq!((failure.stalled, failure.pace), (false, Pace::After(rest)));
        assert_eq!(fields(None, Some(900)).hold(&update(), at(900)), None);
        assert_eq!(fields(None, None).hold(&update(), at(0)), None);
    }

    #[test]
    fn what_is_not_about_rows_does_not_wait() {
        let label = Plan::Run(vec![Step::Read {
            kind: super::super::RemoteKind::Flow,
            id: "f".into(),
        }]);
        assert_eq!(
            fields(Some("Progressing"), Some(900)).hold(&label, at(0)),
            None
        );
        assert_eq!(
            fields(Some("Progressing"), None).hold(&Plan::Done, at(0)),
            None
        );
    }
}

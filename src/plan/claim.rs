//! Which of several dataflows holds a source: a source connection belongs to one flow.
//!
//! The oldest holds it, unless a younger one already has a flow on it. Two created in the same second
//! are told apart by name. The question is asked before the first creation and once more between the
//! intent to create the flow and the call: of two that race, the later look sees the earlier intent,
//! the younger gives way and the older waits, so there is never a second flow.

/// A dataflow on the source, as far as the claim is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Its name; all claimants are of one namespace.
    pub name: String,
    /// Its creation, seconds since the epoch.
    pub created: i64,
    /// How far its flow is.
    pub flow: FlowProgress,
}

/// How far the flow of a dataflow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowProgress {
    /// Not begun.
    None,
    /// Intended: it may exist.
    Pending,
    /// It stands.
    Standing,
}

impl FlowProgress {
    /// From what a status says; `unsent`: this attempt was certainly not carried out. It stays in status for its number
    /// alone: taken for a flow under way, that of a dataflow which gave way would keep the other one waiting for ever.
    pub fn of(stands: bool, intended: Option<i64>, unsent: impl FnOnce(i64) -> bool) -> Self {
        match intended {
            _ if stands => Self::Standing,
            Some(attempt) if !unsent(attempt) => Self::Pending,
            _ => Self::None,
        }
    }
}

/// Whether a dataflow may make a flow on the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds the source.
    Holds,
    /// The named dataflow may be making a flow right now; ask again soon.
    Unsettled(String),
    /// The named dataflow holds the source.
    HeldBy(String),
}

/// Whether `me` may make a flow on the source that `others` name too.
pub fn decide(me: &Claimant, others: &[Claimant]) -> Verdict {
    if me.flow == FlowProgress::Standing {
        return Verdict::Holds;
    }
    let first = |claimants: Vec<&Claimant>| {
        claimants
            .into_iter()
            .min_by_key(|other| (other.created, &other.name))
            .map(|other| other.name.clone())
    };
    let standing = others
        .iter()
        .filter(|other| other.flow == FlowProgress::Standing)
        .collect();
    if let Some(holder) = first(standing) {
        return Verdict::HeldBy(holder);
    }
    let older = others
        .iter()
        .filter(|other| (other.created, &other.name) < (me.created, &me.name))
        .collect();
    if let Some(holder) = first(older) {
        return Verdict::HeldBy(holder);
    }
    let unsettled = others
        .iter()
        .filter(|other| other.flow == FlowProgress::Pending)
        .collect();
    first(unsettled).map_or(Verdict::Holds, Verdict::Unsettled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimant(name: &str, created: i64, flow: FlowProgress) -> Claimant {
        Claimant {
            name: name.into(),
            created,
            flow,
        }
    }

    #[test]
    fn the_oldest_holds_the_source() {
        let (old, young) = (
            claimant("z", 1, FlowProgress::None),
            claimant("a", 2, FlowProgress::None),
        );
        assert_eq!(decide(&old, std::slice::from_ref(&young)), Verdict::Holds);
        assert_eq!(decide(&young, &[old]), Verdict::HeldBy("z".into()));
    }

    #[test]
    fn of_the_same_second_the_first_name_holds_it() {
        let (a, b) = (
            claimant("a", 1, FlowProgress::None),
            claimant("b", 1, FlowProgress::None),
        );
        assert_eq!(decide(&a, std::slice::from_ref(&b)), Verdict::Holds);
        assert_eq!(decide(&b, &[a]), Verdict::HeldBy("a".into()));
    }

    #[test]
    fn a_flow_that_stands_is_not_taken_from_a_younger_one() {
        let (old, young) = (
            claimant("old", 1, FlowProgress::Pending),
            claimant("new", 2, FlowProgress::Standing),
        );
        assert_eq!(
            decide(&old, std::slice::from_ref(&young)),
            Verdict::HeldBy("new".into())
        );
        assert_eq!(decide(&young, &[old]), Verdict::Holds);
    }

    #[test]
    fn an_intent_that_led_to_nothing_holds_nothing() {
        let unsent = |attempt| attempt == 2;
        assert_eq!(FlowProgress::of(false, None, unsent), FlowProgress::None);
        assert_eq!(
            FlowProgress::of(false, Some(1), unsent),
            FlowProgress::Pending
        );
        assert_eq!(FlowProgress::of(false, Some(2), unsent), FlowProgress::None);
        assert_eq!(
            FlowProgress::of(true, Some(2), unsent),
            FlowProgress::Standing
        );
    }

    #[test]
    fn two_that_race_never_both_go_on() {
        // Both wrote their intent before either looked.
        let (a, b) = (
            claimant("a", 1, FlowProgress::Pending),
            claimant("b", 1, FlowProgress::Pending),
        );
        assert_eq!(
            decide(&a, std::slice::from_ref(&b)),
            Verdict::Unsettled("b".into())
        );
        assert_eq!(decide(&b, &[a]), Verdict::HeldBy("a".into()));
    }
}

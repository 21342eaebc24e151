//! Who is next: what has begun, then the more urgent first, in turn between groups, and every so often one of those
//! that are less urgent.
//!
//! # Guarantees
//!
//! - What has begun is finished before anything else begins: so there is never much of it.
//! - Nobody starves: of what begins, one turn in [`OTHERS_EVERY`] goes to the urgency that has had none for longest.
//! - Among equally urgent ones, a group with many waiters does not hold up a group with one.

use std::collections::{BTreeMap, VecDeque};

/// How soon a call is wanted. The order is the order of turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// The rest of something begun.
    UnderWay,
    /// A user changed something that stands.
    Edit,
    /// A user made something new.
    Create,
    /// A user deleted something.
    Delete,
    /// Another try at something that failed.
    Retry,
    /// A look at what may have changed.
    Poll,
}

impl Urgency {
    /// A fixed word for metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnderWay => "under_way",
            Self::Edit => "edit",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Retry => "retry",
            Self::Poll => "poll",
        }
    }
}

/// Of what begins, one turn in this many goes to the urgency that has had none for longest.
const OTHERS_EVERY: u64 = 8;

/// Waiters by number, in the order in which they are served.
#[derive(Debug, Default)]
pub(super) struct Line {
    arrivals: BTreeMap<u64, (Urgency, String)>,
    classes: BTreeMap<Urgency, Class>,
    next: u64,
    /// Turns of what begins.
    turns: u64,
}

#[derive(Debug, Default)]
struct Class {
    groups: BTreeMap<String, VecDeque<u64>>,
    /// The group that had the last turn, and when that was: its number.
    last: String,
    turn: u64,
}

impl Class {
    fn head(&self) -> Option<u64> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self
            .groups
            .range::<str, _>((Excluded(self.last.as_str()), Unbounded));
        after.chain(&self.groups).next()?.1.front().copied()
    }
}

impl Line {
    /// A newcomer's number.
    pub(super) fn join(&mut self, urgency: Urgency, group: &str) -> u64 {
        let number = self.next;
        self.next += 1;
        self.arrivals.insert(number, (urgency, group.to_owned()));
        let class = self.classes.entry(urgency).or_default();
        class
            .groups
            .entry(group.to_owned())
            .or_default()
            .push_back(number);
        number
    }

    /// Whose turn it is.
    pub(super) fn head(&self) -> Option<u64> {
        let begun = self.classes.get(&Urgency::UnderWay);
        if let Some(number) = begun.and_then(Class::head) {
            return Some(number);
        }
        let mut waiting = self
            .classes
            .values()
            .filter_map(|it| Some((it, it.head()?)));
        let next = if self.turns % OTHERS_EVERY == OTHERS_EVERY - 1 {
            waiting.min_by_key(|(class, _)| class.turn)
        } else {
            waiting.next()
        };
        next.map(|(_, number)| number)
    }

    /// The one whose turn it is has had it.
    pub(super) fn served(&mut self, number: u64) {
        if let Some((urgency, group)) = self.leave(number) {
            self.turns += u64::from(urgency != Urgency::UnderWay);
            let class = self.classes.entry(urgency).or_default();
            (class.last, class.turn) = (group, self.turns);
        }
    }

    /// Somebody waits no longer.
    pub(super) fn leave(&mut self, number: u64) -> Option<(Urgency, String)> {
        let (urgency, group) = self.arrivals.remove(&number)?;
        let class = self.classes.entry(urgency).or_default();
        if let Some(waiters) = class.groups.get_mut(&group) {
            waiters.retain(|waiter| *waiter != number);
            if waiters.is_empty() {
                class.groups.remove(&group);
            }
        }
        Some((urgency, group))
    }

    /// How urgent a waiter is.
    pub(super) fn urgency(&self, number: u64) -> Option<Urgency> {
        Some(self.arrivals.get(&number)?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(line: &mut Line) -> u64 {
        let number = line.head().unwrap();
        line.served(number);
        number
    }

    #[test]
    fn an_edit_goes_before_a_mass_and_a_mass_before_polls() {
        let mut line = Line::default();
        let poll = line.join(Urgency::Poll, "n");
        let first = line.join(Urgency::Create, "n");
        let second = line.join(Urgency::Create, "n");
        let edit = line.join(Urgency::Edit, "n");
        let served: Vec<u64> = (0..4).map(|_| serve(&mut line)).collect();
        assert_eq!(served, [edit, first, second, poll]);
        assert_eq!(line.head(), None);
    }

    #[test]
    fn nobody_starves() {
        let mut line = Line::default();
        let poll = line.join(Urgency::Poll, "n");
        let before = (0..100).take_while(|_| {
            line.join(Urgency::Edit, "n");
            serve(&mut line) != poll
        });
        assert_eq!(before.count(), 7);
    }

    #[test]
    fn what_is_not_urgent_has_its_turns_also_if_much_came_before_it_and_goes_on_in_between() {
        let mut line = Line::default();
        for _ in 0..300 {
            line.join(Urgency::Create, "n");
        }
        // A listing asks for one page after the other.
        let mut page = line.join(Urgency::Poll, "");
        let mut pages = 0;
        for _ in 0..200 {
            if serve(&mut line) == page {
                pages += 1;
                page = line.join(Urgency::Poll, "");
            }
            line.join(Urgency::UnderWay, "");
            serve(&mut line);
        }
        assert!(pages >= 10, "{pages} pages in 200 turns");
    }

    #[test]
    fn what_has_begun_is_finished_before_anything_else_begins() {
        let mut line = Line::default();
        for _ in 0..20 {
            line.join(Urgency::Create, "n");
        }
        for _ in 0..20 {
            let begun = line.join(Urgency::UnderWay, "");
            assert_eq!(serve(&mut line), begun);
            serve(&mut line);
        }
    }

    #[test]
    fn a_group_with_one_does_not_wait_for_a_group_with_many() {
        let mut line = Line::default();
        for _ in 0..50 {
            line.join(Urgency::Create, "many");
        }
        let one = line.join(Urgency::Create, "one");
        serve(&mut line);
        assert_eq!(serve(&mut line), one);
    }

    #[test]
    fn who_leaves_is_not_served() {
        let mut line = Line::default();
        let gone = line.join(Urgency::Edit, "n");
        let stays = line.join(Urgency::Edit, "n");
        line.leave(gone);
        assert_eq!(line.head(), Some(stays));
    }
}

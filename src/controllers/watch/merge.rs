//! Several watches that look like one: what a store that knows of one list is told.
//!
//! A store takes the end of a list for the whole: what was not in it is dropped. So of several watches only one list is
//! told, which ends once each has been listed, and whatever comes later is told as changes: also a list made anew, with
//! the end of what is missing in it.
//!
//! A watch that is refused is not waited for once another has been listed: a namespace that went must not hold up the rest.

use std::collections::{BTreeMap, BTreeSet};

use kube::Resource as _;
use kube::runtime::watcher::Event;

use super::Namespaced;
use super::seen::Seen;

/// What the watches have told so far.
pub(super) struct Merge<K> {
    parts: Vec<Part>,
    told: Told,
    /// By part and name: gone while the one list is being told; that is told after it.
    gone: BTreeMap<(usize, String), Seen<K>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Listing,
    All,
}

/// One watch.
struct Part {
    namespace: String,
    state: State,
    /// Names of what was told and is not gone.
    names: BTreeSet<String>,
    /// Names in the list that is under way.
    listing: BTreeSet<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Awaited,
    Listed,
    Refused,
}

impl<K: Namespaced> Merge<K> {
    /// Of watches of these namespaces. Of one alone, whatever it is of, nothing is kept.
    pub(super) fn new(namespaces: impl IntoIterator<Item = String>) -> Self {
        let parts = namespaces.into_iter().map(|namespace| Part {
            namespace,
            state: State::Awaited,
            names: BTreeSet::new(),
            listing: BTreeSet::new(),
        });
        Self {
            parts: parts.collect(),
            told: Told::Nothing,
            gone: BTreeMap::new(),
        }
    }

    /// What there is to tell after `event` of the watch `index`.
    pub(super) fn hear(&mut self, index: usize, event: Event<Seen<K>>) -> Vec<Event<Seen<K>>> {
        if self.parts.len() == 1 {
            return vec![event];
        }
        let Some(part) = self.parts.get_mut(index) else {
            return Vec::new();
        };
        match event {
            Event::Init => {
                part.state = State::Awaited;
                part.listing.clear();
                if self.told != Told::Nothing {
                    return Vec::new();
                }
                self.told = Told::Listing;
                vec![Event::Init]
            }
            Event::InitApply(object) => {
                part.listing.insert(name_of(&object));
                self.there(index, object)
            }
            Event::Apply(object) => self.there(index, object),
            Event::Delete(object) => {
                part.names.remove(&name_of(&object));
                self.gone(index, object)
            }
            Event::InitDone => {
                part.state = State::Listed;
                let listed = std::mem::take(&mut part.listing);
                let before = std::mem::replace(&mut part.names, listed);
                let missing = before.difference(&part.names);
                let missing: Vec<_> = missing
                    .map(|name| Seen::named(&part.namespace, name))
                    .collect();
                let ends = missing.into_iter();
                let mut events: Vec<_> = ends.flat_map(|it| self.gone(index, it)).collect();
                events.extend(self.all_told());
                events
            }
        }
    }

    /// What there is to tell after the watch `index` was refused.
    pub(super) fn refused(&mut self, index: usize) -> Vec<Event<Seen<K>>> {
        if let Some(part) = self.parts.get_mut(index) {
            part.state = State::Refused;
        }
        self.all_told()
    }

    fn there(&mut self, index: usize, object: Seen<K>) -> Vec<Event<Seen<K>>> {
        let name = name_of(&object);
        self.gone.remove(&(index, name.clone()));
        self.parts[index].names.insert(name);
        vec![if self.told == Told::All {
            Event::Apply(object)
        } else {
            Event::InitApply(object)
        }]
    }

    fn gone(&mut self, index: usize, object: Seen<K>) -> Vec<Event<Seen<K>>> {
        if self.told == Told::All {
            return vec![Event::Delete(object)];
        }
        self.gone.insert((index, name_of(&object)), object);
        Vec::new()
    }

    /// The end of the one list, once nothing is waited for any more.
    fn all_told(&mut self) -> Vec<Event<Seen<K>>> {
        let is = |state| self.parts.iter().any(|part| part.state == state);
        if self.told == Told::All || is(State::Awaited) || !is(State::Listed) {
            return Vec::new();
        }
        self.told = Told::All;
        let gone = std::mem::take(&mut self.gone).into_values();
        std::iter::once(Event::InitDone)
            .chain(gone.map(Event::Delete))
            .collect()
    }
}

fn name_of<K: Namespaced>(object: &Seen<K>) -> String {
    object.meta().name.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use kube::ResourceExt as _;
    use kube::runtime::reflector::store::Writer;

    use super::*;

    type Object = Seen<Secret>;

    const NAMESPACES: [&str; 2] = ["a", "b"];

    /// A store that is told what two watches bring.
    struct Told {
        merge: Merge<Secret>,
        store: Writer<Object>,
        events: Vec<String>,
    }

    impl Told {
        fn new() -> Self {
            Self {
                merge: Merge::new(NAMESPACES.map(str::to_owned)),
                store: Writer::default(),
                events: Vec::new(),
            }
        }

        fn take(&mut self, events: Vec<Event<Object>>) {
            for event in events {
                self.store.apply_watcher_event(&event);
                self.events.push(match event {
                    Event::Init => "init".to_owned(),
                    Event::InitDone => "done".to_owned(),
                    Event::InitApply(it) | Event::Apply(it) => format!("there {}", full(&it)),
                    Event::Delete(it) => format!("gone {}", full(&it)),
                });
            }
        }

        fn hear(&mut self, namespace: &str, event: &Event<&str>) {
            let object = |name: &str| Seen::named(namespace, name);
            let event = match event {
                Event::Init => Event::Init,
                Event::InitDone => Event::InitDone,
                Event::InitApply(name) => Event::InitApply(object(name)),
                Event::Apply(name) => Event::Apply(object(name)),
                Event::Delete(name) => Event::Delete(object(name)),
            };
            let events = self.merge.hear(index(namespace), event);
            self.take(events);
        }

        fn list(&mut self, namespace: &str, names: &[&str]) {
            self.hear(namespace, &Event::Init);
            for name in names {
                self.hear(namespace, &Event::InitApply(name));
            }
            self.hear(namespace, &Event::InitDone);
        }

        fn refuse(&mut self, namespace: &str) {
            let events = self.merge.refused(index(namespace));
            self.take(events);
        }

        fn ready(&self) -> bool {
            self.events.iter().any(|event| event == "done")
        }

        fn knows(&self) -> Vec<String> {
            let state = self.store.as_reader().state();
            let mut names: Vec<String> = state.iter().map(|it| full(it)).collect();
            names.sort();
            names
        }
    }

    fn index(namespace: &str) -> usize {
        NAMESPACES.iter().position(|it| *it == namespace).unwrap()
    }

    fn full(object: &Object) -> String {
        format!(
            "{}/{}",
            object.namespace().unwrap_or_default(),
            object.name_any()
        )
    }

    #[test]
    fn a_store_is_ready_once_both_have_been_listed_and_then_knows_both() {
        let mut told = Told::new();
        told.list("a", &["1", "2"]);
        assert!(!told.ready());
        told.list("b", &["1"]);
        assert!(told.ready());
        assert_eq!(told.knows(), ["a/1", "a/2", "b/1"]);
        assert_eq!(told.events.iter().filter(|it| *it == "init").count(), 1);
    }

    #[test]
    fn a_list_made_anew_leaves_the_other_namespace_alone_and_tells_what_is_missing() {
        let mut told = Told::new();
        told.list("a", &["1", "2"]);
        told.list("b", &["1", "2"]);
        told.events.clear();
        told.list("a", &["2", "3"]);
        assert_eq!(told.events, ["there a/2", "there a/3", "gone a/1"]);
        assert_eq!(told.knows(), ["a/2", "a/3", "b/1", "b/2"]);
    }

    #[test]
    fn what_changes_in_one_while_the_other_is_still_listed_is_not_lost() {
        let mut told = Told::new();
        told.list("a", &["1", "2", "3"]);
        told.hear("b", &Event::Init);
        told.hear("a", &Event::Apply("4"));
        told.hear("a", &Event::Delete("1"));
        told.hear("a", &Event::Delete("2"));
        told.hear("a", &Event::Apply("2"));
        told.hear("b", &Event::InitApply("1"));
        told.hear("b", &Event::InitDone);
        assert_eq!(told.knows(), ["a/2", "a/3", "a/4", "b/1"]);
        assert_eq!(told.events.last().unwrap(), "gone a/1");
    }

    #[test]
    fn a_list_that_broke_off_and_was_made_anew_counts_as_the_newer_one() {
        let mut told = Told::new();
        told.hear("a", &Event::Init);
        told.hear("a", &Event::InitApply("1"));
        told.list("b", &[]);
        told.list("a", &["2"]);
        assert_eq!(told.knows(), ["a/2"]);
    }

    #[test]
    fn a_namespace_that_is_refused_holds_nobody_up_and_may_come_later() {
        let mut told = Told::new();
        told.refuse("b");
        assert!(!told.ready(), "nothing has been seen at all");
        told.list("a", &["1"]);
        assert!(told.ready());
        told.list("b", &["1"]);
        assert_eq!(told.knows(), ["a/1", "b/1"]);
        // Refused later, what it had is still known.
        told.refuse("b");
        assert_eq!(told.knows(), ["a/1", "b/1"]);
        let mut told = Told::new();
        told.list("a", &["1"]);
        assert!(!told.ready());
        told.refuse("b");
        assert!(told.ready());
    }

    #[test]
    fn one_alone_is_told_as_it_is() {
        let mut merge = Merge::<Secret>::new(["a".to_owned()]);
        for event in [
            Event::Init,
            Event::InitApply(Seen::named("a", "1")),
            Event::InitDone,
            Event::Init,
        ] {
            let told = merge.hear(0, event.clone());
            assert_eq!(format!("{told:?}"), format!("{:?}", [event]));
        }
    }
}

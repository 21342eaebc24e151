//! What of the things a watch brings is news: one that starts over, as on every upgrade of kube-apiserver, shows everything
//! again, and whoever depends on what it shows would be reconciled, all at once. What went while nobody watched is not shown
//! by anything: it is missing in the list.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use kube::Resource as _;
use kube::runtime::watcher::Event;

use crate::work::Id;

use super::{Namespaced, Seen};

/// What one watch has shown, as hashes: a cluster may have many Secrets.
#[derive(Debug, Default)]
pub(super) struct Changes {
    known: HashMap<Id, Known>,
    /// Lists that were begun.
    list: u32,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    version: u64,
    relevance: u64,
    /// The last list it was in, or that was there when it came.
    list: u32,
}

/// What a watch tells.
#[derive(Debug)]
pub(in crate::controllers) enum News<K> {
    /// It came, changed or is gone.
    Touched {
        /// What.
        object: Box<Seen<K>>,
        /// It may change the outcome of its own reconcile; a status that was written does not.
        relevant: bool,
        /// It was in a list: one of many that are told at once.
        listed: bool,
    },
    /// These went while nobody watched.
    Missing(HashSet<Id>),
}

impl Changes {
    /// What of `event` is news.
    pub(super) fn of<K: Namespaced>(&mut self, event: Event<Seen<K>>) -> Option<News<K>> {
        match event {
            Event::Init => {
                self.list = self.list.wrapping_add(1);
                None
            }
            Event::InitApply(object) => self.there(object, true),
            Event::Apply(object) => self.there(object, false),
            Event::InitDone => {
                let mut missing = HashSet::new();
                self.known.retain(|id, known| {
                    let stays = known.list == self.list;
                    if !stays {
                        missing.insert(*id);
                    }
                    stays
                });
                (!missing.is_empty()).then_some(News::Missing(missing))
            }
            Event::Delete(object) => {
                self.known.remove(&object.key().id());
                Some(News::Touched {
                    object: Box::new(object),
                    relevant: true,
                    listed: false,
                })
            }
        }
    }

    fn there<K: Namespaced>(&mut self, object: Seen<K>, listed: bool) -> Option<News<K>> {
        let now = Known {
            version: version(&object),
            relevance: object.relevance(),
            list: self.list,
        };
        let before = self.known.insert(object.key().id(), now);
        if listed && before.is_some_and(|before| before.version == now.version) {
            return None;
        }
        let relevant = before.is_none_or(|before| before.relevance != now.relevance);
        Some(News::Touched {
            object: Box::new(object),
            relevant,
            listed,
        })
    }
}

fn version<K: Namespaced>(object: &Seen<K>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    (&meta.uid, &meta.resource_version).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    use super::*;

    fn object(name: &str, version: &str, generation: u64) -> Seen<Secret> {
        serde_json::from_value(json!({"metadata": {
            "name": name, "namespace": "n", "resourceVersion": version, "generation": generation,
        }}))
        .unwrap()
    }

    /// The news of events, and of those missing the names among these.
    fn tell(changes: &mut Changes, events: Vec<Event<Seen<Secret>>>) -> Vec<String> {
        let news = events.into_iter().filter_map(|event| changes.of(event));
        let told = news.flat_map(|news| match news {
            News::Touched {
                object, relevant, ..
            } => {
                let word = if relevant { "" } else { " (status)" };
                vec![format!("{}{word}", object.key().name())]
            }
            News::Missing(ids) => {
                let all = ["a", "b", "c"].into_iter();
                let missing = all.filter(|name| ids.contains(&object(name, "", 0).key().id()));
                missing.map(|name| format!("no {name}")).collect()
            }
        });
        told.collect()
    }

    fn list(changes: &mut Changes, objects: &[(&str, &str)]) -> Vec<String> {
        let all = objects
            .iter()
            .map(|(name, version)| Event::InitApply(object(name, version, 1)));
        let mut events = vec![Event::Init];
        events.extend(all);
        events.push(Event::InitDone);
        tell(changes, events)
    }

    #[test]
    fn a_list_made_anew_shows_only_what_changed_meanwhile() {
        let mut changes = Changes::default();
        assert_eq!(list(&mut changes, &[("a", "1"), ("b", "2")]), ["a", "b"]);
        assert!(list(&mut changes, &[("a", "1"), ("b", "2")]).is_empty());
        assert_eq!(
            tell(&mut changes, vec![Event::Apply(object("b", "3", 1))]),
            ["b (status)"]
        );
        assert_eq!(
            list(&mut changes, &[("a", "4"), ("b", "3"), ("c", "5")]),
            ["a (status)", "c"]
        );
    }

    #[test]
    fn what_went_while_nobody_watched_is_missing_once_and_news_when_it_comes_again() {
        let mut changes = Changes::default();
        list(&mut changes, &[("a", "1"), ("b", "1")]);
        assert_eq!(list(&mut changes, &[("a", "1")]), ["no b"]);
        assert!(list(&mut changes, &[("a", "1")]).is_empty());
        assert_eq!(list(&mut changes, &[("a", "1"), ("b", "1")]), ["b"]);
    }

    #[test]
    fn every_relevant_change_is_told_and_so_is_an_end() {
        let mut changes = Changes::default();
        list(&mut changes, &[("a", "1")]);
        let events = vec![
            Event::Apply(object("a", "2", 2)),
            Event::Delete(object("a", "3", 2)),
            Event::Apply(object("a", "4", 2)),
        ];
        assert_eq!(tell(&mut changes, events), ["a", "a", "a"]);
        // It came after the list: the next one misses it only if it is gone.
        assert!(list(&mut changes, &[("a", "4")]).is_empty());
    }

    #[test]
    fn a_list_that_is_cut_off_makes_nothing_missing() {
        let mut changes = Changes::default();
        list(&mut changes, &[("a", "1"), ("b", "1")]);
        tell(
            &mut changes,
            vec![Event::Init, Event::InitApply(object("a", "1", 1))],
        );
        assert!(list(&mut changes, &[("a", "1"), ("b", "1")]).is_empty());
    }
}

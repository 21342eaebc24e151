//! Who depends on what: a small index that turns "this Secret changed" into "wake these resources".
//!
//! A reconcile registers what it is about to read before it reads it, so a change is either seen by
//! that read or wakes the resource afterwards. Every resource is reconciled once after a start, so the
//! index is complete without holding a single object.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::work::{Id, Key};

/// Something a resource of ours reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dependency {
    /// A Secret.
    Secret(Key),
    /// A `CustomerIoSource`.
    Source(Key),
    /// An `AepDataset`.
    Dataset(Key),
}

impl Dependency {
    /// Which one of its kind.
    pub fn key(&self) -> &Key {
        match self {
            Self::Secret(key) | Self::Source(key) | Self::Dataset(key) => key,
        }
    }
}

/// The index for one kind of dependent.
#[derive(Debug, Default)]
pub struct Dependencies {
    index: Mutex<Index>,
}

/// Flat and ordered: a set for each of ten thousand resources would take several times as much.
#[derive(Debug, Default)]
struct Index {
    /// Sorted, each once.
    of: BTreeMap<Key, Box<[Dependency]>>,
    dependents: BTreeSet<(Dependency, Key)>,
}

impl Index {
    fn dependents(&self, dependency: &Dependency) -> impl Iterator<Item = &Key> {
        let from = (dependency.clone(), Key::least());
        let pairs = self.dependents.range(from..);
        pairs
            .take_while(move |(on, _)| on == dependency)
            .map(|(_, dependent)| dependent)
    }
}

impl Dependencies {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what `dependent` depends on; nothing at all forgets it. Returns what it no longer
    /// depends on.
    pub fn set(
        &self,
        dependent: &Key,
        dependencies: impl IntoIterator<Item = Dependency>,
    ) -> Vec<Dependency> {
        let now: BTreeSet<Dependency> = dependencies.into_iter().collect();
        let mut index = self.index();
        let before = index.of.remove(dependent).unwrap_or_default();
        let mut gone = before.into_vec();
        gone.retain(|dependency| !now.contains(dependency));
        for dependency in &gone {
            index
                .dependents
                .remove(&(dependency.clone(), dependent.clone()));
        }
        if !now.is_empty() {
            let pairs = now.iter().map(|it| (it.clone(), dependent.clone()));
            index.dependents.extend(pairs);
            index
                .of
                .insert(dependent.clone(), now.into_iter().collect());
        }
        gone
    }

    /// Whether anybody depends on `dependency`.
    pub fn has_dependents(&self, dependency: &Dependency) -> bool {
        self.index().dependents(dependency).next().is_some()
    }

    /// Whether `dependent` is there, as far as its reconciles have told.
    pub fn knows(&self, dependent: &Key) -> bool {
        self.index().of.contains_key(dependent)
    }

    /// Who is there, as far as their reconciles have told, of `these`.
    pub fn known(&self, these: &HashSet<Id>) -> Vec<Key> {
        let index = self.index();
        let known = index.of.keys().filter(|key| these.contains(&key.id()));
        known.cloned().collect()
    }

    /// What somebody depends on.
    pub fn named(&self) -> BTreeSet<Dependency> {
        let index = self.index();
        index.dependents.iter().map(|(on, _)| on.clone()).collect()
    }

    /// The Secrets that somebody depends on.
    pub fn secrets(&self) -> BTreeSet<Key> {
        let named = self.named().into_iter().filter_map(|on| match on {
            Dependency::Secret(key) => Some(key),
            Dependency::Source(_) | Dependency::Dataset(_) => None,
        });
        named.collect()
    }

    /// Who depends on `dependency`.
    pub fn dependents(&self, dependency: &Dependency) -> Vec<Key> {
        self.index().dependents(dependency).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_wakes_those_that_depend_on_it_now() {
        let dependencies = Dependencies::default();
        let (a, b) = (Key::new("n", "a"), Key::new("n", "b"));
        let secret = |name: &str| Dependency::Secret(Key::new("n", name));
        dependencies.set(&a, [secret("one"), Dependency::Source(Key::new("n", "s"))]);
        dependencies.set(&b, [secret("one")]);
        assert_eq!(
            dependencies.dependents(&secret("one")),
            [a.clone(), b.clone()]
        );
        dependencies.set(&a, [secret("two")]);
        assert_eq!(dependencies.dependents(&secret("one")), [b]);
        assert_eq!(
            dependencies.dependents(&secret("two")),
            std::slice::from_ref(&a)
        );
        dependencies.set(&a, []);
        assert!(dependencies.dependents(&secret("two")).is_empty());
    }

    #[test]
    fn whoever_depends_on_nothing_is_not_known() {
        let dependencies = Dependencies::default();
        let (a, source) = (Key::new("n", "a"), Dependency::Source(Key::new("n", "s")));
        let all = [a.id(), Key::new("n", "b").id()].into();
        dependencies.set(&a, [source.clone()]);
        assert!(dependencies.knows(&a) && dependencies.has_dependents(&source));
        assert_eq!(dependencies.known(&all), std::slice::from_ref(&a));
        assert_eq!(dependencies.set(&a, []), std::slice::from_ref(&source));
        assert!(!dependencies.knows(&a) && !dependencies.has_dependents(&source));
        assert!(dependencies.known(&all).is_empty());
    }
}

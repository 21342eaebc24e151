//! Who depends on what: a small index that turns "this Secret changed" into "wake these resources".
//!
//! A reconcile registers what it is about to read before it reads it, so a change is either seen by
//! that read or wakes the resource afterwards. Every resource is reconciled once after a start, so the
//! index is complete without holding a single object.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// A key from its parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

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

/// The index for one kind of dependent.
#[derive(Debug, Default)]
pub struct Dependencies {
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    of: HashMap<Key, Registered>,
    registrations: u64,
    dependents: HashMap<Dependency, HashSet<Key>>,
}

#[derive(Debug, Default)]
struct Registered {
    number: u64,
    dependencies: HashSet<Dependency>,
}

impl Dependencies {
    /// Replaces what `dependent` depends on; nothing at all forgets it. Returns what it no longer
    /// depends on.
    pub fn set(
        &self,
        dependent: &Key,
        dependencies: impl IntoIterator<Item = Dependency>,
    ) -> Vec<Dependency> {
        let mut guard = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let index = &mut *guard;
        let now: HashSet<Dependency> = dependencies.into_iter().collect();
        let before = index.of.remove(dependent).unwrap_or_default().dependencies;
        for gone in before.difference(&now) {
            if let Some(dependents) = index.dependents.get_mut(gone) {
                dependents.remove(dependent);
                if dependents.is_empty() {
                    index.dependents.remove(gone);
                }
            }
        }
        for new in &now {
            index
                .dependents
                .entry(new.clone())
                .or_default()
                .insert(dependent.clone());
        }
        if !now.is_empty() {
            index.registrations += 1;
            let registered = Registered {
                number: index.registrations,
                dependencies: now.clone(),
            };
            index.of.insert(dependent.clone(), registered);
        }
        let mut gone: Vec<Dependency> = before.difference(&now).cloned().collect();
        gone.sort();
        gone
    }

    /// Whether anybody depends on `dependency`.
    pub fn has_dependents(&self, dependency: &Dependency) -> bool {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.dependents.contains_key(dependency)
    }

    /// Whether `dependent` is there, as far as its reconciles have told.
    pub fn knows(&self, dependent: &Key) -> bool {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.of.contains_key(dependent)
    }

    /// Which registration of `dependent` is in force, if one is: whoever learns outside of its reconciles that it is
    /// gone may have learned it of one that has a successor by now.
    pub fn registration(&self, dependent: &Key) -> Option<u64> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.of.get(dependent).map(|registered| registered.number)
    }

    /// The Secrets that somebody depends on.
    pub fn secrets(&self) -> Vec<Key> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let named = index.dependents.keys();
        let secrets = named.filter_map(|it| match it {
            Dependency::Secret(key) => Some(key.clone()),
            Dependency::Source(_) | Dependency::Dataset(_) => None,
        });
        secrets.collect()
    }

    /// Who depends on `dependency`.
    pub fn dependents(&self, dependency: &Dependency) -> Vec<Key> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<Key> = index
            .dependents
            .get(dependency)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        keys.sort();
        keys
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
    fn a_successor_of_the_same_name_is_told_from_the_one_that_went() {
        let dependencies = Dependencies::default();
        let (a, source) = (Key::new("n", "a"), Dependency::Source(Key::new("n", "s")));
        assert_eq!(dependencies.registration(&a), None);
        dependencies.set(&a, [source.clone()]);
        let looked_at = dependencies.registration(&a);
        assert!(looked_at.is_some());
        dependencies.set(&a, []);
        assert_eq!(dependencies.registration(&a), None);
        dependencies.set(&a, [source]);
        assert_ne!(dependencies.registration(&a), looked_at);
    }
}

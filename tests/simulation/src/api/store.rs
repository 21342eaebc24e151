//! Objects by key, every change with a revision of its own, as etcd keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

/// Kind (its place in the table), namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) kind: usize,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Added,
    Modified,
    Deleted,
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    pub(crate) verb: Verb,
    /// As it is now; one deleted as it last was, with the revision of its deletion.
    pub(crate) object: Arc<Value>,
    pub(crate) before: Option<Arc<Value>>,
}

/// All objects, and how they came to be.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) revision: u64,
    /// Nothing up to here can be looked back at.
    pub(crate) compacted: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    log: Vec<Change>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            // Zero means "any" in requests.
            revision: 100,
            compacted: 100,
            objects: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// Stores an object under a new revision.
    pub(crate) fn put(&mut self, key: &Key, mut object: Value) -> Change {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        let verb = if before.is_some() {
            Verb::Modified
        } else {
            Verb::Added
        };
        self.log(key, verb, object, before)
    }

    /// Removes an object; what watches see of it is `last`.
    pub(crate) fn remove(&mut self, key: &Key, mut last: Value) -> Change {
        self.revision += 1;
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let before = self.objects.remove(key);
        self.log(key, Verb::Deleted, Arc::new(last), before)
    }

    fn log(
        &mut self,
        key: &Key,
        verb: Verb,
        object: Arc<Value>,
        before: Option<Arc<Value>>,
    ) -> Change {
        let change = Change {
            revision: self.revision,
            key: key.clone(),
            verb,
            object,
            before,
        };
        self.log.push(change.clone());
        change
    }

    /// Changes after a revision; `None` if that is too long ago.
    pub(crate) fn since(&self, revision: u64) -> Option<&[Change]> {
        if revision < self.compacted {
            return None;
        }
        let start = self
            .log
            .partition_point(|change| change.revision <= revision);
        Some(&self.log[start..])
    }

    /// All objects of a kind as they were at a revision; `None` if that is too long ago.
    pub(crate) fn at(&self, revision: u64, kind: usize) -> Option<BTreeMap<Key, Arc<Value>>> {
        let mut objects: BTreeMap<Key, Arc<Value>> = self
            .objects
            .iter()
            .filter(|(key, _)| key.kind == kind)
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        let undone = self
            .since(revision)?
            .iter()
            .rev()
            .filter(|change| change.key.kind == kind);
        for change in undone {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Some(objects)
    }

    /// Forgets the past.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.revision;
        self.log.clear();
    }
}

//! A shelf of JSON objects in order of creation, found by id: the store behind every collection.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

/// A JSON object as the APIs show it.
pub(crate) type Object = Map<String, Value>;

/// One stored object and what its service does not show.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) value: Object,
    /// From when lists show it.
    pub(crate) listed_from: u64,
    /// The caller lacks the label: GET says 404, writes say 403, lists leave it out.
    pub(crate) hidden: bool,
}

/// Objects of one kind in one sandbox.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    items: BTreeMap<u64, Item>,
    index: HashMap<String, u64>,
    next: u64,
}

impl Shelf {
    pub(crate) fn insert(&mut self, id: &str, value: Object, listed_from: u64) {
        self.remove(id);
        let sequence = self.next;
        self.next += 1;
        self.index.insert(id.to_owned(), sequence);
        self.items.insert(
            sequence,
            Item {
                id: id.to_owned(),
                value,
                listed_from,
                hidden: false,
            },
        );
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Item> {
        self.items.get(self.index.get(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Item> {
        self.items.get_mut(self.index.get(id)?)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Item> {
        self.items.remove(&self.index.remove(id)?)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.index.contains_key(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// What lists show, with each object's place in the order of creation.
    pub(crate) fn listed(&self, now: u64) -> impl Iterator<Item = (u64, &Item)> {
        self.items
            .iter()
            .filter(move |(_, item)| !item.hidden && item.listed_from <= now)
            .map(|(sequence, item)| (*sequence, item))
    }
}

/// Text at a key, or nothing.
pub(crate) fn text<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

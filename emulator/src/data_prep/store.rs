//! Mapping sets as they are kept: every version of each, and how a version is shown.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use crate::transform::Row;

/// One version of a mapping set.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) modified: u64,
    pub(crate) modified_by: String,
    pub(crate) name: Option<String>,
    pub(crate) schema_id: String,
    pub(crate) schema_major: u64,
    pub(crate) content_type: String,
    /// Id that the service gives the schema reference.
    pub(crate) schema_ref_id: String,
    pub(crate) allow_nulls: bool,
    pub(crate) tags: Option<Value>,
    pub(crate) rows: Vec<Row>,
    pub(crate) row_ids: Vec<String>,
}

/// A mapping set.
#[derive(Debug)]
pub(crate) struct MappingSet {
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) created_by: String,
    pub(crate) listed_from: u64,
    pub(crate) versions: Vec<Version>,
}

/// The mapping sets of a sandbox, in order of creation.
#[derive(Debug, Default)]
pub(crate) struct MappingSets {
    sets: BTreeMap<u64, MappingSet>,
    index: HashMap<String, u64>,
    next: u64,
}

impl MappingSets {
    pub(crate) fn get(&self, id: &str) -> Option<&MappingSet> {
        self.sets.get(self.index.get(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut MappingSet> {
        self.sets.get_mut(self.index.get(id)?)
    }

    pub(crate) fn insert(&mut self, set: MappingSet) {
        self.index.insert(set.id.clone(), self.next);
        self.sets.insert(self.next, set);
        self.next += 1;
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<MappingSet> {
        self.sets.remove(&self.index.remove(id)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &MappingSet> {
        self.sets.values()
    }
}

impl MappingSet {
    pub(crate) fn version(&self, version: u64) -> Option<&Version> {
        self.versions.iter().find(|known| known.number == version)
    }

    pub(crate) fn latest(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// A version as reads show it: kinds by their read names, both dialects, dates rounded to the second.
    pub(crate) fn show(&self, version: &Version) -> Value {
        let mut shown = self.outline(version);
        shown.insert("createdDate".to_owned(), json!(self.created / 1000 * 1000));
        shown.insert(
            "modifiedDate".to_owned(),
            json!(version.modified / 1000 * 1000),
        );
        shown.insert("mappings".to_owned(), version.show_rows(true));
        Value::Object(shown)
    }

    /// A version as the answer to an update shows it: without the fields that only reads fill in.
    pub(crate) fn show_update(&self, version: &Version) -> Value {
        let mut shown = self.outline(version);
        shown.insert("createdDate".to_owned(), json!(self.created / 1000 * 1000));
        shown.insert("modifiedDate".to_owned(), json!(version.modified));
        shown.insert("mappings".to_owned(), version.show_rows(false));
        Value::Object(shown)
    }

    fn outline(&self, version: &Version) -> Map<String, Value> {
        let reference = json!({"id": version.schema_id, "contentType": version.content_type});
        let shown = json!({
            "id": self.id, "version": version.number, "createdBy": self.created_by, "modifiedBy": version.modified_by,
            "supportVersion": "1.1",
            "outputSchema": {"id": version.schema_ref_id, "version": 0, "schemaRef": reference},
            "status": "DRAFT", "strictMapping": false, "allowNullValues": version.allow_nulls,
            "xdmVersion": version.content_type, "schemaRef": reference, "xdmSchema": version.schema_id
        });
        let Value::Object(mut shown) = shown else {
            return Map::new();
        };
        if let Some(name) = &version.name {
            shown.insert("name".to_owned(), json!(name));
        }
        if let Some(tags) = &version.tags {
            shown.insert("tags".to_owned(), tags.clone());
        }
        shown
    }
}

impl Version {
    pub(crate) fn show_rows(&self, full: bool) -> Value {
        let rows = self.rows.iter().zip(&self.row_ids).map(|(row, id)| {
            let mut shown = json!({
                "id": id, "version": 0, "sourceType": super::rows::read_kind(row), "source": row.text,
                "destination": row.destination
            });
            if full {
                super::rows::add_read_fields(&mut shown, row);
            }
            shown
        });
        Value::Array(rows.collect())
    }
}

//! Lists and watches: selection, pages, events.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::kinds::Kind;
use super::store::{Change, Key, Verb};

/// How objects come out: whole, or their metadata only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Metadata,
}

/// Which objects a list or watch is about.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) kind: usize,
    pub(crate) namespace: Option<String>,
    /// JSON pointer, value, and whether it has to be that value.
    terms: Vec<(String, String, bool)>,
}

impl Selection {
    pub(crate) fn new(
        place: usize,
        kind: &Kind,
        namespace: Option<&str>,
        fields: &str,
        labels: &str,
    ) -> Result<Self, Refusal> {
        let mut terms = Vec::new();
        for term in fields.split(',').filter(|term| !term.is_empty()) {
            let (field, value, equal) = split(term);
            let pointer = match field {
                "metadata.name" => Some("/metadata/name".to_owned()),
                "metadata.namespace" => Some("/metadata/namespace".to_owned()),
                field => {
                    let known = kind.selectable.iter().find(|(name, _)| name == field);
                    known.map(|(_, pointer)| pointer.clone())
                }
            };
            let pointer = pointer.ok_or_else(|| {
                let message = format!("field label not supported: {field}");
                Refusal::new(400, "BadRequest", message)
            })?;
            terms.push((pointer, value.to_owned(), equal));
        }
        for term in labels.split(',').filter(|term| !term.is_empty()) {
            let (label, value, equal) = split(term);
            let label = label.replace('~', "~0").replace('/', "~1");
            terms.push((format!("/metadata/labels/{label}"), value.to_owned(), equal));
        }
        Ok(Self {
            kind: place,
            namespace: namespace.map(str::to_owned),
            terms,
        })
    }

    pub(crate) fn takes(&self, key: &Key, object: &Value) -> bool {
        key.kind == self.kind
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == key.namespace)
            && self.terms.iter().all(|(pointer, value, equal)| {
                (object.pointer(pointer).and_then(Value::as_str) == Some(value)) == *equal
            })
    }

    /// A change as a watch of this selection tells it.
    pub(crate) fn event(&self, change: &Change, form: Form) -> Option<Value> {
        let is = change.verb != Verb::Deleted && self.takes(&change.key, &change.object);
        let was = change
            .before
            .as_ref()
            .is_some_and(|before| self.takes(&change.key, before));
        let word = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        Some(json!({"type": word, "object": shown(&change.object, form)}))
    }
}

fn split(term: &str) -> (&str, &str, bool) {
    if let Some((field, value)) = term.split_once("!=") {
        return (field, value, false);
    }
    let (field, value) = term.split_once('=').unwrap_or((term, ""));
    (field, value.trim_start_matches('='), true)
}

/// An object as it comes out.
pub(crate) fn shown(object: &Value, form: Form) -> Value {
    match form {
        Form::Whole => object.clone(),
        Form::Metadata => json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
        }),
    }
}

/// An item of a list: built-in kinds do not repeat what the list says.
pub(crate) fn item(kind: &Kind, object: &Value, form: Form) -> Value {
    let mut item = shown(object, form);
    if let (Form::Whole, false, Value::Object(fields)) = (form, kind.custom, &mut item) {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    item
}

/// A bookmark: how far a watch has come.
pub(crate) fn bookmark(kind: &Kind, revision: u64, form: Form) -> Value {
    let (word, version) = match form {
        Form::Whole => (kind.kind.clone(), kind.api_version()),
        Form::Metadata => (
            "PartialObjectMetadata".to_owned(),
            "meta.k8s.io/v1".to_owned(),
        ),
    };
    json!({"type": "BOOKMARK", "object": {
        "kind": word, "apiVersion": version,
        "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null},
    }})
}

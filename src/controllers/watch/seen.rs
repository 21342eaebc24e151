//! An object as a watch shows it: that it is there, and whether it is worth a look. Everything else is read live.
//!
//! Ten thousand of them are kept, and pages of them are read at a time, so what nobody asks for is not even taken in:
//! `managedFields` alone are several times as long as the rest. (kube's `PartialObjectMeta` takes in all of it, twice.)

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::core::metadata::ObjectMeta;
use serde::{Deserialize, Deserializer};

use crate::resources::IN_USE;
use crate::work::Key;

/// Long, and says nothing that the object itself does not.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object of kind `K`. Of its metadata there are name, namespace, uid, version, the deletion's time, and, of the
/// finalizers, [`IN_USE`].
#[derive(Debug)]
pub(in crate::controllers) struct Seen<K> {
    meta: ObjectMeta,
    relevance: u64,
    kind: PhantomData<fn() -> K>,
}

impl<K> Seen<K> {
    /// Which one.
    pub(in crate::controllers) fn key(&self) -> Key {
        let of = |part: &Option<String>| part.clone().unwrap_or_default();
        Key::new(of(&self.meta.namespace), of(&self.meta.name))
    }

    /// What of the object's metadata may change the outcome of a reconcile, as one number.
    pub(in crate::controllers) fn relevance(&self) -> u64 {
        self.relevance
    }
}

/// What is taken in.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    deletion_timestamp: Option<Time>,
    #[serde(default)]
    finalizers: Vec<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl<K> From<Metadata> for Seen<K> {
    fn from(of: Metadata) -> Self {
        let mut hasher = DefaultHasher::new();
        of.uid.hash(&mut hasher);
        of.generation.hash(&mut hasher);
        of.deletion_timestamp.is_some().hash(&mut hasher);
        for annotation in &of.annotations {
            if annotation.0 != LAST_APPLIED {
                annotation.hash(&mut hasher);
            }
        }
        let is_in_use = of.finalizers.iter().any(|name| name == IN_USE);
        Self {
            meta: ObjectMeta {
                name: of.name,
                namespace: of.namespace,
                uid: of.uid,
                resource_version: of.resource_version,
                deletion_timestamp: of.deletion_timestamp,
                finalizers: is_in_use.then(|| vec![IN_USE.to_owned()]),
                ..ObjectMeta::default()
            },
            relevance: hasher.finish(),
            kind: PhantomData,
        }
    }
}

impl<'de, K> Deserialize<'de> for Seen<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Object {
            metadata: Metadata,
        }
        Object::deserialize(deserializer).map(|object| object.metadata.into())
    }
}

// Not derived: that would ask the same of `K`.
impl<K> Clone for Seen<K> {
    fn clone(&self) -> Self {
        Self {
            meta: self.meta.clone(),
            relevance: self.relevance,
            kind: PhantomData,
        }
    }
}

impl<K: Resource> Resource for Seen<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn metadata_api() -> bool {
        true
    }

    fn kind(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::{Value, json};

    use super::*;

    fn object() -> Value {
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": {
                "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 2,
                "annotations": {"x": "y", LAST_APPLIED: "{}"}, "labels": {"l": "m"},
                "finalizers": ["other/one", IN_USE],
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
            },
        })
    }

    fn seen(object: &Value) -> Seen<Secret> {
        serde_json::from_value(object.clone()).unwrap()
    }

    #[test]
    fn what_nobody_asks_for_is_not_kept() {
        let meta = seen(&object()).meta;
        assert_eq!(
            meta,
            ObjectMeta {
                name: Some("a".into()),
                namespace: Some("n".into()),
                uid: Some("u".into()),
                resource_version: Some("7".into()),
                finalizers: Some(vec![IN_USE.into()]),
                ..ObjectMeta::default()
            }
        );
    }

    #[test]
    fn only_what_may_change_a_reconcile_is_relevant() {
        let before = seen(&object()).relevance();
        for (pointer, value) in [
            ("/metadata/uid", json!("v")),
            ("/metadata/generation", json!(3)),
            ("/metadata/annotations/x", json!("z")),
        ] {
            let mut changed = object();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert_ne!(seen(&changed).relevance(), before, "{pointer}");
        }
        let mut going = object();
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_ne!(seen(&going).relevance(), before);
        let mut status_written = object();
        status_written["metadata"]["resourceVersion"] = json!("8");
        status_written["metadata"]["managedFields"] = json!([]);
        status_written["metadata"]["annotations"][LAST_APPLIED] = json!("{\"a\": 1}");
        assert_eq!(seen(&status_written).relevance(), before);
    }
}

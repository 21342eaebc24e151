//! What of a list made anew is news: a watch that starts over, as on every upgrade of kube-apiserver, shows everything again,
//! and whoever depends on what it shows would be reconciled, all at once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use kube::Resource;
use kube::runtime::watcher::Event;

/// The versions that were shown, by object; as hashes, because a cluster may have many Secrets.
#[derive(Debug, Default)]
pub(super) struct Changes {
    known: HashMap<u64, u64>,
    /// Of the list that is under way.
    listed: HashMap<u64, u64>,
}

impl Changes {
    /// The object of `event`, unless this very version of it was shown before.
    pub(super) fn of<K: Resource>(&mut self, event: Event<K>) -> Option<K> {
        match event {
            Event::Init => {
                self.listed.clear();
                None
            }
            Event::InitApply(object) => {
                let (key, version) = hashes(&object);
                self.listed.insert(key, version);
                (self.known.get(&key) != Some(&version)).then_some(object)
            }
            Event::InitDone => {
                self.known = std::mem::take(&mut self.listed);
                None
            }
            Event::Apply(object) => {
                let (key, version) = hashes(&object);
                self.known.insert(key, version);
                Some(object)
            }
            Event::Delete(object) => {
                self.known.remove(&hashes(&object).0);
                Some(object)
            }
        }
    }
}

fn hashes<K: Resource>(object: &K) -> (u64, u64) {
    let hash = |of: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        of(&mut hasher);
        hasher.finish()
    };
    let meta = object.meta();
    (
        hash(&|hasher| (&meta.namespace, &meta.name).hash(hasher)),
        hash(&|hasher| (&meta.uid, &meta.resource_version).hash(hasher)),
    )
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use kube::ResourceExt as _;
    use kube::core::metadata::ObjectMeta;

    use super::*;

    fn secret(name: &str, version: &str) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: Some(name.into()),
                namespace: Some("n".into()),
                resource_version: Some(version.into()),
                ..ObjectMeta::default()
            },
            ..Secret::default()
        }
    }

    fn list(changes: &mut Changes, secrets: &[(&str, &str)]) -> Vec<String> {
        let all = secrets
            .iter()
            .map(|(name, version)| Event::InitApply(secret(name, version)));
        let events = std::iter::once(Event::Init)
            .chain(all)
            .chain([Event::InitDone]);
        let news = events.filter_map(|event| changes.of(event));
        news.map(|secret| secret.name_any()).collect()
    }

    #[test]
    fn a_list_made_anew_shows_only_what_changed_meanwhile() {
        let mut changes = Changes::default();
        assert_eq!(list(&mut changes, &[("a", "1"), ("b", "2")]), ["a", "b"]);
        assert!(list(&mut changes, &[("a", "1"), ("b", "2")]).is_empty());
        assert!(changes.of(Event::Apply(secret("b", "3"))).is_some());
        assert_eq!(
            list(&mut changes, &[("a", "4"), ("b", "3"), ("c", "5")]),
            ["a", "c"]
        );
    }

    #[test]
    fn what_went_and_came_again_is_news_and_so_is_every_change() {
        let mut changes = Changes::default();
        list(&mut changes, &[("a", "1"), ("b", "1")]);
        assert!(changes.of(Event::Delete(secret("a", "2"))).is_some());
        assert_eq!(list(&mut changes, &[("a", "1")]), ["a"]);
        // "b" went while nobody watched.
        assert_eq!(list(&mut changes, &[("a", "1"), ("b", "1")]), ["b"]);
        assert!(changes.of(Event::Apply(secret("a", "1"))).is_some());
    }

    #[test]
    fn a_list_that_is_cut_off_is_told_again() {
        let mut changes = Changes::default();
        changes.of::<Secret>(Event::Init);
        assert!(changes.of(Event::InitApply(secret("a", "1"))).is_some());
        assert_eq!(list(&mut changes, &[("a", "1")]), ["a"]);
    }
}

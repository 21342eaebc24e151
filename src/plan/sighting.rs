//! What listings of a sandbox show, and what follows for a resource: an object of its own to take over,
//! a twin to delete, a change made elsewhere. Pure; [`crate::controllers::inventory`] does the listing.
//!
//! An object is *ours* by owner, namespace and name in its marker, whatever uid: a cluster rebuilt from
//! Git has new uids and finds its own. It is a *twin* only with the very uid of the resource: what a
//! predecessor of the same name left behind on purpose is nobody's to delete.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;

use crate::platform::{
    Dataset, FieldGroup, Flow, FlowState, MappingSet, Schema, SourceConnection, TargetConnection,
};

use super::RemoteKind;
use super::marker::{Identity, Marker};

/// One object in a listing, as far as decisions need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighted {
    /// Its kind.
    pub kind: RemoteKind,
    /// Its id.
    pub id: String,
    /// The ownership marker on it.
    pub marker: Option<Marker>,
    /// What it is built on: a flow names its connections and its mapping set.
    pub uses: Vec<Use>,
    /// Its managed fields.
    pub aspects: Aspects,
    /// Milliseconds since 1970; 0 where the platform does not say.
    pub created_at: u64,
}

/// An object as a resource left it: what a listing should show.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Its kind.
    pub kind: RemoteKind,
    /// Its id.
    pub id: Box<str>,
    /// Its managed fields.
    pub aspects: Aspects,
}

/// An object that another one is built on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// Its kind.
    pub kind: RemoteKind,
    /// Its id.
    pub id: String,
    /// The version of a mapping set; else 0.
    pub version: u64,
}

/// The hash of a managed field. Not zero, so that one that may be missing takes no more room.
pub type Digest = NonZeroU64;

/// Hashes of an object's managed fields. `None`: not known, and so no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aspects {
    /// Name and description; the attempt in the marker does not count.
    pub label: Option<Digest>,
    /// Whether a flow runs; unknown while it is between two states.
    pub running: Option<bool>,
    /// The connections of a flow.
    pub wiring: Option<Digest>,
    /// The mapping set of a flow, and its version.
    pub mapping: Option<Digest>,
    /// Where a flow takes its events. Adobe does not say whether a change of the flow may move it.
    pub inlet: Option<Digest>,
}

impl Aspects {
    /// Whether a field that both know differs.
    pub fn differ(&self, other: &Self) -> bool {
        fn both<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            matches!((one, other), (Some(one), Some(other)) if one != other)
        }
        both(self.label, other.label)
            || both(self.running, other.running)
            || both(self.wiring, other.wiring)
            || both(self.mapping, other.mapping)
            || both(self.inlet, other.inlet)
    }
}

/// The hash of an object's name and description.
pub fn label_hash(name: &str, description: &str) -> Digest {
    match Marker::split(description) {
        Some((text, marker)) => hash(&(name, text, &marker.identity, marker.object)),
        None => hash(&(name, description)),
    }
}

/// The hash of a flow's connections.
pub fn wiring_hash(sources: &[String], targets: &[String]) -> Digest {
    hash(&(sources, targets))
}

/// The hash of a flow's mapping set.
pub fn mapping_hash(id: &str, version: u64) -> Digest {
    hash(&(id, version))
}

/// The hash of a flow's inlet URL.
pub fn inlet_hash(url: &str) -> Digest {
    hash(&url)
}

/// The same in every process: `DefaultHasher::new` has no random keys.
fn hash(value: &impl Hash) -> Digest {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    Digest::new(hasher.finish()).unwrap_or(Digest::MAX)
}

fn sighted(kind: RemoteKind, id: &str, name: &str, description: &str, created_at: u64) -> Sighted {
    Sighted {
        kind,
        id: id.to_owned(),
        marker: Marker::split(description).map(|(_, marker)| marker),
        uses: Vec::new(),
        aspects: Aspects {
            label: Some(label_hash(name, description)),
            ..Aspects::default()
        },
        created_at,
    }
}

impl From<&SourceConnection> for Sighted {
    fn from(it: &SourceConnection) -> Self {
        let kind = RemoteKind::SourceConnection;
        sighted(kind, &it.id, &it.name, &it.description, it.created_at)
    }
}

impl From<&TargetConnection> for Sighted {
    fn from(it: &TargetConnection) -> Self {
        let kind = RemoteKind::TargetConnection;
        sighted(kind, &it.id, &it.name, &it.description, it.created_at)
    }
}

impl From<&MappingSet> for Sighted {
    fn from(it: &MappingSet) -> Self {
        // Its marker is its name.
        Self {
            aspects: Aspects::default(),
            ..sighted(RemoteKind::MappingSet, &it.id, "", &it.name, 0)
        }
    }
}

impl From<&FieldGroup> for Sighted {
    fn from(it: &FieldGroup) -> Self {
        sighted(
            RemoteKind::FieldGroup,
            &it.id,
            &it.title,
            &it.description,
            0,
        )
    }
}

impl From<&Schema> for Sighted {
    fn from(it: &Schema) -> Self {
        sighted(RemoteKind::Schema, &it.id, &it.title, &it.description, 0)
    }
}

impl From<&Dataset> for Sighted {
    fn from(it: &Dataset) -> Self {
        let kind = RemoteKind::Dataset;
        sighted(kind, &it.id, &it.name, &it.description, it.created)
    }
}

impl From<&Flow> for Sighted {
    fn from(it: &Flow) -> Self {
        let one = |kind, id: &String, version| Use {
            kind,
            id: id.clone(),
            version,
        };
        let sources = &it.source_connection_ids;
        let targets = &it.target_connection_ids;
        let mapping = it.mapping();
        let uses = sources
            .iter()
            .map(|id| one(RemoteKind::SourceConnection, id, 0))
            .chain(
                targets
                    .iter()
                    .map(|id| one(RemoteKind::TargetConnection, id, 0)),
            )
            .chain(
                mapping
                    .iter()
                    .map(|set| one(RemoteKind::MappingSet, &set.id, set.version)),
            )
            .collect();
        let kind = RemoteKind::Flow;
        let base = sighted(kind, &it.id, &it.name, &it.description, it.created_at);
        Self {
            uses,
            aspects: Aspects {
                running: match it.state {
                    FlowState::Enabled => Some(true),
                    FlowState::Disabled => Some(false),
                    FlowState::Other(_) => None,
                },
                wiring: (!sources.is_empty() || !targets.is_empty())
                    .then(|| wiring_hash(sources, targets)),
                mapping: mapping.map(|set| mapping_hash(&set.id, set.version)),
                inlet: it.inlet_url().map(inlet_hash),
                ..base.aspects
            },
            ..base
        }
    }
}

/// What a listing means for a resource that records no object of a kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// Nothing of ours is there.
    Nothing,
    /// This object is the resource's.
    Take(Box<Sighted>),
    /// Several are, and more than one of them is in use.
    Ambiguous(Vec<String>),
}

/// Which of `found`, all of one kind, is the object of the resource `identity`. `used` tells whether a
/// flow names an object.
///
/// An object in use comes first, then one of the resource's own uid, then the latest attempt: the others
/// were made by attempts that were given up.
pub fn choose(identity: &Identity, found: &[Sighted], used: impl Fn(&str) -> bool) -> Choice {
    let mut ours: Vec<(bool, &Sighted)> = found
        .iter()
        .filter(|it| {
            it.marker
                .as_ref()
                .is_some_and(|marker| marker.identity.same_resource(identity))
        })
        .map(|it| (used(&it.id), it))
        .collect();
    let in_use: Vec<String> = ours
        .iter()
        .filter(|(used, _)| *used)
        .map(|(_, it)| it.id.clone())
        .collect();
    if in_use.len() > 1 {
        return Choice::Ambiguous(in_use);
    }
    ours.sort_by_key(|(used, it)| {
        let marker = it.marker.as_ref();
        (
            *used,
            marker.is_some_and(|marker| marker.identity.uid == identity.uid),
            marker.map_or(0, |marker| marker.attempt),
            it.created_at,
            &it.id,
        )
    });
    ours.pop().map_or(Choice::Nothing, |(_, it)| {
        Choice::Take(Box::new(it.clone()))
    })
}

/// A twin: an object that another attempt for the same resource made, beside the one `recorded`.
pub fn is_twin(identity: &Identity, recorded: &str, it: &Sighted) -> bool {
    it.id != recorded
        && it
            .marker
            .as_ref()
            .is_some_and(|marker| marker.identity == *identity && marker.object == it.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(uid: &str) -> Identity {
        Identity {
            owner: "o".into(),
            namespace: "n".into(),
            name: "r".into(),
            uid: uid.into(),
        }
    }

    fn target(id: &str, uid: &str, attempt: i64) -> Sighted {
        let marker = identity(uid).marker(RemoteKind::TargetConnection, attempt);
        sighted(
            RemoteKind::TargetConnection,
            id,
            "name",
            &marker.end(Some("text")),
            0,
        )
    }

    fn taken(choice: Choice) -> String {
        match choice {
            Choice::Take(it) => it.id,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn of_several_attempts_the_one_in_use_is_taken_else_the_latest() {
        let found = [
            target("a", "u", 1),
            target("b", "u", 2),
            target("c", "u", 3),
        ];
        let me = identity("u");
        assert_eq!(taken(choose(&me, &found, |id| id == "a")), "a");
        assert_eq!(taken(choose(&me, &found, |_| false)), "c");
        assert_eq!(
            choose(&me, &found, |id| id != "b"),
            Choice::Ambiguous(vec!["a".into(), "c".into()])
        );
    }

    #[test]
    fn a_cluster_rebuilt_finds_its_own_and_nobody_elses() {
        let found = [target("a", "before", 4)];
        assert_eq!(taken(choose(&identity("after"), &found, |_| false)), "a");
        let mut other = identity("after");
        other.owner = "another".into();
        assert_eq!(choose(&other, &found, |_| false), Choice::Nothing);
        assert_eq!(choose(&identity("u"), &[], |_| false), Choice::Nothing);
    }

    #[test]
    fn a_twin_has_the_very_uid_and_another_id() {
        let me = identity("u");
        assert!(is_twin(&me, "a", &target("b", "u", 1)));
        assert!(!is_twin(&me, "a", &target("a", "u", 1)));
        assert!(!is_twin(&me, "a", &target("b", "before", 1)));
    }

    #[test]
    fn only_what_both_know_can_differ() {
        let known = Aspects {
            running: Some(true),
            mapping: Digest::new(7),
            ..Aspects::default()
        };
        assert!(!known.differ(&Aspects::default()));
        assert!(!Aspects::default().differ(&known));
        assert!(known.differ(&Aspects {
            running: Some(false),
            ..Aspects::default()
        }));
    }

    #[test]
    fn the_attempt_is_no_part_of_the_label() {
        let (one, two) = (target("a", "u", 1), target("a", "u", 2));
        assert!(!one.aspects.differ(&two.aspects));
        assert!(one.aspects.differ(&target("a", "other", 1).aspects));
    }
}

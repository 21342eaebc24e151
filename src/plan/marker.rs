//! The ownership marker: the only place in AEP where we can say that an object is ours.
//!
//! Connections and flows have no tags; their free text is `name` and `description`. The marker ends
//! the description, after whatever the user wrote; a mapping set has no description that Data Prep
//! returns, so there the marker is the name.
//!
//! `[aep-operator/v1 <owner>/<namespace>/<name> <object> <uid> <attempt>]`
//!
//! An object that its resource let go of with `deletionPolicy: Retain` says so instead:
//!
//! `[aep-operator/v1 released]`

use std::fmt;

use crate::resources::fields::MARKER_PREFIX;

use super::RemoteKind;

/// Which resource of which cluster a remote object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `--owner-id`: by default the uid of the cluster's kube-system namespace.
    pub owner: String,
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// Uid of the resource.
    pub uid: String,
}

impl Identity {
    /// Whether `other` is the resource of the same owner, namespace and name, whatever its uid.
    pub fn same_resource(&self, other: &Self) -> bool {
        self.owner == other.owner && self.namespace == other.namespace && self.name == other.name
    }

    /// Whether what `marked` made is this resource's: it is this very resource, or one of the same name in
    /// the same cluster, whose objects this one took over (not every description can be rewritten).
    pub fn owns(&self, marked: &Self) -> bool {
        let by_uid = !self.uid.is_empty() && self.uid == marked.uid;
        by_uid || self.same_resource(marked)
    }

    /// What a remote object is called where the spec gives it no name.
    pub fn default_name(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    /// The marker of one of this resource's remote objects.
    pub fn marker(&self, object: RemoteKind, attempt: i64) -> Marker {
        Marker {
            identity: self.clone(),
            object,
            attempt,
        }
    }
}

/// An ownership marker, version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The resource it belongs to.
    pub identity: Identity,
    /// Which of the resource's objects this is.
    pub object: RemoteKind,
    /// Which attempt to create it.
    pub attempt: i64,
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity {
            owner,
            namespace,
            name,
            uid,
        } = &self.identity;
        write!(
            f,
            "{MARKER_PREFIX}v1 {owner}/{namespace}/{name} {} {uid} {}]",
            self.object, self.attempt
        )
    }
}

impl Marker {
    /// The user's text with the marker at its end.
    pub fn end(&self, text: Option<&str>) -> String {
        match text {
            Some(text) if !text.is_empty() => format!("{text} {self}"),
            _ => self.to_string(),
        }
    }

    /// The user's part of `text`: what is before a marker, if there is one.
    pub fn text(text: &str) -> &str {
        Self::split(text).map_or(text, |(before, _)| before)
    }

    /// The marker that ends `text`, and the user's text before it. `None`: no marker of ours.
    pub fn split(text: &str) -> Option<(&str, Self)> {
        let start = text.rfind(MARKER_PREFIX)?;
        let inner = text[start..]
            .strip_prefix(MARKER_PREFIX)?
            .strip_suffix(']')?;
        let mut words = inner.split(' ');
        let mut word = || words.next().filter(|word| !word.is_empty());
        if word()? != "v1" {
            return None;
        }
        let mut path = word()?.splitn(3, '/').map(str::to_owned);
        let (owner, namespace, name) = (path.next()?, path.next()?, path.next()?);
        let object = RemoteKind::from_word(word()?)?;
        let uid = word()?.to_owned();
        let attempt = word()?.parse().ok()?;
        if words.next().is_some() {
            return None;
        }
        let identity = Identity {
            owner,
            namespace,
            name,
            uid,
        };
        Some((
            text[..start].trim_end_matches(' '),
            Self {
                identity,
                object,
                attempt,
            },
        ))
    }
}

/// What the end of a description says of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// Nothing.
    Plain,
    /// The resource that made the object has let go of it.
    Released,
    /// It belongs to the marker's resource; `text` is the user's.
    Owned {
        /// The user's text before the marker.
        text: &'a str,
        /// The marker.
        marker: Marker,
    },
    /// It carries a marker of a form that this version does not know: somebody's.
    Unreadable,
}

impl<'a> Ending<'a> {
    /// Reads the end of a description.
    pub fn of(description: &'a str) -> Self {
        if let Some((text, marker)) = Marker::split(description) {
            return Self::Owned { text, marker };
        }
        match description
            .rfind(MARKER_PREFIX)
            .and_then(|start| description[start..].strip_prefix(MARKER_PREFIX))
        {
            Some(RELEASED) => Self::Released,
            Some(inner) if inner.find(']') == Some(inner.len() - 1) => Self::Unreadable,
            _ => Self::Plain,
        }
    }
}

/// What follows the prefix in the marker of an object that nobody owns any more.
const RELEASED: &str = "v1 released]";

/// The user's text, ended by the marker of an object that nobody owns any more.
pub fn released(text: &str) -> String {
    let marker = format!("{MARKER_PREFIX}{RELEASED}");
    if text.is_empty() {
        marker
    } else {
        format!("{text} {marker}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marker(attempt: i64) -> Marker {
        let identity = Identity {
            owner: "0f3c".into(),
            namespace: "marketing".into(),
            name: "customer-io-events".into(),
            uid: "7a1e".into(),
        };
        identity.marker(RemoteKind::Flow, attempt)
    }

    #[test]
    fn the_marker_reads_as_documented() {
        assert_eq!(
            marker(1).end(Some("Streaming Dataflow")),
            "Streaming Dataflow [aep-operator/v1 0f3c/marketing/customer-io-events flow 7a1e 1]"
        );
        assert_eq!(marker(2).end(None), marker(2).to_string());
    }

    #[test]
    fn what_is_no_marker_is_nobodys() {
        for text in [
            "",
            "made by hand",
            "[aep-operator/v1 a/b/c flow u 1] and more",
            "[aep-operator/v2 a/b/c flow u 1]",
            "[aep-operator/v1 a/b flow u 1]",
            "[aep-operator/v1 a/b/c spaceship u 1]",
            "[aep-operator/v1 a/b/c flow u one]",
            "[aep-operator/v1 a/b/c flow u 1 x]",
        ] {
            assert_eq!(Marker::split(text), None, "{text}");
        }
    }

    #[test]
    fn a_description_says_whose_its_object_is() {
        let ours = marker(1).end(Some("text"));
        let owned = Ending::Owned {
            text: "text",
            marker: marker(1),
        };
        assert_eq!(Ending::of(&ours), owned);
        assert_eq!(released("text"), "text [aep-operator/v1 released]");
        assert_eq!(Ending::of(&released("text")), Ending::Released);
        assert_eq!(Ending::of(&released("")), Ending::Released);
        for plain in ["", "by hand", "[aep-operator/v1 released] and more", "x]"] {
            assert_eq!(Ending::of(plain), Ending::Plain, "{plain}");
        }
        for unknown in ["[aep-operator/v2 a b]", "x [aep-operator/v1 odd]"] {
            assert_eq!(Ending::of(unknown), Ending::Unreadable, "{unknown}");
        }
    }

    #[test]
    fn a_resource_owns_what_it_made_and_what_its_namesake_left() {
        let us = marker(1).identity;
        let moved = Identity {
            owner: "other-id".into(),
            ..us.clone()
        };
        let rebuilt = Identity {
            uid: "new".into(),
            ..us.clone()
        };
        assert!(us.owns(&moved), "same uid: the owner id was changed");
        assert!(rebuilt.owns(&us), "the cluster was rebuilt from Git");
        let other = Identity {
            uid: "u2".into(),
            name: "other".into(),
            ..us.clone()
        };
        assert!(!us.owns(&other));
    }

    proptest! {
        #[test]
        fn a_marker_comes_back_behind_any_text(text in "[^\\[\\p{Cc}]{0,80}", attempt in 1i64..1000) {
            let text = text.trim_end();
            let whole = marker(attempt).end(Some(text));
            prop_assert_eq!(Marker::split(&whole), Some((text, marker(attempt))));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = Marker::split(&text);
        }
    }
}

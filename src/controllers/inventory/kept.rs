//! An object of a listing as it is kept: tens of thousands stand in memory at all times, and few are ever asked for.

use crate::plan::RemoteKind;
use crate::plan::marker::Marker;
use crate::plan::sighting::{Aspects, Sighted, Use};

/// Between the parts of a [`Kept::text`].
const BETWEEN: char = '\n';

/// A [`Sighted`] in one piece of text and a few numbers: a third of its size.
#[derive(Debug)]
pub(super) struct Kept {
    /// Its id, its marker, and, by kind, id and version, what it uses.
    text: Box<str>,
    aspects: Aspects,
    created_at: u64,
    kind: RemoteKind,
}

impl Kept {
    pub(super) fn new(it: &Sighted) -> Self {
        // Names in Kubernetes have no line end: with one in it, it is nobody's we know.
        let marker = it.marker.as_ref().map(Marker::to_string);
        let marker = marker.filter(|text| !text.contains(BETWEEN));
        let mut text = [it.id.as_str(), marker.as_deref().unwrap_or_default()].join("\n");
        for Use { kind, id, version } in &it.uses {
            text.extend([BETWEEN.to_string(), format!("{kind} {version} {id}")]);
        }
        Self {
            text: text.into(),
            aspects: it.aspects,
            created_at: it.created_at,
            kind: it.kind,
        }
    }

    pub(super) fn id(&self) -> &str {
        self.parts().next().unwrap_or_default()
    }

    pub(super) fn marker(&self) -> Option<Marker> {
        let text = self.parts().nth(1)?;
        Marker::split(text).map(|(_, marker)| marker)
    }

    /// Whether it names the object `id`.
    pub(super) fn uses(&self, id: &str) -> bool {
        self.used().any(|(_, _, used)| used == id)
    }

    pub(super) fn aspects(&self) -> &Aspects {
        &self.aspects
    }

    pub(super) fn sighted(&self) -> Sighted {
        let uses = self.used().filter_map(|(kind, version, id)| {
            Some(Use {
                kind: RemoteKind::from_word(kind)?,
                id: id.to_owned(),
                version: version.parse().ok()?,
            })
        });
        Sighted {
            kind: self.kind,
            id: self.id().to_owned(),
            marker: self.marker(),
            uses: uses.collect(),
            aspects: self.aspects,
            created_at: self.created_at,
        }
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.text.split(BETWEEN)
    }

    fn used(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.parts().skip(2).filter_map(|part| {
            let mut words = part.splitn(3, ' ');
            Some((words.next()?, words.next()?, words.next()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::test_support::named;

    fn sighted(name: &str, uses: Vec<Use>) -> Sighted {
        Sighted {
            kind: RemoteKind::Flow,
            id: "flow-1".into(),
            marker: Some(named(name).marker(RemoteKind::Flow, 3)),
            uses,
            aspects: Aspects {
                running: Some(true),
                ..Aspects::default()
            },
            created_at: 7,
        }
    }

    #[test]
    fn what_is_kept_comes_back_whole() {
        let one = |kind, version| Use {
            kind,
            id: "an id".into(),
            version,
        };
        let uses = vec![
            one(RemoteKind::SourceConnection, 0),
            one(RemoteKind::MappingSet, 4),
        ];
        let it = sighted("a", uses);
        let kept = Kept::new(&it);
        assert_eq!(kept.sighted(), it);
        assert!(kept.uses("an id") && !kept.uses("flow-1"));
        let bare = Sighted {
            marker: None,
            uses: Vec::new(),
            ..it
        };
        assert_eq!(Kept::new(&bare).sighted(), bare);
    }

    #[test]
    fn a_marker_that_cannot_be_ours_is_none() {
        let kept = Kept::new(&sighted("a\nflow 0 victim", Vec::new()));
        assert_eq!(kept.sighted().marker, None);
        assert!(!kept.uses("victim"));
    }
}

//! The listing of one kind in one sandbox, and what has happened since.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard};

use tokio::time::Instant;

use crate::plan::marker::Identity;
use crate::plan::sighting::Sighted;
use crate::platform::ApiError;
use crate::work::{Id, Key};

use super::kept::Kept;
use super::lock;

/// The listing of one kind.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Held while the platform is asked: that is the single flight.
    pub(super) flight: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

impl Board {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// When the listing was begun that the objects are from.
    pub(super) listed: Option<Instant>,
    /// When the listing that is under way was begun.
    pub(super) under_way: Option<Instant>,
    /// Listings that ended, well or not.
    pub(super) finished: u64,
    pub(super) last_failure: Option<ApiError>,
    objects: BTreeMap<Place, Box<Kept>>,
    /// Objects by the resource in their marker.
    of: BTreeSet<(Id, Place)>,
    /// What has happened since the listing under way was begun.
    noted: Vec<Note>,
}

/// An object's id as a hash. That two of ten thousand objects share one has a chance of 3 in 10^12.
type Place = u64;

fn place(id: &str) -> Place {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[derive(Debug)]
enum Note {
    There(Box<Sighted>),
    Gone(String),
}

impl State {
    /// Takes in a whole listing, and what has happened since it was begun.
    pub(super) fn replace(&mut self, begun: Instant, objects: Vec<Kept>) {
        self.objects.clear();
        self.of.clear();
        for it in objects {
            self.keep(it);
        }
        self.listed = Some(begun);
        self.last_failure = None;
        for note in std::mem::take(&mut self.noted) {
            match note {
                Note::There(it) => self.keep(Kept::new(&it)),
                Note::Gone(id) => self.take(&id),
            }
        }
    }

    /// The listing under way came to nothing.
    pub(super) fn failed(&mut self, error: ApiError) {
        self.noted.clear();
        self.last_failure = Some(error);
    }

    /// It was created: listings begun before do not show it.
    pub(super) fn note(&mut self, it: Sighted) {
        self.keep(Kept::new(&it));
        // Only a listing under way can miss what happens now.
        if self.under_way.is_some() {
            self.noted.push(Note::There(Box::new(it)));
        }
    }

    /// It is gone: listings begun before still show it.
    pub(super) fn gone(&mut self, id: &str) {
        self.take(id);
        if self.under_way.is_some() {
            self.noted.push(Note::Gone(id.to_owned()));
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Kept> {
        self.objects.values().map(|it| &**it)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Kept> {
        let kept = self.objects.get(&place(id))?;
        (kept.id() == id).then_some(kept)
    }

    /// Those that carry the marker of the resource, whatever uid.
    pub(super) fn ours(&self, identity: &Identity) -> Vec<Sighted> {
        let resource = Key::new(&identity.namespace, &identity.name).id();
        let places = self
            .of
            .range((resource, Place::MIN)..=(resource, Place::MAX));
        let found = places.filter_map(|(_, place)| self.objects.get(place));
        let ours = found.map(|it| it.sighted()).filter(|it| {
            let marker = it.marker.as_ref();
            marker.is_some_and(|marker| marker.identity.same_resource(identity))
        });
        let mut ours: Vec<Sighted> = ours.collect();
        ours.sort_by(|one, other| one.id.cmp(&other.id));
        ours
    }

    fn keep(&mut self, it: Kept) {
        self.take(it.id());
        let place = place(it.id());
        if let Some(resource) = resource(&it) {
            self.of.insert((resource, place));
        }
        self.objects.insert(place, Box::new(it));
    }

    fn take(&mut self, id: &str) {
        let place = place(id);
        let resource = self.objects.remove(&place).and_then(|it| resource(&it));
        if let Some(resource) = resource {
            self.of.remove(&(resource, place));
        }
    }
}

fn resource(it: &Kept) -> Option<Id> {
    let identity = it.marker()?.identity;
    Some(Key::new(identity.namespace, identity.name).id())
}

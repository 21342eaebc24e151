//! An API server in memory: the part of Kubernetes that operators rely on, as a state machine.
//!
//! A request and a moment in, an answer out; no IO, no clock, no randomness of its own. What it does is held
//! against a real kube-apiserver by the suite `honesty`: optimistic locking, finalizers, generation, the
//! status subresource, merge patches, defaults and pruning by CRD schema, pages, watches and their 410.
//!
//! Left out: authentication, admission, CEL and schema validation, server-side apply, owner references.
//! Namespaces are emptied by whoever plays the namespace controller.

mod answer;
mod kinds;
mod lists;
mod read;
mod request;
mod schema;
mod store;
mod write;

use bytes::Bytes;
use http::{Method, Request};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use answer::Refusal;
pub use answer::{Answer, json_answer};
use lists::{Watch, line};
use read::{Form, bookmark, shown};
use request::{Query, Route, find, form};
use store::{Change, Key, Store};
use write::After;
pub use write::base64;

/// The state machine.
#[derive(Debug)]
pub struct ApiServer {
    store: Store,
    watches: Vec<Watch>,
    uids: u64,
    writes: u64,
}

impl Default for ApiServer {
    fn default() -> Self {
        Self::new()
    }
}

impl ApiServer {
    /// With the namespaces of every cluster and our CRDs.
    pub fn new() -> Self {
        let mut server = Self {
            store: Store::new(),
            watches: Vec::new(),
            uids: 0,
            writes: 0,
        };
        for name in ["default", "kube-system"] {
            server.install("namespaces", name, json!({}));
        }
        for definition in kinds::definitions() {
            let name = definition["metadata"]["name"].as_str().unwrap_or_default();
            server.install("customresourcedefinitions", name, definition.clone());
        }
        server.writes = 0;
        server
    }

    fn install(&mut self, plural: &str, name: &str, object: Value) {
        if let Some((place, kind)) = kinds::all()
            .iter()
            .enumerate()
            .find(|(_, kind)| kind.plural == plural)
        {
            let uid = self.uid();
            let object = write::created(kind, "", name, object, uid, "2026-01-01T00:00:00Z");
            let key = Key {
                kind: place,
                namespace: String::new(),
                name: name.to_owned(),
            };
            self.store.put(&key, object);
        }
    }

    /// Answers a request that comes in at `now` (epoch milliseconds).
    pub fn handle(&mut self, now: i64, request: &Request<Bytes>) -> Answer {
        let answer = self.route(now, request);
        answer.unwrap_or_else(|refusal| {
            let mut response = json_answer(refusal.code, &refusal.status());
            if refusal.reason.is_empty() {
                // What no handler takes is answered in plain text.
                *response.body_mut() = Bytes::from(refusal.message);
            }
            Answer::Whole(response)
        })
    }

    /// Forgets the past: watches and pages that start there are answered with 410.
    pub fn compact(&mut self) {
        self.store.compact();
    }

    /// Ends every watch, as when the API server restarts.
    pub fn end_watches(&mut self) {
        self.watches.clear();
    }

    /// Tells every watch how far it has come, where it asked for that.
    pub fn bookmarks(&mut self) {
        let revision = self.store.revision;
        self.watches.retain(|watch| {
            let kind = &kinds::all()[watch.selection.kind];
            let line = line(&bookmark(kind, revision, watch.form));
            !watch.lines.is_closed()
                && (!watch.bookmarks || watch.lines.unbounded_send(line).is_ok())
        });
    }

    /// Changes so far, Events and Leases aside.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// The last change's number, Events and Leases included.
    pub fn revision(&self) -> u64 {
        self.store.revision
    }

    /// All objects of a kind, for looking at.
    pub fn objects(&self, plural: &str) -> Vec<Value> {
        let of_kind = |key: &Key| kinds::all()[key.kind].plural == plural;
        let found = self.store.iter().filter(|(key, _)| of_kind(key));
        found.map(|(_, object)| (**object).clone()).collect()
    }

    fn uid(&mut self) -> String {
        self.uids += 1;
        let mixed = crate::random::mix(self.uids);
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            mixed >> 32,
            (mixed >> 16) & 0xffff,
            mixed & 0xfff,
            (mixed >> 4) & 0xfff,
            self.uids
        )
    }

    fn route(&mut self, now: i64, request: &Request<Bytes>) -> Result<Answer, Refusal> {
        let route = find(request.uri().path())?;
        let form = form(request);
        let query = Query::of(request);
        let body = || -> Result<Value, Refusal> {
            if request.body().is_empty() {
                return Ok(json!({}));
            }
            let parsed = serde_json::from_slice(request.body());
            parsed.map_err(|error| Refusal::new(400, "BadRequest", error.to_string()))
        };
        match (request.method(), route.name) {
            (&Method::GET, Some(name)) => {
                let current = self.current(&route, name)?;
                Ok(whole(200, &shown(&current, form)))
            }
            (&Method::GET, None) if query.is("watch") => self.watch(&route, &query, form),
            (&Method::GET, None) => self.list(&route, &query, form),
            (&Method::POST, None) => self.create(now, &route, body()?, form),
            (&Method::PUT, Some(name)) => self.replace(now, &route, name, body()?, form),
            (&Method::PATCH, Some(name)) => {
                let kind = request.headers().get(http::header::CONTENT_TYPE);
                if kind.is_none_or(|kind| kind != "application/merge-patch+json") {
                    let message = "only merge patches are understood";
                    return Err(Refusal::new(415, "UnsupportedMediaType", message));
                }
                let current = self.current(&route, name)?;
                let patch = body()?;
                let uid = &patch["metadata"]["uid"];
                if !uid.is_null() && *uid != current["metadata"]["uid"] {
                    let what = "metadata.uid: Invalid value: field is immutable";
                    return Err(
                        Refusal::about(422, "Invalid", route.kind, name, what).by_kind(route.kind)
                    );
                }
                let mut wanted = current.clone();
                write::merge(&mut wanted, &patch);
                if patch["metadata"]["resourceVersion"].is_null() {
                    // Without a version the server applies the patch to whatever there is.
                    wanted["metadata"]["resourceVersion"] =
                        current["metadata"]["resourceVersion"].clone();
                }
                self.change(&route, name, &current, wanted, form)
            }
            (&Method::DELETE, Some(name)) => self.delete(now, &route, name, &body()?),
            _ => {
                let message = "the server does not allow this method on the requested resource";
                Err(Refusal::new(405, "MethodNotAllowed", message))
            }
        }
    }

    fn current(&self, route: &Route<'_>, name: &str) -> Result<Value, Refusal> {
        let found = self.store.get(&route.key(name));
        found
            .map(|object| (**object).clone())
            .ok_or_else(|| Refusal::missing(route.kind, name))
    }

    fn create(
        &mut self,
        now: i64,
        route: &Route<'_>,
        mut object: Value,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let meta = object["metadata"].clone();
        let name = match (meta["name"].as_str(), meta["generateName"].as_str()) {
            (Some(name), _) => name.to_owned(),
            (None, Some(prefix)) => {
                let suffix = crate::random::mix(self.uids + 1) & 0xf_ffff;
                format!("{prefix}{suffix:05x}")
            }
            (None, None) => {
                let what = "metadata.name: Required value: name or generateName is required";
                return Err(
                    Refusal::about(422, "Invalid", route.kind, "", what).by_kind(route.kind)
                );
            }
        };
        self.admit(route, &name)?;
        let key = route.key(&name);
        if self.store.get(&key).is_some() {
            let what = "already exists";
            return Err(Refusal::about(
                409,
                "AlreadyExists",
                route.kind,
                &name,
                what,
            ));
        }
        if meta["resourceVersion"]
            .as_str()
            .is_some_and(|it| !it.is_empty())
        {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Refusal::new(500, "Unknown", message));
        }
        if let Some(meta) = object["metadata"].as_object_mut() {
            meta.remove("resourceVersion");
        }
        let uid = self.uid();
        let namespace = route.namespace.unwrap_or_default();
        let object = write::created(route.kind, namespace, &name, object, uid, &stamp(now));
        let change = self.store.put(&key, object);
        let answer = whole(201, &shown(&change.object, form));
        self.tell(&change);
        Ok(answer)
    }

    /// Nothing is made in a namespace that does not exist or is going.
    fn admit(&self, route: &Route<'_>, name: &str) -> Result<(), Refusal> {
        let Some(namespace) = route.namespace else {
            return Ok(());
        };
        let found = self
            .store
            .iter()
            .find(|(key, _)| kinds::all()[key.kind].kind == "Namespace" && key.name == namespace);
        let Some((key, found)) = found else {
            let all = kinds::all();
            let kind = all.iter().find(|kind| kind.kind == "Namespace");
            return Err(
                kind.map_or_else(Refusal::expired, |kind| Refusal::missing(kind, namespace))
            );
        };
        let _ = key;
        if found["metadata"]["deletionTimestamp"].is_null() {
            return Ok(());
        }
        let what = format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being \
             terminated",
            route.kind.resource()
        );
        Err(Refusal::about(403, "Forbidden", route.kind, name, &what))
    }

    fn replace(
        &mut self,
        now: i64,
        route: &Route<'_>,
        name: &str,
        mut object: Value,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let versioned = object["metadata"]["resourceVersion"]
            .as_str()
            .is_some_and(|version| !version.is_empty());
        let current = match self.current(route, name) {
            Err(_) if route.kind.kind == "Lease" && !versioned => {
                object["metadata"]["name"] = json!(name);
                return self.create(now, route, object, form);
            }
            current => current?,
        };
        if route.kind.versioned && !versioned {
            let what =
                "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
            return Err(Refusal::about(422, "Invalid", route.kind, name, what));
        }
        self.change(route, name, &current, object, form)
    }

    fn change(
        &mut self,
        route: &Route<'_>,
        name: &str,
        current: &Value,
        wanted: Value,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let key = route.key(name);
        let change = match write::changed(route.kind, current, wanted, route.part)? {
            After::Same => return Ok(whole(200, &shown(current, form))),
            After::Stored(next) => self.store.put(&key, next),
            After::Gone(last) => {
                // Watches see the object as it was stored, with the version of its deletion; the caller sees
                // what was asked for, with the version before.
                let answer = whole(200, &shown(&last, form));
                let change = self.store.remove(&key, current.clone());
                self.tell(&change);
                return Ok(answer);
            }
        };
        self.tell(&change);
        Ok(whole(200, &shown(&change.object, form)))
    }

    fn delete(
        &mut self,
        now: i64,
        route: &Route<'_>,
        name: &str,
        options: &Value,
    ) -> Result<Answer, Refusal> {
        let current = self.current(route, name)?;
        let key = route.key(name);
        let change = match write::deleted(route.kind, &current, options, &stamp(now))? {
            After::Same => return Ok(whole(200, &current)),
            After::Stored(next) => self.store.put(&key, next),
            After::Gone(last) => {
                let change = self.store.remove(&key, last);
                self.tell(&change);
                let mut details = json!({
                    "name": name, "kind": route.kind.plural, "uid": current["metadata"]["uid"],
                });
                if !route.kind.group.is_empty() {
                    details["group"] = json!(route.kind.group);
                }
                return Ok(whole(
                    200,
                    &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
                ));
            }
        };
        self.tell(&change);
        Ok(whole(200, &change.object))
    }

    /// Removes a namespace that is empty: the last thing the namespace controller does.
    pub fn remove_namespace(&mut self, name: &str) -> bool {
        let all = kinds::all();
        let inside = |key: &Key| key.namespace == name && all[key.kind].kind != "Event";
        if self.store.iter().any(|(key, _)| inside(key)) {
            return false;
        }
        let found = self
            .store
            .iter()
            .find(|(key, _)| all[key.kind].kind == "Namespace" && key.name == name);
        let Some((key, object)) = found.map(|(key, object)| (key.clone(), (**object).clone()))
        else {
            return true;
        };
        let change = self.store.remove(&key, object);
        self.tell(&change);
        true
    }

    fn tell(&mut self, change: &Change) {
        let kind = &kinds::all()[change.key.kind];
        if !matches!(kind.kind.as_str(), "Event" | "Lease") {
            self.writes += 1;
        }
        self.watches.retain(|watch| {
            let event = watch.selection.event(change, watch.form);
            !watch.lines.is_closed()
                && event.is_none_or(|event| watch.lines.unbounded_send(line(&event)).is_ok())
        });
    }
}

fn whole(code: u16, body: &Value) -> Answer {
    Answer::Whole(json_answer(code, body))
}

/// A moment as Kubernetes writes it.
fn stamp(now: i64) -> String {
    Timestamp::from_second(now.div_euclid(1000)).map_or_else(|_| String::new(), |at| at.to_string())
}

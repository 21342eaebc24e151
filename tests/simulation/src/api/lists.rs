//! Lists, in pages, and watches from a moment on.

use bytes::Bytes;
use futures::channel::mpsc::{self, UnboundedSender};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::read::{Form, Selection, item, shown};
use super::request::{Query, Route};
use super::{ApiServer, whole};

/// Somebody who is told of changes.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) selection: Selection,
    pub(super) form: Form,
    pub(super) bookmarks: bool,
    pub(super) lines: UnboundedSender<Bytes>,
}

impl ApiServer {
    pub(super) fn list(
        &self,
        route: &Route<'_>,
        query: &Query,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let selection = route.selection(query)?;
        let (revision, after) = match query.get("continue").filter(|token| !token.is_empty()) {
            Some(token) => {
                let bad = || Refusal::new(400, "BadRequest", "continue key is not valid");
                let mut parts = token.splitn(3, '|');
                let revision = parts
                    .next()
                    .and_then(|it| it.parse().ok())
                    .ok_or_else(bad)?;
                let namespace = parts.next().ok_or_else(bad)?.to_owned();
                let name = parts.next().ok_or_else(bad)?.to_owned();
                (revision, Some((namespace, name)))
            }
            None => (self.store.revision, None),
        };
        let objects = self
            .store
            .at(revision, route.place)
            .ok_or_else(Refusal::expired)?;
        let mut found = objects.iter().filter(|(key, object)| {
            let place = (key.namespace.clone(), key.name.clone());
            after.as_ref().is_none_or(|after| place > *after) && selection.takes(key, object)
        });
        let limit = query.get("limit").and_then(|limit| limit.parse().ok());
        let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let rest = found.count();
        let mut meta = json!({"resourceVersion": revision.to_string()});
        if let Some((key, _)) = page.last().filter(|_| rest > 0) {
            meta["continue"] = json!(format!("{revision}|{}|{}", key.namespace, key.name));
            meta["remainingItemCount"] = json!(rest);
        }
        let items: Vec<Value> = page
            .iter()
            .map(|(_, object)| item(route.kind, object, form))
            .collect();
        let (kind, version) = match form {
            Form::Whole => (format!("{}List", route.kind.kind), route.kind.api_version()),
            Form::Metadata => (
                "PartialObjectMetadataList".to_owned(),
                "meta.k8s.io/v1".to_owned(),
            ),
        };
        let list = json!({"kind": kind, "apiVersion": version, "metadata": meta, "items": items});
        Ok(whole(200, &list))
    }

    pub(super) fn watch(
        &mut self,
        route: &Route<'_>,
        query: &Query,
        form: Form,
    ) -> Result<Answer, Refusal> {
        let selection = route.selection(query)?;
        let (lines, receiver) = mpsc::unbounded();
        let send = |event: &Value| drop(lines.unbounded_send(line(event)));
        let version = query.get("resourceVersion").unwrap_or_default();
        if version.is_empty() || version == "0" {
            for (key, object) in self.store.iter() {
                if selection.takes(key, object) {
                    send(&json!({"type": "ADDED", "object": shown(object, form)}));
                }
            }
        } else {
            let revision: u64 = version
                .parse()
                .map_err(|_| Refusal::new(400, "BadRequest", "invalid resource version"))?;
            let Some(changes) = self.store.since(revision) else {
                send(&json!({"type": "ERROR", "object": Refusal::expired().status()}));
                return Ok(Answer::Watch(receiver));
            };
            for event in changes
                .iter()
                .filter_map(|change| selection.event(change, form))
            {
                send(&event);
            }
        }
        self.watches.push(Watch {
            selection,
            form,
            bookmarks: query.is("allowWatchBookmarks"),
            lines,
        });
        Ok(Answer::Watch(receiver))
    }
}

pub(super) fn line(event: &Value) -> Bytes {
    Bytes::from(format!("{event}\n"))
}

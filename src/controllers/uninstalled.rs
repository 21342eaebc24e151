//! Whether a resource goes only because its kind is being uninstalled: then its remote objects stay.
//!
//! With rights in the whole cluster the definition is read: live, before anything is deleted, and it says since when it is
//! going. With rights in some namespaces only, it cannot be read. What kinds are served as, everybody may read: the API
//! server takes `create` off a kind that is being uninstalled before it deletes the first object of it. Each of its
//! replicas learns of that on its own, so that a kind is whole counts only `SETTLED` after the resource was first seen to
//! go. Since when a kind is going is not told there: a resource that was deleted just before it leaves its objects too.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, ObjectMeta};
use kube::api::{Api, PartialObjectMeta};
use kube::{Client, ResourceExt as _};
use tokio::time::Instant;

use crate::plan::{Failure, deletion};
use crate::resources::conditions::Reason;

use super::context::Context;
use super::kind::Kind;
use super::namespaces::Namespaces;
use super::record::{RecordError, is_forbidden, within};
use crate::work::Key;

/// Until every replica of the API server shows that a kind is being uninstalled.
const SETTLED: Duration = Duration::from_secs(10);

/// A resource, by the word of its kind and its key.
type Place = (&'static str, Key);

/// Since when this process has known resources to be going; with their uid.
#[derive(Debug, Default)]
pub struct Going {
    since: Mutex<HashMap<Place, (String, Instant)>>,
}

impl Going {
    /// Since when the resource has been going; the first question starts it.
    fn since(&self, kind: &'static str, key: &Key, uid: &str) -> Instant {
        let mut all = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let entry = all
            .entry((kind, key.clone()))
            .or_insert_with(|| (uid.to_owned(), now));
        if entry.0 != uid {
            *entry = (uid.to_owned(), now);
        }
        entry.1
    }

    /// The resource is gone.
    pub fn forget(&self, kind: &'static str, key: &Key) {
        let mut all = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(kind, key.clone()));
    }
}

/// What is known of a kind whose resource goes.
pub(super) enum Uninstalled {
    /// The resource goes with its kind.
    Yes,
    /// The resource goes alone.
    No,
    /// It will be known after this.
    Later(Duration),
    /// It cannot be known, and what may be a running dataflow is not deleted on a guess.
    Unknown(Failure),
}

/// Whether `resource` goes only because its kind is being uninstalled; `holds`: whether deleting it would delete
/// anything else.
pub(super) async fn uninstalled<K: Kind>(
    context: &Context,
    key: &Key,
    resource: &K,
    holds: bool,
) -> Result<Uninstalled, RecordError> {
    match context.namespaces {
        Namespaces::All => by_definition(&context.client, resource).await,
        Namespaces::These(_) => {
            let uid = resource.uid().unwrap_or_default();
            let since = context.going.since(K::WORD, key, &uid);
            let known = Instant::now().saturating_duration_since(since);
            let served = served::<K>(&context.client).await;
            by_what_is_served(K::crd_name(), &K::plural(&()), served, holds, known)
        }
    }
}

async fn by_definition<K: Kind>(client: &Client, resource: &K) -> Result<Uninstalled, RecordError> {
    let name = K::crd_name();
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
    let time = |meta: &ObjectMeta| meta.deletion_timestamp.as_ref().map(|time| time.0);
    match within(api.get_opt(name)).await {
        Ok(Some(definition)) => {
            let goes = deletion::uninstalled(time(resource.meta()), time(&definition.metadata));
            Ok(if goes {
                Uninstalled::Yes
            } else {
                Uninstalled::No
            })
        }
        Ok(None) => Ok(Uninstalled::Yes),
        Err(error) => unknown(
            error,
            format!(
                "The operator may not read the CustomResourceDefinition {name}, so it cannot know whether its kind is \
                 only being uninstalled. Give it the rights of its chart, or run it with --watch-namespaces."
            ),
        ),
    }
}

/// The kinds beside `K` and `K`, with what may be done to them now.
async fn served<K: Kind>(client: &Client) -> Result<Vec<APIResource>, RecordError> {
    let version = K::api_version(&());
    match within(client.list_api_group_resources(&version)).await {
        Ok(list) => Ok(list.resources),
        // No kind of ours is left.
        Err(RecordError::Gone) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// `known`: how long this process has known that the resource goes.
fn by_what_is_served(
    definition: &str,
    plural: &str,
    served: Result<Vec<APIResource>, RecordError>,
    holds: bool,
    known: Duration,
) -> Result<Uninstalled, RecordError> {
    let served = match served {
        Ok(served) => served,
        Err(error) => {
            return unknown(
                error,
                format!(
                    "The operator may not read what the API server serves, so it cannot know whether {definition} is only \
                     being uninstalled. Let its ServiceAccount have the ClusterRole system:discovery, as every account \
                     has by default."
                ),
            );
        }
    };
    let whole = served
        .iter()
        .any(|it| it.name == plural && it.verbs.iter().any(|verb| verb == "create"));
    let rest = SETTLED.saturating_sub(known);
    Ok(if !whole {
        Uninstalled::Yes
    } else if holds && !rest.is_zero() {
        Uninstalled::Later(rest)
    } else {
        Uninstalled::No
    })
}

fn unknown(error: RecordError, message: String) -> Result<Uninstalled, RecordError> {
    match error {
        RecordError::Kube(error) if is_forbidden(&error) => Ok(Uninstalled::Unknown(
            Failure::stalled(Reason::DeletionBlocked, message),
        )),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(verbs: &[&str]) -> Vec<APIResource> {
        let resource = |name: &str, verbs: &[&str]| APIResource {
            name: name.to_owned(),
            verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
            ..APIResource::default()
        };
        let whole = ["create", "delete", "get", "patch"];
        vec![
            resource("others", &whole),
            resource("flows", verbs),
            resource("flows/status", &["get", "patch"]),
        ]
    }

    fn judged(verbs: &[&str], holds: bool, seconds: u64) -> Uninstalled {
        let known = Duration::from_secs(seconds);
        let served = Ok(served(verbs));
        by_what_is_served("flows.example.com", "flows", served, holds, known).unwrap()
    }

    #[test]
    fn a_kind_that_takes_no_new_objects_is_being_uninstalled() {
        for seconds in [0, 9, 100] {
            let judged = judged(&["delete", "get", "list", "watch"], true, seconds);
            assert!(matches!(judged, Uninstalled::Yes), "{seconds}");
        }
        let gone = by_what_is_served("d", "flows", Ok(Vec::new()), true, SETTLED).unwrap();
        assert!(matches!(gone, Uninstalled::Yes));
    }

    #[test]
    fn that_it_is_whole_counts_only_after_a_while_if_there_is_something_to_lose() {
        let whole = ["create", "delete", "get", "patch"];
        let early = judged(&whole, true, 3);
        assert!(matches!(early, Uninstalled::Later(rest) if rest == Duration::from_secs(7)));
        assert!(matches!(judged(&whole, false, 0), Uninstalled::No));
        assert!(matches!(judged(&whole, true, 10), Uninstalled::No));
    }

    #[test]
    fn without_the_right_to_look_nothing_is_deleted_and_the_message_says_what_is_missing() {
        let status = kube::core::Status::failure("no", "Forbidden").with_code(403);
        let error = RecordError::Kube(Box::new(kube::Error::Api(status.boxed())));
        let judged = by_what_is_served("flows.example.com", "flows", Err(error), true, SETTLED);
        let Ok(Uninstalled::Unknown(failure)) = judged else {
            panic!("something is deleted on a guess");
        };
        assert_eq!(failure.reason, Reason::DeletionBlocked);
        let message = failure.message;
        assert!(
            message.contains("flows.example.com") && message.contains("system:discovery"),
            "{message}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_successor_of_the_same_name_is_known_from_its_own_first_look() {
        let (going, key) = (Going::default(), Key::new("n", "a"));
        let first = going.since("flow", &key, "u1");
        tokio::time::advance(SETTLED).await;
        assert_eq!(going.since("flow", &key, "u1"), first);
        assert_eq!(going.since("flow", &key, "u2"), Instant::now());
        going.forget("flow", &key);
        assert!(going.since.lock().unwrap().is_empty());
    }
}

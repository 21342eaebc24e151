//! What the engine needs to know of a kind of custom resource.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::plan::RemoteKind;
use crate::plan::deletion::Holding;
use crate::resources::lifecycle::{DeletionPolicy, LastDrift};
use crate::resources::status::Pending;

/// A custom resource whose remote objects the engine keeps.
pub trait Managed:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize + Send + Sync + 'static
{
    /// The kind's name, as manifests have it.
    const KIND: &'static str;

    /// Its status.
    type Status: ManagedStatus;

    /// The status as it was read.
    fn status(&self) -> Option<&Self::Status>;

    /// Whether `spec.suspend` stops writes.
    fn suspended(&self) -> bool;

    /// What becomes of its remote objects when it is deleted.
    fn deletion_policy(&self) -> DeletionPolicy;
}

/// The parts of a status that all resources share, and where its remote objects are recorded.
pub trait ManagedStatus:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The kinds of remote object this resource has, in the order they are made.
    const KINDS: &'static [RemoteKind];

    /// The shared fields.
    fn common(&mut self) -> Common<'_>;

    /// Creations under way.
    fn pending(&self) -> &[Pending];

    /// The id of a remote object that stands in status.
    fn id(&self, kind: RemoteKind) -> Option<&str>;

    /// Whether an object is recorded that was neither made nor read: a listing showed it.
    fn is_unread(&self, kind: RemoteKind) -> bool;

    /// Records a remote object that stands; `version` is that of a mapping set.
    fn record(&mut self, kind: RemoteKind, id: &str, etag: &str, version: u64);

    /// Notes the last attempt to make a remote object, where only that tells how to find its twins.
    fn set_attempt(&mut self, kind: RemoteKind, attempt: i64) {
        let _ = (kind, attempt);
    }

    /// The last attempt to make an object whose twins no drift check lists: more than 1 says that there may be
    /// some.
    fn attempt(&self, kind: RemoteKind) -> i64 {
        let _ = kind;
        1
    }

    /// Notes that the object of a resource that stays is about to be deleted, where that has to be known later; whether
    /// it has.
    fn removes(&mut self, kind: RemoteKind) -> bool {
        let _ = kind;
        false
    }

    /// What stands is not taken for granted any more.
    fn distrust(&mut self) {
        *self.common().applied_hash = None;
    }

    /// Takes a remote object that is gone out of the status.
    fn forget(&mut self, kind: RemoteKind);

    /// Everything that may still stand in AEP.
    fn holdings(&self) -> Vec<Holding> {
        let standing = RemoteKind::ALL.into_iter().filter_map(|kind| {
            self.id(kind).map(|id| Holding::Standing {
                kind,
                id: id.to_owned(),
            })
        });
        let pending = self.pending().iter().filter_map(|entry| {
            let kind = RemoteKind::from_word(&entry.object)?;
            Some(Holding::Pending {
                kind,
                attempt: entry.attempt,
            })
        });
        standing.chain(pending).collect()
    }
}

/// Mutable views of the fields every status has.
#[derive(Debug)]
#[expect(missing_docs, reason = "named after the status fields")]
pub struct Common<'a> {
    pub observed_generation: &'a mut Option<i64>,
    pub conditions: &'a mut Vec<Condition>,
    pub last_handled_reconcile_at: &'a mut Option<String>,
    pub pending: &'a mut Vec<Pending>,
    pub applied_hash: &'a mut Option<String>,
    pub organization_id: &'a mut Option<String>,
    pub sandbox: &'a mut Option<String>,
    pub last_drift: &'a mut Option<LastDrift>,
}

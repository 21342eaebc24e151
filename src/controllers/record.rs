//! The one writer of a resource's status and finalizer.
//!
//! # Guarantees
//!
//! - A write carries the resourceVersion it was decided on; an intent that meets a conflict is given
//!   up (the reconcile starts over), a result that meets one is written on the newer version until it
//!   stands: what happened in AEP is never lost to a race.
//! - Nothing but results is written by a replica that does not lead any more, and a result only if the
//!   resource has not moved: what another replica writes is never touched.
//! - Only what changed is sent, as a merge patch; keys this version does not know are kept.
//! - Nothing is sent when nothing changed.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Map, Value, json};

use crate::leader::{NotLeading, Tenure};
use crate::metrics::Metrics;
use crate::resources::FINALIZER;

use super::events::Note;
use super::managed::{Managed, ManagedStatus};

/// No call to the API server may hang a reconcile; kube itself sets no limit for reads.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Between two tries to write down a result that meets a conflict.
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);

/// Why Kubernetes did not take a read or a write.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Somebody else changed the resource: start over from what it is now.
    #[error("the resource changed meanwhile")]
    Conflict,
    /// The resource does not exist any more.
    #[error("the resource is gone")]
    Gone,
    /// The API server failed or refused.
    #[error("Kubernetes API: {0}")]
    Kube(#[source] Box<kube::Error>),
    /// The process ends, or leads no longer: nothing new is started.
    #[error("the operator is stopping")]
    Stopping,
    /// Too many calls to AEP: it is woken when its turn comes, or looks again after this long.
    #[error("waits for its turn to call AEP")]
    Queued(Duration),
    /// The API server did not answer in time.
    #[error("Kubernetes API: no answer within {} s", LIMIT.as_secs())]
    Timeout,
}

impl From<kube::Error> for RecordError {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.is_conflict() => Self::Conflict,
            kube::Error::Api(status) if status.is_not_found() => Self::Gone,
            _ => Self::Kube(Box::new(error)),
        }
    }
}

impl From<NotLeading> for RecordError {
    fn from(_: NotLeading) -> Self {
        Self::Stopping
    }
}

/// Bounds a call to the API server.
pub async fn within<T>(
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, RecordError> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(RecordError::Timeout),
    }
}

/// Whether the API server refused because a right is missing.
pub fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_forbidden())
}

/// What a write is for, which decides what a conflict means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Something is about to be done: only if nothing has changed.
    Intent,
    /// Something has been done: it has to be written down.
    Result,
}

/// A resource as it was read, and its status as it is going to be.
#[derive(Debug)]
pub struct Record<K: Managed> {
    api: Api<K>,
    tenure: Tenure,
    metrics: Arc<Metrics>,
    /// The resource as it was read; its status and resourceVersion may be older than this record's.
    pub resource: K,
    /// The status to be; [`Record::flush`] writes it.
    pub status: K::Status,
    /// Events to publish once the status is written.
    pub notes: Vec<Note>,
    written: Value,
    version: String,
}

impl<K: Managed> Record<K> {
    /// A record of `resource` as it was just read, to be written while `tenure` lasts; writes are counted.
    pub fn new(api: Api<K>, resource: K, tenure: Tenure, metrics: Arc<Metrics>) -> Self {
        let status = resource.status().cloned().unwrap_or_default();
        let written = to_value(&status);
        let version = resource.resource_version().unwrap_or_default();
        Self {
            api,
            tenure,
            metrics,
            resource,
            status,
            notes: Vec::new(),
            written,
            version,
        }
    }

    /// Generation of the spec this record is about.
    pub fn generation(&self) -> i64 {
        self.resource.meta().generation.unwrap_or_default()
    }

    /// Whether our finalizer stands.
    pub fn has_finalizer(&self) -> bool {
        self.resource
            .finalizers()
            .iter()
            .any(|name| name == FINALIZER)
    }

    /// Writes the status if it changed; says whether it did.
    pub async fn flush(&mut self, purpose: Purpose) -> Result<bool, RecordError> {
        let status = to_value(&self.status);
        let Some(change) = merge_diff(&self.written, &status) else {
            return Ok(false);
        };
        if purpose == Purpose::Intent {
            self.tenure.check()?;
        }
        let name = self.resource.name_any();
        loop {
            let patch = json!({"metadata": {"resourceVersion": self.version}, "status": change});
            let params = PatchParams::default();
            match within(self.api.patch_status(&name, &params, &Patch::Merge(&patch))).await {
                Ok(after) => {
                    self.metrics.resources.wrote_status(K::KIND);
                    self.version = after.resource_version().unwrap_or_default();
                    self.written = status;
                    return Ok(true);
                }
                Err(RecordError::Conflict) if purpose == Purpose::Result => self.reread().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Adds our finalizer.
    pub async fn add_finalizer(&mut self) -> Result<(), RecordError> {
        let mut finalizers = self.resource.finalizers().to_vec();
        finalizers.push(FINALIZER.to_owned());
        self.set_finalizers(finalizers).await
    }

    /// Removes our finalizer: the last thing done to a resource. One that is gone is fine.
    pub async fn remove_finalizer(&mut self) -> Result<(), RecordError> {
        loop {
            let mut finalizers = self.resource.finalizers().to_vec();
            finalizers.retain(|name| name != FINALIZER);
            match self.set_finalizers(finalizers).await {
                Err(RecordError::Conflict) => match self.reread().await {
                    Err(RecordError::Gone) => return Ok(()),
                    other => other?,
                },
                Err(RecordError::Gone) => return Ok(()),
                other => return other,
            }
        }
    }

    async fn set_finalizers(&mut self, finalizers: Vec<String>) -> Result<(), RecordError> {
        self.tenure.check()?;
        let patch =
            json!({"metadata": {"resourceVersion": self.version, "finalizers": finalizers}});
        let name = self.resource.name_any();
        let after = within(
            self.api
                .patch(&name, &PatchParams::default(), &Patch::Merge(&patch)),
        )
        .await?;
        self.version = after.resource_version().unwrap_or_default();
        self.resource
            .meta_mut()
            .finalizers
            .clone_from(&after.meta().finalizers);
        Ok(())
    }

    /// Takes the newest resourceVersion; another resource of the same name is not this one. The version of a
    /// resource that another replica may have written by now is not ours to write on.
    async fn reread(&mut self) -> Result<(), RecordError> {
        tokio::time::sleep(CONFLICT_PAUSE).await;
        let found = within(self.api.get(&self.resource.name_any())).await?;
        self.tenure.check()?;
        if found.uid() != self.resource.uid() {
            return Err(RecordError::Gone);
        }
        self.version = found.resource_version().unwrap_or_default();
        self.resource
            .meta_mut()
            .finalizers
            .clone_from(&found.meta().finalizers);
        Ok(())
    }
}

fn to_value<S: ManagedStatus>(status: &S) -> Value {
    serde_json::to_value(status).unwrap_or(Value::Null)
}

/// The merge patch (RFC 7396) from one value to another; `None` if there is nothing to change.
fn merge_diff(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return Some(to.clone());
    };
    let mut patch = Map::new();
    for (key, value) in after {
        let change = before
            .get(key)
            .map_or_else(|| Some(value.clone()), |old| merge_diff(old, value));
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_sent_and_what_vanished_is_null() {
        let from = json!({"flow": {"id": "f", "etag": "1"}, "inletUrl": "u", "kept": [1]});
        let to = json!({"flow": {"id": "f", "etag": "2"}, "kept": [1], "new": true});
        let patch = merge_diff(&from, &to).unwrap();
        assert_eq!(
            patch,
            json!({"flow": {"etag": "2"}, "inletUrl": null, "new": true})
        );
        assert_eq!(merge_diff(&to, &to), None);
    }
}

//! The Lease in Kubernetes: reads it, remembers when it last changed, writes it only as it was read.
//!
//! # Guarantees
//!
//! - Every write carries the resourceVersion of the last read, or creates: of two writers one fails.
//! - Every request has a time limit.
//! - No two writes of ours are alike: an API server does not store a write that changes nothing, and
//!   others would see a holder that does nothing.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use tokio::time::Instant;

use crate::clock::Clock;

use super::decide::Claim;
use super::elector::Election;

/// Why a request about the lease did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeaseError {
    /// Somebody else wrote or deleted it meanwhile.
    #[error("somebody else wrote the Lease meanwhile")]
    Moved,
    /// The API server refuses.
    #[error(
        "{0}: allow the operator's ServiceAccount to get, create and update Leases in this namespace, as the Helm chart \
         does; or run one replica with --leader-elect=false"
    )]
    Forbidden(Box<kube::Error>),
    /// The API server fails.
    #[error("Kubernetes API: {0}")]
    Kube(Box<kube::Error>),
    /// The API server is silent.
    #[error("Kubernetes API: no answer within {0:?}")]
    Timeout(Duration),
}

impl From<kube::Error> for LeaseError {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() => {
                Self::Moved
            }
            kube::Error::Api(status) if status.is_forbidden() => Self::Forbidden(Box::new(error)),
            _ => Self::Kube(Box::new(error)),
        }
    }
}

/// The lease as this process sees it.
pub(super) struct Sight {
    leases: Api<Lease>,
    name: String,
    identity: String,
    clock: Clock,
    /// How long a holder is believed that does not say how long.
    unstated: Duration,
    object: Option<Lease>,
    claim: Option<Claim>,
    changed: Instant,
}

impl Sight {
    pub(super) fn new(client: Client, election: &Election, identity: &str, clock: Clock) -> Self {
        Self {
            leases: Api::namespaced(client, &election.namespace),
            name: election.name.clone(),
            identity: identity.to_owned(),
            clock,
            unstated: election.terms.lease,
            object: None,
            claim: None,
            changed: Instant::now(),
        }
    }

    /// What the last holder said. Stays when the lease vanishes: its holder may not know yet.
    pub(super) fn last(&self) -> Option<&Claim> {
        self.claim.as_ref()
    }

    /// Who held it last.
    pub(super) fn holder(&self) -> Option<&str> {
        self.claim.as_ref()?.holder.as_deref()
    }

    /// Whether there was a lease when we last looked.
    pub(super) fn exists(&self) -> bool {
        self.object.is_some()
    }

    /// When we saw it change, or vanish.
    pub(super) fn changed(&self) -> Instant {
        self.changed
    }

    /// Reads it.
    pub(super) async fn look(&mut self, limit: Duration) -> Result<(), LeaseError> {
        let found = within(limit, self.leases.get_opt(&self.name)).await?;
        self.note(found);
        Ok(())
    }

    /// Writes it as ours: taken (`acquire`) or renewed.
    pub(super) async fn claim(
        &mut self,
        acquire: bool,
        lease: Duration,
        limit: Duration,
    ) -> Result<(), LeaseError> {
        let now = MicroTime(self.clock.exact());
        let before = self.spec();
        // Rounded up: others may believe us for longer, never shorter.
        let seconds = lease.as_secs() + u64::from(lease.subsec_nanos() > 0);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
            acquire_time: if acquire {
                Some(now.clone())
            } else {
                before.acquire_time.clone()
            },
            lease_transitions: match before.lease_transitions {
                Some(count) if acquire => Some(count.saturating_add(1)),
                count => Some(count.unwrap_or_default()),
            },
            renew_time: Some(now),
            ..before
        };
        self.write(spec, limit).await
    }

    /// Writes it as nobody's.
    pub(super) async fn release(&mut self, limit: Duration) -> Result<(), LeaseError> {
        let spec = LeaseSpec {
            holder_identity: None,
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(self.clock.exact())),
            ..self.spec()
        };
        self.write(spec, limit).await
    }

    fn spec(&self) -> LeaseSpec {
        let object = self.object.as_ref();
        object
            .and_then(|object| object.spec.clone())
            .unwrap_or_default()
    }

    async fn write(&mut self, spec: LeaseSpec, limit: Duration) -> Result<(), LeaseError> {
        let params = PostParams::default();
        let mut wanted = self.object.clone().unwrap_or_default();
        wanted.spec = Some(spec);
        let written = if self.exists() {
            // Metadata as it was read: with the resourceVersion that makes the write conditional.
            match within(limit, self.leases.replace(&self.name, &params, &wanted)).await {
                Err(LeaseError::Kube(error)) if is_not_found(&error) => {
                    return Err(LeaseError::Moved);
                }
                written => written?,
            }
        } else {
            wanted.metadata.name = Some(self.name.clone());
            within(limit, self.leases.create(&params, &wanted)).await?
        };
        self.note(Some(written));
        Ok(())
    }

    fn note(&mut self, found: Option<Lease>) {
        let version = |lease: &Option<Lease>| lease.as_ref().and_then(Lease::resource_version);
        if version(&found) != version(&self.object) {
            self.changed = Instant::now();
        }
        if let Some(lease) = &found {
            let spec = lease.spec.clone().unwrap_or_default();
            let seconds = spec
                .lease_duration_seconds
                .and_then(|seconds| u64::try_from(seconds).ok());
            self.claim = Some(Claim {
                holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
                duration: seconds.map_or(self.unstated, Duration::from_secs),
            });
        }
        self.object = found;
    }
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, LeaseError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(LeaseError::Timeout(limit)),
    }
}

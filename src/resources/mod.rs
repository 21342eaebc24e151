//! What users write and read: the custom resources of group `aep-operator.dev`, version `v1alpha1`.
//!
//! - [`customer_io_source`]: `CustomerIoSource`, a Customer.io source connection in one sandbox.
//! - [`aep_dataflow`]: `AepDataflow`, target connection, mapping set and flow on such a source.
//! - [`fields`]: field types and bounds that resources share.
//! - [`status`]: what the operator writes back, shared by all resources.
//! - [`conditions`]: condition types, the documented reasons, and how a condition moves.
//!
//! Everything a manifest can get wrong by itself is refused by the API server through what these
//! types generate (schema, CEL rules, list types); `aep-operator crds` prints the result. A new
//! field goes here first: type, bounds, description; then into [`crate::plan`].

pub mod aep_dataflow;
pub mod conditions;
pub mod customer_io_source;
pub mod fields;
pub mod status;

pub use aep_dataflow::{AepDataflow, AepDataflowSpec, AepDataflowStatus};
pub use customer_io_source::{CustomerIoSource, CustomerIoSourceSpec, CustomerIoSourceStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

/// The API group of every resource of this operator.
pub const GROUP: &str = "aep-operator.dev";
/// The one finalizer of this operator: set before the first remote object, removed after the last.
pub const FINALIZER: &str = "aep-operator.dev/finalizer";
/// Annotation: a new value makes the operator check the resource against AEP now (the Flux convention).
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// Annotation `"true"`: deletion lets go of the remote objects instead of deleting them.
pub const ABANDON: &str = "aep-operator.dev/abandon";

/// Every CustomResourceDefinition of this operator, in the order `aep-operator crds` prints them.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![CustomerIoSource::crd(), AepDataflow::crd()]
}

/// All definitions as one YAML stream.
///
/// # Errors
///
/// A definition cannot be written as YAML.
pub fn yaml() -> anyhow::Result<String> {
    let mut stream = String::new();
    for definition in definitions() {
        stream.push_str("---\n");
        stream.push_str(&serde_saphyr::to_string(&definition)?);
    }
    Ok(stream)
}

//! What users write and read: the custom resources of group `aep-operator.dev`, version `v1alpha1`.
//!
//! - [`customer_io_source`]: `CustomerIoSource`, a Customer.io source connection in one sandbox.
//! - [`aep_dataset`]: `AepDataset`, a dataset with its schema and field group.
//! - [`aep_dataflow`]: `AepDataflow`, target connection, mapping set and flow on such a source.
//! - [`target`]: where a dataflow's records land.
//! - [`lifecycle`]: how a resource adopts, ends and meets a loss; the same fields on every kind.
//! - [`ingestion`]: what is expected of runs and said about them, and where the inlet's addresses are copied to.
//! - [`fields`]: field types and bounds that resources share.
//! - [`subscription`]: what a dataflow asks of Customer.io, and the webhook that stands.
//! - [`status`]: what the operator writes back, shared by all resources.
//! - [`conditions`]: condition types, the documented reasons, and how a condition moves.
//!
//! Everything a manifest can get wrong by itself is refused by the API server through what these
//! types generate (schema, CEL rules, list types); `aep-operator crds` prints the result. A new
//! field goes here first: type, bounds, description; then into [`crate::plan`].

pub mod aep_dataflow;
pub mod aep_dataset;
pub mod conditions;
pub mod customer_io_source;
pub mod fields;
pub mod ingestion;
#[cfg(test)]
mod kstatus_tests;
pub mod lifecycle;
pub mod status;
pub mod subscription;
pub mod target;

pub use aep_dataflow::{AepDataflow, AepDataflowSpec, AepDataflowStatus};
pub use aep_dataset::{AepDataset, AepDatasetSpec, AepDatasetStatus};
pub use customer_io_source::{CustomerIoSource, CustomerIoSourceSpec, CustomerIoSourceStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;
use serde_json::json;

/// The API group of every resource of this operator.
pub const GROUP: &str = "aep-operator.dev";
/// The finalizer of every resource of this operator: set before the first remote object, removed after the last.
pub const FINALIZER: &str = "aep-operator.dev/finalizer";
/// The finalizer of a Secret whose credentials are still needed.
pub const IN_USE: &str = "aep-operator.dev/in-use";
/// Annotation: a new value makes the operator check the resource against AEP now (the Flux convention).
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// Annotation `"true"`: deletion lets go of the remote objects instead of deleting them.
pub const ABANDON: &str = "aep-operator.dev/abandon";

/// Annotation `"true"`: refuses to delete the remote objects.
pub const PROTECT: &str = "aep-operator.dev/protect";

/// Every CustomResourceDefinition of this operator, in the order `aep-operator crds` prints them.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![
        CustomerIoSource::crd(),
        AepDataset::crd(),
        AepDataflow::crd(),
    ];
    let versions = definitions
        .iter_mut()
        .flat_map(|definition| &mut definition.spec.versions);
    let schemas = versions.filter_map(|version| version.schema.as_mut());
    for schema in schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut()) {
        tidy(schema);
        not_yet_observed(schema);
    }
    definitions
}

/// A resource is born with a status that nobody has looked at it: without one, kstatus, and so Flux, calls it `Current`.
/// Flux' own kinds have the same default.
fn not_yet_observed(schema: &mut JSONSchemaProps) {
    let status = schema
        .properties
        .as_mut()
        .and_then(|it| it.get_mut("status"));
    if let Some(status) = status {
        status.default = Some(JSON(json!({"observedGeneration": -1})));
    }
}

/// What the derive cannot be told.
///
/// It makes every optional field nullable, and `name: null` would be stored as it stands. Without,
/// the API server drops the null, and a field that is null is a field left out. And it keeps the
/// line breaks of a doc comment, where `kubectl explain` wraps lines itself.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        *description = description.replace('\n', " ");
    }
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|map| map.values_mut())
    {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_holds_one_document_a_definition_in_their_order() {
        let stream = yaml().unwrap();
        let documents: Vec<&str> = stream.split("---\n").skip(1).collect();
        let definitions = definitions();
        assert_eq!(documents.len(), definitions.len());
        for (document, definition) in documents.iter().zip(definitions) {
            let read: CustomResourceDefinition = serde_saphyr::from_str(document).unwrap();
            assert_eq!(read, definition);
        }
    }

    #[test]
    fn every_name_and_description_refuses_the_prefix_of_the_marker() {
        let forbidden = format!(r"pattern: \{}", fields::MARKER_PREFIX);
        assert_eq!(yaml().unwrap().matches(&forbidden).count(), 9);
    }
}

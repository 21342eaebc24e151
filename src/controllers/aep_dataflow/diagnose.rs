//! After AEP refused to make a dataflow's objects: whether the spec names a dataset or schema that is
//! not there, or the source connection has a flow already. Asked only then, so that a correct spec costs
//! no extra call.
//!
//! No public source says how the Flow Service answers a target connection on an unknown dataset, so
//! the answer is not guessed from its code: Catalog and Schema Registry are asked.

use crate::plan::Failure;
use crate::platform::{Class, Filter, Sandbox};
use crate::resources::aep_dataflow::ExistingDataset;
use crate::resources::conditions::Reason;

/// A better explanation of why a flow cannot be made yet: a flow that no resource of ours has, such as one
/// that was let go of, is on the source connection. How AEP says so is documented nowhere, so flows are asked.
pub async fn source(sandbox: &Sandbox, source: &[String], failure: Failure) -> Failure {
    let [source] = source else { return failure };
    let filter = Filter::new().eq("sourceConnectionIds[]", source);
    let Ok(flows) = sandbox.list_flows(&filter).await else {
        return failure;
    };
    let Some(flow) = flows
        .into_iter()
        .find(|flow| flow.source_connection_ids.contains(source) && !flow.state.is_going())
    else {
        return failure;
    };
    let message = format!(
        "Flow {} (\"{}\") is on the source connection {source} already, and a source connection carries one flow. Delete \
         that flow in AEP, have this resource take it over with spec.adopt.flowId, or name another source.",
        flow.id, flow.name
    );
    Failure {
        note: format!("{message} AEP's answer: {}", failure.note),
        ..Failure::stalled(Reason::SourceInUse, message)
    }
}

/// A better explanation of `refusal`, where there is one.
pub async fn target(sandbox: &Sandbox, target: &ExistingDataset, refusal: Failure) -> Failure {
    let ExistingDataset { dataset_id, schema } = target;
    let name = sandbox.name();
    let invalid = |message: String| Failure {
        note: format!("{message} AEP's answer: {}", refusal.note),
        ..Failure::stalled(Reason::InvalidSpec, message)
    };
    match sandbox.get_dataset(dataset_id).await {
        Err(error) if error.class == Class::NotFound => {
            return invalid(format!(
                "Dataset {dataset_id} does not exist in sandbox \"{name}\", or is not visible to the credential. Create \
                 it or give access to it; if spec.target.existing.datasetId is wrong, create this AepDataflow anew."
            ));
        }
        Ok(dataset) => {
            let made_for = dataset.schema_ref;
            if let Some(made_for) = made_for.filter(|it| {
                it.id != schema.id
                    || it
                        .major_version()
                        .is_some_and(|version| version != schema.major_version)
            }) {
                return invalid(format!(
                    "Dataset {dataset_id} in sandbox \"{name}\" is made for schema {} ({}), but spec.target.existing.schema \
                     is {} in major version {}. Create this AepDataflow anew with the dataset's own schema.",
                    made_for.id, made_for.content_type, schema.id, schema.major_version
                ));
            }
        }
        // Whatever else is wrong with the question, the refusal itself is the better answer.
        Err(_) => return refusal,
    }
    match sandbox.get_schema(&schema.id, schema.major_version).await {
        Err(error) if error.class == Class::NotFound => invalid(format!(
            "Schema {} does not exist in sandbox \"{name}\" in major version {}. Correct spec.target.existing.schema by \
             creating this AepDataflow anew.",
            schema.id, schema.major_version
        )),
        _ => refusal,
    }
}

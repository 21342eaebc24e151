//! After AEP refused to make a dataflow's objects: which rows of the mapping it does not take, whether the spec names a
//! dataset, schema or mapping set that is not there, or the source connection has a flow already. Asked only then, so
//! that a correct spec costs no extra call.
//!
//! No public source says how the Flow Service answers a target connection on an unknown dataset, so
//! the answer is not guessed from its code: Catalog and Schema Registry are asked.

use crate::plan::target::{ResolvedTarget, made_for_another};
use crate::plan::{Body, Failure, RemoteKind, Step, mapping};
use crate::platform::{Class, Filter, NewMappingSet, Sandbox};
use crate::resources::aep_dataflow::MappingSetReference;
use crate::resources::conditions::Reason;
use crate::resources::{AepDataflow, AepDataflowStatus};

/// A better explanation of why a flow cannot be made yet: a flow that no resource of ours has, such as one
/// that was let go of, is on the source connection. How AEP says so is documented nowhere, so flows are asked.
pub async fn source(sandbox: &Sandbox, source: &[String], failure: Failure) -> Failure {
    let [source] = source else { return failure };
    let filter = Filter::new().eq("sourceConnectionIds[]", source);
    let Ok(flows) = sandbox.list_flows(&filter, Some).await else {
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
         that flow in AEP, have this resource take it over with spec.adopt.flowId, or create this dataflow anew with another source.",
        flow.id, flow.name
    );
    Failure {
        note: format!("{message} AEP's answer: {}", failure.note),
        ..Failure::stalled(Reason::SourceInUse, message)
    }
}

/// A better explanation of a refusal, where there is one: what is wrong with the mapping, row by row, with the mapping
/// set of somebody else, or with the target.
pub async fn refusal(
    sandbox: &Sandbox,
    step: &Step,
    dataflow: &AepDataflow,
    status: &AepDataflowStatus,
    refusal: Failure,
) -> Failure {
    match step {
        // Nothing was changed, and what AEP says of a question is all there is to say.
        Step::Ask(_) => return refusal,
        Step::Create {
            body: Body::MappingSet(body),
            ..
        }
        | Step::UpdateMappingSet { body, .. } => {
            if let Some(failure) = rows(sandbox, step, body, &refusal).await {
                return failure;
            }
        }
        _ => {}
    }
    let Some(found) = &status.target else {
        return refusal;
    };
    let wanted = ResolvedTarget::from(found);
    if let Some(set) = &dataflow.spec.mapping_set
        && step.kind() == RemoteKind::Flow
        && let Some(message) = mapping_set(sandbox, set, &wanted).await
    {
        return invalid(&refusal, message);
    }
    let existing = dataflow.spec.target.existing.as_ref();
    let field = match existing.map(|it| it.dataset_id.is_some()) {
        Some(true) => "spec.target.existing.datasetId",
        _ => "spec.target",
    };
    target(sandbox, &wanted, field, refusal).await
}

fn invalid(refusal: &Failure, message: String) -> Failure {
    Failure {
        note: format!("{message} AEP's answer: {}", refusal.note),
        ..Failure::stalled(Reason::InvalidSpec, message)
    }
}

/// The rows that AEP refuses, in its own words.
async fn rows(
    sandbox: &Sandbox,
    step: &Step,
    body: &NewMappingSet,
    refusal: &Failure,
) -> Option<Failure> {
    let problems = sandbox.check_mapping(body).await.ok()?;
    let meanwhile = match step {
        Step::UpdateMappingSet { .. } => "The flow goes on with the rows it has.",
        _ => "No mapping set was made.",
    };
    (!problems.is_empty()).then(|| {
        let told = mapping::refusal(&problems, meanwhile);
        Failure {
            note: format!("{} AEP's answer: {}", told.message, refusal.note),
            ..told
        }
    })
}

/// What is wrong with a mapping set that was made elsewhere.
async fn mapping_set(
    sandbox: &Sandbox,
    set: &MappingSetReference,
    target: &ResolvedTarget,
) -> Option<String> {
    let MappingSetReference { id, version } = set;
    let name = sandbox.name();
    match sandbox
        .get_mapping_set(id, Some(version.unsigned_abs()))
        .await
    {
        Err(error) if error.class == Class::NotFound => Some(format!(
            "Mapping set {id} does not exist in version {version} in sandbox \"{name}\". Correct spec.mappingSet."
        )),
        Ok(found) => {
            let made_for = found.output_schema.schema_ref;
            let other_version = made_for
                .major_version()
                .is_some_and(|it| it != target.schema.major_version);
            (made_for.id != target.schema.id || other_version).then(|| {
                format!(
                    "Mapping set {id} in version {version} writes records of schema {} ({}), and the dataset is made for {} in \
                     major version {}. Name another mapping set in spec.mappingSet.",
                    made_for.id, made_for.content_type, target.schema.id, target.schema.major_version
                )
            })
        }
        Err(_) => None,
    }
}

/// What is wrong with dataset or schema, where something is.
async fn target(
    sandbox: &Sandbox,
    target: &ResolvedTarget,
    field: &str,
    refusal: Failure,
) -> Failure {
    let ResolvedTarget {
        dataset_id, schema, ..
    } = target;
    let name = sandbox.name();
    match sandbox.get_dataset(dataset_id).await {
        Err(error) if error.class == Class::NotFound => {
            let message = format!(
                "Dataset {dataset_id} does not exist in sandbox \"{name}\", or is not visible to the credential. Create \
                 it or give access to it; if {field} is wrong, create this AepDataflow anew."
            );
            return invalid(&refusal, message);
        }
        Ok(dataset) => {
            if let Some(message) = made_for_another(&dataset, schema, name) {
                return invalid(&refusal, message);
            }
        }
        // Whatever else is wrong with the question, the refusal itself is the better answer.
        Err(_) => return refusal,
    }
    match sandbox.get_schema(&schema.id, schema.major_version).await {
        Err(error) if error.class == Class::NotFound => {
            let message = format!(
                "Schema {} does not exist in sandbox \"{name}\" in major version {}. Correct spec.target by creating this \
                 AepDataflow anew.",
                schema.id, schema.major_version
            );
            invalid(&refusal, message)
        }
        _ => refusal,
    }
}

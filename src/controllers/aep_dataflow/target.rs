//! The `AepDataset` that a dataflow names as its target, read live.
//!
//! It is held like the source is: nothing is built on one that could go before this dataflow does, and one that is
//! going is not built on.

use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::Api;

use crate::controllers::context::Context;
use crate::controllers::engine::End;
use crate::controllers::record::{RecordError, within};
use crate::plan::dataset::settled_at;
use crate::plan::failure::Scope;
use crate::plan::pace::Pace;
use crate::plan::settling::Fields;
use crate::plan::target::{ResolvedTarget, TargetView};
use crate::plan::{Failure, Wait};
use crate::platform::{EXPERIENCE_EVENT_CLASS, PROFILE_CLASS};
use crate::resources::aep_dataflow::SchemaReference;
use crate::resources::aep_dataset::SchemaClass;
use crate::resources::conditions::{READY, Reason, STALLED, find};
use crate::resources::{AepDataflow, AepDataset, FINALIZER};

/// What a dataflow sees of its target.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What is known of it.
    pub view: TargetView,
    /// Why nothing new may be built on it.
    pub obstacle: Option<End>,
    /// How far its fields are.
    pub fields: Fields,
    /// Changes whenever another try may fare better.
    pub version: String,
}

/// Looks at the target.
pub async fn look(
    context: &Context,
    dataflow: &AepDataflow,
    scope: &Scope,
) -> Result<Seen, RecordError> {
    let Some(reference) = &dataflow.spec.target.dataset_ref else {
        return Ok(Seen::default());
    };
    let (name, namespace) = (&reference.name, dataflow.namespace().unwrap_or_default());
    let Some(dataset) = read(context, dataflow, name).await? else {
        let message = format!(
            "AepDataset \"{name}\" does not exist in namespace \"{namespace}\". Create it; or, if spec.target.datasetRef.name is \
             wrong, create this AepDataflow anew."
        );
        return Ok(Seen {
            obstacle: Some(waiting(message.clone())),
            view: TargetView::NotYet { message },
            ..Seen::default()
        });
    };
    let fields = fields(&dataset, context.settings.schema_settle);
    Ok(Seen {
        fields,
        ..seen(&dataset, scope)
    })
}

async fn read(
    context: &Context,
    dataflow: &AepDataflow,
    name: &str,
) -> Result<Option<AepDataset>, RecordError> {
    let namespace = dataflow.namespace().unwrap_or_default();
    let api: Api<AepDataset> = Api::namespaced(context.client.clone(), &namespace);
    within(api.get_opt(name)).await
}

fn waiting(message: String) -> End {
    End::Waiting(Wait {
        reason: Reason::WaitingForDataset,
        message,
        poll: false,
    })
}

/// What a dataflow with credentials for `scope` sees of an `AepDataset`.
fn seen(dataset: &AepDataset, scope: &Scope) -> Seen {
    let name = dataset.name_any();
    let view = view(dataset);
    let obstacle = if let Some(failure) = elsewhere(dataset, scope) {
        Some(failure.into())
    } else if dataset.metadata.deletion_timestamp.is_some() {
        Some(waiting(format!(
            "AepDataset \"{name}\" is being deleted. Create it again once it is gone, or delete this AepDataflow too."
        )))
    } else if let TargetView::NotYet { message } = &view {
        Some(waiting(message.clone()))
    } else if let Some(reason) = stalled(dataset) {
        Some(waiting(format!(
            "AepDataset \"{name}\" is not as it should be ({reason}). Mend it first: its own conditions say how."
        )))
    } else if is_held(dataset) {
        None
    } else {
        Some(waiting(format!(
            "AepDataset \"{name}\" is not held by the operator yet."
        )))
    };
    let (ready, status) = (ready(dataset), dataset.status.as_ref());
    let made = status.and_then(|status| status.dataset.as_ref());
    Seen {
        view,
        obstacle,
        fields: Fields::default(),
        // Rows to a field that is new in the schema are refused until it stands there.
        version: format!(
            "{}/{:?}/{ready}/{}",
            dataset.uid().unwrap_or_default(),
            status.and_then(|it| it.observed_generation),
            made.map_or("", |made| made.id.as_str())
        ),
    }
}

/// How far the fields are, of which AEP knows new ones after `settle`.
fn fields(dataset: &AepDataset, settle: Duration) -> Fields {
    let status = dataset.status.as_ref();
    let ready = status.and_then(|status| find(&status.conditions, READY));
    let stands = ready.is_some_and(|ready| {
        ready.status == "True" && ready.observed_generation == dataset.metadata.generation
    });
    let changed = status.and_then(|status| status.fields_changed_at.as_ref());
    let reason = ready.map_or("Progressing", |ready| match ready.reason.as_str() {
        "Succeeded" => "Progressing",
        reason => reason,
    });
    Fields {
        dataset: dataset.name_any(),
        behind: (!stands).then(|| reason.to_owned()),
        settled_at: settled_at(changed.map(|time| time.0), settle),
    }
}

/// Why somebody has to mend it, if so.
fn stalled(dataset: &AepDataset) -> Option<&str> {
    let status = dataset.status.as_ref()?;
    find(&status.conditions, STALLED).map(|stalled| stalled.reason.as_str())
}

/// The reason of its `Ready`.
fn ready(dataset: &AepDataset) -> &str {
    let status = dataset.status.as_ref();
    let ready = status.and_then(|status| find(&status.conditions, READY));
    ready.map_or("", |ready| ready.reason.as_str())
}

fn view(dataset: &AepDataset) -> TargetView {
    let status = dataset.status.as_ref();
    let stands = status.and_then(|status| {
        let schema = status.schema.as_ref()?;
        let class = match dataset.spec.schema.class {
            SchemaClass::ExperienceEvent => EXPERIENCE_EVENT_CLASS,
            SchemaClass::Profile => PROFILE_CLASS,
        };
        Some(ResolvedTarget {
            dataset_id: status.dataset.as_ref()?.id.clone(),
            schema: SchemaReference {
                id: schema.id.clone(),
                major_version: u32::try_from(schema.major_version).ok()?,
            },
            class: Some(class.to_owned()),
            tenant: status.tenant_id.clone(),
        })
    });
    if let Some(target) = stands {
        return TargetView::Known(target);
    }
    let reason = match ready(dataset) {
        "" | "Progressing" => String::new(),
        reason => format!(" ({reason})"),
    };
    TargetView::NotYet {
        message: format!(
            "AepDataset \"{}\" has no dataset yet{reason}.",
            dataset.name_any()
        ),
    }
}

/// A flow writes into datasets of its own sandbox only.
fn elsewhere(dataset: &AepDataset, scope: &Scope) -> Option<Failure> {
    let name = dataset.name_any();
    let organization = dataset
        .status
        .as_ref()
        .and_then(|status| status.organization_id.as_ref());
    let differs = if dataset.spec.sandbox == scope.sandbox {
        let organization = organization.filter(|it| **it != scope.organization)?;
        format!(
            "stands in organization \"{organization}\", and the source's Secret \"{}\" is for \"{}\"",
            scope.secret, scope.organization
        )
    } else {
        format!(
            "is in sandbox \"{}\", and the source in sandbox \"{}\"",
            dataset.spec.sandbox, scope.sandbox
        )
    };
    Some(Failure::stalled(
        Reason::InvalidSpec,
        format!(
            "AepDataset \"{name}\" {differs}: a flow cannot write there. Create this AepDataflow anew with source and AepDataset of \
             one sandbox and organization."
        ),
    ))
}

/// Whether the dataset stays for as long as a dataflow with an intent is on it.
fn is_held(dataset: &AepDataset) -> bool {
    dataset.metadata.deletion_timestamp.is_none()
        && dataset.finalizers().iter().any(|name| name == FINALIZER)
}

/// Why nothing may be created for the target `seen`, as a live look at it says now.
pub async fn is_gone(
    context: &Context,
    dataflow: &AepDataflow,
    seen: &TargetView,
) -> Result<Option<Failure>, RecordError> {
    let Some(reference) = &dataflow.spec.target.dataset_ref else {
        return Ok(None);
    };
    let name = &reference.name;
    let dataset = read(context, dataflow, name).await?;
    let held = dataset
        .filter(is_held)
        .is_some_and(|dataset| view(&dataset) == *seen);
    let message = format!("AepDataset \"{name}\" is going or has changed.");
    Ok((!held).then(|| Failure::passing(Reason::WaitingForDataset, message, Pace::Backoff)))
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;

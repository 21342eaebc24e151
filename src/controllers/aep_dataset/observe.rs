//! What an `AepDataset` depends on: its Secret, and, when it goes, the dataflows that still write into it.

use kube::api::ListParams;
use kube::{Resource as _, ResourceExt as _};

use crate::controllers::context::Context;
use crate::controllers::credentials::{self, Access};
use crate::controllers::engine::End;
use crate::controllers::kind::Observed;
use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::record::{RecordError, is_forbidden, within};
use crate::plan::Failure;
use crate::plan::pace::Pace;
use crate::resources::conditions::Reason;
use crate::resources::lifecycle::DeletionPolicy;
use crate::resources::{AepDataflow, AepDataset};

/// Names of dataflows in a message.
const NAMED: usize = 5;

/// The credentials.
pub async fn access(
    context: &Context,
    dataset: &AepDataset,
) -> Result<Observed<Access>, RecordError> {
    let namespace = dataset.namespace().unwrap_or_default();
    Ok(
        match credentials::read(&context.client, &namespace, &dataset.spec).await? {
            Ok(access) => Observed::Whole(access),
            Err(failure) => Observed::Lacking(failure.into()),
        },
    )
}

/// The dataflows that keep this dataset from being deleted: their records land in it.
pub async fn in_use(context: &Context, dataset: &AepDataset) -> Result<Option<End>, RecordError> {
    let into_it = match dataflows_into(context, dataset).await? {
        Ok(found) => found,
        Err(failure) => return Ok(Some(failure.into())),
    };
    let staying: Vec<String> = into_it
        .iter()
        .filter(|dataflow| dataflow.meta().deletion_timestamp.is_none())
        .map(|dataflow| quoted(dataflow, dataset))
        .collect();
    if !staying.is_empty() {
        let message = format!(
            "AepDataflow {} still writes into this dataset. Delete it; the dataset then goes by itself.",
            listed(&staying)
        );
        return Ok(Some(
            Failure::stalled(Reason::DeletionBlocked, message).into(),
        ));
    }
    let going: Vec<String> = into_it.iter().map(|it| quoted(it, dataset)).collect();
    Ok((!going.is_empty()).then(|| {
        let message = format!(
            "Waiting for AepDataflow {} to be deleted first.",
            listed(&going)
        );
        Failure::passing(Reason::Deleting, message, Pace::Slow).into()
    }))
}

/// Its name, with its namespace where that is another one.
fn quoted(dataflow: &AepDataflow, dataset: &AepDataset) -> String {
    let namespace = dataflow.namespace();
    match namespace {
        Some(namespace) if dataset.namespace().as_ref() != Some(&namespace) => {
            format!("\"{namespace}/{}\"", dataflow.name_any())
        }
        _ => format!("\"{}\"", dataflow.name_any()),
    }
}

/// The first few, and how many more.
fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The dataflows into this dataset that have, or may have, something in AEP: those that name this resource, and, where
/// the dataset goes with it, those of any namespace that is looked after that write into that by its id or name. The inner
/// error: they cannot be known.
async fn dataflows_into(
    context: &Context,
    dataset: &AepDataset,
) -> Result<Result<Vec<AepDataflow>, Failure>, RecordError> {
    let mut found = Vec::new();
    for (namespace, api) in context.namespaces.apis::<AepDataflow>(&context.client) {
        match within(api.list(&ListParams::default())).await {
            Ok(list) => found.extend(list.items),
            // The definition of dataflows was uninstalled, and with it every dataflow.
            Err(RecordError::Gone) => {}
            Err(RecordError::Kube(error)) if is_forbidden(&error) => {
                return Ok(Err(hidden(namespace.as_deref())));
            }
            Err(error) => return Err(error),
        }
    }
    found.retain(|dataflow| writes_into(dataflow, dataset));
    Ok(Ok(found))
}

/// Dataflows that may write into the dataset cannot be seen, so it stays.
fn hidden(namespace: Option<&str>) -> Failure {
    let place = namespace.map_or_else(
        || "in the cluster".to_owned(),
        |name| format!("in namespace \"{name}\""),
    );
    let message = format!(
        "The operator may not list AepDataflows {place}, so it cannot know whether one writes into this dataset. Give it \
         the rights of its chart there; or, if that namespace is gone, take it off --watch-namespaces."
    );
    Failure::stalled(Reason::DeletionBlocked, message)
}

fn writes_into(dataflow: &AepDataflow, dataset: &AepDataset) -> bool {
    let Some(status) = &dataflow.status else {
        return false;
    };
    if status.holdings().is_empty() {
        return false;
    }
    let reference = dataflow.spec.target.dataset_ref.as_ref();
    let names_it = reference.is_some_and(|target| target.name == dataset.name_any())
        && dataflow.namespace() == dataset.namespace();
    let made = dataset.status.as_ref().and_then(|it| it.dataset.as_ref());
    let goes = dataset.spec.deletion_policy == DeletionPolicy::Delete;
    let target = status.target.as_ref().filter(|_| goes);
    names_it
        || made
            .zip(target)
            .is_some_and(|(made, target)| made.id == target.dataset_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_cut_and_counted() {
        let names: Vec<String> = (1..=7).map(|n| format!("\"{n}\"")).collect();
        assert_eq!(listed(&names[..1]), "\"1\"");
        assert_eq!(
            listed(&names),
            "\"1\", \"2\", \"3\", \"4\", \"5\" and 2 more"
        );
    }
}

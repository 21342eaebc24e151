//! What a `CustomerIoSource` depends on: its Secret, and, when it goes, the dataflows still on it.

use kube::api::{Api, ListParams};
use kube::{Resource as _, ResourceExt as _};

use crate::controllers::context::Context;
use crate::controllers::credentials::{self, Access};
use crate::controllers::engine::End;

use crate::controllers::kind::Observed;
use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::record::{RecordError, within};
use crate::plan::Failure;
use crate::plan::pace::Pace;
use crate::resources::conditions::Reason;
use crate::resources::{AepDataflow, CustomerIoSource};

/// The credentials.
pub async fn access(
    context: &Context,
    source: &CustomerIoSource,
) -> Result<Observed<Access>, RecordError> {
    let namespace = source.namespace().unwrap_or_default();
    Ok(
        match credentials::read(&context.client, &namespace, &source.spec).await? {
            Ok(access) => Observed::Whole(access),
            Err(failure) => Observed::Lacking(failure.into()),
        },
    )
}

/// The dataflow that keeps this source from being deleted: its objects need the source's credentials,
/// its flow the source's connection.
pub async fn in_use(
    context: &Context,
    source: &CustomerIoSource,
) -> Result<Option<End>, RecordError> {
    let on_it = dataflows_on(context, source).await?;
    let staying = on_it
        .iter()
        .find(|dataflow| dataflow.meta().deletion_timestamp.is_none());
    if let Some(dataflow) = staying {
        let message = format!(
            "AepDataflow \"{}\" still uses this source. Delete it; the source then goes by itself.",
            dataflow.name_any()
        );
        return Ok(Some(
            Failure::stalled(Reason::DeletionBlocked, message).into(),
        ));
    }
    Ok(on_it.first().map(|dataflow| {
        let message = format!(
            "Waiting for AepDataflow \"{}\" to be deleted first.",
            dataflow.name_any()
        );
        Failure::passing(Reason::Deleting, message, Pace::Slow).into()
    }))
}

/// The dataflows on this source that have, or may have, something in AEP.
async fn dataflows_on(
    context: &Context,
    source: &CustomerIoSource,
) -> Result<Vec<AepDataflow>, RecordError> {
    let namespace = source.namespace().unwrap_or_default();
    let api: Api<AepDataflow> = Api::namespaced(context.client.clone(), &namespace);
    let params =
        ListParams::default().fields(&format!("spec.sourceRef.name={}", source.name_any()));
    let mut found = match within(api.list(&params)).await {
        Ok(list) => list.items,
        // The definition of dataflows was uninstalled, and with it every dataflow.
        Err(RecordError::Gone) => Vec::new(),
        Err(error) => return Err(error),
    };
    // One that is being deleted and no longer has our finalizer has let go of everything.
    found.retain(|dataflow| {
        dataflow
            .status
            .as_ref()
            .is_some_and(|status| !status.holdings().is_empty())
    });
    Ok(found)
}

//! What a `CustomerIoSource` depends on: its Secret, and, when it goes, the dataflows still on it.

use kube::api::{Api, ListParams};
use kube::{Resource as _, ResourceExt as _};

use crate::controllers::context::Context;
use crate::controllers::credentials::{self, Access};

use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::reconcile::Observed;
use crate::controllers::record::{RecordError, within};
use crate::plan::Failure;
use crate::plan::pace::Pace;
use crate::resources::conditions::Reason;
use crate::resources::{AepDataflow, CustomerIoSource};

/// The credentials, which must be of the organization the source connection was made in.
pub async fn access(
    context: &Context,
    source: &CustomerIoSource,
) -> Result<Observed<Access>, RecordError> {
    let namespace = source.namespace().unwrap_or_default();
    let status = source.status.as_ref();
    let made_in = status
        .filter(|status| status.source_connection.is_some())
        .and_then(|status| status.organization_id.as_deref());
    Ok(
        match credentials::read(&context.client, &namespace, &source.spec, made_in).await? {
            Ok(access) => Observed::Whole(access),
            Err(failure) => Observed::Lacking(failure.into()),
        },
    )
}

/// The credentials, once no dataflow needs this source any more.
pub async fn deletion(
    context: &Context,
    source: &CustomerIoSource,
) -> Result<Observed<Access>, RecordError> {
    let on_it = dataflows_on(context, source).await?;
    let staying = on_it
        .iter()
        .find(|dataflow| dataflow.meta().deletion_timestamp.is_none());
    if let Some(dataflow) = staying {
        let message = format!(
            "AepDataflow \"{}\" still uses this source. Delete it; the source connection then goes by itself.",
            dataflow.name_any()
        );
        return Ok(Observed::Lacking(
            Failure::stalled(Reason::DeletionBlocked, message).into(),
        ));
    }
    if let Some(dataflow) = on_it.first() {
        let message = format!(
            "Waiting for AepDataflow \"{}\" to be deleted first.",
            dataflow.name_any()
        );
        return Ok(Observed::Lacking(
            Failure::passing(Reason::Deleting, message, Pace::Slow).into(),
        ));
    }
    access(context, source).await
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
    let mut found = within(api.list(&params)).await?.items;
    found.retain(|dataflow| {
        dataflow
            .status
            .as_ref()
            .is_some_and(|status| !status.holdings().is_empty())
    });
    Ok(found)
}

//! Connections and flows: what is more than one call of [`Sandbox`].

use crate::plan::RemoteKind;
use crate::plan::deletion::User;
use crate::platform::{ApiError, Created, Etag, Filter, PatchOperation, Sandbox};

use super::Outcome;

/// Changes a connection or flow that still has this etag.
pub(super) async fn patch(
    sandbox: &Sandbox,
    kind: RemoteKind,
    id: &str,
    etag: &Etag,
    operations: &[PatchOperation],
) -> Result<Created, ApiError> {
    match kind {
        RemoteKind::SourceConnection => sandbox.patch_source_connection(id, etag, operations).await,
        RemoteKind::TargetConnection => sandbox.patch_target_connection(id, etag, operations).await,
        _ => sandbox.patch_flow(id, etag, operations).await,
    }
}

/// The flows that name a source connection.
pub(super) async fn users(
    sandbox: &Sandbox,
    source_connection: &String,
) -> Result<Outcome, ApiError> {
    let filter = Filter::new().eq("sourceConnectionIds[]", source_connection);
    let mut flows = sandbox.list_flows(&filter, Some).await?;
    // That this property can be filtered by is documented; that nothing else comes back is not.
    flows.retain(|flow| flow.source_connection_ids.contains(source_connection));
    let users = flows.into_iter().map(|flow| User {
        title: format!("{} (\"{}\")", flow.id, flow.name),
        going: flow.state.is_going(),
    });
    Ok(Outcome::Users(users.collect()))
}

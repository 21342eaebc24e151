//! Webhooks: found by where they send to.

use crate::customer_io::{Deleted, Endpoint, Webhook, WebhookSettings, Workspace};
use crate::plan::RemoteKind;
use crate::plan::marker::Identity;
use crate::plan::sighting::{Aspects, Sighted};
use crate::plan::subscription::Other;
use crate::platform::{ApiError, Class, Created, Etag};

use super::super::inventory::recently;
use super::super::remotes::Remotes;
use super::super::webhooks::Board;
use super::Outcome;

const KIND: RemoteKind = RemoteKind::Subscription;

fn there(remotes: &Remotes) -> Result<(&Workspace, &Board), ApiError> {
    let workspace = remotes.workspace.as_ref().zip(remotes.board.as_deref());
    workspace.ok_or_else(|| {
        let detail = "there is no workspace to call";
        ApiError::local("execute", Class::Unexpected, detail)
    })
}

fn number(id: &str) -> Result<u64, ApiError> {
    id.parse().map_err(|_| {
        let detail = format!("\"{id}\" is no id of a webhook");
        ApiError::local("execute", Class::NotFound, detail)
    })
}

pub(super) async fn create(remotes: &Remotes, body: &WebhookSettings) -> Result<Created, ApiError> {
    let (workspace, board) = there(remotes)?;
    let hook = workspace.create_webhook(body).await?;
    board.note(&hook);
    Ok(Created {
        id: hook.id.to_string(),
        etag: Etag::default(),
    })
}

pub(super) async fn read(remotes: &Remotes, id: &str) -> Result<Webhook, ApiError> {
    let (workspace, board) = there(remotes)?;
    let hook = workspace.get_webhook(number(id)?).await?;
    board.note(&hook);
    Ok(hook)
}

pub(super) async fn update(
    remotes: &Remotes,
    id: &str,
    body: &WebhookSettings,
) -> Result<Webhook, ApiError> {
    let (workspace, board) = there(remotes)?;
    let hook = workspace.update_webhook(number(id)?, body).await?;
    board.note(&hook);
    Ok(hook)
}

pub(super) async fn delete(remotes: &Remotes, id: &str) -> Result<bool, ApiError> {
    let (workspace, board) = there(remotes)?;
    let id = number(id)?;
    workspace.delete_webhook(id).await.map(|_: Deleted| {
        board.gone(id);
        true
    })
}

/// The webhooks that send to `endpoint`, as if they carried the marker of the resource `identity`: of several
/// attempts the oldest is kept, which is the one that comes last here.
pub(super) async fn find(
    remotes: &Remotes,
    identity: &Identity,
    attempt: i64,
    endpoint: &Endpoint,
    name: Option<&str>,
) -> Result<Outcome, ApiError> {
    let (workspace, board) = there(remotes)?;
    let (as_of, listing) = board.ensure(workspace, recently()).await?;
    let found = listing
        .with_endpoint(endpoint)
        .into_iter()
        .filter(|hook| name.is_none_or(|name| hook.settings.name == name))
        .map(|hook| Sighted {
            kind: KIND,
            id: hook.id.to_string(),
            marker: Some(identity.marker(KIND, attempt)),
            uses: Vec::new(),
            aspects: Aspects::default(),
            created_at: u64::MAX - hook.id,
        });
    Ok(Outcome::LookedUp {
        kind: KIND,
        attempt,
        found: found.collect(),
        as_of,
    })
}

/// The webhook `id` as the listing shows it, and the others that send to `endpoint`.
pub(super) async fn see(
    remotes: &Remotes,
    id: &str,
    endpoint: &Endpoint,
) -> Result<Outcome, ApiError> {
    let (workspace, board) = there(remotes)?;
    let (_, listing) = board.ensure(workspace, recently()).await?;
    let others = listing.with_endpoint(endpoint).into_iter();
    let others = others.filter(|hook| hook.id.to_string() != id);
    Ok(Outcome::Webhooks {
        id: id.to_owned(),
        own: listing.get(id).cloned().map(Box::new),
        others: others
            .map(|hook| Other {
                id: hook.id.to_string(),
                name: hook.settings.name.clone(),
            })
            .collect(),
    })
}

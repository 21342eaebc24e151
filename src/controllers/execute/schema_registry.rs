//! Field groups and schemas: found by their title, which is unique in all of the registry.

use crate::plan::RemoteKind;
use crate::plan::sighting::Sighted;
use crate::platform::{
    ApiError, Class, Created, Deleted, Etag, NewFieldGroup, NewSchema, PatchOperation, Sandbox,
};

use super::Outcome;

/// Resources of the organization's own are of this major version: the registry raises the minor one alone.
const MAJOR: u32 = 1;

pub(super) async fn create_field_group(
    sandbox: &Sandbox,
    body: &NewFieldGroup,
) -> Result<(Created, u64), ApiError> {
    let made = sandbox.create_field_group(body).await?;
    Ok((without_etag(made.id), 0))
}

/// With the major version of the schema.
pub(super) async fn create_schema(
    sandbox: &Sandbox,
    body: &NewSchema,
) -> Result<(Created, u64), ApiError> {
    let made = sandbox.create_schema(body).await?;
    let version = made.major_version().unwrap_or(MAJOR);
    Ok((without_etag(made.id), u64::from(version)))
}

pub(super) async fn read(
    sandbox: &Sandbox,
    kind: RemoteKind,
    id: &str,
) -> Result<Outcome, ApiError> {
    Ok(if kind == RemoteKind::Schema {
        Outcome::Schema(Box::new(sandbox.get_schema(id, MAJOR).await?))
    } else {
        Outcome::FieldGroup(Box::new(sandbox.get_field_group(id, MAJOR).await?))
    })
}

pub(super) async fn patch(
    sandbox: &Sandbox,
    kind: RemoteKind,
    id: &str,
    operations: &[PatchOperation],
) -> Result<Created, ApiError> {
    if kind == RemoteKind::Schema {
        sandbox.patch_schema(id, operations).await?;
    } else {
        sandbox.patch_field_group(id, operations).await?;
    }
    Ok(without_etag(id.to_owned()))
}

/// What has this title, whosever it is.
pub(in crate::controllers) async fn titled(
    sandbox: &Sandbox,
    kind: RemoteKind,
    title: &str,
) -> Result<Vec<Sighted>, ApiError> {
    listed(sandbox, kind, Some(title)).await
}

/// Everything of a kind: for a resource that goes, whose spec plays no part.
pub(super) async fn all(sandbox: &Sandbox, kind: RemoteKind) -> Result<Vec<Sighted>, ApiError> {
    listed(sandbox, kind, None).await
}

async fn listed(
    sandbox: &Sandbox,
    kind: RemoteKind,
    title: Option<&str>,
) -> Result<Vec<Sighted>, ApiError> {
    let wanted = |found: &str| title.is_none_or(|title| title == found);
    Ok(if kind == RemoteKind::Schema {
        let mut found = sandbox.list_schemas(title).await?;
        found.retain(|it| wanted(&it.title));
        found.iter().map(Sighted::from).collect()
    } else {
        let mut found = sandbox.list_field_groups(title).await?;
        found.retain(|it| wanted(&it.title));
        found.iter().map(Sighted::from).collect()
    })
}

/// Whether it is gone; `false`: AEP keeps it, because something else uses it. Which of its refusals says so is not
/// documented; it stays behind and is named, so that a resource does not wait for somebody else's schema for ever.
pub(super) async fn delete(
    sandbox: &Sandbox,
    kind: RemoteKind,
    id: &str,
) -> Result<bool, ApiError> {
    let deleted = if kind == RemoteKind::Schema {
        sandbox.delete_schema(id).await
    } else {
        sandbox.delete_field_group(id).await
    };
    match deleted {
        Ok(Deleted::Gone | Deleted::AlreadyGone) => Ok(true),
        Err(error) if error.class == Class::Rejected => Ok(false),
        Err(error) => Err(error),
    }
}

/// The registry shows an etag and documents no use of it.
fn without_etag(id: String) -> Created {
    Created {
        id,
        etag: Etag::default(),
    }
}

//! Mapping sets: found by their name, and deleted as far as Data Prep allows.

use crate::plan::RemoteKind;
use crate::plan::marker::Identity;
use crate::plan::sighting::Sighted;
use crate::platform::{ApiError, Class, Deleted, Sandbox};

/// The sets that are named after an attempt up to `attempt`.
pub(super) async fn marked(
    sandbox: &Sandbox,
    identity: &Identity,
    attempt: i64,
) -> Result<Vec<Sighted>, ApiError> {
    let mut found = Vec::new();
    for attempt in 1..=attempt {
        let name = identity.marker(RemoteKind::MappingSet, attempt).to_string();
        found.extend(sandbox.list_mapping_sets(&name).await?);
    }
    Ok(found.iter().map(Sighted::from).collect())
}

/// Whether the set is gone; `false`: it cannot be deleted and stays.
pub(super) async fn delete(sandbox: &Sandbox, id: &str) -> Result<bool, ApiError> {
    match sandbox.delete_mapping_set(id).await {
        // A 404 may also say that there is no such operation.
        Ok(Deleted::AlreadyGone) => match sandbox.get_mapping_set(id, None).await {
            Ok(_) => Ok(false),
            Err(error) if error.class == Class::NotFound => Ok(true),
            Err(error) => Err(error),
        },
        Ok(_) => Ok(true),
        // No documentation shows that a mapping set can be deleted; one that cannot is left, and named.
        Err(error) if refused_for_good(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn refused_for_good(error: &ApiError) -> bool {
    matches!(
        error.class,
        Class::NotFound | Class::Permission | Class::Rejected | Class::Unexpected
    ) || error.status == Some(405)
}

//! Datasets: found by the tag that says whose they are.

use crate::plan::RemoteKind;
use crate::plan::desired_dataset::{OWNER_TAG, is_tagged, owner_tag};
use crate::plan::marker::Identity;
use crate::plan::sighting::Sighted;
use crate::platform::{ApiError, Created, Etag, NewDataset, PatchOperation, Sandbox};

pub(super) async fn create(sandbox: &Sandbox, body: &NewDataset) -> Result<Created, ApiError> {
    Ok(without_etag(sandbox.create_dataset(body).await?))
}

pub(super) async fn patch(
    sandbox: &Sandbox,
    id: &str,
    operations: &[PatchOperation],
) -> Result<Created, ApiError> {
    sandbox.patch_dataset(id, operations).await?;
    Ok(without_etag(id.to_owned()))
}

/// The datasets whose tag names the resource `identity`.
pub(super) async fn tagged(
    sandbox: &Sandbox,
    identity: &Identity,
) -> Result<Vec<Sighted>, ApiError> {
    let value = owner_tag(identity);
    let mut found = sandbox.list_datasets_by_tag(OWNER_TAG, &value).await?;
    found.retain(|it| is_tagged(it, identity));
    let sighted = found.iter().map(|it| {
        let sighted = Sighted::from(it);
        // Somebody wrote another description: the tag still says whose it is, though not which attempt's.
        let marker = sighted.marker.clone().unwrap_or_else(|| {
            let unknown = Identity {
                uid: String::new(),
                ..identity.clone()
            };
            unknown.marker(RemoteKind::Dataset, 1)
        });
        Sighted {
            marker: Some(marker),
            ..sighted
        }
    });
    Ok(sighted.collect())
}

/// Catalog knows none.
fn without_etag(id: String) -> Created {
    Created {
        id,
        etag: Etag::default(),
    }
}

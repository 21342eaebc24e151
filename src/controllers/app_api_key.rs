//! From a Secret to a Customer.io workspace: read live, from the resource's own namespace only.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::Api;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::customer_io::Region;
use crate::plan::Failure;
use crate::plan::webhook_failure::AppApi;
use crate::resources::IN_USE;
use crate::resources::conditions::Reason;
use crate::resources::subscription::{CustomerIoWorkspace, WorkspaceRegion};

use super::context::Context;
use super::credentials::content;
use super::record::{RecordError, within};
use super::webhooks::WorkspaceAccess;

/// Reads the key that `spec` names. The inner error is the user's to mend.
pub async fn read(
    context: &Context,
    namespace: &str,
    spec: &CustomerIoWorkspace,
) -> Result<Result<WorkspaceAccess, Failure>, RecordError> {
    let (name, key) = (&spec.app_api_key_ref.name, &spec.app_api_key_ref.key);
    let api = Api::<Secret>::namespaced(context.client.clone(), namespace);
    let Some(secret) = within(api.get_opt(name)).await? else {
        return Ok(Err(Failure::stalled(
            Reason::SecretMissing,
            format!(
                "Secret \"{name}\" does not exist in namespace \"{namespace}\". Create it with a Customer.io App API key \
                 under \"{key}\"."
            ),
        )));
    };
    let hash = content(&secret);
    let held = secret.finalizers().iter().any(|name| name == IN_USE);
    let data = secret.data.unwrap_or_default();
    let text = data
        .get(key)
        .and_then(|bytes| std::str::from_utf8(&bytes.0).ok())
        .map(str::trim)
        .filter(|text| !text.is_empty() && !text.chars().any(char::is_control));
    let Some(text) = text else {
        let state = if data.contains_key(key) {
            "is empty or no plain text"
        } else {
            "is missing"
        };
        return Ok(Err(Failure::stalled(
            Reason::SecretMissing,
            format!(
                "Key \"{key}\" of Secret \"{name}\" {state}. Put a Customer.io App API key with access to reporting \
                 webhooks under it."
            ),
        )));
    };
    let region = match spec.region {
        WorkspaceRegion::Us => Region::Us,
        WorkspaceRegion::Eu => Region::Eu,
    };
    let mark = mark(region, text);
    Ok(Ok(WorkspaceAccess {
        workspace: context
            .customer_io
            .workspace(region, &SecretString::from(text.to_owned())),
        board: context.webhooks.board(&mark),
        app_api: AppApi {
            secret: name.clone(),
            key: key.clone(),
            region: region.word(),
        },
        mark,
        content: hash,
        held,
    }))
}

/// Tells keys apart without saying anything about them: they are random and long, and this is half of a hash's half.
fn mark(region: Region, key: &str) -> String {
    let hash = Sha256::new()
        .chain_update("aep-operator/app-api-key/")
        .chain_update(region.word())
        .chain_update("/")
        .chain_update(key)
        .finalize();
    let mut short = [0; 8];
    short.copy_from_slice(&hash[..8]);
    format!("{region}/{:016x}", u64::from_be_bytes(short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_changes_with_key_and_region_and_shows_neither() {
        let one = mark(Region::Us, "demo-app-key");
        assert!(one.starts_with("us/") && one.len() == 19, "{one}");
        assert!(!one.contains("demo"), "{one}");
        assert_ne!(one, mark(Region::Us, "other-app-key"));
        assert_ne!(one[3..], mark(Region::Eu, "demo-app-key")[3..]);
        assert_eq!(one, mark(Region::Us, "demo-app-key"));
    }
}

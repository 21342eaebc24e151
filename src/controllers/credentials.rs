//! From a Secret to Adobe credentials: read live, from the resource's own namespace only.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::plan::Failure;
use crate::plan::failure::Scope;
use crate::platform::Credentials;
use crate::resources::conditions::Reason;
use crate::resources::{AepDatasetSpec, CustomerIoSourceSpec, IN_USE};

use super::record::{RecordError, within};
use super::webhooks::WorkspaceAccess;

/// Credentials with what messages and retries need to know of where they came from.
#[derive(Clone, Debug)]
pub struct Access {
    /// The credentials.
    pub credentials: Arc<Credentials>,
    /// For messages.
    pub scope: Scope,
    /// What the Secret holds, as a hash: a change of it is worth another try.
    pub content: String,
    /// Whether the Secret carries our finalizer.
    pub held: bool,
    /// The workspace of Customer.io, for those who have something there.
    pub workspace: Option<WorkspaceAccess>,
}

impl Access {
    /// Names of the Secrets it came from.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let workspace = self.workspace.as_ref();
        std::iter::once(self.scope.secret.as_str())
            .chain(workspace.map(|it| it.app_api.secret.as_str()))
    }

    /// Whether all of them carry our finalizer.
    pub fn is_held(&self) -> bool {
        self.held && self.workspace.as_ref().is_none_or(|it| it.held)
    }

    /// What all Secrets hold, as hashes: a change of one is worth another try.
    pub fn versions(&self) -> Vec<String> {
        let workspace = self.workspace.as_ref();
        let workspace = workspace.map(|it| format!("{} {}", it.mark, it.content));
        std::iter::once(self.content.clone())
            .chain(workspace)
            .collect()
    }
}

/// What a resource says of its credentials.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Name of the Secret.
    pub secret: &'a str,
    /// Name of the sandbox.
    pub sandbox: &'a str,
    /// The organization that the Secret must be for.
    pub organization: Option<&'a str>,
}

impl<'a> From<&'a CustomerIoSourceSpec> for Wanted<'a> {
    fn from(spec: &'a CustomerIoSourceSpec) -> Self {
        Self {
            secret: &spec.credentials_ref.name,
            sandbox: &spec.sandbox,
            organization: spec.organization_id.as_deref(),
        }
    }
}

impl<'a> From<&'a AepDatasetSpec> for Wanted<'a> {
    fn from(spec: &'a AepDatasetSpec) -> Self {
        Self {
            secret: &spec.credentials_ref.name,
            sandbox: &spec.sandbox,
            organization: spec.organization_id.as_deref(),
        }
    }
}

/// Reads the Secret that a resource names. The inner error is the user's to mend.
pub async fn read(
    client: &Client,
    namespace: &str,
    wanted: impl Into<Wanted<'_>>,
) -> Result<Result<Access, Failure>, RecordError> {
    let wanted = wanted.into();
    let name = wanted.secret;
    let found = within(Api::<Secret>::namespaced(client.clone(), namespace).get_opt(name)).await?;
    let Some(secret) = found else {
        return Ok(Err(Failure::stalled(
            Reason::SecretMissing,
            format!(
                "Secret \"{name}\" does not exist in namespace \"{namespace}\". Create it with the keys clientId, \
                 clientSecret and orgId of an OAuth server-to-server credential."
            ),
        )));
    };
    let content = content(&secret);
    let held = secret.finalizers().iter().any(|name| name == IN_USE);
    let data = secret.data.unwrap_or_default();
    Ok(
        parse(name, &data, wanted.organization).map(|credentials| Access {
            scope: Scope {
                secret: name.to_owned(),
                organization: credentials.organization_id.clone(),
                sandbox: wanted.sandbox.to_owned(),
            },
            credentials: Arc::new(credentials),
            content,
            held,
            workspace: None,
        }),
    )
}

/// What a Secret holds, as a hash that never leaves this process. Not its `resourceVersion`: the operator's own finalizer
/// changes that, and nothing would go differently.
pub(super) fn content(secret: &Secret) -> String {
    let mut hasher = DefaultHasher::new();
    secret.metadata.uid.hash(&mut hasher);
    for (key, value) in secret.data.iter().flatten() {
        (key, &value.0).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// The credentials in a Secret's data.
fn parse(
    secret: &str,
    data: &BTreeMap<String, ByteString>,
    pin: Option<&str>,
) -> Result<Credentials, Failure> {
    let text = |key: &str| -> Option<String> {
        let text = std::str::from_utf8(&data.get(key)?.0).ok()?.trim();
        (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
    };
    let need = |key: &str| {
        text(key).ok_or_else(|| {
            let state = if data.contains_key(key) { "is empty or no plain text" } else { "is missing" };
            Failure::stalled(
                Reason::SecretMissing,
                format!(
                    "Key \"{key}\" of Secret \"{secret}\" {state}. The Secret needs the keys clientId, clientSecret \
                     and orgId of an OAuth server-to-server credential, and may have scopes."
                ),
            )
        })
    };
    let (client_id, client_secret) = (need("clientId")?, need("clientSecret")?);
    let organization_id = need("orgId")?;
    if organization_id.len() > 64 || !organization_id.ends_with("@AdobeOrg") {
        return Err(Failure::stalled(
            Reason::SecretMissing,
            format!(
                "Key \"orgId\" of Secret \"{secret}\" is no organization id. It looks like 1234567890ABCDEF12345678@AdobeOrg \
                 and stands beside the credential in the Adobe Developer Console."
            ),
        ));
    }
    if let Some(pinned) = pin.filter(|pinned| *pinned != organization_id) {
        return Err(Failure::stalled(
            Reason::OrganizationMismatch,
            format!(
                "spec.organizationId is \"{pinned}\", but Secret \"{secret}\" is for organization \
                 \"{organization_id}\". Put the credentials of the pinned organization into the Secret, or correct \
                 spec.organizationId."
            ),
        ));
    }
    Ok(Credentials {
        client_id,
        client_secret: SecretString::from(client_secret),
        organization_id,
        scopes: text("scopes"),
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn data(entries: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
            .collect()
    }

    const WHOLE: [(&str, &str); 3] = [
        ("clientId", "id"),
        ("clientSecret", "s3cret\n"),
        ("orgId", "A@AdobeOrg"),
    ];

    #[test]
    fn a_trailing_newline_in_a_secret_does_no_harm() {
        let credentials = parse("creds", &data(&WHOLE), None).unwrap();
        assert_eq!(credentials.client_secret.expose_secret(), "s3cret");
        assert_eq!(credentials.organization_id, "A@AdobeOrg");
    }

    #[test]
    fn only_what_a_secret_holds_makes_another_try_worth_while() {
        let secret = |change: fn(&mut Secret)| {
            let mut secret = Secret {
                data: Some(data(&WHOLE)),
                ..Secret::default()
            };
            change(&mut secret);
            content(&secret)
        };
        let before = secret(|_| {});
        let held = secret(|it| {
            it.metadata.finalizers = Some(vec![IN_USE.into()]);
            it.metadata.resource_version = Some("8".into());
        });
        assert_eq!(held, before);
        let rotated = |it: &mut Secret| {
            let value = ByteString(b"new".to_vec());
            it.data
                .get_or_insert_default()
                .insert("clientSecret".into(), value);
        };
        assert_ne!(secret(rotated), before);
        assert_ne!(
            secret(|it| it.metadata.uid = Some("another".into())),
            before
        );
    }

    #[test]
    fn a_wrong_key_is_named() {
        for missing in ["clientId", "clientSecret", "orgId"] {
            let rest: Vec<_> = WHOLE
                .into_iter()
                .filter(|(key, _)| *key != missing)
                .collect();
            let failure = parse("creds", &data(&rest), None).unwrap_err();
            assert_eq!(failure.reason, Reason::SecretMissing);
            assert!(
                failure.message.contains(missing) && failure.message.contains("creds"),
                "{}",
                failure.message
            );
            assert!(!failure.message.contains("s3cret"));
        }
    }

    #[test]
    fn what_is_no_organization_id_is_refused_before_any_call() {
        let mut data = data(&WHOLE);
        data.insert("orgId".into(), ByteString(b"mytenant".to_vec()));
        let failure = parse("creds", &data, None).unwrap_err();
        assert!(
            failure.message.contains("orgId") && failure.message.contains("@AdobeOrg"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn a_secret_of_another_organization_is_refused() {
        let failure = parse("creds", &data(&WHOLE), Some("B@AdobeOrg")).unwrap_err();
        assert_eq!(failure.reason, Reason::OrganizationMismatch);
        assert!(parse("creds", &data(&WHOLE), Some("A@AdobeOrg")).is_ok());
    }
}

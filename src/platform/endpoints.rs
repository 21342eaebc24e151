//! Where the platform is, and who asks.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::{Host, Url};

/// The hosts to talk to: from the operator's own configuration, never from a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    ims: Url,
    platform: Url,
}

/// A base address that must not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} address {shown:?} {reason}")]
pub struct EndpointError {
    name: &'static str,
    shown: String,
    reason: String,
}

impl Endpoints {
    /// Adobe's token service for all regions (Adobe, "Server to Server authentication implementation guide").
    pub const IMS: &'static str = "https://ims-na1.adobelogin.com";
    /// The gateway before all platform services (Adobe, "Authenticate and access Experience Platform APIs").
    pub const PLATFORM: &'static str = "https://platform.adobe.io";

    /// Checks both addresses with [`base_address`].
    pub fn new(ims: &str, platform: &str) -> Result<Self, EndpointError> {
        Ok(Self {
            ims: base_address("IMS", ims)?,
            platform: base_address("platform", platform)?,
        })
    }

    /// The token service.
    pub const fn ims(&self) -> &Url {
        &self.ims
    }

    /// The platform's gateway.
    pub const fn platform(&self) -> &Url {
        &self.platform
    }
}

/// Reads the base address of an API: https, or http on a loopback host; no user, query or fragment. A path is
/// kept as a prefix of every call. `name` is the word for it in the error.
pub fn base_address(name: &'static str, text: &str) -> Result<Url, EndpointError> {
    let refuse = |shown: &str, reason: String| EndpointError {
        name,
        shown: shown.to_owned(),
        reason,
    };
    // The text is not shown when it does not parse: it may hold a password anywhere.
    let url = Url::parse(text.trim()).map_err(|e| refuse("", format!("is no URL: {e}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("", "must not hold a user or password".into()));
    }
    if !url.has_host() || url.cannot_be_a_base() {
        return Err(refuse(url.as_str(), "has no host".into()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse(
            url.path(),
            "must not hold a query or fragment".into(),
        ));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(refuse(
            url.as_str(),
            "must use https: credentials travel there (http is for loopback hosts only)".into(),
        )),
        other => Err(refuse(url.as_str(), format!("must use https, not {other}"))),
    }
}

/// A host that cannot leave this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// An OAuth server-to-server credential of an Adobe developer project.
#[derive(Clone)]
pub struct Credentials {
    /// The client id, sent as `x-api-key` too.
    pub client_id: String,
    /// The client secret; goes to the token service only.
    pub client_secret: SecretString,
    /// The organization, `...@AdobeOrg`.
    pub organization_id: String,
    /// Comma list of scopes; [`Credentials::DEFAULT_SCOPES`] when absent.
    pub scopes: Option<String>,
}

impl Credentials {
    /// The scopes of Adobe's own Postman environment for the platform. A developer project may name others.
    pub const DEFAULT_SCOPES: &'static str =
        "openid,session,AdobeID,read_organizations,additional_info.projectedProductContext";

    /// The scopes to ask for.
    pub fn scopes(&self) -> &str {
        self.scopes
            .as_deref()
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .unwrap_or(Self::DEFAULT_SCOPES)
    }

    /// Tells credentials apart without holding their secret: changes when any part changes.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&[
            &self.client_id,
            self.client_secret.expose_secret(),
            &self.organization_id,
            self.scopes(),
        ])
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .field("organization_id", &self.organization_id)
            .finish_non_exhaustive()
    }
}

/// A SHA-256 over everything in a credential, the secret included: the key of the token cache. Not printable,
/// so that nobody tests guesses against it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a credential's parts.
    pub(crate) fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_http_are_accepted() {
        for good in [
            "https://platform.adobe.io",
            "http://127.0.0.1:8080/prefix",
            "http://[::1]:1",
            "http://localhost:9",
        ] {
            assert!(base_address("platform", good).is_ok(), "{good}");
        }
        for bad in [
            "http://platform.adobe.io",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "https://user:pw@platform.adobe.io",
            "https://platform.adobe.io/?a=b",
            "mailto:a@b",
            "platform.adobe.io",
            "",
        ] {
            assert!(base_address("platform", bad).is_err(), "{bad}");
        }
        let error = Endpoints::new("http://ims.example.com", Endpoints::PLATFORM)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("IMS") && error.contains("must use https"),
            "{error}"
        );
    }

    #[test]
    fn a_refused_address_never_shows_its_password() {
        let error = base_address("platform", "https://user:hunter2@platform.adobe.io").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    fn credentials(id: &str, secret: &str) -> Credentials {
        Credentials {
            client_id: id.into(),
            client_secret: secret.into(),
            organization_id: "ORG@AdobeOrg".into(),
            scopes: None,
        }
    }

    #[test]
    fn a_fingerprint_changes_with_every_part_and_nothing_prints_the_secret() {
        let one = credentials("id", "secret");
        assert_eq!(one.fingerprint(), one.clone().fingerprint());
        assert_ne!(one.fingerprint(), credentials("ids", "ecret").fingerprint());
        assert_ne!(
            one.fingerprint(),
            credentials("id", "secret2").fingerprint()
        );
        let scoped = Credentials {
            scopes: Some("openid".into()),
            ..one.clone()
        };
        assert_ne!(one.fingerprint(), scoped.fingerprint());
        assert!(!format!("{one:?} {:?}", one.fingerprint()).contains("secret"));
    }
}

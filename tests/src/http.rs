//! HTTP clients for loopback.

use std::{sync::Once, time::Duration};

use anyhow::{Context, Result};

/// Every call here is to loopback: longer than this is a hang.
const LIMIT: Duration = Duration::from_secs(30);

/// A client that trusts one authority and no other.
pub(crate) fn client_trusting(authority: &str) -> Result<reqwest::Client> {
    let authority =
        reqwest::Certificate::from_pem(authority.as_bytes()).context("not a certificate")?;
    builder()
        .tls_certs_only([authority])
        .build()
        .context("cannot make an HTTP client")
}

/// The same for somebody with a certificate and its key, both PEM.
pub(crate) fn client_with_certificate(authority: &str, identity: &str) -> Result<reqwest::Client> {
    let authority =
        reqwest::Certificate::from_pem(authority.as_bytes()).context("not a certificate")?;
    let identity = reqwest::Identity::from_pem(identity.as_bytes())
        .context("not a certificate with its key")?;
    builder()
        .tls_certs_only([authority])
        .identity(identity)
        .build()
        .context("cannot make an HTTP client")
}

/// A client for plain HTTP.
pub(crate) fn client() -> Result<reqwest::Client> {
    // No TLS is spoken, so no authority is needed; without this the machine's own are read.
    builder()
        .tls_certs_only([])
        .build()
        .context("cannot make an HTTP client")
}

fn builder() -> reqwest::ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error says that the process has one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(LIMIT)
}

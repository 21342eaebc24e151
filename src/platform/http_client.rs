//! The [`HttpService`] of production: reqwest with everything switched off that would act on its own.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use reqwest::{Certificate, Client, redirect, retry};

use super::endpoints::is_loopback;
use super::transport::HttpService;

/// The largest answer read. A page of a hundred flows is some 300 kB.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Marks a failure before anything was sent, so that the caller need not wonder what became of the request.
#[derive(Debug, thiserror::Error)]
#[error("the request was not sent: {0}")]
pub struct NeverSent(#[source] tower::BoxError);

impl NeverSent {
    /// Wraps a failure that came before the first byte of the request.
    pub fn new(cause: impl Into<tower::BoxError>) -> Self {
        Self(cause.into())
    }

    /// Looks for the mark in an error and its causes.
    pub(super) fn is_in(error: &(dyn StdError + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Self>() {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client can be made")]
pub struct ClientError(#[from] reqwest::Error);

/// Certificate authorities that are trusted beside those of the system. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Roots(Arc<[Certificate]>);

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// What stands between the lines of PEM is no certificate.
    #[error("a certificate in it cannot be read; it has to be PEM, as `openssl x509` writes it")]
    Unreadable(#[source] reqwest::Error),
    /// There is no PEM in it.
    #[error(
        "there is no certificate in it; it has to hold -----BEGIN CERTIFICATE----- and what belongs to it"
    )]
    Empty,
}

impl Roots {
    /// All certificates of a PEM bundle; what else stands in it is left out.
    ///
    /// # Errors
    ///
    /// There is none, or one that cannot be read.
    pub fn from_pem(bundle: &[u8]) -> Result<Self, RootsError> {
        let certificates = Certificate::from_pem_bundle(bundle).map_err(RootsError::Unreadable)?;
        if certificates.is_empty() {
            return Err(RootsError::Empty);
        }
        Ok(Self(certificates.into()))
    }
}

/// Makes the client for real hosts. A rustls provider must be installed in the process before.
///
/// - https only, but for loopback hosts, which are reached without a proxy; others follow `HTTPS_PROXY`;
/// - servers whose certificates the system's authorities or `roots` vouch for, and no others;
/// - no redirects, no repetitions;
/// - `connect_timeout` for reaching a host, `overall_timeout` for the whole exchange, answer included;
/// - answers over [`ANSWER_BYTES_MAX`] are refused.
pub fn production(
    connect_timeout: Duration,
    overall_timeout: Duration,
    roots: &Roots,
) -> Result<HttpService, ClientError> {
    let roots = roots.clone();
    let builder = move || {
        Client::builder()
            .tls_certs_merge(roots.0.iter().cloned())
            .connect_timeout(connect_timeout)
            .timeout(overall_timeout)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            // Shorter than the idle limit of common gateways: a connection they close just as we write on it
            // leaves a POST in doubt.
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("aep-operator/", env!("CARGO_PKG_VERSION")))
    };
    let remote = builder().https_only(true).build()?;
    // Made when first needed, which in a cluster is never.
    let local: Arc<OnceLock<Client>> = Arc::default();
    Ok(HttpService::new(tower::service_fn(
        move |request: Request<Bytes>| {
            let (remote, local) = (remote.clone(), Arc::clone(&local));
            let builder = builder.clone();
            async move {
                let request = reqwest::Request::try_from(request).map_err(NeverSent::new)?;
                let client = if is_loopback(request.url()) {
                    if let Some(client) = local.get() {
                        client.clone()
                    } else {
                        let made = builder().no_proxy().build().map_err(NeverSent::new)?;
                        local.get_or_init(|| made).clone()
                    }
                } else {
                    remote
                };
                let answer = client.execute(request).await.map_err(without_address)?;
                read(answer).await
            }
        },
    )))
}

/// Addresses stay out of messages; a failure to connect or to even start is marked.
fn without_address(error: reqwest::Error) -> tower::BoxError {
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        NeverSent::new(error).into()
    } else {
        error.into()
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Response<Bytes>, tower::BoxError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(format!("the answer is larger than {ANSWER_BYTES_MAX} bytes").into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(body.freeze());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

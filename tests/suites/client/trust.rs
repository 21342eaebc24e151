//! Whose certificates are believed.

use std::time::Duration;

use aep_operator::platform::{HttpService, NeverSent, Roots, production};
use bytes::Bytes;
use http::Request;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// A server on loopback with a certificate of an authority of its own: its port, and that authority as PEM.
async fn server() -> (u16, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not believe us hangs up.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (port, root)
}

fn client(roots: &Roots) -> HttpService {
    production(Duration::from_secs(5), Duration::from_secs(5), roots).unwrap()
}

async fn ask(service: HttpService, port: u16) -> Result<Bytes, tower::BoxError> {
    let request = Request::get(format!("https://localhost:{port}/")).body(Bytes::new())?;
    Ok(service.oneshot(request).await?.into_body())
}

#[tokio::test]
async fn an_authority_of_the_bundle_is_believed_and_without_it_nothing_is_sent() {
    let (port, root) = server().await;
    let refused = ask(client(&Roots::default()), port).await.unwrap_err();
    assert!(refused.is::<NeverSent>(), "{refused:?}");
    let (_, other) = server().await;
    let other = Roots::from_pem(other.as_bytes()).unwrap();
    assert!(ask(client(&other), port).await.is_err());
    // Bundles hold more than one, and words between them.
    let (_, another) = server().await;
    let bundle = format!("# ours\n{another}\n# the proxy's\n{root}");
    let roots = Roots::from_pem(bundle.as_bytes()).unwrap();
    assert_eq!(ask(client(&roots), port).await.unwrap(), "ok");
}

#[test]
fn a_bundle_without_a_certificate_is_refused_and_the_message_says_what_it_needs() {
    let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    for bundle in ["", "not PEM", broken] {
        let why = Roots::from_pem(bundle.as_bytes()).unwrap_err().to_string();
        assert!(
            why.contains("PEM") || why.contains("BEGIN CERTIFICATE"),
            "{why}"
        );
    }
}

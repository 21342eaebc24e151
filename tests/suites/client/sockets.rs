//! Over real sockets: what HTTP itself does to a request.

use std::time::Duration;

use aep_operator::platform::{
    Class, Endpoints, Etag, FlowAction, NeverSent, Options, PatchOperation, Platform, Roots,
    Sandbox, production,
};
use bytes::Bytes;
use http::Request;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::far::*;

/// A server with a token endpoint; anything not mocked answers 418 and so fails loudly.
async fn server() -> (MockServer, Sandbox) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/ims/token/v3"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_string(r#"{"access_token":"t","expires_in":86399}"#),
        )
        .mount(&server)
        .await;
    let service = production(
        Duration::from_secs(5),
        Duration::from_secs(5),
        &Roots::default(),
    )
    .unwrap();
    let endpoints = Endpoints::new(&server.uri(), &server.uri()).unwrap();
    let sandbox =
        Platform::new(service, endpoints, Options::default()).sandbox(credentials(), "prod");
    (server, sandbox)
}

async fn platform_requests(server: &MockServer) -> Vec<wiremock::Request> {
    let all = server.received_requests().await.unwrap();
    all.into_iter()
        .filter(|r| r.url.path() != "/ims/token/v3")
        .collect()
}

#[tokio::test]
async fn if_match_goes_out_with_its_quotes_and_unescaped() {
    let (server, sandbox) = server().await;
    Mock::given(method("PATCH"))
        .respond_with(ResponseTemplate::new(200).set_body_string(CREATED))
        .mount(&server)
        .await;
    let patch = [PatchOperation::replace("/name", "n")];
    sandbox
        .patch_flow("f-1", &Etag::from("\"4c01-0000-0200\""), &patch)
        .await
        .unwrap();
    let request = &platform_requests(&server).await[0];
    assert_eq!(
        request.headers["if-match"].as_bytes(),
        b"\"4c01-0000-0200\""
    );
    assert_eq!(
        request.body,
        br#"[{"op":"replace","path":"/name","value":"n"}]"#
    );
    assert_eq!(request.headers["content-type"], "application/json");
}

#[tokio::test]
async fn an_action_has_an_empty_body_with_a_length() {
    let (server, sandbox) = server().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_string(CREATED))
        .mount(&server)
        .await;
    sandbox
        .act_on_flow("f-1", FlowAction::Enable)
        .await
        .unwrap();
    let request = &platform_requests(&server).await[0];
    assert_eq!(request.headers["content-length"], "0");
    assert!(!request.headers.contains_key("content-type"));
}

#[tokio::test]
async fn a_page_of_a_proxy_keeps_its_status() {
    let (server, sandbox) = server().await;
    let page = ResponseTemplate::new(502)
        .set_body_raw("<html><title>Bad Gateway</title></html>", "text/html")
        .insert_header("x-request-id", "edge-1");
    Mock::given(method("GET"))
        .respond_with(page)
        .mount(&server)
        .await;
    let error = sandbox.get_flow("f-1").await.unwrap_err();
    assert_eq!(
        (error.status, error.class, error.request_id.as_deref()),
        (Some(502), UNAVAILABLE, Some("edge-1"))
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, sandbox) = server().await;
    let elsewhere = MockServer::start().await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = ResponseTemplate::new(status)
            .insert_header("location", format!("{}/x", elsewhere.uri()));
        let _guard = Mock::given(method("POST"))
            .and(path("/data/foundation/flowservice/flows"))
            .respond_with(redirect)
            .mount_as_scoped(&server)
            .await;
        let error = sandbox.create_flow(&new_flow()).await.unwrap_err();
        assert_eq!(
            (error.class, error.status, error.outcome_unknown),
            (Class::Unexpected, Some(status), true)
        );
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_post_over_a_socket_is_sent_once_whatever_the_answer() {
    let (server, sandbox) = server().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503))
        .mount(&server)
        .await;
    sandbox.create_flow(&new_flow()).await.unwrap_err();
    assert_eq!(platform_requests(&server).await.len(), 1);
}

#[tokio::test]
async fn a_host_that_takes_no_connection_was_never_sent_anything() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (server, _) = server().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoints = Endpoints::new(&server.uri(), &format!("http://{free}")).unwrap();
    let service = production(
        Duration::from_secs(5),
        Duration::from_secs(5),
        &Roots::default(),
    )
    .unwrap();
    let sandbox =
        Platform::new(service, endpoints, Options::default()).sandbox(credentials(), "prod");
    let error = sandbox.create_flow(&new_flow()).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (UNAVAILABLE, false),
        "{error}"
    );
    assert!(!error.to_string().contains(&free.to_string()), "{error}");
}

#[tokio::test]
async fn a_connection_lost_after_the_request_leaves_the_outcome_unknown() {
    let (server, _) = server().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = tokio::spawn(async move {
        let mut connections = 0;
        while let Ok(Ok((mut stream, _))) =
            tokio::time::timeout(Duration::from_secs(1), listener.accept()).await
        {
            connections += 1;
            let mut buffer = [0; 4096];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
        }
        connections
    });
    let endpoints = Endpoints::new(&server.uri(), &format!("http://{address}")).unwrap();
    let service = production(
        Duration::from_secs(5),
        Duration::from_secs(5),
        &Roots::default(),
    )
    .unwrap();
    let sandbox =
        Platform::new(service, endpoints, Options::default()).sandbox(credentials(), "prod");
    let error = sandbox.create_flow(&new_flow()).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (UNAVAILABLE, true),
        "{error}"
    );
    assert_eq!(accepted.await.unwrap(), 1, "sent once");
}

#[tokio::test]
async fn plain_http_to_a_host_elsewhere_is_refused_before_anything_is_sent() {
    assert!(Endpoints::new("http://ims.example.com", Endpoints::PLATFORM).is_err());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let service = production(
        Duration::from_secs(5),
        Duration::from_secs(5),
        &Roots::default(),
    )
    .unwrap();
    let request = Request::get("http://192.0.2.1/")
        .body(Bytes::new())
        .unwrap();
    let error = tower::ServiceExt::oneshot(service, request)
        .await
        .unwrap_err();
    assert!(error.is::<NeverSent>(), "{error:?}");
    // Not some failure to connect: the scheme.
    assert!(format!("{error:?}").contains("BadScheme"), "{error:?}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let (server, sandbox) = server().await;
    let body = vec![b' '; aep_operator::platform::ANSWER_BYTES_MAX + 1];
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(body))
        .mount(&server)
        .await;
    let error = sandbox.get_flow("f-1").await.unwrap_err();
    assert!(error.detail.contains("larger than"), "{error}");
}

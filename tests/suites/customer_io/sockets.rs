//! Over a socket: what is sent, and what an answer means.

use std::time::Duration;

use aep_operator::customer_io::{
    Addresses, CustomerIo, Deleted, Region, WebhookSettings, Workspace,
};
use aep_operator::platform::{Class, Options, Roots, production};
use serde_json::{Value, json};
use wiremock::matchers::{any, body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::webhook::*;

/// A server, and the workspace of a key there; the other region is nowhere.
async fn server() -> (MockServer, Workspace) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = MockServer::start().await;
    let service = production(
        Duration::from_secs(5),
        Duration::from_secs(5),
        &Roots::default(),
    )
    .unwrap();
    let addresses = Addresses::new("http://127.0.0.1:1", &server.uri()).unwrap();
    let customer_io = CustomerIo::new(service, addresses, Options::default());
    // As a Secret made with `echo` holds it.
    let workspace = customer_io.workspace(Region::Eu, &format!("{KEY}\n").into());
    (server, workspace)
}

async fn answer(server: &MockServer, verb: &str, at: &str, status: u16, body: &Value) {
    let answer = ResponseTemplate::new(status).set_body_json(body);
    let mock = Mock::given(method(verb)).and(path(at)).respond_with(answer);
    mock.mount(server).await;
}

#[tokio::test]
async fn every_call_goes_to_its_region_with_the_key_and_the_documented_body() {
    let (server, workspace) = server().await;
    let authorized = || header("authorization", format!("Bearer {KEY}").as_str());
    let expect = |verb: &str, at: &str, reply: ResponseTemplate| {
        Mock::given(method(verb))
            .and(path(at))
            .and(authorized())
            .respond_with(reply)
            .expect(1)
    };
    let whole = || ResponseTemplate::new(200).set_body_json(stored());
    let list = ResponseTemplate::new(200).set_body_json(json!({"reporting_webhooks": [stored()]}));
    expect("GET", ALL, list).mount(&server).await;
    expect("GET", ONE, whole()).mount(&server).await;
    for (verb, at) in [("POST", ALL), ("PUT", ONE)] {
        Mock::given(method(verb))
            .and(path(at))
            .and(authorized())
            .and(header("content-type", "application/json"))
            .and(body_json(body()))
            .respond_with(whole())
            .expect(1)
            .mount(&server)
            .await;
    }
    expect("DELETE", ONE, ResponseTemplate::new(200))
        .mount(&server)
        .await;

    let created = workspace.create_webhook(&settings()).await.unwrap();
    assert_eq!((created.id, &created.settings), (7, &settings()));
    assert_eq!(
        workspace.list_webhooks().await.unwrap(),
        vec![created.clone()]
    );
    assert_eq!(workspace.get_webhook(7).await.unwrap(), created);
    assert_eq!(
        workspace.update_webhook(7, &settings()).await.unwrap(),
        created
    );
    assert_eq!(workspace.delete_webhook(7).await.unwrap(), Deleted::Gone);
    server.verify().await;
    for request in server.received_requests().await.unwrap() {
        assert!(request.url.query().is_none());
        let bodiless = request.method == "GET" || request.method == "DELETE";
        assert_eq!(request.body.is_empty(), bodiless, "{}", request.method);
    }
}

#[tokio::test]
async fn an_update_writes_back_what_the_client_knows_nothing_of() {
    let (server, workspace) = server().await;
    let mut with_more = stored();
    with_more["channel_filter"] = json!({"ids": [1, 2]});
    answer(&server, "GET", ONE, 200, &with_more).await;
    answer(&server, "PUT", ONE, 200, &with_more).await;
    let read = workspace.get_webhook(7).await.unwrap();
    let wanted = WebhookSettings {
        disabled: false,
        ..settings()
    };
    assert_eq!(wanted.differences(&read.settings), ["disabled"]);
    workspace
        .update_webhook(7, &wanted.keeping(&read.settings))
        .await
        .unwrap();
    let sent = server.received_requests().await.unwrap().pop().unwrap();
    let mut expected = body();
    (expected["disabled"], expected["channel_filter"]) = (json!(false), json!({"ids": [1, 2]}));
    assert_eq!(sent.body_json::<Value>().unwrap(), expected);
}

#[tokio::test]
async fn a_listing_is_complete_or_an_error() {
    let js = json!({"id": 1, "type": "js", "name": "in-app"});
    for (listing, ids) in [
        (json!({"reporting_webhooks": null}), Some(vec![])),
        (json!({"reporting_webhooks": []}), Some(vec![])),
        (
            json!({"reporting_webhooks": [js, stored()], "next": ""}),
            Some(vec![7]),
        ),
        (json!({}), None),
        (json!({"webhooks": []}), None),
        (json!([]), None),
        (json!({"reporting_webhooks": {}}), None),
        (
            json!({"reporting_webhooks": [stored()], "next": "MTA"}),
            None,
        ),
        // Sends nothing anywhere, so it is nobody's webhook that is looked for.
        (
            json!({"reporting_webhooks": [stored(), {"id": 8, "type": "webhook"}]}),
            Some(vec![7]),
        ),
        (
            json!({"reporting_webhooks": [stored(), {"id": 8, "endpoint": 7}]}),
            None,
        ),
        (json!({"reporting_webhooks": [stored(), "8"]}), None),
    ] {
        let (server, workspace) = server().await;
        answer(&server, "GET", ALL, 200, &listing).await;
        let result = workspace.list_webhooks().await;
        if let Some(ids) = ids {
            let found: Vec<u64> = result.unwrap().iter().map(|hook| hook.id).collect();
            assert_eq!(found, ids, "{listing}");
        } else {
            let error = result.unwrap_err();
            assert_eq!(
                (error.class, error.outcome_unknown),
                (Class::Unexpected, false),
                "{listing}"
            );
        }
    }
}

#[tokio::test]
async fn single_webhooks_come_flat_or_wrapped_and_must_be_the_one_asked_for() {
    let (server, workspace) = server().await;
    answer(
        &server,
        "GET",
        ONE,
        200,
        &json!({"reporting_webhook": stored()}),
    )
    .await;
    answer(
        &server,
        "POST",
        ALL,
        200,
        &json!({"reporting_webhook": stored()}),
    )
    .await;
    answer(&server, "GET", "/v1/reporting_webhooks/8", 200, &stored()).await;
    answer(&server, "PUT", "/v1/reporting_webhooks/8", 200, &json!({})).await;
    assert_eq!(workspace.get_webhook(7).await.unwrap().settings, settings());
    assert_eq!(workspace.create_webhook(&settings()).await.unwrap().id, 7);
    let error = workspace.get_webhook(8).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Unexpected, false)
    );
    let error = workspace.update_webhook(8, &settings()).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Unexpected, true)
    );
}

#[tokio::test]
async fn a_missing_webhook_is_told_as_missing_but_done_when_it_was_to_be_deleted() {
    let (server, workspace) = server().await;
    let missing = json!({"errors": [{"detail": "not found", "status": "404"}]});
    for verb in ["GET", "PUT", "DELETE"] {
        answer(&server, verb, ONE, 404, &missing).await;
    }
    assert_eq!(
        workspace.get_webhook(7).await.unwrap_err().class,
        Class::NotFound
    );
    let error = workspace.update_webhook(7, &settings()).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::NotFound, false)
    );
    assert_eq!(
        workspace.delete_webhook(7).await.unwrap(),
        Deleted::AlreadyGone
    );
    server.reset().await;
    let page =
        ResponseTemplate::new(404).set_body_raw("<html><title>Hm</title></html>", "text/html");
    Mock::given(any()).respond_with(page).mount(&server).await;
    let error = workspace.delete_webhook(7).await.unwrap_err();
    assert_eq!(error.class, Class::Unexpected, "no word of Customer.io's");
}

#[tokio::test]
async fn a_refusal_shows_neither_key_nor_endpoint() {
    let (server, workspace) = server().await;
    let endpoint = format!("{INLET}?x-adobe-flow-id=f-1");
    let words = format!(
        "{endpoint} is refused to {KEY}; dcs.adobedc.net/collection/c4b1 did not answer, nor did {INLET}, nor HTTPS://DCS.ADOBEDC.NET:443/collection/c4b1"
    );
    let refusal =
        json!({"errors": [{"detail": words, "status": "400", "source": {"pointer": "/endpoint"}}]});
    answer(&server, "POST", ALL, 400, &refusal).await;
    answer(
        &server,
        "PUT",
        ONE,
        400,
        &json!({"echo": body(), "key": KEY}),
    )
    .await;
    answer(&server, "GET", ALL, 401, &refusal).await;
    let created = workspace.create_webhook(&settings()).await.unwrap_err();
    assert_eq!(
        (created.class, created.status),
        (Class::Rejected, Some(400))
    );
    assert!(created.detail.contains("did not answer"), "{created}");
    let updated = workspace.update_webhook(7, &settings()).await.unwrap_err();
    let listed = workspace.list_webhooks().await.unwrap_err();
    assert_eq!(listed.class, Class::Credentials);
    for error in [created, updated] {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("c4b1") && !shown.contains(KEY), "{shown}");
    }
    assert!(!format!("{listed:?} {workspace:?} {:?}", settings()).contains(KEY));
    assert!(!format!("{workspace:?} {:?}", settings()).contains("c4b1"));
}

#[tokio::test]
async fn a_key_that_cannot_be_sent_is_refused_here() {
    let (server, _) = server().await;
    let service = production(
        Duration::from_secs(5),
        Duration::from_secs(5),
        &Roots::default(),
    )
    .unwrap();
    let addresses = Addresses::new(&server.uri(), &server.uri()).unwrap();
    let customer_io = CustomerIo::new(service, addresses, Options::default());
    for key in ["", " \n", "two\nlines"] {
        let workspace = customer_io.workspace(Region::Us, &key.into());
        let error = workspace.list_webhooks().await.unwrap_err();
        assert_eq!(
            (error.class, error.status),
            (Class::Credentials, None),
            "{key:?}"
        );
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_creation_is_sent_once_and_in_doubt_if_its_answer_is_lost() {
    let _ = rustls::crypto::ring::default_provider().install_default();
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
    let service = production(
        Duration::from_secs(5),
        Duration::from_secs(5),
        &Roots::default(),
    )
    .unwrap();
    let addresses = Addresses::new(&format!("http://{address}"), Addresses::EU).unwrap();
    let customer_io = CustomerIo::new(service, addresses, Options::default());
    let workspace = customer_io.workspace(Region::Us, &KEY.into());
    let error = workspace.create_webhook(&settings()).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Unavailable { retry_after: None }, true),
        "{error}"
    );
    assert_eq!(accepted.await.unwrap(), 1);
}

//! The Customer.io client on the wire: what is sent, what an answer means, how calls are paced; and a webhook's
//! life against the strict stand-in, under every answer to what no public source says.
//!
//! Where sockets matter the far side is a real HTTP server; where time matters it is in memory, under a paused
//! clock.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aep_emulator::host::Host;
use aep_emulator::{
    Emulator, Options as EmulatorOptions, Permission, WebhookEndpoint, WebhookReply,
};
use aep_operator::customer_io::{
    Addresses, CustomerIo, Deleted, Endpoint, Region, WebhookSettings, Workspace, resolve,
    with_endpoint,
};
use aep_operator::platform::{
    ApiError, CallRecord, Class, HttpService, Options, Urgency, production,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use wiremock::matchers::{any, body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const KEY: &str = "app-k3y-not-to-be-shown";
const INLET: &str = "https://dcs.adobedc.net/collection/c4b1";
const ONE: &str = "/v1/reporting_webhooks/7";
const ALL: &str = "/v1/reporting_webhooks";

fn settings() -> WebhookSettings {
    WebhookSettings {
        name: "aep".into(),
        endpoint: Endpoint::of_flow(INLET, "f-1").unwrap(),
        events: resolve(["customer_subscribed", "email_opened"]).events,
        disabled: true,
        full_resolution: false,
        with_content: false,
        others: Map::new(),
    }
}

fn body() -> Value {
    json!({
        "name": "aep", "endpoint": format!("{INLET}?x-adobe-flow-id=f-1"),
        "events": ["customer_subscribed", "email_opened"],
        "disabled": true, "full_resolution": false, "with_content": false
    })
}

fn stored() -> Value {
    let mut stored = body();
    (stored["id"], stored["type"]) = (json!(7), json!("webhook"));
    stored
}

// --- over a socket ----------------------------------------------------------------------------------------------

/// A server, and the workspace of a key there; the other region is nowhere.
async fn server() -> (MockServer, Workspace) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = MockServer::start().await;
    let service = production(Duration::from_secs(5), Duration::from_secs(5)).unwrap();
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
        (
            json!({"reporting_webhooks": [stored(), {"id": 8, "type": "webhook"}]}),
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
    let service = production(Duration::from_secs(5), Duration::from_secs(5)).unwrap();
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
    let service = production(Duration::from_secs(5), Duration::from_secs(5)).unwrap();
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

// --- in memory --------------------------------------------------------------------------------------------------

/// A stand-in, and Customer.io as it plays it.
struct Story {
    host: Host,
    customer_io: CustomerIo,
    calls: Arc<Mutex<Vec<CallRecord>>>,
}

impl Story {
    fn begin(options: EmulatorOptions) -> Self {
        let options = EmulatorOptions {
            latency: Duration::from_millis(100),
            ..options
        };
        let host = Host::new(Emulator::new(options), 1_790_000_000_000);
        let service = {
            let host = host.clone();
            HttpService::new(tower::service_fn(move |request: Request<Bytes>| {
                let host = host.clone();
                async move { host.call(request).await.map_err(tower::BoxError::from) }
            }))
        };
        let calls: Arc<Mutex<Vec<CallRecord>>> = Arc::default();
        let journal = Arc::clone(&calls);
        let addresses = Addresses::new("http://127.0.0.1", "http://127.0.0.1").unwrap();
        let options = Options {
            observer: Some(Arc::new(move |call| journal.lock().unwrap().push(call))),
            ..Options::default()
        };
        Self {
            host,
            customer_io: CustomerIo::new(service, addresses, options),
            calls,
        }
    }

    fn workspace(&self, key: &str) -> Workspace {
        self.customer_io.workspace(Region::Us, &key.into())
    }

    async fn control(&self, verb: &str, at: &str, body: &Value) -> Value {
        let request = Request::builder()
            .method(verb)
            .uri(format!("/_emulator/{at}"));
        let body = Bytes::from(body.to_string());
        let reply = self.host.call(request.body(body).unwrap()).await.unwrap();
        assert!(reply.status().is_success(), "{at}: {reply:?}");
        serde_json::from_slice(reply.body()).unwrap_or_default()
    }
}

/// The life of a subscription, as the specification has it: created disabled, found, enabled, changed by hand,
/// repaired, disabled and deleted.
async fn a_life(options: EmulatorOptions) {
    let story = Story::begin(options);
    let workspace = story.workspace("demo-app-key");
    assert_eq!(workspace.list_webhooks().await.unwrap(), []);

    // A query of which every other spelling is as good.
    let inlet = "http://127.0.0.1:80/collection/c4b1?z=a%20b%2F&a=%C3%A9";
    let mut wanted = WebhookSettings {
        endpoint: Endpoint::of_flow(inlet, "f-1").unwrap(),
        events: resolve(["email_*"]).events,
        ..settings()
    };
    let created = workspace.create_webhook(&wanted).await.unwrap();
    assert!(wanted.differences(&created.settings).is_empty());
    let listed = workspace.list_webhooks().await.unwrap();
    let found = with_endpoint(&listed, &wanted.endpoint);
    assert_eq!(found, [&created]);

    wanted.disabled = false;
    let read = workspace.get_webhook(created.id).await.unwrap();
    assert_eq!(wanted.differences(&read.settings), ["disabled"]);
    let update = wanted.clone().keeping(&read.settings);
    let enabled = workspace.update_webhook(created.id, &update).await.unwrap();
    assert!(wanted.differences(&enabled.settings).is_empty());

    let by_hand = json!({"kind": "webhook", "id": created.id.to_string(),
        "merge": {"events": ["email_sent"], "with_content": true}});
    story.control("POST", "edit", &by_hand).await;
    let drifted = workspace.list_webhooks().await.unwrap();
    let drifted = &with_endpoint(&drifted, &wanted.endpoint)[0].settings;
    assert_eq!(wanted.differences(drifted), ["events", "with_content"]);
    let repair = wanted.clone().keeping(drifted);
    let repaired = workspace.update_webhook(created.id, &repair).await.unwrap();
    assert!(wanted.differences(&repaired.settings).is_empty());

    assert_eq!(
        workspace.delete_webhook(created.id).await.unwrap(),
        Deleted::Gone
    );
    assert_eq!(
        workspace.delete_webhook(created.id).await.unwrap(),
        Deleted::AlreadyGone
    );
    let error = workspace.get_webhook(created.id).await.unwrap_err();
    assert_eq!(error.class, Class::NotFound);
    assert_eq!(workspace.list_webhooks().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_lives_and_dies_whatever_customer_io_does_where_it_is_not_documented() {
    a_life(EmulatorOptions::default()).await;
    // Section by section: is an endpoint kept byte for byte?
    for webhook_endpoint in [WebhookEndpoint::Verbatim, WebhookEndpoint::Rewritten] {
        // Are single webhooks flat?
        for webhook_replies in [WebhookReply::Flat, WebhookReply::Wrapped] {
            // Must an endpoint be unique, may an update leave fields out?
            for permission in [Permission::Refused, Permission::Allowed] {
                a_life(EmulatorOptions {
                    webhook_endpoint,
                    webhook_replies,
                    webhook_same_endpoint: permission,
                    webhook_partial_put: permission,
                    ..EmulatorOptions::default()
                })
                .await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_whose_answer_is_lost_is_found_by_its_endpoint() {
    let story = Story::begin(EmulatorOptions::default());
    let workspace = story.workspace("demo-app-key");
    let lose = json!([{"method": "POST", "path": "reporting_webhooks", "dropAfterCommit": true, "times": 1}]);
    story.control("POST", "faults", &lose).await;
    let error = workspace.create_webhook(&settings()).await.unwrap_err();
    assert!(error.outcome_unknown, "{error}");
    let listed = workspace.list_webhooks().await.unwrap();
    assert_eq!(with_endpoint(&listed, &settings().endpoint).len(), 1);
    let before =
        json!([{"method": "POST", "path": "reporting_webhooks", "status": 503, "times": 1}]);
    story.control("POST", "faults", &before).await;
    let error = workspace.create_webhook(&settings()).await.unwrap_err();
    assert!(
        error.outcome_unknown,
        "a 503 says nothing about what was done"
    );
    assert_eq!(
        story.control("GET", "counts", &Value::Null).await["webhooks.create"],
        2
    );
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_refused_creates_nothing() {
    // Probed, or one too many: either is a refusal, said without the endpoint.
    for options in [
        EmulatorOptions {
            webhook_probe: true,
            ..EmulatorOptions::default()
        },
        EmulatorOptions {
            webhook_limit: 1,
            ..EmulatorOptions::default()
        },
    ] {
        let limit = options.webhook_limit;
        let story = Story::begin(options);
        let workspace = story.workspace("demo-app-key");
        for _ in 0..limit {
            workspace.create_webhook(&settings()).await.unwrap();
        }
        let error = workspace.create_webhook(&settings()).await.unwrap_err();
        assert_eq!(
            (error.class, error.outcome_unknown),
            (Class::Rejected, false),
            "{error}"
        );
        assert_eq!(workspace.list_webhooks().await.unwrap().len(), limit);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_told_apart_by_right_region_and_workspace() {
    let story = Story::begin(EmulatorOptions::default());
    let workspace = story.workspace("demo-app-key");
    let hook = workspace.create_webhook(&settings()).await.unwrap();
    let wrong = story
        .workspace("nobody-s")
        .list_webhooks()
        .await
        .unwrap_err();
    assert_eq!(wrong.class, Class::Credentials);
    let other = story.workspace("other-app-key");
    assert_eq!(other.list_webhooks().await.unwrap(), []);
    let error = other.get_webhook(hook.id).await.unwrap_err();
    assert_eq!(
        error.class,
        Class::NotFound,
        "of another workspace, not deleted"
    );
    assert_eq!(
        other.delete_webhook(hook.id).await.unwrap(),
        Deleted::AlreadyGone
    );
    assert_eq!(
        workspace.get_webhook(hook.id).await.unwrap(),
        hook,
        "and still there"
    );
    let forbid = json!({"kind": "appApiKey", "id": "demo-app-key", "merge": {"forbidden": true}});
    story.control("POST", "edit", &forbid).await;
    let error = workspace.list_webhooks().await.unwrap_err();
    assert_eq!(error.class, Class::Permission);
}

#[tokio::test(start_paused = true)]
async fn many_calls_stay_within_the_documented_limit_of_each_key() {
    let story = Story::begin(EmulatorOptions::default());
    let calls = |key: &'static str, count: usize| {
        let workspace = story.workspace(key);
        (0..count).map(move |_| {
            let workspace = workspace.clone();
            tokio::spawn(async move { workspace.list_webhooks().await })
        })
    };
    let started = Instant::now();
    let all: Vec<_> = calls("demo-app-key", 80)
        .chain(calls("other-app-key", 20))
        .collect();
    for call in all {
        call.await.unwrap().unwrap();
    }
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(8), "{took:?}");
    assert!(took <= Duration::from_secs(12), "{took:?}");
    let calls = story.calls.lock().unwrap();
    assert_eq!(calls.len(), 100);
    assert!(
        calls
            .iter()
            .all(|call| call.class == "success" && call.operation == "list_webhooks")
    );
}

/// A far side with one answer and a word about when to come back.
fn limited(retry_after: Option<&'static str>) -> (CustomerIo, Arc<Mutex<Vec<Instant>>>) {
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let journal = Arc::clone(&times);
    let service = HttpService::new(tower::service_fn(move |_: Request<Bytes>| {
        let first = {
            let mut times = journal.lock().unwrap();
            times.push(Instant::now());
            times.len() == 1
        };
        let mut reply = Response::new(Bytes::from_static(br#"{"reporting_webhooks":null}"#));
        if first {
            *reply.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            if let Some(seconds) = retry_after {
                reply
                    .headers_mut()
                    .insert("retry-after", seconds.parse().unwrap());
            }
        }
        async move { Ok::<_, tower::BoxError>(reply) }
    }));
    let addresses = Addresses::new(Addresses::US, Addresses::EU).unwrap();
    (
        CustomerIo::new(service, addresses, Options::default()),
        times,
    )
}

#[tokio::test(start_paused = true)]
async fn after_a_429_everybody_with_that_key_waits_as_long_as_told() {
    let (customer_io, times) = limited(Some("4"));
    let workspace = customer_io.workspace(Region::Us, &KEY.into());
    let started = Instant::now();
    let error = workspace.list_webhooks().await.unwrap_err();
    let wait = Duration::from_secs(4);
    assert_eq!(
        error.class,
        Class::Throttled {
            retry_after: Some(wait)
        }
    );
    // Another view of the same key and region.
    let later = customer_io
        .workspace(Region::Us, &format!(" {KEY} ").into())
        .ticket("one", "ns", Urgency::Edit, 1, Arc::new(|| ()))
        .err()
        .unwrap();
    assert_eq!(later.pause, wait);
    workspace.list_webhooks().await.unwrap();
    assert!(started.elapsed() >= wait, "{:?}", started.elapsed());
    assert_eq!(
        times.lock().unwrap().len(),
        2,
        "nothing is sent in the pause"
    );

    // Another region or key does not wait.
    let (customer_io, _) = limited(Some("4"));
    let workspace = customer_io.workspace(Region::Us, &KEY.into());
    workspace.list_webhooks().await.unwrap_err();
    let started = Instant::now();
    customer_io
        .workspace(Region::Eu, &KEY.into())
        .list_webhooks()
        .await
        .unwrap();
    customer_io
        .workspace(Region::Us, &"other".into())
        .list_webhooks()
        .await
        .unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_429_that_says_no_time_pauses_all_the_same_and_a_long_one_is_not_waited_out() {
    let (customer_io, _) = limited(None);
    let workspace = customer_io.workspace(Region::Us, &KEY.into());
    let error = workspace.list_webhooks().await.unwrap_err();
    assert_eq!(error.class, Class::Throttled { retry_after: None });
    let started = Instant::now();
    workspace.list_webhooks().await.unwrap();
    assert!(
        started.elapsed() >= Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );

    let (customer_io, times) = limited(Some("600"));
    let workspace = customer_io.workspace(Region::Us, &KEY.into());
    workspace.list_webhooks().await.unwrap_err();
    let error: ApiError = workspace.create_webhook(&settings()).await.unwrap_err();
    assert_eq!(
        (error.status, error.outcome_unknown),
        (None, false),
        "not sent"
    );
    assert!(
        error.retry_after().unwrap() > Duration::from_secs(500),
        "{error:?}"
    );
    assert_eq!(times.lock().unwrap().len(), 1);
}

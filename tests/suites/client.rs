//! The platform client on the wire: what is sent, what is repeated, what an answer means.
//!
//! Where sockets matter the far side is a real HTTP server; where time matters it is a scripted service in
//! memory, under a paused clock.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aep_operator::platform::{
    ApiError, CallRecord, Class, Created, Credentials, Deleted, Endpoints, Etag, Filter,
    FlowAction, HttpService, MappingRef, MappingRow, NeverSent, NewFlow, NewMappingSet,
    NewSourceConnection, Options, PatchOperation, Platform, Sandbox, production,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SECRET: &str = "p8e-s3cr3t &=%";
const UNAVAILABLE: Class = Class::Unavailable { retry_after: None };

fn credentials() -> Arc<Credentials> {
    Arc::new(Credentials {
        client_id: "demo-client".into(),
        client_secret: SECRET.to_owned().into(),
        organization_id: "1234@AdobeOrg".into(),
        scopes: None,
    })
}

/// A scripted far side: a function from request to answer, and a journal.
#[derive(Clone)]
struct Far {
    calls: Arc<Mutex<Vec<Request<Bytes>>>>,
    answer: Arc<Script>,
}

/// Given how many requests of the same kind (token or platform) came before, and the request.
type Script = dyn Fn(usize, &Request<Bytes>) -> Answer + Send + Sync;

/// What the far side does with a request.
enum Answer {
    Say(u16, String),
    Later(Duration, u16, String),
    Hang,
    Fail(tower::BoxError),
}

fn say(status: u16, body: impl Into<String>) -> Answer {
    Answer::Say(status, body.into())
}

fn token(name: &str, expires_in: u64) -> Answer {
    say(
        200,
        format!(r#"{{"access_token":"{name}","token_type":"bearer","expires_in":{expires_in}}}"#),
    )
}

fn is_ims(request: &Request<Bytes>) -> bool {
    request.uri().path() == "/ims/token/v3"
}

fn bearer(request: &Request<Bytes>) -> &str {
    request.headers()[header::AUTHORIZATION]
        .to_str()
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap()
}

impl Far {
    fn new(answer: impl Fn(usize, &Request<Bytes>) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            calls: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    /// Tokens are good for a day and numbered from 0; the platform's answers come from a list.
    fn platform(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Self::new(move |earlier, request| {
            if is_ims(request) {
                return token(&format!("token-{earlier}"), 86_399);
            }
            answers
                .lock()
                .unwrap()
                .pop_front()
                .expect("no more calls than scripted")
        })
    }

    fn service(&self) -> HttpService {
        let far = self.clone();
        HttpService::new(tower::service_fn(move |request: Request<Bytes>| {
            let far = far.clone();
            async move {
                let answer = {
                    let mut calls = far.calls.lock().unwrap();
                    let earlier = calls
                        .iter()
                        .filter(|c| is_ims(c) == is_ims(&request))
                        .count();
                    let answer = (far.answer)(earlier, &request);
                    calls.push(request);
                    answer
                };
                let (status, body) = match answer {
                    Answer::Say(status, body) => (status, body),
                    Answer::Later(wait, status, body) => {
                        tokio::time::sleep(wait).await;
                        (status, body)
                    }
                    Answer::Hang => std::future::pending().await,
                    Answer::Fail(error) => return Err(error),
                };
                let mut response = Response::new(Bytes::from(body));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok(response)
            }
        }))
    }

    fn start(&self, options: Options) -> Platform {
        let endpoints = Endpoints::new("http://127.0.0.1:1", "http://127.0.0.1:2/base/").unwrap();
        Platform::new(self.service(), endpoints, options)
    }

    fn sandbox(&self) -> Sandbox {
        self.start(Options::default())
            .sandbox(credentials(), "prod")
    }

    fn tokens_asked(&self) -> usize {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .filter(|c| is_ims(c))
            .count()
    }

    fn platform_calls(&self) -> Vec<Request<Bytes>> {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .filter(|c| !is_ims(c))
            .cloned()
            .collect()
    }
}

const CREATED: &str = r#"{"id":"f-1","etag":"\"4c01-0000\""}"#;
const BAD_TOKEN: &str = r#"{"error_code":"401013","message":"Oauth token is not valid"}"#;

fn new_flow() -> NewFlow {
    NewFlow::streaming(
        "flow",
        "about",
        "s-1",
        "t-1",
        &MappingRef {
            id: "m-1".into(),
            version: 0,
        },
    )
}

// --- tokens ---------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn fifty_concurrent_callers_share_one_token_call() {
    let far = Far::new(|_, request| {
        if is_ims(request) {
            let body = r#"{"access_token":"t","expires_in":86399}"#;
            return Answer::Later(Duration::from_secs(2), 200, body.into());
        }
        say(200, r#"{"items":[]}"#)
    });
    let sandbox = far.sandbox();
    let calls = (0..50).map(|_| {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { sandbox.list_flows(&Filter::new()).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!((far.tokens_asked(), far.platform_calls().len()), (1, 50));
}

#[tokio::test(start_paused = true)]
async fn fifty_concurrent_callers_share_one_refusal_which_stands_for_a_minute() {
    let far = Far::new(|earlier, _| {
        if earlier > 0 {
            return token("t", 86_399);
        }
        Answer::Later(
            Duration::from_secs(2),
            401,
            r#"{"error":"invalid_client","error_description":"no"}"#.into(),
        )
    });
    let platform = far.start(Options::default());
    let calls = (0..50).map(|_| {
        let platform = platform.clone();
        tokio::spawn(async move { platform.authenticate(&credentials()).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap_err().class, Class::Credentials);
    }
    assert_eq!(far.tokens_asked(), 1);
    tokio::time::advance(Duration::from_secs(59)).await;
    let again = platform.authenticate(&credentials()).await.unwrap_err();
    assert_eq!(again.class, Class::Credentials);
    assert_eq!(far.tokens_asked(), 1);
    // Neither a changed secret waits for that, nor does its sweep forget it.
    let changed = Credentials {
        client_secret: "other".to_owned().into(),
        ..(*credentials()).clone()
    };
    platform.authenticate(&Arc::new(changed)).await.unwrap();
    platform.authenticate(&credentials()).await.unwrap_err();
    assert_eq!(far.tokens_asked(), 2);
    tokio::time::advance(Duration::from_secs(2)).await;
    platform.authenticate(&credentials()).await.unwrap();
    assert_eq!(far.tokens_asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_for_its_rights_once_a_minute_at_most() {
    let far = Far::new(|_, _| token("t", 86_399));
    let platform = far.start(Options::default());
    platform.authenticate(&credentials()).await.unwrap();
    for _ in 0..40 {
        platform.renew_rights(&credentials().fingerprint());
        platform.authenticate(&credentials()).await.unwrap();
    }
    assert_eq!(far.tokens_asked(), 1);
    tokio::time::advance(Duration::from_secs(61)).await;
    for _ in 0..40 {
        platform.renew_rights(&credentials().fingerprint());
        platform.authenticate(&credentials()).await.unwrap();
    }
    assert_eq!(far.tokens_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_asking_for_the_token_wedges_nobody() {
    let far = Far::new(|earlier, _| {
        if earlier == 0 {
            Answer::Hang
        } else {
            token("t", 86_399)
        }
    });
    let platform = far.start(Options::default());
    let leader = tokio::spawn({
        let platform = platform.clone();
        async move { platform.authenticate(&credentials()).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let follower = tokio::spawn({
        let platform = platform.clone();
        async move { platform.authenticate(&credentials()).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    leader.abort();
    tokio::time::timeout(Duration::from_secs(1), follower)
        .await
        .expect("not wedged")
        .unwrap()
        .unwrap();
    assert_eq!(far.tokens_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_500_seconds_before_it_ends() {
    let far = Far::new(|earlier, _| token(&format!("t{earlier}"), 86_399));
    let platform = far.start(Options::default());
    platform.authenticate(&credentials()).await.unwrap();
    tokio::time::advance(Duration::from_secs(86_399 - 501)).await;
    platform.authenticate(&credentials()).await.unwrap();
    assert_eq!(far.tokens_asked(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    platform.authenticate(&credentials()).await.unwrap();
    assert_eq!(far.tokens_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_old_token_serves_while_it_lasts_when_ims_is_down_at_renewal() {
    let far = Far::new(|earlier, request| match (is_ims(request), earlier) {
        (true, 0) => token("old", 86_399),
        (true, _) => say(503, "down"),
        (false, _) => say(200, r#"{"items":[]}"#),
    });
    let sandbox = far.sandbox();
    sandbox.list_flows(&Filter::new()).await.unwrap();
    tokio::time::advance(Duration::from_secs(86_000)).await;
    for _ in 0..10 {
        sandbox.list_flows(&Filter::new()).await.unwrap();
    }
    assert_eq!(far.tokens_asked(), 2, "one attempt, then a pause");
    tokio::time::advance(Duration::from_secs(400)).await;
    let error = sandbox.list_flows(&Filter::new()).await.unwrap_err();
    assert_eq!(
        (error.operation, error.class),
        ("request_token", UNAVAILABLE)
    );
    assert!(
        far.platform_calls()
            .iter()
            .all(|call| bearer(call) == "old")
    );
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_token_is_asked_for_again_and_a_changed_secret_has_its_own() {
    let far = Far::new(|_, _| token("t", 86_399));
    let platform = far.start(Options::default());
    platform.authenticate(&credentials()).await.unwrap();
    platform.forget(&credentials().fingerprint());
    platform.authenticate(&credentials()).await.unwrap();
    assert_eq!(far.tokens_asked(), 2);
    let rotated = Credentials {
        client_secret: "other".to_owned().into(),
        ..(*credentials()).clone()
    };
    platform.authenticate(&Arc::new(rotated)).await.unwrap();
    platform.authenticate(&credentials()).await.unwrap();
    assert_eq!(far.tokens_asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once_and_the_call_repeated_a_post_too() {
    let far = Far::platform([say(401, BAD_TOKEN), say(201, CREATED)]);
    let created = far.sandbox().create_flow(&new_flow()).await.unwrap();
    assert_eq!(
        created,
        Created {
            id: "f-1".into(),
            etag: Etag::from("\"4c01-0000\"")
        }
    );
    let calls = far.platform_calls();
    assert_eq!(
        calls.iter().map(bearer).collect::<Vec<_>>(),
        ["token-0", "token-1"]
    );
    assert_eq!(calls[0].body(), calls[1].body());
}

#[tokio::test(start_paused = true)]
async fn a_token_refused_twice_in_a_row_is_given_up() {
    let far = Far::platform([say(401, BAD_TOKEN), say(401, BAD_TOKEN)]);
    let error = far.sandbox().create_flow(&new_flow()).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_deref(), error.outcome_unknown),
        (Class::Credentials, Some("401013"), false)
    );
    assert_eq!((far.tokens_asked(), far.platform_calls().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_whose_token_is_refused_renew_it_once() {
    let far = Far::new(|earlier, request| {
        if is_ims(request) {
            return token(&format!("token-{earlier}"), 86_399);
        }
        let (status, body) = match bearer(request) {
            "token-0" => (401, BAD_TOKEN),
            _ => (200, r#"{"items":[]}"#),
        };
        // Spread, so that some see the refusal after others have renewed.
        let wait = 100 + 100 * u64::try_from(earlier).unwrap();
        Answer::Later(Duration::from_millis(wait), status, body.into())
    });
    let sandbox = far.sandbox();
    let calls = (0..50).map(|_| {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { sandbox.list_flows(&Filter::new()).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!((far.tokens_asked(), far.platform_calls().len()), (2, 100));
}

#[tokio::test(start_paused = true)]
async fn the_secret_is_in_the_form_body_and_nowhere_else() {
    let far = Far::platform([say(200, r#"{"items":[]}"#)]);
    far.sandbox().list_flows(&Filter::new()).await.unwrap();
    let calls = far.calls.lock().unwrap();
    let ims = &calls[0];
    assert_eq!(
        (ims.method().as_str(), ims.uri().to_string().as_str()),
        ("POST", "http://127.0.0.1:1/ims/token/v3")
    );
    assert_eq!(
        ims.headers()[header::CONTENT_TYPE],
        "application/x-www-form-urlencoded"
    );
    let form: Vec<(String, String)> = url::form_urlencoded::parse(ims.body())
        .into_owned()
        .collect();
    let pairs: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        pairs,
        [
            ("grant_type", "client_credentials"),
            ("client_id", "demo-client"),
            ("client_secret", SECRET),
            ("scope", Credentials::DEFAULT_SCOPES),
        ]
    );
    assert!(!format!("{:?}", calls[1]).contains("s3cr3t"));
}

#[tokio::test(start_paused = true)]
async fn neither_secret_nor_token_is_in_any_error() {
    let echo = format!("you sent {SECRET} and token-0");
    let body =
        serde_json::json!({"error": "invalid_client", "error_description": echo, "message": echo})
            .to_string();
    let ims_body = body.clone();
    let far = Far::new(move |_, _| say(400, ims_body.clone()));
    let error = far
        .start(Options::default())
        .authenticate(&credentials())
        .await
        .unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("s3cr3t"),
        "{error:?}"
    );
    let error = Far::platform([say(400, body)])
        .sandbox()
        .get_flow("f")
        .await
        .unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("s3cr3t"),
        "{error:?}"
    );
    assert!(
        !format!("{error} {error:?}").contains("token-0"),
        "{error:?}"
    );
    // An answer without a token may still hold something like one.
    let far = Far::new(|_, _| say(200, r#"{"access_tokn":"eyJhbGciOi"}"#));
    let error = far
        .start(Options::default())
        .authenticate(&credentials())
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Unexpected, false)
    );
    assert!(!format!("{error:?}").contains("eyJ"));
}

// --- what is repeated, and what is unknown afterwards ---------------------------------------------------------

async fn failed_create(answer: Answer) -> ApiError {
    let far = Far::platform([answer]);
    let error = far.sandbox().create_flow(&new_flow()).await.unwrap_err();
    assert_eq!(far.platform_calls().len(), 1, "a POST is never repeated");
    error
}

#[tokio::test(start_paused = true)]
async fn a_post_is_never_repeated_and_says_whether_it_may_have_been_carried_out() {
    for status in [500, 502, 503, 504] {
        let error = failed_create(say(status, "")).await;
        assert_eq!(
            (error.class, error.outcome_unknown),
            (UNAVAILABLE, true),
            "{status}"
        );
    }
    let error = failed_create(Answer::Hang).await;
    assert_eq!(
        (error.class, error.status, error.outcome_unknown),
        (UNAVAILABLE, None, true)
    );
    let error = failed_create(Answer::Fail("connection reset".into())).await;
    assert_eq!((error.class, error.outcome_unknown), (UNAVAILABLE, true));
    let error = failed_create(Answer::Fail(NeverSent::new("connection refused").into())).await;
    assert_eq!((error.class, error.outcome_unknown), (UNAVAILABLE, false));
    let error = failed_create(say(429, "")).await;
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Throttled { retry_after: None }, false)
    );
    let error = failed_create(say(
        400,
        r#"{"type":"https://ns.adobe.com/aep/errors/FLOW-1425-400"}"#,
    ))
    .await;
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Rejected, false)
    );
}

#[tokio::test(start_paused = true)]
async fn a_success_that_cannot_be_read_leaves_the_outcome_unknown() {
    for body in ["", "<html>welcome</html>", r#"{"etag":"\"x\""}"#, "[]"] {
        let error = failed_create(say(201, body)).await;
        assert_eq!(
            (error.class, error.status, error.outcome_unknown),
            (Class::Unexpected, Some(201), true),
            "{body}"
        );
    }
    let error = Far::platform([say(200, "<html>")])
        .sandbox()
        .get_flow("f")
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Unexpected, false)
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_the_time_limit() {
    let far = Far::platform([Answer::Hang]);
    let options = Options {
        request_timeout: Duration::from_secs(7),
        ..Options::default()
    };
    let sandbox = far.start(options).sandbox(credentials(), "prod");
    let started = tokio::time::Instant::now();
    let error = sandbox.get_flow("f").await.unwrap_err();
    assert_eq!((error.class, error.outcome_unknown), (UNAVAILABLE, false));
    assert_eq!(started.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_delete_of_what_is_not_there_is_done() {
    let missing = |status, code: &str| {
        say(
            status,
            format!(
                r#"{{"type":"https://ns.adobe.com/aep/errors/{code}","status":{status},"report":{{}}}}"#
            ),
        )
    };
    for (answer, outcome) in [
        (say(204, ""), Deleted::Gone),
        (say(404, ""), Deleted::AlreadyGone),
        (missing(404, "FLOW-1439-404"), Deleted::AlreadyGone),
        (missing(400, "FLOW-1430-400"), Deleted::AlreadyGone),
        (missing(400, "FLOW-1439-400"), Deleted::AlreadyGone),
    ] {
        assert_eq!(
            Far::platform([answer])
                .sandbox()
                .delete_flow("f")
                .await
                .unwrap(),
            outcome
        );
    }
    for (answer, class) in [
        (missing(404, "FLOW-2100-404"), Class::SandboxNotFound),
        (say(404, "<html>nginx</html>"), Class::Unexpected),
        (
            say(404, r#"{"error_code":"404000","message":"no route"}"#),
            Class::Unexpected,
        ),
        (missing(400, "FLOW-1447-400"), Class::Busy),
    ] {
        assert_eq!(
            Far::platform([answer])
                .sandbox()
                .delete_flow("f")
                .await
                .unwrap_err()
                .class,
            class
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_blank_or_dotted_id_never_reaches_the_collection() {
    let far = Far::platform([]);
    for id in ["", " ", ".", ".."] {
        let error = far.sandbox().delete_flow(id).await.unwrap_err();
        assert_eq!(
            (error.class, error.outcome_unknown),
            (Class::Rejected, false),
            "{id:?}"
        );
    }
    assert!(far.platform_calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_observer_hears_of_every_exchange() {
    let heard: Arc<Mutex<Vec<CallRecord>>> = Arc::default();
    let observer = {
        let heard = Arc::clone(&heard);
        Arc::new(move |record| heard.lock().unwrap().push(record))
    };
    let far = Far::platform([
        say(401, BAD_TOKEN),
        Answer::Later(Duration::from_millis(250), 201, CREATED.into()),
    ]);
    let options = Options {
        observer: Some(observer),
        ..Options::default()
    };
    far.start(options)
        .sandbox(credentials(), "prod")
        .create_flow(&new_flow())
        .await
        .unwrap();
    let heard = heard.lock().unwrap();
    let words: Vec<_> = heard
        .iter()
        .map(|r| (r.operation, r.status, r.class))
        .collect();
    assert_eq!(
        words,
        [
            ("request_token", Some(200), "success"),
            ("create_flow", Some(401), "credentials"),
            ("request_token", Some(200), "success"),
            ("create_flow", Some(201), "success"),
        ]
    );
    assert_eq!(heard[3].elapsed, Duration::from_millis(250));
}

/// Everything that is traced, as text.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Trace {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_trace_has_one_event_per_exchange_and_nothing_confidential() {
    let trace = Trace::default();
    let writer = trace.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let flow = r#"{"items":[{"id":"f-1","options":{"inletUrl":"https://dcs.example/collection/inlet-1"}}]}"#;
    let far = Far::platform([say(200, flow), say(503, "words of the platform")]);
    let sandbox = far.sandbox();
    sandbox.get_flow("f-1").await.unwrap();
    sandbox.get_flow("f-1").await.unwrap_err();
    drop(guard);
    let text = String::from_utf8(trace.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    for word in [
        "request_token",
        "get_flow",
        "status=200",
        "status=503",
        "unavailable",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    for word in [
        "s3cr3t",
        "token-0",
        "inlet-1",
        "words",
        "demo-client",
        "Bearer",
    ] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

// --- what is sent ---------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn every_call_carries_the_four_headers_and_a_body_its_type() {
    let far = Far::platform([say(201, CREATED), say(200, CREATED)]);
    let sandbox = far.sandbox();
    sandbox
        .create_source_connection(&NewSourceConnection::customer_io("n", "d"))
        .await
        .unwrap();
    sandbox
        .act_on_flow("f-1", FlowAction::Disable)
        .await
        .unwrap();
    let calls = far.platform_calls();
    for call in &calls {
        let header = |name| call.headers()[name].to_str().unwrap();
        assert_eq!(bearer(call), "token-0");
        assert_eq!(header("x-api-key"), "demo-client");
        assert_eq!(header("x-gw-ims-org-id"), "1234@AdobeOrg");
        assert_eq!(header("x-sandbox-name"), "prod");
    }
    assert_eq!(calls[0].headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(
        calls[0].uri(),
        "http://127.0.0.1:2/base/data/foundation/flowservice/sourceConnections"
    );
    assert!(calls[1].body().is_empty() && !calls[1].headers().contains_key(header::CONTENT_TYPE));
    assert_eq!(
        calls[1].uri(),
        "http://127.0.0.1:2/base/data/foundation/flowservice/flows/f-1/action?op=disable"
    );
    assert_eq!(calls[1].method(), "POST");
}

#[tokio::test(start_paused = true)]
async fn each_service_is_called_by_its_own_path_and_type() {
    const SCHEMA: &str = "https://ns.adobe.com/t/schemas/ab";
    let set = r#"{"id":"m-1","version":3,"mappings":[]}"#;
    let far = Far::platform([
        say(
            200,
            r#"{"65f0":{"name":"d","schemaRef":{"id":"s","contentType":"application/vnd.adobe.xed+json;version=1"}}}"#,
        ),
        say(200, format!(r#"{{"$id":"{SCHEMA}","version":"1.0"}}"#)),
        say(200, set),
        say(200, set),
        say(200, set),
        say(204, ""),
        say(200, "{}"),
    ]);
    let sandbox = far.sandbox();
    let dataset = sandbox.get_dataset("65f0").await.unwrap();
    assert_eq!(
        (
            dataset.id.as_str(),
            dataset.schema_ref.unwrap().major_version()
        ),
        ("65f0", Some(1))
    );
    assert_eq!(sandbox.get_schema(SCHEMA, 1).await.unwrap().id, SCHEMA);
    let new = NewMappingSet::new("map", SCHEMA, 1, vec![MappingRow::attribute("a", "b")]);
    assert_eq!(
        sandbox.create_mapping_set(&new).await.unwrap(),
        MappingRef {
            id: "m-1".into(),
            version: 3
        }
    );
    sandbox.update_mapping_set("m-1", &new).await.unwrap();
    sandbox.get_mapping_set("m-1", Some(3)).await.unwrap();
    assert_eq!(
        sandbox.delete_mapping_set("m-1").await.unwrap(),
        Deleted::Gone
    );
    assert_eq!(
        sandbox.get_dataset("65f0").await.unwrap_err().class,
        Class::NotFound
    );
    let lines: Vec<String> = far
        .platform_calls()
        .iter()
        .map(|c| {
            format!(
                "{} {}",
                c.method(),
                c.uri()
                    .path_and_query()
                    .unwrap()
                    .as_str()
                    .replace("/base/data/foundation", "")
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "GET /catalog/dataSets/65f0",
            "GET /schemaregistry/tenant/schemas/https%3A%2F%2Fns.adobe.com%2Ft%2Fschemas%2Fab",
            "POST /conversion/mappingSets",
            "PUT /conversion/mappingSets/m-1",
            "GET /conversion/mappingSets/m-1?version=3",
            "DELETE /conversion/mappingSets/m-1",
            "GET /catalog/dataSets/65f0",
        ]
    );
    assert_eq!(
        far.platform_calls()[1].headers()[header::ACCEPT],
        "application/vnd.adobe.xed+json; version=1"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_to_its_end_and_keeps_its_filter() {
    let page = |id: &str, next: &str| {
        say(
            200,
            format!(r#"{{"items":[{{"id":"{id}"}}],"_links":{next}}}"#),
        )
    };
    let far = Far::platform([
        page(
            "a",
            r#"{"next":{"href":"/flows?continuationToken=abc%3D"}}"#,
        ),
        page(
            "b",
            r#"{"next":{"href":"/flows?limit=1&continuationToken=def"}}"#,
        ),
        page("c", "{}"),
    ]);
    let filter = Filter::new().eq("name", "a, b=c");
    let flows = far.sandbox().list_flows(&filter).await.unwrap();
    assert_eq!(
        flows.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    let queries: Vec<String> = far
        .platform_calls()
        .iter()
        .map(|c| c.uri().query().unwrap().to_owned())
        .collect();
    assert_eq!(
        queries,
        [
            "property=name==a%2C%20b%3Dc&limit=100",
            "property=name==a%2C%20b%3Dc&limit=100&continuationToken=abc%3D",
            "property=name==a%2C%20b%3Dc&limit=1&continuationToken=def",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_list_is_an_error_and_never_a_short_list() {
    let next = |token: usize| {
        format!(
            r#"{{"items":[],"_links":{{"next":{{"href":"/flows?continuationToken={token}"}}}}}}"#
        )
    };
    let cases: Vec<Vec<Answer>> = vec![
        vec![say(200, "{}")],
        vec![say(200, r#"{"items":[{"name":"no id"}]}"#)],
        vec![say(
            200,
            r#"{"items":[],"_links":{"next":{"href":"/flows"}}}"#,
        )],
        vec![say(200, next(1)), say(200, next(1))],
        (0..5).map(|n| say(200, next(n))).collect(),
    ];
    for answers in cases {
        let far = Far::platform(answers);
        let options = Options {
            page_bound: 5,
            ..Options::default()
        };
        let error = far
            .start(options)
            .sandbox(credentials(), "prod")
            .list_flows(&Filter::new())
            .await
            .unwrap_err();
        assert_eq!(error.class, Class::Unexpected, "{error}");
    }
    let far = Far::platform([say(200, next(1)), say(503, "")]);
    assert_eq!(
        far.sandbox()
            .list_flows(&Filter::new())
            .await
            .unwrap_err()
            .class,
        UNAVAILABLE
    );
}

#[tokio::test(start_paused = true)]
async fn mapping_sets_are_paged_by_start_whatever_the_count_says() {
    let page = |ids: std::ops::Range<usize>| {
        let sets: Vec<String> = ids
            .map(|n| format!(r#"{{"id":"m{n}","version":0}}"#))
            .collect();
        say(
            200,
            format!(
                r#"{{"data":[{}],"_page":{{"count":0,"limit":100}}}}"#,
                sets.join(",")
            ),
        )
    };
    let far = Far::platform([page(0..100), page(100..130)]);
    assert_eq!(
        far.sandbox().list_mapping_sets("a b").await.unwrap().len(),
        130
    );
    let queries: Vec<String> = far
        .platform_calls()
        .iter()
        .map(|c| c.uri().query().unwrap().to_owned())
        .collect();
    assert_eq!(
        queries,
        [
            "limit=100&start=0&name=a%20b",
            "limit=100&start=100&name=a%20b"
        ]
    );
    // A service that ignores `start` answers the same page for ever.
    let far = Far::platform([page(0..100), page(0..100)]);
    assert_eq!(
        far.sandbox().list_mapping_sets("a").await.unwrap().len(),
        100
    );
}

// --- over sockets ---------------------------------------------------------------------------------------------

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
    let service = production(Duration::from_secs(5), Duration::from_secs(5)).unwrap();
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
    let service = production(Duration::from_secs(5), Duration::from_secs(5)).unwrap();
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
    let service = production(Duration::from_secs(5), Duration::from_secs(5)).unwrap();
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
    let service = production(Duration::from_secs(5), Duration::from_secs(5)).unwrap();
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

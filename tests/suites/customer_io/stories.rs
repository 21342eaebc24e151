//! In memory: stories with the emulator, and time.

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
use aep_operator::platform::{ApiError, CallRecord, Class, HttpService, Options, Urgency};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::webhook::*;

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

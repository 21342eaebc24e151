//! What is repeated, what an outcome means, and what is told of an exchange.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aep_operator::platform::{ApiError, CallRecord, Class, Deleted, NeverSent, Options};

use crate::far::*;

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

thread_local! {
    /// What this thread has traced.
    static TRACED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Traced;

impl std::io::Write for Traced {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        TRACED.with_borrow_mut(|traced| traced.extend_from_slice(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_trace_has_one_event_per_exchange_and_nothing_confidential() {
    // For all threads: what another test traces first would else be taken for what nobody wants to hear.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(|| Traced)
        .init();
    tracing::callsite::rebuild_interest_cache();
    let flow = r#"{"items":[{"id":"f-1","options":{"inletUrl":"https://dcs.example/collection/inlet-1"}}]}"#;
    let far = Far::platform([say(200, flow), say(503, "words of the platform")]);
    let sandbox = far.sandbox();
    sandbox.get_flow("f-1").await.unwrap();
    sandbox.get_flow("f-1").await.unwrap_err();
    let text = String::from_utf8(TRACED.take()).unwrap();
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

//! Tokens: one for everybody, renewed in time, never shown.

use std::sync::Arc;
use std::time::Duration;

use aep_operator::platform::{Class, Created, Credentials, Etag, Filter, Options};
use http::header;

use crate::far::*;

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
        tokio::spawn(async move { sandbox.list_flows(&Filter::new(), Some).await })
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
    sandbox.list_flows(&Filter::new(), Some).await.unwrap();
    tokio::time::advance(Duration::from_secs(86_000)).await;
    for _ in 0..10 {
        sandbox.list_flows(&Filter::new(), Some).await.unwrap();
    }
    assert_eq!(far.tokens_asked(), 2, "one attempt, then a pause");
    tokio::time::advance(Duration::from_secs(400)).await;
    let error = sandbox.list_flows(&Filter::new(), Some).await.unwrap_err();
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
        tokio::spawn(async move { sandbox.list_flows(&Filter::new(), Some).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!((far.tokens_asked(), far.platform_calls().len()), (2, 100));
}

#[tokio::test(start_paused = true)]
async fn the_secret_is_in_the_form_body_and_nowhere_else() {
    let far = Far::platform([say(200, r#"{"items":[]}"#)]);
    far.sandbox()
        .list_flows(&Filter::new(), Some)
        .await
        .unwrap();
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

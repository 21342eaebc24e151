//! The far side: scripted, in memory, with a journal of what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aep_operator::platform::{
    Class, Credentials, Endpoints, HttpService, MappingRef, NewFlow, Options, Platform, Sandbox,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};

pub(crate) const SECRET: &str = "p8e-s3cr3t &=%";
pub(crate) const UNAVAILABLE: Class = Class::Unavailable { retry_after: None };

pub(crate) fn credentials() -> Arc<Credentials> {
    Arc::new(Credentials {
        client_id: "demo-client".into(),
        client_secret: SECRET.to_owned().into(),
        organization_id: "1234@AdobeOrg".into(),
        scopes: None,
    })
}

/// A scripted far side: a function from request to answer, and a journal.
#[derive(Clone)]
pub(crate) struct Far {
    pub(crate) calls: Arc<Mutex<Vec<Request<Bytes>>>>,
    pub(crate) answer: Arc<Script>,
}

/// Given how many requests of the same kind (token or platform) came before, and the request.
pub(crate) type Script = dyn Fn(usize, &Request<Bytes>) -> Answer + Send + Sync;

/// What the far side does with a request.
pub(crate) enum Answer {
    Say(u16, String),
    Later(Duration, u16, String),
    Hang,
    Fail(tower::BoxError),
}

pub(crate) fn say(status: u16, body: impl Into<String>) -> Answer {
    Answer::Say(status, body.into())
}

pub(crate) fn token(name: &str, expires_in: u64) -> Answer {
    say(
        200,
        format!(r#"{{"access_token":"{name}","token_type":"bearer","expires_in":{expires_in}}}"#),
    )
}

pub(crate) fn is_ims(request: &Request<Bytes>) -> bool {
    request.uri().path() == "/ims/token/v3"
}

pub(crate) fn bearer(request: &Request<Bytes>) -> &str {
    request.headers()[header::AUTHORIZATION]
        .to_str()
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap()
}

impl Far {
    pub(crate) fn new(
        answer: impl Fn(usize, &Request<Bytes>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self {
            calls: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    /// Tokens are good for a day and numbered from 0; the platform's answers come from a list.
    pub(crate) fn platform(answers: impl IntoIterator<Item = Answer>) -> Self {
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

    pub(crate) fn service(&self) -> HttpService {
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

    pub(crate) fn start(&self, options: Options) -> Platform {
        let endpoints = Endpoints::new("http://127.0.0.1:1", "http://127.0.0.1:2/base/").unwrap();
        Platform::new(self.service(), endpoints, options)
    }

    pub(crate) fn sandbox(&self) -> Sandbox {
        self.start(Options::default())
            .sandbox(credentials(), "prod")
    }

    pub(crate) fn tokens_asked(&self) -> usize {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .filter(|c| is_ims(c))
            .count()
    }

    pub(crate) fn platform_calls(&self) -> Vec<Request<Bytes>> {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .filter(|c| !is_ims(c))
            .cloned()
            .collect()
    }
}

pub(crate) const CREATED: &str = r#"{"id":"f-1","etag":"\"4c01-0000\""}"#;
pub(crate) const BAD_TOKEN: &str =
    r#"{"error_code":"401013","message":"Oauth token is not valid"}"#;

pub(crate) fn new_flow() -> NewFlow {
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

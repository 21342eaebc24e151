//! A far side with answers from a list, and the hand-made exchanges that the emulator is held to as well.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aep_operator::platform::{Credentials, Endpoints, HttpService, Options, Platform, Sandbox};
use bytes::Bytes;
use http::{Request, Response, header};
use serde_json::Value;

/// A status and a body.
pub(crate) type Answer = (u16, String);

#[expect(
    clippy::needless_pass_by_value,
    reason = "texts and values alike, as they come"
)]
pub(crate) fn say(status: u16, body: impl ToString) -> Answer {
    (status, body.to_string())
}

/// Answers in order, and what was asked.
pub(crate) struct Far {
    calls: Arc<Mutex<Vec<Request<Bytes>>>>,
    pub(crate) sandbox: Sandbox,
}

impl Far {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::with(Options::default(), answers)
    }

    pub(crate) fn with(options: Options, answers: impl IntoIterator<Item = Answer>) -> Self {
        let calls: Arc<Mutex<Vec<Request<Bytes>>>> = Arc::default();
        let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let journal = Arc::clone(&calls);
        let service = HttpService::new(tower::service_fn(move |request: Request<Bytes>| {
            let (journal, answers) = (Arc::clone(&journal), Arc::clone(&answers));
            async move {
                let (status, body) = if request.uri().path() == "/ims/token/v3" {
                    say(200, r#"{"access_token":"token","expires_in":86399}"#)
                } else {
                    journal.lock().unwrap().push(request);
                    let next = answers.lock().unwrap().pop_front();
                    next.expect("no more calls than scripted")
                };
                let response = Response::builder().status(status).body(Bytes::from(body));
                response.map_err(tower::BoxError::from)
            }
        }));
        let endpoints = Endpoints::new("http://127.0.0.1:1", "http://127.0.0.1:2").unwrap();
        let credentials = Arc::new(Credentials {
            client_id: "demo-client".into(),
            client_secret: "demo-secret".to_owned().into(),
            organization_id: "1234@AdobeOrg".into(),
            scopes: None,
        });
        let sandbox = Platform::new(service, endpoints, options).sandbox(credentials, "dev-crm");
        Self { calls, sandbox }
    }

    /// Every call as `METHOD path?query`, without the common beginning; each had the four headers.
    pub(crate) fn lines(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        let line = |call: &Request<Bytes>| {
            let header = |name| call.headers()[name].to_str().unwrap();
            assert_eq!(header("authorization"), "Bearer token");
            assert_eq!(header("x-api-key"), "demo-client");
            assert_eq!(header("x-gw-ims-org-id"), "1234@AdobeOrg");
            assert_eq!(header("x-sandbox-name"), "dev-crm");
            let path = call.uri().path_and_query().unwrap().as_str();
            let path = path.strip_prefix("/data/foundation").unwrap();
            format!("{} {path}", call.method())
        };
        calls.iter().map(line).collect()
    }

    /// A header of a call; empty when it has none.
    pub(crate) fn header(&self, call: usize, name: header::HeaderName) -> String {
        let calls = self.calls.lock().unwrap();
        let value = calls[call].headers().get(name);
        value.map_or_else(String::new, |it| it.to_str().unwrap().to_owned())
    }

    /// The body of a call; null when it has none.
    pub(crate) fn body(&self, call: usize) -> Value {
        serde_json::from_slice(self.calls.lock().unwrap()[call].body()).unwrap_or_default()
    }
}

/// One of the exchanges.
pub(crate) fn exchange(name: &str) -> Value {
    let groups = [
        include_str!("../../../emulator/tests/exchanges/catalog.json"),
        include_str!("../../../emulator/tests/exchanges/connections.json"),
        include_str!("../../../emulator/tests/exchanges/data_prep.json"),
        include_str!("../../../emulator/tests/exchanges/runs.json"),
        include_str!("../../../emulator/tests/exchanges/schema_registry.json"),
    ];
    for group in groups {
        let exchanges: Vec<Value> = serde_json::from_str(group).unwrap();
        if let Some(found) = exchanges.into_iter().find(|it| it["name"] == name) {
            return found;
        }
    }
    panic!("no exchange {name}");
}

/// Its answer.
pub(crate) fn answer(name: &str) -> Answer {
    let exchange = exchange(name);
    let status = exchange["status"].as_u64().unwrap();
    let body = exchange.get("response").map(Value::to_string);
    say(u16::try_from(status).unwrap(), body.unwrap_or_default())
}

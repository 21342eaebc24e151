//! A workspace as one App API key sees it: key, address and budget of every call. Nothing is ever repeated.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::addresses::{Addresses, Region};
use super::refusal::classify;
use crate::platform::parts::{Budgets, Call, Pace, Reply, Turn, Wire, address};
use crate::platform::{ApiError, Class, Fingerprint, HttpService, Later, Options, Urgency, Wake};

/// The App API documents ten calls a second. Never more than that in any second, and something left for others
/// who use the same key: two at once, then eight a second.
const PACE: Pace = Pace {
    per_second: 8.0,
    at_once: 2.0,
};

/// Customer.io: one per process, cheap to clone.
#[derive(Clone)]
pub struct CustomerIo {
    inner: Arc<Inner>,
}

struct Inner {
    wire: Wire<Addresses>,
    budgets: Budgets<(Region, Fingerprint)>,
}

impl CustomerIo {
    /// Makes no call. Of the options, those of paging mean nothing here.
    pub fn new(service: HttpService, addresses: Addresses, options: Options) -> Self {
        let budgets = Budgets::new(options.budget_observer.clone()).paced(PACE);
        let wire = Wire {
            service,
            endpoints: addresses,
            options,
        };
        Self {
            inner: Arc::new(Inner { wire, budgets }),
        }
    }

    /// The workspace that a key belongs to. White space around the key is not part of it. Makes no call.
    pub fn workspace(&self, region: Region, key: &SecretString) -> Workspace {
        let key = key.expose_secret().trim();
        let budget = self.inner.budgets.at((region, Fingerprint::of(&[key])));
        Workspace {
            customer_io: self.clone(),
            region,
            key: Arc::new(key.into()),
            turn: Turn::new(budget),
        }
    }

    /// Gives turns to those who wait for one, for as long as it is polled; see [`Workspace::ticket`].
    pub async fn keep_turns(&self) {
        self.inner.budgets.keep_turns().await;
    }

    /// Nobody waits for a turn from now on: the process is about to end.
    pub fn end_turns(&self) {
        self.inner.budgets.close();
    }
}

/// One workspace as one key sees it: all calls are methods of this. Cheap to clone.
#[derive(Clone)]
pub struct Workspace {
    customer_io: CustomerIo,
    region: Region,
    key: Arc<SecretString>,
    turn: Turn,
}

/// Not the key.
impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl Workspace {
    /// Where the workspace is.
    pub const fn region(&self) -> Region {
        self.region
    }

    /// This workspace with leave to begin `calls` calls now. Without it, `name` is in line: `wake` is called
    /// when its turn comes, and it asks again. `group` is served in turn with other groups.
    ///
    /// # Errors
    /// Its turn has not come.
    pub fn ticket(
        &self,
        name: &str,
        group: &str,
        urgency: Urgency,
        calls: usize,
        wake: Wake,
    ) -> Result<Self, Later> {
        let turn = self.turn.ticket(name, group, urgency, calls, wake)?;
        Ok(Self {
            turn,
            ..self.clone()
        })
    }

    /// This workspace with leave to begin `calls` more calls of something begun, once those that have begun before are through.
    ///
    /// # Errors
    /// It would take too long.
    pub async fn go_on(&self, calls: usize) -> Result<Self, Later> {
        let turn = self.turn.go_on(calls).await?;
        Ok(Self {
            turn,
            ..self.clone()
        })
    }

    /// Sends once. `private` is taken out of the words of a refusal, as the key is.
    pub(super) async fn send(&self, call: Call, private: &[String]) -> Result<Reply, ApiError> {
        let wire = &self.customer_io.inner.wire;
        let request = self.request(wire.endpoints.of(self.region), &call)?;
        let mut secrets = vec![self.key.expose_secret()];
        secrets.extend(private.iter().map(String::as_str));
        let leave = self.turn.leave(call.operation).await?;
        let result = wire
            .exchange(call.operation, request, |status, headers, body| {
                classify(
                    call.operation,
                    &call.method,
                    status,
                    headers,
                    body,
                    &secrets,
                )
            })
            .await;
        leave.answered(result.as_ref().map(drop));
        result
    }

    fn request(&self, base: &Url, call: &Call) -> Result<Request<Bytes>, ApiError> {
        let key = self.key.expose_secret();
        let mut bearer = HeaderValue::from_str(&format!("Bearer {key}"))
            .ok()
            .filter(|_| !key.is_empty())
            .ok_or_else(|| {
                ApiError::local(
                    call.operation,
                    Class::Credentials,
                    "the App API key is empty or cannot be sent in a header",
                )
            })?;
        bearer.set_sensitive(true);
        let mut request = Request::new(call.body.clone().unwrap_or_default());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = address(
            call.operation,
            base,
            call.path.as_deref().map_err(Clone::clone)?,
        )?;
        let json = HeaderValue::from_static("application/json");
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(header::ACCEPT, json.clone());
        if call.body.is_some() {
            headers.insert(header::CONTENT_TYPE, json);
        }
        Ok(request)
    }
}

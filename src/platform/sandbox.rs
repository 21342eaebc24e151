//! The platform as one credential sees one sandbox: tokens and headers on every call.
//!
//! Nothing is ever repeated, with one exception: a request whose token was refused is sent once more with a new
//! one. The refusal comes before the service, so that is right for a POST too.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::auth::{Token, Tokens};
use super::budget::{Budgets, Later, Turn, Urgency, Wake};
use super::call::{Call, address};
use super::classify::{classify_redacted, token_refused};
use super::endpoints::{Credentials, Endpoints, Fingerprint};
use super::error::{ApiError, Class};
use super::transport::{HttpService, Options, Reply, Wire};

/// The platform: one per process, cheap to clone.
#[derive(Clone)]
pub struct Platform {
    inner: Arc<Inner>,
}

struct Inner {
    wire: Wire,
    tokens: Tokens,
    budgets: Budgets,
}

impl Platform {
    /// Makes no call.
    pub fn new(service: HttpService, endpoints: Endpoints, options: Options) -> Self {
        let budgets = Budgets::new(options.budget_observer.clone());
        let wire = Wire {
            service,
            endpoints,
            options,
        };
        Self {
            inner: Arc::new(Inner {
                wire,
                tokens: Tokens::default(),
                budgets,
            }),
        }
    }

    /// The platform as one credential sees one sandbox. Makes no call.
    pub fn sandbox(&self, credentials: Arc<Credentials>, sandbox: &str) -> Sandbox {
        let budget = self.inner.budgets.of(&credentials.organization_id, sandbox);
        Sandbox {
            platform: self.clone(),
            credentials,
            name: sandbox.into(),
            turn: Turn::new(budget),
        }
    }

    /// Gives turns to those who wait for one, for as long as it is polled; see [`Sandbox::ticket`].
    pub async fn keep_turns(&self) {
        self.inner.budgets.keep_turns().await;
    }

    /// Nobody waits for a turn from now on: the process is about to end.
    pub fn end_turns(&self) {
        self.inner.budgets.close();
    }

    /// Makes sure there is a token for these credentials; asks for one only if none is known.
    ///
    /// # Errors
    /// [`Class::Credentials`] when they are refused; else as the token service fares.
    pub async fn authenticate(&self, credentials: &Arc<Credentials>) -> Result<(), ApiError> {
        self.inner
            .tokens
            .get(&self.inner.wire, credentials)
            .await
            .map(drop)
    }

    /// When the first of the tokens that are good now ends; one that is being renewed right now is left out.
    pub fn first_token_end(&self) -> Option<Instant> {
        self.inner.tokens.first_end()
    }

    /// Drops the token of a credential, so that the next call asks for a new one.
    pub fn forget(&self, fingerprint: &Fingerprint) {
        self.inner.tokens.forget(fingerprint);
    }

    /// The rights that the token of a credential carries were not enough: the next call asks for a new one,
    /// unless this one is younger than a minute.
    pub fn renew_rights(&self, fingerprint: &Fingerprint) {
        self.inner.tokens.renew_rights(fingerprint);
    }
}

/// One sandbox as one credential sees it: all typed calls are methods of this. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    platform: Platform,
    credentials: Arc<Credentials>,
    name: Arc<str>,
    turn: Turn,
}

/// Neither credentials nor tokens.
impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// The sandbox's name, as sent in `x-sandbox-name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A sandbox behind a service that a test plays.
    #[cfg(test)]
    pub(crate) fn of_tests(service: super::HttpService) -> Self {
        let endpoints = super::Endpoints::new("http://127.0.0.1:1", "http://127.0.0.1:1").unwrap();
        let credentials = Credentials {
            client_id: "client".into(),
            client_secret: "canary-secret".to_owned().into(),
            organization_id: "1234@AdobeOrg".into(),
            scopes: None,
        };
        let platform = Platform::new(service, endpoints, super::Options::default());
        platform.sandbox(Arc::new(credentials), "prod")
    }

    /// Who asks.
    pub const fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// This sandbox with leave to begin `calls` calls now. Without it, `name` is in line: `wake` is called
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

    /// This sandbox with leave to begin `calls` more calls of something begun, once those that have begun before are through.
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

    pub(super) fn page_bound(&self) -> usize {
        self.platform.inner.wire.options.page_bound
    }

    /// Sends, and reads a JSON answer.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, ApiError> {
        let (operation, method) = (call.operation, call.method.clone());
        let reply = self.send(call).await?;
        reply.json(operation, &method)
    }

    /// Sends, with a token renewed once if it is refused.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, ApiError> {
        let Inner { wire, tokens, .. } = &*self.platform.inner;
        let token = tokens.get(wire, &self.credentials).await?;
        match self.attempt(wire, &call, &token).await {
            Err(refusal) if token_refused(&refusal) => {
                let token = tokens
                    .renew(wire, &self.credentials, token.generation)
                    .await?;
                self.attempt(wire, &call, &token).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(&self, wire: &Wire, call: &Call, token: &Token) -> Result<Reply, ApiError> {
        let request = self.request(wire, call, token)?;
        let secrets = [
            token.secret.expose_secret(),
            self.credentials.client_secret.expose_secret(),
        ];
        let leave = self.turn.leave(call.operation).await?;
        let result = wire
            .exchange(call.operation, request, |status, headers, body| {
                classify_redacted(
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

    fn request(&self, wire: &Wire, call: &Call, token: &Token) -> Result<Request<Bytes>, ApiError> {
        let value = |what: &str, text: &str, class| {
            HeaderValue::from_str(text)
                .ok()
                .filter(|v| !v.is_empty())
                .ok_or_else(|| {
                    ApiError::local(
                        call.operation,
                        class,
                        format!("{what} is empty or cannot be sent in a header"),
                    )
                })
        };
        let mut bearer = value(
            "the access token",
            &format!("Bearer {}", token.secret.expose_secret()),
            Class::Unexpected,
        )?;
        bearer.set_sensitive(true);
        let mut request = Request::new(call.body.clone().unwrap_or_default());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = address(
            call.operation,
            wire.endpoints.platform(),
            call.path.as_deref().map_err(Clone::clone)?,
        )?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(
            HeaderName::from_static("x-api-key"),
            value(
                "the client id",
                &self.credentials.client_id,
                Class::Credentials,
            )?,
        );
        headers.insert(
            HeaderName::from_static("x-gw-ims-org-id"),
            value(
                "the organization id",
                &self.credentials.organization_id,
                Class::Credentials,
            )?,
        );
        headers.insert(
            HeaderName::from_static("x-sandbox-name"),
            value("the sandbox name", &self.name, Class::SandboxNotFound)?,
        );
        headers.insert(
            header::ACCEPT,
            value("the accepted type", &call.accept, Class::Unexpected)?,
        );
        if call.body.is_some() {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static(call.content_type),
            );
        } else if call.method == Method::POST {
            // An action has no body; some gateways answer 411 unless that is said.
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(etag) = &call.if_match {
            // An etag nobody can send is as good as an old one.
            headers.insert(header::IF_MATCH, value("the etag", etag, Class::Stale)?);
        }
        Ok(request)
    }
}

//! Access tokens of Adobe's Identity Management Service (IMS), OAuth client credentials.
//!
//! Facts: Adobe, "Server to Server authentication implementation guide": v3 endpoint, form body, life in
//! seconds, no refresh token. Clients that mint too many tokens can be throttled, hence one cache for the process.
//!
//! # Guarantees
//!
//! - Callers that need a token at the same time share one call, its failure included.
//! - A caller that goes away in the middle wedges nobody: the next one in line makes the call.
//! - However many callers saw the same token refused, it is renewed once.
//! - Refused credentials are not asked about again for a minute; other credentials are, at once.
//! - A token is renewed before it ends; should IMS be down just then, the old one serves while it lasts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::call::address;
use super::classify::classify_ims;
use super::endpoints::{Credentials, Fingerprint};
use super::error::{ApiError, Class};
use super::transport::Wire;

const OPERATION: &str = "request_token";

/// How long before its end a token is renewed.
const RENEW_AHEAD: Duration = Duration::from_secs(500);
/// How long a token without a stated life is used. RFC 6749 leaves the life optional.
const LIFE_UNSTATED: Duration = Duration::from_mins(5);
/// After a failed early renewal, how long the old token serves before the next attempt.
const RENEW_PAUSE: Duration = Duration::from_secs(30);
/// How long a refusal of credentials stands: everybody who uses them shares one call in this time.
const REFUSED_FOR: Duration = Duration::from_mins(1);
/// A token is not renewed for its rights before this age.
const RIGHTS_AGE: Duration = Duration::from_mins(1);

/// A bearer token and its number.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) secret: Arc<SecretString>,
    /// Unique in this process: tells "the token that was refused" from one renewed meanwhile.
    pub(super) generation: u64,
}

/// All tokens of this process, one per credential.
#[derive(Default)]
pub(super) struct Tokens {
    entries: Mutex<HashMap<Fingerprint, Arc<Entry>>>,
    generations: AtomicU64,
}

#[derive(Default)]
struct Entry {
    /// Held while IMS is asked: that is the single flight.
    state: tokio::sync::Mutex<State>,
    /// Attempts that ended, well or not.
    finished: AtomicU64,
}

#[derive(Default)]
struct State {
    current: Option<Minted>,
    last_failure: Option<ApiError>,
    /// Until when the last failure, a refusal of the credentials, stands.
    refused_until: Option<Instant>,
}

impl State {
    fn is_refused(&self, now: Instant) -> bool {
        self.refused_until.is_some_and(|until| now < until)
    }
}

struct Minted {
    token: Token,
    asked_at: Instant,
    renew_at: Instant,
    ends_at: Instant,
}

impl Tokens {
    /// A token that is good as far as we know.
    pub(super) async fn get(
        &self,
        wire: &Wire,
        credentials: &Credentials,
    ) -> Result<Token, ApiError> {
        self.obtain(wire, credentials, None).await
    }

    /// A token other than the refused one: a new one, unless somebody renewed it meanwhile.
    pub(super) async fn renew(
        &self,
        wire: &Wire,
        credentials: &Credentials,
        refused: u64,
    ) -> Result<Token, ApiError> {
        self.obtain(wire, credentials, Some(refused)).await
    }

    /// Drops what is known of a credential.
    pub(super) fn forget(&self, fingerprint: &Fingerprint) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(fingerprint);
    }

    /// When the first of the tokens that are good now ends.
    pub(super) fn first_end(&self) -> Option<Instant> {
        let now = Instant::now();
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = entries.values().filter_map(|entry| {
            let state = entry.state.try_lock().ok()?;
            state.current.as_ref().map(|minted| minted.ends_at)
        });
        ends.filter(|end| now < *end).min()
    }

    /// The rights a token carries were not enough: a new one is asked for next time, but never more often
    /// than once in [`RIGHTS_AGE`]. While somebody is asking, the next token has the rights of now anyway.
    pub(super) fn renew_rights(&self, fingerprint: &Fingerprint) {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(fingerprint)
            && let Ok(mut state) = entry.state.try_lock()
            && let Some(minted) = &mut state.current
        {
            minted.renew_at = minted.renew_at.min(minted.asked_at + RIGHTS_AGE);
        }
    }

    async fn obtain(
        &self,
        wire: &Wire,
        credentials: &Credentials,
        refused: Option<u64>,
    ) -> Result<Token, ApiError> {
        let entry = self.entry(credentials.fingerprint());
        let seen = entry.finished.load(Ordering::Acquire);
        let mut state = entry.state.lock().await;
        let now = Instant::now();
        // A refused token is of no use to anybody, early renewal or not.
        state
            .current
            .take_if(|minted| Some(minted.token.generation) == refused);
        if let Some(minted) = &state.current
            && now < minted.renew_at
        {
            return Ok(minted.token.clone());
        }
        // Somebody asked while we stood in line, in vain: that is our answer too.
        let in_vain = entry.finished.load(Ordering::Acquire) != seen;
        if (in_vain || state.is_refused(now))
            && let Some(failure) = &state.last_failure
        {
            return Err(failure.clone());
        }
        let answer = request(wire, credentials).await;
        entry.finished.fetch_add(1, Ordering::Release);
        match answer {
            Ok((secret, life)) => {
                let generation = self.generations.fetch_add(1, Ordering::Relaxed);
                let token = Token {
                    secret: Arc::new(secret),
                    generation,
                };
                state.last_failure = None;
                state.refused_until = None;
                // Counted from before the request: late rather than too late.
                state.current = Some(Minted {
                    token: token.clone(),
                    asked_at: now,
                    renew_at: now + renew_after(life),
                    ends_at: now + life,
                });
                Ok(token)
            }
            Err(error) => {
                if matches!(
                    error.class,
                    Class::Throttled { .. } | Class::Unavailable { .. }
                ) && let Some(minted) = &mut state.current
                    && Instant::now() < minted.ends_at
                {
                    let pause = error.retry_after().unwrap_or(RENEW_PAUSE).max(RENEW_PAUSE);
                    minted.renew_at = (Instant::now() + pause).min(minted.ends_at);
                    return Ok(minted.token.clone());
                }
                state.refused_until =
                    (error.class == Class::Credentials).then(|| Instant::now() + REFUSED_FOR);
                state.last_failure = Some(error.clone());
                Err(error)
            }
        }
    }

    fn entry(&self, fingerprint: Fingerprint) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&fingerprint) {
            return Arc::clone(entry);
        }
        // A rotated secret leaves its entry behind; newcomers sweep, so the map stays as small as the credentials in use.
        let now = Instant::now();
        entries.retain(|_, entry| {
            entry.state.try_lock().map_or(true, |state| {
                state.is_refused(now) || state.current.as_ref().is_some_and(|m| now < m.ends_at)
            })
        });
        Arc::clone(entries.entry(fingerprint).or_default())
    }
}

/// When to renew a token of this life: [`RENEW_AHEAD`] before its end, or at half its life when it is short.
fn renew_after(life: Duration) -> Duration {
    (life / 2).max(life.saturating_sub(RENEW_AHEAD))
}

/// The life in an answer. The v3 endpoint counts seconds; older material shows milliseconds, told by their size.
fn life(expires_in: Option<&Value>) -> Duration {
    const ABOVE_THIS_IS_MILLISECONDS: u64 = 1_000_000;
    let number = expires_in.and_then(|v| match v {
        Value::String(s) => s.trim().parse().ok(),
        other => other.as_u64(),
    });
    match number {
        None => LIFE_UNSTATED,
        Some(n) if n > ABOVE_THIS_IS_MILLISECONDS => {
            Duration::from_millis(n).min(Duration::from_hours(48))
        }
        Some(n) => Duration::from_secs(n),
    }
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Value>,
}

async fn request(
    wire: &Wire,
    credentials: &Credentials,
) -> Result<(SecretString, Duration), ApiError> {
    let secret = credentials.client_secret.expose_secret();
    // In the body: a query string ends up in logs.
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &credentials.client_id)
        .append_pair("client_secret", secret)
        .append_pair("scope", credentials.scopes())
        .finish();
    let mut request = Request::new(Bytes::from(form));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = address(OPERATION, wire.endpoints.ims(), "/ims/token/v3")?;
    let headers = request.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let reply = wire
        .exchange(OPERATION, request, |status, headers, body| {
            classify_ims(OPERATION, status, headers, body, &[secret])
        })
        .await
        // A token that was minted and lost does no harm: nothing to look up.
        .map_err(|error| ApiError {
            outcome_unknown: false,
            ..error
        })?;
    // The parser's own words could quote the token: they are not passed on.
    let grant: Grant = serde_json::from_slice(&reply.body)
        .ok()
        .filter(|grant: &Grant| !grant.access_token.is_empty())
        .ok_or_else(|| ApiError {
            status: Some(reply.status.as_u16()),
            request_id: reply.request_id(),
            ..ApiError::local(
                OPERATION,
                Class::Unexpected,
                "the token service's answer holds no token",
            )
        })?;
    Ok((grant.access_token.into(), life(grant.expires_in.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_500_seconds_ahead_or_at_half_a_short_life() {
        let seconds = Duration::from_secs;
        assert_eq!(renew_after(seconds(86_399)), seconds(85_899));
        assert_eq!(renew_after(seconds(1001)), seconds(501));
        assert_eq!(renew_after(seconds(1000)), seconds(500));
        assert_eq!(renew_after(seconds(60)), seconds(30));
        assert_eq!(renew_after(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_life_is_seconds_unless_it_is_too_large_for_them() {
        let of = |v: Value| life(Some(&v));
        assert_eq!(of(86_399.into()), Duration::from_secs(86_399));
        assert_eq!(of(86_399_992.into()), Duration::from_millis(86_399_992));
        assert_eq!(of("3600".into()), Duration::from_hours(1));
        assert_eq!(of(u64::MAX.into()), Duration::from_hours(48));
        assert_eq!(of((-5).into()), LIFE_UNSTATED);
        assert_eq!(life(None), LIFE_UNSTATED);
    }
}

//! Before the first creation in a sandbox: does the organization have the source at all?
//!
//! Asked at the same time as the shared listings, so it costs no round trip; once for each sandbox and credential of
//! this process, so it costs no call afterwards. What cannot be found out holds nothing up: the creation says more.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tracing::debug;

use crate::plan::preflight::{Needed, REQUIRED};
use crate::platform::{ApiError, Class, Sandbox, Visibility};

/// What could not be found out is not asked again before: what fails otherwise is tried often enough.
const AGAIN: Duration = Duration::from_mins(1);

/// What is known of the specifications that a sandbox and credential see.
#[derive(Debug, Default)]
pub struct Preflight {
    /// Held while the platform is asked: that is the single flight.
    flight: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    passed: bool,
    /// Until then nobody asks.
    not_before: Option<Instant>,
    finished: u64,
    last: Option<Hidden>,
}

impl State {
    fn is_known(&self) -> bool {
        self.passed || self.not_before.is_some_and(|at| Instant::now() < at)
    }
}

/// A specification that the organization does not see, and the platform's words.
#[derive(Clone, Debug)]
pub struct Hidden {
    /// Which one.
    pub spec: Needed,
    /// The words.
    pub error: ApiError,
}

impl Preflight {
    /// The first specification that is hidden from `sandbox`, if one is.
    pub async fn check(&self, sandbox: &Sandbox) -> Option<Hidden> {
        let seen = {
            let state = self.state();
            if state.is_known() {
                return None;
            }
            state.finished
        };
        let _flight = self.flight.lock().await;
        {
            let state = self.state();
            // Somebody asked while we stood in line: that is our answer too.
            if state.is_known() || state.finished != seen {
                return state.last.clone();
            }
        }
        let answers = join_all(REQUIRED.map(|spec| look(sandbox, spec))).await;
        let mut state = self.state();
        state.finished += 1;
        state.passed = answers.iter().all(|answer| matches!(answer, Ok(None)));
        state.last = answers.into_iter().find_map(|answer| answer.ok().flatten());
        if !state.passed && state.last.is_none() {
            state.not_before = Some(Instant::now() + AGAIN);
        }
        state.last.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a specification is hidden. An error: not known, to be asked again.
async fn look(sandbox: &Sandbox, spec: Needed) -> Result<Option<Hidden>, ()> {
    let seen = match spec {
        Needed::Connection(id) => sandbox.connection_spec(id).await.map(|it| hidden(it, spec)),
        Needed::Flow(id) => sandbox.flow_spec(id).await.map(|it| hidden(it, spec)),
    };
    seen.or_else(|error| {
        debug!(%error, "whether a specification is visible is not known");
        // A refusal to look says nothing about creating, and asking again would not change it.
        let lasts = matches!(error.class, Class::Permission | Class::Rejected);
        if lasts { Ok(None) } else { Err(()) }
    })
}

fn hidden<T>(seen: Visibility<T>, spec: Needed) -> Option<Hidden> {
    match seen {
        Visibility::Visible(_) => None,
        Visibility::Hidden(error) => Some(Hidden { spec, error }),
    }
}

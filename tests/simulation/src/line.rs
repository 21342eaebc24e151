//! The line of one incarnation of the operator to the world. When it goes dead, nothing leaves and nothing comes
//! back: what a process that is killed sees.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Numbers of one replica's incarnations; they follow the replica's own, in hundreds.
pub const LIVES: u64 = 100;

/// A side of a call at which a process can die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request has not left.
    BeforeSend,
    /// It was carried out; the reply has not come.
    AfterCommit,
    /// The reply has come; nothing has been done with it.
    AfterReply,
}

/// When a process dies.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    /// Of old age.
    Never,
    /// When this many calls have left or come back.
    Boundary(u64),
    /// At the first call that matches: method, part of the path, how often it matched before.
    At {
        /// HTTP method.
        method: &'static str,
        /// What the path ends with, ids left out (`*` stands for one segment).
        path: &'static str,
        /// Which side of it.
        moment: Moment,
    },
}

/// The line; clones share it.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which incarnation's.
    pub number: u64,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    died: Notify,
}

#[derive(Debug)]
struct State {
    death: Death,
    crossed: u64,
    dead: bool,
    doomed: bool,
}

impl Line {
    /// A line that goes dead as `death` says.
    pub fn new(number: u64, death: Death) -> Self {
        let state = State {
            death,
            crossed: 0,
            dead: false,
            doomed: false,
        };
        Self {
            number,
            inner: Arc::new(Inner {
                state: Mutex::new(state),
                died: Notify::new(),
            }),
        }
    }

    /// Whose incarnation it is.
    pub fn replica(&self) -> u64 {
        self.number / LIVES
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = &self.inner.state;
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something may pass now; the call that may not is the last thing its process sees.
    pub fn pass(&self, moment: Moment, method: &str, path: &str) -> bool {
        let mut state = self.state();
        if state.dead {
            return false;
        }
        let dies = match state.death {
            Death::Never => false,
            Death::Boundary(number) => {
                state.crossed += 1;
                state.crossed > number
            }
            Death::At {
                method: at_method,
                path: at_path,
                moment: at_moment,
            } => {
                let here = method == at_method && matches(path, at_path);
                match at_moment {
                    // The reply comes; whatever is sent next does not leave.
                    Moment::AfterReply if state.doomed => moment == Moment::BeforeSend,
                    Moment::AfterReply => {
                        state.doomed = here && moment == Moment::AfterCommit;
                        false
                    }
                    at_moment => here && moment == at_moment,
                }
            }
        };
        if dies {
            state.dead = true;
            self.inner.died.notify_one();
        }
        !dies
    }

    /// It will not go dead by itself any more.
    pub fn spare(&self) {
        self.state().death = Death::Never;
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.state().dead = true;
        self.inner.died.notify_one();
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Ends when the line goes dead.
    pub async fn died(&self) {
        self.inner.died.notified().await;
    }
}

/// Whether the end of a path is as the pattern says.
fn matches(path: &str, pattern: &str) -> bool {
    let path: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
    let pattern: Vec<&str> = pattern.split('/').filter(|it| !it.is_empty()).collect();
    path.len() >= pattern.len()
        && pattern
            .iter()
            .rev()
            .zip(path.iter().rev())
            .all(|(pattern, segment)| *pattern == "*" || pattern == segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_as_the_pattern_says() {
        assert!(matches("/a/flows", "flows"));
        assert!(matches("/a/flows/1", "flows/*"));
        assert!(!matches("/a/flows/1", "flows"));
    }

    #[test]
    fn after_the_reply_nothing_leaves_any_more() {
        let death = Death::At {
            method: "POST",
            path: "flows",
            moment: Moment::AfterReply,
        };
        let line = Line::new(1, death);
        assert!(line.pass(Moment::BeforeSend, "POST", "/flows"));
        assert!(line.pass(Moment::AfterCommit, "POST", "/flows"));
        assert!(line.pass(Moment::AfterCommit, "GET", "/other"));
        assert!(!line.pass(Moment::BeforeSend, "PATCH", "/status"));
        assert!(line.is_dead());
    }
}

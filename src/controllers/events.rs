//! Events: what `kubectl describe` shows below the conditions.
//!
//! Nothing waits for an Event: reconciles queue them, and one task publishes them in that order ([`super::publisher`]). One that
//! cannot be published, or for which the queue has no room, is a line in the log. Repeats of the same type, action, reason
//! and object are folded and keep the first text, so each text has its own action.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::api::core::v1::ObjectReference;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::debug;

use crate::plan::Step;

/// Events that wait to be published, at most: some two megabytes, and several seconds' worth of kube-apiserver's time.
pub(super) const QUEUE: usize = 4096;

/// Where Events are queued.
pub struct Events {
    queue: Sender<(ObjectReference, Note)>,
}

/// What was queued.
pub type Queued = Receiver<(ObjectReference, Note)>;

impl Events {
    /// An empty queue and its end.
    pub fn new() -> (Self, Queued) {
        let (queue, queued) = channel(QUEUE);
        (Self { queue }, queued)
    }
}

/// One Event to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether something is wrong.
    pub warning: bool,
    /// CamelCase reason.
    pub reason: String,
    /// CamelCase action; tells apart Events of one reason.
    pub action: String,
    /// What happened, for people.
    pub note: String,
}

impl Note {
    /// Something was done.
    pub fn normal(reason: &str, step: &Step, note: String) -> Self {
        Self {
            warning: false,
            reason: reason.to_owned(),
            action: format!("{}{:08X}", action(step), short_hash(&note)),
            note,
        }
    }

    /// Something could not be done.
    pub fn warning(reason: &str, step: &Step, note: String) -> Self {
        Self {
            warning: true,
            ..Self::normal(reason, step, note)
        }
    }
}

/// The action of a condition's Event: kube folds repeats and keeps the first text, so two different
/// messages of one reason need two actions.
pub fn action_for(message: &str) -> String {
    format!("Reconcile{:08X}", short_hash(message))
}

fn short_hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish() & 0xFFFF_FFFF
}

/// The step as one CamelCase word without ids: `create flow` is `CreateFlow`.
fn action(step: &Step) -> String {
    let camel = |words: &str| {
        words
            .split([' ', '-'])
            .map(|word| {
                let mut letters = word.chars();
                letters.next().map_or_else(String::new, |first| {
                    first.to_uppercase().chain(letters).collect()
                })
            })
            .collect::<String>()
    };
    let verb = step.to_string();
    let verb = verb.split(' ').next().unwrap_or_default().to_owned();
    format!("{}{}", camel(&verb), camel(step.kind().word()))
}

impl Events {
    /// Has `note` about `regarding` published; does not wait.
    pub fn publish(&self, regarding: ObjectReference, note: Note) {
        if let Err(error) = self.queue.try_send((regarding, note)) {
            debug!(%error, "an Event was not published");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RemoteKind;

    #[test]
    fn steps_have_actions_of_their_own() {
        let delete = |kind| Step::Delete {
            kind,
            id: "x y".into(),
        };
        assert_eq!(action(&delete(RemoteKind::Flow)), "DeleteFlow");
        assert_eq!(
            action(&delete(RemoteKind::TargetConnection)),
            "DeleteTargetConnection"
        );
    }
}

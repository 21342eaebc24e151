//! Events: what `kubectl describe` shows below the conditions.
//!
//! A failed publish never fails a reconcile. kube's recorder folds repeats of the same type, action,
//! reason and object within six minutes and keeps the first text, so each text has its own action.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::debug;

use crate::plan::Step;

/// Longest note the API server takes, in bytes.
const NOTE_MAX: usize = 1000;

/// Publishes Events.
pub struct Events {
    recorder: Recorder,
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
    /// Events of this process, published as `client`.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let reporter = Reporter {
            controller: "aep-operator".to_owned(),
            instance,
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Publishes `note` about `regarding`.
    pub async fn publish(&self, regarding: &ObjectReference, note: Note) {
        let event = Event {
            type_: if note.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: note.reason,
            note: Some(cut(note.note)),
            action: note.action,
            secondary: None,
        };
        let published = super::record::within(self.recorder.publish(&event, regarding)).await;
        if let Err(error) = published {
            debug!(%error, "an Event was not published");
        }
    }
}

fn cut(mut note: String) -> String {
    if note.len() > NOTE_MAX {
        let end = (0..=NOTE_MAX)
            .rev()
            .find(|index| note.is_char_boundary(*index))
            .unwrap_or_default();
        note.truncate(end);
    }
    note
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

    #[test]
    fn a_long_note_is_cut_between_letters() {
        assert_eq!(cut("ü".repeat(600)).len(), 1000);
    }
}

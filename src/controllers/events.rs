//! Events: what `kubectl describe` shows below the conditions.
//!
//! Nothing waits for an Event: reconciles queue them, and one task publishes them in that order. One that cannot be published,
//! or for which the queue has no room, is a line in the log. kube's recorder folds repeats of the same type, action,
//! reason and object within six minutes and keeps the first text, so each text has its own action.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::plan::Step;

/// Longest note the API server takes, in bytes.
const NOTE_MAX: usize = 1000;

/// Events that wait to be published, at most: some two megabytes, and several seconds' worth of kube-apiserver's time.
const QUEUE: usize = 4096;
/// How long those that still wait when the operator ends may take.
const LAST: Duration = Duration::from_secs(5);

/// Where Events are queued.
pub struct Events {
    queue: Sender<(ObjectReference, Note)>,
}

/// Publishes what was queued.
pub struct Publisher {
    recorder: Recorder,
    queue: Receiver<(ObjectReference, Note)>,
}

/// Events of this process, published as `client`.
pub fn events(client: Client, instance: Option<String>) -> (Events, Publisher) {
    let reporter = Reporter {
        controller: "aep-operator".to_owned(),
        instance,
    };
    let (sender, receiver) = channel(QUEUE);
    let publisher = Publisher {
        recorder: Recorder::new(client, reporter),
        queue: receiver,
    };
    (Events { queue: sender }, publisher)
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

impl Publisher {
    /// Publishes until nothing comes any more: `ended`. What is queued by then is still published, if that goes fast.
    pub async fn run(mut self, ended: &CancellationToken) {
        let limit = async {
            ended.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::select! {
            biased;
            () = self.publish_all(ended) => {}
            () = limit => debug!("the last Events were not published"),
        }
    }

    async fn publish_all(&mut self, ended: &CancellationToken) {
        loop {
            let next = tokio::select! {
                biased;
                next = self.queue.recv() => next,
                () = ended.cancelled() => None,
            };
            let Some((regarding, note)) = next else {
                return;
            };
            self.publish(&regarding, note).await;
        }
    }

    async fn publish(&self, regarding: &ObjectReference, note: Note) {
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
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use kube::client::Body;
    use tokio::time::Instant;

    use super::*;
    use crate::plan::RemoteKind;

    /// An API server that takes Events, `wait` each, and what it was sent.
    fn api(wait: Duration) -> (Client, Arc<Mutex<Vec<String>>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&sent);
        let service = tower::service_fn(move |request: Request<Body>| {
            let noted = Arc::clone(&noted);
            async move {
                tokio::time::sleep(wait).await;
                let body = request.into_body().collect_bytes().await.unwrap();
                let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
                noted
                    .lock()
                    .unwrap()
                    .push(event["note"].as_str().unwrap().to_owned());
                Ok::<_, tower::BoxError>(Response::new(Body::from(body.to_vec())))
            }
        });
        (Client::new(service, "default"), sent)
    }

    fn regarding() -> ObjectReference {
        ObjectReference {
            kind: Some("AepDataflow".into()),
            name: Some("web".into()),
            namespace: Some("marketing".into()),
            ..ObjectReference::default()
        }
    }

    fn note(text: &str) -> Note {
        Note {
            warning: false,
            reason: "Ready".into(),
            action: action_for(text),
            note: text.into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_queued_when_the_operator_ends_is_still_published_in_order() {
        let (client, sent) = api(Duration::ZERO);
        let (events, publisher) = events(client, None);
        for text in ["one", "two", "three"] {
            events.publish(regarding(), note(text));
        }
        let ended = CancellationToken::new();
        ended.cancel();
        publisher.run(&ended).await;
        assert_eq!(*sent.lock().unwrap(), ["one", "two", "three"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_an_api_server_that_takes_no_events() {
        let (client, sent) = api(Duration::from_hours(1));
        let (events, publisher) = events(client, None);
        for number in 0..2 * QUEUE {
            events.publish(regarding(), note(&number.to_string()));
        }
        let ended = CancellationToken::new();
        let begun = Instant::now();
        let end = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            ended.cancel();
        };
        tokio::join!(publisher.run(&ended), end);
        let most = LAST + Duration::from_secs(2);
        assert!(begun.elapsed() < most, "{:?}", begun.elapsed());
        assert!(sent.lock().unwrap().is_empty());
    }

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

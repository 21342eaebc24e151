//! Publishes Events: one request each, one after the other.
//!
//! A repeat of what was told a little while ago (same type, reason, action and object) counts that Event up instead of adding
//! one, as kubectl shows it (`x3 over 5m`). kube's own recorder does that too, but keeps every Event whole for six minutes: ten
//! thousand dataflows that came at once made a gigabyte of them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::clock::Clock;

use super::events::{Note, Queued};
use super::record::{RecordError, within};

/// The name in `reportingController`.
const CONTROLLER: &str = "aep-operator";
/// How long a repeat is folded into the Event before it; as kube's recorder and client-go's.
const FOLDED: Duration = Duration::from_mins(6);
/// Between two looks at which Events are too old to be counted up.
const SWEEP: Duration = Duration::from_mins(1);
/// How long those that still wait when the operator ends may take.
const LAST: Duration = Duration::from_secs(5);
/// Why nothing can be made in a namespace that is being deleted.
const TERMINATING: &str = "NamespaceTerminating";
/// Longest note the API server takes, in bytes.
const NOTE_MAX: usize = 1000;

/// Publishes what was queued.
pub struct Publisher {
    client: Client,
    instance: Option<String>,
    clock: Clock,
    queued: Queued,
    told: HashMap<u64, Told>,
    swept: Instant,
    /// When it was last said that one could not be published.
    warned: Option<Instant>,
}

/// An Event that may be counted up.
struct Told {
    name: String,
    count: i32,
    at: Instant,
}

impl Publisher {
    /// Of this process, as `client`.
    pub fn new(client: Client, instance: Option<String>, clock: Clock, queued: Queued) -> Self {
        Self {
            client,
            instance,
            clock,
            queued,
            told: HashMap::new(),
            swept: Instant::now(),
            warned: None,
        }
    }

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
                next = self.queued.recv() => next,
                () = ended.cancelled() => None,
            };
            let Some((regarding, note)) = next else {
                return;
            };
            let of = regarding.name.clone().unwrap_or_default();
            let namespace = regarding.namespace.clone().unwrap_or_default();
            if let Err(error) = self.publish(regarding, note).await {
                self.unpublished(&namespace, &of, &error);
            }
        }
    }

    async fn publish(&mut self, regarding: ObjectReference, note: Note) -> Result<(), RecordError> {
        self.sweep();
        let namespace = regarding.namespace.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let key = key(&regarding, &note);
        let now = self.clock.exact();
        // Taken out: one that cannot be counted up, because somebody deleted it, is told anew the next time.
        let told = if let Some(told) = self.told.remove(&key) {
            let count = told.count.saturating_add(1);
            let series = json!({"series": {"count": count, "lastObservedTime": MicroTime(now)}});
            let patch = Patch::Merge(series);
            within(api.patch(&told.name, &PatchParams::default(), &patch)).await?;
            Told {
                count,
                at: Instant::now(),
                ..told
            }
        } else {
            let of = regarding.name.as_deref().unwrap_or(CONTROLLER);
            let name = format!("{of}.{:x}", now.as_nanosecond());
            let instance = self.instance.as_deref().unwrap_or(CONTROLLER);
            let event = Event {
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    namespace: Some(namespace),
                    ..ObjectMeta::default()
                },
                type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
                reason: Some(note.reason),
                action: Some(note.action),
                note: Some(cut(note.note)),
                event_time: Some(MicroTime(now)),
                regarding: Some(regarding),
                reporting_controller: Some(CONTROLLER.to_owned()),
                reporting_instance: Some(instance.to_owned()),
                ..Event::default()
            };
            within(api.create(&PostParams::default(), &event)).await?;
            Told {
                name,
                count: 1,
                at: Instant::now(),
            }
        };
        self.told.insert(key, told);
        Ok(())
    }

    /// What the Event said is in the log anyway; that Events do not come is said, but not for each of them, and not
    /// of a namespace that is gone.
    fn unpublished(&mut self, namespace: &str, name: &str, error: &RecordError) {
        let now = Instant::now();
        let lately = |at: Instant| now.duration_since(at) < FOLDED;
        if is_of_the_gone(error) || self.warned.is_some_and(lately) {
            debug!(namespace, name, %error, "an Event was not published");
            return;
        }
        self.warned = Some(now);
        warn!(namespace, name, %error, "an Event was not published; for the next six minutes further ones are logged at level debug");
    }

    fn sweep(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.swept) >= SWEEP {
            self.swept = now;
            self.told
                .retain(|_, told| now.duration_since(told.at) < FOLDED);
            self.told.shrink_to_fit();
        }
    }
}

/// Whether the namespace, or the Event that would be counted up, is gone or about to go.
fn is_of_the_gone(error: &RecordError) -> bool {
    let RecordError::Kube(error) = error else {
        return matches!(error, RecordError::Gone);
    };
    let kube::Error::Api(status) = &**error else {
        return false;
    };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == TERMINATING)
}

fn key(regarding: &ObjectReference, note: &Note) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        &regarding.kind,
        &regarding.namespace,
        &regarding.name,
        &regarding.uid,
    )
        .hash(&mut hasher);
    (note.warning, &note.reason, &note.action).hash(&mut hasher);
    hasher.finish()
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

    use super::super::events::{Events, QUEUE, action_for};
    use super::*;
    use k8s_openapi::jiff::Timestamp;

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
                let told = match event["series"]["count"].as_i64() {
                    Some(count) => format!("x{count}"),
                    None => event["note"].as_str().unwrap().to_owned(),
                };
                noted.lock().unwrap().push(told);
                Ok::<_, tower::BoxError>(Response::new(Body::from(body.to_vec())))
            }
        });
        (Client::new(service, "default"), sent)
    }

    fn publishing(client: Client) -> (Events, Publisher) {
        let (events, queued) = Events::new();
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        (events, Publisher::new(client, None, clock, queued))
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
        let (events, publisher) = publishing(client);
        for text in ["one", "two", "three"] {
            events.publish(regarding(), note(text));
        }
        let ended = CancellationToken::new();
        ended.cancel();
        publisher.run(&ended).await;
        assert_eq!(*sent.lock().unwrap(), ["one", "two", "three"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_is_counted_up_for_six_minutes_and_then_forgotten() {
        let (client, sent) = api(Duration::ZERO);
        let (_events, mut publisher) = publishing(client);
        for (text, later) in [
            ("one", 0),
            ("one", 300),
            ("two", 0),
            ("one", 300),
            ("one", 420),
        ] {
            tokio::time::advance(Duration::from_secs(later)).await;
            publisher.publish(regarding(), note(text)).await.unwrap();
        }
        assert_eq!(*sent.lock().unwrap(), ["one", "x2", "two", "x3", "one"]);
        assert_eq!(publisher.told.len(), 1, "what is old is not kept");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_an_api_server_that_takes_no_events() {
        let (client, sent) = api(Duration::from_hours(1));
        let (events, publisher) = publishing(client);
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
    fn a_namespace_that_goes_is_no_reason_to_warn_and_a_missing_right_is() {
        let refused = |code: u16, reason: &str, cause: &str| {
            let details = json!({"causes": [{"reason": cause, "message": "", "field": ""}]});
            let status = json!({"status": "Failure", "code": code, "message": "", "reason": reason, "details": details});
            let status = serde_json::from_value(status).unwrap();
            RecordError::from(kube::Error::Api(status))
        };
        assert!(is_of_the_gone(&refused(403, "Forbidden", TERMINATING)));
        assert!(is_of_the_gone(&refused(404, "NotFound", "")));
        assert!(!is_of_the_gone(&refused(403, "Forbidden", "")));
        assert!(!is_of_the_gone(&RecordError::Timeout));
    }

    #[test]
    fn a_long_note_is_cut_between_letters() {
        assert_eq!(cut("ü".repeat(600)).len(), 1000);
    }
}

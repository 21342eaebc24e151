//! What a log line holds, and which are written.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::{debug, error_span, info, warn};

use super::subscriber;
use crate::config::LogFormat;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn written(format: LogFormat, filter: &str, say: impl FnOnce()) -> String {
    let paper = Paper::default();
    let writer = paper.clone();
    let (subscriber, _filter) = subscriber(format, filter, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, say);
    paper.text()
}

/// As a reconcile, its step and a call open them.
fn within_a_call(say: impl FnOnce()) {
    let reconcile = error_span!(
        "reconcile",
        kind = "AepDataflow",
        namespace = "n",
        resource = "a"
    );
    reconcile.in_scope(|| {
        error_span!("step", step = "create the flow").in_scope(|| {
            let call = error_span!("call", request_id = tracing::field::Empty);
            call.record("request_id", "req-1");
            call.in_scope(say);
        });
    });
}

#[test]
fn a_json_line_names_resource_step_and_request() {
    let text = written(LogFormat::Json, "warn", || {
        within_a_call(|| warn!(class = "throttled", "refused"));
    });
    let line: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(line["message"], "refused");
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["class"], "throttled");
    let spans = line["spans"].as_array().unwrap();
    let of = |field: &str| spans.iter().find_map(|span| span[field].as_str());
    assert_eq!(of("kind"), Some("AepDataflow"));
    assert_eq!(of("namespace"), Some("n"));
    assert_eq!(of("step"), Some("create the flow"));
    assert_eq!(of("request_id"), Some("req-1"));
    assert_eq!(of("resource"), Some("a"));
}

#[test]
fn a_text_line_names_them_too_and_has_no_colours() {
    let text = written(LogFormat::Text, "info", || within_a_call(|| info!("made")));
    for part in [
        "kind=\"AepDataflow\"",
        "step=\"create the flow\"",
        "request_id=\"req-1\"",
        "made",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn the_filter_changes_while_lines_are_written() {
    let paper = Paper::default();
    let writer = paper.clone();
    let (subscriber, filter) = subscriber(LogFormat::Text, "info", move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let say = |what: &str| debug!("{what}");
        say("before");
        filter.set("info,aep_operator=debug").unwrap();
        say("between");
        filter.set("info").unwrap();
        say("after");
    });
    let text = paper.text();
    assert!(text.contains("between"), "{text}");
    assert!(
        !text.contains("before") && !text.contains("after"),
        "{text}"
    );
    assert_eq!(filter.text(), "info");
}

#[test]
fn a_filter_with_a_typing_error_is_refused_and_the_one_before_stays() {
    let (_subscriber, filter) = subscriber(LogFormat::Text, "info", std::io::sink).unwrap();
    for bad in ["", "debgu", "aep_operator=loud", "info,", "info,debgu"] {
        let why = filter.set(bad).unwrap_err().to_string();
        assert!(why.contains("aep_operator=debug"), "{bad}: {why}");
    }
    assert_eq!(filter.text(), "info");
    for good in [
        "warn",
        "off",
        "info,aep_operator=trace",
        "aep_operator[reconcile{resource=a}]=debug",
    ] {
        filter.set(good).unwrap();
    }
}

//! Runs to the condition, as a user would read it.

use serde_json::json;

use super::*;
use crate::resources::ingestion::Expectation;

const T0: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(T0 + second).unwrap()
}

/// A run that began at `start` and took a minute, with these records landed and failed.
fn run(start: i64, landed: u64, failed: u64) -> Run {
    let code = if landed == 0 {
        "MAPPER-3700-400"
    } else {
        "INGEST-1212-400"
    };
    with_code(start, landed, failed, code)
}

fn with_code(start: i64, landed: u64, failed: u64, code: &str) -> Run {
    let start = u64::try_from(T0 + start).unwrap() * 1000;
    let status = match (landed, failed) {
        (_, 0) => "success",
        (0, _) => "failed",
        _ => "PARTIAL_SUCCESS",
    };
    let errors = if failed == 0 {
        json!([])
    } else {
        json!([{"code": code, "message": format!("required key [_id] not found in jane@example.com {start}")}])
    };
    serde_json::from_value(json!({
        "id": format!("run-{start}"), "flowId": "f", "createdAt": start, "updatedAt": start + 60_000,
        "metrics": {
            "durationSummary": {"startedAtUTC": start, "completedAtUTC": start + 60_000},
            "recordSummary": {"inputRecordCount": landed + failed, "outputRecordCount": landed, "failedRecordCount": failed},
            "statusSummary": {"status": status, "errors": errors}
        }
    }))
    .unwrap()
}

/// A flow over time: what is told is remembered as a status would.
struct Story {
    subject: Subject,
    told: Option<Told>,
    status: String,
    message: String,
    seen: Option<Seen>,
    writes: usize,
}

impl Story {
    fn new(every: Option<&str>, max_failed_percent: Option<i32>) -> Self {
        let expect = Expectation {
            every: every.map(str::to_owned),
            max_failed_percent,
        };
        Self {
            subject: Subject {
                flow: "f".into(),
                disabled: false,
                disabled_by_spec: true,
                expect: (expect != Expectation::default()).then_some(expect),
            },
            told: None,
            status: String::new(),
            message: String::new(),
            seen: None,
            writes: 0,
        }
    }

    /// A reconcile, as one follows every piece of news.
    fn reconcile(&mut self, now: i64) {
        let Some(verdict) = judge(&self.subject, self.told.as_ref(), self.seen.as_ref()) else {
            return;
        };
        if !verdict.is_news(self.told.as_ref()) {
            assert_eq!(
                verdict.message, self.message,
                "a message that changes without a reason"
            );
            return;
        }
        self.writes += 1;
        let since = match &self.told {
            Some(told) if self.status == verdict.status => told.since,
            _ => at(now),
        };
        verdict.status.clone_into(&mut self.status);
        self.message = verdict.message;
        self.told = Some(Told {
            reason: verdict.reason.to_string(),
            since,
            last_run: verdict.last_run.map(Box::new),
        });
    }

    /// A look at the platform, then a reconcile.
    fn look(&mut self, now: i64, runs: &[Run]) -> (&str, &str) {
        let runs: Vec<&Run> = runs.iter().collect();
        self.seen.get_or_insert_default().take_in(at(now), &runs);
        self.reconcile(now);
        (&self.status, &self.told.as_ref().unwrap().reason)
    }

    fn last_run(&self) -> &LastRun {
        self.told.as_ref().unwrap().last_run.as_ref().unwrap()
    }
}

#[test]
fn a_flow_is_unknown_until_its_first_run_and_true_after_it() {
    let mut story = Story::new(None, None);
    story.reconcile(0);
    assert_eq!(
        (
            story.status.as_str(),
            story.told.as_ref().unwrap().reason.as_str()
        ),
        ("Unknown", "NoRunYet")
    );
    assert_eq!(story.look(60, &[]), ("Unknown", "NoRunYet"));
    assert_eq!(
        story.look(120, &[run(0, 0, 0)]),
        ("Unknown", "NoRunYet"),
        "an empty run is none"
    );
    assert_eq!(story.look(240, &[run(120, 3, 0)]), ("True", "Ingesting"));
    assert_eq!(story.last_run().received, Some(3));
    assert_eq!(story.writes, 2);
}

#[test]
fn a_run_a_minute_writes_once() {
    let mut story = Story::new(Some("1h"), Some(10));
    for minute in 0..1000 {
        // Within what is expected, some fail now and then.
        let failed = u64::from(minute % 7 == 0);
        assert_eq!(
            story.look(minute * 60, &[run(minute * 60 - 60, 20, failed)]),
            ("True", "Ingesting")
        );
    }
    assert_eq!(story.writes, 1);
}

#[test]
fn a_failed_run_says_code_and_words_but_no_address_of_a_person() {
    let mut story = Story::new(None, None);
    story.look(60, &[run(0, 1, 0)]);
    assert_eq!(
        story.look(180, &[run(60, 0, 2), run(0, 1, 0)]),
        ("False", "RunFailed")
    );
    assert!(
        story
            .message
            .contains("MAPPER-3700-400: required key [_id] not found"),
        "{}",
        story.message
    );
    let error = story.last_run().error.as_ref().unwrap();
    assert_eq!(error.code, "MAPPER-3700-400");
    for shown in [&story.message, &error.message] {
        assert!(
            !shown.contains("jane") && !shown.contains("example.com"),
            "{shown}"
        );
    }
    // The same failure again, in other words: nothing new.
    story.look(240, &[run(120, 0, 9)]);
    assert_eq!(story.writes, 2);
    // Another code is news, and so is a success.
    story.look(300, &[with_code(180, 0, 9, "CONNECTOR-1001-500")]);
    assert!(
        story.message.contains("CONNECTOR-1001-500") && story.writes == 3,
        "{}",
        story.message
    );
    assert_eq!(story.look(360, &[run(240, 1, 0)]), ("True", "Ingesting"));
    assert_eq!(story.last_run().error, None);
}

#[test]
fn some_failures_are_told_once_an_hour_at_most() {
    let mut story = Story::new(None, None);
    for minute in 0..180 {
        story.look(
            minute * 60 + 60,
            &[run(minute * 60, 10, u64::try_from(minute % 2).unwrap())],
        );
        assert_eq!(story.status, "True");
    }
    // True, then in each of three hours: some fail, and (but at the very end) no more.
    assert!((5..=7).contains(&story.writes), "{} writes", story.writes);
}

#[test]
fn more_failures_than_allowed_are_false_and_as_many_as_allowed_are_not() {
    for (most, failed, told) in [
        (10, 1, ("True", "Ingesting")),
        (10, 2, ("False", "TooManyFailed")),
        (0, 1, ("False", "TooManyFailed")),
        (0, 0, ("True", "Ingesting")),
        (100, 9, ("True", "Ingesting")),
    ] {
        let mut story = Story::new(None, Some(most));
        assert_eq!(
            story.look(60, &[run(0, 10 - failed, failed)]),
            told,
            "{failed} of 10 with {most}"
        );
        if told.0 == "False" {
            assert!(
                story.message.contains(&format!("{most} percent"))
                    && story.message.contains("INGEST-1212-400"),
                "{}",
                story.message
            );
        }
    }
    // AEP may not say how many came in.
    let mut unknown = run(0, 1, 3);
    unknown.records.received = None;
    assert_eq!(
        Story::new(None, Some(70)).look(60, &[unknown]),
        ("False", "TooManyFailed")
    );
}

#[test]
fn silence_is_told_when_it_is_too_long_and_not_before() {
    let mut story = Story::new(Some("15m"), None);
    story.reconcile(0);
    assert_eq!(
        story.look(900, &[]),
        ("Unknown", "NoRunYet"),
        "from when it was first told of"
    );
    assert_eq!(story.look(901, &[]), ("False", "NothingArrived"));
    assert!(story.message.contains("(15m)"), "{}", story.message);
    assert_eq!(story.look(5000, &[run(4900, 1, 0)]), ("True", "Ingesting"));
    assert_eq!(
        story.look(4960 + 901, &[]),
        ("False", "NothingArrived"),
        "the run ended at 4960"
    );
    assert_eq!(story.last_run().id, run(4900, 1, 0).id);
    let writes = story.writes;
    assert_eq!(story.look(9000, &[]), ("False", "NothingArrived"));
    assert_eq!(story.writes, writes);
    // A run that failed came from somewhere.
    assert_eq!(story.look(9100, &[run(9000, 0, 1)]), ("False", "RunFailed"));
}

#[test]
fn a_run_under_way_is_no_verdict_but_breaks_the_silence() {
    let mut open = run(1000, 5, 0);
    (open.status, open.completed_at) = (RunStatus::UnderWay, None);
    let mut story = Story::new(Some("5m"), None);
    story.look(0, &[run(-60, 1, 0)]);
    assert_eq!(story.look(1100, &[open]), ("True", "Ingesting"));
    assert_eq!(story.last_run().id, run(-60, 1, 0).id);
}

#[test]
fn a_restart_changes_nothing_and_silence_goes_on_counting() {
    let mut story = Story::new(Some("15m"), None);
    story.look(60, &[run(0, 1, 0)]);
    story.look(700, &[run(600, 1, 0)]);
    let before = story.told.clone();
    story.seen = None;
    story.reconcile(800);
    assert_eq!(story.told, before, "nobody has looked since");
    story.look(900, &[run(0, 1, 0), run(600, 1, 0)]);
    assert_eq!(story.told, before);
    // The runs of before may be gone: the condition has been true since 60.
    story.seen = None;
    assert_eq!(story.look(900, &[]), ("True", "Ingesting"));
    assert_eq!(story.look(2000, &[]), ("False", "NothingArrived"));
    assert_eq!(story.writes, 2);
}

#[test]
fn a_disabled_flow_says_so_and_starts_anew_when_it_is_enabled() {
    let mut story = Story::new(Some("15m"), None);
    story.look(60, &[run(0, 0, 1)]);
    story.subject.disabled = true;
    assert_eq!(story.look(120, &[]), ("False", "FlowDisabled"));
    assert_eq!(
        story.look(9000, &[]),
        ("False", "FlowDisabled"),
        "silence is what was asked for"
    );
    assert!(story.message.contains("spec.state"), "{}", story.message);
    story.subject.disabled = false;
    assert_eq!(
        story.look(9100, &[]),
        ("Unknown", "NoRunYet"),
        "neither silent nor failed since"
    );
    assert_eq!(story.look(9200, &[run(0, 0, 1)]), ("Unknown", "NoRunYet"));
    assert_eq!(story.look(9300, &[run(9150, 1, 0)]), ("True", "Ingesting"));
    story.subject = Subject {
        disabled: true,
        disabled_by_spec: false,
        ..story.subject
    };
    story.look(9400, &[]);
    assert!(
        !story.message.contains("spec.state says"),
        "{}",
        story.message
    );
}

#[test]
fn runs_that_cannot_be_read_are_unknown_with_the_code() {
    let mut story = Story::new(None, None);
    story.look(60, &[run(0, 1, 0)]);
    let refused = crate::platform::classify(
        "list_runs",
        &http::Method::GET,
        http::StatusCode::FORBIDDEN,
        &http::HeaderMap::new(),
        br#"{"code": "FLOW-2000-403", "message": "no"}"#,
    );
    let seen = story.seen.as_mut().unwrap();
    seen.unreadable = Unreadable::of(&refused);
    story.reconcile(120);
    assert_eq!(
        (
            story.status.as_str(),
            story.told.as_ref().unwrap().reason.as_str()
        ),
        ("Unknown", "PermissionDenied")
    );
    assert!(
        story.message.contains("View Sources") && story.message.contains("FLOW-2000-403"),
        "{}",
        story.message
    );
    assert_eq!(story.look(180, &[]), ("True", "Ingesting"));
}

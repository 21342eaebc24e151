//! Runs against bodies shaped like those of Adobe's pages.

use serde_json::json;

use super::*;

/// Adobe's own example, cut down: a success with a failed record.
fn body() -> Value {
    json!({
        "id": "9830305a", "flowId": "c9cef9cb", "createdAt": 1_596_656_079_576_u64, "updatedAt": 1_596_656_113_526_u64,
        "etag": "\"b800\"",
        "metrics": {
            "durationSummary": {"startedAtUTC": 1_596_656_058_198_u64, "completedAtUTC": 1_596_656_113_306_u64},
            "sizeSummary": {"inputBytes": -1, "outputBytes": 17_128},
            "recordSummary": {"inputRecordCount": 100, "outputRecordCount": 99, "failedRecordCount": 1},
            "statusSummary": {"status": "success",
                "errors": [{"code": "CONNECTOR-2001-500", "message": "Error occurred at promotion activity."}]}
        },
        "activities": [
            {"id": "copyActivity", "recordSummary": {}, "statusSummary": {"status": "success", "extensions": {"type": "one-time"}}},
            {"id": "promotionActivity", "statusSummary": {
                "status": "success",
                "errors": [{"code": "CONNECTOR-2001-500", "message": "Error occurred at promotion activity."}],
                "extensions": {
                    "manifest": {"failedRecords": "https://platform.example/b/1/meta?path=row_errors",
                        "sampleErrors": "https://platform.example/b/1/meta?path=row_error_samples.json"},
                    "errors": [
                        {"code": "INGEST-1212-400", "message": "Encountered 1 errors\nin the data."},
                        {"code": "MAPPER-3700-400", "recordCount": 1, "message": "Mapper Transform Error"}]}}}
        ]
    })
}

fn read(body: Value) -> Run {
    serde_json::from_value(body).unwrap()
}

#[test]
fn a_run_is_read_with_its_counts_and_all_its_errors_once() {
    let run = read(body());
    assert_eq!(
        (run.id.as_str(), run.flow_id.as_str()),
        ("9830305a", "c9cef9cb")
    );
    assert_eq!(run.status, RunStatus::Success);
    assert_eq!(
        (run.started_at, run.completed_at),
        (Some(1_596_656_058_198), Some(1_596_656_113_306))
    );
    let records = RunRecords {
        received: Some(100),
        ingested: Some(99),
        failed: Some(1),
    };
    assert_eq!(run.records, records);
    let errors: Vec<(&str, &str, Option<u64>)> = run
        .errors
        .iter()
        .map(|it| (it.code.as_str(), it.message.as_str(), it.records))
        .collect();
    assert_eq!(
        errors,
        [
            (
                "CONNECTOR-2001-500",
                "Error occurred at promotion activity.",
                None
            ),
            ("INGEST-1212-400", "Encountered 1 errors in the data.", None),
            ("MAPPER-3700-400", "Mapper Transform Error", Some(1)),
        ]
    );
    assert_eq!(
        run.samples.as_deref(),
        Some("https://platform.example/b/1/meta?path=row_error_samples.json")
    );
}

#[test]
fn the_words_for_a_status_come_in_every_case() {
    for (word, status) in [
        ("success", RunStatus::Success),
        ("SUCCESS", RunStatus::Success),
        ("COMPLETED", RunStatus::Success),
        ("PARTIAL_SUCCESS", RunStatus::Partial),
        ("PARTIAL_FAILURE", RunStatus::Partial),
        ("Failed", RunStatus::Failed),
        ("inProgress", RunStatus::UnderWay),
        ("IN_PROGRESS", RunStatus::UnderWay),
        ("QUEUED", RunStatus::UnderWay),
        ("SCHEDULED", RunStatus::UnderWay),
        ("Napping", RunStatus::Other("Napping".into())),
    ] {
        let mut body = body();
        body["metrics"]["statusSummary"]["status"] = json!(word);
        assert_eq!(read(body).status, status, "{word}");
    }
}

#[test]
fn what_is_not_told_is_none_and_never_nothing_failed() {
    let run = read(json!({"id": "r"}));
    assert_eq!(run.records, RunRecords::default());
    assert_eq!((run.started_at, run.completed_at), (None, None));
    assert_eq!(run.status, RunStatus::Other(String::new()));
    let mut body = body();
    body["metrics"]["recordSummary"] = json!({"inputRecordCount": -1, "failedRecordCount": "2"});
    let counts = read(body).records;
    assert_eq!(
        (counts.received, counts.ingested, counts.failed),
        (None, None, Some(2))
    );
}

#[test]
fn an_odd_part_of_a_run_does_not_lose_the_run() {
    for name in ["metrics", "activities", "createdAt", "updatedAt", "etag"] {
        for odd in [
            json!(null),
            json!({"new": ["shape"]}),
            json!([7]),
            json!("word"),
        ] {
            let mut body = body();
            body[name] = odd.clone();
            assert_eq!(read(body).flow_id, "c9cef9cb", "{name} as {odd}");
        }
    }
    let mut body = body();
    body.as_object_mut().unwrap().remove("activities");
    body["activites"] = json!([{"statusSummary": {"errors": ["plain words"]}}]);
    assert_eq!(read(body).errors[1].message, "plain words");
}

#[test]
fn a_run_that_went_wrong_in_many_ways_stays_small() {
    let mut body = body();
    let errors: Vec<Value> = (0..1000)
        .map(|n| json!({"code": format!("E-{n}"), "message": "x".repeat(10_000)}))
        .collect();
    body["metrics"]["statusSummary"]["errors"] = json!(errors);
    let run = read(body);
    assert_eq!(run.errors.len(), 10);
    assert!(
        run.errors
            .iter()
            .all(|it| it.message.chars().count() <= DETAIL_CHARS)
    );
}

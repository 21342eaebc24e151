//! Runs of flows.

use aep_operator::platform::{Class, Filter, RUN_FLOW_PROPERTY, RUN_STARTED_PROPERTY, RunStatus};
use serde_json::{Value, json};

use crate::far::{Answer, Far, answer, say};

const FLOW: &str = "f4d1c2b3-9a87-4e65-b432-10fedcba9876";

#[tokio::test(start_paused = true)]
async fn runs_are_read_as_adobe_shows_them() {
    for (name, status, counts, code) in [
        ("runs.list.success", RunStatus::Success, (12, 12, 0), None),
        (
            "runs.list.partial",
            RunStatus::Partial,
            (12, 10, 2),
            Some("INGEST-1212-400"),
        ),
        (
            "runs.list.failed",
            RunStatus::Failed,
            (5, 0, 5),
            Some("MAPPER-3700-400"),
        ),
    ] {
        let far = Far::new([answer(name)]);
        let filter = Filter::new().eq(RUN_FLOW_PROPERTY, FLOW);
        let list = far.sandbox.list_runs(&filter, 1).await.unwrap();
        assert!(list.is_complete);
        let [run] = list.runs.as_slice() else {
            panic!("{name}: {list:?}")
        };
        assert_eq!((run.flow_id.as_str(), &run.status), (FLOW, &status));
        let told = |n| Some(n);
        assert_eq!(
            (
                run.records.received,
                run.records.ingested,
                run.records.failed
            ),
            (told(counts.0), told(counts.1), told(counts.2)),
            "{name}"
        );
        assert_eq!(
            (run.started_at, run.completed_at),
            (Some(1_790_000_300_000), Some(1_790_000_305_000))
        );
        // The same error in the metrics and in an activity is one error.
        let codes: Vec<&str> = run.errors.iter().map(|it| it.code.as_str()).collect();
        assert_eq!(codes, code.into_iter().collect::<Vec<_>>());
        assert_eq!(
            far.lines(),
            [format!(
                "GET /flowservice/runs?property=flowId=={FLOW}&limit=100&orderby=-createdAt"
            )]
        );
    }
    let far = Far::new([answer("runs.list.empty")]);
    let none = far.sandbox.list_runs(&Filter::new(), 1).await.unwrap();
    assert!(none.runs.is_empty() && none.is_complete);
}

fn page(runs: &[(&str, u64)], next: Option<&str>) -> Answer {
    let items: Vec<Value> = runs
        .iter()
        .map(|(id, at)| json!({"id": id, "flowId": "f", "createdAt": at}))
        .collect();
    let links = next.map_or_else(
        || json!({}),
        |token| json!({"next": {"href": format!("/runs?continuationToken={token}")}}),
    );
    say(200, json!({"items": items, "_links": links}))
}

#[tokio::test(start_paused = true)]
async fn many_flows_share_a_list_and_only_so_many_pages_are_read() {
    let filter = Filter::new()
        .any_of(RUN_FLOW_PROPERTY, &["f", "g"])
        .above(RUN_STARTED_PROPERTY, 1_790_000_000_000);
    let pages = || {
        [
            page(&[("d", 40), ("c", 30)], Some("t1")),
            // A new run pushed one over; and a service that does not sort.
            page(&[("c", 30), ("a", 10), ("b", 20)], Some("t2")),
        ]
    };
    let far = Far::new(pages());
    let list = far.sandbox.list_runs(&filter, 2).await.unwrap();
    let ids: Vec<&str> = list.runs.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["d", "c", "b", "a"], "newest first, none twice");
    assert!(!list.is_complete);
    let query = "property=flowId==f,g&property=metrics.durationSummary.startedAtUTC%3E1790000000000&limit=100&orderby=-createdAt";
    assert_eq!(
        far.lines(),
        [
            format!("GET /flowservice/runs?{query}"),
            format!("GET /flowservice/runs?{query}&continuationToken=t1"),
        ]
    );
    let far = Far::new(pages().into_iter().chain([page(&[("z", 1)], None)]));
    let all = far.sandbox.list_runs(&filter, 50).await.unwrap();
    assert_eq!((all.runs.len(), all.is_complete), (5, true));
    let far = Far::new([page(&[], None)]);
    assert!(far.sandbox.list_runs(&filter, 0).await.unwrap().is_complete);
}

#[tokio::test(start_paused = true)]
async fn a_broken_list_of_runs_is_an_error() {
    for answers in [
        vec![say(200, "{}")],
        vec![say(200, r#"{"items":[{"flowId":"no id"}]}"#)],
        vec![say(200, r#"{"items":[{"id":"r","flowId":["f"]}]}"#)],
        vec![page(&[("a", 1)], Some("t")), page(&[("b", 2)], Some("t"))],
    ] {
        let far = Far::new(answers);
        let error = far.sandbox.list_runs(&Filter::new(), 9).await.unwrap_err();
        assert_eq!(error.class, Class::Unexpected, "{error}");
    }
    let bad = r#"{"type":"https://ns.adobe.com/aep/errors/FLOW-1449-400","report":{"detailed-message":"no such field"}}"#;
    let far = Far::new([say(400, bad)]);
    let error = far.sandbox.list_runs(&Filter::new(), 9).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_deref()),
        (Class::Rejected, Some("FLOW-1449-400"))
    );
}

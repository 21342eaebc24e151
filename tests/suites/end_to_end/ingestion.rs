//! Whether events land: the condition `Ingesting`, `status.lastRun`, what is expected, and that a flow in use is as
//! quiet as one at rest.

use std::time::{Duration, SystemTime};

use playground::operator_process::Signal;
use serde_json::{Value, json};

use crate::world::{SCHEMA, World, changed, condition, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";

/// Waits for the first second of a window of runs: what is sent then is of one run, which is open for a while.
pub async fn window_begins(window: Duration) {
    let into = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap().as_millis() % window.as_millis()
    };
    while into() > 1_000 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A dataflow that is ready, with runs of a second, looked at every second.
async fn running(expect: Value) -> World {
    let world = World::with(|options| {
        options.emulator.run_window = Duration::from_secs(1);
        options.operator_args = vec!["--runs-interval=1s".into(), "--stalled-retry=1h".into()];
    })
    .await;
    world.apply(&source("customer-io")).await;
    world.apply(&events(expect)).await;
    world.wait_ready(DATAFLOW).await;
    world
}

fn events(expect: Value) -> Value {
    let manifest = dataflow("customer-io-events", "customer-io");
    changed(manifest, "/spec/expect", expect)
}

/// From now on a record without any of the tutorial's fields fails.
async fn require_a_field(world: &World) {
    let schemas = world.objects("schema").await;
    let schema = schemas.iter().find(|it| it["$id"] == SCHEMA).unwrap();
    let mut parts = schema["allOf"].as_array().unwrap().clone();
    parts.push(json!({"required": ["_extconndev"]}));
    world
        .edit(json!({"kind": "schema", "id": schema["id"], "merge": {"allOf": parts}}))
        .await;
}

fn good() -> Value {
    json!({"event_id": "01E4C4CT6YDC7Y5M7FE1GWWPQJ", "metric": "delivered", "timestamp": 1_613_063_089})
}

/// An event of which no field is mapped.
fn bad() -> Value {
    json!({"who": "jane@example.com"})
}

/// Sends messages as one: they are of one run.
async fn send(world: &World, messages: &[Value]) {
    let status = &world.get(DATAFLOW).await["status"];
    let (url, flow) = (&status["inletUrl"], &status["flow"]["id"]);
    let (url, flow) = (url.as_str().unwrap(), flow.as_str().unwrap());
    let emulator = world.stack.emulator();
    let path = url.strip_prefix(emulator.url()).unwrap();
    let path = path.replace("/collection/", "/collection/batch/");
    let path = format!("{path}?x-adobe-flow-id={flow}");
    let batch = json!({"messages": messages});
    emulator.post(&path, &batch).await.unwrap();
}

/// Waits until `Ingesting` has this reason; the whole dataflow.
async fn wait_ingesting(world: &World, status: &str, reason: &str) -> Value {
    let stands = world
        .wait_for(&format!("Ingesting to say {reason}"), async || {
            let stands = world.get(DATAFLOW).await;
            (condition(&stands, "Ingesting")["reason"] == reason).then_some(stands)
        })
        .await;
    let ingesting = condition(&stands, "Ingesting");
    assert_eq!(ingesting["status"], status, "{ingesting}");
    assert_eq!(
        ingesting["observedGeneration"],
        stands["metadata"]["generation"]
    );
    assert_eq!(
        condition(&stands, "Ready")["status"],
        "True",
        "the objects stand as written"
    );
    stands
}

fn message(dataflow: &Value) -> String {
    let message = condition(dataflow, "Ingesting")["message"].clone();
    message.as_str().unwrap().to_owned()
}

async fn metric(world: &World, line: &str) -> u64 {
    let metrics = world.stack.metrics().await.unwrap();
    let value = metrics
        .lines()
        .find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn events_make_it_true_a_failed_run_false_with_its_code_and_more_of_the_same_writes_nothing()
{
    let world = running(Value::Null).await;
    let fresh = wait_ingesting(&world, "Unknown", "NoRunYet").await;
    assert_eq!(fresh["status"]["lastRun"], Value::Null);

    send(&world, &[good(), good()]).await;
    let landing = wait_ingesting(&world, "True", "Ingesting").await;
    let run = &landing["status"]["lastRun"];
    assert_eq!(
        (&run["outcome"], &run["received"], &run["ingested"]),
        (&json!("Succeeded"), &json!(2), &json!(2))
    );
    assert!(
        run["startedAt"].is_string() && run["completedAt"].is_string(),
        "{run}"
    );

    assert_eq!(
        metric(&world, "aep_runs_total{outcome=\"succeeded\"}").await,
        1
    );
    assert_eq!(metric(&world, "aep_records_ingested_total").await, 2);

    // Runs come and go, the operator starts anew: nothing is written while nothing is new.
    world.forget_calls().await;
    for round in 0..4 {
        send(&world, &[good()]).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        if round == 1 {
            assert!(world.stack.operator().kill(Signal::KILL).unwrap());
            world.stack.operator_ready().await.unwrap();
        }
    }
    world
        .wait_for("looks at the runs", async || {
            let looks = world.operations().await;
            (looks.iter().filter(|it| *it == "runs.list").count() > 4).then_some(())
        })
        .await;
    assert_eq!(
        world.get(DATAFLOW).await["metadata"]["resourceVersion"],
        landing["metadata"]["resourceVersion"]
    );
    let calls = world.operations().await;
    let is_look = |it: &&String| *it == "runs.list" || it.starts_with("inlet");
    assert!(calls.iter().all(|it| is_look(&it)), "{calls:?}");

    require_a_field(&world).await;
    send(&world, &[bad(), bad()]).await;
    let failing = wait_ingesting(&world, "False", "RunFailed").await;
    let said = message(&failing);
    assert!(
        said.contains("MAPPER-3700-400") && said.contains("_extconndev"),
        "{said}"
    );
    let run = &failing["status"]["lastRun"];
    assert_eq!(
        (&run["outcome"], &run["failed"]),
        (&json!("Failed"), &json!(2))
    );
    assert_eq!(run["error"]["code"], "MAPPER-3700-400");
    world
        .wait_for("the Event", async || {
            let events = world.events("customer-io-events").await;
            events
                .into_iter()
                .find(|it| it.starts_with("RunFailed:") && it.contains("MAPPER-3700-400"))
        })
        .await;

    send(&world, &[good(), bad()]).await;
    let partly = wait_ingesting(&world, "True", "PartlyFailed").await;
    assert!(
        message(&partly).contains("INGEST-1212-400"),
        "{}",
        message(&partly)
    );
    // Each is counted once, however often it is looked at.
    for outcome in ["failed", "partly_failed"] {
        let line = format!("aep_runs_total{{outcome=\"{outcome}\"}}");
        assert_eq!(metric(&world, &line).await, 1, "{outcome}");
    }
    assert_eq!(metric(&world, "aep_records_failed_total").await, 3);
    world.end().await;
}

#[tokio::test]
async fn silence_and_too_many_failures_are_told_as_they_are_expected() {
    let world = running(json!({"every": "4s", "maxFailedPercent": 50})).await;
    require_a_field(&world).await;
    let silent = wait_ingesting(&world, "False", "NothingArrived").await;
    assert!(message(&silent).contains("(4s)"), "{}", message(&silent));
    send(&world, &[good(), bad()]).await;
    let landing = wait_ingesting(&world, "True", "Ingesting").await;
    assert_eq!(
        landing["status"]["lastRun"]["failed"], 1,
        "as many as may fail"
    );
    send(&world, &[good(), bad(), bad()]).await;
    let failing = wait_ingesting(&world, "False", "TooManyFailed").await;
    let said = message(&failing);
    assert!(
        said.contains("50 percent") && said.contains("INGEST-1212-400"),
        "{said}"
    );
    wait_ingesting(&world, "False", "NothingArrived").await;

    // Nothing is expected of a flow that is disabled, and nothing is held against one that has just been enabled.
    let events = events(json!({"every": "1h"}));
    world
        .apply(&changed(events.clone(), "/spec/state", json!("Disabled")))
        .await;
    let disabled = wait_ingesting(&world, "False", "FlowDisabled").await;
    assert!(
        message(&disabled).contains("spec.state"),
        "{}",
        message(&disabled)
    );
    world
        .apply(&changed(events, "/spec/state", json!("Enabled")))
        .await;
    wait_ingesting(&world, "Unknown", "NoRunYet").await;
    send(&world, &[good()]).await;
    wait_ingesting(&world, "True", "Ingesting").await;
    world.end().await;
}

/// The runs of the one flow, as the platform lists them.
async fn listed(world: &World) -> Vec<Value> {
    let flow = world.get(DATAFLOW).await["status"]["flow"]["id"].clone();
    let path = format!(
        "/data/foundation/flowservice/runs?property=flowId=={}",
        flow.as_str().unwrap()
    );
    let runs = world.stack.emulator().platform(&path, "prod").await;
    runs.unwrap()["items"].as_array().unwrap().clone()
}

/// Waits for so many looks at the runs from now on.
async fn looks(world: &World, count: usize) {
    world.forget_calls().await;
    world
        .wait_for("looks at the runs", async || {
            let calls = world.operations().await;
            (calls.iter().filter(|it| *it == "runs.list").count() >= count).then_some(())
        })
        .await;
}

/// Unknowns: whether a run is listed while its window is open, how long that is, and for how long after it is listed. The
/// other answers (at its end only, a second, for ever) are those of the tests above.
#[tokio::test]
async fn a_run_says_nothing_before_its_end_and_stays_said_after_it_is_forgotten() {
    const WINDOW: Duration = Duration::from_secs(15);
    let world = World::with(|options| {
        options.emulator.run_window = WINDOW;
        options.emulator.run_in_progress = true;
        options.emulator.run_retention = Duration::from_secs(5);
        options.operator_args = vec!["--runs-interval=1s".into()];
    })
    .await;
    world.apply(&source("customer-io")).await;
    world.apply(&events(Value::Null)).await;
    world.wait_ready(DATAFLOW).await;
    wait_ingesting(&world, "Unknown", "NoRunYet").await;
    window_begins(WINDOW).await;
    send(&world, &[good(), good()]).await;
    looks(&world, 2).await;
    let open = listed(&world).await;
    let state = "/metrics/statusSummary/status";
    assert_eq!(open[0].pointer(state), Some(&json!("inProgress")));
    let stands = world.get(DATAFLOW).await;
    assert_eq!(condition(&stands, "Ingesting")["reason"], "NoRunYet");
    assert_eq!(stands["status"]["lastRun"], Value::Null);

    let told = wait_ingesting(&world, "True", "Ingesting").await;
    assert_eq!(told["status"]["lastRun"]["received"], 2);
    assert!(told["status"]["lastRun"]["completedAt"].is_string());
    world
        .wait_for("the run to be forgotten", async || {
            listed(&world).await.is_empty().then_some(())
        })
        .await;
    looks(&world, 3).await;
    let after = world.get(DATAFLOW).await;
    assert_eq!(
        after["metadata"]["resourceVersion"],
        told["metadata"]["resourceVersion"]
    );
    world.end().await;
}

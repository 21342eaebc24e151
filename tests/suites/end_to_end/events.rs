//! Twelve events that are unlike each other, from Customer.io through a dataflow into the dataset: each becomes the
//! record that the mapping says, or is a failed record of a run. None is lost without a word.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::dataset_deletion::into_it;
use crate::ingestion::window_begins;
use crate::subscription::{connected, hook, sending, with};
use crate::world::{DATASET, World, changed, condition, dataflow, dataset, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";

/// Events by their names, which say what is special about each.
fn events() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("emulator/tests/events/edge");
    let files = std::fs::read_dir(folder).unwrap();
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (name, serde_json::from_str(&text).unwrap())
    };
    files.map(read).collect()
}

/// A record in which what an event lacks, or has as null, is left out.
fn record(event: &Value, fields: &[(&str, &str)]) -> Value {
    let mut own = json!({});
    for (source, destination) in fields {
        let pointer = format!("/{}", source.replace('.', "/"));
        if let Some(value) = event.pointer(&pointer).filter(|it| !it.is_null()) {
            own[*destination] = value.clone();
        }
    }
    json!({"_extconndev": own})
}

/// Every event there is, to the dataflow that stands.
async fn subscribe(world: &World) {
    let status = world.get(DATAFLOW).await["status"].clone();
    let (url, flow) = (status["inletUrl"].as_str(), status["flow"]["id"].as_str());
    let hook = json!({
        "name": "all", "endpoint": format!("{}?x-adobe-flow-id={}", url.unwrap(), flow.unwrap()),
        "events": aep_operator::customer_io::EVENTS.as_slice(), "disabled": false, "full_resolution": true, "with_content": true
    });
    let emulator = world.stack.emulator();
    let path = "/v1/reporting_webhooks";
    emulator
        .app_api("demo-app-key", "POST", path, Some(&hook))
        .await
        .unwrap();
}

/// Sends them all; every one is delivered and counted.
async fn send(world: &World, events: &BTreeMap<String, Value>, dataset: &str) -> Value {
    let emulator = world.stack.emulator();
    let all: Vec<&Value> = events.values().collect();
    emulator
        .post("/_emulator/events", &json!(all))
        .await
        .unwrap();
    let deliveries = world
        .wait_for("all deliveries", async || {
            let found = emulator.get("/_emulator/deliveries").await.unwrap();
            let found = found.as_array().unwrap().clone();
            (found.len() == events.len()).then_some(found)
        })
        .await;
    for delivery in deliveries {
        assert_eq!(delivery["status"], 200, "{delivery}");
    }
    let contents = format!("/_emulator/datasets/{dataset}");
    let contents = emulator.get(&contents).await.unwrap();
    assert_eq!(contents["received"], events.len());
    contents
}

async fn records(world: &World, dataset: &str) -> Vec<Value> {
    let path = format!("/_emulator/datasets/{dataset}/records");
    let records = world.stack.emulator().get(&path).await.unwrap();
    records.as_array().unwrap().clone()
}

#[tokio::test]
async fn every_event_becomes_the_record_that_the_tutorial_s_mapping_says() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.wait_ready(DATAFLOW).await;
    subscribe(&world).await;
    let mut events = events();
    assert_eq!(events.len(), 12);
    // Unknown: where this event names the channel. One file has it in `object_type_type`; here it is the other field.
    let mut named = events["03_customer_preferences_changed_no_object_type"].clone();
    let channel = named.as_object_mut().unwrap().remove("object_type_type");
    named["object_type"] = channel.unwrap();
    named["event_id"] = json!("01KH2DNW28B22B7A1MMES74B2J");
    events.insert("03_with_object_type".to_owned(), named);
    let contents = send(&world, &events, DATASET).await;
    assert_eq!(
        (&contents["failed"], &contents["warnings"]),
        (&json!(0), &json!([]))
    );
    let rows = [
        ("data.identifiers.cio_id", "cio_id"),
        ("data.identifiers.email", "email"),
        ("event_id", "event_id0"),
        ("metric", "metricx"),
        ("object_type", "object_type1"),
        ("timestamp", "timestampx"),
    ];
    let landed = records(&world, DATASET).await;
    assert_eq!(landed.len(), events.len());
    for (name, event) in &events {
        let wanted = record(event, &rows);
        let found = landed.iter().filter(|record| **record == wanted).count();
        assert_eq!(found, 1, "{name}: {wanted} in {landed:#?}");
    }
    world.end().await;
}

/// A dataset of ours with an address and a metric, and a dataflow whose webhook sends it everything.
async fn apply_all(world: &World) {
    let field = |name: &str| json!({"path": format!("_{{tenant}}.{name}"), "type": "string"});
    let fields = json!([field("email"), field("metric")]);
    let dataset = changed(dataset("events"), "/spec/schema/fields", fields);
    let mut dataflow = into_it();
    let metric = json!({"source": "metric", "destination": "_{tenant}.metric"});
    let rows = dataflow["spec"]["mapping"].as_array_mut().unwrap();
    rows[0]["source"] = json!("data.identifiers.email");
    rows.push(metric);
    dataflow["spec"]["subscription"] = json!({
        "customerIo": {"events": ["*"], "fullResolution": true, "withContent": true}
    });
    for manifest in [dataset, connected("customer-io"), dataflow] {
        world.apply(&manifest).await;
    }
}

/// The operator's own road, from an empty sandbox. A person without an address has no id here, so the record lacks what
/// the schema requires.
#[tokio::test]
async fn an_event_that_lacks_what_the_schema_requires_is_a_failed_record_of_a_run() {
    const WINDOW: Duration = Duration::from_secs(10);
    let world = with(|options| {
        options.emulator.empty = true;
        options.emulator.run_window = WINDOW;
        options.operator_args.push("--runs-interval=1s".into());
    })
    .await;
    apply_all(&world).await;
    world.wait_ready(DATAFLOW).await;
    sending(&world).await;
    let made = hook(&world).await;
    let flags = (&made["full_resolution"], &made["with_content"]);
    assert_eq!(flags, (&json!(true), &json!(true)));
    let all = aep_operator::customer_io::EVENTS.len();
    assert_eq!(made["events"].as_array().unwrap().len(), all);

    let dataset = world.get("aepdataset/events").await["status"]["dataset"]["id"].clone();
    let dataset = dataset.as_str().unwrap();
    let events = events();
    window_begins(WINDOW).await;
    let contents = send(&world, &events, dataset).await;
    let has_address = |event: &Value| {
        event
            .pointer("/data/identifiers/email")
            .is_some_and(Value::is_string)
    };
    let (has, lacks): (Vec<_>, Vec<_>) = events.iter().partition(|(_, event)| has_address(event));
    let names: Vec<&str> = lacks.iter().map(|(name, _)| &name[..2]).collect();
    assert_eq!(names, ["06", "07", "08", "12"]);
    assert_eq!(contents["failed"], lacks.len());
    let landed = records(&world, dataset).await;
    assert_eq!(landed.len(), has.len());
    for (name, event) in has {
        let found = landed
            .iter()
            .find(|record| record["_id"] == event["data"]["identifiers"]["email"]);
        let found = found.unwrap_or_else(|| panic!("{name} is not there: {landed:#?}"));
        assert_eq!(found["_extconndev"]["metric"], event["metric"], "{name}");
        let at = found["timestamp"].as_str().unwrap();
        assert!(at.starts_with("2026-02-10T00:"), "{name}: {at}");
    }

    // What failed is in the runs of the flow, with the reason.
    let flow = world.get(DATAFLOW).await["status"]["flow"]["id"].clone();
    let path = format!(
        "/data/foundation/flowservice/runs?property=flowId=={}",
        flow.as_str().unwrap()
    );
    let runs = world
        .wait_for("the runs to be over", async || {
            let runs = world
                .stack
                .emulator()
                .platform(&path, "prod")
                .await
                .unwrap();
            let runs = runs["items"].as_array().unwrap().clone();
            let sum = |field: &str| -> u64 {
                let of = |run: &Value| run["metrics"]["recordSummary"][field].as_u64();
                runs.iter().filter_map(of).sum()
            };
            let all = sum("inputRecordCount") == 12;
            all.then(|| {
                (
                    sum("outputRecordCount"),
                    sum("failedRecordCount"),
                    json!(runs),
                )
            })
        })
        .await;
    assert_eq!((runs.0, runs.1), (8, 4));
    let told = runs.2.to_string();
    assert!(told.contains("required key [_id] not found"), "{told}");

    // And in the dataflow's own words.
    let stands = world
        .wait_for("the run to be told", async || {
            let stands = world.get(DATAFLOW).await;
            (condition(&stands, "Ingesting")["reason"] == "PartlyFailed").then_some(stands)
        })
        .await;
    let ingesting = condition(&stands, "Ingesting");
    assert_eq!(ingesting["status"], "True", "{ingesting}");
    let told = ingesting["message"].to_string();
    assert!(told.contains("required key [_id] not found"), "{told}");
    let run = &stands["status"]["lastRun"];
    let counts = (&run["received"], &run["ingested"], &run["failed"]);
    assert_eq!(counts, (&json!(12), &json!(8), &json!(4)));
    world.end().await;
}

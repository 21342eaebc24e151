//! Twelve events that are unlike each other, from Customer.io through a dataflow into the dataset: each becomes the
//! record that the mapping says, or is a failed record of a run. None is lost without a word.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::targets::{EVENTS, to_events, with_events};
use crate::world::{DATASET, World, changed, dataflow, source};

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
    let events = events();
    assert_eq!(events.len(), 12);
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

/// A person without an address has no id here, so the record lacks what the schema requires.
#[tokio::test]
async fn an_event_that_lacks_what_the_schema_requires_is_a_failed_record_of_a_run() {
    let world = World::with(|options| {
        with_events(&mut options.emulator);
        options.emulator.run_window = Duration::from_secs(2);
    })
    .await;
    world.apply(&source("customer-io")).await;
    let manifest = to_events("customer-io-events", "customer-io");
    let manifest = changed(
        manifest,
        "/spec/mapping/0/source",
        json!("data.identifiers.email"),
    );
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    subscribe(&world).await;
    let events = events();
    let contents = send(&world, &events, EVENTS).await;
    let has_address = |event: &Value| {
        event
            .pointer("/data/identifiers/email")
            .is_some_and(Value::is_string)
    };
    let (with, without): (Vec<_>, Vec<_>) =
        events.iter().partition(|(_, event)| has_address(event));
    let names: Vec<&str> = without.iter().map(|(name, _)| &name[..2]).collect();
    assert_eq!(names, ["06", "07", "08", "12"]);
    assert_eq!(contents["failed"], without.len());
    let landed = records(&world, EVENTS).await;
    assert_eq!(landed.len(), with.len());
    for (name, event) in with {
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
    world.end().await;
}

//! The main job from start to end, as a person would do it by hand: manifests in, events through, records in the
//! dataset, everything gone again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{repository, stack::Stack};

/// Customer.io events as its reporting webhooks send them.
const EVENTS: [&str; 3] = [
    include_str!("../events/customer_subscribed.json"),
    include_str!("../events/email_delivered.json"),
    include_str!("../events/email_clicked.json"),
];
/// The names under which Customer.io's App API knows those events.
const EVENT_NAMES: [&str; 3] = ["customer_subscribed", "email_delivered", "email_clicked"];
/// The tutorial's dataset, which a fresh emulator has.
const DATASET: &str = "63ec807d3f5ce91bd2d06c65";
/// A fresh emulator's Customer.io App API key.
const APP_API_KEY: &str = "demo-app-key";
/// From webhook call to record.
const RECORDS_LIMIT: Duration = Duration::from_secs(30);

/// Plays the demo on a running stack whose emulator has the tutorial's dataset. An error says which step failed and why.
pub async fn play(stack: &Stack) -> Result<()> {
    apply(stack)
        .await
        .context("applying the tutorial's manifests")?;
    wait_until_ready(stack)
        .await
        .context("waiting for the resources to be Ready")?;
    let inlet = read_inlet(stack)
        .await
        .context("reading the inlet from the dataflow's status")?;
    let webhook = subscribe(stack, &inlet)
        .await
        .context("subscribing the inlet in Customer.io")?;
    let events = events()?;
    emit(stack, &events)
        .await
        .context("emitting Customer.io events")?;
    let records = await_records(stack, events.len())
        .await
        .context("looking for the records in the dataset")?;
    check_records(&events, &records).context("comparing the records with the events")?;
    show_records(stack, &records);
    delete(stack, webhook)
        .await
        .context("deleting the webhook and the resources")?;
    check_nothing_left(stack)
        .await
        .context("looking for what is left on the platform")?;
    stack.story().step("done");
    Ok(())
}

async fn kubectl(stack: &Stack, args: &[&str]) -> Result<String> {
    stack.control_plane().kubectl(args, None).await?.success()
}

/// The folder of manifests, as an argument.
fn tutorial() -> Result<String> {
    let folder = repository::tutorial();
    let folder = folder
        .to_str()
        .context("the path of the samples is not UTF-8")?;
    Ok(format!("--filename={folder}"))
}

async fn apply(stack: &Stack) -> Result<()> {
    stack
        .story()
        .step("kubectl apply -f deploy/samples/tutorial");
    let said = kubectl(stack, &["apply", &tutorial()?]).await?;
    stack.story().show(&said);
    Ok(())
}

async fn wait_until_ready(stack: &Stack) -> Result<()> {
    stack
        .story()
        .step("kubectl wait --for=condition=Ready (a new flow gets its inlet after some seconds)");
    let resources = [
        "customeriosource/customer-io",
        "aepdataflow/customer-io-events",
    ];
    for resource in resources {
        let args = [
            "wait",
            "--namespace=marketing",
            "--for=condition=Ready",
            "--timeout=120s",
            resource,
        ];
        if let Err(error) = kubectl(stack, &args).await {
            return Err(explain(stack, error).await);
        }
    }
    stack.story().step("kubectl get aep -n marketing");
    let table = kubectl(stack, &["get", "aep", "--namespace=marketing"]).await?;
    stack.story().show(&table);
    Ok(())
}

/// Adds to an error what the resources and the operator say.
async fn explain(stack: &Stack, error: anyhow::Error) -> anyhow::Error {
    let args = ["get", "aep", "--namespace=marketing", "--output=wide"];
    let table = kubectl(stack, &args).await.unwrap_or_default();
    error.context(format!(
        "{table}\nof the operator, {}",
        stack.operator().log_tail()
    ))
}

struct Inlet {
    flow: String,
    endpoint: String,
}

async fn read_inlet(stack: &Stack) -> Result<Inlet> {
    let args = [
        "get",
        "aepdataflow",
        "customer-io-events",
        "--namespace=marketing",
        "--output=json",
    ];
    let dataflow: Value = serde_json::from_str(&kubectl(stack, &args).await?)?;
    let text = |pointer: &str| {
        dataflow
            .pointer(pointer)
            .and_then(Value::as_str)
            .with_context(|| format!("the dataflow has no {pointer}"))
    };
    let (url, flow) = (text("/status/inletUrl")?, text("/status/flow/id")?);
    stack
        .story()
        .step(&format!("the dataflow's inlet is {url}"));
    Ok(Inlet {
        flow: flow.to_owned(),
        endpoint: endpoint(url, flow),
    })
}

/// What Adobe has users paste into Customer.io: the inlet with the flow in the query.
fn endpoint(inlet: &str, flow: &str) -> String {
    let separator = if inlet.contains('?') { '&' } else { '?' };
    format!("{inlet}{separator}x-adobe-flow-id={flow}")
}

/// The id of the new webhook.
async fn subscribe(stack: &Stack, inlet: &Inlet) -> Result<i64> {
    stack.story().step(&format!(
        "subscribing the inlet in Customer.io, for flow {}",
        inlet.flow
    ));
    let webhook = json!({
        "name": "Playground",
        "endpoint": inlet.endpoint,
        "events": EVENT_NAMES,
        "disabled": false,
        "full_resolution": false,
        "with_content": false,
    });
    let reply = stack
        .emulator()
        .app_api(
            APP_API_KEY,
            "POST",
            "/v1/reporting_webhooks",
            Some(&webhook),
        )
        .await?;
    reply["id"]
        .as_i64()
        .or_else(|| reply["reporting_webhook"]["id"].as_i64())
        .with_context(|| format!("Customer.io gave the webhook no id: {reply}"))
}

fn events() -> Result<Vec<Value>> {
    EVENTS
        .iter()
        .map(|text| serde_json::from_str(text).context("an event of the demo is not JSON"))
        .collect()
}

async fn emit(stack: &Stack, events: &[Value]) -> Result<()> {
    stack
        .story()
        .step(&format!("Customer.io sends {} events", events.len()));
    stack
        .emulator()
        .post("/_emulator/events", &json!(events))
        .await?;
    Ok(())
}

async fn await_records(stack: &Stack, wanted: usize) -> Result<Vec<Value>> {
    let path = format!("/_emulator/datasets/{DATASET}/records");
    let deadline = Instant::now() + RECORDS_LIMIT;
    loop {
        let answer = stack.emulator().get(&path).await?;
        let records = list(&answer, "records");
        if records.len() >= wanted {
            return Ok(records);
        }
        if Instant::now() > deadline {
            bail!(
                "{} of {wanted} records are in the dataset after {} s: {answer}",
                records.len(),
                RECORDS_LIMIT.as_secs()
            );
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// A list, bare or under its name.
fn list(answer: &Value, name: &str) -> Vec<Value> {
    answer
        .as_array()
        .or_else(|| answer[name].as_array())
        .cloned()
        .unwrap_or_default()
}

/// Every event is in the dataset exactly once, as the tutorial's mapping says.
fn check_records(events: &[Value], records: &[Value]) -> Result<()> {
    for event in events {
        let wanted = json!({
            "cio_id": event["data"]["identifiers"]["cio_id"],
            "email": event["data"]["identifiers"]["email"],
            "event_id0": event["event_id"],
            "metricx": event["metric"],
            "object_type1": event["object_type"],
            "timestampx": event["timestamp"],
        });
        let found: Vec<&Value> = records
            .iter()
            .filter(|record| record["_extconndev"]["event_id0"] == event["event_id"])
            .collect();
        ensure!(
            found.len() == 1,
            "event {} is in the dataset {} times",
            event["event_id"],
            found.len()
        );
        for record in found {
            ensure!(
                record["_extconndev"] == wanted,
                "wanted {wanted}, found {}",
                record["_extconndev"]
            );
        }
    }
    ensure!(
        records.len() == events.len(),
        "{} records for {} events",
        records.len(),
        events.len()
    );
    Ok(())
}

fn show_records(stack: &Stack, records: &[Value]) {
    stack
        .story()
        .step(&format!("the dataset {DATASET} holds the mapped records"));
    for record in records {
        stack.story().show(&record.to_string());
    }
}

async fn delete(stack: &Stack, webhook: i64) -> Result<()> {
    stack.story().step("deleting the webhook");
    stack
        .emulator()
        .app_api(
            APP_API_KEY,
            "DELETE",
            &format!("/v1/reporting_webhooks/{webhook}"),
            None,
        )
        .await?;
    // Namespace and Secret go first here; the operator keeps the Secret until it has deleted what needs it.
    stack
        .story()
        .step("kubectl delete -f deploy/samples/tutorial");
    match kubectl(stack, &["delete", &tutorial()?, "--timeout=120s"]).await {
        Ok(said) => stack.story().show(&said),
        Err(error) => return Err(explain(stack, error).await),
    }
    Ok(())
}

/// Objects that a fresh platform does not have.
const OURS: [&str; 4] = ["flow", "sourceConnection", "targetConnection", "webhook"];

async fn check_nothing_left(stack: &Stack) -> Result<()> {
    let objects = stack.emulator().get("/_emulator/objects").await?;
    for kind in OURS {
        let left = list(&objects, kind);
        ensure!(
            left.is_empty(),
            "{} of kind {kind} are left: {}",
            left.len(),
            json!(left)
        );
    }
    // Whether the real platform lets go of a mapping set is not known, so what is left is told, not held against us.
    let mapping_sets = list(&objects, "mappingSet").len();
    stack.story().step(&format!(
        "the platform holds no flow, connection or webhook, and {mapping_sets} mapping sets"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_is_appended_to_the_inlet() {
        assert_eq!(
            endpoint("http://h/c/1", "f"),
            "http://h/c/1?x-adobe-flow-id=f"
        );
        assert_eq!(
            endpoint("http://h/c/1?a=b", "f"),
            "http://h/c/1?a=b&x-adobe-flow-id=f"
        );
    }

    fn record(event: &Value) -> Value {
        json!({"_extconndev": {
            "cio_id": event["data"]["identifiers"]["cio_id"],
            "email": event["data"]["identifiers"]["email"],
            "event_id0": event["event_id"],
            "metricx": event["metric"],
            "object_type1": event["object_type"],
            "timestampx": event["timestamp"],
        }})
    }

    #[test]
    fn a_lost_a_doubled_and_a_changed_record_are_all_noticed() {
        let events = events().unwrap();
        let records: Vec<Value> = events.iter().map(record).collect();
        check_records(&events, &records).unwrap();
        assert!(check_records(&events, &records[1..]).is_err());
        assert!(
            check_records(&events, &[records.clone(), records[..1].to_vec()].concat()).is_err()
        );
        let mut changed = records;
        changed[2]["_extconndev"]["email"] = json!("somebody@example.com");
        let error = check_records(&events, &changed).unwrap_err();
        assert!(
            error.to_string().contains("somebody@example.com"),
            "{error}"
        );
    }

    #[test]
    fn events_are_named_as_their_files_say() {
        for (event, name) in events().unwrap().iter().zip(EVENT_NAMES) {
            let (object, metric) = (event["object_type"].as_str(), event["metric"].as_str());
            assert_eq!(format!("{}_{}", object.unwrap(), metric.unwrap()), name);
        }
    }
}

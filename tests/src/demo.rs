//! The main job from start to end, as a person would do it by hand: from an empty sandbox, manifests in, events
//! through, records in the dataset, everything gone again but schema and dataset.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{repository, stack::Stack};

/// An event as Customer.io's reporting webhooks send it, and its time as a record has it.
struct Sample {
    text: &'static str,
    time: &'static str,
}

const EVENTS: [Sample; 3] = [
    Sample {
        text: include_str!("../events/customer_subscribed.json"),
        time: "2025-11-23T12:13:20.000Z",
    },
    Sample {
        text: include_str!("../events/email_delivered.json"),
        time: "2025-11-23T12:14:20.000Z",
    },
    Sample {
        text: include_str!("../events/email_clicked.json"),
        time: "2025-11-23T12:15:20.000Z",
    },
];
/// A fresh emulator's tenant namespace, which `{tenant}` in the manifests stands for.
const TENANT: &str = "_extconndev";
/// From webhook call to record.
const RECORDS_LIMIT: Duration = Duration::from_secs(30);
/// Until the webhook is enabled, once the dataflow is Ready.
const ENABLED_LIMIT: Duration = Duration::from_mins(1);
/// What the demo waits instead of the five minutes that Adobe asks for between a new flow and its first event.
pub const PAUSE: &str = "--subscription-pause=2s";
/// The namespace of the samples.
const NAMESPACE: &str = "--namespace=marketing";

/// Plays the demo on a running stack whose emulator has an empty sandbox and whose operator was given [`PAUSE`]. An
/// error says which step failed and why.
pub async fn play(stack: &Stack) -> Result<()> {
    apply(stack).await.context("applying the manifests")?;
    land(stack).await
}

/// The road of manifests that were applied, in whatever order: until they are Ready, events through, records in the
/// dataset, all deleted. The demo after its first step.
pub async fn land(stack: &Stack) -> Result<()> {
    wait_until_ready(stack)
        .await
        .context("waiting for the resources to be Ready")?;
    let dataset = text_of(stack, "aepdataset", "{.status.dataset.id}")
        .await
        .context("reading the dataset's id from the status")?;
    wait_until_enabled(stack)
        .await
        .context("waiting for the webhook to be enabled")?;
    let events = events()?;
    emit(stack, &events)
        .await
        .context("emitting Customer.io events")?;
    let records = await_records(stack, &dataset, events.len())
        .await
        .context("looking for the records in the dataset")?;
    check_records(&events, &records).context("comparing the records with the events")?;
    show_records(stack, &dataset, &records);
    delete(stack).await.context("deleting the resources")?;
    check_what_is_left(stack, &dataset)
        .await
        .context("looking for what is left on the platform")?;
    stack.story().step("done");
    Ok(())
}

async fn kubectl(stack: &Stack, args: &[&str]) -> Result<String> {
    stack.control_plane().kubectl(args, None).await?.success()
}

/// The folder of manifests, as an argument.
fn manifests() -> Result<String> {
    let folder = repository::complete();
    let folder = folder
        .to_str()
        .context("the path of the samples is not UTF-8")?;
    Ok(format!("--filename={folder}"))
}

async fn apply(stack: &Stack) -> Result<()> {
    stack.story().step(
        "kubectl apply -f deploy/samples/complete (the sandbox is empty: no schema, no dataset)",
    );
    let said = kubectl(stack, &["apply", &manifests()?]).await?;
    stack.story().show(&said);
    Ok(())
}

async fn wait_until_ready(stack: &Stack) -> Result<()> {
    stack
        .story()
        .step("kubectl wait --for=condition=Ready (a new flow gets its inlet after some seconds)");
    let resources = [
        "aepdataset/customer-io-events",
        "customeriosource/customer-io",
        "aepdataflow/customer-io-events",
    ];
    for resource in resources {
        let ready = "--for=condition=Ready";
        let args = ["wait", NAMESPACE, ready, "--timeout=120s", resource];
        if let Err(error) = kubectl(stack, &args).await {
            return Err(explain(stack, error).await);
        }
    }
    stack.story().step("kubectl get aep -n marketing");
    let table = kubectl(stack, &["get", "aep", NAMESPACE]).await?;
    stack.story().show(&table);
    Ok(())
}

/// Adds to an error what the resources and the operator say.
async fn explain(stack: &Stack, error: anyhow::Error) -> anyhow::Error {
    let args = ["get", "aep", NAMESPACE, "--output=wide"];
    let table = kubectl(stack, &args).await.unwrap_or_default();
    error.context(format!(
        "{table}\nof the operator, {}",
        stack.operator().log_tail()
    ))
}

/// A field of the sample resource of a kind; empty where it has none.
async fn text_of(stack: &Stack, kind: &str, path: &str) -> Result<String> {
    let output = format!("--output=jsonpath={path}");
    let args = ["get", kind, "customer-io-events", NAMESPACE, &output];
    let text = kubectl(stack, &args).await?;
    Ok(text.trim().to_owned())
}

/// A new flow may lose what arrives at once: the webhook is made disabled and enabled after a pause.
async fn wait_until_enabled(stack: &Stack) -> Result<()> {
    stack
        .story()
        .step("the webhook in Customer.io is subscribed, and enabled after a pause");
    let deadline = Instant::now() + ENABLED_LIMIT;
    loop {
        let path = "{.status.subscription.state}";
        let state = text_of(stack, "aepdataflow", path).await?;
        if state == "Enabled" {
            break;
        }
        if Instant::now() > deadline {
            let error = anyhow::anyhow!("status.subscription.state is \"{state}\"");
            return Err(explain(stack, error).await);
        }
        sleep(Duration::from_millis(200)).await;
    }
    let path = "{.status.subscription.events[*]}";
    let events = text_of(stack, "aepdataflow", path).await?;
    stack.story().show(&events);
    Ok(())
}

fn events() -> Result<Vec<Value>> {
    EVENTS
        .iter()
        .map(|event| serde_json::from_str(event.text).context("an event of the demo is not JSON"))
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

async fn await_records(stack: &Stack, dataset: &str, wanted: usize) -> Result<Vec<Value>> {
    let path = format!("/_emulator/datasets/{dataset}/records");
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

/// The record of an event, as the sample's mapping says.
fn record(event: &Value, time: &str) -> Value {
    json!({
        "_id": event["event_id"],
        "timestamp": time,
        TENANT: {
            "cio_id": event["data"]["identifiers"]["cio_id"],
            "email": event["data"]["identifiers"]["email"],
            "metric": event["metric"],
            "object_type": event["object_type"],
            "sent_at": time,
        },
    })
}

/// Every event is in the dataset exactly once, as the mapping says.
fn check_records(events: &[Value], records: &[Value]) -> Result<()> {
    for (event, Sample { time, .. }) in events.iter().zip(&EVENTS) {
        let found: Vec<&Value> = records
            .iter()
            .filter(|record| record["_id"] == event["event_id"])
            .collect();
        ensure!(
            found.len() == 1,
            "event {} is in the dataset {} times",
            event["event_id"],
            found.len()
        );
        let wanted = record(event, time);
        for record in found {
            ensure!(*record == wanted, "wanted {wanted}, found {record}");
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

fn show_records(stack: &Stack, dataset: &str, records: &[Value]) {
    stack
        .story()
        .step(&format!("the dataset {dataset} holds the mapped records"));
    for record in records {
        stack.story().show(&record.to_string());
    }
}

async fn delete(stack: &Stack) -> Result<()> {
    // Namespace and Secrets go first here; the operator keeps the Secrets until it has deleted what needs them.
    stack
        .story()
        .step("kubectl delete -f deploy/samples/complete");
    match kubectl(stack, &["delete", &manifests()?, "--timeout=120s"]).await {
        Ok(said) => stack.story().show(&said),
        Err(error) => return Err(explain(stack, error).await),
    }
    Ok(())
}

/// Objects that go with the resources.
const GOES: [&str; 4] = ["flow", "sourceConnection", "targetConnection", "webhook"];
/// Objects that stay: a dataset's deletion would delete its data.
const STAYS: [&str; 3] = ["fieldGroup", "schema", "dataset"];

async fn check_what_is_left(stack: &Stack, dataset: &str) -> Result<()> {
    let objects = stack.emulator().get("/_emulator/objects").await?;
    for kind in GOES {
        let left = list(&objects, kind);
        ensure!(
            left.is_empty(),
            "{} of kind {kind} are left: {}",
            left.len(),
            json!(left)
        );
    }
    for kind in STAYS {
        let left = list(&objects, kind).len();
        ensure!(left == 1, "{left} of kind {kind} are left, not 1");
    }
    let path = format!("/_emulator/datasets/{dataset}/records");
    let records = list(&stack.emulator().get(&path).await?, "records").len();
    ensure!(
        records == EVENTS.len(),
        "the dataset holds {records} records after the deletion"
    );
    // Whether the real platform lets go of a mapping set is not known, so what is left is told, not held against us.
    let mapping_sets = list(&objects, "mappingSet").len();
    stack.story().step(&format!(
        "the platform holds no flow, connection or webhook, and {mapping_sets} mapping sets; schema and dataset stay, \
         with {records} records"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_a_doubled_and_a_changed_record_are_all_noticed() {
        let events = events().unwrap();
        let records: Vec<Value> = events
            .iter()
            .zip(&EVENTS)
            .map(|(event, sample)| record(event, sample.time))
            .collect();
        check_records(&events, &records).unwrap();
        assert!(check_records(&events, &records[1..]).is_err());
        assert!(
            check_records(&events, &[records.clone(), records[..1].to_vec()].concat()).is_err()
        );
        let mut changed = records;
        changed[2][TENANT]["email"] = json!("somebody@example.com");
        let error = check_records(&events, &changed).unwrap_err();
        assert!(
            error.to_string().contains("somebody@example.com"),
            "{error}"
        );
    }
}

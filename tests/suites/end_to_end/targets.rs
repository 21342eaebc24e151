//! Where records land: a dataset by its name, its schema read from it, the tenant id filled in; and what a mapping to
//! a schema of events needs, told before anything is made.

use aep_emulator::{Options, SeedObject};
use playground::operator_process::Signal;
use playground::restart::Restart;
use serde_json::{Value, json};

use crate::world::{World, changed, condition, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";
pub const EVENTS: &str = "64a1f0c2e7b3d51bd2d06c66";
const SCHEMA: &str = "https://ns.adobe.com/extconndev/schemas/0e5a";
const GROUP: &str = "https://ns.adobe.com/extconndev/mixins/0e5a";
const CLASS: &str = "https://ns.adobe.com/xdm/context/experienceevent";
pub const NAME: &str = "customer-io-events";

/// A dataset of events as a data team has it: the class's own fields, an e-mail address and a metric.
pub fn with_events(options: &mut Options) {
    let fields = json!({"email": {"type": "string"}, "metric": {"type": "string"}});
    let own = json!({"_extconndev": {"type": "object", "properties": fields}});
    let dataset = json!({
        "name": NAME, "description": "",
        "schemaRef": {"id": SCHEMA, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
    });
    options.seed.objects.extend([
        SeedObject::FieldGroup(
            "prod".into(),
            GROUP.into(),
            json!({
                "title": "Events: fields", "description": "", "type": "object",
                "meta:intendedToExtend": [CLASS],
                "definitions": {"customFields": {"type": "object", "properties": own}},
                "allOf": [{"$ref": "#/definitions/customFields"}]
            }),
        ),
        SeedObject::Schema(
            "prod".into(),
            SCHEMA.into(),
            json!({
                "title": "Events", "description": "", "type": "object",
                "allOf": [{"$ref": CLASS}, {"$ref": GROUP}]
            }),
        ),
        SeedObject::Dataset("prod".into(), EVENTS.into(), dataset),
    ]);
}

pub fn by_name(name: &str) -> Value {
    json!({"existing": {"datasetName": name}})
}

/// The rows that a dataset of events needs, and two of its own fields.
pub fn rows() -> Value {
    json!([
        {"source": "event_id", "destination": "_id"},
        {"expression": "dformat(timestamp*1000, \"yyyy-MM-dd'T'HH:mm:ss.SSSX\")", "destination": "timestamp"},
        {"source": "data.identifiers.email", "destination": "_{tenant}.email"},
        {"source": "metric", "destination": "_{tenant}.metric"},
    ])
}

pub fn to_events(name: &str, source: &str) -> Value {
    let manifest = changed(dataflow(name, source), "/spec/target", by_name(NAME));
    changed(manifest, "/spec/mapping", rows())
}

/// Posts an event to a dataflow's inlet, as Customer.io would; the records of the dataset after it.
async fn records_after(world: &World, event: &Value, dataset: &str) -> Vec<Value> {
    let status = world.get(DATAFLOW).await["status"].clone();
    let url = status["inletUrl"].as_str().unwrap();
    let inlet = url.find("/collection/").map(|at| &url[at..]).unwrap();
    let flow = status["flow"]["id"].as_str().unwrap();
    let emulator = world.stack.emulator();
    let path = format!("{inlet}?x-adobe-flow-id={flow}");
    emulator.post(&path, event).await.unwrap();
    let records = format!("/_emulator/datasets/{dataset}/records");
    let records = emulator.get(&records).await.unwrap();
    records.as_array().unwrap().clone()
}

async fn count(world: &World, operation: &str) -> usize {
    let calls = world.operations().await;
    calls.iter().filter(|name| *name == operation).count()
}

#[tokio::test]
async fn a_dataset_by_name_is_found_once_and_stays_the_one_whatever_it_is_called_later() {
    let world = World::with(|options| {
        with_events(&mut options.emulator);
        options.restart = Restart::Always;
        options.lease = std::time::Duration::from_secs(2);
    })
    .await;
    world.apply(&source("customer-io")).await;
    let manifest = to_events("customer-io-events", "customer-io");
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    let stands = world.get(DATAFLOW).await;
    let found = json!({
        "datasetId": EVENTS, "schema": {"id": SCHEMA, "majorVersion": 1, "class": CLASS}, "tenantId": "extconndev"
    });
    assert_eq!(stands["status"]["target"], found);
    for operation in [
        "datasets.list",
        "schemas.get",
        "schemaRegistry.stats",
        "targetConnections.create",
        "mappingSets.create",
        "flows.create",
    ] {
        assert_eq!(count(&world, operation).await, 1, "{operation}");
    }
    let event = json!({
        "event_id": "01KH", "metric": "sent", "timestamp": 1_770_681_600,
        "data": {"identifiers": {"email": "ada@example.com"}}
    });
    let record = json!({
        "_id": "01KH", "timestamp": "2026-02-10T00:00:00.000Z",
        "_extconndev": {"email": "ada@example.com", "metric": "sent"}
    });
    assert_eq!(records_after(&world, &event, EVENTS).await, [record]);

    // The tenant id of an organization is asked for once, by whoever needs it first.
    world.apply(&source("second")).await;
    world.apply(&to_events("second-events", "second")).await;
    world.wait_ready("aepdataflow/second-events").await;
    assert_eq!(count(&world, "schemaRegistry.stats").await, 1);

    // Somebody renames it. A restart looks at everything, and asks nothing.
    let merge = json!({"name": "renamed"});
    let edit = json!({"kind": "dataset", "id": EVENTS, "merge": merge});
    world.edit(edit).await;
    world.stack.operator().kill(Signal::KILL).unwrap();
    world.forget_calls().await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    world.stack.operator_ready().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(world.operations().await, Vec::<String>::new());
    let after = world.get(DATAFLOW).await;
    assert_eq!(
        after["metadata"]["resourceVersion"],
        stands["metadata"]["resourceVersion"]
    );

    // A change of the rows still goes where the flow goes, and looks nothing up.
    let mut rows = rows();
    rows.as_array_mut().unwrap().pop();
    world.apply(&changed(manifest, "/spec/mapping", rows)).await;
    world
        .wait_for("the rows to be changed", async || {
            let stands = world.get(DATAFLOW).await;
            let version = &stands["status"]["mappingSet"]["version"];
            let ready = condition(&stands, "Ready")["status"] == "True";
            (*version == 1 && ready).then_some(())
        })
        .await;
    for operation in ["datasets.list", "schemas.get", "schemaRegistry.stats"] {
        assert_eq!(count(&world, operation).await, 0, "{operation}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_name_of_no_dataset_or_of_two_is_said_and_heals() {
    let world = World::with(|options| with_events(&mut options.emulator)).await;
    world.apply(&source("customer-io")).await;
    let target = by_name("nobody's");
    let manifest = to_events("customer-io-events", "customer-io");
    world
        .apply(&changed(manifest, "/spec/target", target))
        .await;
    let says = async |words: &'static [&'static str]| {
        world
            .wait_for(&format!("the message to say {words:?}"), async || {
                let stands = world.get(DATAFLOW).await;
                let ready = condition(&stands, "Ready");
                let message = ready["message"].as_str()?.to_owned();
                let said = words.iter().all(|word| message.contains(word));
                let stalled = condition(&stands, "Stalled")["reason"] == "InvalidSpec";
                (said && stalled).then_some(())
            })
            .await;
    };
    says(&["No dataset", "\"prod\"", "\"nobody's\"", "datasetName"]).await;
    let rename = async |id: &str, name: &str| {
        let merge = json!({"name": name});
        let edit = json!({"kind": "dataset", "id": id, "merge": merge});
        world.edit(edit).await;
    };
    rename(EVENTS, "nobody's").await;
    rename(crate::world::DATASET, "nobody's").await;
    says(&["2 datasets", EVENTS, crate::world::DATASET, "datasetId"]).await;
    for kind in ["targetConnection", "mappingSet", "flow"] {
        assert!(world.objects(kind).await.is_empty(), "{kind}");
    }
    rename(crate::world::DATASET, "another").await;
    world.wait_ready(DATAFLOW).await;
    let stands = world.get(DATAFLOW).await;
    assert_eq!(stands["status"]["target"]["datasetId"], EVENTS);
    world.end().await;
}

#[tokio::test]
async fn rows_that_a_schema_of_events_drops_are_refused_before_anything_is_made() {
    let world = World::with(|options| with_events(&mut options.emulator)).await;
    world.apply(&source("customer-io")).await;
    let manifest = to_events("customer-io-events", "customer-io");
    let with = |rows: Value| changed(manifest.clone(), "/spec/mapping", rows);
    let email = json!({"source": "data.identifiers.email", "destination": "_{tenant}.email"});
    let seconds = json!({"source": "timestamp", "destination": "timestamp"});
    let id = json!({"source": "event_id", "destination": "_id"});
    for (rows, words) in [
        (
            json!([email.clone()]),
            [
                "no row for _id",
                "no row for timestamp",
                "{source: event_id",
            ],
        ),
        (
            json!([email.clone(), id, seconds]),
            ["row for timestamp", "seconds", "dformat(timestamp*1000"],
        ),
    ] {
        world.apply(&with(rows)).await;
        world
            .wait_for(&format!("the message to say {words:?}"), async || {
                let stands = world.get(DATAFLOW).await;
                let stalled = condition(&stands, "Stalled");
                let message = stalled["message"].as_str()?.to_owned();
                let said = words.iter().all(|word| message.contains(word));
                (said && stalled["reason"] == "InvalidSpec").then_some(())
            })
            .await;
    }
    for kind in ["targetConnection", "mappingSet", "flow"] {
        assert!(world.objects(kind).await.is_empty(), "{kind}");
    }
    world.apply(&manifest).await;
    world.wait_ready(DATAFLOW).await;
    world.end().await;
}

/// An `AepDataset` as its own controller leaves it. It is suspended: nobody else writes to it.
fn own_dataset(sandbox: &str, finalizers: Value) -> Value {
    json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "AepDataset",
        "metadata": {"name": "events", "namespace": crate::world::NAMESPACE, "finalizers": finalizers},
        "spec": {
            "sandbox": sandbox, "credentialsRef": {"name": "adobe-credentials"}, "suspend": true,
            "schema": {"title": "Events", "fields": [{"path": "_{tenant}.email", "type": "string"}]}
        },
    })
}

async fn stands_as(world: &World, dataset: &str) {
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    });
    let status = json!({"status": {
        "conditions": [ready], "observedGeneration": 1,
        "schema": {"id": SCHEMA, "majorVersion": 1}, "dataset": {"id": dataset}, "tenantId": "extconndev",
        "organizationId": "1234567890ABCDEF12345678@AdobeOrg", "sandbox": "prod"
    }})
    .to_string();
    let patch = [
        "patch",
        "aepdataset/events",
        "--subresource=status",
        "--type=merge",
        "--patch",
        &status,
    ];
    world.kubectl(&patch).await;
}

/// The paces are the operator's own, five minutes: what happens within seconds was woken.
#[tokio::test]
async fn a_dataflow_waits_for_its_aep_dataset_and_is_woken_by_it() {
    let world = World::with(|options| {
        with_events(&mut options.emulator);
        options.operator_args.clear();
    })
    .await;
    world.apply(&source("customer-io")).await;
    world.wait_ready("customeriosource/customer-io").await;
    world.forget_calls().await;
    let target = json!({"datasetRef": {"name": "events"}});
    let manifest = to_events("customer-io-events", "customer-io");
    let manifest = changed(manifest, "/spec/target", target);
    world.apply(&manifest).await;
    let says = async |words: &'static str| {
        world
            .wait_for(&format!("the message to say {words}"), async || {
                let stands = world.get(DATAFLOW).await;
                let ready = condition(&stands, "Ready");
                let said = ready["message"].as_str()?.contains(words);
                (said && ready["reason"] == "WaitingForDataset").then_some(())
            })
            .await;
    };
    says("AepDataset \"events\" does not exist").await;
    world.apply(&own_dataset("prod", json!([]))).await;
    says("AepDataset \"events\" has no dataset yet").await;
    stands_as(&world, EVENTS).await;
    // It could go before anything that is built on it does.
    says("is not held by the operator yet").await;
    assert_eq!(world.operations().await, Vec::<String>::new());
    let held = json!(["aep-operator.dev/finalizer"]);
    world.apply(&own_dataset("prod", held)).await;
    world.wait_ready(DATAFLOW).await;
    let stands = world.get(DATAFLOW).await;
    let found = json!({
        "datasetId": EVENTS, "schema": {"id": SCHEMA, "majorVersion": 1, "class": CLASS}, "tenantId": "extconndev"
    });
    assert_eq!(stands["status"]["target"], found);
    // It says all that is needed, the tenant id included.
    let mut calls = world.calls().await;
    calls.retain(|call| !call.lists());
    let calls: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(calls.len(), 4, "{calls:?}");

    // Made anew behind the dataflow's back, it is no longer what the flow writes into.
    stands_as(&world, "64a1f0c2e7b3d51bd2d06c67").await;
    let moved = world.wait_reason(DATAFLOW, "RemoteMissing").await;
    let message = condition(&moved, "Ready")["message"].clone();
    for needle in [EVENTS, "64a1f0c2e7b3d51bd2d06c67", "anew"] {
        assert!(message.as_str().unwrap().contains(needle), "{message}");
    }
    stands_as(&world, EVENTS).await;
    world.wait_ready(DATAFLOW).await;

    world.kubectl(&["delete", DATAFLOW]).await;
    assert_eq!(world.objects("flow").await, Vec::<Value>::new());
    assert_eq!(world.objects("dataset").await.len(), 2);
    world.end().await;
}

#[tokio::test]
async fn an_aep_dataset_of_another_sandbox_is_refused() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    let held = json!(["aep-operator.dev/finalizer"]);
    world.apply(&own_dataset("dev", held)).await;
    let target = json!({"datasetRef": {"name": "events"}});
    let manifest = to_events("customer-io-events", "customer-io");
    world
        .apply(&changed(manifest, "/spec/target", target))
        .await;
    let refused = world.wait_reason(DATAFLOW, "InvalidSpec").await;
    let message = condition(&refused, "Ready")["message"].clone();
    for needle in ["\"events\"", "\"dev\"", "\"prod\""] {
        assert!(message.as_str().unwrap().contains(needle), "{message}");
    }
    assert!(world.objects("targetConnection").await.is_empty());
    world.end().await;
}

//! Where records land: a dataset by its name, its schema read from it, the tenant id filled in; and what a mapping to
//! a schema of events needs, told before anything is made.

use aep_emulator::{Options, SeedObject};
use playground::operator_process::Signal;
use playground::restart::Restart;
use serde_json::{Value, json};

use crate::world::{World, changed, condition, dataflow, dataset, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";
const EVENTS: &str = "64a1f0c2e7b3d51bd2d06c66";
const SCHEMA: &str = "https://ns.adobe.com/extconndev/schemas/0e5a";
const GROUP: &str = "https://ns.adobe.com/extconndev/mixins/0e5a";
const CLASS: &str = "https://ns.adobe.com/xdm/context/experienceevent";
pub const NAME: &str = "customer-io-events";

/// A dataset of events as a data team has it: the class's own fields, an e-mail address and a metric.
fn with_events(options: &mut Options) {
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

fn to_events(name: &str, source: &str) -> Value {
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

    // What may be meant is done, and told once.
    let mut doubtful = manifest.clone();
    doubtful["spec"]["mapping"][1] = json!({"value": "2026-02-10", "destination": "timestamp"});
    world.apply(&doubtful).await;
    world.wait_ready(DATAFLOW).await;
    let doubts = async || {
        let events = world.events("customer-io-events").await;
        let doubts = events
            .into_iter()
            .filter(|it| it.starts_with("MappingDoubtful"));
        doubts.collect::<Vec<_>>()
    };
    let told = doubts().await;
    assert!(
        told.len() == 1 && told[0].contains("\"2026-02-10\""),
        "{told:?}"
    );
    world.apply(&manifest).await;
    world
        .wait_for("the other rows", async || {
            let stands = world.get(DATAFLOW).await;
            let ready = condition(&stands, "Ready")["status"] == "True";
            (stands["status"]["mappingSet"]["version"] == 1 && ready).then_some(())
        })
        .await;
    assert_eq!(doubts().await, told);
    world.end().await;
}

const OWN: &str = "aepdataset/events";

fn to_own(name: &str, source: &str) -> Value {
    let target = json!({"datasetRef": {"name": "events"}});
    let mut rows = rows();
    rows.as_array_mut().unwrap().pop();
    let manifest = changed(to_events(name, source), "/spec/target", target);
    changed(manifest, "/spec/mapping", rows)
}

async fn says(world: &World, resource: &str, reason: &str, words: &str) {
    world
        .wait_for(
            &format!("{resource} to say {reason}: {words}"),
            async || {
                let stands = world.get(resource).await;
                let ready = condition(&stands, "Ready");
                let said = ready["message"].as_str()?.contains(words);
                (said && ready["reason"] == reason).then_some(())
            },
        )
        .await;
}

/// The paces are the operator's own, five minutes: what happens within seconds was woken.
#[tokio::test]
async fn a_dataflow_waits_for_its_aep_dataset_and_keeps_it_from_going() {
    const WAITING: &str = "WaitingForDataset";
    let world = World::unhurried().await;
    for name in ["customer-io", "second"] {
        world.apply(&source(name)).await;
        world.wait_ready(&format!("customeriosource/{name}")).await;
    }
    world.forget_calls().await;
    world
        .apply(&to_own("customer-io-events", "customer-io"))
        .await;
    says(
        &world,
        DATAFLOW,
        WAITING,
        "AepDataset \"events\" does not exist",
    )
    .await;
    let dataset = changed(dataset("events"), "/spec/deletionPolicy", json!("Delete"));
    let suspended = changed(dataset.clone(), "/spec/suspend", json!(true));
    world.apply(&suspended).await;
    says(&world, DATAFLOW, WAITING, "has no dataset yet (Suspended)").await;
    assert_eq!(world.operations().await, Vec::<String>::new());
    world.apply(&dataset).await;
    world.wait_ready(DATAFLOW).await;

    let (made, stands) = (world.get(OWN).await, world.get(DATAFLOW).await);
    let (made, target) = (&made["status"], &stands["status"]["target"]);
    assert_eq!(target["datasetId"], made["dataset"]["id"]);
    assert_eq!(target["schema"]["id"], made["schema"]["id"]);
    assert_eq!(
        (&target["schema"]["class"], &target["tenantId"]),
        (&json!(CLASS), &json!("extconndev"))
    );
    // The AepDataset says all that is needed, the tenant id included.
    assert_eq!(count(&world, "schemaRegistry.stats").await, 1);
    let event = json!({
        "event_id": "01KH", "metric": "sent", "timestamp": 1_770_681_600,
        "data": {"identifiers": {"email": "ada@example.com"}}
    });
    let record = json!({
        "_id": "01KH", "timestamp": "2026-02-10T00:00:00.000Z", "_extconndev": {"email": "ada@example.com"}
    });
    let id = target["datasetId"].as_str().unwrap();
    assert_eq!(records_after(&world, &event, id).await, [record]);

    // It does not go before what is built on it does, and nothing more is built on it.
    world.kubectl(&["delete", OWN, "--wait=false"]).await;
    says(&world, OWN, "DeletionBlocked", "\"customer-io-events\"").await;
    world.apply(&to_own("late", "second")).await;
    says(&world, "aepdataflow/late", WAITING, "being deleted").await;
    assert_eq!(
        condition(&world.get(DATAFLOW).await, "Ready")["status"],
        "True"
    );
    world.kubectl(&["delete", DATAFLOW]).await;
    world.wait_gone(OWN).await;
    let left = world.objects("dataset").await;
    assert!(left.iter().all(|dataset| dataset["id"] != id), "{left:?}");
    says(&world, "aepdataflow/late", WAITING, "does not exist").await;
    world.end().await;
}

#[tokio::test]
async fn a_flow_stays_with_its_dataset_when_the_aep_dataset_has_another() {
    let world = World::unhurried().await;
    world.apply(&source("customer-io")).await;
    let recreate = json!("Recreate");
    world
        .apply(&changed(
            dataset("events"),
            "/spec/onRemoteMissing",
            recreate,
        ))
        .await;
    world
        .apply(&to_own("customer-io-events", "customer-io"))
        .await;
    world.wait_ready(DATAFLOW).await;
    let first = world.get(OWN).await["status"]["dataset"]["id"].clone();
    let flow = world.objects("flow").await;
    let edit = json!({"kind": "dataset", "id": first, "delete": true});
    world.edit(edit).await;
    let look = ["annotate", OWN, "reconcile.fluxcd.io/requestedAt=1"];
    world.kubectl(&look).await;
    says(&world, DATAFLOW, "RemoteMissing", first.as_str().unwrap()).await;
    let second = world.get(OWN).await["status"]["dataset"]["id"].clone();
    assert_ne!(second, first);
    says(&world, DATAFLOW, "RemoteMissing", second.as_str().unwrap()).await;
    assert_eq!(world.objects("flow").await, flow);
    world.end().await;
}

#[tokio::test]
async fn an_aep_dataset_of_another_sandbox_is_refused() {
    let world = World::start().await;
    world.apply(&source("customer-io")).await;
    world
        .apply(&changed(dataset("events"), "/spec/sandbox", json!("dev")))
        .await;
    world.wait_ready(OWN).await;
    world
        .apply(&to_own("customer-io-events", "customer-io"))
        .await;
    for words in ["AepDataset \"events\" is in sandbox \"dev\"", "\"prod\""] {
        says(&world, DATAFLOW, "InvalidSpec", words).await;
    }
    assert!(world.objects("targetConnection").await.is_empty());
    world.end().await;
}

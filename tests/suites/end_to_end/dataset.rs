//! Datasets of our own: from nothing, grown, found again, and kept as they should be.

use std::time::Duration;

use playground::operator_process::Signal;
use playground::restart::Restart;
use serde_json::{Value, json};

use crate::dataset_deletion::into_it;
use crate::world::{Call, SCHEMA, World, changed, condition, dataset, source};

const EVENTS: &str = "aepdataset/events";
const KINDS: [&str; 3] = ["fieldGroup", "schema", "dataset"];
/// What the platform's interface signs its changes with.
const SOMEBODY: &str = "9F8E7D6C5B4A392817061524@AdobeID";

/// A sandbox in which nothing stands.
pub async fn empty() -> World {
    World::with(|options| options.emulator.empty = true).await
}

/// The one object of a kind.
pub async fn only(world: &World, kind: &str) -> Value {
    let mut found = world.objects(kind).await;
    assert_eq!(found.len(), 1, "{kind}: {found:?}");
    found.remove(0)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn message(resource: &Value) -> String {
    text(&condition(resource, "Ready"), "/message").to_owned()
}

/// Fields of the field group below the tenant's namespace.
fn fields(group: &Value) -> Value {
    group["definitions"]["customFields"]["properties"]["_extconndev"]["properties"].clone()
}

/// The dataset with one field more.
fn grown(path: &str, kind: &str) -> Value {
    changed(
        dataset("events"),
        "/spec/schema/fields",
        json!([
            {"path": "_{tenant}.email", "type": "string"},
            {"path": "_{tenant}.sent.at", "type": "date-time"},
            {"path": path, "type": kind},
        ]),
    )
}

async fn writes(world: &World) -> Vec<String> {
    let calls = world.calls().await.into_iter();
    calls
        .filter(Call::writes)
        .map(|call| call.operation)
        .collect()
}

#[tokio::test]
async fn an_empty_sandbox_gets_a_dataset_with_its_schema() {
    let world = empty().await;
    world.forget_calls().await;
    world.apply(&dataset("events")).await;
    world.wait_ready(EVENTS).await;
    let calls = world.operations().await;
    let expected = [
        "datasets.create",
        "datasets.list",
        "fieldGroups.create",
        "fieldGroups.list",
        "schemaRegistry.stats",
        "schemas.create",
        "schemas.list",
    ];
    assert_eq!(calls, expected);

    let (group, schema) = (
        only(&world, "fieldGroup").await,
        only(&world, "schema").await,
    );
    let made = only(&world, "dataset").await;
    let stands = world.get(EVENTS).await;
    let status = &stands["status"];
    assert_eq!(status["fieldGroup"]["id"], group["id"]);
    assert_eq!(
        status["schema"],
        json!({"id": schema["id"], "majorVersion": 1})
    );
    assert_eq!(status["dataset"], json!({"id": made["id"]}));
    assert_eq!(status["tenantId"], "extconndev");
    // New schemas are in no cache.
    assert_eq!(status["fieldsChangedAt"], Value::Null);
    assert_eq!(
        fields(&group)["sent"]["properties"]["at"]["format"],
        "date-time"
    );
    assert_eq!(
        schema["meta:class"],
        "https://ns.adobe.com/xdm/context/experienceevent"
    );
    assert_eq!(schema["allOf"][1]["$ref"], group["id"]);
    assert_eq!(made["schemaRef"]["id"], schema["id"]);
    let uid = text(&stands, "/metadata/uid");
    for (object, words) in [
        (&group, "What Customer.io reports"),
        (&schema, "What Customer.io reports"),
        (&made, "Events of every campaign"),
    ] {
        let description = text(object, "/description");
        assert!(
            description.starts_with(words) && description.contains(uid),
            "{description}"
        );
    }
    let tag = text(&made, "/tags/aep-operator/0");
    assert!(tag.ends_with("/marketing/events"), "{tag}");
    world.end().await;
}

#[tokio::test]
async fn a_restart_costs_no_call_and_a_check_that_is_asked_for_reads_and_writes_nothing() {
    let world = World::with(|options| {
        options.emulator.empty = true;
        options.restart = Restart::Always;
        options.lease = Duration::from_secs(2);
    })
    .await;
    world.apply(&dataset("events")).await;
    world.wait_ready(EVENTS).await;
    let stands = world.get(EVENTS).await;
    world.stack.operator().kill(Signal::KILL).unwrap();
    world.forget_calls().await;
    // Another one's work shows that the new process has taken over.
    world.apply(&dataset("others")).await;
    world.wait_ready("aepdataset/others").await;
    let read = world.operations().await;
    assert!(
        read.iter()
            .all(|name| name.rsplit('.').next() != Some("get")),
        "{read:?}"
    );
    let again = world.get(EVENTS).await;
    assert_eq!(
        again["metadata"]["resourceVersion"],
        stands["metadata"]["resourceVersion"]
    );

    world.forget_calls().await;
    let now = "reconcile.fluxcd.io/requestedAt=now";
    world.kubectl(&["annotate", EVENTS, now]).await;
    world
        .wait_for("the check to end", async || {
            let stands = world.get(EVENTS).await;
            (stands["status"]["lastHandledReconcileAt"] == "now").then_some(())
        })
        .await;
    assert_eq!(
        world.operations().await,
        ["datasets.get", "fieldGroups.get", "schemas.get"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_dataset_that_comes_back_with_an_empty_status_takes_over_what_is_its_own() {
    let world = empty().await;
    world.apply(&dataset("events")).await;
    world.wait_ready(EVENTS).await;
    let before = world.get(EVENTS).await;
    world
        .kubectl(&["annotate", EVENTS, "aep-operator.dev/abandon=true"])
        .await;
    world.kubectl(&["delete", EVENTS]).await;
    world.forget_calls().await;
    world.apply(&dataset("events")).await;
    world.wait_ready(EVENTS).await;
    let after = world.get(EVENTS).await;
    for kind in KINDS {
        assert_eq!(after["status"][kind]["id"], before["status"][kind]["id"]);
        let object = only(&world, kind).await;
        let uid = text(&after, "/metadata/uid");
        assert!(text(&object, "/description").contains(uid), "{object}");
    }
    let created = writes(&world).await;
    assert!(
        created
            .iter()
            .all(|name| name.rsplit('.').next() == Some("patch")),
        "{created:?}"
    );
    let events = world.events("events").await;
    let taken = events.iter().filter(|it| it.starts_with("TakenOver:"));
    assert_eq!(taken.count(), 3, "{events:?}");
    world.end().await;
}

#[tokio::test]
async fn a_title_that_somebody_else_has_is_named_and_left_alone() {
    let world = World::start().await;
    let foreign = world.objects("schema").await.remove(0);
    let title = foreign["title"].clone();
    world
        .apply(&changed(dataset("events"), "/spec/schema/title", title))
        .await;
    let stands = world.wait_reason(EVENTS, "OwnedByAnother").await;
    let message = message(&stands);
    for says in [
        SCHEMA,
        "Customer.io tutorial",
        "spec.schema.title",
        "XDM-1521-400",
    ] {
        assert!(message.contains(says), "{says}: {message}");
    }
    assert_eq!(condition(&stands, "Stalled")["status"], "True");
    assert_eq!(world.objects("schema").await, [foreign]);
    // It goes on by itself once the title is free.
    world
        .edit(json!({"kind": "schema", "id": SCHEMA, "merge": {"title": "Renamed"}}))
        .await;
    world.wait_ready(EVENTS).await;
    assert_eq!(world.objects("schema").await.len(), 2);
    world.end().await;
}

#[tokio::test]
async fn fields_are_added_and_what_would_break_records_is_refused() {
    let world = empty().await;
    world.apply(&dataset("events")).await;
    world.wait_ready(EVENTS).await;
    world.forget_calls().await;
    world.apply(&grown("_{tenant}.plan", "string")).await;
    let stands = world
        .wait_for("the new field", async || {
            let stands = world.get(EVENTS).await;
            let seen = stands["status"]["observedGeneration"] == 2;
            (seen && condition(&stands, "Ready")["status"] == "True").then_some(stands)
        })
        .await;
    let group = only(&world, "fieldGroup").await;
    assert_eq!(fields(&group)["plan"]["type"], "string");
    assert_eq!(fields(&group)["email"]["type"], "string");
    assert_eq!(writes(&world).await, ["fieldGroups.patch"]);
    // Dataflows wait for it from here.
    assert!(stands["status"]["fieldsChangedAt"].is_string(), "{stands}");

    // Admission keeps fields; the platform and the operator refuse what admission cannot know.
    let shrunk = dataset("events").to_string();
    let refused = world
        .try_kubectl(&["apply", "-f", "-"], Some(&shrunk))
        .await;
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(refused.contains("may only grow"), "{refused}");

    let taken = json!({"definitions": {"customFields": {"properties": {"_extconndev": {"properties":
        {"rate": {"type": "number"}}}}}}});
    world
        .edit(json!({"kind": "fieldGroup", "id": group["id"], "merge": taken}))
        .await;
    world.forget_calls().await;
    let fields = "/spec/schema/fields/-";
    let add = |path: &str, kind: &str| {
        json!([{"op": "add", "path": fields, "value": {"path": path, "type": kind}}]).to_string()
    };
    let patch = add("_{tenant}.rate", "string");
    world
        .kubectl(&["patch", EVENTS, "--type=json", "--patch", &patch])
        .await;
    let stands = world.wait_reason(EVENTS, "InvalidSpec").await;
    let message = message(&stands);
    assert!(message.contains("_extconndev.rate"), "{message}");
    assert_eq!(writes(&world).await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test]
async fn a_field_and_its_row_may_come_together_and_the_row_waits_for_the_field() {
    const DATAFLOW: &str = "aepdataflow/customer-io-events";
    let world = World::with(|options| {
        options.emulator.empty = true;
        options.operator_args = vec!["--schema-settle=5s".into()];
    })
    .await;
    for manifest in [dataset("events"), source("customer-io"), into_it()] {
        world.apply(&manifest).await;
    }
    // A first dataflow waits for nothing.
    world.wait_ready(DATAFLOW).await;
    world.forget_calls().await;
    let mut dataflow = into_it();
    let row = json!({"source": "data.plan", "destination": "_{tenant}.plan"});
    dataflow["spec"]["mapping"]
        .as_array_mut()
        .unwrap()
        .push(row);
    let both = json!({"apiVersion": "v1", "kind": "List", "items": [dataflow, grown("_{tenant}.plan", "string")]});
    world.apply(&both).await;
    world.wait_reason(DATAFLOW, "WaitingForDataset").await;
    let calls = world
        .wait_for("the new rows", async || {
            let calls = world.calls().await;
            let written = calls
                .iter()
                .any(|call| call.operation == "mappingSets.update");
            written.then_some(calls)
        })
        .await;
    let when = |operation: &str| {
        calls
            .iter()
            .find(|call| call.operation == operation)
            .unwrap()
            .at
    };
    let waited = when("mappingSets.update") - when("fieldGroups.patch");
    // Times in status are whole seconds.
    assert!(waited >= 4_000, "{waited} ms");
    world.wait_ready(DATAFLOW).await;
    world.end().await;
}

#[tokio::test]
async fn a_refusal_of_the_platform_is_told_in_its_own_words() {
    let world = empty().await;
    world.apply(&dataset("events")).await;
    world.wait_ready(EVENTS).await;
    // Whatever is patched, the registry looks at the whole group.
    let group = only(&world, "fieldGroup").await;
    let stray = |field: Value| {
        let properties = json!({"customFields": {"properties": {"elsewhere": field}}});
        json!({"kind": "fieldGroup", "id": group["id"], "merge": {"definitions": properties}})
    };
    world.edit(stray(json!({"type": "string"}))).await;
    world.apply(&grown("_{tenant}.plan", "string")).await;
    let stands = world.wait_reason(EVENTS, "RejectedByPlatform").await;
    let message = message(&stands);
    for says in [
        "update field group",
        "XDM-1020-400",
        "must sit under _extconndev",
    ] {
        assert!(message.contains(says), "{says}: {message}");
    }
    world.edit(stray(Value::Null)).await;
    world.wait_ready(EVENTS).await;
    world.end().await;
}

#[tokio::test]
async fn every_creation_whose_answer_is_lost_is_found_and_none_is_made_twice() {
    let world = empty().await;
    world
        .faults(json!([
            {"method": "POST", "path": "/fieldgroups$", "dropAfterCommit": true, "times": 1},
            {"method": "POST", "path": "/schemas$", "dropAfterCommit": true, "times": 1},
            {"method": "POST", "path": "/dataSets$", "dropAfterCommit": true, "times": 1},
        ]))
        .await;
    world.apply(&dataset("events")).await;
    world.wait_ready(EVENTS).await;
    for kind in KINDS {
        let made = only(&world, kind).await;
        assert_eq!(world.get(EVENTS).await["status"][kind]["id"], made["id"]);
    }
    assert_eq!(world.get(EVENTS).await["status"]["pending"], Value::Null);
    world.end().await;
}

#[tokio::test]
async fn an_operator_killed_in_the_middle_of_each_creation_takes_up_its_own() {
    let world = World::with(|options| {
        options.emulator.empty = true;
        options.emulator.latency = Duration::from_millis(400);
        options.restart = Restart::Always;
        options.lease = Duration::from_secs(2);
    })
    .await;
    world.forget_calls().await;
    world.apply(&dataset("events")).await;
    for operation in ["fieldGroups.create", "schemas.create", "datasets.create"] {
        world
            .wait_for(operation, async || {
                let calls = world.operations().await;
                calls.iter().any(|name| name == operation).then_some(())
            })
            .await;
        world.stack.operator().kill(Signal::KILL).unwrap();
    }
    world.wait_ready(EVENTS).await;
    for kind in KINDS {
        only(&world, kind).await;
    }
    world.end().await;
}

#[tokio::test]
async fn what_somebody_changes_or_deletes_is_found_by_the_drift_check() {
    let world = World::with(|options| {
        options.emulator.empty = true;
        options.operator_args = vec!["--drift-interval=2s".into(), "--stalled-retry=1h".into()];
    })
    .await;
    world.apply(&dataset("events")).await;
    world.wait_ready(EVENTS).await;
    let schema = only(&world, "schema").await;
    world
        .edit(json!({"kind": "schema", "id": schema["id"], "merge": {"title": "Theirs"}}))
        .await;
    let stands = world
        .wait_for("the repair", async || {
            let stands = world.get(EVENTS).await;
            stands["status"]["lastDrift"].is_object().then_some(stands)
        })
        .await;
    assert_eq!(only(&world, "schema").await["title"], schema["title"]);
    let drift = &stands["status"]["lastDrift"];
    assert_eq!(drift["fields"], json!(["schema.title"]));
    assert_eq!(drift["by"], SOMEBODY);

    // In sync, a check reads each object once and writes nothing.
    world.wait_ready(EVENTS).await;
    world.forget_calls().await;
    let read = world
        .wait_for("a check", async || {
            let calls = world.operations().await;
            calls
                .iter()
                .any(|name| name == "datasets.get")
                .then_some(calls)
        })
        .await;
    assert!(
        read.iter().filter(|name| *name == "schemas.get").count() <= 1,
        "{read:?}"
    );
    assert_eq!(writes(&world).await, Vec::<String>::new());

    let made = only(&world, "dataset").await;
    world
        .edit(json!({"kind": "dataset", "id": made["id"], "delete": true}))
        .await;
    let stands = world.wait_reason(EVENTS, "RemoteMissing").await;
    assert!(message(&stands).contains(text(&made, "/id")), "{stands}");
    let again = r#"--patch={"spec": {"onRemoteMissing": "Recreate"}}"#;
    world
        .kubectl(&["patch", EVENTS, "--type=merge", again])
        .await;
    world.wait_ready(EVENTS).await;
    assert_ne!(only(&world, "dataset").await["id"], made["id"]);
    world.end().await;
}

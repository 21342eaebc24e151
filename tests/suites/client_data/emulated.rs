//! The same calls against the strict stand-in for the platform: in memory, without sockets, under paused time.
//! Where no public source says what the platform does, both answers are played.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aep_emulator::host::Host;
use aep_emulator::{BadMapping, BreakingChange, Emulator, Options as EmulatorOptions, SpecSight};
use aep_operator::platform::{
    CUSTOMER_IO_CONNECTION_SPEC, Class, Credentials, Dataset, Deleted, EXPERIENCE_EVENT_CLASS,
    Endpoints, FieldType, Fields, Filter, HttpService, MappingRow, NewDataset, NewFieldGroup,
    NewFlow, NewMappingSet, NewSchema, NewSourceConnection, NewTargetConnection, Options,
    PatchOperation, Platform, RUN_FLOW_PROPERTY, RUN_STARTED_PROPERTY, RunStatus,
    STREAMING_FLOW_SPEC, Sandbox, SchemaRef, Visibility,
};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

const MARKER: &str = "[aep-operator/v1 c1a5e0f2/marketing/events schema 5e0d7a11 1]";
const NOW: u64 = 1_790_000_000_000;

struct World {
    host: Host,
    sandbox: Sandbox,
}

fn empty() -> EmulatorOptions {
    EmulatorOptions {
        empty: true,
        inlet_delay: Duration::ZERO,
        ..EmulatorOptions::default()
    }
}

impl World {
    fn new(options: EmulatorOptions) -> Self {
        let host = Host::new(Emulator::new(options), NOW);
        let service = {
            let host = host.clone();
            HttpService::new(tower::service_fn(move |request: Request<Bytes>| {
                let host = host.clone();
                async move { host.call(request).await.map_err(tower::BoxError::from) }
            }))
        };
        let endpoints = Endpoints::new("http://127.0.0.1", "http://127.0.0.1").unwrap();
        let credentials = Arc::new(Credentials {
            client_id: "demo-client".into(),
            client_secret: "demo-secret".to_owned().into(),
            organization_id: "1234567890ABCDEF12345678@AdobeOrg".into(),
            scopes: None,
        });
        let platform = Platform::new(service, endpoints, Options::default());
        Self {
            host,
            sandbox: platform.sandbox(credentials, "prod"),
        }
    }

    async fn post(&self, uri: &str, body: &Value) -> u16 {
        let request = Request::post(uri)
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        self.host.call(request).await.unwrap().status().as_u16()
    }
}

/// The resources of a dataset of our own.
struct Made {
    tenant: String,
    group: String,
    schema: String,
    dataset: String,
}

fn fields<const N: usize>(tenant: &str, fields: [(&str, FieldType); N]) -> Fields {
    let path = |name| format!("_{tenant}.{name}");
    fields
        .into_iter()
        .map(|(name, kind)| (path(name), kind))
        .collect()
}

async fn make(sandbox: &Sandbox) -> Made {
    let tenant = sandbox.tenant_id().await.unwrap();
    let first = fields(
        &tenant,
        [
            ("email", FieldType::String),
            ("person.score", FieldType::Number),
        ],
    );
    let group =
        NewFieldGroup::new("Events: fields", MARKER, EXPERIENCE_EVENT_CLASS, &first).unwrap();
    let group = sandbox.create_field_group(&group).await.unwrap().id;
    let schema = NewSchema::new("Events", MARKER, EXPERIENCE_EVENT_CLASS, &[&group]);
    let schema = sandbox.create_schema(&schema).await.unwrap().id;
    let dataset = NewDataset::new("events", "for tests", SchemaRef::new(&schema, 1))
        .tag("aep-operator-owner", "c1a5e0f2");
    let dataset = sandbox.create_dataset(&dataset).await.unwrap();
    Made {
        tenant,
        group,
        schema,
        dataset,
    }
}

fn ids(datasets: &[Dataset]) -> Vec<&str> {
    datasets.iter().map(|it| it.id.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn from_an_empty_sandbox_to_a_dataset_that_is_found_again() {
    let world = World::new(empty());
    let sandbox = &world.sandbox;
    assert!(sandbox.list_schemas(None).await.unwrap().is_empty());
    let made = make(sandbox).await;
    assert_eq!(made.tenant, "extconndev");

    // Each is found by the list that a new process would make, with its marker.
    let schemas = sandbox.list_schemas(None).await.unwrap();
    assert_eq!(
        (schemas[0].id.as_str(), schemas[0].description.as_str()),
        (made.schema.as_str(), MARKER)
    );
    let groups = sandbox
        .list_field_groups(Some("Events: fields"))
        .await
        .unwrap();
    assert_eq!(
        (groups[0].id.as_str(), groups[0].description.as_str()),
        (made.group.as_str(), MARKER)
    );
    let by_name = sandbox.list_datasets_by_name("events").await.unwrap();
    assert_eq!(ids(&by_name), [made.dataset.as_str()]);
    let tag = "aep-operator-owner";
    let by_tag = sandbox.list_datasets_by_tag(tag, "c1a5e0f2").await.unwrap();
    assert_eq!(by_tag, by_name);
    let by_star = sandbox.list_datasets_by_tag(tag, "c1*").await.unwrap();
    assert_eq!(by_star, by_name);
    assert!(
        sandbox
            .list_datasets_by_tag(tag, "other")
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        sandbox
            .list_datasets_by_name("event")
            .await
            .unwrap()
            .is_empty()
    );
    let read = sandbox.get_schema(&made.schema, 1).await.unwrap();
    assert_eq!(
        read.parts().collect::<Vec<_>>(),
        [EXPERIENCE_EVENT_CLASS, &made.group]
    );

    // A title is taken, whatever kind of resource has it.
    let second = NewSchema::new("Events: fields", "", EXPERIENCE_EVENT_CLASS, &[]);
    let taken = sandbox.create_schema(&second).await.unwrap_err();
    assert!(
        taken.is_title_taken() && taken.detail.contains(&made.group),
        "{taken}"
    );
    // Names of datasets are not known to be unique: the caller gets what there is.
    let twin = NewDataset::new("events", "", SchemaRef::new(&made.schema, 1));
    let twin = sandbox.create_dataset(&twin).await.unwrap();
    assert_eq!(
        sandbox.list_datasets_by_name("events").await.unwrap().len(),
        2
    );
    sandbox.delete_dataset(&twin).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn fields_may_be_added_and_nothing_else_may_happen_to_them() {
    let world = World::new(empty());
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let group = sandbox.get_field_group(&made.group, 1).await.unwrap();
    let more = fields(
        &made.tenant,
        [
            ("email", FieldType::String),
            ("person.age", FieldType::Integer),
            ("campaign.id", FieldType::String),
            ("campaign.at", FieldType::DateTime),
        ],
    );
    let patch = group.additions(&more).unwrap();
    assert_eq!(patch.len(), 2);
    let patched = sandbox
        .patch_field_group(&made.group, &patch)
        .await
        .unwrap();
    let kinds: BTreeMap<String, Option<FieldType>> = fields(
        &made.tenant,
        [
            ("email", FieldType::String),
            ("person.score", FieldType::Number),
            ("person.age", FieldType::Integer),
            ("campaign.id", FieldType::String),
            ("campaign.at", FieldType::DateTime),
        ],
    )
    .into_iter()
    .map(|(path, kind)| (path, Some(kind)))
    .collect();
    assert_eq!(patched.fields(), kinds);
    assert_eq!(patched.additions(&more), Ok(Vec::new()));
    let words = [PatchOperation::replace("/description", "released")];
    let renamed = sandbox.patch_schema(&made.schema, &words).await.unwrap();
    assert_eq!(renamed.description, "released");

    let place = "/definitions/customFields/properties/_extconndev/properties/email";
    for (breaking, reason) in [
        (
            PatchOperation::remove(place),
            "the field _extconndev.email is removed",
        ),
        // Adding what is there replaces it.
        (
            PatchOperation::add(place, json!({"type": "integer"})),
            "the type of the field _extconndev.email is changed",
        ),
    ] {
        let error = sandbox
            .patch_field_group(&made.group, &[breaking])
            .await
            .unwrap_err();
        assert_eq!(
            (error.class, error.outcome_unknown),
            (Class::Rejected, false)
        );
        assert!(error.detail.contains(reason), "{error}");
        assert!(error.code.is_some() && error.request_id.is_some());
    }
    let error = sandbox
        .patch_schema(&made.schema, &[PatchOperation::remove("/allOf/1")])
        .await
        .unwrap_err();
    assert!(
        error.detail.contains("_extconndev.email is removed"),
        "{error}"
    );
    let after = sandbox.get_field_group(&made.group, 1).await.unwrap();
    assert_eq!(after.fields(), kinds, "a refusal changes nothing");
}

/// Unknown: whether breaking changes are refused once a dataset is made, or once it holds data.
#[tokio::test(start_paused = true)]
async fn a_breaking_change_may_be_let_through_while_there_is_no_data() {
    let world = World::new(EmulatorOptions {
        breaking_change: BreakingChange::WithData,
        ..empty()
    });
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let place = "/definitions/customFields/properties/_extconndev/properties/person";
    let patch = [PatchOperation::remove(place)];
    let patched = sandbox
        .patch_field_group(&made.group, &patch)
        .await
        .unwrap();
    assert_eq!(patched.fields().len(), 1);

    let flow = flow(sandbox, &made).await;
    assert_eq!(world.post(&flow.inlet, &good_event("1")).await, 200);
    let place = "/definitions/customFields/properties/_extconndev/properties/email";
    let patch = [PatchOperation::remove(place)];
    let error = sandbox
        .patch_field_group(&made.group, &patch)
        .await
        .unwrap_err();
    assert!(
        error.detail.contains("_extconndev.email is removed"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_on_a_dataset_is_only_that() {
    let world = World::new(empty());
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let before = sandbox.get_dataset(&made.dataset).await.unwrap();
    let patch = [
        PatchOperation::add("/description", "managed"),
        PatchOperation::set_tag("aep-operator-owner", "released"),
        PatchOperation::set_tag("team/name", "crm"),
    ];
    sandbox.patch_dataset(&made.dataset, &patch).await.unwrap();
    let after = sandbox.get_dataset(&made.dataset).await.unwrap();
    assert_eq!(after.description, "managed");
    assert!(after.has_tag("aep-operator-owner", "released"));
    assert!(!after.has_tag("aep-operator-owner", "c1a5e0f2"));
    assert!(after.has_tag("team/name", "crm"));
    assert_eq!(
        (&after.name, &after.schema_ref),
        (&before.name, &before.schema_ref)
    );
    assert_eq!(after.tags.len(), before.tags.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_goes_from_the_dataset_to_the_fields() {
    let world = World::new(empty());
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    // In use, each refuses (the default of an unknown).
    let used = sandbox.delete_field_group(&made.group).await.unwrap_err();
    assert_eq!(used.class, Class::Rejected);
    let used = sandbox.delete_schema(&made.schema).await.unwrap_err();
    assert_eq!(used.class, Class::Rejected);
    for expected in [Deleted::Gone, Deleted::AlreadyGone] {
        assert_eq!(
            sandbox.delete_dataset(&made.dataset).await.unwrap(),
            expected
        );
        assert_eq!(sandbox.delete_schema(&made.schema).await.unwrap(), expected);
        assert_eq!(
            sandbox.delete_field_group(&made.group).await.unwrap(),
            expected
        );
    }
    let error = sandbox.get_schema(&made.schema, 1).await.unwrap_err();
    assert_eq!(error.class, Class::NotFound);
    let error = sandbox.get_dataset(&made.dataset).await.unwrap_err();
    assert_eq!(error.class, Class::NotFound);
    assert!(sandbox.list_field_groups(None).await.unwrap().is_empty());
}

/// Unknown: how soon a list shows what was created.
#[tokio::test(start_paused = true)]
async fn lists_may_lag_behind_what_was_created() {
    let world = World::new(EmulatorOptions {
        list_lag: Duration::from_secs(30),
        ..empty()
    });
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    assert!(sandbox.list_schemas(None).await.unwrap().is_empty());
    assert!(sandbox.list_field_groups(None).await.unwrap().is_empty());
    assert!(
        sandbox
            .list_datasets_by_name("events")
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        sandbox.get_dataset(&made.dataset).await.unwrap().name,
        "events"
    );
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(sandbox.list_schemas(None).await.unwrap().len(), 1);
    assert_eq!(sandbox.list_field_groups(None).await.unwrap().len(), 1);
    assert_eq!(
        sandbox.list_datasets_by_name("events").await.unwrap().len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn long_lists_are_read_to_their_end() {
    let world = World::new(empty());
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    for n in 0..230 {
        let title = format!("more & more {n:03}");
        let schema = NewSchema::new(&title, "", EXPERIENCE_EVENT_CLASS, &[]);
        sandbox.create_schema(&schema).await.unwrap();
        let dataset = NewDataset::new("many", "", SchemaRef::new(&made.schema, 1));
        sandbox.create_dataset(&dataset).await.unwrap();
    }
    assert_eq!(sandbox.list_schemas(None).await.unwrap().len(), 231);
    assert_eq!(
        sandbox.list_datasets_by_name("many").await.unwrap().len(),
        230
    );
    let one = sandbox.list_schemas(Some("more & more 117")).await.unwrap();
    assert_eq!(one.len(), 1);
}

// --- mappings ---------------------------------------------------------------------------------------------------

const AT: &str = "dformat(timestamp*1000, \"yyyy-MM-dd'T'HH:mm:ss.SSSX\")";

fn rows(tenant: &str) -> Vec<MappingRow> {
    vec![
        MappingRow::attribute("event_id", "_id"),
        MappingRow::expression(AT, "timestamp"),
        MappingRow::attribute("data.email", &format!("_{tenant}.email")),
    ]
}

#[tokio::test(start_paused = true)]
async fn rows_are_judged_against_the_schema_before_anything_is_made() {
    let world = World::new(empty());
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let mapping = |rows| NewMappingSet::new("map", &made.schema, 1, rows);
    let good = mapping(rows(&made.tenant));
    assert_eq!(sandbox.check_mapping(&good).await.unwrap(), []);
    let mut bad = rows(&made.tenant);
    bad.push(MappingRow::attribute("metric", "_extconndev.nosuchfield"));
    bad.push(MappingRow::expression("nosuch(metric)", "eventType"));
    let problems = sandbox.check_mapping(&mapping(bad)).await.unwrap();
    let places: Vec<_> = problems
        .iter()
        .map(|it| (it.row, it.destination.as_str()))
        .collect();
    assert_eq!(
        places,
        [(Some(3), "_extconndev.nosuchfield"), (Some(4), "eventType")]
    );
    assert!(problems[1].reason.contains("nosuch"), "{problems:?}");
    assert!(sandbox.check_expression(AT, None).await.unwrap());
    assert!(!sandbox.check_expression("nosuch(1)", None).await.unwrap());
    assert!(sandbox.list_mapping_sets("map").await.unwrap().is_empty());
    let elsewhere = NewMappingSet::new("map", "https://ns.adobe.com/x/schemas/1", 1, rows("x"));
    let error = sandbox.check_mapping(&elsewhere).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Rejected, false)
    );
}

/// Unknown: Data Prep's error bodies, and when it uses the 400 of its specification.
#[tokio::test(start_paused = true)]
async fn a_bad_row_may_be_refused_as_a_whole() {
    let world = World::new(EmulatorOptions {
        bad_mapping: BadMapping::Refused,
        ..empty()
    });
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let good = NewMappingSet::new("map", &made.schema, 1, rows(&made.tenant));
    assert_eq!(sandbox.check_mapping(&good).await.unwrap(), []);
    let bad = vec![MappingRow::attribute("metric", "_extconndev.nosuchfield")];
    let bad = NewMappingSet::new("map", &made.schema, 1, bad);
    let error = sandbox.check_mapping(&bad).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Rejected, false)
    );
    assert!(error.detail.contains("_extconndev.nosuchfield"), "{error}");
    let error = sandbox
        .check_expression("nosuch(1)", None)
        .await
        .unwrap_err();
    assert_eq!(error.class, Class::Rejected);
}

// --- runs -------------------------------------------------------------------------------------------------------

struct Running {
    id: String,
    inlet: String,
}

async fn flow(sandbox: &Sandbox, made: &Made) -> Running {
    let mapping = NewMappingSet::new("map", &made.schema, 1, rows(&made.tenant));
    let mapping = sandbox.create_mapping_set(&mapping).await.unwrap();
    let source = NewSourceConnection::customer_io("source", "");
    let source = sandbox.create_source_connection(&source).await.unwrap();
    let target = NewTargetConnection::data_lake("target", "", &made.dataset, &made.schema, 1);
    let target = sandbox.create_target_connection(&target).await.unwrap();
    let flow = NewFlow::streaming("flow", "", &source.id, &target.id, &mapping);
    let id = sandbox.create_flow(&flow).await.unwrap().id;
    let read = sandbox.get_flow(&id).await.unwrap();
    let inlet = read.inlet_url().unwrap();
    let path = &inlet[inlet.find("/collection").unwrap()..];
    Running {
        inlet: format!("{path}?x-adobe-flow-id={id}"),
        id,
    }
}

fn good_event(id: &str) -> Value {
    json!({"event_id": id, "timestamp": 1_790_000_000, "data": {"email": "ada@example.com"}})
}

#[tokio::test(start_paused = true)]
async fn runs_tell_what_came_in_and_what_failed() {
    let world = World::new(empty());
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let (one, other) = (flow(sandbox, &made).await, flow(sandbox, &made).await);
    for n in 0..3 {
        world.post(&one.inlet, &good_event(&n.to_string())).await;
    }
    world
        .post(&one.inlet, &json!({"event_id": "no time"}))
        .await;
    let all = Filter::new();
    let runs = sandbox.list_runs(&all, 1).await.unwrap();
    assert!(runs.runs.is_empty(), "the window is open");
    tokio::time::sleep(Duration::from_secs(61)).await;
    world
        .post(&other.inlet, &json!({"event_id": "no time"}))
        .await;
    tokio::time::sleep(Duration::from_secs(61)).await;

    let runs = sandbox.list_runs(&all, 1).await.unwrap();
    assert!(runs.is_complete);
    let [newer, older] = runs.runs.as_slice() else {
        panic!("{runs:?}")
    };
    assert_eq!(
        (&newer.flow_id, &newer.status),
        (&other.id, &RunStatus::Failed)
    );
    assert_eq!(
        (&older.flow_id, &older.status),
        (&one.id, &RunStatus::Partial)
    );
    let counts = |records: &aep_operator::platform::RunRecords| {
        (records.received, records.ingested, records.failed)
    };
    assert_eq!(counts(&older.records), (Some(4), Some(3), Some(1)));
    assert_eq!(counts(&newer.records), (Some(1), Some(0), Some(1)));
    assert_eq!(newer.errors[0].code, "MAPPER-3700-400");
    assert!(newer.errors[0].message.contains("timestamp"), "{newer:?}");
    assert!(older.completed_at.unwrap() > older.started_at.unwrap());

    let mine = Filter::new().any_of(RUN_FLOW_PROPERTY, &[&one.id, "another"]);
    let mine = sandbox.list_runs(&mine, 1).await.unwrap().runs;
    assert_eq!(mine.len(), 1);
    let since = Filter::new().above(RUN_STARTED_PROPERTY, older.started_at.unwrap());
    let since = sandbox.list_runs(&since, 1).await.unwrap().runs;
    assert_eq!(since, [newer.clone()]);
}

#[tokio::test(start_paused = true)]
async fn the_newest_runs_come_first_and_the_rest_is_left_unread() {
    let world = World::new(EmulatorOptions {
        run_window: Duration::from_secs(1),
        ..empty()
    });
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let flow = flow(sandbox, &made).await;
    for n in 0..130 {
        world.post(&flow.inlet, &good_event(&n.to_string())).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let some = sandbox.list_runs(&Filter::new(), 1).await.unwrap();
    assert_eq!((some.runs.len(), some.is_complete), (100, false));
    let all = sandbox.list_runs(&Filter::new(), 2).await.unwrap();
    assert_eq!((all.runs.len(), all.is_complete), (130, true));
    assert_eq!(some.runs, all.runs[..100]);
    assert!(
        all.runs
            .windows(2)
            .all(|it| it[0].created_at > it[1].created_at)
    );
}

/// Unknown: whether a run shows while it lasts, and how long runs are kept.
#[tokio::test(start_paused = true)]
async fn a_run_may_show_while_it_lasts_and_be_forgotten_later() {
    let world = World::new(EmulatorOptions {
        run_in_progress: true,
        run_retention: Duration::from_secs(3600),
        ..empty()
    });
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let flow = flow(sandbox, &made).await;
    world.post(&flow.inlet, &good_event("1")).await;
    let list = || async { sandbox.list_runs(&Filter::new(), 1).await.unwrap().runs };
    let open = list().await;
    assert_eq!(open[0].status, RunStatus::UnderWay);
    assert_eq!(
        (open[0].records.received, open[0].completed_at),
        (Some(1), None)
    );
    tokio::time::sleep(Duration::from_secs(61)).await;
    let over = list().await;
    assert_eq!(
        (&over[0].id, &over[0].status),
        (&open[0].id, &RunStatus::Success)
    );
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(list().await.is_empty());
}

// --- specifications ---------------------------------------------------------------------------------------------

/// Unknown: how a source that the organization does not have looks.
#[tokio::test(start_paused = true)]
async fn the_source_may_be_hidden_from_the_organization() {
    for (sight, visible) in [
        (SpecSight::Visible, true),
        (SpecSight::NotFound, false),
        (SpecSight::NotEntitled, false),
    ] {
        let world = World::new(EmulatorOptions {
            customer_io_spec: sight,
            ..empty()
        });
        let sandbox = &world.sandbox;
        let spec = sandbox
            .connection_spec(CUSTOMER_IO_CONNECTION_SPEC)
            .await
            .unwrap();
        assert_eq!(matches!(spec, Visibility::Visible(_)), visible, "{sight:?}");
        // The pre-flight and the creation agree.
        let new = NewSourceConnection::customer_io("source", "");
        let made = sandbox.create_source_connection(&new).await;
        assert_eq!(made.is_ok(), visible, "{sight:?}: {made:?}");
        let flow_spec = sandbox.flow_spec(STREAMING_FLOW_SPEC).await.unwrap();
        let Visibility::Visible(flow_spec) = flow_spec else {
            panic!("{sight:?}: {flow_spec:?}")
        };
        assert_eq!(
            flow_spec.source_connection_spec_ids,
            [CUSTOMER_IO_CONNECTION_SPEC]
        );
        let unknown = sandbox
            .flow_spec("00000000-0000-0000-0000-000000000000")
            .await;
        assert!(matches!(unknown.unwrap(), Visibility::Hidden(_)));
    }
}

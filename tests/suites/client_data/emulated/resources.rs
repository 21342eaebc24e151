//! Schemas, field groups, datasets: from an empty sandbox, and back to one.

use std::collections::BTreeMap;
use std::time::Duration;

use aep_emulator::{BreakingChange, Options as EmulatorOptions};
use aep_operator::platform::{
    Class, Dataset, Deleted, EXPERIENCE_EVENT_CLASS, FieldType, NewDataset, NewSchema,
    PatchOperation, SchemaRef,
};
use serde_json::json;

use super::{MARKER, World, empty, fields, flow, good_event, make};

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

use serde_json::{Value, json};

use super::super::test_support::{dataset as sample, short};
use super::*;
use crate::plan::desired_dataset::RELEASED_TAG;
use crate::resources::AepDatasetSpec;
use crate::resources::aep_dataset::{FieldKind, SchemaField};

const GROUP: &str = "https://ns.adobe.com/acme/mixins/g";
const SCHEMA: &str = "https://ns.adobe.com/acme/schemas/s";
const CREATE: [&str; 3] = ["create field group", "create schema", "create dataset"];

fn desired_with(change: impl FnOnce(&mut AepDatasetSpec)) -> DesiredDataset {
    let (identity, mut spec) = sample();
    change(&mut spec);
    DesiredDataset::new(identity, &spec)
}

fn desired() -> DesiredDataset {
    desired_with(|_| {})
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers write the value where it stands"
)]
fn reads<T: serde::de::DeserializeOwned>(body: &impl serde::Serialize, added: Value) -> T {
    let mut read = serde_json::to_value(body).unwrap();
    read.as_object_mut()
        .unwrap()
        .extend(added.as_object().unwrap().clone());
    serde_json::from_value(read).unwrap()
}

/// The objects as they read once they were made.
#[expect(
    clippy::needless_pass_by_value,
    reason = "callers write the value where it stands"
)]
fn group(added: Value) -> FieldGroup {
    let desired = desired();
    let body = desired
        .field_group(1, &desired.fields("acme").unwrap())
        .unwrap();
    let mut all = json!({"$id": GROUP, "version": "1.0"});
    all.as_object_mut()
        .unwrap()
        .extend(added.as_object().unwrap().clone());
    reads(&body, all)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers write the value where it stands"
)]
fn schema(added: Value) -> Schema {
    let mut all = json!({"$id": SCHEMA, "version": "1.3", "meta:class": desired().class()});
    all.as_object_mut()
        .unwrap()
        .extend(added.as_object().unwrap().clone());
    reads(&desired().schema(1, GROUP), all)
}

fn dataset(added: Value) -> Dataset {
    let found: Dataset = reads(&desired().dataset(1, &reference(&schema(json!({})))), added);
    Dataset {
        id: "D".into(),
        ..found
    }
}

/// Everything was read and is as it should be.
fn standing() -> ObservedDataset {
    ObservedDataset {
        tenant: Some("acme".into()),
        group: Known::Read(group(json!({}))),
        schema: Known::Read(schema(json!({}))),
        dataset: Known::Read(dataset(json!({}))),
        ..ObservedDataset::default()
    }
}

fn operations(plan: Plan) -> Vec<(RemoteKind, Vec<String>)> {
    let Plan::Run(steps) = plan else {
        panic!("{plan:?}")
    };
    let paths = |step: Step| match step {
        Step::Patch {
            kind, operations, ..
        } => {
            let paths = operations.iter().map(|it| format!("{} {}", it.op, it.path));
            (kind, paths.collect())
        }
        other => panic!("{other}"),
    };
    steps.into_iter().map(paths).collect()
}

fn stopped(plan: Plan) -> Failure {
    match plan {
        Plan::Stop(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn from_nothing_each_object_waits_for_the_one_it_needs() {
    let desired = desired();
    let mut observed = ObservedDataset::default();
    assert_eq!(
        short(&plan(&desired, &observed)),
        "read the organization's tenant id"
    );
    observed.tenant = Some("acme".into());
    assert_eq!(short(&plan(&desired, &observed)), CREATE[0]);
    observed.group = Known::Trusted(GROUP.into());
    assert_eq!(short(&plan(&desired, &observed)), CREATE[1]);
    observed.schema = Known::Trusted(reference(&schema(json!({}))));
    assert_eq!(short(&plan(&desired, &observed)), CREATE[2]);
    observed.dataset = Known::Trusted("D".into());
    assert_eq!(short(&plan(&desired, &observed)), "done");
}

#[test]
fn what_is_not_known_is_looked_at_first_and_all_at_once() {
    let observed = ObservedDataset {
        group: Known::Pending { attempt: 2 },
        schema: Known::Recorded(reference(&schema(json!({})))),
        dataset: Known::Pending { attempt: 1 },
        ..standing()
    };
    let planned = plan(&desired(), &observed);
    assert_eq!(
        short(&planned),
        format!("look up field group; read schema {SCHEMA}; look up dataset")
    );
    let Plan::Run(steps) = planned else { panic!() };
    assert_eq!(
        steps[0],
        Step::LookUpTitle {
            kind: RemoteKind::FieldGroup,
            attempt: 2,
            title: "Customer.io events fields".into()
        }
    );
    assert_eq!(short(&plan(&desired(), &standing())), "done");
}

#[test]
fn only_what_is_missing_is_added_and_what_others_added_stays() {
    let mut observed = standing();
    observed.group = Known::Read(group(
        json!({"definitions": {"customFields": {"properties": {"_acme": {
            "type": "object", "properties": {"email": {"type": "string"}, "theirs": {"type": "boolean"}}
        }}}}}),
    ));
    let changes = operations(plan(&desired(), &observed));
    let [(RemoteKind::FieldGroup, paths)] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    let below = "add /definitions/customFields/properties/_acme/properties";
    let expected = ["cio_id", "metric", "object_type", "sent_at"].map(|it| format!("{below}/{it}"));
    assert_eq!(*paths, expected);
}

#[test]
fn a_field_that_has_another_type_in_aep_is_refused_before_anything_is_written() {
    let mut observed = standing();
    // Its title is wrong too, which could be mended.
    observed.group = Known::Read(group(
        json!({"title": "other", "definitions": {"customFields": {"properties":
            {"_acme": {"type": "object", "properties": {"email": {"type": "integer"}}}}
        }}}),
    ));
    let failure = stopped(plan(&desired(), &observed));
    assert_eq!(failure.reason, Reason::InvalidSpec);
    let says = |text: &str| failure.message.contains(text);
    assert!(
        says("_acme.email") && says(GROUP) && says("Nothing was written"),
        "{}",
        failure.message
    );
}

#[test]
fn labels_tag_and_wiring_that_others_changed_are_put_right_at_the_same_time() {
    let observed = ObservedDataset {
        group: Known::Read(group(json!({"description": "gone"}))),
        schema: Known::Read(schema(
            json!({"title": "x", "allOf": [{"$ref": desired().class()}]}),
        )),
        dataset: Known::Read(dataset(
            json!({"name": "x", "tags": {OWNER_TAG: [RELEASED_TAG]}}),
        )),
        ..standing()
    };
    let changes = operations(plan(&desired(), &observed));
    let expected = [
        (RemoteKind::FieldGroup, vec!["replace /description"]),
        (RemoteKind::Schema, vec!["add /allOf/-", "replace /title"]),
        (
            RemoteKind::Dataset,
            vec!["replace /name", "add /tags/aep-operator"],
        ),
    ];
    let changes: Vec<(RemoteKind, Vec<&str>)> = changes
        .iter()
        .map(|(kind, paths)| (*kind, paths.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(changes, expected);
}

#[test]
fn a_marker_of_another_resource_stops_everything() {
    let mut other = desired().identity;
    other.name = "another".into();
    let marked = |kind| json!({"description": other.marker(kind, 1).to_string()});
    let (kind, all) = (RemoteKind::Dataset, standing());
    for observed in [
        ObservedDataset {
            group: Known::Read(group(marked(RemoteKind::FieldGroup))),
            ..all.clone()
        },
        ObservedDataset {
            schema: Known::Read(schema(marked(RemoteKind::Schema))),
            ..all.clone()
        },
        ObservedDataset {
            dataset: Known::Read(dataset(marked(kind))),
            ..all
        },
    ] {
        let failure = stopped(plan(&desired(), &observed));
        assert_eq!(failure.reason, Reason::OwnedByAnother);
        assert!(
            failure.message.contains("marketing/another"),
            "{}",
            failure.message
        );
    }
}

#[test]
fn what_is_gone_is_made_again_only_when_asked() {
    let observed = ObservedDataset {
        dataset: Known::Missing("D".into()),
        ..standing()
    };
    let failure = stopped(plan(&desired(), &observed));
    assert_eq!(failure.reason, Reason::RemoteMissing);
    assert!(failure.message.contains("dataset D") && failure.message.contains("Recreate"));
    let again = ObservedDataset {
        on_missing: OnRemoteMissing::Recreate,
        ..observed
    };
    assert_eq!(short(&plan(&desired(), &again)), CREATE[2]);
}

#[test]
fn a_schema_is_told_of_a_field_group_that_was_made_anew() {
    let new = "https://ns.adobe.com/acme/mixins/new";
    let observed = ObservedDataset {
        group: Known::Trusted(new.into()),
        replaced: Some(GROUP.into()),
        on_missing: OnRemoteMissing::Recreate,
        ..standing()
    };
    // In the place of the old one: a reference to nothing would have the schema refused.
    assert_eq!(
        operations(plan(&desired(), &observed)),
        [(RemoteKind::Schema, vec!["replace /allOf/1".to_owned()])]
    );
}

#[test]
fn a_dataset_is_not_left_with_a_schema_that_is_not_its_own() {
    let missing = ObservedDataset {
        schema: Known::Missing(reference(&schema(json!({})))),
        on_missing: OnRemoteMissing::Recreate,
        ..standing()
    };
    let other = ObservedDataset {
        dataset: Known::Read(dataset(
            json!({"schemaRef": {"id": "another", "contentType": ""}}),
        )),
        ..standing()
    };
    for observed in [missing, other] {
        let failure = stopped(plan(&desired(), &observed));
        assert_eq!(failure.reason, Reason::RemoteMissing);
        assert!(failure.message.contains("Dataset D"), "{}", failure.message);
    }
}

#[test]
fn paths_are_those_of_the_organization() {
    let field = |path: &str, kind| SchemaField {
        path: path.into(),
        kind,
    };
    let with =
        |fields: Vec<SchemaField>| desired_with(|spec| spec.schema.fields = fields).fields("acme");
    let text = FieldKind::String;
    let right = with(vec![field("_{tenant}.a.b", text), field("_acme.c", text)]).unwrap();
    assert_eq!(right.keys().collect::<Vec<_>>(), ["_acme.a.b", "_acme.c"]);
    for (wrong, says) in [
        (vec![field("_other.a", text)], "_other.a is not under _acme"),
        (
            vec![field("_acmecorp.a", text)],
            "_acmecorp.a is not under _acme",
        ),
        (
            vec![
                field("_acme.a", text),
                field("_{tenant}.a", FieldKind::Integer),
            ],
            "twice",
        ),
        (
            vec![field("_acme.a", text), field("_{tenant}.a.b", text)],
            "below another",
        ),
    ] {
        let failure = with(wrong).unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidSpec);
        assert!(failure.message.contains(says), "{}", failure.message);
    }
}

type Change = fn(&mut AepDatasetSpec);

#[test]
fn the_hash_changes_with_what_is_written_and_with_nothing_else() {
    let before = desired().hash();
    let same = desired_with(|spec| {
        spec.schema.fields.reverse();
        spec.suspend = true;
        spec.deletion_policy = crate::resources::lifecycle::DeletionPolicy::Delete;
    });
    assert_eq!(same.hash(), before);
    let changes: [Change; 5] = [
        |spec| spec.description = None,
        |spec| spec.schema.description = None,
        |spec| spec.name = None,
        |spec| spec.schema.title = "t".into(),
        |spec| drop(spec.schema.fields.pop()),
    ];
    for change in changes {
        assert_ne!(desired_with(change).hash(), before);
    }
}

#[test]
fn added_fields_settle_and_a_new_schema_does_not() {
    let settle = Duration::from_mins(15);
    let at = Timestamp::from_second(1_000).unwrap();
    assert_eq!(settled_at(None, settle), None);
    assert_eq!(
        settled_at(Some(at), settle),
        Some(Timestamp::from_second(1_900).unwrap())
    );
}

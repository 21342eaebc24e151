use serde_json::{Value, json};

use super::super::test_support::{dataflow, short};
use super::*;
use crate::resources::aep_dataflow::{DatasetReference, Target};

const SCHEMA: &str = "https://ns.adobe.com/extconndev/schemas/1";

fn spec(target: &Value, destination: &str) -> AepDataflowSpec {
    let (_, mut spec) = dataflow();
    spec.target = serde_json::from_value(target.clone()).unwrap();
    spec.mapping.truncate(1);
    spec.mapping[0].destination = destination.to_owned();
    spec
}

fn dataset(id: &str, name: &str, schema: &Value) -> Dataset {
    let body = json!({"name": name, "schemaRef": schema});
    Dataset {
        id: id.to_owned(),
        ..serde_json::from_value(body).unwrap()
    }
}

fn made_for(id: &str, content_type: &str) -> Value {
    json!({"id": id, "contentType": content_type})
}

fn version_1() -> Value {
    made_for(SCHEMA, "application/vnd.adobe.xed+json;version=1")
}

fn schema(class: &str) -> Answer {
    let body = json!({"$id": SCHEMA, "version": "2.3", "meta:class": class});
    Answer::Schema(Some(Box::new(serde_json::from_value(body).unwrap())))
}

/// What a spec comes to without a status, after these answers.
fn after(spec: &AepDataflowSpec, answers: impl IntoIterator<Item = Answer>) -> Resolution {
    let mut taken = Answers::default();
    answers.into_iter().for_each(|answer| taken.take(answer));
    Search {
        spec,
        view: &TargetView::Existing,
        recorded: None,
        answers: &taken,
        sandbox: "prod",
    }
    .resolve()
}

fn told(resolution: &Resolution) -> String {
    match resolution {
        Resolution::Known(found) => format!(
            "{} {} {} {} {}",
            found.dataset_id,
            found.schema.id,
            found.schema.major_version,
            found.class.as_deref().unwrap_or("-"),
            found.tenant.as_deref().unwrap_or("-")
        ),
        Resolution::Not(Plan::Stop(failure)) => format!("{}: {}", failure.reason, failure.message),
        Resolution::Not(plan) => short(plan),
    }
}

#[test]
fn what_the_spec_says_in_full_is_asked_of_nobody() {
    let target =
        json!({"existing": {"datasetId": "d", "schema": {"id": SCHEMA, "majorVersion": 3}}});
    let known = after(&spec(&target, "_t.email"), []);
    assert_eq!(told(&known), format!("d {SCHEMA} 3 - -"));
}

#[test]
fn a_name_has_to_be_that_of_one_dataset() {
    let target = json!({"existing": {"datasetName": "events"}});
    let spec = spec(&target, "_t.email");
    assert_eq!(told(&after(&spec, [])), "look up dataset \"events\"");
    let other = || dataset("x", "events of others", &version_1());
    let none = told(&after(&spec, [Answer::DatasetsNamed(vec![other()])]));
    assert!(
        none.starts_with("InvalidSpec: No dataset in sandbox \"prod\""),
        "{none}"
    );
    assert!(none.contains("\"events\""), "{none}");
    let both = ["b", "a"].map(|id| dataset(id, "events", &version_1()));
    let two = told(&after(&spec, [Answer::DatasetsNamed(both.to_vec())]));
    for needle in ["InvalidSpec: 2 datasets", "a, b", "datasetId"] {
        assert!(two.contains(needle), "{needle}: {two}");
    }
    let one = || Answer::DatasetsNamed(vec![other(), dataset("a", "events", &version_1())]);
    assert_eq!(
        told(&after(&spec, [one()])),
        format!("read schema {SCHEMA}")
    );
    // The version is the one that the dataset names, not the newest of the schema.
    assert_eq!(
        told(&after(&spec, [one(), schema("class")])),
        format!("a {SCHEMA} 1 class -")
    );
}

#[test]
fn a_schema_beside_a_name_has_to_be_the_dataset_s_own_and_is_not_read() {
    let named = |id: &str, version: u32| {
        let schema = json!({"id": id, "majorVersion": version});
        let target = json!({"existing": {"datasetName": "events", "schema": schema}});
        let found = dataset("a", "events", &version_1());
        let spec = spec(&target, "_t.email");
        told(&after(&spec, [Answer::DatasetsNamed(vec![found])]))
    };
    assert_eq!(named(SCHEMA, 1), format!("a {SCHEMA} 1 - -"));
    for other in [
        named(SCHEMA, 2),
        named("https://ns.adobe.com/t/schemas/2", 1),
    ] {
        assert!(
            other.starts_with("InvalidSpec") && other.contains(SCHEMA),
            "{other}"
        );
    }
}

#[test]
fn a_dataset_by_its_id_says_its_schema() {
    let spec = spec(&json!({"existing": {"datasetId": "d"}}), "_t.email");
    let asked = |answers: Vec<Answer>| told(&after(&spec, answers));
    assert_eq!(asked(vec![]), "read dataset d");
    let missing = asked(vec![Answer::Dataset(None)]);
    assert!(missing.starts_with("InvalidSpec: Dataset d"), "{missing}");
    let of = |schema: &Value| Answer::Dataset(Some(Box::new(dataset("d", "n", schema))));
    let without = asked(vec![of(&Value::Null)]);
    assert!(without.contains("has no schema"), "{without}");
    assert_eq!(
        asked(vec![of(&version_1())]),
        format!("read schema {SCHEMA}")
    );
    // A schema that may not be read costs the check of the mapping, not the flow.
    assert_eq!(
        asked(vec![of(&version_1()), Answer::Schema(None)]),
        format!("d {SCHEMA} 1 - -")
    );
    // A dataset that does not tell the version has that of the schema.
    let vague = made_for(SCHEMA, "application/json");
    assert_eq!(
        asked(vec![of(&vague), schema("class")]),
        format!("d {SCHEMA} 2 class -")
    );
    let nowhere = asked(vec![of(&vague), Answer::Schema(None)]);
    assert!(nowhere.contains("spec.target.existing.schema"), "{nowhere}");
}

#[test]
fn the_tenant_is_asked_for_only_where_a_destination_names_it() {
    let target = json!({"existing": {"datasetName": "events"}});
    let named = spec(&target, "_{tenant}.email");
    assert_eq!(
        told(&after(&named, [])),
        "look up dataset \"events\"; read the organization's tenant id"
    );
    let full = json!({"existing": {"datasetId": "d", "schema": {"id": SCHEMA}}});
    let full = spec(&full, "_{tenant}.email");
    assert_eq!(told(&after(&full, [])), "read the organization's tenant id");
    let known = after(&full, [Answer::Tenant("acme".into())]);
    assert_eq!(told(&known), format!("d {SCHEMA} 1 - acme"));
    let Resolution::Known(known) = known else {
        panic!("it is known")
    };
    assert_eq!(known.destination("_{tenant}.email"), "_acme.email");
}

/// What stands in status counts: no question, whatever the name is by now.
#[test]
fn what_was_recorded_stays() {
    let spec = spec(
        &json!({"existing": {"datasetName": "events"}}),
        "_{tenant}.email",
    );
    let then = ResolvedTarget {
        tenant: Some("acme".into()),
        class: Some("class".into()),
        ..target(
            "a",
            SchemaReference {
                id: SCHEMA.into(),
                major_version: 1,
            },
            None,
        )
    };
    let recorded = then.status();
    let search = |view: &TargetView| {
        Search {
            spec: &spec,
            view,
            recorded: Some(&recorded),
            answers: &Answers::default(),
            sandbox: "prod",
        }
        .resolve()
    };
    assert_eq!(
        search(&TargetView::Existing),
        Resolution::Known(then.clone())
    );
    let waiting = TargetView::NotYet {
        message: "m".into(),
    };
    assert_eq!(search(&waiting), Resolution::Known(then.clone()));
    assert_eq!(
        search(&TargetView::Known(then.clone())),
        Resolution::Known(then.clone())
    );
    let anew = ResolvedTarget {
        dataset_id: "b".into(),
        ..then
    };
    let told = told(&search(&TargetView::Known(anew)));
    assert!(
        told.starts_with("RemoteMissing") && told.contains("dataset b"),
        "{told}"
    );
}

#[test]
fn an_aep_dataset_without_a_dataset_is_waited_for_in_its_own_words() {
    let (_, mut spec) = dataflow();
    spec.target = Target {
        existing: None,
        dataset_ref: Some(DatasetReference { name: "d".into() }),
    };
    let view = TargetView::NotYet {
        message: "AepDataset \"d\" has no dataset yet.".into(),
    };
    let Resolution::Not(Plan::Wait(wait)) = (Search {
        spec: &spec,
        view: &view,
        recorded: None,
        answers: &Answers::default(),
        sandbox: "prod",
    })
    .resolve() else {
        panic!("it has to wait")
    };
    assert_eq!(
        (wait.reason, wait.message.as_str(), wait.poll),
        (
            Reason::WaitingForDataset,
            "AepDataset \"d\" has no dataset yet.",
            false
        )
    );
}

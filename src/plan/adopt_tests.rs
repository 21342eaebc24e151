use serde_json::{Value, json};

use super::super::test_support::{desired_dataflow, desired_source, desired_with, short};
use super::*;
use crate::platform::MappingRef;
use crate::resources::aep_dataflow::MappingSetReference;

fn flow(edit: impl FnOnce(&mut Value)) -> Flow {
    let mapping = MappingRef {
        id: "M".into(),
        version: 0,
    };
    let mut read = serde_json::to_value(desired_dataflow().flow(1, "S", "T", &mapping)).unwrap();
    read["id"] = json!("F");
    read["state"] = json!("enabled");
    read["description"] = json!(Marker::text(read["description"].as_str().unwrap()));
    edit(&mut read);
    serde_json::from_value(read).unwrap()
}

fn target(dataset: &str) -> TargetConnection {
    let body = desired_dataflow().target_connection(1);
    let mut read = json!({"id": "T", "data": body.data, "params": body.params});
    if !dataset.is_empty() {
        read["params"]["dataSetId"] = json!(dataset);
    }
    serde_json::from_value(read).unwrap()
}

fn mapping(drop_rows: usize) -> MappingSet {
    let body = serde_json::to_value(desired_dataflow().mapping_set(1)).unwrap();
    let rows = body["mappings"].as_array().unwrap();
    let mut rows: Vec<Value> = rows[drop_rows..].to_vec();
    for row in &mut rows {
        row["sourceType"] = json!("text/x.schema-path");
    }
    let read = json!({"id": "M", "version": 0, "name": "made by hand", "mappings": rows});
    serde_json::from_value(read).unwrap()
}

fn judged(policy: AdoptPolicy, flow: Flow, target: TargetConnection, mapping: MappingSet) -> Plan {
    let adoption = Adoption {
        id: "F".into(),
        policy,
        found: Found::Read(Box::new(flow)),
    };
    let observed = ObservedDataflow {
        source: SourceView::Standing { id: "S".into() },
        target: Known::Read(target),
        mapping: Known::Read(mapping),
        ..ObservedDataflow::default()
    };
    super::flow(&desired_dataflow(), &observed, &adoption)
}

fn reason(plan: &Plan) -> String {
    match plan {
        Plan::Stop(failure) => format!("{}: {}", failure.reason, failure.message),
        plan => short(plan),
    }
}

#[test]
fn everything_is_read_before_anything_is_adopted() {
    let mut adoption = Adoption {
        id: "F".into(),
        policy: AdoptPolicy::Match,
        found: Found::Unread,
    };
    let observed = ObservedDataflow {
        source: SourceView::Standing { id: "S".into() },
        ..ObservedDataflow::default()
    };
    let plan = |adoption: &_| super::flow(&desired_dataflow(), &observed, adoption);
    assert_eq!(short(&plan(&adoption)), "read flow F");
    adoption.found = Found::Read(Box::new(flow(|_| {})));
    let Plan::Run(steps) = plan(&adoption) else {
        panic!("what the flow is built on has to be read")
    };
    assert_eq!(steps.len(), 2);
    assert!(steps.iter().all(|step| matches!(step, Step::Read { .. })));
    adoption.found = Found::Missing;
    assert!(reason(&plan(&adoption)).starts_with("RemoteMissing"));
}

#[test]
fn a_flow_that_is_as_the_spec_says_matches() {
    let plan = judged(AdoptPolicy::Match, flow(|_| {}), target(""), mapping(0));
    assert_eq!(plan, Plan::Adopt, "{}", reason(&plan));
}

#[test]
fn every_difference_is_named_and_override_takes_it() {
    let differs = || {
        flow(|it| {
            it["name"] = json!("made by hand");
            it["description"] = json!("nobody knows");
            it["state"] = json!("disabled");
        })
    };
    let plan = judged(AdoptPolicy::Match, differs(), target(""), mapping(1));
    let text = reason(&plan);
    for part in [
        "AdoptionDiffers",
        "flow.name",
        "flow.description",
        "flow.state",
        "mapping (it has",
        "Override",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let plan = judged(AdoptPolicy::Override, differs(), target(""), mapping(1));
    assert_eq!(plan, Plan::Adopt);
}

#[test]
fn what_can_never_change_is_refused_under_every_policy() {
    for policy in [
        AdoptPolicy::Match,
        AdoptPolicy::Override,
        AdoptPolicy::TakeOver,
    ] {
        let dataset = judged(policy, flow(|_| {}), target("0123"), mapping(0));
        assert!(
            reason(&dataset).contains("dataset 0123"),
            "{}",
            reason(&dataset)
        );
        let source = flow(|it| it["sourceConnectionIds"] = json!(["other"]));
        let source = judged(policy, source, target(""), mapping(0));
        assert!(
            reason(&source).contains("adopt other"),
            "{}",
            reason(&source)
        );
        let spec = flow(|it| it["flowSpec"]["id"] = json!("batch"));
        let spec = judged(policy, spec, target(""), mapping(0));
        assert!(reason(&spec).contains("no"), "{}", reason(&spec));
    }
}

#[test]
fn another_resources_marker_is_respected_unless_it_is_taken_over() {
    let foreign = || {
        flow(|it| {
            it["description"] = json!(format!(
                "{} [aep-operator/v1 other/ns/name flow uid 1]",
                it["description"].as_str().unwrap()
            ));
        })
    };
    for (policy, adopts) in [
        (AdoptPolicy::Match, false),
        (AdoptPolicy::Override, false),
        (AdoptPolicy::TakeOver, true),
    ] {
        let plan = judged(policy, foreign(), target(""), mapping(0));
        assert_eq!(plan == Plan::Adopt, adopts, "{policy:?}: {}", reason(&plan));
        assert!(
            adopts || reason(&plan).contains("ns/name"),
            "{}",
            reason(&plan)
        );
    }
}

#[test]
fn a_source_connection_is_adopted_by_the_same_rules() {
    let read = |edit: fn(&mut Value)| {
        let mut read = serde_json::to_value(desired_source().source_connection(1)).unwrap();
        read["id"] = json!("C");
        edit(&mut read);
        Adoption {
            id: "C".into(),
            policy: AdoptPolicy::Match,
            found: Found::Read(Box::new(serde_json::from_value(read).unwrap())),
        }
    };
    assert_eq!(source(&desired_source(), &read(|_| {})), Plan::Adopt);
    let renamed = source(&desired_source(), &read(|it| it["name"] = json!("x")));
    assert!(
        reason(&renamed).contains("sourceConnection.name"),
        "{}",
        reason(&renamed)
    );
    let other = read(|it| it["connectionSpec"]["id"] = json!("other"));
    let other = source(&desired_source(), &other);
    assert!(reason(&other).contains("Customer.io"), "{}", reason(&other));
}

/// A mapping set that the spec names is compared by name and version, and never read: it does not become the
/// resource's own.
#[test]
fn a_flow_on_a_mapping_set_made_elsewhere_is_adopted_without_it() {
    let wanted = |version: i64| {
        desired_with(|spec| {
            spec.mapping = Vec::new();
            spec.mapping_set = Some(MappingSetReference {
                id: "M".into(),
                version,
            });
        })
    };
    let judged = |version, policy, observed: &ObservedDataflow| {
        let adoption = Adoption {
            id: "F".into(),
            policy,
            found: Found::Read(Box::new(flow(|_| {}))),
        };
        super::flow(&wanted(version), observed, &adoption)
    };
    let unread = ObservedDataflow {
        source: SourceView::Standing { id: "S".into() },
        ..ObservedDataflow::default()
    };
    assert_eq!(
        short(&judged(0, AdoptPolicy::Match, &unread)),
        "read target connection T"
    );
    let read = ObservedDataflow {
        target: Known::Read(target("")),
        ..unread
    };
    assert_eq!(judged(0, AdoptPolicy::Match, &read), Plan::Adopt);
    let differs = reason(&judged(3, AdoptPolicy::Match, &read));
    assert!(
        differs.contains("AdoptionDiffers") && differs.contains("version 0 of mapping set M"),
        "{differs}"
    );
    assert_eq!(judged(3, AdoptPolicy::Override, &read), Plan::Adopt);
}

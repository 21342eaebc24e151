//! Changes of a dataflow that stands: of the spec, or made by somebody else in AEP.

use serde_json::{Value, json};

use super::super::super::golden;
use super::super::super::test_support::{desired_dataflow, desired_with, row, short};
use super::super::*;
use super::{NAME, in_line, mapping_ref, mapping_set, observed, with_flow};
use crate::plan::question::Question;
use crate::platform::{FlowAction, MappingProblem};
use crate::resources::aep_dataflow::{DesiredState, FlowAdoption, MappingSetReference};

/// The operations of a plan that patches the flow and does nothing else.
#[track_caller]
fn flow_patch(desired: &DesiredDataflow, observed: &ObservedDataflow) -> Value {
    match plan(desired, observed) {
        Plan::Run(steps) => match steps.as_slice() {
            [
                Step::Patch {
                    kind: RemoteKind::Flow,
                    id,
                    etag,
                    operations,
                },
            ] => {
                assert_eq!((id.as_str(), etag.as_str()), ("F", "\"f1\""));
                serde_json::to_value(operations).unwrap()
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_name_and_description_are_one_patch_of_the_flow() {
    let desired = desired_with(|spec| {
        spec.name = Some("Customer.io, renamed".into());
        spec.description = Some("Described anew".into());
    });
    golden::check("patch-label", &flow_patch(&desired, &in_line()));
}

#[test]
fn new_rows_are_written_before_the_flow_is_pointed_at_them() {
    let desired = desired_with(|spec| {
        spec.mapping = vec![
            row(1, "lower(data.identifiers.email)", "_extconndev.email"),
            row(0, "event_id", "_extconndev.event_id0"),
            row(2, "customer.io", "_extconndev.metricx"),
        ];
    });
    let taken = ObservedDataflow {
        checked: judged(&desired, 1, &[]),
        ..in_line()
    };
    let Plan::Run(steps) = plan(&desired, &taken) else {
        panic!("it has to run")
    };
    let [Step::UpdateMappingSet { id, body }] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(id, "MAPPING-SET-ID");
    golden::check("put-mapping-set", &serde_json::to_value(body).unwrap());

    let observed = ObservedDataflow {
        mapping: Known::Trusted(mapping_ref(1)),
        ..in_line()
    };
    golden::check("patch-mapping", &flow_patch(&desired, &observed));
}

/// What the platform said of the rows as they would be written.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape of the field it goes into"
)]
fn judged(desired: &DesiredDataflow, attempt: i64, refused: &[&str]) -> Option<Checked> {
    let problem = |destination: &&str| MappingProblem {
        row: None,
        source: "s".into(),
        destination: (*destination).to_owned(),
        reason: "no such field".into(),
    };
    Some(Checked {
        body: desired.mapping_set(attempt),
        problems: refused.iter().map(problem).collect(),
    })
}

#[test]
fn new_rows_of_a_flow_are_shown_to_the_platform_before_they_are_written() {
    let desired = desired_with(|spec| drop(spec.mapping.pop()));
    let other = desired_with(|spec| spec.mapping.truncate(1));
    let with = |checked| ObservedDataflow {
        checked,
        ..in_line()
    };
    let asked = plan(&desired, &with(None));
    assert_eq!(
        asked,
        Plan::Run(vec![Step::Ask(Question::Mapping(desired.mapping_set(1)))])
    );
    // What was said of other rows says nothing.
    for of_others in [judged(&other, 1, &[]), judged(&other, 1, &["_t.gone"])] {
        assert_eq!(plan(&desired, &with(of_others)), asked);
    }
    assert_eq!(
        short(&plan(&desired, &with(judged(&desired, 1, &[])))),
        "update mapping set MAPPING-SET-ID"
    );
    let refused = plan(&desired, &with(judged(&desired, 1, &["_t.gone", "_t.a"])));
    let Plan::Stop(failure) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(failure.reason, Reason::RejectedByPlatform);
    for needle in ["2 rows", "s -> _t.gone: no such field", "The flow goes on"] {
        assert!(failure.message.contains(needle), "{}", failure.message);
    }
    // A flow is not kept from what its rows do not matter to.
    assert_eq!(
        plan(
            &desired_dataflow(),
            &with(judged(&desired, 1, &["_t.gone"]))
        ),
        Plan::Done
    );
}

#[test]
fn before_there_is_a_flow_rows_are_written_unseen() {
    let desired = desired_with(|spec| drop(spec.mapping.pop()));
    for flow in [Known::Absent, Known::Missing("F".into())] {
        let observed = ObservedDataflow {
            flow,
            on_missing: OnRemoteMissing::Recreate,
            ..in_line()
        };
        assert_eq!(
            short(&plan(&desired, &observed)),
            "update mapping set MAPPING-SET-ID"
        );
    }
}

/// It is used as it is: neither looked up nor read, made, changed or missed.
#[test]
fn a_mapping_set_made_elsewhere_is_only_ever_named() {
    let reference = |version| MappingRef {
        id: "ELSEWHERE".into(),
        version,
    };
    let desired = |version: i64| {
        desired_with(|spec| {
            spec.mapping = Vec::new();
            spec.mapping_set = Some(MappingSetReference {
                id: "ELSEWHERE".into(),
                version,
            });
        })
    };
    let wanted = desired(4);
    assert_eq!(
        short(&plan(&wanted, &observed("AAA", true))),
        "create target connection"
    );
    let made = plan(&wanted, &observed("TAA", true));
    let body = Body::Flow(wanted.flow(1, "S", "T", &reference(4)));
    assert_eq!(made, Plan::Run(vec![Step::Create { attempt: 1, body }]));
    // A set of rows from before is left alone too, but for one that may still appear.
    for letters in ["RCR", "RXR", "RMR", "RTR"] {
        let operations = flow_patch(&wanted, &observed(letters, true));
        let params = &operations[0]["value"]["params"];
        assert_eq!(
            *params,
            json!({"mappingId": "ELSEWHERE", "mappingVersion": 4})
        );
    }
    assert_eq!(
        short(&plan(&wanted, &observed("RPR", true))),
        "look up mapping set"
    );
    let uses = |version: u64| ObservedDataflow {
        mapping: Known::Absent,
        ..with_flow(|it| {
            it["transformations"][0]["params"] =
                json!({"mappingId": "ELSEWHERE", "mappingVersion": version});
        })
    };
    assert_eq!(plan(&wanted, &uses(4)), Plan::Done);
    let operations = flow_patch(&desired(5), &uses(4));
    assert_eq!(operations[0]["value"]["params"]["mappingVersion"], 5);
}

#[test]
fn one_patch_of_the_flow_carries_all_its_changes() {
    let observed = ObservedDataflow {
        mapping: Known::Trusted(mapping_ref(4)),
        ..with_flow(|it| (it["name"], it["description"]) = (json!("x"), json!("y")))
    };
    let operations = flow_patch(&desired_dataflow(), &observed);
    let paths: Vec<&Value> = operations
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["path"])
        .collect();
    assert_eq!(paths, ["/name", "/description", "/transformations/0"]);
    assert_eq!(operations[0]["value"], NAME);
    assert_eq!(operations[2]["value"]["params"]["mappingVersion"], 4);
}

#[test]
fn the_mapping_is_replaced_where_it_stands_among_the_transformations() {
    let observed = ObservedDataflow {
        mapping: Known::Trusted(mapping_ref(1)),
        ..with_flow(|it| {
            let mapping = it["transformations"][0].clone();
            it["transformations"] = json!([{"name": "Something", "params": {}}, mapping]);
        })
    };
    assert_eq!(
        flow_patch(&desired_dataflow(), &observed)[0]["path"],
        "/transformations/1"
    );
}

#[test]
fn a_mapping_version_as_text_is_no_difference() {
    let observed =
        with_flow(|it| it["transformations"][0]["params"]["mappingVersion"] = json!("0"));
    assert_eq!(plan(&desired_dataflow(), &observed), Plan::Done);
}

#[test]
fn a_flow_switched_to_another_mapping_set_is_brought_back() {
    let observed = with_flow(|it| it["transformations"][0]["params"]["mappingId"] = json!("other"));
    golden::check("patch-mapping", &{
        let mut operations = flow_patch(&desired_dataflow(), &observed);
        assert_eq!(operations[0]["value"]["params"]["mappingVersion"], 0);
        operations[0]["value"]["params"]["mappingVersion"] = json!(1);
        operations
    });
}

#[test]
fn a_later_attempt_s_marker_survives_changes() {
    let desired = desired_with(|spec| spec.description = Some("changed".into()));
    let identity = desired.identity.clone();
    let marker = |kind| identity.marker(kind, 3).to_string();
    let observed =
        with_flow(|it| it["description"] = json!(format!("old {}", marker(RemoteKind::Flow))));
    assert_eq!(
        flow_patch(&desired, &observed)[0]["value"],
        format!("changed {}", marker(RemoteKind::Flow))
    );

    let fewer = desired_with(|spec| drop(spec.mapping.pop()));
    let set = mapping_set(&desired_dataflow(), |it| {
        it["name"] = json!(marker(RemoteKind::MappingSet));
    });
    let observed = ObservedDataflow {
        mapping: Known::Read(set),
        checked: judged(&fewer, 3, &[]),
        ..in_line()
    };
    let Plan::Run(steps) = plan(&fewer, &observed) else {
        panic!("it has to run")
    };
    assert_eq!(
        steps,
        [Step::UpdateMappingSet {
            id: "MAPPING-SET-ID".into(),
            body: fewer.mapping_set(3)
        }]
    );
}

#[test]
fn a_flow_whose_marker_is_gone_or_another_s_is_marked_again() {
    let desired = desired_dataflow();
    let marked = desired.flow(1, "S", "T", &mapping_ref(0)).description;
    let mut other = desired.identity.clone();
    other.uid = "another".into();
    let foreign = other.marker(RemoteKind::Flow, 5).end(Some(NAME));
    for (description, op) in [
        (json!(NAME), "replace"),
        (json!(foreign), "replace"),
        (Value::Null, "add"),
    ] {
        let observed = with_flow(|it| it["description"] = description);
        let expected = json!([{"op": op, "path": "/description", "value": marked}]);
        assert_eq!(flow_patch(&desired, &observed), expected);
    }
}

#[test]
fn a_flow_that_somebody_else_marked_is_left_until_it_is_claimed_and_only_once() {
    let mut other = desired_dataflow().identity.clone();
    other.name = "other".into();
    let foreign = other.marker(RemoteKind::Flow, 1).end(Some(NAME));
    let policy = AdoptPolicy::TakeOver;
    let claiming = desired_with(|spec| {
        let flow_id = "F".to_owned();
        spec.adopt = Some(FlowAdoption { flow_id, policy });
    });
    for (desired, settled, advice) in [
        (
            desired_dataflow(),
            true,
            Some("in spec.adopt with policy: TakeOver"),
        ),
        (
            desired_dataflow(),
            false,
            Some("in spec.adopt with policy: TakeOver"),
        ),
        (claiming.clone(), true, Some("requestedAt a new value")),
        (claiming, false, None),
    ] {
        let observed = ObservedDataflow {
            settled,
            ..with_flow(|it| it["description"] = json!(foreign))
        };
        match (plan(&desired, &observed), advice) {
            (Plan::Stop(failure), Some(advice)) => {
                assert_eq!(failure.reason, Reason::OwnedByAnother);
                assert!(failure.message.contains(advice), "{}", failure.message);
            }
            (Plan::Run(_), None) => {}
            (plan, _) => panic!("{plan:?}"),
        }
    }
}

#[test]
fn how_data_prep_reads_rows_back_is_no_difference() {
    let desired = desired_with(|spec| {
        spec.mapping = vec![
            row(0, "a", "x.a"),
            row(1, "upper(b)", "x.b"),
            row(2, "c", "x.c"),
        ];
    });
    let plan_of = |edit: fn(&mut Value)| {
        let mapping = Known::Read(mapping_set(&desired, edit));
        short(&plan(
            &desired,
            &ObservedDataflow {
                mapping,
                ..in_line()
            },
        ))
    };
    assert_eq!(plan_of(|_| {}), "done");
    let update = "check the rows of the mapping";
    // Read back in reverse: x.c is first.
    assert_eq!(
        plan_of(|it| it["mappings"][0]["source"] = json!("other")),
        update
    );
    assert_eq!(
        plan_of(|it| it["mappings"][0]["sourceType"] = json!("text/x.schema-path")),
        update
    );
    assert_eq!(
        plan_of(|it| it["mappings"][1]["sourceType"] = json!("text/x.something-fixed")),
        update
    );
    assert_eq!(
        plan_of(|it| it["mappings"][2]["destination"] = json!("x.d")),
        update
    );
    assert_eq!(plan_of(|it| it["mappings"] = json!([])), update);
    assert_eq!(
        plan_of(|it| {
            let twice = it["mappings"][0].clone();
            it["mappings"].as_array_mut().unwrap().push(twice);
        }),
        update
    );
}

#[test]
fn the_order_of_rows_in_the_spec_is_no_difference() {
    let desired = desired_with(|spec| spec.mapping.rotate_left(2));
    assert_eq!(plan(&desired, &in_line()), Plan::Done);
}

#[test]
fn the_flow_is_switched_once_everything_else_is_right() {
    let disabled = desired_with(|spec| spec.state = DesiredState::Disabled);
    let act = |action| {
        Plan::Run(vec![Step::Act {
            id: "F".into(),
            action,
        }])
    };
    assert_eq!(plan(&disabled, &in_line()), act(FlowAction::Disable));
    let stopped = with_flow(|it| it["state"] = json!("DISABLED"));
    assert_eq!(plan(&desired_dataflow(), &stopped), act(FlowAction::Enable));
    assert_eq!(plan(&disabled, &stopped), Plan::Done);
    let both = with_flow(|it| (it["state"], it["name"]) = (json!("disabled"), json!("x")));
    assert_eq!(short(&plan(&desired_dataflow(), &both)), "update flow F");
}

/// Adobe advises against it, and some connections refuse it: what a target connection is called is left
/// as it is, and everything that matters goes on.
#[test]
fn a_target_connection_is_never_changed() {
    let renamed = desired_with(|spec| {
        spec.name = Some("another".into());
        spec.mapping.truncate(1);
        spec.state = DesiredState::Disabled;
    });
    for letters in ["XRR", "XXR", "XXX", "XRX", "XRA", "XRI"] {
        for desired in [&desired_dataflow(), &renamed] {
            let plan = plan(desired, &observed(letters, true));
            assert!(
                !short(&plan).contains("target connection"),
                "{letters}: {plan:?}"
            );
        }
    }
}

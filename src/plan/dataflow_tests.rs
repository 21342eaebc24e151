use serde_json::{Value, json};

use super::super::golden;
use super::super::test_support::{desired_dataflow, desired_with, row, short};
use super::*;
use crate::platform::FlowAction;
use crate::resources::aep_dataflow::DesiredState;

const NAME: &str = "Streaming Dataflow for Customer.io";

fn mapping_ref(version: u64) -> MappingRef {
    MappingRef {
        id: "MAPPING-SET-ID".into(),
        version,
    }
}

fn target(edit: impl FnOnce(&mut Value)) -> TargetConnection {
    let body = desired_dataflow().target_connection(1);
    let mut read = json!({
        "id": "T", "name": body.name, "description": body.description, "state": "enabled", "etag": "\"t1\"",
        "connectionSpec": {"id": "c604ff05", "version": "1.0"}, "data": body.data, "params": body.params,
        "unheardOf": {"deep": [1]}
    });
    edit(&mut read);
    serde_json::from_value(read).unwrap()
}

/// The mapping set as Data Prep reads it back: other words, other order, more fields.
fn mapping_set(desired: &DesiredDataflow, edit: impl FnOnce(&mut Value)) -> MappingSet {
    let body = serde_json::to_value(desired.mapping_set(1)).unwrap();
    let mut rows = body["mappings"].as_array().unwrap().clone();
    rows.reverse();
    for (at, row) in rows.iter_mut().enumerate() {
        row["sourceType"] = json!(match row["sourceType"].as_str() {
            Some("ATTRIBUTE") => "text/x.schema-path",
            Some("EXPRESSION") => "text/x.aep-xl",
            _ => "text/x.something-fixed",
        });
        row["sourceAttribute"] = row["source"].clone();
        row["destinationXdmPath"] = row["destination"].clone();
        row["id"] = json!(format!("row{at}"));
        row["version"] = json!(0);
    }
    let mut read = json!({
        "id": "MAPPING-SET-ID", "version": 0, "name": body["name"], "outputSchema": body["outputSchema"],
        "mappings": rows, "status": "DRAFT", "unheardOf": 1
    });
    edit(&mut read);
    serde_json::from_value(read).unwrap()
}

fn read_flow(edit: impl FnOnce(&mut Value)) -> Flow {
    let body = serde_json::to_value(desired_dataflow().flow(1, "S", "T", &mapping_ref(0))).unwrap();
    let mut read = body;
    for (key, value) in [
        ("id", json!("F")),
        ("etag", json!("\"f1\"")),
        ("state", json!("enabled")),
        (
            "options",
            json!({"inletUrl": "https://inlet.example/1", "unheardOf": true}),
        ),
        ("lastOperation", json!({"operation": "enable"})),
        ("unheardOf", json!([null])),
    ] {
        read[key] = value;
    }
    edit(&mut read);
    serde_json::from_value(read).unwrap()
}

/// Everything read, everything as the tutorial's spec says.
fn in_line() -> ObservedDataflow {
    ObservedDataflow {
        source: SourceView::Standing { id: "S".into() },
        target: Known::Read(target(|_| {})),
        mapping: Known::Read(mapping_set(&desired_dataflow(), |_| {})),
        flow: Known::Read(read_flow(|_| {})),
        next_attempts: NextAttempts::default(),
    }
}

fn with_flow(edit: impl FnOnce(&mut Value)) -> ObservedDataflow {
    ObservedDataflow {
        flow: Known::Read(read_flow(edit)),
        ..in_line()
    }
}

/// One letter a kind: Absent, Pending, reCorded, Trusted, Read, drifted (X), Missing, Initializing.
fn observed(letters: &str, source: bool) -> ObservedDataflow {
    fn known<R, T>(letter: char, id: R, read: T, drifted: T) -> Known<R, T> {
        match letter {
            'A' => Known::Absent,
            'P' => Known::Pending { attempt: 2 },
            'C' => Known::Recorded(id),
            'T' => Known::Trusted(id),
            'R' => Known::Read(read),
            'X' | 'I' => Known::Read(drifted),
            _ => Known::Missing(id),
        }
    }
    let letters: Vec<char> = letters.chars().collect();
    let rename = |it: &mut Value| it["name"] = json!("renamed elsewhere");
    let fewer = |it: &mut Value| drop(it["mappings"].as_array_mut().unwrap().pop());
    let flow = if letters[2] == 'I' {
        read_flow(|it| (it["state"], it["options"]) = (json!("initializing"), json!({})))
    } else {
        read_flow(rename)
    };
    ObservedDataflow {
        source: if source {
            SourceView::Standing { id: "S".into() }
        } else {
            SourceView::default()
        },
        target: known(letters[0], "T".into(), target(|_| {}), target(rename)),
        mapping: known(
            letters[1],
            mapping_ref(0),
            mapping_set(&desired_dataflow(), |_| {}),
            mapping_set(&desired_dataflow(), fewer),
        ),
        flow: known(letters[2], "F".into(), read_flow(|_| {}), flow),
        next_attempts: NextAttempts::default(),
    }
}

#[test]
fn every_state_of_knowledge_has_its_steps() {
    let both = "create target connection; create mapping set";
    // Target, mapping and flow; without the source, and with it.
    let table = [
        ("AAA", both, both),
        ("TAA", "create mapping set", "create mapping set"),
        (
            "ATA",
            "create target connection",
            "create target connection",
        ),
        ("TTA", "wait WaitingForSource", "create flow"),
        ("RRA", "wait WaitingForSource", "create flow"),
        ("XRA", "wait WaitingForSource", "create flow"),
        (
            "PAA",
            "look up target connection; create mapping set",
            "look up target connection; create mapping set",
        ),
        (
            "APA",
            "create target connection; look up mapping set",
            "create target connection; look up mapping set",
        ),
        ("TTP", "look up flow", "look up flow"),
        (
            "CTP",
            "read target connection T; look up flow",
            "read target connection T; look up flow",
        ),
        (
            "CTA",
            "read target connection T",
            "read target connection T",
        ),
        (
            "TCT",
            "read mapping set MAPPING-SET-ID",
            "read mapping set MAPPING-SET-ID",
        ),
        ("TTC", "read flow F", "read flow F"),
        ("TTT", "done", "done"),
        ("RRT", "done", "done"),
        ("TTR", "done", "done"),
        ("RRR", "done", "done"),
        ("XRR", "done", "done"),
        ("XRT", "done", "done"),
        (
            "RXR",
            "update mapping set MAPPING-SET-ID",
            "update mapping set MAPPING-SET-ID",
        ),
        (
            "XXX",
            "update mapping set MAPPING-SET-ID",
            "update mapping set MAPPING-SET-ID",
        ),
        ("RRX", "update flow F", "update flow F"),
        ("XRX", "update flow F", "update flow F"),
        ("RRI", "wait WaitingForInlet", "wait WaitingForInlet"),
        ("MTT", "stop RemoteMissing", "stop RemoteMissing"),
        ("TMT", "stop RemoteMissing", "stop RemoteMissing"),
        ("TTM", "stop RemoteMissing", "stop RemoteMissing"),
        ("AAM", "stop RemoteMissing", "stop RemoteMissing"),
        ("MPA", "stop RemoteMissing", "stop RemoteMissing"),
    ];
    for (letters, without, with) in table {
        for (source, expected) in [(false, without), (true, with)] {
            let plan = plan(&desired_dataflow(), &observed(letters, source));
            assert_eq!(short(&plan), expected, "{letters}, source {source}");
        }
    }
}

#[test]
fn while_three_creations_are_unsettled_all_three_are_looked_up_and_nothing_else() {
    let lookup = |kind| Step::LookUp { kind, attempt: 2 };
    let all = [
        RemoteKind::TargetConnection,
        RemoteKind::MappingSet,
        RemoteKind::Flow,
    ]
    .map(lookup);
    assert_eq!(
        plan(&desired_dataflow(), &observed("PPP", true)),
        Plan::Run(all.to_vec())
    );
}

#[test]
fn the_words_for_the_missing_source_are_the_source_s_own_and_an_event_ends_the_wait() {
    let source = SourceView::NotYet {
        message: "CustomerIoSource \"x\" does not exist.".into(),
    };
    let observed = ObservedDataflow {
        source,
        ..observed("TTA", false)
    };
    let Plan::Wait(wait) = plan(&desired_dataflow(), &observed) else {
        panic!("it has to wait")
    };
    assert_eq!(
        (wait.message.as_str(), wait.poll),
        ("CustomerIoSource \"x\" does not exist.", false)
    );
}

#[test]
fn creations_carry_the_attempts_they_were_given_and_the_ids_that_stand() {
    let next_attempts = NextAttempts {
        target: 2,
        mapping: 3,
        flow: 4,
    };
    let desired = desired_dataflow();
    let groundwork = ObservedDataflow {
        next_attempts,
        ..observed("AAA", true)
    };
    let steps = vec![
        Step::CreateTargetConnection {
            attempt: 2,
            body: desired.target_connection(2),
        },
        Step::CreateMappingSet {
            attempt: 3,
            body: desired.mapping_set(3),
        },
    ];
    assert_eq!(plan(&desired, &groundwork), Plan::Run(steps));
    let flow = ObservedDataflow {
        next_attempts,
        ..observed("TTA", true)
    };
    let body = desired.flow(4, "S", "T", &mapping_ref(0));
    assert_eq!(
        plan(&desired, &flow),
        Plan::Run(vec![Step::CreateFlow { attempt: 4, body }])
    );
}

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
    let Plan::Run(steps) = plan(&desired, &in_line()) else {
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
        it["name"] = json!(marker(RemoteKind::MappingSet))
    });
    let observed = ObservedDataflow {
        mapping: Known::Read(set),
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
    let update = "update mapping set MAPPING-SET-ID";
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

#[test]
fn in_a_state_between_states_the_flow_is_left_alone_and_looked_at_again() {
    for (state, url, reason) in [
        ("initializing", Value::Null, Reason::WaitingForInlet),
        ("pending", Value::Null, Reason::WaitingForInlet),
        ("", Value::Null, Reason::WaitingForInlet),
        ("enabled", Value::Null, Reason::WaitingForInlet),
        (
            "updating",
            json!("https://inlet.example/1"),
            Reason::Progressing,
        ),
        (
            "enabled-finalizing",
            json!("https://inlet.example/1"),
            Reason::Progressing,
        ),
        (
            "a word of next year",
            json!("https://inlet.example/1"),
            Reason::Progressing,
        ),
    ] {
        let observed =
            with_flow(|it| (it["state"], it["options"]["inletUrl"]) = (json!(state), url));
        let desired = desired_dataflow();
        let Plan::Wait(wait) = plan(&desired, &observed) else {
            panic!("{state} has to wait")
        };
        assert_eq!((wait.reason, wait.poll), (reason, true), "{state}");
    }
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

#[test]
fn a_missing_object_is_named_the_flow_first() {
    let message = |letters| match plan(&desired_dataflow(), &observed(letters, true)) {
        Plan::Stop(failure) => failure.message,
        other => panic!("{other:?}"),
    };
    assert!(message("MMM").contains("flow F"));
    assert!(message("MMR").contains("target connection T"));
    assert!(message("RMR").contains("mapping set MAPPING-SET-ID"));
}

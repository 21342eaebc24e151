use serde_json::{Value, json};

use super::super::test_support::{desired_dataflow, short};
use super::*;

#[path = "dataflow_changes_tests.rs"]
mod changes;

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
        ..ObservedDataflow::default()
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
        ..ObservedDataflow::default()
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
            "check the rows of the mapping",
            "check the rows of the mapping",
        ),
        (
            "XXX",
            "check the rows of the mapping",
            "check the rows of the mapping",
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
        Step::Create {
            attempt: 2,
            body: Body::TargetConnection(desired.target_connection(2)),
        },
        Step::Create {
            attempt: 3,
            body: Body::MappingSet(desired.mapping_set(3)),
        },
    ];
    assert_eq!(plan(&desired, &groundwork), Plan::Run(steps));
    let flow = ObservedDataflow {
        next_attempts,
        ..observed("TTA", true)
    };
    let body = Body::Flow(desired.flow(4, "S", "T", &mapping_ref(0)));
    assert_eq!(
        plan(&desired, &flow),
        Plan::Run(vec![Step::Create { attempt: 4, body }])
    );
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

#[test]
fn a_flow_that_could_not_be_set_up_says_why_and_is_not_waited_for() {
    let failed = json!({"operation": "create", "status": {"value": "failed", "errors": [
        {"code": "FLOW-1419-400", "message": "a field may not be mapped"}
    ]}});
    let with = |state: &str| {
        with_flow(|it| (it["state"], it["lastOperation"]) = (json!(state), failed.clone()))
    };
    let Plan::Stop(failure) = plan(&desired_dataflow(), &with("initializing")) else {
        panic!("it has to stop")
    };
    for needle in ["flow F", "FLOW-1419-400: a field may not be mapped"] {
        assert!(failure.message.contains(needle), "{}", failure.message);
    }
    assert_eq!(plan(&desired_dataflow(), &with("enabled")), Plan::Done);
}

/// As an earlier resource of this name left it, whose dataset was another one.
fn into_another_dataset() -> TargetConnection {
    target(|it| it["params"]["dataSetId"] = json!("another"))
}

#[test]
fn a_connection_taken_over_that_leads_elsewhere_is_made_anew_under_another_number() {
    let observed = ObservedDataflow {
        target: Known::Read(into_another_dataset()),
        flow: Known::Absent,
        ..in_line()
    };
    let Plan::Run(steps) = plan(&desired_dataflow(), &observed) else {
        panic!("it runs");
    };
    let created: Vec<_> = steps.iter().filter_map(Step::creates).collect();
    assert_eq!(created, [(RemoteKind::TargetConnection, 2)]);
}

#[test]
fn a_flow_taken_over_that_leads_elsewhere_is_told_or_made_anew_if_so_wished() {
    let observed = ObservedDataflow {
        target: Known::Read(into_another_dataset()),
        ..in_line()
    };
    let Plan::Stop(failure) = plan(&desired_dataflow(), &observed) else {
        panic!("it stops");
    };
    for word in ["another", "63ec807d3f5ce91bd2d06c65", "onRemoteMissing"] {
        assert!(failure.message.contains(word), "{}", failure.message);
    }
    let observed = ObservedDataflow {
        on_missing: OnRemoteMissing::Recreate,
        ..observed
    };
    let Plan::Run(steps) = plan(&desired_dataflow(), &observed) else {
        panic!("it runs");
    };
    let created: Vec<_> = steps.iter().filter_map(Step::creates).collect();
    assert_eq!(created, [(RemoteKind::TargetConnection, 2)]);
}

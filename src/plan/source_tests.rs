use serde_json::{Value, json};

use super::super::test_support::{desired_source, short};
use super::*;
use crate::platform::PatchOperation;
use crate::resources::conditions::Reason;
use crate::resources::lifecycle::AdoptPolicy;

/// The tutorial's connection as read, with fields that no one asked for.
fn read(edit: impl FnOnce(&mut Value)) -> SourceConnection {
    let body = desired_source().source_connection(1);
    let mut read = json!({
        "id": "S", "name": body.name, "description": body.description, "state": "enabled", "etag": "\"e1\"",
        "version": "\"e1\"", "connectionSpec": {"id": "96479064", "version": "1.0"}, "createdAt": 1,
        "data": {"format": "json"}, "params": {"new": [1]}, "inheritedAttributes": {}, "unheardOf": null
    });
    edit(&mut read);
    serde_json::from_value(read).unwrap()
}

fn plan_of(known: Known<String, SourceConnection>) -> Plan {
    plan(
        &desired_source(),
        &ObservedSource {
            source_connection: known,
            next_attempt: 3,
            ..ObservedSource::default()
        },
    )
}

#[test]
fn every_state_of_knowledge_has_its_one_step() {
    let table = [
        (Known::Absent, "create source connection"),
        (Known::Pending { attempt: 1 }, "look up source connection"),
        (Known::Recorded("S".into()), "read source connection S"),
        (Known::Trusted("S".into()), "done"),
        (Known::Read(read(|_| {})), "done"),
        (
            Known::Read(read(|it| it["state"] = json!("a new word"))),
            "done",
        ),
        (Known::Read(read(|it| it["etag"] = json!("\"e9\""))), "done"),
        (
            Known::Read(read(|it| it["name"] = json!("other"))),
            "update source connection S",
        ),
        (
            Known::Read(read(|it| it["description"] = json!(null))),
            "update source connection S",
        ),
        (Known::Missing("S".into()), "stop RemoteMissing"),
    ];
    for (known, expected) in table {
        let shown = format!("{known:?}");
        assert_eq!(short(&plan_of(known)), expected, "{shown}");
    }
}

#[test]
fn the_creation_carries_the_attempt_it_was_given() {
    let body = desired_source().source_connection(3);
    let body = Body::SourceConnection(body);
    let steps = vec![Step::Create { attempt: 3, body }];
    assert_eq!(plan_of(Known::Absent), Plan::Run(steps));
    assert_eq!(ObservedSource::default().next_attempt, 1);
}

#[test]
fn the_look_up_is_for_the_attempt_that_was_written_down() {
    let kind = RemoteKind::SourceConnection;
    let steps = vec![Step::LookUp { kind, attempt: 2 }];
    assert_eq!(plan_of(Known::Pending { attempt: 2 }), Plan::Run(steps));
}

#[test]
fn one_patch_carries_every_changed_field_and_the_etag_that_was_read() {
    let found = read(|it| {
        it["name"] = json!("other");
        it["description"] = json!("made by hand");
    });
    let body = desired_source().source_connection(1);
    let operations = vec![
        PatchOperation::replace("/name", body.name),
        PatchOperation::replace("/description", body.description),
    ];
    let kind = RemoteKind::SourceConnection;
    let steps = vec![Step::Patch {
        kind,
        id: "S".into(),
        etag: "\"e1\"".into(),
        operations,
    }];
    assert_eq!(plan_of(Known::Read(found)), Plan::Run(steps));
}

#[test]
fn a_missing_connection_is_named_and_not_created_again() {
    let Plan::Stop(failure) = plan_of(Known::Missing("S".into())) else {
        panic!("it has to stop")
    };
    assert_eq!(
        (failure.reason, failure.stalled),
        (Reason::RemoteMissing, true)
    );
    assert!(
        failure.message.contains("source connection S"),
        "{}",
        failure.message
    );
}

#[test]
fn another_s_marker_is_met_once_with_a_claim_and_kept_where_the_connection_may_not_be_changed() {
    let mut other = desired_source().identity;
    other.name = "other".into();
    let foreign = other
        .marker(RemoteKind::SourceConnection, 1)
        .end(Some("theirs"));
    for (adopt, settled, label_refused, expected) in [
        (None, false, false, "stop OwnedByAnother"),
        (None, true, true, "stop OwnedByAnother"),
        (
            Some(AdoptPolicy::Override),
            false,
            true,
            "stop OwnedByAnother",
        ),
        (
            Some(AdoptPolicy::TakeOver),
            false,
            false,
            "update source connection S",
        ),
        (
            Some(AdoptPolicy::TakeOver),
            true,
            false,
            "stop OwnedByAnother",
        ),
        (Some(AdoptPolicy::TakeOver), true, true, "done"),
    ] {
        let desired = DesiredSource {
            adopt,
            ..desired_source()
        };
        let observed = ObservedSource {
            source_connection: Known::Read(read(|it| it["description"] = json!(foreign))),
            settled,
            label_refused,
            ..ObservedSource::default()
        };
        let planned = short(&plan(&desired, &observed));
        assert_eq!(planned, expected, "{adopt:?}, {settled}, {label_refused}");
    }
}

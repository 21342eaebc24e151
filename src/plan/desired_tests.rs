use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::golden;
use super::super::test_support::{
    dataflow, desired_dataflow, desired_source, desired_with, source, specs,
};
use super::*;
use crate::resources::AepDataflowSpec;
use crate::resources::aep_dataflow::{
    ExistingDataset, FlowAdoption, MappingSetReference, SchemaReference,
};

fn value(body: &impl serde::Serialize) -> Value {
    serde_json::to_value(body).unwrap()
}

fn mapping() -> MappingRef {
    MappingRef {
        id: "MAPPING-SET-ID".into(),
        version: 0,
    }
}

#[test]
fn the_tutorial_s_source_connection_is_adobe_s_own_but_for_the_marker() {
    golden::check(
        "source-connection",
        &value(&desired_source().source_connection(1)),
    );
}

#[test]
fn the_tutorial_s_target_connection_is_adobe_s_own_but_for_the_marker() {
    golden::check(
        "target-connection",
        &value(&desired_dataflow().target_connection(1)),
    );
}

#[test]
fn the_tutorial_s_mapping_set_is_adobe_s_own_in_the_newer_dialect() {
    golden::check("mapping-set", &value(&desired_dataflow().mapping_set(1)));
}

#[test]
fn the_tutorial_s_flow_is_adobe_s_own_and_names_no_state() {
    let flow = desired_dataflow().flow(
        1,
        "SOURCE-CONNECTION-ID",
        "TARGET-CONNECTION-ID",
        &mapping(),
    );
    golden::check("flow", &value(&flow));
}

#[test]
fn without_a_name_objects_are_called_after_their_resource() {
    let desired = desired_with(|spec| spec.name = None);
    assert_eq!(
        desired.target_connection(1).name,
        "marketing.customer-io-events"
    );
    assert_eq!(
        desired.flow(1, "s", "t", &mapping()).name,
        "marketing.customer-io-events"
    );
    let (identity, mut spec) = source();
    spec.name = None;
    assert_eq!(
        DesiredSource::new(identity, &spec)
            .source_connection(1)
            .name,
        "marketing.customer-io"
    );
}

#[test]
fn the_attempt_is_in_the_marker_and_nowhere_else() {
    let desired = desired_dataflow();
    let (one, two) = (
        value(&desired.target_connection(1)),
        value(&desired.target_connection(2)),
    );
    let second = one["description"].as_str().unwrap().replace(" 1]", " 2]");
    let mut expected = one;
    expected["description"] = json!(second);
    assert_eq!(two, expected);
}

/// A label that was written is read back as no difference: otherwise it is written for ever.
#[test]
fn a_description_written_once_is_not_written_again() {
    let texts = [
        "",
        " ",
        "   ",
        "plain",
        "trailing  ",
        "  leading",
        "\u{a0}odd blanks\u{2003}",
        "[x]",
        "a [b",
        "a] b",
        "]",
        "[",
        "[aep-operator",
        "a [aep-operator /v1 x]",
        "snowman \u{2603}, clef \u{1d11e}, e\u{301}",
        "\"quoted\" \\",
    ];
    let (identity, _) = dataflow();
    for text in texts {
        let label = Label::new(Some("n"), Some(text), &identity);
        let written = label.description(&identity.marker(RemoteKind::Flow, 3));
        assert_eq!(
            label.changes(RemoteKind::Flow, &identity, "n", &written),
            vec![],
            "{text:?}"
        );
    }
}

#[test]
fn no_description_and_an_empty_one_are_the_same() {
    let with = |text: Option<&str>| desired_with(|spec| spec.description = text.map(str::to_owned));
    assert_eq!(with(None), with(Some("")));
    assert_eq!(with(None), with(Some("  ")));
    assert_eq!(with(None).hash(), with(Some("")).hash());
    let description = with(None).target_connection(1).description;
    assert_eq!(
        description,
        with(None)
            .identity
            .marker(RemoteKind::TargetConnection, 1)
            .to_string()
    );
}

#[test]
fn a_marker_that_is_not_ours_is_written_over_and_ours_keeps_its_attempt() {
    let (identity, _) = dataflow();
    let label = Label::new(Some("n"), Some("text"), &identity);
    let kind = RemoteKind::Flow;
    let other = Identity {
        uid: "another".into(),
        ..identity.clone()
    };
    let written = |description: &str| {
        let operations = label.changes(kind, &identity, "n", description);
        match operations.as_slice() {
            [one] => one.clone(),
            other => panic!("{description:?}: {other:?}"),
        }
    };
    let ours = |attempt| Value::from(format!("text {}", identity.marker(kind, attempt)));
    let cases = [
        (
            "edited".to_owned() + " " + &identity.marker(kind, 4).to_string(),
            4,
        ),
        ("text".to_owned(), 1),
        ("text ".to_owned() + &other.marker(kind, 7).to_string(), 1),
        (
            "text ".to_owned() + &identity.marker(RemoteKind::TargetConnection, 7).to_string(),
            1,
        ),
        (
            "text ".to_owned() + &identity.marker(kind, 7).to_string() + " and more",
            1,
        ),
    ];
    for (description, attempt) in cases {
        let operation = written(&description);
        assert_eq!(
            (operation.op, operation.path.as_str()),
            ("replace", "/description")
        );
        assert_eq!(operation.value, Some(ours(attempt)), "{description}");
    }
}

/// A replacement of a field that somebody took away is refused.
#[test]
fn a_description_that_is_gone_is_added() {
    let (identity, _) = dataflow();
    let label = Label::new(Some("n"), None, &identity);
    let operations = label.changes(RemoteKind::Flow, &identity, "", "");
    let shown: Vec<(&str, &str)> = operations
        .iter()
        .map(|it| (it.op, it.path.as_str()))
        .collect();
    assert_eq!(shown, [("add", "/name"), ("add", "/description")]);
}

#[test]
fn an_action_is_asked_for_only_between_enabled_and_disabled() {
    use DesiredState::{Disabled, Enabled};
    let action = |wanted, state: FlowState| desired_with(|spec| spec.state = wanted).action(&state);
    assert_eq!(
        action(Enabled, FlowState::Disabled),
        Some(FlowAction::Enable)
    );
    assert_eq!(
        action(Disabled, FlowState::Enabled),
        Some(FlowAction::Disable)
    );
    assert_eq!(action(Enabled, FlowState::Enabled), None);
    assert_eq!(action(Disabled, FlowState::Disabled), None);
    for word in ["initializing", "updating", "draft", "", "brand-new"] {
        assert_eq!(
            action(Enabled, FlowState::Other(word.into())),
            None,
            "{word}"
        );
        assert_eq!(
            action(Disabled, FlowState::Other(word.into())),
            None,
            "{word}"
        );
    }
}

fn bodies(desired: &DesiredDataflow) -> Value {
    json!([
        desired.target_connection(1),
        desired.mapping_set(1),
        desired.flow(1, "s", "t", &mapping()),
        desired.state
    ])
}

fn existing(spec: &mut AepDataflowSpec) -> &mut ExistingDataset {
    spec.target.existing.as_mut().unwrap()
}

fn schema(spec: &mut AepDataflowSpec) -> &mut SchemaReference {
    existing(spec).schema.as_mut().unwrap()
}

#[test]
fn the_hash_changes_with_every_part_of_the_spec_that_is_written() {
    let before = desired_dataflow().hash();
    let changes: [fn(&mut AepDataflowSpec); 9] = [
        |spec| spec.name = None,
        |spec| spec.description = Some("other".into()),
        |spec| existing(spec).dataset_id = Some("0".repeat(24)),
        |spec| schema(spec).id.push('0'),
        |spec| schema(spec).major_version = 2,
        |spec| {
            spec.mapping_set = Some(MappingSetReference {
                id: "m".into(),
                version: 0,
            });
        },
        |spec| spec.mapping[0].source = Some("other".into()),
        |spec| drop(spec.mapping.pop()),
        |spec| spec.state = DesiredState::Disabled,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert_ne!(desired_with(change).hash(), before, "change {at}");
    }
    let claim = |policy| {
        let flow_id = "F".to_owned();
        desired_with(|spec| spec.adopt = Some(FlowAdoption { flow_id, policy })).hash()
    };
    assert_ne!(claim(AdoptPolicy::TakeOver), before, "a marker is");
    let asked = |change: fn(&mut AepDataflowSpec)| desired_with(change).asked(None);
    let before_asking = asked(|_| {});
    assert_ne!(asked(|spec| spec.name = None), before_asking);
    assert_ne!(desired_dataflow().asked(Some("now")), before_asking);
    let claiming = |spec: &mut AepDataflowSpec| {
        let (flow_id, policy) = ("F".to_owned(), AdoptPolicy::TakeOver);
        spec.adopt = Some(FlowAdoption { flow_id, policy });
    };
    assert_eq!(
        asked(claiming),
        before_asking,
        "a claim is about the marker only"
    );
    for nothing_written in [
        desired_with(|spec| spec.suspend = true).hash(),
        claim(AdoptPolicy::Override),
    ] {
        assert_eq!(nothing_written, before);
    }
}

proptest! {
    #[test]
    fn the_hash_is_equal_exactly_when_nothing_else_would_be_written(one in specs(), other in specs()) {
        let mut near = one.clone();
        near.dataflow.state = other.dataflow.state;
        near.dataflow.description.clone_from(&other.dataflow.description);
        for (one, other) in [(&one, &other), (&one, &near), (&one, &one.clone())] {
            let ((source, dataflow), (other_source, other_dataflow)) = (one.desired(), other.desired());
            prop_assert_eq!(
                source.hash() == other_source.hash(),
                value(&source.source_connection(1)) == value(&other_source.source_connection(1))
            );
            prop_assert_eq!(dataflow.hash() == other_dataflow.hash(), bodies(&dataflow) == bodies(&other_dataflow));
        }
    }
}

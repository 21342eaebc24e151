use super::super::test_support::{desired_dataflow, desired_source};
use super::*;
use crate::platform::MappingRef;

fn id() -> String {
    "x".to_owned()
}

/// The creations, with what each creates.
fn creations() -> Vec<(Step, RemoteKind)> {
    use RemoteKind::{Flow, MappingSet, SourceConnection, TargetConnection};
    let (source, dataflow) = (desired_source(), desired_dataflow());
    let mapping = MappingRef {
        id: "m".into(),
        version: 0,
    };
    let attempt = 2;
    [
        (
            Body::SourceConnection(source.source_connection(2)),
            SourceConnection,
        ),
        (
            Body::TargetConnection(dataflow.target_connection(2)),
            TargetConnection,
        ),
        (Body::MappingSet(dataflow.mapping_set(2)), MappingSet),
        (Body::Flow(dataflow.flow(2, "s", "t", &mapping)), Flow),
    ]
    .map(|(body, kind)| (Step::Create { attempt, body }, kind))
    .to_vec()
}

/// The changes of what stands, in words and with what each changes.
fn changes() -> Vec<(Step, &'static str, RemoteKind)> {
    use RemoteKind::{Flow, MappingSet, SourceConnection};
    let (kind, etag) = (SourceConnection, Etag::default());
    let patch = Step::Patch {
        kind,
        id: id(),
        etag,
        operations: vec![],
    };
    let put = Step::UpdateMappingSet {
        id: id(),
        body: desired_dataflow().mapping_set(2),
    };
    let act = |action| Step::Act { id: id(), action };
    vec![
        (patch, "update source connection x", kind),
        (put, "update mapping set x", MappingSet),
        (act(FlowAction::Enable), "enable flow x", Flow),
        (act(FlowAction::Disable), "disable flow x", Flow),
    ]
}

/// All other steps.
fn others() -> Vec<(Step, &'static str, RemoteKind)> {
    use RemoteKind::{Flow, MappingSet, SourceConnection};
    let kind = SourceConnection;
    let source_connection = id();
    vec![
        (
            Step::LookUp {
                kind: Flow,
                attempt: 2,
            },
            "look up flow",
            Flow,
        ),
        (
            Step::Read {
                kind: MappingSet,
                id: id(),
            },
            "read mapping set x",
            MappingSet,
        ),
        (
            Step::FindUsers { source_connection },
            "list flows on source connection x",
            Flow,
        ),
        (
            Step::Delete { kind, id: id() },
            "delete source connection x",
            kind,
        ),
    ]
}

#[test]
fn a_step_reads_as_a_sentence_s_end_and_knows_its_kind() {
    for (step, words, kind) in changes().into_iter().chain(others()) {
        assert_eq!((step.to_string().as_str(), step.kind()), (words, kind));
    }
    for (step, kind) in creations() {
        let words = format!("create {}", kind.title());
        assert_eq!((step.to_string(), step.kind()), (words, kind));
    }
}

/// Before such a step status has to say what is intended, and that what stands is no longer what was applied.
#[test]
fn every_step_that_writes_towards_the_spec_creates_or_changes() {
    for (step, kind) in creations() {
        assert_eq!(
            (step.creates(), step.changes()),
            (Some((kind, 2)), false),
            "{step}"
        );
    }
    for (step, words, _) in changes() {
        assert_eq!((step.creates(), step.changes()), (None, true), "{words}");
    }
    for (step, words, _) in others() {
        assert_eq!((step.creates(), step.changes()), (None, false), "{words}");
    }
}

//! What the planners' tests share: the tutorial's manifests, plans as short text, random specs.

use kube::ResourceExt as _;
use proptest::prelude::*;

use crate::resources::aep_dataflow::{DesiredState, MappingRow};
use crate::resources::{
    AepDataflow, AepDataflowSpec, AepDataset, AepDatasetSpec, CustomerIoSource,
    CustomerIoSourceSpec,
};

use super::Plan;
use super::desired::{DesiredDataflow, DesiredSource};
use super::marker::Identity;
use super::target::{Answers, Resolution, ResolvedTarget, Search, TargetView};

fn identity(resource: &impl kube::Resource, uid: &str) -> Identity {
    Identity {
        owner: "c1a5e0f2".into(),
        namespace: resource.namespace().unwrap(),
        name: resource.name_any(),
        uid: uid.into(),
    }
}

/// A resource of this name, where nothing else of it matters.
pub(crate) fn named(name: &str) -> Identity {
    Identity {
        owner: "o".into(),
        namespace: "n".into(),
        name: name.into(),
        uid: "u".into(),
    }
}

/// The tutorial's source.
pub(super) fn source() -> (Identity, CustomerIoSourceSpec) {
    let text = include_str!("../../deploy/samples/tutorial/3-source.yaml");
    let source: CustomerIoSource = serde_saphyr::from_str(text).unwrap();
    (identity(&source, "5e0d7a11"), source.spec)
}

/// The tutorial's dataflow.
pub(super) fn dataflow() -> (Identity, AepDataflowSpec) {
    let text = include_str!("../../deploy/samples/tutorial/4-dataflow.yaml");
    let dataflow: AepDataflow = serde_saphyr::from_str(text).unwrap();
    (identity(&dataflow, "7f1b3c22"), dataflow.spec)
}

/// The sample dataset.
pub(super) fn dataset() -> (Identity, AepDatasetSpec) {
    let text = include_str!("../../deploy/samples/complete/4-dataset.yaml");
    let dataset: AepDataset = serde_saphyr::from_str(text).unwrap();
    (identity(&dataset, "3c9d2e33"), dataset.spec)
}

/// What the tutorial's source should be.
pub(super) fn desired_source() -> DesiredSource {
    let (identity, spec) = source();
    DesiredSource::new(identity, &spec)
}

/// What the tutorial's dataflow should be.
pub(super) fn desired_dataflow() -> DesiredDataflow {
    desired_with(|_| {})
}

/// What the tutorial's dataflow should be after a change of its spec.
pub(super) fn desired_with(change: impl FnOnce(&mut AepDataflowSpec)) -> DesiredDataflow {
    let (identity, mut spec) = dataflow();
    change(&mut spec);
    DesiredDataflow::new(identity, &spec, target_of(&spec))
}

/// What a target comes to that the spec gives in full.
fn target_of(spec: &AepDataflowSpec) -> ResolvedTarget {
    let search = Search {
        spec,
        view: &TargetView::Existing,
        recorded: None,
        answers: &Answers::default(),
        sandbox: "prod",
    };
    match search.resolve() {
        Resolution::Known(target) => target,
        Resolution::Not(plan) => panic!("{plan:?}"),
    }
}

/// A row that copies, computes or is fixed.
pub(super) fn row(kind: u8, text: &str, destination: &str) -> MappingRow {
    let text = Some(text.to_owned());
    let row = MappingRow {
        destination: destination.to_owned(),
        ..MappingRow::default()
    };
    match kind {
        0 => MappingRow {
            source: text,
            ..row
        },
        1 => MappingRow {
            expression: text,
            ..row
        },
        _ => MappingRow { value: text, ..row },
    }
}

/// A plan in short: its steps, or what it ends with.
pub(super) fn short(plan: &Plan) -> String {
    match plan {
        Plan::Run(steps) => steps
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
        Plan::Wait(wait) => format!("wait {}", wait.reason),
        Plan::Stop(failure) => format!("stop {}", failure.reason),
        Plan::Adopt => "adopt".to_owned(),
        Plan::Done => "done".to_owned(),
    }
}

/// What users may change of both resources.
#[derive(Clone, Debug)]
pub(super) struct Specs {
    pub(super) source: CustomerIoSourceSpec,
    pub(super) dataflow: AepDataflowSpec,
}

impl Specs {
    pub(super) fn desired(&self) -> (DesiredSource, DesiredDataflow) {
        let (source, dataflow) = (source().0, dataflow().0);
        (
            DesiredSource::new(source, &self.source),
            DesiredDataflow::new(dataflow, &self.dataflow, target_of(&self.dataflow)),
        )
    }
}

/// Any specs that admission lets through.
pub(super) fn specs() -> impl Strategy<Value = Specs> {
    let name = || proptest::option::of("[^\\s\\p{Cc}]([^\\p{Cc}]{0,20}[^\\s\\p{Cc}])?");
    let description = || {
        proptest::option::of(prop_oneof![
            "[^\\p{Cc}]{0,40}",
            "[ \\[\\]a-z/-]{0,20}",
            " {0,3}"
        ])
    };
    let rows =
        proptest::collection::vec((0u8..3, "[a-z.\\[\\]\" ]{1,8}"), 1..=40).prop_map(|texts| {
            let number = texts.into_iter().enumerate();
            number
                .map(|(at, (kind, text))| row(kind, &text, &format!("_t.f{at}")))
                .collect::<Vec<_>>()
        });
    let state = prop_oneof![Just(DesiredState::Enabled), Just(DesiredState::Disabled)];
    (
        name(),
        description(),
        name(),
        description(),
        rows.prop_shuffle(),
        state,
    )
        .prop_map(
            |(source_name, source_description, name, description, mapping, state)| Specs {
                source: CustomerIoSourceSpec {
                    name: source_name,
                    description: source_description,
                    ..source().1
                },
                dataflow: AepDataflowSpec {
                    name,
                    description,
                    mapping,
                    state,
                    ..dataflow().1
                },
            },
        )
}

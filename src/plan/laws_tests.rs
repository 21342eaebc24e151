//! Laws of the two planners together, for any specs, against a faithful remote.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::test_remote::{Fate, World};
use super::test_support::{Specs, specs};
use super::{RemoteKind, Step};
use crate::platform::MappingRef;
use crate::resources::aep_dataflow::DesiredState;

/// Everything in the remote is what the specs say, but for the attempts in the markers and for the target
/// connection, which keeps the name it was made with.
fn check(world: &World, made: &Specs, specs: &Specs) -> Result<(), TestCaseError> {
    let objects = world.objects();
    let (source, dataflow) = specs.desired();
    let text =
        |kind: &RemoteKind, key: &str| objects[kind][key].as_str().unwrap_or_default().to_owned();
    let attempt = |kind: &RemoteKind| {
        let key = if *kind == RemoteKind::MappingSet {
            "name"
        } else {
            "description"
        };
        let text = text(kind, key);
        super::marker::Marker::split(&text).unwrap().1.attempt
    };
    let value = |body: &dyn Fn(i64) -> Value, kind: &RemoteKind| body(attempt(kind));
    let id = |kind: &RemoteKind| text(kind, "id");
    let (s, t, m, f) = (
        &RemoteKind::SourceConnection,
        &RemoteKind::TargetConnection,
        &RemoteKind::MappingSet,
        &RemoteKind::Flow,
    );
    let mapping = MappingRef {
        id: id(m),
        version: objects[m]["version"].as_u64().unwrap(),
    };
    let wanted: BTreeMap<&RemoteKind, Value> = [
        (
            s,
            value(&|attempt| json!(source.source_connection(attempt)), s),
        ),
        (
            t,
            value(
                &|attempt| json!(made.desired().1.target_connection(attempt)),
                t,
            ),
        ),
        (m, value(&|attempt| json!(dataflow.mapping_set(attempt)), m)),
        (
            f,
            value(
                &|attempt| json!(dataflow.flow(attempt, &id(s), &id(t), &mapping)),
                f,
            ),
        ),
    ]
    .into();
    for (kind, wanted) in wanted {
        for (key, wanted) in wanted.as_object().unwrap() {
            if key == "mappings" {
                prop_assert_eq!(rows(&objects[kind][key]), rows(wanted));
            } else {
                prop_assert_eq!(&objects[kind][key], wanted, "{} {}", kind, key);
            }
        }
    }
    let state = match specs.dataflow.state {
        DesiredState::Enabled => "enabled",
        DesiredState::Disabled => "disabled",
    };
    prop_assert_eq!(&objects[f]["state"], state);
    Ok(())
}

fn rows(rows: &Value) -> Vec<String> {
    let mut rows: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    rows.sort();
    rows
}

fn writes(mut steps: Vec<Step>) -> Vec<Step> {
    steps.retain(|step| step.creates().is_some() || step.changes());
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_specs_come_to_stand_and_then_nothing_is_written(specs in specs()) {
        let mut world = World::default();
        let steps = world.converge(&specs.desired());
        prop_assert_eq!(steps.iter().filter(|step| step.creates().is_some()).count(), 4);
        check(&world, &specs, &specs)?;
        prop_assert_eq!(world.converge(&specs.desired()), vec![]);
        world.restart();
        prop_assert_eq!(writes(world.converge(&specs.desired())), vec![]);
    }

    #[test]
    fn a_crash_anywhere_leads_to_the_same_objects_each_made_once(
        first in specs(),
        second in proptest::option::of(specs()),
        crash in 0usize..12,
        sent in any::<bool>(),
    ) {
        let mut world = World::default();
        if second.is_some() {
            world.converge(&first.desired());
            world.restart();
        }
        let (made, specs) = (first.clone(), second.unwrap_or(first));
        world.run(&specs.desired(), crash, if sent { Fate::ReplyLost } else { Fate::NeverSent });
        world.restart();
        world.converge(&specs.desired());
        check(&world, &made, &specs)?;
    }

    #[test]
    fn any_change_creates_nothing_and_writes_each_object_at_most_once(before in specs(), after in specs()) {
        let mut world = World::default();
        world.converge(&before.desired());
        world.restart();
        let steps = world.converge(&after.desired());
        check(&world, &before, &after)?;
        let mut counts: BTreeMap<(RemoteKind, &str), u32> = BTreeMap::new();
        for step in writes(steps) {
            prop_assert_eq!(step.creates(), None);
            let verb = match step {
                Step::Patch { .. } => "patch",
                Step::UpdateMappingSet { .. } => "put",
                _ => "act",
            };
            *counts.entry((step.kind(), verb)).or_default() += 1;
        }
        prop_assert!(counts.values().all(|count| *count == 1), "{:?}", counts);
    }

    #[test]
    fn another_order_of_rows_writes_nothing(before in specs(), turn in 0usize..40) {
        let mut world = World::default();
        world.converge(&before.desired());
        world.restart();
        let mut after = before;
        let turn = turn % after.dataflow.mapping.len();
        after.dataflow.mapping.rotate_left(turn);
        prop_assert_eq!(writes(world.converge(&after.desired())), vec![]);
    }
}

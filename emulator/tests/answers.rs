//! Answers to what no public source says of names, inlets and specs, each of which a switch picks.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use aep_emulator::{DatasetNames, Options, SpecSight};
use common::{DATASETS, FLOWS, Platform, flow, tutorial};
use serde_json::{Value, json};

fn with(change: impl FnOnce(&mut Options)) -> Platform {
    let mut options = Options {
        inlet_delay: std::time::Duration::ZERO,
        ..Options::default()
    };
    change(&mut options);
    Platform::with(options)
}

#[test]
fn a_name_that_another_dataset_has_may_be_refused() {
    for (dataset_names, status) in [(DatasetNames::Free, 201), (DatasetNames::Unique, 400)] {
        let mut platform = with(|it| it.dataset_names = dataset_names);
        let body = json!({"name": "events"});
        assert_eq!(platform.post(DATASETS, &body).status, 201);
        let again = platform.post(DATASETS, &body);
        assert_eq!(again.status, status, "{again:?}");
        // Neither may it be taken later; to keep one's own is no such thing.
        let made = platform.post(DATASETS, &json!({"name": "others"}));
        let id = made.body[0].as_str().unwrap().rsplit('/').next().unwrap();
        let path = format!("{DATASETS}/{id}");
        let mut rename = |name: &str| {
            let body = json!({"name": name});
            platform.call("PATCH", &path, &[], Some(&body)).status
        };
        assert_eq!(rename("events") == 200, status == 201);
        assert_eq!(rename("others"), 200);
    }
}

#[test]
fn a_flow_may_get_another_inlet_with_a_mapping_and_when_it_is_enabled() {
    for (stable, moves_etag) in [(true, true), (false, true), (false, false)] {
        let mut platform = with(|it| {
            (it.inlet_stable, it.update_moves_etag) = (stable, moves_etag);
        });
        let (id, beside) = (platform.flow("f"), platform.flow("g"));
        let path = format!("{FLOWS}/{id}");
        let mut inlets = vec![platform.inlet(&id)];
        let set = platform.mapping(&tutorial());
        let rows = json!({"name": "Mapping", "params": {"mappingId": set, "mappingVersion": 0}});
        let changes = [
            json!([{"op": "replace", "path": "/name", "value": "renamed"}]),
            json!([{"op": "replace", "path": "/transformations/0", "value": rows}]),
        ];
        for change in changes {
            let reply = platform.patch(&path, &change);
            assert_eq!(reply.status, 200, "{reply:?}");
            inlets.push(platform.inlet(&id));
        }
        for op in ["disable", "enable"] {
            let reply = platform.post(&format!("{path}/action?op={op}"), &Value::Null);
            assert_eq!(reply.status, 200, "{reply:?}");
            inlets.push(platform.inlet(&id));
        }
        let moved: Vec<bool> = inlets.windows(2).map(|it| it[0] != it[1]).collect();
        assert_eq!(moved, [false, !stable, false, !stable], "{inlets:?}");
        // The old one takes nothing for it any more; that of the flow beside it stays.
        let event = json!({"event_id": "A"});
        assert_eq!(platform.post(&inlets[0], &event).status == 200, stable);
        assert_eq!(platform.post(&inlets[4], &event).status, 200);
        let beside = platform.inlet(&beside);
        assert_eq!(platform.post(&beside, &event).status, 200);
    }
}

#[test]
fn the_flow_spec_may_be_hidden() {
    for (sight, read, made) in [
        (SpecSight::Visible, "", ""),
        (SpecSight::NotFound, "FLOW-1439-404", "FLOW-1413-400"),
        (SpecSight::NotEntitled, "FLOW-1100-400", "FLOW-1100-400"),
    ] {
        let mut platform = with(|it| it.flow_spec = sight);
        let specs = "/data/foundation/flowservice/flowSpecs";
        let one = format!("{specs}/e77fde5a-22a8-11ed-861d-0242ac120002");
        assert_eq!(platform.get(&one).code(), read, "{sight:?}");
        let listed = platform.get(specs).body["items"].as_array().unwrap().len();
        assert_eq!(listed, usize::from(sight == SpecSight::Visible));
        let source = platform.source("s");
        let (target, mapping) = (platform.target(), platform.mapping(&tutorial()));
        let body = flow("f", &source, &target, &mapping);
        let reply = platform.post(FLOWS, &body);
        assert_eq!(reply.code(), made, "{sight:?}: {reply:?}");
    }
}

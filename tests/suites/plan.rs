//! Plans over the wire in memory: the tutorial's two manifests through the planners, the executor and the
//! platform client, against the strict stand-in for the platform. No sockets, paused time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "../golden/check.rs"]
mod golden;
#[path = "plan/story.rs"]
mod story;

use std::collections::BTreeMap;
use std::time::Duration;

use aep_emulator::{MappingSetDelete, Options as EmulatorOptions, Permission};
use aep_operator::controllers::execute::{Outcome, execute};
use aep_operator::controllers::inventory::Scope;
use aep_operator::plan::{Known, Plan, RemoteKind, Step};
use aep_operator::platform::{ApiError, Class};
use aep_operator::resources::aep_dataflow::{DesiredState, MappingRow};
use serde_json::{Value, json};
use tokio::time::Instant;

use story::{LATENCY, Story, collection};

fn at_once() -> EmulatorOptions {
    EmulatorOptions {
        inlet_delay: Duration::ZERO,
        ..EmulatorOptions::default()
    }
}

fn counts<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected
        .into_iter()
        .map(|(operation, count)| (operation.to_owned(), count))
        .collect()
}

fn created(extra: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let mut all = counts([
        ("sourceConnections.create", 1),
        ("targetConnections.create", 1),
        ("mappingSets.create", 1),
        ("flows.create", 1),
        ("flows.get", 1),
    ]);
    all.extend(
        extra
            .iter()
            .map(|(operation, count)| ((*operation).to_owned(), *count)),
    );
    all
}

#[tokio::test(start_paused = true)]
async fn the_tutorial_takes_five_calls_of_which_three_in_sequence_and_then_none() {
    let mut story = Story::begin(at_once()).await;
    let started = Instant::now();
    story.converge().await;
    assert_eq!(started.elapsed(), 3 * LATENCY);
    assert_eq!(story.counts().await, created(&[]));

    story.converge().await;
    assert_eq!(
        story.counts().await,
        created(&[]),
        "a second planning makes no call"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_are_the_tutorial_s_bodies_with_the_ids_of_this_run() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    for kind in [
        RemoteKind::SourceConnection,
        RemoteKind::TargetConnection,
        RemoteKind::MappingSet,
    ] {
        golden::check(kind.word(), &story.sent(kind).await);
    }
    let mut flow = story.sent(RemoteKind::Flow).await;
    for (pointer, kind, word) in [
        (
            "/sourceConnectionIds/0",
            RemoteKind::SourceConnection,
            "SOURCE-CONNECTION-ID",
        ),
        (
            "/targetConnectionIds/0",
            RemoteKind::TargetConnection,
            "TARGET-CONNECTION-ID",
        ),
        (
            "/transformations/0/params/mappingId",
            RemoteKind::MappingSet,
            "MAPPING-SET-ID",
        ),
    ] {
        let place = flow.pointer_mut(pointer).unwrap();
        assert_eq!(*place, story.ids[&kind].as_str());
        *place = json!(word);
    }
    golden::check("flow", &flow);
}

#[tokio::test(start_paused = true)]
async fn a_restart_reads_each_object_once_and_writes_nothing() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    story.restart();
    story.converge().await;
    let reads = [
        ("sourceConnections.get", 1),
        ("targetConnections.get", 1),
        ("mappingSets.get", 1),
        ("flows.get", 2),
    ];
    assert_eq!(story.counts().await, created(&reads));
}

fn change_everything(story: &mut Story) {
    story.dataflow_spec.name = Some("Customer.io, renamed".into());
    story.dataflow_spec.description = Some("  Described [anew] \u{2603} ".into());
    story.dataflow_spec.state = DesiredState::Disabled;
    let fixed = |value: &str, destination: &str| MappingRow {
        value: Some(value.into()),
        destination: destination.into(),
        ..MappingRow::default()
    };
    let computed = MappingRow {
        expression: Some("lower(data.identifiers.email)".into()),
        destination: "_extconndev.email".into(),
        ..MappingRow::default()
    };
    story.dataflow_spec.mapping = vec![fixed("customer.io", "_extconndev.metricx"), computed];
}

#[tokio::test(start_paused = true)]
async fn a_change_of_everything_is_one_put_one_patch_and_one_action_and_is_accepted() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    change_everything(&mut story);
    story.restart();
    story.converge().await;
    let all = story.counts().await;
    let writes = |operation: &str| all.get(operation).copied().unwrap_or_default();
    assert_eq!(
        [
            writes("mappingSets.update"),
            writes("flows.patch"),
            writes("flows.action")
        ],
        [1, 1, 1],
        "{all:?}"
    );
    assert_eq!(
        [
            writes("sourceConnections.patch"),
            writes("targetConnections.patch")
        ],
        [0, 0]
    );
    assert_eq!(
        [writes("flows.create"), writes("mappingSets.create")],
        [1, 1]
    );

    // Read anew, with the words of reads, all of it is as written.
    story.restart();
    let steps = story.converge().await;
    assert!(
        steps.iter().all(|step| step.starts_with("read ")),
        "{steps:?}"
    );
    let Known::Read(flow) = &story.dataflow.flow else {
        panic!("it was read")
    };
    assert_eq!(
        (flow.name.as_str(), flow.state.as_str()),
        ("Customer.io, renamed", "disabled")
    );
    assert!(
        flow.description
            .starts_with("Described [anew] \u{2603} [aep-operator/v1 "),
        "{}",
        flow.description
    );
    assert_eq!(flow.mapping().map(|it| it.version), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_source_is_renamed_where_connections_can_be_and_else_refused_for_good() {
    for permission in [Permission::Allowed, Permission::Refused] {
        let mut story = Story::begin(EmulatorOptions {
            patch_connection: permission,
            ..at_once()
        })
        .await;
        story.converge().await;
        story.source_spec.name = Some("renamed".into());
        story.restart();
        if permission == Permission::Allowed {
            story.converge().await;
            story.restart();
            story.converge().await;
            assert_eq!(story.counts().await["sourceConnections.patch"], 1);
            continue;
        }
        let [Plan::Run(read), _] = story.plans() else {
            panic!("it has to be read")
        };
        story.round(&read).await.pop().unwrap().unwrap();
        let [Plan::Run(patch), _] = story.plans() else {
            panic!("it has to be renamed")
        };
        let error = story.round(&patch).await.pop().unwrap().unwrap_err();
        assert_eq!(
            (error.class, error.outcome_unknown),
            (Class::Rejected, false)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_is_put_right() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    let flow = story.ids[&RemoteKind::Flow].clone();
    for merge in [
        json!({"name": "mine now"}),
        json!({"description": "mine now"}),
        json!({"description": null}),
        json!({"transformations": [{"name": "Mapping", "params": {"mappingId": "other", "mappingVersion": 3}}]}),
    ] {
        let before = story
            .counts()
            .await
            .get("flows.patch")
            .copied()
            .unwrap_or_default();
        story
            .control(
                "POST",
                "edit",
                &json!({"kind": "flow", "id": flow, "merge": merge}),
            )
            .await;
        story.restart();
        story.converge().await;
        assert_eq!(story.counts().await["flows.patch"], before + 1, "{merge}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_found_by_its_marker_and_nothing_is_made_twice() {
    for kind in RemoteKind::ALL {
        let mut story = Story::begin(at_once()).await;
        story.lose_reply(kind, "dropAfterCommit").await;
        let lost = until_lost(&mut story).await;
        assert!(lost.outcome_unknown, "{kind}: {lost:?}");
        let steps = story.converge().await;
        assert_eq!(steps[0], format!("look up {}", kind.title()));
        let create = format!("{}.create", collection(kind));
        assert_eq!(story.counts().await[&create], 1, "{kind}: {steps:?}");
        assert_eq!(marked(&story, kind).await, [1], "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_lost_on_the_way_is_sent_again_as_the_next_attempt() {
    for kind in RemoteKind::ALL {
        let mut story = Story::begin(at_once()).await;
        story.lose_reply(kind, "dropBeforeCommit").await;
        let lost = until_lost(&mut story).await;
        assert!(lost.outcome_unknown, "{kind}: {lost:?}");
        story.converge().await;
        assert_eq!(marked(&story, kind).await, [2], "{kind}");
        // The later attempt is no difference to the spec.
        story.restart();
        let steps = story.converge().await;
        assert!(
            steps.iter().all(|step| step.starts_with("read ")),
            "{kind}: {steps:?}"
        );
    }
}

/// Runs rounds until a call is lost; the others of its round are taken in.
async fn until_lost(story: &mut Story) -> ApiError {
    for _ in 0..5 {
        let steps: Vec<Step> = story
            .plans()
            .into_iter()
            .filter_map(|plan| {
                if let Plan::Run(steps) = plan {
                    Some(steps)
                } else {
                    None
                }
            })
            .flatten()
            .collect();
        if let Some(Err(error)) = story.round(&steps).await.into_iter().find(Result::is_err) {
            return error;
        }
    }
    panic!("no call was lost");
}

/// The attempts in the markers of all objects of a kind.
async fn marked(story: &Story, kind: RemoteKind) -> Vec<i64> {
    let identity = match kind {
        RemoteKind::SourceConnection => &story.source_identity,
        _ => &story.dataflow_identity,
    };
    let mut attempts = Vec::new();
    for attempt in 1..=3 {
        let step = Step::LookUp { kind, attempt };
        let Outcome::LookedUp { found: ids, .. } =
            execute(&story.sandbox, &Scope::default(), identity, &step)
                .await
                .unwrap()
        else {
            panic!("a look-up looks up")
        };
        // A look-up may show those of earlier attempts too.
        if ids.len() > attempts.len() {
            attempts.push(attempt);
        }
    }
    attempts
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_to_a_put_leads_to_the_version_that_was_written() {
    let mut story = Story::begin(at_once()).await;
    story.converge().await;
    change_everything(&mut story);
    story.restart();
    let rule =
        json!([{"method": "PUT", "path": "/mappingSets/", "dropAfterCommit": true, "times": 1}]);
    story.control("POST", "faults", &rule).await;
    until_lost(&mut story).await;
    story.restart();
    story.converge().await;
    assert_eq!(story.counts().await["mappingSets.update"], 1);
    let Known::Read(flow) = &story.dataflow.flow else {
        panic!("it was read")
    };
    assert_eq!(flow.mapping().map(|it| it.version), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_goes_in_order_and_leaves_nothing() {
    let mut story = Story::begin(EmulatorOptions {
        mapping_set_delete: MappingSetDelete::RefusedInUse,
        ..at_once()
    })
    .await;
    let before = story.control("GET", "objects", &Value::Null).await;
    story.converge().await;
    assert_ne!(story.control("GET", "objects", &Value::Null).await, before);
    let ids = story.ids.clone();
    let id = |kind| &ids[&kind];
    let steps = story.delete().await;
    assert_eq!(
        steps,
        [
            format!("delete flow {}", id(RemoteKind::Flow)),
            format!(
                "delete target connection {}",
                id(RemoteKind::TargetConnection)
            ),
            format!("delete mapping set {}", id(RemoteKind::MappingSet)),
            format!(
                "list flows on source connection {}",
                id(RemoteKind::SourceConnection)
            ),
            format!(
                "delete source connection {}",
                id(RemoteKind::SourceConnection)
            ),
        ]
    );
    assert_eq!(story.control("GET", "objects", &Value::Null).await, before);

    // A deletion whose reply was lost is done once more, and that is fine.
    story.ids = ids;
    story.delete().await;
    assert_eq!(story.control("GET", "objects", &Value::Null).await, before);
}

/// Neither specification nor prose knows this call.
#[tokio::test(start_paused = true)]
async fn a_mapping_set_that_cannot_be_deleted_is_left_behind() {
    for delete in [
        MappingSetDelete::NotFound404,
        MappingSetDelete::NotAllowed405,
    ] {
        let mut story = Story::begin(EmulatorOptions {
            mapping_set_delete: delete,
            ..at_once()
        })
        .await;
        story.converge().await;
        let id = story.ids[&RemoteKind::MappingSet].clone();
        let step = Step::Delete {
            kind: RemoteKind::MappingSet,
            id,
        };
        let outcome = execute(
            &story.sandbox,
            &story.scope,
            &story.dataflow_identity,
            &step,
        )
        .await
        .unwrap();
        assert!(
            matches!(outcome, Outcome::Deleted { gone: false, .. }),
            "{delete:?}: {outcome:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_is_being_set_up_is_waited_for() {
    let mut story = Story::begin(EmulatorOptions::default()).await;
    let started = Instant::now();
    story.converge().await;
    assert!(
        started.elapsed() >= Duration::from_secs(6),
        "{:?}",
        started.elapsed()
    );
    let Known::Read(flow) = &story.dataflow.flow else {
        panic!("it was read")
    };
    assert!(flow.inlet_url().is_some());
    assert_eq!(flow.state.as_str(), "enabled");
}

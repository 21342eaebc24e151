//! Mappings before they are made, runs of flows, and whether the source is there.

use std::time::Duration;

use aep_emulator::{BadMapping, Options as EmulatorOptions, SpecSight};
use aep_operator::platform::{
    CUSTOMER_IO_CONNECTION_SPEC, Class, Filter, MappingRow, NewMappingSet, NewSourceConnection,
    RUN_FLOW_PROPERTY, RUN_STARTED_PROPERTY, RunStatus, STREAMING_FLOW_SPEC, Visibility,
};
use serde_json::json;

use super::{AT, World, empty, flow, good_event, make, rows};

#[tokio::test(start_paused = true)]
async fn rows_are_judged_against_the_schema_before_anything_is_made() {
    let world = World::new(empty());
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let mapping = |rows| NewMappingSet::new("map", &made.schema, 1, rows);
    let good = mapping(rows(&made.tenant));
    assert_eq!(sandbox.check_mapping(&good).await.unwrap(), []);
    let mut bad = rows(&made.tenant);
    bad.push(MappingRow::attribute("metric", "_extconndev.nosuchfield"));
    bad.push(MappingRow::expression("nosuch(metric)", "eventType"));
    let problems = sandbox.check_mapping(&mapping(bad)).await.unwrap();
    let places: Vec<_> = problems
        .iter()
        .map(|it| (it.row, it.destination.as_str()))
        .collect();
    assert_eq!(
        places,
        [(Some(3), "_extconndev.nosuchfield"), (Some(4), "eventType")]
    );
    assert!(problems[1].reason.contains("nosuch"), "{problems:?}");
    assert!(sandbox.check_expression(AT, None).await.unwrap());
    assert!(!sandbox.check_expression("nosuch(1)", None).await.unwrap());
    assert!(sandbox.list_mapping_sets("map").await.unwrap().is_empty());
    let elsewhere = NewMappingSet::new("map", "https://ns.adobe.com/x/schemas/1", 1, rows("x"));
    let error = sandbox.check_mapping(&elsewhere).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Rejected, false)
    );
}

/// Unknown: Data Prep's error bodies, and when it uses the 400 of its specification.
#[tokio::test(start_paused = true)]
async fn a_bad_row_may_be_refused_as_a_whole() {
    let world = World::new(EmulatorOptions {
        bad_mapping: BadMapping::Refused,
        ..empty()
    });
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let good = NewMappingSet::new("map", &made.schema, 1, rows(&made.tenant));
    assert_eq!(sandbox.check_mapping(&good).await.unwrap(), []);
    let bad = vec![MappingRow::attribute("metric", "_extconndev.nosuchfield")];
    let bad = NewMappingSet::new("map", &made.schema, 1, bad);
    let error = sandbox.check_mapping(&bad).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Rejected, false)
    );
    assert!(error.detail.contains("_extconndev.nosuchfield"), "{error}");
    let error = sandbox
        .check_expression("nosuch(1)", None)
        .await
        .unwrap_err();
    assert_eq!(error.class, Class::Rejected);
}

#[tokio::test(start_paused = true)]
async fn runs_tell_what_came_in_and_what_failed() {
    let world = World::new(empty());
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let (one, other) = (flow(sandbox, &made).await, flow(sandbox, &made).await);
    for n in 0..3 {
        world.post(&one.inlet, &good_event(&n.to_string())).await;
    }
    world
        .post(&one.inlet, &json!({"event_id": "no time"}))
        .await;
    let all = Filter::new();
    let runs = sandbox.list_runs(&all, 1).await.unwrap();
    assert!(runs.runs.is_empty(), "the window is open");
    tokio::time::sleep(Duration::from_secs(61)).await;
    world
        .post(&other.inlet, &json!({"event_id": "no time"}))
        .await;
    tokio::time::sleep(Duration::from_secs(61)).await;

    let runs = sandbox.list_runs(&all, 1).await.unwrap();
    assert!(runs.is_complete);
    let [newer, older] = runs.runs.as_slice() else {
        panic!("{runs:?}")
    };
    assert_eq!(
        (&newer.flow_id, &newer.status),
        (&other.id, &RunStatus::Failed)
    );
    assert_eq!(
        (&older.flow_id, &older.status),
        (&one.id, &RunStatus::Partial)
    );
    let counts = |records: &aep_operator::platform::RunRecords| {
        (records.received, records.ingested, records.failed)
    };
    assert_eq!(counts(&older.records), (Some(4), Some(3), Some(1)));
    assert_eq!(counts(&newer.records), (Some(1), Some(0), Some(1)));
    assert_eq!(newer.errors[0].code, "MAPPER-3700-400");
    assert!(newer.errors[0].message.contains("timestamp"), "{newer:?}");
    assert!(older.completed_at.unwrap() > older.started_at.unwrap());

    let mine = Filter::new().any_of(RUN_FLOW_PROPERTY, &[&one.id, "another"]);
    let mine = sandbox.list_runs(&mine, 1).await.unwrap().runs;
    assert_eq!(mine.len(), 1);
    let since = Filter::new().above(RUN_STARTED_PROPERTY, older.started_at.unwrap());
    let since = sandbox.list_runs(&since, 1).await.unwrap().runs;
    assert_eq!(since, std::slice::from_ref(newer));
}

#[tokio::test(start_paused = true)]
async fn the_newest_runs_come_first_and_the_rest_is_left_unread() {
    let world = World::new(EmulatorOptions {
        run_window: Duration::from_secs(1),
        ..empty()
    });
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let flow = flow(sandbox, &made).await;
    for n in 0..130 {
        world.post(&flow.inlet, &good_event(&n.to_string())).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let some = sandbox.list_runs(&Filter::new(), 1).await.unwrap();
    assert_eq!((some.runs.len(), some.is_complete), (100, false));
    let all = sandbox.list_runs(&Filter::new(), 2).await.unwrap();
    assert_eq!((all.runs.len(), all.is_complete), (130, true));
    assert_eq!(some.runs, all.runs[..100]);
    assert!(
        all.runs
            .windows(2)
            .all(|it| it[0].created_at > it[1].created_at)
    );
}

/// Unknown: whether a run shows while it lasts, and how long runs are kept.
#[tokio::test(start_paused = true)]
async fn a_run_may_show_while_it_lasts_and_be_forgotten_later() {
    let world = World::new(EmulatorOptions {
        run_in_progress: true,
        run_retention: Duration::from_hours(1),
        ..empty()
    });
    let sandbox = &world.sandbox;
    let made = make(sandbox).await;
    let flow = flow(sandbox, &made).await;
    world.post(&flow.inlet, &good_event("1")).await;
    let list = || async { sandbox.list_runs(&Filter::new(), 1).await.unwrap().runs };
    let open = list().await;
    assert_eq!(open[0].status, RunStatus::UnderWay);
    assert_eq!(
        (open[0].records.received, open[0].completed_at),
        (Some(1), None)
    );
    tokio::time::sleep(Duration::from_secs(61)).await;
    let over = list().await;
    assert_eq!(
        (&over[0].id, &over[0].status),
        (&open[0].id, &RunStatus::Success)
    );
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(list().await.is_empty());
}

// --- specifications ---------------------------------------------------------------------------------------------

/// Unknown: how a source that the organization does not have looks.
#[tokio::test(start_paused = true)]
async fn the_source_may_be_hidden_from_the_organization() {
    for (sight, visible) in [
        (SpecSight::Visible, true),
        (SpecSight::NotFound, false),
        (SpecSight::NotEntitled, false),
    ] {
        let world = World::new(EmulatorOptions {
            customer_io_spec: sight,
            ..empty()
        });
        let sandbox = &world.sandbox;
        let spec = sandbox
            .connection_spec(CUSTOMER_IO_CONNECTION_SPEC)
            .await
            .unwrap();
        assert_eq!(matches!(spec, Visibility::Visible(_)), visible, "{sight:?}");
        // The pre-flight and the creation agree.
        let new = NewSourceConnection::customer_io("source", "");
        let made = sandbox.create_source_connection(&new).await;
        assert_eq!(made.is_ok(), visible, "{sight:?}: {made:?}");
        let flow_spec = sandbox.flow_spec(STREAMING_FLOW_SPEC).await.unwrap();
        let Visibility::Visible(flow_spec) = flow_spec else {
            panic!("{sight:?}: {flow_spec:?}")
        };
        assert_eq!(
            flow_spec.source_connection_spec_ids,
            [CUSTOMER_IO_CONNECTION_SPEC]
        );
        let unknown = sandbox
            .flow_spec("00000000-0000-0000-0000-000000000000")
            .await;
        assert!(matches!(unknown.unwrap(), Visibility::Hidden(_)));
    }
}

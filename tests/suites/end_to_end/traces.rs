//! Traces of the real program, as a collector gets them; built with the feature `otel`.

use std::time::Duration;

use serde_json::json;

use crate::collector::Collector;
use crate::spans::{Span, spans};
use crate::world::{World, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";

fn attribute<'a>(span: &'a Span, name: &str) -> &'a str {
    span.attributes.get(name).map_or("", String::as_str)
}

#[tokio::test]
async fn a_trace_goes_from_what_called_for_a_resource_down_to_the_call_of_the_platform() {
    let collector = Collector::start().await;
    let world = World::with(|options| {
        // Which spans there are does not depend on what is logged.
        options.operator_args.push("--log=off".into());
        collector.asked_for(options);
    })
    .await;
    // Refused at first: refusals of the stand-in carry an id.
    let refusal = json!({"method": "POST", "path": "/flows$", "status": 400, "times": 1});
    world.faults(json!([refusal])).await;
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.wait_ready(DATAFLOW).await;
    // What is under way is sent at the end.
    let operator = world.stack.operator();
    operator.stop(Duration::from_secs(30)).await.unwrap();
    let kept = collector.kept();
    let paths: Vec<&str> = kept.iter().map(|(path, _)| path.as_str()).collect();
    assert!(paths.iter().all(|it| *it == "/v1/traces"), "{paths:?}");
    let all: Vec<Span> = kept.iter().flat_map(|(_, body)| spans(body)).collect();

    let above = |span: &Span| -> Span {
        let found = all.iter().find(|it| it.id == span.parent);
        found
            .unwrap_or_else(|| panic!("{span:?} has no parent"))
            .clone()
    };
    let calls: Vec<&Span> = all
        .iter()
        .filter(|it| attribute(it, "operation") == "create_flow")
        .collect();
    let with = |status: &str| {
        let found = calls.iter().find(|it| attribute(it, "status") == status);
        *found.unwrap_or_else(|| panic!("no {status} in {calls:?}"))
    };
    let refused = with("400");
    assert_eq!(attribute(refused, "class"), "permission");
    assert!(!attribute(refused, "request_id").is_empty(), "{refused:?}");
    let call = with("201");
    assert_eq!(call.name, "call");
    assert_eq!(attribute(call, "class"), "success");

    let step = above(call);
    assert_eq!(step.name, "step");
    assert!(attribute(&step, "step").contains("flow"), "{step:?}");
    let reconcile = above(&step);
    assert_eq!(reconcile.name, "reconcile");
    assert_eq!(attribute(&reconcile, "kind"), "AepDataflow");
    assert_eq!(attribute(&reconcile, "namespace"), "marketing");
    assert_eq!(attribute(&reconcile, "resource"), "customer-io-events");
    assert!(reconcile.parent.is_empty(), "{reconcile:?}");
    let one = [&step, &reconcile];
    assert!(one.iter().all(|it| it.trace == call.trace));
    // Its source became ready; then came the time to try again.
    let cause = |call: &Span| attribute(&above(&above(call)), "cause").to_owned();
    assert_eq!([cause(refused), cause(call)], ["change", "due"]);
}

//! Before a change: would the mapping be taken, and is the source there at all?

use aep_operator::platform::{
    CUSTOMER_IO_CONNECTION_SPEC, Class, MappingProblem, MappingRow, NewMappingSet,
    STREAMING_FLOW_SPEC, Visibility,
};
use serde_json::{Value, json};

use crate::far::{Far, answer, exchange, say};

const SCHEMA: &str =
    "https://ns.adobe.com/acmecorp/schemas/9b1c4d7e2f3a4b5c6d7e8f9001122334455667788990aabb";

fn mapping() -> NewMappingSet {
    let rows = vec![
        MappingRow::attribute("event_id", "_id"),
        MappingRow::attribute("metric", "_acmecorp.customerio.nosuchfield"),
    ];
    NewMappingSet::new("map", SCHEMA, 1, rows)
}

fn problem(row: Option<usize>, source: &str, destination: &str, reason: &str) -> MappingProblem {
    MappingProblem {
        row,
        source: source.into(),
        destination: destination.into(),
        reason: reason.into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_row_is_named_with_the_service_s_reason() {
    let far = Far::new([answer("mappingset.validate.failed")]);
    let problems = far.sandbox.check_mapping(&mapping()).await.unwrap();
    let expected = problem(
        Some(1),
        "metric",
        "_acmecorp.customerio.nosuchfield",
        "Destination path not found in the output schema",
    );
    assert_eq!(problems, [expected]);
    assert_eq!(
        problems[0].to_string(),
        "metric -> _acmecorp.customerio.nosuchfield: Destination path not found in the output schema"
    );
    assert_eq!(far.lines(), ["POST /conversion/mappingSets/validate"]);
    let mut sent = far.body(0);
    assert_eq!(
        sent.as_object_mut().unwrap().remove("name"),
        Some(json!("map"))
    );
    assert_eq!(sent, exchange("mappingset.validate.failed")["request"]);
}

#[tokio::test(start_paused = true)]
async fn a_good_mapping_has_no_problems() {
    let far = Far::new([answer("mappingset.validate")]);
    assert_eq!(far.sandbox.check_mapping(&mapping()).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_of_any_shape_is_never_taken_for_a_good_one() {
    let reason = "refused without a reason";
    for (verdict, expected) in [
        (json!({"status": "failed", "errors": null}), reason),
        (json!({"status": "FAILED"}), reason),
        (json!({"status": "FAILED", "errors": [{"odd": 1}]}), reason),
        (
            json!({"status": "FAILED", "errors": ["plain\nwords"]}),
            "plain words",
        ),
        (json!({"errors": [{"exception": "x"}]}), "x"),
    ] {
        let far = Far::new([say(
            200,
            json!({"validationResponse": [{"status": "SUCCESS"}, verdict]}),
        )]);
        let problems = far.sandbox.check_mapping(&mapping()).await.unwrap();
        let expected = problem(
            Some(1),
            "metric",
            "_acmecorp.customerio.nosuchfield",
            expected,
        );
        assert_eq!(problems, [expected], "{verdict}");
    }
    // Fewer verdicts than rows: which row each is about is not known.
    let one = json!({"validationResponse": [{"status": "FAILED", "errors": [{"exception": "x", "source": "s"}]}]});
    let far = Far::new([say(200, one)]);
    let problems = far.sandbox.check_mapping(&mapping()).await.unwrap();
    assert_eq!(problems, [problem(None, "s", "", "x")]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_changed_nothing() {
    for (answer, class) in [
        (say(200, "{}"), Class::Unexpected),
        (say(200, r#"{"validationResponse":[]}"#), Class::Unexpected),
        (say(200, ""), Class::Unexpected),
        (
            say(400, r#"{"message":"Mapping 2 is invalid"}"#),
            Class::Rejected,
        ),
        (say(500, ""), Class::Unavailable { retry_after: None }),
    ] {
        let far = Far::new([answer.clone()]);
        let error = far.sandbox.check_mapping(&mapping()).await.unwrap_err();
        assert_eq!(
            (error.class, error.outcome_unknown),
            (class, false),
            "{answer:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_expression_is_checked_alone_or_on_an_event() {
    let far = Far::new([
        answer("expression.validate"),
        say(200, "false"),
        say(503, ""),
    ]);
    let expected = exchange("expression.validate")["request"].clone();
    let expression = expected["expression"].as_str().unwrap();
    let sample: Value = serde_json::from_str(expected["sampleData"].as_str().unwrap()).unwrap();
    let sandbox = &far.sandbox;
    assert!(
        sandbox
            .check_expression(expression, Some(&sample))
            .await
            .unwrap()
    );
    assert!(!sandbox.check_expression("nosuch(1)", None).await.unwrap());
    let error = sandbox.check_expression("x", None).await.unwrap_err();
    assert!(!error.outcome_unknown);
    let sent = far.body(0);
    assert_eq!(sent["expression"], expected["expression"]);
    assert_eq!(sent["sampleDataType"], expected["sampleDataType"]);
    // The sample travels as text.
    let text: Value = serde_json::from_str(sent["sampleData"].as_str().unwrap()).unwrap();
    assert_eq!(text, sample);
    assert_eq!(far.body(1), json!({"expression": "nosuch(1)"}));
    assert_eq!(far.lines()[0], "POST /conversion/languages/el/validate");
}

#[tokio::test(start_paused = true)]
async fn specifications_are_read_where_they_are_visible() {
    let far = Far::new([answer("connectionspec.get"), answer("flowspec.get")]);
    let sandbox = &far.sandbox;
    let spec = sandbox
        .connection_spec(CUSTOMER_IO_CONNECTION_SPEC)
        .await
        .unwrap();
    let Visibility::Visible(spec) = spec else {
        panic!("it is visible")
    };
    assert_eq!(
        (spec.name.as_str(), spec.version.as_str()),
        ("customerio", "1.0")
    );
    let flow_spec = sandbox.flow_spec(STREAMING_FLOW_SPEC).await.unwrap();
    let Visibility::Visible(flow_spec) = flow_spec else {
        panic!("it is visible")
    };
    assert_eq!(flow_spec.name, "GenericStreamingAEP");
    assert_eq!(
        flow_spec.source_connection_spec_ids,
        [CUSTOMER_IO_CONNECTION_SPEC]
    );
    assert_eq!(
        far.lines(),
        [
            format!("GET /flowservice/connectionSpecs/{CUSTOMER_IO_CONNECTION_SPEC}"),
            format!("GET /flowservice/flowSpecs/{STREAMING_FLOW_SPEC}"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn hidden_and_not_allowed_to_look_are_two_things() {
    let refusal = |status: u16, code: &str| {
        let body = json!({"type": format!("https://ns.adobe.com/aep/errors/{code}"), "report": {"detailed-message": "w"}});
        say(status, body)
    };
    for answer in [
        refusal(404, "FLOW-1439-404"),
        refusal(400, "FLOW-1100-400"),
        refusal(400, "FLOW-1413-400"),
        say(200, r#"{"items":[]}"#),
    ] {
        let far = Far::new([answer.clone()]);
        let sight = far.sandbox.flow_spec("x").await.unwrap();
        assert!(
            matches!(sight, Visibility::Hidden(_)),
            "{answer:?}: {sight:?}"
        );
    }
    for (answer, class) in [
        (refusal(403, "FLOW-2118-403"), Class::Permission),
        (refusal(404, "FLOW-2100-404"), Class::SandboxNotFound),
        (say(404, "<html>nginx</html>"), Class::Unexpected),
        (say(503, ""), Class::Unavailable { retry_after: None }),
    ] {
        let far = Far::new([answer.clone()]);
        let error = far.sandbox.connection_spec("x").await.unwrap_err();
        assert_eq!(error.class, class, "{answer:?}");
    }
}

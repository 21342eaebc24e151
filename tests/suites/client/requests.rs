//! What is sent, and how lists are read.

use aep_operator::platform::{
    Class, Deleted, Filter, FlowAction, MappingRef, MappingRow, NewMappingSet, NewSourceConnection,
    Options,
};
use http::header;
use std::time::Duration;
use tokio::time::Instant;

use crate::far::*;

#[tokio::test(start_paused = true)]
async fn every_call_carries_the_four_headers_and_a_body_its_type() {
    let far = Far::platform([say(201, CREATED), say(200, CREATED)]);
    let sandbox = far.sandbox();
    sandbox
        .create_source_connection(&NewSourceConnection::customer_io("n", "d"))
        .await
        .unwrap();
    sandbox
        .act_on_flow("f-1", FlowAction::Disable)
        .await
        .unwrap();
    let calls = far.platform_calls();
    for call in &calls {
        let header = |name| call.headers()[name].to_str().unwrap();
        assert_eq!(bearer(call), "token-0");
        assert_eq!(header("x-api-key"), "demo-client");
        assert_eq!(header("x-gw-ims-org-id"), "1234@AdobeOrg");
        assert_eq!(header("x-sandbox-name"), "prod");
    }
    assert_eq!(calls[0].headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(
        calls[0].uri(),
        "http://127.0.0.1:2/base/data/foundation/flowservice/sourceConnections"
    );
    assert!(calls[1].body().is_empty() && !calls[1].headers().contains_key(header::CONTENT_TYPE));
    assert_eq!(
        calls[1].uri(),
        "http://127.0.0.1:2/base/data/foundation/flowservice/flows/f-1/action?op=disable"
    );
    assert_eq!(calls[1].method(), "POST");
}

#[tokio::test(start_paused = true)]
async fn each_service_is_called_by_its_own_path_and_type() {
    const SCHEMA: &str = "https://ns.adobe.com/t/schemas/ab";
    let set = r#"{"id":"m-1","version":3,"mappings":[]}"#;
    let far = Far::platform([
        say(
            200,
            r#"{"65f0":{"name":"d","schemaRef":{"id":"s","contentType":"application/vnd.adobe.xed+json;version=1"}}}"#,
        ),
        say(200, format!(r#"{{"$id":"{SCHEMA}","version":"1.0"}}"#)),
        say(200, set),
        say(200, set),
        say(200, set),
        say(204, ""),
        say(200, "{}"),
    ]);
    let sandbox = far.sandbox();
    let dataset = sandbox.get_dataset("65f0").await.unwrap();
    assert_eq!(
        (
            dataset.id.as_str(),
            dataset.schema_ref.unwrap().major_version()
        ),
        ("65f0", Some(1))
    );
    assert_eq!(sandbox.get_schema(SCHEMA, 1).await.unwrap().id, SCHEMA);
    let new = NewMappingSet::new("map", SCHEMA, 1, vec![MappingRow::attribute("a", "b")]);
    assert_eq!(
        sandbox.create_mapping_set(&new).await.unwrap(),
        MappingRef {
            id: "m-1".into(),
            version: 3
        }
    );
    sandbox.update_mapping_set("m-1", &new).await.unwrap();
    sandbox.get_mapping_set("m-1", Some(3)).await.unwrap();
    assert_eq!(
        sandbox.delete_mapping_set("m-1").await.unwrap(),
        Deleted::Gone
    );
    assert_eq!(
        sandbox.get_dataset("65f0").await.unwrap_err().class,
        Class::NotFound
    );
    let lines: Vec<String> = far
        .platform_calls()
        .iter()
        .map(|c| {
            format!(
                "{} {}",
                c.method(),
                c.uri()
                    .path_and_query()
                    .unwrap()
                    .as_str()
                    .replace("/base/data/foundation", "")
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "GET /catalog/dataSets/65f0",
            "GET /schemaregistry/tenant/schemas/https%3A%2F%2Fns.adobe.com%2Ft%2Fschemas%2Fab",
            "POST /conversion/mappingSets",
            "PUT /conversion/mappingSets/m-1",
            "GET /conversion/mappingSets/m-1?version=3",
            "DELETE /conversion/mappingSets/m-1",
            "GET /catalog/dataSets/65f0",
        ]
    );
    assert_eq!(
        far.platform_calls()[1].headers()[header::ACCEPT],
        "application/vnd.adobe.xed+json; version=1"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_to_its_end_and_keeps_its_filter() {
    let page = |id: &str, next: &str| {
        say(
            200,
            format!(r#"{{"items":[{{"id":"{id}"}}],"_links":{next}}}"#),
        )
    };
    let far = Far::platform([
        page(
            "a",
            r#"{"next":{"href":"/flows?continuationToken=abc%3D"}}"#,
        ),
        page(
            "b",
            r#"{"next":{"href":"/flows?limit=1&continuationToken=def"}}"#,
        ),
        page("c", "{}"),
    ]);
    let filter = Filter::new().eq("name", "a, b=c");
    let flows = far.sandbox().list_flows(&filter, Some).await.unwrap();
    assert_eq!(
        flows.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    let queries: Vec<String> = far
        .platform_calls()
        .iter()
        .map(|c| c.uri().query().unwrap().to_owned())
        .collect();
    assert_eq!(
        queries,
        [
            "property=name==a%2C%20b%3Dc&limit=100",
            "property=name==a%2C%20b%3Dc&limit=100&continuationToken=abc%3D",
            "property=name==a%2C%20b%3Dc&limit=1&continuationToken=def",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_list_is_an_error_and_never_a_short_list() {
    let next = |token: usize| {
        format!(
            r#"{{"items":[],"_links":{{"next":{{"href":"/flows?continuationToken={token}"}}}}}}"#
        )
    };
    let cases: Vec<Vec<Answer>> = vec![
        vec![say(200, "{}")],
        vec![say(200, r#"{"items":[{"name":"no id"}]}"#)],
        vec![say(
            200,
            r#"{"items":[],"_links":{"next":{"href":"/flows"}}}"#,
        )],
        vec![say(200, next(1)), say(200, next(1))],
        (0..5).map(|n| say(200, next(n))).collect(),
    ];
    for answers in cases {
        let far = Far::platform(answers);
        let options = Options {
            page_bound: 5,
            ..Options::default()
        };
        let error = far
            .start(options)
            .sandbox(credentials(), "prod")
            .list_flows(&Filter::new(), Some)
            .await
            .unwrap_err();
        assert_eq!(error.class, Class::Unexpected, "{error}");
    }
    let far = Far::platform([say(200, next(1)), say(503, "")]);
    assert_eq!(
        far.sandbox()
            .list_flows(&Filter::new(), Some)
            .await
            .unwrap_err()
            .class,
        UNAVAILABLE
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_one_call_too_many_is_asked_for_again_and_those_before_are_not() {
    let page = r#"{"items":[{"id":"a"}],"_links":{"next":{"href":"/flows?continuationToken=1"}}}"#;
    let last = r#"{"items":[{"id":"b"}],"_links":{}}"#;
    let far = Far::platform([say(200, page), say(429, ""), say(429, ""), say(200, last)]);
    let begun = Instant::now();
    let listed = far.sandbox().list_flows(&Filter::new(), Some).await;
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "each time after a pause"
    );
    let ids: Vec<String> = listed.unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(ids, ["a", "b"]);
    // The token service is asked once: whoever wanted the list is told.
    let far = Far::new(|_, request| say(if is_ims(request) { 429 } else { 200 }, ""));
    let error = far.sandbox().list_flows(&Filter::new(), Some).await;
    assert!(matches!(error.unwrap_err().class, Class::Throttled { .. }));
    assert_eq!((far.tokens_asked(), far.platform_calls().len()), (1, 0));
    // Not for ever.
    let far = Far::platform([
        say(200, page),
        say(429, ""),
        say(429, ""),
        say(429, ""),
        say(429, ""),
    ]);
    let error = far.sandbox().list_flows(&Filter::new(), Some).await;
    assert!(matches!(error.unwrap_err().class, Class::Throttled { .. }));
    assert_eq!(far.platform_calls().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn mapping_sets_are_paged_by_start_whatever_the_count_says() {
    let page = |ids: std::ops::Range<usize>| {
        let sets: Vec<String> = ids
            .map(|n| format!(r#"{{"id":"m{n}","version":0}}"#))
            .collect();
        say(
            200,
            format!(
                r#"{{"data":[{}],"_page":{{"count":0,"limit":100}}}}"#,
                sets.join(",")
            ),
        )
    };
    let far = Far::platform([page(0..100), page(100..130)]);
    assert_eq!(
        far.sandbox().list_mapping_sets("a b").await.unwrap().len(),
        130
    );
    let queries: Vec<String> = far
        .platform_calls()
        .iter()
        .map(|c| c.uri().query().unwrap().to_owned())
        .collect();
    assert_eq!(
        queries,
        [
            "limit=100&start=0&name=a%20b",
            "limit=100&start=100&name=a%20b"
        ]
    );
    // A service that ignores `start` answers the same page for ever.
    let far = Far::platform([page(0..100), page(0..100)]);
    assert_eq!(
        far.sandbox().list_mapping_sets("a").await.unwrap().len(),
        100
    );
}

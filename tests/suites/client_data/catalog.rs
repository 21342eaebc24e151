//! Datasets.

use aep_operator::platform::{Class, Deleted, NewDataset, Options, PatchOperation, SchemaRef};
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use crate::far::{Answer, Far, answer, exchange, say};

const DATASET: &str = "65f0a1b2c3d4e5f607182930";
const SCHEMA: &str =
    "https://ns.adobe.com/acmecorp/schemas/9b1c4d7e2f3a4b5c6d7e8f9001122334455667788990aabb";
const UID: &str = "2b1c0d9e-8f7a-4b6c-9d5e-4f3a2b1c0d9e";

fn dataset() -> NewDataset {
    NewDataset::new(
        "customerio-events-dev",
        "Customer.io reporting events",
        SchemaRef::new(SCHEMA, 1),
    )
    .tag("managed-by", "aep-source-operator")
    .tag("owner-uid", UID)
}

#[tokio::test(start_paused = true)]
async fn a_dataset_is_created_as_adobe_shows_and_read_back() {
    let far = Far::new([answer("dataset.create"), answer("dataset.get")]);
    assert_eq!(
        far.sandbox.create_dataset(&dataset()).await.unwrap(),
        DATASET
    );
    let read = far.sandbox.get_dataset(DATASET).await.unwrap();
    assert_eq!(read.id, DATASET);
    assert_eq!(
        (read.name.as_str(), read.description.as_str()),
        ("customerio-events-dev", "Customer.io reporting events")
    );
    assert_eq!(read.schema_ref, Some(SchemaRef::new(SCHEMA, 1)));
    assert!(read.has_tag("owner-uid", UID));
    assert!(!read.has_tag("owner-uid", "other") && !read.has_tag("nothing", UID));
    assert_eq!(
        (read.created, read.updated),
        (1_790_000_001_000, 1_790_000_001_400)
    );
    assert_eq!(far.body(0), exchange("dataset.create")["request"]);
    assert_eq!(
        far.lines(),
        [
            "POST /catalog/dataSets".to_owned(),
            format!("GET /catalog/dataSets/{DATASET}")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_creation_whose_answer_names_nothing_may_have_been_carried_out() {
    for body in ["", "[]", "{}", r#"["@/dataSets/"]"#, "[7]"] {
        let far = Far::new([say(201, body)]);
        let error = far.sandbox.create_dataset(&dataset()).await.unwrap_err();
        assert_eq!(
            (error.class, error.outcome_unknown),
            (Class::Unexpected, true),
            "{body}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn datasets_are_listed_by_name_and_by_tag() {
    let far = Far::new([
        answer("dataset.list-by-name"),
        answer("dataset.list-by-tag"),
        answer("dataset.list-empty"),
    ]);
    let sandbox = &far.sandbox;
    let named = sandbox.list_datasets_by_name("a b&c").await.unwrap();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].id, DATASET);
    let tagged = sandbox
        .list_datasets_by_tag("owner-uid", UID)
        .await
        .unwrap();
    assert_eq!(tagged, named);
    let none = sandbox.list_datasets_by_tag("a/b", "x:y*").await.unwrap();
    assert!(none.is_empty());
    let rest = "orderBy=asc:created&limit=100&start=0";
    assert_eq!(
        far.lines(),
        [
            format!("GET /catalog/dataSets?name=a%20b%26c&{rest}"),
            format!("GET /catalog/dataSets?tags=owner-uid:{UID}&{rest}"),
            format!("GET /catalog/dataSets?tags=a%2Fb:x%3Ay*&{rest}"),
        ]
    );
    assert_eq!(far.header(0, ACCEPT), "application/json");
}

fn page(ids: impl Iterator<Item = usize>) -> Answer {
    let body: Map<String, Value> = ids
        .map(|n| (format!("d{n:03}"), json!({"name": "n"})))
        .collect();
    say(200, Value::Object(body))
}

#[tokio::test(start_paused = true)]
async fn a_long_list_is_read_to_its_end_and_nothing_is_missed_in_between() {
    let far = Far::new([page(0..100), page(99..199), page(198..203)]);
    let found = far.sandbox.list_datasets_by_name("n").await.unwrap();
    assert_eq!(found.len(), 203);
    let starts: Vec<String> = far
        .lines()
        .iter()
        .map(|line| line.rsplit('=').next().unwrap().to_owned())
        .collect();
    assert_eq!(starts, ["0", "99", "198"]);

    // One of the first hundred was deleted meanwhile: number 100 moved into the part that was read already.
    let far = Far::new([page(0..100), page(101..150)]);
    let error = far.sandbox.list_datasets_by_name("n").await.unwrap_err();
    assert_eq!(
        error.class,
        Class::Unavailable { retry_after: None },
        "{error}"
    );

    // A service that ignores `start`.
    let far = Far::new([page(0..100), page(0..100)]);
    let error = far.sandbox.list_datasets_by_name("n").await.unwrap_err();
    assert_eq!(error.class, Class::Unexpected, "{error}");

    let options = Options {
        page_bound: 1,
        ..Options::default()
    };
    let far = Far::with(options, [page(0..100)]);
    let error = far.sandbox.list_datasets_by_name("n").await.unwrap_err();
    assert_eq!(error.class, Class::Unexpected, "{error}");
}

/// Adobe's page on filters shows a property without a value as `{}`; other people's tags may be anything.
#[tokio::test(start_paused = true)]
async fn odd_datasets_of_others_do_not_spoil_a_list_but_an_unreadable_one_does() {
    let odd = json!({
        "a": {},
        "b": {"name": {}, "description": {}, "tags": null, "schemaRef": null},
        "c": {"name": "n", "tags": {"one": "x", "list": ["y", 7], "none": null, "deep": {"k": 1}}}
    });
    let far = Far::new([say(200, odd)]);
    let found = far.sandbox.list_datasets_by_name("n").await.unwrap();
    assert_eq!(found.len(), 3);
    assert!(found[2].has_tag("one", "x") && found[2].has_tag("list", "7"));
    for bad in [
        json!({"a": {"name": ["n"]}}),
        json!({"a": {"description": 7}}),
        json!({"a": {"tags": ["owner"]}}),
        json!([]),
    ] {
        let far = Far::new([say(200, &bad)]);
        let error = far.sandbox.list_datasets_by_name("n").await.unwrap_err();
        assert_eq!(error.class, Class::Unexpected, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_is_a_json_patch_under_its_own_type() {
    let far = Far::new([answer("dataset.patch"), say(404, "{}")]);
    let patch = [
        PatchOperation::add("/description", "managed"),
        PatchOperation::set_tag("aep/owner~1", "released"),
    ];
    far.sandbox.patch_dataset(DATASET, &patch).await.unwrap();
    let error = far
        .sandbox
        .patch_dataset(DATASET, &patch)
        .await
        .unwrap_err();
    assert_eq!(error.class, Class::NotFound);
    assert_eq!(far.lines()[0], format!("PATCH /catalog/dataSets/{DATASET}"));
    assert_eq!(far.header(0, CONTENT_TYPE), "application/json-patch+json");
    assert_eq!(
        far.body(0),
        json!([
            {"op": "add", "path": "/description", "value": "managed"},
            {"op": "add", "path": "/tags/aep~1owner~01", "value": ["released"]}
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_deletion_tells_whether_there_was_something() {
    for (answer, outcome) in [
        (answer("dataset.delete"), Deleted::Gone),
        (answer("dataset.delete.nothing"), Deleted::AlreadyGone),
        (say(204, ""), Deleted::Gone),
        (
            say(404, r#"{"detail":"no such dataset"}"#),
            Deleted::AlreadyGone,
        ),
    ] {
        let far = Far::new([answer]);
        assert_eq!(far.sandbox.delete_dataset(DATASET).await.unwrap(), outcome);
        assert_eq!(far.lines(), [format!("DELETE /catalog/dataSets/{DATASET}")]);
    }
    let far = Far::new([say(200, "<html>")]);
    let error = far.sandbox.delete_dataset(DATASET).await.unwrap_err();
    assert_eq!(
        (error.class, error.outcome_unknown),
        (Class::Unexpected, true)
    );
}

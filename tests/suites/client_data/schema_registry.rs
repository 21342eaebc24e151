//! Tenant, field groups, schemas.

use aep_operator::platform::{
    Class, Deleted, EXPERIENCE_EVENT_CLASS, FieldType, Fields, NewFieldGroup, NewSchema, Options,
    PatchOperation,
};
use http::header::{ACCEPT, CONTENT_TYPE, IF_MATCH};
use serde_json::{Value, json};

use crate::far::{Far, answer, exchange, say};

const SCHEMA: &str =
    "https://ns.adobe.com/acmecorp/schemas/9b1c4d7e2f3a4b5c6d7e8f9001122334455667788990aabb";
const GROUP: &str =
    "https://ns.adobe.com/acmecorp/mixins/5f0c3b6f8d2a4e71b9c0d1e2f3a4b5c6d7e8f90112233445";
const TENANT: &str = "/schemaregistry/tenant";

fn schema() -> NewSchema {
    NewSchema::new(
        "Customer.io events (dev-crm)",
        "Customer.io reporting events",
        EXPERIENCE_EVENT_CLASS,
        &[GROUP],
    )
}

fn group() -> NewFieldGroup {
    let field = |name: &str, kind| (format!("_acmecorp.customerio.{name}"), kind);
    let fields: Fields = [
        field("objectType", FieldType::String),
        field("metric", FieldType::String),
        field("eventId", FieldType::String),
        field("personId", FieldType::String),
        field("email", FieldType::String),
        field("cioId", FieldType::String),
        field("occurredAt", FieldType::Integer),
    ]
    .into();
    NewFieldGroup::new(
        "Customer.io reporting event",
        "Fields of a Customer.io reporting webhook event",
        EXPERIENCE_EVENT_CLASS,
        &fields,
    )
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_tenant_is_read_and_must_be_a_name() {
    let far = Far::new([answer("schema.stats")]);
    assert_eq!(far.sandbox.tenant_id().await.unwrap(), "acmecorp");
    assert_eq!(far.lines(), ["GET /schemaregistry/stats"]);
    for body in [
        "{}",
        r#"{"tenantId":""}"#,
        r#"{"tenantId":"a.b"}"#,
        r#"{"tenantId":null}"#,
    ] {
        let error = Far::new([say(200, body)]).sandbox.tenant_id().await;
        assert_eq!(error.unwrap_err().class, Class::Unexpected, "{body}");
    }
}

/// Without the titles that the exchange gives to fields.
fn untitled(mut group: Value) -> Value {
    let place = "/definitions/customFields/properties/_acmecorp/properties/customerio/properties";
    let fields = group.pointer_mut(place).unwrap().as_object_mut().unwrap();
    for field in fields.values_mut() {
        field.as_object_mut().unwrap().remove("title");
    }
    group
}

#[tokio::test(start_paused = true)]
async fn a_field_group_and_a_schema_are_created_as_adobe_shows() {
    let far = Far::new([answer("schema.fieldgroup.create"), answer("schema.create")]);
    let made = far.sandbox.create_field_group(&group()).await.unwrap();
    assert_eq!((made.id.as_str(), made.major_version()), (GROUP, Some(1)));
    assert_eq!(made.classes, [EXPERIENCE_EVENT_CLASS]);
    assert_eq!(made.author().1, "c0ffee00c0ffee00c0ffee00c0ffee00");
    assert_eq!(
        made.fields()["_acmecorp.customerio.occurredAt"],
        Some(FieldType::Integer)
    );
    assert_eq!(made.fields().len(), 7);
    let made = far.sandbox.create_schema(&schema()).await.unwrap();
    assert_eq!((made.id.as_str(), made.major_version()), (SCHEMA, Some(1)));
    assert_eq!(made.description, "Customer.io reporting events");
    assert_eq!(
        made.parts().collect::<Vec<_>>(),
        [EXPERIENCE_EVENT_CLASS, GROUP]
    );
    assert_eq!(
        far.lines(),
        [
            format!("POST {TENANT}/fieldgroups"),
            format!("POST {TENANT}/schemas")
        ]
    );
    assert_eq!(
        far.body(0),
        untitled(exchange("schema.fieldgroup.create")["request"].clone())
    );
    assert_eq!(far.body(1), exchange("schema.create")["request"]);
    assert_eq!(far.header(1, CONTENT_TYPE), "application/json");
}

#[tokio::test(start_paused = true)]
async fn a_list_has_no_version_and_a_lookup_has_one() {
    let far = Far::new([
        answer("schema.list-by-title"),
        answer("schema.list-empty"),
        answer("schema.get"),
        answer("schema.get"),
    ]);
    let title = "Customer.io events (dev-crm)";
    let found = far.sandbox.list_schemas(Some(title)).await.unwrap();
    let seen: Vec<_> = found
        .iter()
        .map(|it| (it.id.as_str(), it.title.as_str()))
        .collect();
    assert_eq!(seen, [(SCHEMA, title)]);
    let none = far.sandbox.list_field_groups(None).await.unwrap();
    assert!(none.is_empty());
    let read = far.sandbox.get_schema(SCHEMA, 1).await.unwrap();
    assert_eq!(read.class, EXPERIENCE_EVENT_CLASS);
    assert_eq!(read.tenant_namespace, "_acmecorp");
    far.sandbox
        .get_field_group("_acmecorp.mixins.5f0c", 2)
        .await
        .unwrap();
    assert_eq!(
        far.lines(),
        [
            format!(
                "GET {TENANT}/schemas?property=title==Customer.io%20events%20%28dev-crm%29&orderby=title&limit=100"
            ),
            format!("GET {TENANT}/fieldgroups?orderby=title&limit=100"),
            format!(
                "GET {TENANT}/schemas/https%3A%2F%2Fns.adobe.com%2Facmecorp%2Fschemas%2F9b1c4d7e2f3a4b5c6d7e8f9001122334455667788990aabb"
            ),
            format!("GET {TENANT}/fieldgroups/_acmecorp.mixins.5f0c"),
        ]
    );
    assert_eq!(far.header(0, ACCEPT), "application/vnd.adobe.xed+json");
    assert_eq!(far.header(1, ACCEPT), "application/vnd.adobe.xed+json");
    assert_eq!(
        far.header(2, ACCEPT),
        "application/vnd.adobe.xed+json; version=1"
    );
    assert_eq!(
        far.header(3, ACCEPT),
        "application/vnd.adobe.xed+json; version=2"
    );
}

fn page(titles: &[&str], next: &Value) -> (u16, String) {
    let results: Vec<Value> = titles
        .iter()
        .map(|title| json!({"$id": format!("id-{title}"), "title": title, "version": "1.0"}))
        .collect();
    say(
        200,
        json!({"results": results, "_page": {"orderby": "title", "next": next, "count": titles.len()},
            "_links": {"next": null}}),
    )
}

/// Whether `start` names the last one seen or the first one to come is told differently: both ways bring all,
/// and none twice.
#[tokio::test(start_paused = true)]
async fn pages_are_followed_by_their_next_whether_it_includes_itself_or_not() {
    for second in [&["b & c", "d"][..], &["d"][..]] {
        let far = Far::new([
            page(&["a", "b & c"], &json!("b & c")),
            page(second, &Value::Null),
        ]);
        let found = far.sandbox.list_schemas(None).await.unwrap();
        let titles: Vec<&str> = found.iter().map(|it| it.title.as_str()).collect();
        assert_eq!(titles, ["a", "b & c", "d"]);
        assert!(far.lines()[1].ends_with("?orderby=title&limit=100&start=b%20%26%20c"));
    }
    let linked = json!({"results": [{"$id": "x"}], "_links":
        {"next": {"href": "/tenant/schemas?orderby=title&start=x&limit=7"}}});
    let last = json!({"results": [{"$id": "y"}], "_links": {"next": {"href": null}}});
    let far = Far::new([say(200, linked), say(200, last)]);
    assert_eq!(far.sandbox.list_schemas(None).await.unwrap().len(), 2);
    assert!(far.lines()[1].ends_with("?orderby=title&start=x&limit=7"));
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_list_is_an_error_and_never_a_short_list() {
    let cases = [
        vec![say(200, "{}")],
        vec![say(200, r#"{"results":[{"title":"no id"}]}"#)],
        vec![say(
            200,
            r#"{"results":[{"$id":"a","description":{"new":"shape"}}]}"#,
        )],
        vec![page(&["a"], &json!("a")), page(&["a"], &json!("a"))],
        vec![page(&["a"], &json!("a")), page(&["a"], &json!("b"))],
        vec![say(
            200,
            r#"{"results":[],"_links":{"next":{"href":"/tenant/schemas"}}}"#,
        )],
        (0..5)
            .map(|n| page(&[&format!("t{n}")], &json!(format!("t{n}"))))
            .collect(),
    ];
    for answers in cases {
        let options = Options {
            page_bound: 5,
            ..Options::default()
        };
        let far = Far::with(options, answers);
        let error = far.sandbox.list_schemas(None).await.unwrap_err();
        assert_eq!(error.class, Class::Unexpected, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_is_a_json_patch_without_a_condition() {
    let far = Far::new([answer("schema.patch"), answer("schema.fieldgroup.create")]);
    let patch = [
        PatchOperation::replace("/description", "Customer.io reporting events, managed"),
        PatchOperation::add_field_group(GROUP),
    ];
    let changed = far.sandbox.patch_schema(SCHEMA, &patch).await.unwrap();
    assert_eq!(changed.description, "Customer.io reporting events, managed");
    let one = [PatchOperation::replace("/title", "t")];
    far.sandbox.patch_field_group("g", &one).await.unwrap();
    assert_eq!(
        far.body(0),
        json!([
            {"op": "replace", "path": "/description", "value": "Customer.io reporting events, managed"},
            {"op": "add", "path": "/allOf/-", "value": {"$ref": GROUP}}
        ])
    );
    assert_eq!(far.header(0, CONTENT_TYPE), "application/json");
    assert_eq!(far.header(0, IF_MATCH), "");
    assert!(far.lines()[0].starts_with(&format!("PATCH {TENANT}/schemas/https%3A")));
    assert_eq!(far.lines()[1], format!("PATCH {TENANT}/fieldgroups/g"));
}

#[tokio::test(start_paused = true)]
async fn refusals_keep_the_registry_s_words_and_say_what_to_do() {
    let far = Far::new([
        answer("schema.create.title-taken"),
        answer("schema.fieldgroup.create.bad-namespace"),
        answer("schema.get.missing"),
        answer("schema.get.bad-accept"),
        say(
            422,
            r#"{"type":"http://ns.adobe.com/aep/errors/XDM-1406-422","detail":"no"}"#,
        ),
        say(503, ""),
    ]);
    let taken = far.sandbox.create_schema(&schema()).await.unwrap_err();
    assert!(taken.is_title_taken());
    assert_eq!(
        (taken.class, taken.outcome_unknown),
        (Class::Rejected, false)
    );
    assert!(taken.detail.contains(SCHEMA), "{taken}");
    assert_eq!(
        taken.request_id.as_deref(),
        Some("5e0c8d7a-9b1f-4a3c-8d2e-6f7a8b9c0d1e")
    );
    let stray = far.sandbox.create_field_group(&group()).await.unwrap_err();
    assert_eq!(stray.code.as_deref(), Some("XDM-1020-400"));
    assert!(!stray.is_title_taken());
    assert_eq!(stray.detail, "Custom fields must sit under _acmecorp");
    let missing = far.sandbox.get_schema("x", 1).await.unwrap_err();
    assert_eq!(missing.class, Class::NotFound);
    let shape = far.sandbox.get_field_group("x", 1).await.unwrap_err();
    assert_eq!(shape.class, Class::Rejected);
    let unfit = far.sandbox.patch_schema("x", &[]).await.unwrap_err();
    assert_eq!(unfit.class, Class::Rejected);
    let lost = far.sandbox.create_schema(&schema()).await.unwrap_err();
    assert!(lost.outcome_unknown);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_deleted_already() {
    let far = Far::new([
        answer("schema.delete"),
        answer("schema.get.missing"),
        say(
            400,
            r#"{"type":"http://ns.adobe.com/aep/errors/XDM-1500-400","detail":"in use"}"#,
        ),
    ]);
    let sandbox = &far.sandbox;
    assert_eq!(sandbox.delete_schema("s").await.unwrap(), Deleted::Gone);
    assert_eq!(
        sandbox.delete_field_group("g").await.unwrap(),
        Deleted::AlreadyGone
    );
    let used = sandbox.delete_field_group("g").await.unwrap_err();
    assert_eq!(
        (used.class, used.detail.as_str()),
        (Class::Rejected, "in use")
    );
    assert_eq!(
        far.lines()[..2],
        [
            format!("DELETE {TENANT}/schemas/s"),
            format!("DELETE {TENANT}/fieldgroups/g")
        ]
    );
}

//! The documented exchanges, played against the emulator: one consistent story (organization, sandbox
//! `dev-crm`, tenant `acmecorp`), hand-made from the public documentation. Status, error codes and the shape
//! of every body must be those of the story; ids, etags, times and texts may differ.
// Helpers of tests are tests too: what goes wrong in them is a failure.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod story;

use std::time::Duration;

use aep_emulator::{NumberShape, Options};
use serde_json::json;
use story::{FLOW, INLET, MAPPING, Story, options};

#[test]
fn identity() {
    let mut story = Story::new("ims");
    let form = "grant_type=client_credentials&client_id=c0ffee00c0ffee00c0ffee00c0ffee00&client_secret=example-client-secret&scope=openid%2Csession%2CAdobeID%2Cread_organizations%2Cadditional_info.projectedProductContext";
    for (name, form) in [
        ("ims.token", form.to_owned()),
        (
            "ims.token.invalid-client",
            form.replace("example-client", "wrong"),
        ),
    ] {
        let request = http::Request::post("/ims/token/v3")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())
            .unwrap();
        let reply = story.platform.send(&request);
        let exchange = story.exchanges[name].clone();
        story.compare(name, &exchange, &reply);
        story.played.remove(name);
    }
    story.finish();
}

#[test]
fn gateway() {
    let mut story = Story::new("gateway");
    story.play_with("gateway.no-token", None, &[("authorization", "")]);
    story.play_with(
        "gateway.bad-token",
        None,
        &[("authorization", "Bearer nonsense")],
    );
    story.play_with("gateway.no-api-key", None, &[("x-api-key", "")]);
    story.play_with("gateway.bad-api-key", None, &[("x-api-key", "unknown")]);
    story.play_with("gateway.no-org", None, &[("x-gw-ims-org-id", "")]);
    story.play_with(
        "gateway.no-profile",
        None,
        &[("x-gw-ims-org-id", "FFFFFFFFFFFFFFFFFFFFFFFF@AdobeOrg")],
    );
    story.play("gateway.no-content-type");
    story
        .platform
        .control("POST", "options", &json!({"rateLimit": 1.0}));
    let flows = "/data/foundation/flowservice/flows";
    story.platform.get(flows);
    story.play("gateway.throttled");
    story.finish();
}

#[test]
fn schema_registry() {
    let mut story = Story::new("schema_registry");
    story.play("schema.stats");
    story.schema();
    story.play("schema.get");
    story.play("schema.list-by-title");
    story.play("schema.list-empty");
    let again = story.exchanges["schema.create"]["request"].clone();
    story.play_with("schema.create.title-taken", Some(again), &[]);
    story.play("schema.get.missing");
    story.play("schema.get.bad-accept");
    let mut stray = story.exchanges["schema.fieldgroup.create"]["request"].clone();
    stray["title"] = json!("another title");
    let fields = stray["definitions"]["customFields"]["properties"]
        .as_object_mut()
        .unwrap();
    let inner = fields.remove("_acmecorp").unwrap();
    fields.insert("elsewhere".into(), inner);
    story.play_with("schema.fieldgroup.create.bad-namespace", Some(stray), &[]);
    story.play("schema.patch");
    story.play("schema.delete");
    story.finish();
}

#[test]
fn catalog() {
    let mut story = Story::new("catalog");
    story.dataset();
    for name in [
        "dataset.get",
        "dataset.list-by-name",
        "dataset.list-by-tag",
        "dataset.list-empty",
        "dataset.patch",
    ] {
        story.play(name);
    }
    story.play("dataset.delete");
    story.play("dataset.delete.nothing");
    story.finish();
}

#[test]
fn connections() {
    let mut story = Story::new("connections");
    story.play("connectionspec.get");
    story.play("flowspec.get");
    story.connections();
    for name in [
        "sourceconnection.get",
        "sourceconnection.list-by-name",
        "sourceconnection.list-empty",
    ] {
        story.play(name);
    }
    let mut based = story.exchanges["sourceconnection.create"]["request"].clone();
    based["baseConnectionId"] = json!("b0000000-0000-4000-8000-000000000000");
    story.play_with("sourceconnection.create.with-base", Some(based), &[]);
    story.play("targetconnection.get");
    story.play("targetconnection.list-by-dataset");
    story.play("sourceconnection.delete");
    story.play("targetconnection.delete");
    story.finish();
}

#[test]
fn data_prep() {
    let mut story = Story::new("data_prep");
    story.schema();
    story.mapping();
    for name in [
        "mappingset.get",
        "mappingset.list-by-name",
        "mappingset.list-empty",
        "mappingset.mappings",
    ] {
        story.play(name);
    }
    story.play("mappingset.create-legacy");
    let updated = story.play("mappingset.update");
    assert_eq!(updated.body["version"], 1);
    story.play("mappingset.validate");
    story.play("mappingset.validate.failed");
    let preview = story.play("mappingset.preview");
    assert_eq!(
        preview.body, story.exchanges["mappingset.preview"]["response"],
        "the values are documented too"
    );
    assert_eq!(story.play("expression.validate").body, true);
    story.play("mappingset.get.bad-request");
    story.finish();
}

#[test]
fn flows() {
    let mut story = Story::new("flows");
    story.flow();
    story.play("flow.get.initializing");
    story.wait(6);
    story.play("flow.get");
    story.play("flow.list-by-name");
    story.play("flow.list-empty");
    story.play_with(
        "flow.error.no-if-match",
        Some(json!([{"op": "replace", "path": "/name", "value": "x"}])),
        &[],
    );
    let stale = [("if-match", "\"4c010000-0000-0200-0000-000000000000\"")];
    story.play_with(
        "flow.error.stale",
        Some(json!([{"op": "replace", "path": "/name", "value": "x"}])),
        &stale,
    );
    let etag = story.etag();
    let wrong_version = json!([{"op": "replace", "path": "/transformations/0",
        "value": {"name": "Mapping", "params": {"mappingId": MAPPING, "mappingVersion": 7}}}]);
    story.play_with(
        "flow.error.bad-mapping-version",
        Some(wrong_version),
        &[("if-match", &etag)],
    );
    story.play("flow.error.bad-filter");
    story.play_with("flow.error.no-sandbox", None, &[("x-sandbox-name", "")]);
    story.play("flow.error.in-use");

    story.play("mappingset.update");
    story.play_with("flow.patch.mapping", None, &[("if-match", &etag)]);
    story.play("flow.get.after-update");
    let etag = story.etag();
    story.play_with("flow.patch.name", None, &[("if-match", &etag)]);
    story.play("flow.disable");
    story.play("flow.error.wrong-action");
    story.play("flow.get.disabled");
    story.play("flow.enable");

    let draft = story.play("flow.create-draft").id();
    story.learn("0e9d8c7b-6a5f-4e3d-9c2b-1a0f9e8d7c6b", &draft);
    let draft_path = format!("/data/foundation/flowservice/flows/{draft}");
    let mapping = json!([{"op": "add", "path": "/transformations", "value":
        [{"name": "Mapping", "params": {"mappingId": story.translate(MAPPING), "mappingVersion": 0}}]}]);
    assert_eq!(story.platform.patch(&draft_path, &mapping).status, 200);
    story.play("flow.publish");

    let forbidden = json!({"kind": "client", "id": "c0ffee00c0ffee00c0ffee00c0ffee00", "merge": {"forbidden": "write"}});
    story.platform.control("POST", "edit", &forbidden);
    story.play_with(
        "flow.error.forbidden",
        Some(json!([{"op": "remove", "path": "/description"}])),
        &[("if-match", "\"x\"")],
    );
    let allowed = json!({"kind": "client", "id": "c0ffee00c0ffee00c0ffee00c0ffee00", "merge": {"forbidden": false}});
    story.platform.control("POST", "edit", &allowed);
    story.platform.control(
        "POST",
        "faults",
        &json!([{"method": "PATCH", "path": "/flows/", "status": 503, "times": 1}]),
    );
    story.play("flow.error.unavailable");

    story.play("flow.delete");
    story.play("flow.get.missing");
    let rest = [
        "flow.list-duplicates",
        "flow.list.page1",
        "flow.list.page2",
        "flow.count",
        "flow.error.busy",
        "flow.error.schema-mismatch",
        "flow.get.mapping-as-string",
    ];
    assert_eq!(
        story.played,
        rest.iter().map(|name| (*name).to_owned()).collect(),
        "the rest is played below"
    );
}

#[test]
fn lists_of_flows() {
    let mut story = Story::new("flows");
    story.enabled();
    story.play("flow.create");
    story.wait(6);
    story.play("flow.list-duplicates");
    story.play("flow.count");
    let first = story.play("flow.list.page1");
    let next = first.body["_links"]["next"]["href"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = next.split('=').nth(1).unwrap();
    story.learn("eyJleGFtcGxlIjoxfQ%3D%3D", token);
    let second = story.play("flow.list.page2");
    assert_ne!(first.item()["id"], second.item()["id"]);
    let followed = story
        .platform
        .get(&format!("/data/foundation/flowservice{next}"));
    assert_eq!(followed.body, second.body, "the link alone is enough");
}

#[test]
fn flows_that_refuse() {
    let mut story = Story::with(
        "flows",
        Options {
            action_delay: Duration::from_secs(5),
            ..options()
        },
    );
    story.enabled();
    story.play("flow.disable");
    let etag = story.etag();
    story.play_with(
        "flow.error.busy",
        Some(json!([{"op": "replace", "path": "/name", "value": "x"}])),
        &[("if-match", &etag)],
    );
    story.wait(5);
    story.play("flow.get.disabled");
    let mut other = story.exchanges["schema.create"]["request"].clone();
    other["title"] = json!("another schema");
    let other = serde_json::from_str(&story.translate(&other.to_string())).unwrap();
    let reply = story
        .platform
        .post("/data/foundation/schemaregistry/tenant/schemas", &other);
    let mut mapping = story.exchanges["mappingset.create"]["request"].clone();
    mapping["outputSchema"]["schemaRef"]["id"] = reply.body["$id"].clone();
    let mapping = story
        .platform
        .post("/data/foundation/conversion/mappingSets", &mapping)
        .id();
    let mut flow = story.exchanges["flow.create"]["request"].clone();
    flow["transformations"][0]["params"]["mappingId"] = json!(mapping);
    story.play_with("flow.error.schema-mismatch", Some(flow), &[]);
}

#[test]
fn mapping_version_as_text() {
    let mut story = Story::with(
        "flows",
        Options {
            mapping_version: NumberShape::String,
            ..options()
        },
    );
    story.flow();
    story.wait(6);
    story.play("flow.get.mapping-as-string");
}

#[test]
fn inlet_and_runs() {
    let mut story = Story::new("inlet");
    story.enabled();
    story.play("runs.list.empty");
    story.play("inlet.event");
    let unstamped = json!({"object_type": "customer", "metric": "subscribed"});
    story.play_with("inlet.event.invalid", Some(unstamped.clone()), &[]);
    let mut batch = story.exchanges["inlet.batch"]["request"].clone();
    batch["messages"][1]["header"] = json!({"flowId": "missing"});
    batch["messages"][0]["header"] = json!({"flowId": FLOW});
    story.play_with("inlet.batch", Some(batch), &[]);
    // Whether an inlet is authenticated is set when it is made; this source's never is.
    story.platform.control(
        "POST",
        "faults",
        &json!([{"path": "^/collection/", "status": 401, "times": 1}]),
    );
    story.play("inlet.event.unauthorized");
    story.wait(60);
    story.play("runs.list.partial");
    story.finish();
}

#[test]
fn runs_by_outcome() {
    let mut story = Story::new("runs");
    story.enabled();
    story.play("runs.list.empty");
    story.play("inlet.event");
    story.wait(60);
    story.play("runs.list.success");

    let mut failing = Story::new("runs");
    failing.enabled();
    let path = failing.translate(&format!("/collection/{INLET}?x-adobe-flow-id={FLOW}"));
    failing
        .platform
        .post(&path, &json!({"metric": "subscribed"}));
    failing.wait(60);
    failing.play("runs.list.failed");
}

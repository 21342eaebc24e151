//! The Secret of `spec.outputs`: written, put right, moved, taken away; and never one of somebody else.

use serde_json::{Value, json};

use crate::world::{NAMESPACE, World, changed, condition, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";
const SECRET: &str = "secret/customer-io-inlet";

fn events(outputs: Value) -> Value {
    let manifest = dataflow("customer-io-events", "customer-io");
    changed(manifest, "/spec/outputs", outputs)
}

/// Ready, with the operator's own paces: only an event wakes it.
async fn ready(outputs: Value) -> World {
    let world = World::with(|options| {
        options.operator_args.clear();
        options.control_plane.controller_manager = true;
    })
    .await;
    world.apply(&source("customer-io")).await;
    world.apply(&events(outputs)).await;
    world
}

/// The texts of a Secret, as whoever mounts it reads them.
async fn content(world: &World, secret: &str) -> Vec<(String, String)> {
    let template =
        r"{{range $key, $value := .data}}{{$key}} {{$value | base64decode}}{{println}}{{end}}";
    let args = ["get", secret, "-o", &format!("go-template={template}")];
    let text = world.kubectl(&args).await;
    let pair = |line: &str| {
        line.split_once(' ')
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// What it should hold.
async fn wanted(world: &World) -> Vec<(String, String)> {
    let status = &world.get(DATAFLOW).await["status"];
    let (url, flow) = (
        status["inletUrl"].as_str().unwrap(),
        status["flow"]["id"].as_str().unwrap(),
    );
    let all = [
        ("flowId", flow.to_owned()),
        ("inletUrl", url.to_owned()),
        ("webhookUrl", format!("{url}?x-adobe-flow-id={flow}")),
    ];
    all.map(|(key, value)| (key.to_owned(), value)).into()
}

async fn wait_right(world: &World, secret: &str) {
    let wanted = wanted(world).await;
    world
        .wait_for(&format!("{secret} to hold the addresses"), async || {
            (world.exists(secret).await && content(world, secret).await == wanted).then_some(())
        })
        .await;
}

#[tokio::test]
async fn the_secret_is_written_put_right_moved_and_goes_with_its_resource() {
    let world = ready(json!({"secretName": "customer-io-inlet"})).await;
    world.wait_ready(DATAFLOW).await;
    wait_right(&world, SECRET).await;
    let owner = &world.get(SECRET).await["metadata"]["ownerReferences"][0];
    let uid = &world.get(DATAFLOW).await["metadata"]["uid"];
    assert_eq!((&owner["uid"], &owner["controller"]), (uid, &json!(true)));
    let stands = world.get(DATAFLOW).await;
    assert_eq!(stands["status"]["outputsSecret"], "customer-io-inlet");

    // Edited, or deleted, it is as it was in a moment.
    world.forget_calls().await;
    for edit in [
        json!({"data": {"inletUrl": "eA=="}}),
        json!({"data": {"flowId": null, "more": "eA=="}}),
    ] {
        world
            .kubectl(&["patch", SECRET, "--type=merge", "-p", &edit.to_string()])
            .await;
        wait_right(&world, SECRET).await;
    }
    world.kubectl(&["delete", SECRET]).await;
    wait_right(&world, SECRET).await;
    assert_eq!(
        world.operations().await,
        Vec::<String>::new(),
        "AEP has no part in it"
    );
    let after = world.get(DATAFLOW).await;
    assert_eq!(
        after["metadata"]["resourceVersion"],
        stands["metadata"]["resourceVersion"]
    );

    // Under another name, then under none.
    world
        .apply(&events(json!({"secretName": "elsewhere"})))
        .await;
    world.wait_gone(SECRET).await;
    wait_right(&world, "secret/elsewhere").await;
    world.apply(&events(Value::Null)).await;
    world.wait_gone("secret/elsewhere").await;
    world.wait_ready(DATAFLOW).await;
    assert_eq!(
        world.get(DATAFLOW).await["status"]["outputsSecret"],
        Value::Null
    );

    world
        .apply(&events(json!({"secretName": "customer-io-inlet"})))
        .await;
    wait_right(&world, SECRET).await;
    let url = wanted(&world).await[1].1.clone();
    world.kubectl(&["delete", DATAFLOW]).await;
    world.wait_gone(SECRET).await;
    let log = std::fs::read_to_string(world.stack.operator().log_path()).unwrap();
    let events = world.events("customer-io-events").await.join("\n");
    assert!(events.contains("OutputsWritten"), "{events}");
    assert!(
        !events.contains(&url) && !log.contains(&url),
        "the inlet URL is a capability"
    );
    world.end().await;
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_alone_and_that_is_said() {
    let world = ready(Value::Null).await;
    world.wait_ready(DATAFLOW).await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "customer-io-inlet", "namespace": NAMESPACE},
        "stringData": {"inletUrl": "theirs"},
    });
    world.apply(&theirs).await;
    let before = world.get(SECRET).await;
    world.forget_calls().await;
    world
        .apply(&events(json!({"secretName": "customer-io-inlet"})))
        .await;
    let stands = world.wait_reason(DATAFLOW, "OutputsNotWritten").await;
    assert_eq!(condition(&stands, "Stalled")["status"], "True");
    let message = condition(&stands, "Ready")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("\"customer-io-inlet\""), "{message}");
    assert_eq!(world.get(SECRET).await, before);
    assert_eq!(
        world.operations().await,
        Vec::<String>::new(),
        "the flow is not touched"
    );

    // Neither is it when the spec lets go of it.
    world.apply(&events(Value::Null)).await;
    world.wait_ready(DATAFLOW).await;
    assert_eq!(world.get(SECRET).await, before);
    world
        .apply(&events(json!({"secretName": "customer-io-inlet"})))
        .await;
    world.wait_reason(DATAFLOW, "OutputsNotWritten").await;

    // Out of the way, it is not waited for.
    world.kubectl(&["delete", SECRET]).await;
    world.wait_ready(DATAFLOW).await;
    wait_right(&world, SECRET).await;
    world.end().await;
}

/// Unknown: whether a flow keeps its URL when it is enabled again and when its mapping changes.
#[tokio::test]
async fn a_flow_that_gets_another_url_is_followed_into_status_and_secret() {
    let world = ready(json!({"secretName": "customer-io-inlet"})).await;
    world.wait_ready(DATAFLOW).await;
    let url = async || world.get(DATAFLOW).await["status"]["inletUrl"].clone();
    let rows = |source: &str| json!([{"source": source, "destination": "_extconndev.event_id0"}]);
    let manifest = events(json!({"secretName": "customer-io-inlet"}));
    let mapped = |source: &str| changed(manifest.clone(), "/spec/mapping", rows(source));
    let stopped = changed(mapped("event_id"), "/spec/state", json!("Disabled"));
    let change = async |manifest: Value| {
        let before = url().await;
        world.apply(&manifest).await;
        world
            .wait_for("the change", async || {
                let stands = world.get(DATAFLOW).await;
                let (seen, last) = (
                    &stands["status"]["observedGeneration"],
                    &stands["metadata"]["generation"],
                );
                let ready = condition(&stands, "Ready")["status"] == "True";
                (seen == last && ready).then_some(())
            })
            .await;
        let flow = world.objects("flow").await.remove(0);
        assert_eq!(url().await, flow["options"]["inletUrl"]);
        wait_right(&world, SECRET).await;
        before != url().await
    };
    for stable in [true, false] {
        let options = json!({"inletStable": stable});
        let emulator = world.stack.emulator();
        emulator.post("/_emulator/options", &options).await.unwrap();
        assert_eq!(change(mapped("event_id")).await, !stable);
        assert!(!change(stopped.clone()).await);
        assert_eq!(change(mapped("event_id")).await, !stable);
        assert_eq!(change(mapped("metric")).await, !stable);
    }
    world.end().await;
}

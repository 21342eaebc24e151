//! A platform that allows few calls a second: everything is done, hardly a call refused, edits first.

use serde_json::{Value, json};

use crate::world::{Call, World, dataflow, source};

const MASS: usize = 50;

fn named(manifest: &Value, name: &str) -> Value {
    let mut manifest = manifest.clone();
    manifest["metadata"]["name"] = json!(name);
    manifest["spec"]["name"] = json!(name);
    manifest
}

#[tokio::test]
async fn a_mass_is_made_within_the_limit_and_an_edit_does_not_wait_for_it() {
    let world = World::with(|options| options.emulator.rate_limit = Some(10.0)).await;
    let (first_source, first_flow) = (source("customer-io"), dataflow("events", "customer-io"));
    world.apply(&first_source).await;
    world.apply(&first_flow).await;
    world.wait_ready("aepdataflow/events").await;
    world.forget_calls().await;
    let mut items = Vec::new();
    for n in 0..MASS {
        let (on, name) = (format!("source-{n}"), format!("flow-{n}"));
        items.push(named(&first_source, &on));
        items.push(named(&dataflow(&name, &on), &name));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let made = |calls: &[Call]| {
        calls
            .iter()
            .filter(|call| call.operation == "flows.create" && call.status < 300)
            .count()
    };
    let mut edited = first_flow.clone();
    edited["spec"]["description"] = json!("changed in the middle of a mass");
    let edit = async {
        world
            .wait_for("the mass to be under way", async || {
                (made(&world.calls().await) >= 3).then_some(())
            })
            .await;
        world.apply(&edited).await;
        made(&world.calls().await)
    };
    let ((), before) = tokio::join!(world.apply(&list), edit);
    for n in 0..MASS {
        world.wait_ready(&format!("aepdataflow/flow-{n}")).await;
    }
    world.wait_ready("aepdataflow/events").await;
    let calls = world.calls().await;
    let refused = calls.iter().filter(|call| call.status == 429).count();
    assert!(
        refused * 10 < calls.len(),
        "{refused} of {} calls refused",
        calls.len()
    );
    let edit = |call: &Call| call.operation == "flows.patch" && call.status < 300;
    let at = calls.iter().position(edit).expect("the edit is made");
    let meanwhile = made(&calls[..at]).saturating_sub(before);
    assert!(
        before < MASS / 2 && meanwhile < 8,
        "{before} flows were made before the edit was applied, {meanwhile} more before it was done"
    );
    world.end().await;
}

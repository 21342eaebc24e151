//! AEP may answer a deletion at once and carry it out later: the operator waits, says so, and goes on by
//! itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aep_emulator::MappingSetDelete;
use serde_json::Value;

use crate::deletion::both_ready;
use crate::world::{World, condition};

const DELAY: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_deletion_that_takes_its_time_is_waited_for_in_plain_words() {
    let world = World::with(|options| {
        options.emulator.delete_delay = DELAY;
        // As a connection, the mapping set is in use until the flow is gone.
        options.emulator.mapping_set_delete = MappingSetDelete::RefusedInUse;
    })
    .await;
    both_ready(&world).await;
    world.forget_calls().await;
    world
        .kubectl(&[
            "delete",
            "aepdataflow/customer-io-events",
            "customeriosource/customer-io",
            "--wait=false",
        ])
        .await;
    let words = words_until_gone(&world).await;
    let said: BTreeSet<&str> = words.iter().map(|(reason, _)| reason.as_str()).collect();
    assert!(said.contains("Deleting"), "{words:?}");
    // The one that stood before the deletion was noticed is all there is beside it.
    assert!(
        said.iter()
            .all(|reason| ["Succeeded", "Deleting"].contains(reason)),
        "{words:?}"
    );
    assert!(
        words
            .iter()
            .any(|(reason, message)| reason == "Deleting" && message.contains("AEP")),
        "{words:?}"
    );
    assert_eq!(world.ours().await, [] as [String; 0]);

    let calls = world.calls().await;
    let done: Vec<_> = calls
        .iter()
        .filter(|call| call.operation.ends_with("delete") && call.status == 204)
        .collect();
    let order: Vec<&str> = done.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(
        order,
        [
            "flows.delete",
            "targetConnections.delete",
            "mappingSets.delete",
            "sourceConnections.delete",
        ]
    );
    let waited = Duration::from_millis(done[1].at - done[0].at);
    assert!(
        (DELAY..2 * DELAY).contains(&waited),
        "the flow goes after {DELAY:?}, and what it names after {waited:?}"
    );
    let refused = calls.iter().filter(|call| call.status == 400).count();
    assert!(refused <= 6, "{refused} vain tries");
    world.end().await;
}

/// Every reason and message of `Ready` until both resources are gone.
async fn words_until_gone(world: &World) -> BTreeSet<(String, String)> {
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut words = BTreeSet::new();
    loop {
        let all = world.kubectl(&["get", "aep", "-o", "json"]).await;
        let all: Value = serde_json::from_str(&all).unwrap();
        let items = all["items"].as_array().unwrap();
        if items.is_empty() {
            return words;
        }
        assert!(Instant::now() < deadline, "still there: {all}");
        for resource in items {
            let ready = condition(resource, "Ready");
            let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
            words.insert((text("reason"), text("message")));
            assert_eq!(condition(resource, "Stalled"), Value::Null, "{resource}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

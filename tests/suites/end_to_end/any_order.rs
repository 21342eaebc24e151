//! The complete sample, applied in the least convenient order.

use playground::{demo, repository};

use crate::world::World;

/// What was applied so far keeps waiting, and says for what.
const WAITS: [(&str, Option<(&str, &str)>); 5] = [
    (
        "6-dataflow.yaml",
        Some(("aepdataflow/customer-io-events", "WaitingForSource")),
    ),
    (
        "5-source.yaml",
        Some(("customeriosource/customer-io", "SecretMissing")),
    ),
    (
        "4-dataset.yaml",
        Some(("aepdataset/customer-io-events", "SecretMissing")),
    ),
    ("3-customerio-app-api.yaml", None),
    ("2-adobe-credentials.yaml", None),
];

#[tokio::test]
async fn the_complete_sample_lands_events_when_it_is_applied_backwards() {
    let world = World::with(|options| {
        options.emulator.empty = true;
        // The demo's manifests include the namespace, and somebody has to empty it.
        options.control_plane.controller_manager = true;
        options.operator_args.clear();
        options.operator_args.push(demo::PAUSE.into());
    })
    .await;
    world
        .kubectl(&["delete", "secret", "adobe-credentials"])
        .await;
    for (file, waits) in WAITS {
        let path = repository::complete().join(file);
        world
            .kubectl(&["apply", "-f", path.to_str().unwrap()])
            .await;
        if let Some((resource, reason)) = waits {
            world.wait_reason(resource, reason).await;
        }
    }
    demo::land(&world.stack)
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    world.end().await;
}

//! The in-memory API server is held against a real one: the same scripts are sent to both, and what they answer has
//! to be the same, but for uids, times, versions (their order counts, not their values) and the wording of messages.
//!
//! The binaries of the control plane are found or built as for the playground.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::nonminimal_bool,
    reason = "a helper that fails fails its test, and the scripts are one table"
)]

mod play;
mod scripts;

use std::sync::{Arc, Mutex};

use http::Request;
use kube::Client;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use playground::control_plane::{ControlPlane, Options};
use simulation::api::ApiServer;
use simulation::wire;

use play::play;
use scripts::scripts;

fn memory() -> Client {
    let server = Arc::new(Mutex::new(ApiServer::new()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = Arc::clone(&server);
        async move {
            let request = wire::whole(request).await?;
            let answer = server.lock().unwrap().handle(1_800_000_000_000, &request);
            Ok::<_, tower::BoxError>(wire::reply(answer))
        }
    });
    Client::new(service, "default")
}

async fn real() -> (ControlPlane, Client) {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
    let folder = folder.to_str().unwrap();
    for args in [
        ["apply", "--server-side", "--filename", folder],
        [
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            &format!("--filename={folder}"),
        ],
    ] {
        plane.kubectl(&args, None).await.unwrap().success().unwrap();
    }
    let file = Kubeconfig::read_from(plane.kubeconfig_path()).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options);
    let mut config = config.await.unwrap();
    config.default_retry = false;
    (plane, Client::try_from(config).unwrap())
}

#[tokio::test]
async fn both_answer_the_same() {
    let memory = memory();
    let (_plane, real) = real().await;
    let mut differences = Vec::new();
    for (place, (title, script)) in scripts().into_iter().enumerate() {
        let namespace = format!("honest-{place}");
        let ours = play(&memory, &namespace, &script).await;
        let theirs = play(&real, &namespace, &script).await;
        for (place, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            if ours != theirs {
                let call = &script[place];
                differences.push(format!(
                    "{title}, call {place}: {} {}\n  real:   {} {}\n  memory: {} {}",
                    call.method, call.path, theirs.0, theirs.1, ours.0, ours.1
                ));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}

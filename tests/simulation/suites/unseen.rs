//! What went while nobody watched: a list made anew shows only what is there, and whoever needs what is not has to be told.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use simulation::run::quiet;
use simulation::scenario::{Act, Scenario};

const SECRET: &str = "/api/v1/namespaces/marketing/secrets/adobe";
const SOURCE: &str = "/apis/aep-operator.dev/v1alpha1/namespaces/marketing/customeriosources/s0";
const DATAFLOW: &str = "/apis/aep-operator.dev/v1alpha1/namespaces/marketing/aepdataflows/d0";

/// How long the operator is cut off, in milliseconds.
const CUT: u64 = 90_000;

/// A source and its dataflow are ready; `path` goes while the operator is cut off, and the API server forgets that it
/// was there. The reason of the resource `told` when the operator has been back for half a minute.
async fn goes_unseen(path: &str, told: &str) -> Value {
    let (world, mut user) = quiet(&Scenario::plain(1));
    let get = |path: &str| world.kubectl(Method::GET, path, None).1;
    let reason = |path: &str| {
        let conditions = get(path)["status"]["conditions"].clone();
        let ready = conditions.as_array().into_iter().flatten();
        let mut ready = ready.filter(|it| it["type"] == "Ready");
        ready.next().map_or(Value::Null, |it| it["reason"].clone())
    };
    for act in [
        Act::GiveSecret,
        Act::CreateSource(0),
        Act::CreateDataflow(0),
    ] {
        assert!(user.act(act));
    }
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(reason(DATAFLOW), "Succeeded");

    world.cut_off(1, CUT);
    user.act(Act::EndWatches);
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.kubectl(Method::DELETE, path, None);
    let let_go = json!({"metadata": {"finalizers": []}});
    world.kubectl(Method::PATCH, path, Some(&let_go));
    assert_eq!(get(path)["kind"], "Status", "it is gone");
    user.act(Act::Compact);
    tokio::time::sleep(Duration::from_millis(CUT)).await;
    assert_eq!(reason(told), "Succeeded", "nobody has told it yet");
    tokio::time::sleep(Duration::from_secs(30)).await;
    reason(told)
}

#[tokio::test(start_paused = true)]
async fn a_dataflow_is_told_that_its_source_went_unseen() {
    assert_eq!(goes_unseen(SOURCE, DATAFLOW).await, "WaitingForSource");
}

#[tokio::test(start_paused = true)]
async fn a_source_is_told_that_its_secret_went_unseen() {
    assert_eq!(goes_unseen(SECRET, SOURCE).await, "SecretMissing");
}

//! What somebody who runs the operator sees of it: metrics, health, logs at the level they ask for.

use serde_json::Value;

use crate::world::{World, dataflow, source};

const DATAFLOW: &str = "aepdataflow/customer-io-events";

async fn ask(
    world: &World,
    request: impl FnOnce(&reqwest::Client, &str) -> reqwest::RequestBuilder,
) -> String {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let base = world.stack.metrics_url().replace("/metrics", "");
    let answer = request(&client.build().unwrap(), &base)
        .send()
        .await
        .unwrap();
    answer.error_for_status().unwrap().text().await.unwrap()
}

#[tokio::test]
async fn metrics_count_what_was_done_and_a_log_at_its_loudest_names_calls_and_no_secret() {
    let world = World::with(|options| {
        options.operator_args.push("--log-format=json".into());
    })
    .await;
    let loud = ask(&world, |client, base| {
        client.put(format!("{base}/log-filter")).body("trace")
    });
    assert_eq!(loud.await, "trace\n");
    world.apply(&source("customer-io")).await;
    world
        .apply(&dataflow("customer-io-events", "customer-io"))
        .await;
    world.wait_ready(DATAFLOW).await;
    let ready = world.get(DATAFLOW).await;
    assert_eq!(
        ask(&world, |client, base| client.get(format!("{base}/livez"))).await,
        "ok\n"
    );

    let metrics = world.stack.metrics().await.unwrap();
    let value = |sample: &str| -> f64 {
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {sample} in\n{metrics}"))
            .parse()
            .unwrap()
    };
    let queue = "controller=\"aepdataflow\",name=\"aepdataflow\"";
    for kind in ["AepDataflow", "CustomerIoSource"] {
        let labels =
            format!("kind=\"{kind}\",condition=\"Ready\",status=\"True\",reason=\"Succeeded\"");
        assert!((value(&format!("aep_resources{{{labels}}}")) - 1.0).abs() < 0.1);
        assert!(
            (value(&format!(
                "aep_time_to_ready_seconds_count{{kind=\"{kind}\"}}"
            )) - 1.0)
                .abs()
                < 0.1
        );
        assert!(value(&format!("aep_status_writes_total{{kind=\"{kind}\"}}")) >= 2.0);
    }
    assert!(value(&format!("workqueue_adds_total{{{queue}}}")) >= 1.0);
    assert!(
        value(&format!(
            "workqueue_queue_duration_seconds_count{{{queue}}}"
        )) >= 1.0
    );
    assert!(
        value("controller_runtime_reconcile_time_seconds_count{controller=\"aepdataflow\"}") >= 1.0
    );
    assert!(
        value("aep_requests_total{platform=\"aep\",operation=\"create_flow\",class=\"success\"}")
            >= 1.0
    );
    assert!(value("aep_token_expiry_timestamp_seconds") > 1.7e9);

    let log = std::fs::read_to_string(world.stack.operator().log_path()).unwrap();
    let call = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| {
            line["message"] == "platform call" && line["span"]["operation"] == "create_flow"
        })
        .expect("the call that made the flow is logged");
    let spans = call["spans"].to_string();
    for part in ["AepDataflow", "customer-io-events", "\"step\""] {
        assert!(spans.contains(part), "{call}");
    }
    assert_eq!(call["span"]["status"], 201, "{call}");
    let inlet = ready["status"]["inletUrl"].as_str().unwrap();
    for secret in ["demo-secret", "Bearer ", "access_token", inlet] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    world.end().await;
}

//! The whole story with secrets that are like no other word, on a platform that repeats them in its errors; then a search
//! of everything the system wrote.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::canaries::Canary;
use crate::collector::Collector;
use crate::dataset_deletion::into_it;
use crate::subscription::{DATAFLOW, SOURCE, app_api_key, connected, hook, sending};
use crate::world::{World, changed, condition, dataset, secret};

const DATASET: &str = "aepdataset/events";
const CLIENT: &str = "demo-client";

/// Everything secret in the story.
struct Secrets {
    client: Canary,
    client_after: Canary,
    client_wrong: Canary,
    token: Canary,
    key: Canary,
    key_wrong: Canary,
}

impl Secrets {
    fn new() -> Self {
        Self {
            client: Canary::new("the client secret", "Canary5ecretWq7"),
            client_after: Canary::new("the client secret after", "CanaryR0tatedHk3"),
            client_wrong: Canary::new("the wrong client secret", "CanaryWr0ngJx8"),
            token: Canary::new("an access token", "CanaryT0kenBz4"),
            key: Canary::new("the App API key", "CanaryAppKeyNv6"),
            key_wrong: Canary::new("the wrong App API key", "CanaryWr0ngKeyPd2"),
        }
    }

    fn all(&self) -> [&Canary; 6] {
        [
            &self.client,
            &self.client_after,
            &self.client_wrong,
            &self.token,
            &self.key,
            &self.key_wrong,
        ]
    }
}

/// Something that the system wrote.
struct Place {
    name: String,
    text: Vec<u8>,
    /// The address of the inlet is told here: users need it.
    tells_inlet: bool,
}

impl Place {
    fn holds(&self, word: &str) -> bool {
        let word = word.as_bytes();
        self.text.windows(word.len()).any(|it| it == word)
    }
}

fn place(name: &str, text: impl Into<Vec<u8>>) -> Place {
    Place {
        name: name.to_owned(),
        text: text.into(),
        tells_inlet: false,
    }
}

/// Fails with every secret in every place that has one.
fn search(places: &[Place], secrets: &[&Canary], inlet: &Canary) {
    let mut found = Vec::new();
    for place in places {
        let inlet = (!place.tells_inlet).then_some(inlet);
        for canary in secrets.iter().copied().chain(inlet) {
            if let Some(around) = canary.find(&place.text) {
                found.push(format!("{} is in {}: {around}", canary.name, place.name));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

/// Every object of the API server, and what the operator serves; of the Secrets, all but those of the user.
async fn look(world: &World, when: &str) -> Vec<Place> {
    let kubectl = async |args: &[&str]| world.kubectl(args).await;
    let kinds = kubectl(&["api-resources", "--verbs=list", "--output=name"]).await;
    let told = |kind: &&str| kind.ends_with("aep-operator.dev");
    let plain: Vec<&str> = kinds.lines().filter(|it| *it != "secrets").collect();
    let (ours, others): (Vec<&str>, Vec<&str>) = plain.into_iter().partition(told);
    let get = async |what: &str| {
        let all = ["get", what, "-A", "-o", "json", "--show-managed-fields"];
        kubectl(&all).await
    };
    let outputs: Value = serde_json::from_str(&get("secrets").await).unwrap();
    let mut outputs = outputs["items"].as_array().unwrap().clone();
    outputs.retain(|it| !["adobe-credentials", "customerio-app-api"].contains(&name(it)));
    let mut places = vec![
        place("every other object", get(&others.join(",")).await),
        Place {
            tells_inlet: true,
            ..place("the custom resources", get(&ours.join(",")).await)
        },
        Place {
            tells_inlet: true,
            ..place("other Secrets", json!(outputs).to_string())
        },
    ];
    assert!(others.contains(&"events") && others.contains(&"leases.coordination.k8s.io"));
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let client = client.build().unwrap();
    for path in ["/metrics", "/livez", "/readyz", "/log-filter"] {
        let url = world.stack.metrics_url().replace("/metrics", path);
        let answer = client.get(url).send().await.unwrap();
        places.push(place(path, answer.text().await.unwrap()));
    }
    for place in &mut places {
        place.name = format!("{} ({when})", place.name);
    }
    places
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The manifests with something to write for the round: of the dataflow, its flow and its webhook.
fn flow(round: usize) -> Value {
    let manifest = changed(
        into_it(),
        "/spec/description",
        json!(format!("Round {round}")),
    );
    let outputs = json!({"secretName": "customer-io-inlet"});
    let manifest = changed(manifest, "/spec/outputs", outputs);
    let webhook = json!({"events": ["email_*"], "name": format!("round {round}")});
    changed(
        manifest,
        "/spec/subscription",
        json!({"customerIo": webhook}),
    )
}

fn origin(round: usize) -> Value {
    let manifest = connected("customer-io");
    changed(
        manifest,
        "/spec/description",
        json!(format!("Round {round}")),
    )
}

fn grown(round: usize) -> Value {
    let mut manifest = dataset("events");
    let fields = manifest["spec"]["schema"]["fields"].as_array_mut().unwrap();
    fields.extend(
        (0..round).map(|it| json!({"path": format!("_{{tenant}}.round{it}"), "type": "string"})),
    );
    manifest
}

/// Waits until the resource is not Ready, and says so of this generation.
async fn wait_not_ready(world: &World, resource: &str) {
    let what = format!("{resource} to say what is wrong");
    world
        .wait_for(&what, async || {
            let stands = world.get(resource).await;
            let ready = condition(&stands, "Ready");
            let of = &ready["observedGeneration"];
            (ready["status"] != "True" && *of == stands["metadata"]["generation"]).then_some(())
        })
        .await;
}

async fn all_ready(world: &World) {
    for resource in [SOURCE, DATASET, DATAFLOW] {
        world.wait_ready(resource).await;
    }
}

/// Every write is refused in the words of a platform that repeats the call.
async fn refuse(world: &World, rule: &Value, round: usize) {
    for (part, resource, manifest) in [
        ("/data/", DATAFLOW, flow(round)),
        ("/data/", SOURCE, origin(round)),
        ("/data/", DATASET, grown(round)),
    ] {
        let mut rule = rule.clone();
        (rule["path"], rule["quote"]) = (json!(part), json!(true));
        world.faults(json!([rule])).await;
        world.apply(&manifest).await;
        wait_not_ready(world, resource).await;
        world.faults(json!([])).await;
        world.wait_ready(resource).await;
    }
}

/// A world of these secrets, told of as loudly as it can be.
async fn start(secrets: &Secrets, collector: &Collector, audit: &Path) -> World {
    World::with(|options| {
        let seed = &mut options.emulator.seed;
        seed.client_secret.clone_from(&secrets.client.text);
        seed.token.clone_from(&secrets.token.text);
        seed.app_api_key.clone_from(&secrets.key.text);
        options.emulator.empty = true;
        options.control_plane.audit_log = Some(audit.to_owned());
        let more = ["--log=trace", "--drift-interval=2s", "--runs-interval=2s"];
        let paces = ["--subscription-pause=1s", "--schema-settle=1s"];
        options.operator_args.extend(more.map(Into::into));
        options.operator_args.extend(paces.map(Into::into));
        let backtrace = ("RUST_BACKTRACE".into(), "full".into());
        options.operator_env.push(backtrace);
        collector.asked_for(options);
    })
    .await
}

/// All there is, made and at work; the address of its inlet.
async fn put_to_work(world: &World, secrets: &Secrets) -> Canary {
    world.apply(&secret(CLIENT, &secrets.client.text)).await;
    world.apply(&app_api_key(&secrets.key.text)).await;
    world.apply(&grown(0)).await;
    world.apply(&origin(0)).await;
    world.apply(&flow(0)).await;
    all_ready(world).await;
    sending(world).await;
    let stands = world.get(DATAFLOW).await;
    let url = stands["status"]["inletUrl"].as_str().unwrap();
    let inlet = url.rsplit('/').next().unwrap();
    let inlet = Canary::known("the address of the inlet", url, inlet);
    let event: Value =
        serde_json::from_str(include_str!("../../events/email_clicked.json")).unwrap();
    let emulator = world.stack.emulator();
    let posted = emulator.post("/_emulator/events", &event).await.unwrap();
    assert_eq!(posted[0]["status"], 200, "{posted}");
    // What is searched for is where the search must find it.
    let known = world.kubectl(&["get", "secrets", "-o", "json"]).await;
    for canary in [&secrets.client, &secrets.key, &inlet] {
        assert!(canary.find(known.as_bytes()).is_some(), "{}", canary.name);
    }
    assert!(
        inlet
            .find(hook(world).await.to_string().as_bytes())
            .is_some()
    );
    inlet
}

/// Errors that repeat the call.
async fn let_it_fail(world: &World) {
    for (round, rule) in [
        json!({"status": 400}),
        json!({"status": 403}),
        json!({"status": 500}),
        json!({"html": true}),
        json!({"status": 200}),
    ]
    .iter()
    .enumerate()
    {
        refuse(world, rule, round + 1).await;
    }
}

/// Credentials that are refused, in words that repeat them, and new ones.
async fn rotate(world: &World, secrets: &Secrets) -> Vec<Place> {
    let mut places = Vec::new();
    let quoting = |path: &str| json!([{"path": path, "status": 401, "quote": true}]);
    world.faults(quoting("/ims/")).await;
    world
        .apply(&secret(CLIENT, &secrets.client_wrong.text))
        .await;
    for resource in [SOURCE, DATASET, DATAFLOW] {
        world.wait_reason(resource, "CredentialsRejected").await;
    }
    places.extend(look(world, "while credentials are refused").await);
    world.faults(json!([])).await;
    let valid = json!({"secrets": [secrets.client_after.text]});
    world
        .edit(json!({"kind": "client", "id": CLIENT, "merge": valid}))
        .await;
    world
        .apply(&secret(CLIENT, &secrets.client_after.text))
        .await;
    all_ready(world).await;
    world.faults(quoting("^/v1/")).await;
    world.apply(&app_api_key(&secrets.key_wrong.text)).await;
    world.wait_reason(DATAFLOW, "CredentialsRejected").await;
    places.extend(look(world, "while the key is refused").await);
    world.faults(json!([])).await;
    world.apply(&app_api_key(&secrets.key.text)).await;
    all_ready(world).await;
    places
}

/// The end, of which the platform will hear nothing at first.
async fn delete(world: &World) {
    world
        .faults(
            json!([{"method": "DELETE|POST|PUT|PATCH", "status": 500, "quote": true, "times": 6}]),
        )
        .await;
    world
        .kubectl(&["delete", DATAFLOW, SOURCE, DATASET, "--timeout=60s"])
        .await;
}

/// What was written over all the time, once the operator has ended.
async fn written(world: &World, audit: &Path, collector: &Collector) -> [Place; 3] {
    let operator = world.stack.operator();
    operator.stop(Duration::from_secs(30)).await.unwrap();
    let log = std::fs::read(operator.log_path()).unwrap();
    let log = place("the operator's output", log);
    let audit = Place {
        tells_inlet: true,
        ..place("writes to the API server", std::fs::read(audit).unwrap())
    };
    let traces = collector.kept().into_iter().map(|(_, body)| body);
    let traces = place("traces", traces.collect::<Vec<_>>().concat());
    // There is something to search, and the platform did repeat what it was sent.
    for (place, words) in [
        (
            &log,
            &["TRACE hyper", "DEBUG", "platform call", "[redacted]"][..],
        ),
        (
            &audit,
            &["CredentialsRejected", "[redacted]", "lastTransitionTime"],
        ),
    ] {
        for word in words {
            assert!(place.holds(word), "no {word} in {}", place.name);
        }
    }
    // Without the feature nothing is sent to anybody.
    assert_eq!(traces.holds("create_flow"), cfg!(feature = "otel"));
    assert_eq!(traces.text.is_empty(), !cfg!(feature = "otel"));
    [log, audit, traces]
}

#[tokio::test]
async fn no_secret_is_in_anything_the_system_wrote() {
    let secrets = Secrets::new();
    let collector = Collector::start().await;
    let audit = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_secret_audit.log");
    // Of a run before.
    let _ = std::fs::remove_file(&audit);
    let world = start(&secrets, &collector, &audit).await;
    let inlet = put_to_work(&world, &secrets).await;
    let mut places = look(&world, "at work").await;
    let_it_fail(&world).await;
    places.extend(look(&world, "after errors").await);
    places.extend(rotate(&world, &secrets).await);
    delete(&world).await;
    places.extend(look(&world, "after the end").await);
    places.extend(written(&world, &audit, &collector).await);
    search(&places, &secrets.all(), &inlet);
}

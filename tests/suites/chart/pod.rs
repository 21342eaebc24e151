//! What the operator's Pod is under each value.

use serde_json::{Value, json};

use crate::suite::{Suite, only, strings, values};

fn deployment(more: &[&str]) -> Value {
    only(&Suite::get().render(more), "Deployment")["spec"].clone()
}

fn pod(more: &[&str]) -> Value {
    deployment(more)["template"]["spec"].clone()
}

fn container(more: &[&str]) -> Value {
    pod(more)["containers"][0].clone()
}

/// The value of a variable.
fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let env = container["env"].as_array().unwrap();
    let variable = env.iter().find(|variable| variable["name"] == name);
    variable.and_then(|variable| variable["value"].as_str())
}

#[test]
fn by_default_it_elects_protects_and_has_little_to_lose() {
    let pod = pod(&[]);
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "aep-operator:0.1.0");
    assert_eq!(
        strings(&container["args"]),
        [
            "run",
            "--listen=0.0.0.0:8080",
            "--leader-elect-name=check-aep-operator"
        ]
    );
    assert_eq!(
        variable(container, "AEP_OPERATOR_LEASE_DURATION"),
        Some("15s")
    );
    let timeout = variable(container, "AEP_OPERATOR_REQUEST_TIMEOUT");
    assert_eq!(timeout, Some("30s"));
    assert_eq!(pod["terminationGracePeriodSeconds"], 60);
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
    );
    assert_eq!(
        pod["securityContext"],
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(container["resources"]["limits"]["memory"], "128Mi");
    assert_eq!(pod["volumes"], Value::Null);
}

#[test]
fn what_a_value_gives_arrives() {
    let everything = values("everything.yaml");
    let spec = deployment(&[&everything]);
    let (template, pod) = (&spec["template"], &spec["template"]["spec"]);
    let container = &pod["containers"][0];
    assert_eq!(spec["replicas"], 3);
    assert!(strings(&container["args"]).contains(&"--log-format=json"));
    for (name, value) in [
        ("AEP_OPERATOR_REQUEST_TIMEOUT", "20s"),
        ("AEP_OPERATOR_DRIFT_INTERVAL", "30m"),
        ("HTTPS_PROXY", "http://proxy.example.com:3128"),
        ("HTTP_PROXY", "http://proxy.example.com:3129"),
        ("NO_PROXY", ".example.com"),
    ] {
        assert_eq!(variable(container, name), Some(value), "{name}");
    }
    assert_eq!(
        container["envFrom"][0]["configMapRef"]["name"],
        "more-settings"
    );
    assert_eq!(template["metadata"]["annotations"]["note"], "of the Pod");
    assert_eq!(template["metadata"]["labels"]["team"], "data");
    // A label of the chart cannot be changed: the selector and the Service would miss the Pod.
    assert_eq!(
        template["metadata"]["labels"]["app.kubernetes.io/name"],
        "aep-operator"
    );
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
    assert_eq!(pod["nodeSelector"]["kubernetes.io/os"], "linux");
    assert_eq!(pod["tolerations"][0]["key"], "dedicated");
    assert_eq!(pod["terminationGracePeriodSeconds"], 40);
    assert!(pod["affinity"]["podAntiAffinity"].is_object());
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert!(mounts.iter().any(|mount| mount["mountPath"] == "/scratch"));
}

#[test]
fn an_authority_of_the_company_is_trusted_besides_the_public_ones() {
    for (kind, of, name) in [
        ("configMap", "configMap", "name"),
        ("secret", "secret", "secretName"),
    ] {
        let set = format!("--set=caBundle.{kind}=corporate-ca,caBundle.key=bundle.pem");
        let pod = pod(&[&set]);
        let container = &pod["containers"][0];
        let file = variable(container, "AEP_OPERATOR_CA_BUNDLE").unwrap();
        let folder = file.strip_suffix("/ca.crt").unwrap();
        assert_eq!(container["volumeMounts"][0]["mountPath"], folder);
        assert_eq!(
            container["volumeMounts"][0]["name"],
            pod["volumes"][0]["name"]
        );
        let volume = &pod["volumes"][0][of];
        assert_eq!(volume[name], "corporate-ca");
        assert_eq!(volume["items"][0]["key"], "bundle.pem");
    }
}

#[test]
fn a_spread_without_a_selector_counts_this_release() {
    let ha = values("ha.yaml");
    let spread = pod(&[&ha])["topologySpreadConstraints"].clone();
    assert_eq!(
        spread[0]["labelSelector"]["matchLabels"],
        json!({"app.kubernetes.io/name": "aep-operator", "app.kubernetes.io/instance": "check"})
    );
    assert_eq!(
        spread[1]["labelSelector"]["matchLabels"],
        json!({"of": "mine"})
    );
}

#[test]
fn a_digest_wins_over_the_tag() {
    let ha = values("ha.yaml");
    let image = container(&[&ha, "--set=image.tag=latest"])["image"].clone();
    let expected = "registry.example.com/aep-operator@sha256:0123456789abcdef";
    assert!(image.as_str().unwrap().starts_with(expected), "{image}");
}

#[test]
fn the_emulator_is_a_sidecar_on_loopback_and_all_calls_go_there() {
    let emulator = values("emulator.yaml");
    let pod = pod(&[&emulator]);
    let sidecar = &pod["initContainers"][0];
    assert_eq!(sidecar["restartPolicy"], "Always");
    assert_eq!(sidecar["command"], json!(["/usr/local/bin/aep-emulator"]));
    assert_eq!(
        strings(&sidecar["args"]),
        ["serve", "--listen=127.0.0.1:8090", "--inlet-delay=0s"]
    );
    let args = strings(&pod["containers"][0]["args"]);
    for flag in [
        "--platform-url",
        "--ims-url",
        "--customer-io-us-url",
        "--customer-io-eu-url",
    ] {
        let there = format!("{flag}=http://127.0.0.1:8090");
        assert!(args.contains(&&*there), "{there}: {args:?}");
    }
    // The election goes on, so that an update does not make two act.
    assert!(args.contains(&"--leader-elect-name=check-aep-operator"));
}

#[test]
fn without_an_election_there_is_never_a_second_pod() {
    let spec = deployment(&["--set=leaderElection.enabled=false"]);
    assert_eq!(spec["strategy"]["type"], "Recreate");
    let args = strings(&spec["template"]["spec"]["containers"][0]["args"]);
    assert_eq!(
        args,
        ["run", "--listen=0.0.0.0:8080", "--leader-elect=false"]
    );
}

#[test]
fn the_network_policy_lets_out_what_is_needed_and_in_who_reads_metrics() {
    let everything = values("everything.yaml");
    let policy = only(&Suite::get().render(&[&everything]), "NetworkPolicy")["spec"].clone();
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    let ports = |rule: &Value| -> Vec<Value> {
        let ports = rule["ports"].as_array().unwrap();
        ports.iter().map(|port| port["port"].clone()).collect()
    };
    let egress = policy["egress"].as_array().unwrap();
    let out: Vec<_> = egress.iter().map(ports).collect();
    assert_eq!(
        json!(out),
        json!([[53, 53], [6443, 443], [3128, 3129], [4317]]),
        "DNS; API server and https; the proxies; more"
    );
    let readers = &policy["ingress"][0];
    assert_eq!(json!(ports(readers)), json!(["http"]));
    assert_eq!(readers["from"][0], json!({"podSelector": {}}));
    let test = only(&Suite::get().render(&[&everything]), "Pod")["metadata"]["labels"].clone();
    assert_eq!(
        readers["from"][1]["podSelector"]["matchLabels"], test,
        "the Pod of `helm test` gets in"
    );
}

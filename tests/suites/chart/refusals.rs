//! Values that are refused before anything is applied, and what helm says then.

use crate::suite::Suite;

#[track_caller]
fn refused(set: &str, says: &[&str]) {
    let set = format!("--set-json={set}");
    let output = Suite::get().try_render(&[&set]);
    assert!(!output.status.success(), "{set} was taken");
    for part in says {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
}

#[test]
fn a_key_that_does_not_exist() {
    refused(
        "replica=1",
        &["additional properties 'replica' not allowed"],
    );
    refused("protectSecrets=false", &["'protectSecrets' not allowed"]);
    refused(
        r#"networkPolicy={"enable": true}"#,
        &["/networkPolicy", "'enable' not allowed"],
    );
    refused(
        r#"metrics={"serviceMonitor": {"on": true}}"#,
        &["/metrics/serviceMonitor", "'on' not allowed"],
    );
    refused(
        r#"resources={"request": {}}"#,
        &["/resources", "'request' not allowed"],
    );
}

#[test]
fn a_value_of_the_wrong_type_or_out_of_bounds() {
    refused(r#"replicas="two""#, &["/replicas", "want integer"]);
    refused("replicas=-1", &["/replicas", "minimum"]);
    refused(
        r#"secrets={"protect": "no"}"#,
        &["/secrets/protect", "want boolean"],
    );
    refused(r#"extraArgs="--log=debug""#, &["/extraArgs", "want array"]);
    refused(r#"extraEnv=[{"value": "x"}]"#, &["/extraEnv/0", "name"]);
    refused(
        r#"podAnnotations={"a": 1}"#,
        &["/podAnnotations/a", "want string"],
    );
    refused(
        r#"image={"pullPolicy": "Sometimes"}"#,
        &["/image/pullPolicy"],
    );
    refused(r#"image={"digest": "abc"}"#, &["/image/digest", "pattern"]);
    refused(
        r#"leaderElection={"leaseDuration": "soon"}"#,
        &["/leaderElection/leaseDuration", "pattern"],
    );
    refused(
        r#"proxy={"httpsProxy": "proxy:1"}"#,
        &["/proxy/httpsProxy", "pattern"],
    );
    refused(
        r#"watchNamespaces=["Marketing"]"#,
        &["/watchNamespaces/0", "pattern"],
    );
    refused(r#"ownerId="a/b""#, &["/ownerId", "pattern"]);
    refused(
        r#"secrets={"watch": "no"}"#,
        &["/secrets/watch", "want boolean"],
    );
    refused(
        r#"networkPolicy={"apiServerPorts": [70000]}"#,
        &["/networkPolicy/apiServerPorts/0", "maximum"],
    );
}

#[test]
fn values_that_contradict_each_other_with_what_to_do() {
    refused(
        r#"{"emulator": {"enabled": true}, "replicas": 2}"#,
        &["emulator.enabled", "set replicas to 1 (it is 2)"],
    );
    refused(
        r#"{"leaderElection": {"enabled": false}, "replicas": 2}"#,
        &[
            "leaderElection.enabled is false",
            "set replicas to 1 (it is 2) or switch the election on",
        ],
    );
    refused(
        "terminationGracePeriodSeconds=44",
        &[
            "terminationGracePeriodSeconds",
            "requestTimeoutSeconds: 30",
            "need 45 seconds",
        ],
    );
    refused(
        r#"{"requestTimeoutSeconds": 110, "terminationGracePeriodSeconds": 125}"#,
        &[
            "requestTimeoutSeconds",
            "(125 s)",
            "add --create-settle=125s to extraArgs",
        ],
    );
    refused(
        r#"caBundle={"configMap": "a", "secret": "b"}"#,
        &["name a ConfigMap or a Secret, not both"],
    );
    refused(
        r#"watchNamespaces=["marketing"]"#,
        &[
            "watchNamespaces",
            "uid of kube-system",
            "set ownerId to a name",
        ],
    );
    refused(
        r#"serviceAccount={"create": false}"#,
        &["name the ServiceAccount to use in serviceAccount.name"],
    );
    refused(
        r#"{"networkPolicy": {"enabled": true}, "proxy": {"httpsProxy": "http://proxy.example.com"}}"#,
        &["http://proxy.example.com", "names no port"],
    );
}

#[test]
fn every_value_is_described_and_every_description_has_a_value() {
    let schema = std::fs::read_to_string(crate::suite::chart() + "/values.schema.json").unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let values = std::fs::read_to_string(crate::suite::chart() + "/values.yaml").unwrap();
    let values = &crate::suite::objects(&values)[0];
    compare("", &schema, values);
}

/// Both have the same keys. Left out of values.yaml on purpose: what a parent chart gives, and one field of probes.
fn compare(at: &str, schema: &serde_json::Value, values: &serde_json::Value) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let values = values.as_object().unwrap_or_else(|| panic!("{at}: no map"));
    for key in values.keys() {
        assert!(properties.contains_key(key), "{at}.{key} is in no schema");
    }
    for (key, schema) in properties {
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(description.len() > 3, "{at}.{key} is not described");
        if let Some(value) = values.get(key) {
            compare(&format!("{at}.{key}"), schema, value);
        } else {
            assert!(
                ["global", "initialDelaySeconds"].contains(&&**key),
                "{at}.{key}"
            );
        }
    }
}

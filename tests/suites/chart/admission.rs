//! Everything the chart renders, under several sets of values, as the API server sees it.

use serde_json::{Value, json};

use crate::suite::{NAMESPACE, Suite, difference, kinds, objects, repository, values};

const ALWAYS: [&str; 7] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "Deployment",
    "Role",
    "RoleBinding",
    "ServiceAccount",
];
/// `helm test`.
const TEST: [&str; 2] = ["Pod", "Service"];

/// All objects are admitted, and so is the Pod that the Deployment would make.
fn check(more: &[&str], besides: &[&str]) {
    check_without(more, besides, &[]);
}

/// The same, of which some kinds that are there by default are not.
fn check_without(more: &[&str], besides: &[&str], without: &[&str]) {
    let suite = Suite::get();
    let rendered = suite.render(more);
    let mut expected = [&ALWAYS, &TEST[..], besides].concat();
    expected.retain(|kind| !without.contains(kind));
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(kinds(&rendered), expected);
    for object in &rendered {
        // A Pod is not admitted without its account, which a dry run does not make.
        if object["kind"] == "ServiceAccount" {
            suite.apply(object);
        }
    }
    suite.admits(&rendered);
    suite.admits(&[pod(&rendered)]);
}

/// Pod Security refuses Pods only; of a Deployment it warns.
fn pod(rendered: &[Value]) -> Value {
    let template = &crate::suite::only(rendered, "Deployment")["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    metadata["name"] = "as-made".into();
    metadata["namespace"] = NAMESPACE.into();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

#[test]
fn the_defaults() {
    check(&[], &[]);
}

#[test]
fn high_availability() {
    let ha = values("ha.yaml");
    check(&[&ha], &["PodDisruptionBudget", "NetworkPolicy"]);
}

#[test]
fn a_trial_with_the_emulator() {
    let emulator = values("emulator.yaml");
    check(&[&emulator], &[]);
}

#[test]
fn some_namespaces_without_a_cluster_role() {
    let namespaces = values("namespaces.yaml");
    let cluster = ["ClusterRole", "ClusterRoleBinding"];
    check_without(&[&namespaces], &[], &cluster);
}

#[test]
fn everything_at_once() {
    let everything = values("everything.yaml");
    check(
        &[&everything],
        &[
            "ConfigMap",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "PrometheusRule",
            "ServiceMonitor",
        ],
    );
}

#[test]
fn restricted_pod_security_would_refuse_what_is_not() {
    let suite = Suite::get();
    let mut pod = pod(&suite.render(&[]));
    pod["spec"]["serviceAccountName"] = "default".into();
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let create = ["create", "--dry-run=server", "--filename=-"];
    let output = suite.try_kubectl(&create, Some(&pod.to_string()));
    assert!(!output.status.success());
    assert!(
        output.stderr.contains("violates PodSecurity"),
        "{}",
        output.stderr
    );
}

#[test]
fn the_definitions_are_those_that_the_code_generates() {
    let suite = Suite::get();
    let rendered = suite.render(&["--show-only=templates/crds.yaml"]);
    assert_eq!(rendered.len(), 3);
    for mut crd in rendered {
        let plural = crd["spec"]["names"]["plural"].as_str().unwrap().to_owned();
        let metadata = crd["metadata"].as_object_mut().unwrap();
        metadata.remove("labels").expect("the chart's labels");
        let annotations = metadata.remove("annotations");
        assert_eq!(
            annotations,
            Some(json!({"helm.sh/resource-policy": "keep"}))
        );
        let file = repository("crds").join(format!("{plural}.yaml"));
        let generated = objects(&std::fs::read_to_string(file).unwrap());
        assert_eq!(
            difference(&plural, &crd, &generated[0]),
            None,
            "run .ci/generate"
        );
    }
}

#[test]
fn the_definitions_can_be_left_out_or_left_to_go() {
    let suite = Suite::get();
    let without = suite.render(&["--set=crds.install=false"]);
    assert!(!kinds(&without).contains(&"CustomResourceDefinition"));
    let going = suite.render(&["--set=crds.keep=false", "--show-only=templates/crds.yaml"]);
    for crd in going {
        assert_eq!(crd["metadata"]["annotations"], Value::Null);
    }
}

//! What the operator may do, to the verb, under each switch.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::suite::{NAMESPACE, Suite, strings};

const RESOURCES: [&str; 3] = ["customeriosources", "aepdatasets", "aepdataflows"];

/// Every right as `kind group/resource[name] verb`.
fn rights(more: &[&str]) -> BTreeSet<String> {
    let rendered = Suite::get().render(more);
    let roles = rendered
        .iter()
        .filter(|object| ["ClusterRole", "Role"].contains(&object["kind"].as_str().unwrap()));
    let mut rights = BTreeSet::new();
    for role in roles {
        for rule in role["rules"].as_array().unwrap() {
            for right in of_rule(rule) {
                rights.insert(format!("{} {right}", role["kind"].as_str().unwrap()));
            }
        }
    }
    rights
}

fn of_rule(rule: &Value) -> Vec<String> {
    let mut names = strings(&rule["resourceNames"]);
    if names.is_empty() {
        names.push("");
    }
    let mut rights = Vec::new();
    for group in strings(&rule["apiGroups"]) {
        for resource in strings(&rule["resources"]) {
            for name in &names {
                for verb in strings(&rule["verbs"]) {
                    rights.push(format!("{group}/{resource}[{name}] {verb}"));
                }
            }
        }
    }
    rights
}

/// What it may do whatever the switches are.
fn always() -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for resource in RESOURCES {
        for verb in ["get", "list", "watch", "patch"] {
            rights.insert(format!("ClusterRole aep-operator.dev/{resource}[] {verb}"));
        }
        rights.insert(format!(
            "ClusterRole aep-operator.dev/{resource}/status[] patch"
        ));
        rights.insert(format!(
            "ClusterRole apiextensions.k8s.io/customresourcedefinitions[{resource}.aep-operator.dev] get"
        ));
    }
    for verb in ["get", "list", "watch"] {
        rights.insert(format!("ClusterRole /secrets[] {verb}"));
    }
    rights.insert("ClusterRole /namespaces[] get".to_owned());
    for verb in ["create", "patch"] {
        rights.insert(format!("ClusterRole events.k8s.io/events[] {verb}"));
    }
    rights
}

fn election() -> BTreeSet<String> {
    [
        "Role coordination.k8s.io/leases[] create",
        "Role coordination.k8s.io/leases[check-aep-operator] get",
        "Role coordination.k8s.io/leases[check-aep-operator] update",
    ]
    .map(str::to_owned)
    .into()
}

fn secrets(verbs: &[&str]) -> BTreeSet<String> {
    let right = |verb: &&str| format!("ClusterRole /secrets[] {verb}");
    verbs.iter().map(right).collect()
}

#[track_caller]
fn has(more: &[&str], parts: &[BTreeSet<String>]) {
    let expected: BTreeSet<String> = parts.iter().flatten().cloned().collect();
    assert_eq!(rights(more), expected);
}

#[test]
fn by_default() {
    let secrets = secrets(&["create", "patch", "delete"]);
    has(&[], &[always(), election(), secrets]);
}

#[test]
fn without_outputs_secrets_are_only_protected() {
    let off = "--set=secrets.outputs=false";
    has(&[off], &[always(), election(), secrets(&["patch"])]);
}

#[test]
fn without_protection_and_outputs_secrets_are_only_read() {
    let off = "--set=secrets.outputs=false,secrets.protect=false";
    has(&[off], &[always(), election()]);
}

#[test]
fn outputs_need_no_protection() {
    let off = "--set=secrets.protect=false";
    let secrets = secrets(&["create", "patch", "delete"]);
    has(&[off], &[always(), election(), secrets]);
}

#[test]
fn without_protection_the_operator_is_told_so() {
    let suite = Suite::get();
    let args = |set: &str| {
        let rendered = suite.render(&[set]);
        crate::suite::only(&rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0]
            ["args"]
            .clone()
    };
    let flag = "--protect-secrets=false";
    assert!(strings(&args("--set=secrets.protect=false")).contains(&flag));
    assert!(!strings(&args("--set=secrets.protect=true")).contains(&flag));
}

#[test]
fn without_an_election_no_lease() {
    let secrets = secrets(&["create", "patch", "delete"]);
    has(
        &["--set=leaderElection.enabled=false"],
        &[always(), secrets],
    );
}

#[test]
fn without_rbac_no_right() {
    has(&["--set=rbac.create=false"], &[]);
}

#[test]
fn the_account_of_the_pod_is_the_one_that_is_bound() {
    for (more, account) in [
        ("--set=replicas=1", "check-aep-operator"),
        ("--set=serviceAccount.name=other", "other"),
        (
            "--set=serviceAccount.create=false,serviceAccount.name=there",
            "there",
        ),
    ] {
        let rendered = Suite::get().render(&[more]);
        let deployment = crate::suite::only(&rendered, "Deployment");
        assert_eq!(
            deployment["spec"]["template"]["spec"]["serviceAccountName"],
            account
        );
        let bindings = rendered.iter().filter(|object| {
            ["ClusterRoleBinding", "RoleBinding"].contains(&object["kind"].as_str().unwrap())
        });
        for binding in bindings {
            let subject = &binding["subjects"][0];
            assert_eq!(subject["name"], account, "{more}");
            assert_eq!(subject["namespace"], NAMESPACE, "{more}");
        }
    }
}

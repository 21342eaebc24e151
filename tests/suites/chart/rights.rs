//! What the operator may do, to the verb, under each switch.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::suite::{NAMESPACE, Suite, strings};

const RESOURCES: [&str; 3] = ["customeriosources", "aepdatasets", "aepdataflows"];

/// Where a right holds that a Role does not narrow.
const CLUSTER: &str = "cluster";

/// Every right as `place group/resource[name] verb`.
fn rights(more: &[&str]) -> BTreeSet<String> {
    let rendered = Suite::get().render(more);
    let mut rights = BTreeSet::new();
    for object in &rendered {
        let place = match object["kind"].as_str().unwrap() {
            "ClusterRole" => CLUSTER,
            "Role" => object["metadata"]["namespace"].as_str().unwrap(),
            _ => continue,
        };
        for rule in object["rules"].as_array().unwrap() {
            let of_rule = of_rule(rule).into_iter();
            rights.extend(of_rule.map(|right| format!("{place} {right}")));
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

/// What it may do wherever it looks after resources, whatever the switches are.
fn resources(place: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for resource in RESOURCES {
        for verb in ["get", "list", "watch", "patch"] {
            rights.insert(format!("{place} aep-operator.dev/{resource}[] {verb}"));
        }
        rights.insert(format!(
            "{place} aep-operator.dev/{resource}/status[] patch"
        ));
    }
    rights.insert(format!("{place} /secrets[] get"));
    for verb in ["create", "patch"] {
        rights.insert(format!("{place} events.k8s.io/events[] {verb}"));
    }
    rights
}

/// What it may read in the whole cluster, if it looks after all of it.
fn cluster() -> BTreeSet<String> {
    let definition = |resource| {
        format!(
            "cluster apiextensions.k8s.io/customresourcedefinitions[{resource}.aep-operator.dev] get"
        )
    };
    let mut rights: BTreeSet<String> = RESOURCES.iter().map(definition).collect();
    rights.insert("cluster /namespaces[] get".to_owned());
    rights
}

fn always() -> BTreeSet<String> {
    &(&resources(CLUSTER) | &cluster()) | &secrets(&["list", "watch"])
}

fn election() -> BTreeSet<String> {
    [
        "aep-system coordination.k8s.io/leases[] create",
        "aep-system coordination.k8s.io/leases[check-aep-operator] get",
        "aep-system coordination.k8s.io/leases[check-aep-operator] update",
    ]
    .map(str::to_owned)
    .into()
}

fn secrets(verbs: &[&str]) -> BTreeSet<String> {
    secrets_in(CLUSTER, verbs)
}

fn secrets_in(place: &str, verbs: &[&str]) -> BTreeSet<String> {
    let right = |verb: &&str| format!("{place} /secrets[] {verb}");
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
fn without_a_watch_secrets_are_read_by_name_only() {
    let off = "--set=secrets.watch=false,secrets.protect=false,secrets.outputs=false";
    has(&[off], &[resources(CLUSTER), cluster(), election()]);
    let off = "--set=secrets.watch=false";
    let secrets = secrets(&["create", "patch", "delete"]);
    has(
        &[off],
        &[resources(CLUSTER), cluster(), election(), secrets],
    );
}

#[test]
fn in_listed_namespaces_it_may_do_in_each_what_it_needs_and_nothing_in_the_cluster() {
    let of = |place: &str, verbs: &[&str]| {
        let namespace = format!("{place} /namespaces[{place}] get");
        &(&resources(place) | &secrets_in(place, verbs)) | &[namespace].into()
    };
    let listed = "--set=ownerId=acme,watchNamespaces={marketing,aep-system}";
    let all = ["list", "watch", "create", "patch", "delete"];
    let both = [of("marketing", &all), of(NAMESPACE, &all), election()];
    has(&[listed], &both);
    let least = "--set=secrets.watch=false,secrets.protect=false,secrets.outputs=false";
    let both = [of("marketing", &[]), of(NAMESPACE, &[]), election()];
    has(&[listed, least], &both);
    assert!(
        !rights(&[listed])
            .iter()
            .any(|right| right.starts_with(CLUSTER))
    );
}

#[test]
fn without_a_right_the_operator_is_told_so() {
    let suite = Suite::get();
    let args = |set: &str| {
        let rendered = suite.render(&[set]);
        crate::suite::only(&rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0]
            ["args"]
            .clone()
    };
    let default = args("--set=replicas=1");
    for (value, flag) in [
        ("secrets.protect=false", "--protect-secrets=false"),
        ("secrets.watch=false", "--watch-secrets=false"),
        ("ownerId=acme", "--owner-id=acme"),
        (
            "ownerId=acme,watchNamespaces={marketing,sales}",
            "--watch-namespaces=marketing,sales",
        ),
    ] {
        assert!(strings(&args(&format!("--set={value}"))).contains(&flag));
        assert!(!strings(&default).contains(&flag));
    }
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
        (
            "--set=ownerId=acme,watchNamespaces={marketing},serviceAccount.name=other",
            "other",
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

//! Install, upgrade, uninstall: what helm does with the chart on a cluster, and above all with the definitions.

use std::{fs, path::Path};

use serde_json::Value;

use crate::suite::{NAMESPACE, Suite, arg, chart, repository};

const RELEASE: &str = "aep-operator";

/// What was there after each step.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    notes: String,
    installed: Vec<Value>,
    upgraded: Vec<Value>,
    upgraded_crds: Vec<Value>,
    uninstalled: Vec<Value>,
    uninstalled_crds: Vec<Value>,
}

/// Installs an older chart, one with a column less, then this one, then removes it; what it leaves is what the suite goes on
/// with. Before everything else, because there is one set of definitions in a cluster.
pub(crate) fn play(suite: &Suite) -> Lifecycle {
    let folder = tempfile::tempdir().unwrap();
    let older = folder.path().join("aep-operator");
    copy(&repository("deploy/helm/aep-operator"), &older);
    let crd = older.join("files/crds/aepdataflows.yaml");
    let text = fs::read_to_string(&crd).unwrap();
    let shorter = text.replace("    shortNames:\n    - aepdf\n", "");
    assert_ne!(shorter, text);
    fs::write(&crd, shorter).unwrap();

    let helm = |command: &str, chart: &str| {
        suite.helm(&[command, RELEASE, chart, "--namespace", NAMESPACE])
    };
    let notes = helm("install", &arg(&older));
    let installed = release(suite);
    let older = crds(suite);
    assert_eq!(short_names(&older), ["aepds", "cios"], "it is older");
    helm("upgrade", &chart());
    let (upgraded, upgraded_crds) = (release(suite), crds(suite));
    suite.helm(&["uninstall", RELEASE, "--namespace", NAMESPACE]);
    Lifecycle {
        notes,
        installed,
        upgraded,
        upgraded_crds,
        uninstalled: release(suite),
        uninstalled_crds: crds(suite),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().unwrap().clone()
}

/// What the release has in its namespace and in the cluster, but for definitions.
fn release(suite: &Suite) -> Vec<Value> {
    items(&suite.json(&[
        "get",
        "deployment,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,service",
        "--all-namespaces",
        "--selector=app.kubernetes.io/instance=aep-operator",
        "--output=json",
    ]))
}

fn crds(suite: &Suite) -> Vec<Value> {
    items(&suite.json(&[
        "get",
        "customresourcedefinitions",
        "--selector=app.kubernetes.io/name=aep-operator",
        "--output=json",
    ]))
}

fn short_names(crds: &[Value]) -> Vec<&str> {
    let names = crds
        .iter()
        .filter_map(|crd| crd["spec"]["names"]["shortNames"][0].as_str());
    names.collect()
}

#[test]
fn an_install_is_complete_and_says_what_to_do_next() {
    let lifecycle = &Suite::get().lifecycle;
    let kinds = crate::suite::kinds(&lifecycle.installed);
    let all = [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ];
    assert_eq!(kinds, all);
    for step in [
        "kubectl rollout status deployment/aep-operator --namespace aep-system",
        "helm test aep-operator --namespace aep-system",
        "kubectl create secret generic adobe-credentials",
        "kubectl delete aep --all --all-namespaces",
        "The CRDs stay when the chart goes.",
    ] {
        assert!(
            lifecycle.notes.contains(step),
            "{step}: {}",
            lifecycle.notes
        );
    }
}

#[test]
fn an_upgrade_updates_the_definitions() {
    let lifecycle = &Suite::get().lifecycle;
    assert_eq!(lifecycle.upgraded.len(), lifecycle.installed.len());
    assert_eq!(
        short_names(&lifecycle.upgraded_crds),
        ["aepdf", "aepds", "cios"]
    );
}

#[test]
fn an_uninstall_leaves_the_definitions_and_nothing_else() {
    let lifecycle = &Suite::get().lifecycle;
    assert_eq!(lifecycle.uninstalled, [] as [Value; 0]);
    assert_eq!(lifecycle.uninstalled_crds.len(), 3);
    for crd in &lifecycle.uninstalled_crds {
        assert_eq!(
            crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep",
            "{crd}"
        );
        assert_eq!(crd["metadata"]["deletionTimestamp"], Value::Null);
    }
}

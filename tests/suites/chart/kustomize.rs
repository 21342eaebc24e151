//! `deploy/kustomize` is the chart with its default values.

use serde_json::Value;

use crate::suite::{NAMESPACE, Suite, arg, chart, difference, id, objects, only, repository};

/// Without what says that Helm made it, by name.
fn plain(objects: Vec<Value>) -> Value {
    let plain = |mut object: Value| {
        for pointer in ["/metadata", "/spec/template/metadata"] {
            let metadata = object.pointer_mut(pointer).and_then(Value::as_object_mut);
            let labels = metadata.and_then(|metadata| metadata.get_mut("labels"));
            if let Some(labels) = labels.and_then(Value::as_object_mut) {
                labels.remove("helm.sh/chart");
                labels.remove("app.kubernetes.io/managed-by");
            }
        }
        if object["kind"] == "CustomResourceDefinition" {
            // Of the plain ones nobody needs to know which release they are of.
            object["metadata"].as_object_mut().unwrap().remove("labels");
        }
        (id(&object), object)
    };
    objects.into_iter().map(plain).collect()
}

fn built() -> Vec<Value> {
    let folder = arg(&repository("deploy/kustomize"));
    objects(&Suite::get().kubectl(&["kustomize", &folder], None))
}

#[test]
fn it_is_the_chart() {
    let chart = chart();
    let rendered = Suite::get().helm(&[
        "template",
        "aep-operator",
        &chart,
        "--namespace",
        NAMESPACE,
        "--skip-tests",
        "--set=crds.keep=false",
    ]);
    let mut built = built();
    built.retain(|object| object["kind"] != "Namespace");
    let (built, rendered) = (plain(built), plain(objects(&rendered)));
    assert_eq!(difference("", &built, &rendered), None, "run .ci/generate");
}

#[test]
fn the_api_server_takes_it_and_its_namespace_is_restricted() {
    let built = built();
    let namespace = only(&built, "Namespace");
    assert_eq!(
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
    Suite::get().admits(&built);
    let text = serde_json::to_string(&built).unwrap();
    assert!(!text.contains("Helm") && !text.contains("helm.sh"));
}

//! Manifests: what is refused, admitted and changed.

use serde_json::{Value, json};

use crate::suite::*;

#[test]
fn every_malformed_manifest_is_refused_with_its_field_named() {
    let cases: Vec<Case> = read("refused.yaml");
    assert!(cases.len() >= 50, "{} cases", cases.len());
    Suite::get().judge_each(
        cases,
        |case| {
            let args = ["create", "--dry-run=server", NAMESPACE, "--filename=-"];
            (words(&args), case.manifest().to_string())
        },
        |case, output| {
            let field = case.field.as_deref().expect("a field to be named");
            assert!(!case.says.is_empty(), "{}: says nothing", case.name);
            refused(&case.name, field, &case.says, output)
        },
    );
}

#[test]
fn what_is_right_is_admitted_and_stored_as_meant() {
    Suite::get().judge_each(
        read::<Vec<Case>>("admitted.yaml"),
        |case| {
            let args = [
                "create",
                "--dry-run=server",
                "--output=json",
                NAMESPACE,
                "--filename=-",
            ];
            (words(&args), case.manifest().to_string())
        },
        |case, output| {
            if !output.status.success() {
                return Err(format!("{}: {}", case.name, output.stderr));
            }
            if !output.stderr.is_empty() {
                return Err(format!("{}: a warning: {}", case.name, output.stderr));
            }
            let stored: Value = serde_json::from_str(&output.stdout).unwrap();
            for (pointer, expected) in &case.becomes {
                let found = stored.pointer(pointer);
                // A stored null must not pass for a field that is not there.
                let same = if expected.is_null() {
                    found.is_none()
                } else {
                    found == Some(expected)
                };
                if !same {
                    return Err(format!("{}: {pointer} became {found:?}", case.name));
                }
            }
            Ok(())
        },
    );
}

#[test]
fn a_change_of_what_stays_is_refused_with_a_remedy_and_any_other_admitted() {
    let suite = Suite::get();
    let named = |mut manifest: Value, name: &str| {
        manifest["metadata"]["name"] = name.into();
        manifest
    };
    let cases: Vec<(String, Case)> = read::<Vec<Case>>("updates.yaml")
        .into_iter()
        .enumerate()
        .map(|(n, case)| (format!("update-{n}"), case))
        .collect();
    let stand: Vec<Value> = cases
        .iter()
        .map(|(name, case)| named(case.good(), name))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": stand});
    suite.kubectl(
        &["apply", NAMESPACE, "--filename=-"],
        Some(&list.to_string()),
    );
    suite.judge_each(
        cases,
        |(name, case)| {
            let mut changed = case.manifest();
            changed["metadata"]["name"] = name.as_str().into();
            let args = ["apply", "--dry-run=server", NAMESPACE, "--filename=-"];
            (words(&args), changed.to_string())
        },
        |(_, case), output| match &case.field {
            Some(field) => refused(&case.name, field, &case.says, output),
            None if output.stdout.contains("configured") => Ok(()),
            None => Err(format!("{}: {}{}", case.name, output.stdout, output.stderr)),
        },
    );
}

#[test]
fn the_tutorial_applies_and_applying_it_again_changes_nothing() {
    let suite = Suite::get();
    let folder = repository("deploy/samples/tutorial");
    let folder = format!("--filename={}", folder.display());
    suite.kubectl(&["apply", &folder], None);
    let again = suite.kubectl(&["apply", &folder], None);
    for resource in [
        "customeriosource.aep-operator.dev/customer-io",
        "aepdataflow.aep-operator.dev/customer-io-events",
    ] {
        assert!(
            again.contains(&format!("{resource} unchanged\n")),
            "{again}"
        );
    }
    let get = ["get", "aep", "--namespace=marketing", "--output=json"];
    let resources = suite.json(&get, None);
    let generations: Vec<_> = resources["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["kind"].as_str().unwrap(),
                item["metadata"]["generation"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(generations, [("AepDataflow", 1), ("CustomerIoSource", 1)]);
}

#[test]
fn defaults_do_not_make_a_second_apply_a_change() {
    let suite = Suite::get();
    let good: Value = read("good.yaml");
    let mut manifest = good["AepDataflow"]["minimal"].clone();
    manifest["metadata"]["name"] = "defaulted".into();
    let manifest = manifest.to_string();
    suite.kubectl(&["apply", NAMESPACE, "--filename=-"], Some(&manifest));
    let again = suite.kubectl(&["apply", NAMESPACE, "--filename=-"], Some(&manifest));
    assert!(again.ends_with(" unchanged\n"), "{again}");
    let server_side = [
        "apply",
        "--server-side",
        "--field-manager=gitops",
        NAMESPACE,
        "--filename=-",
    ];
    suite.kubectl(&server_side, Some(&manifest));
    let get = ["get", "aepdf", "defaulted", "--output=json", NAMESPACE];
    assert_eq!(suite.json(&get, None)["metadata"]["generation"], 1);
}

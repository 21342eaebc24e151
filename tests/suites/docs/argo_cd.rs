//! `deploy/argocd/argocd-cm.yaml`: the script runs as Argo CD would run it, on objects as the operator leaves them.

use mlua::{Lua, LuaOptions, StdLib, Table};
use serde_json::{Value, json};

use crate::pages::read;

/// Status and message.
fn health(kind: &str, object: &Value) -> (String, String) {
    let patch: Value = serde_saphyr::from_str(&read("deploy/argocd/argocd-cm.yaml")).unwrap();
    let key = format!("resource.customizations.health.aep-operator.dev_{kind}");
    let script = patch["data"][&key].as_str().expect("a script for the kind");
    // Argo CD gives scripts no standard libraries unless told to; the base functions are always there.
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::default()).unwrap();
    let object: Table = lua.load(literal(object)).eval().unwrap();
    lua.globals().set("obj", object).unwrap();
    let answer: Table = lua.load(script).eval().unwrap();
    (
        answer.get("status").unwrap(),
        answer.get("message").unwrap(),
    )
}

/// The value as Lua writes it; its strings here are plain.
fn literal(value: &Value) -> String {
    let entries: Vec<String> = match value {
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, it)| format!("[\"{name}\"] = {}", literal(it)))
                .collect()
        }
        Value::Array(items) => items.iter().map(literal).collect(),
        plain => return plain.to_string(),
    };
    format!("{{{}}}", entries.join(", "))
}

fn object(observed: i64, conditions: &Value) -> Value {
    json!({
        "metadata": {"generation": 2},
        "spec": {},
        "status": {"observedGeneration": observed, "conditions": conditions},
    })
}

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": "what is to do"})
}

#[test]
fn argo_cd_sees_what_the_conditions_say() {
    let ready = json!([condition("Ready", "True", "Succeeded")]);
    let stalled = json!([
        condition("Ready", "False", "SecretMissing"),
        condition("Stalled", "True", "SecretMissing"),
    ]);
    let going = json!([
        condition("Ready", "False", "WaitingForInlet"),
        condition("Reconciling", "True", "WaitingForInlet"),
    ]);
    let silent = json!([
        condition("Ready", "True", "Succeeded"),
        condition("Ingesting", "False", "NothingArrived"),
    ]);
    let new = json!({"metadata": {"generation": 1}, "spec": {}});
    let mut suspended = object(1, &ready);
    suspended["spec"]["suspend"] = json!(true);
    for (object, status, words) in [
        (object(2, &ready), "Healthy", "what is to do"),
        (
            object(2, &stalled),
            "Degraded",
            "SecretMissing: what is to do",
        ),
        (
            object(2, &going),
            "Progressing",
            "WaitingForInlet: what is to do",
        ),
        (
            object(2, &silent),
            "Healthy",
            "NothingArrived: what is to do",
        ),
        (object(1, &ready), "Progressing", "not looked"),
        (object(1, &stalled), "Progressing", "not looked"),
        (new, "Progressing", "not looked"),
        (suspended, "Suspended", "spec.suspend"),
    ] {
        for kind in ["CustomerIoSource", "AepDataset", "AepDataflow"] {
            let (seen, message) = health(kind, &object);
            assert_eq!(seen, status, "{object}");
            assert!(message.contains(words), "{message}");
        }
    }
}

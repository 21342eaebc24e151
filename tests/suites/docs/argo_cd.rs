//! `deploy/argocd/argocd-cm.yaml`: the script runs as Argo CD would run it, on objects as the operator leaves them.

use mlua::{Lua, LuaSerdeExt as _, StdLib};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::pages::read;

#[derive(Debug, Deserialize, PartialEq)]
struct Health {
    status: String,
    message: String,
}

fn health(kind: &str, object: &Value) -> Health {
    let patch: Value = serde_saphyr::from_str(&read("deploy/argocd/argocd-cm.yaml")).unwrap();
    let key = format!("resource.customizations.health.aep-operator.dev_{kind}");
    let script = patch["data"][&key].as_str().expect("a script for the kind");
    // Argo CD gives scripts no standard libraries unless told to; the base functions are always there.
    let lua = Lua::new_with(StdLib::NONE, mlua::LuaOptions::default()).unwrap();
    lua.globals()
        .set("obj", lua.to_value(object).unwrap())
        .unwrap();
    let answer: mlua::Value = lua.load(script).eval().unwrap();
    lua.from_value(answer).unwrap()
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
            let seen = health(kind, &object);
            assert_eq!(seen.status, status, "{object}");
            assert!(seen.message.contains(words), "{seen:?}");
        }
    }
}

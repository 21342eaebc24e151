use serde_json::{Value, json};

use super::*;

fn dataset(edit: impl FnOnce(&mut Value)) -> AepDataset {
    let mut body = json!({
        "apiVersion": "aep-operator.dev/v1alpha1", "kind": "AepDataset",
        "metadata": {"name": "events", "namespace": "marketing", "uid": "u", "finalizers": [FINALIZER]},
        "spec": {
            "sandbox": "prod", "credentialsRef": {"name": "s"},
            "schema": {"title": "t", "fields": [{"path": "_{tenant}.email", "type": "string"}]}
        },
        "status": {
            "observedGeneration": 1, "tenantId": "acme", "sandbox": "prod", "organizationId": "O@AdobeOrg",
            "schema": {"id": "https://ns.adobe.com/acme/schemas/1", "majorVersion": 1}, "dataset": {"id": "d"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]
        }
    });
    edit(&mut body);
    serde_json::from_value(body).unwrap()
}

fn scope() -> Scope {
    Scope {
        secret: "adobe-credentials".into(),
        organization: "O@AdobeOrg".into(),
        sandbox: "prod".into(),
    }
}

fn said(dataset: &AepDataset) -> String {
    match seen(dataset, &scope()).obstacle {
        None => String::new(),
        Some(End::Waiting(wait)) => format!("{}: {}", wait.reason, wait.message),
        Some(End::Failed { failure, .. }) => format!("{}: {}", failure.reason, failure.message),
        Some(End::Done) => "done".into(),
    }
}

#[test]
fn what_stands_is_the_target_with_class_and_tenant() {
    let whole = seen(&dataset(|_| {}), &scope());
    let target = ResolvedTarget {
        dataset_id: "d".into(),
        schema: SchemaReference {
            id: "https://ns.adobe.com/acme/schemas/1".into(),
            major_version: 1,
        },
        class: Some(EXPERIENCE_EVENT_CLASS.into()),
        tenant: Some("acme".into()),
    };
    assert_eq!(whole.view, TargetView::Known(target));
    assert!(whole.obstacle.is_none());
    let profile = dataset(|it| it["spec"]["schema"]["class"] = json!("Profile"));
    let TargetView::Known(target) = view(&profile) else {
        panic!("it stands")
    };
    assert_eq!(target.class.as_deref(), Some(PROFILE_CLASS));
}

#[test]
fn what_does_not_stand_yet_is_waited_for_in_its_own_words() {
    for gone in ["dataset", "schema"] {
        let stalled = dataset(|it| {
            it["status"][gone] = Value::Null;
            it["status"]["conditions"][0]["reason"] = json!("PermissionDenied");
        });
        assert_eq!(
            said(&stalled),
            "WaitingForDataset: AepDataset \"events\" has no dataset yet (PermissionDenied)."
        );
    }
    let new = dataset(|it| it["status"] = Value::Null);
    assert_eq!(
        said(&new),
        "WaitingForDataset: AepDataset \"events\" has no dataset yet."
    );
}

#[test]
fn nothing_is_built_on_one_that_could_go_first() {
    let loose = dataset(|it| it["metadata"]["finalizers"] = json!([]));
    assert!(said(&loose).contains("is not held"), "{}", said(&loose));
    let going = dataset(|it| it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    assert!(said(&going).contains("being deleted"), "{}", said(&going));
    assert!(is_held(&dataset(|_| {})) && !is_held(&loose) && !is_held(&going));
}

#[test]
fn one_of_another_sandbox_or_organization_is_refused() {
    let sandbox = said(&dataset(|it| it["spec"]["sandbox"] = json!("dev")));
    let organization = said(&dataset(|it| {
        it["status"]["organizationId"] = json!("X@AdobeOrg");
    }));
    for (said, words) in [
        (sandbox, ["\"dev\"", "\"prod\""]),
        (organization, ["X@AdobeOrg", "adobe-credentials"]),
    ] {
        assert!(
            said.starts_with("InvalidSpec: AepDataset \"events\""),
            "{said}"
        );
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}

/// A change of it that may make a refused try work is told from one that changes nothing.
#[test]
fn another_try_is_worth_while_when_it_was_brought_up_to_date() {
    let version = |edit: fn(&mut Value)| seen(&dataset(edit), &scope()).version;
    let now = version(|_| {});
    assert_eq!(
        version(|it| it["metadata"]["labels"] = json!({"a": "b"})),
        now
    );
    assert_ne!(
        version(|it| it["status"]["observedGeneration"] = json!(2)),
        now
    );
    assert_ne!(
        version(|it| it["status"]["dataset"]["id"] = json!("e")),
        now
    );
    assert_ne!(
        version(|it| it["status"]["conditions"][0]["reason"] = json!("Progressing")),
        now
    );
}

#[test]
fn nothing_new_is_built_on_one_that_somebody_has_to_mend() {
    let stalled = dataset(|it| {
        let why = |of: &str, status: &str| {
            json!({"type": of, "status": status, "reason": "RemoteMissing", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        it["status"]["conditions"] = json!([why("Ready", "False"), why("Stalled", "True")]);
    });
    let said = said(&stalled);
    assert!(
        said.starts_with("WaitingForDataset") && said.contains("RemoteMissing"),
        "{said}"
    );
    assert!(said.contains("Mend it first"), "{said}");
}

#[test]
fn its_fields_are_behind_until_it_is_ready_for_what_it_is_now_and_settle_after_a_change() {
    let settle = Duration::from_mins(15);
    let at = |generation: i64| {
        dataset(|it| {
            it["metadata"]["generation"] = json!(generation);
            it["status"]["conditions"][0]["observedGeneration"] = json!(1);
            it["status"]["fieldsChangedAt"] = json!("2026-01-01T00:00:00Z");
        })
    };
    let stands = fields(&at(1), settle);
    assert_eq!((stands.dataset.as_str(), stands.behind), ("events", None));
    let until = stands.settled_at.unwrap().to_string();
    assert_eq!(until, "2026-01-01T00:15:00Z");
    let edited = fields(&at(2), settle);
    assert_eq!(edited.behind.as_deref(), Some("Progressing"));
}

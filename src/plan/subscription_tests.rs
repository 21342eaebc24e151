//! What is done about a webhook, case by case.

use serde_json::json;

use crate::resources::conditions::Reason;

use super::*;

fn identity() -> Identity {
    Identity {
        owner: "o".into(),
        namespace: "marketing".into(),
        name: "events".into(),
        uid: "u".into(),
    }
}

fn wanted(events: &[&str], state: DesiredState) -> DesiredSubscription {
    let spec = CustomerIoSubscription {
        events: events.iter().map(|it| (*it).to_owned()).collect(),
        ..CustomerIoSubscription::default()
    };
    DesiredSubscription::new(&identity(), &spec, state)
}

#[test]
fn each_flag_of_the_spec_is_that_of_the_webhook() {
    for (full_resolution, with_content) in [(true, false), (false, true)] {
        let spec = CustomerIoSubscription {
            full_resolution,
            with_content,
            ..CustomerIoSubscription::default()
        };
        let desired = DesiredSubscription::new(&identity(), &spec, DesiredState::Enabled);
        let settings = desired.settings(&endpoint(), false);
        assert_eq!(
            (settings.full_resolution, settings.with_content),
            (full_resolution, with_content)
        );
        let body = json!(settings);
        assert_eq!(
            (&body["full_resolution"], &body["with_content"]),
            (&json!(full_resolution), &json!(with_content))
        );
    }
}

fn desired() -> DesiredSubscription {
    wanted(&["email_sent"], DesiredState::Enabled)
}

fn endpoint() -> Endpoint {
    Endpoint::from("https://dcs.adobedc.net/collection/1?x-adobe-flow-id=f")
}

fn hook(disabled: bool) -> Webhook {
    serde_json::from_value(json!({
        "id": 7, "name": "marketing.events", "endpoint": endpoint().as_str(), "events": ["email_sent"],
        "disabled": disabled, "unheard_of": 1,
    }))
    .unwrap()
}

fn seen(hook: Webhook) -> ObservedSubscription {
    ObservedSubscription {
        hook: Known::Read(hook),
        ..ObservedSubscription::default()
    }
}

fn planned(observed: &ObservedSubscription) -> Plan {
    plan(Some(&desired()), observed, Some(&endpoint()))
}

fn steps(plan: &Plan) -> Vec<String> {
    match plan {
        Plan::Run(steps) => steps.iter().map(ToString::to_string).collect(),
        other => vec![format!("{other:?}")],
    }
}

fn reason(plan: &Plan) -> Reason {
    match plan {
        Plan::Stop(failure) => failure.reason,
        other => panic!("not stopped: {other:?}"),
    }
}

fn written(plan: &Plan) -> (&WebhookSettings, WebhookChange) {
    match plan {
        Plan::Run(steps) => match steps.as_slice() {
            [Step::UpdateSubscription { body, change, .. }] => (body, *change),
            other => panic!("no update: {other:?}"),
        },
        other => panic!("no update: {other:?}"),
    }
}

#[test]
fn it_is_created_disabled_and_enabled_once_the_pause_is_over() {
    let nothing = ObservedSubscription {
        pause_over: true,
        ..ObservedSubscription::default()
    };
    let Plan::Run(created) = planned(&nothing) else {
        panic!("nothing is created")
    };
    let [
        Step::Create {
            body: Body::Subscription(body),
            attempt: 1,
        },
    ] = created.as_slice()
    else {
        panic!("{created:?}")
    };
    assert!(body.disabled && body.endpoint == endpoint());
    assert_eq!(body.name, "marketing.events");
    let mut observed = ObservedSubscription {
        hook: Known::Trusted("7".into()),
        ..ObservedSubscription::default()
    };
    assert_eq!(planned(&observed), Plan::Done, "as ready as can be");
    observed.pause_over = true;
    assert_eq!(steps(&planned(&observed)), ["read subscription 7"]);
    observed.hook = Known::Read(hook(true));
    let plan = planned(&observed);
    let (body, change) = written(&plan);
    assert_eq!((body.disabled, change), (false, WebhookChange::Enable));
    assert_eq!(body.others["unheard_of"], 1, "the whole of it");
    observed = seen(hook(false));
    assert_eq!(planned(&observed), Plan::Done);
}

#[test]
fn an_update_does_not_silence_it() {
    let mut other = hook(false);
    other.settings.events = vec!["email_opened".into()];
    let observed = seen(other);
    assert!(!observed.pause_over);
    let plan = planned(&observed);
    let (body, change) = written(&plan);
    assert_eq!((body.disabled, change), (false, WebhookChange::Update));
    assert_eq!(body.events, ["email_sent"]);
}

#[test]
fn for_another_flow_it_is_silent_until_that_one_s_pause_is_over() {
    let mut old = hook(false);
    old.settings.endpoint =
        Endpoint::from("https://dcs.adobedc.net/collection/1?x-adobe-flow-id=old");
    let mut observed = seen(old);
    let plan = planned(&observed);
    let (body, change) = written(&plan);
    assert_eq!((body.disabled, change), (true, WebhookChange::Disable));
    assert_eq!(body.endpoint, endpoint());
    observed.pause_over = true;
    assert!(!written(&planned(&observed)).0.disabled);
}

#[test]
fn what_somebody_disabled_stays_so_until_it_is_asked_for() {
    let mut observed = ObservedSubscription {
        settled: true,
        sent_before: true,
        pause_over: true,
        ..seen(hook(true))
    };
    assert_eq!(reason(&planned(&observed)), Reason::DisabledElsewhere);
    // Nobody else: it was created a moment ago.
    observed.sent_before = false;
    assert_eq!(written(&planned(&observed)).1, WebhookChange::Enable);
    // The spec changed, or a check was asked for.
    (observed.sent_before, observed.settled) = (true, false);
    assert_eq!(written(&planned(&observed)).1, WebhookChange::Enable);
}

#[test]
fn of_two_ours_goes_and_somebody_elses_is_told_of() {
    let other = |id: &str, name: &str| Other {
        id: id.into(),
        name: name.into(),
    };
    let mut observed = seen(hook(false));
    observed.others = Some(vec![other("8", "marketing.events"), other("9", "by hand")]);
    assert_eq!(steps(&planned(&observed)), ["delete subscription 8"]);
    observed.others = Some(vec![other("9", "by hand")]);
    let plan = planned(&observed);
    assert_eq!(reason(&plan), Reason::AmbiguousRemote);
    let Plan::Stop(failure) = &plan else {
        unreachable!()
    };
    assert!(failure.message.contains("webhook 9") && !failure.message.contains("dcs"));
    // What is wrong with ours is put right all the same.
    let mut renamed = hook(false);
    renamed.settings.name = "renamed".into();
    observed.hook = Known::Read(renamed);
    assert_eq!(steps(&planned(&observed)), ["update subscription 7"]);
}

#[test]
fn what_is_gone_is_made_again_if_so_wished_but_never_with_another_key() {
    let mut observed = ObservedSubscription {
        hook: Known::Missing("7".into()),
        next_attempt: 2,
        ..ObservedSubscription::default()
    };
    assert_eq!(reason(&planned(&observed)), Reason::RemoteMissing);
    observed.on_missing = OnRemoteMissing::Recreate;
    assert_eq!(steps(&planned(&observed)), ["create subscription"]);
    for hook in [Known::Missing("7".into()), Known::Absent] {
        let observed = ObservedSubscription {
            hook,
            other_key: true,
            on_missing: OnRemoteMissing::Recreate,
            ..ObservedSubscription::default()
        };
        let plan = planned(&observed);
        assert_eq!(reason(&plan), Reason::RemoteMissing);
        let words = format!("{plan:?}");
        assert!(words.contains("another workspace"), "{words}");
    }
}

#[test]
fn without_an_event_nothing_is_asked_for_and_unknown_names_can_be_left_out() {
    let none = wanted(&["nothing_*"], DesiredState::Enabled);
    let plan = plan(
        Some(&none),
        &ObservedSubscription::default(),
        Some(&endpoint()),
    );
    assert_eq!(reason(&plan), Reason::InvalidSpec);
    let mut some = wanted(&["email_sent", "email_levitated"], DesiredState::Enabled);
    assert_eq!(some.events, ["email_levitated", "email_sent"]);
    let hash = some.hash(Some(&endpoint()));
    assert!(some.drop_unknown() && !some.drop_unknown());
    assert_eq!(some.events, ["email_sent"]);
    assert_ne!(hash, some.hash(Some(&endpoint())));
}

fn disable_flow() -> Plan {
    Plan::Run(vec![Step::Act {
        id: "f".into(),
        action: FlowAction::Disable,
    }])
}

fn joined(flow: Plan, desired: Option<&DesiredSubscription>, it: &ObservedSubscription) -> Plan {
    join(flow, desired, it, Some(&endpoint()))
}

#[test]
fn it_is_silent_before_its_flow_is() {
    let off = wanted(&["email_sent"], DesiredState::Disabled);
    let mut observed = ObservedSubscription {
        hook: Known::Recorded("7".into()),
        ..ObservedSubscription::default()
    };
    let first = joined(disable_flow(), Some(&off), &observed);
    assert_eq!(steps(&first), ["read subscription 7"]);
    observed.hook = Known::Read(hook(false));
    let second = joined(disable_flow(), Some(&off), &observed);
    assert!(written(&second).0.disabled);
    observed.hook = Known::Read(hook(true));
    assert_eq!(
        joined(disable_flow(), Some(&off), &observed),
        disable_flow()
    );
    // That Customer.io fails does not keep the flow running.
    observed.hook = Known::Recorded("7".into());
    observed.held_back = Some(Failure::no_events(&[]));
    assert_eq!(
        joined(disable_flow(), Some(&off), &observed),
        disable_flow()
    );
    let told = joined(Plan::Done, Some(&off), &observed);
    assert_eq!(reason(&told), Reason::InvalidSpec);
}

#[test]
fn what_the_flow_has_to_do_comes_before_it_and_what_stops_the_flow_leaves_it_alone() {
    let desired = desired();
    let observed = ObservedSubscription::default();
    let enable = Plan::Run(vec![Step::Act {
        id: "f".into(),
        action: FlowAction::Enable,
    }]);
    assert_eq!(joined(enable.clone(), Some(&desired), &observed), enable);
    let stopped = Plan::Stop(Failure::disabled_elsewhere("f", "", ""));
    let sending = seen(hook(false));
    assert_eq!(joined(stopped.clone(), Some(&desired), &sending), stopped);
    let created = joined(Plan::Done, Some(&desired), &observed);
    assert_eq!(steps(&created), ["create subscription"]);
}

#[test]
fn what_is_not_wanted_any_more_goes_whatever_the_flow_is_up_to() {
    let stopped = Plan::Stop(Failure::disabled_elsewhere("f", "", ""));
    let mut observed = ObservedSubscription {
        hook: Known::Trusted("7".into()),
        ..ObservedSubscription::default()
    };
    for flow in [stopped, Plan::Done, disable_flow()] {
        let plan = joined(flow, None, &observed);
        assert_eq!(steps(&plan), ["delete subscription 7"]);
    }
    // With another key a 404 would not say that it is gone.
    observed.other_key = true;
    let plan = joined(Plan::Done, None, &observed);
    assert_eq!(steps(&plan), ["read subscription 7"]);
    observed.hook = Known::Missing("7".into());
    assert_eq!(
        reason(&joined(Plan::Done, None, &observed)),
        Reason::RemoteMissing
    );
    observed.hook = Known::Absent;
    assert_eq!(joined(Plan::Done, None, &observed), Plan::Done);
}

#[test]
fn what_an_attempt_may_have_made_is_looked_for_before_its_flow_is_another_one() {
    let observed = ObservedSubscription {
        hook: Known::Pending { attempt: 1 },
        ..ObservedSubscription::default()
    };
    let delete = Plan::Run(vec![Step::Delete {
        kind: RemoteKind::Flow,
        id: "f".into(),
    }]);
    let plan = joined(delete, Some(&desired()), &observed);
    assert_eq!(steps(&plan), ["look up subscription"]);
}

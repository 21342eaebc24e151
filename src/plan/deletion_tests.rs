use super::*;
use RemoteKind::{Flow, MappingSet, SourceConnection, TargetConnection};

fn standing(kind: RemoteKind) -> Holding {
    Holding::Standing {
        kind,
        id: kind.word().to_owned(),
    }
}

fn removal(kind: RemoteKind) -> Step {
    delete((kind, kind.word().to_owned()))
}

fn read(kind: RemoteKind) -> Step {
    Step::Read {
        kind,
        id: kind.word().to_owned(),
    }
}

fn marked() -> Sight {
    Sight::Marked {
        released: "text [aep-operator/v1 released]".into(),
        etag: Etag::default(),
    }
}

/// A way on which everything that is read was seen as `sight`.
fn way(policy: DeletionPolicy, sight: &Sight) -> Way {
    let mut way = Way::new(policy);
    for kind in [SourceConnection, TargetConnection, Flow] {
        way.saw(kind, kind.word(), sight.clone());
    }
    way
}

#[test]
fn the_flow_goes_before_what_it_names() {
    let way = way(DeletionPolicy::Delete, &marked());
    let all = [
        standing(MappingSet),
        standing(TargetConnection),
        standing(Flow),
    ];
    assert_eq!(way.plan(&all), Plan::Run(vec![removal(Flow)]));
    assert_eq!(
        way.plan(&all[..2]),
        Plan::Run(vec![removal(TargetConnection)]),
        "AEP may take minutes to delete the flow, and refuses what it names meanwhile"
    );
    assert_eq!(way.plan(&all[..1]), Plan::Run(vec![removal(MappingSet)]));
    assert_eq!(way.plan(&[]), Plan::Done);
}

#[test]
fn only_a_deletion_that_came_before_the_uninstall_deletes() {
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    assert!(uninstalled(at(10), at(9)));
    assert!(uninstalled(at(10), at(10)));
    assert!(!uninstalled(at(10), at(11)), "deleted first, on purpose");
    assert!(!uninstalled(at(10), None));
}

#[test]
fn what_may_exist_is_looked_up_before_anything_is_deleted() {
    let pending = Holding::Pending {
        kind: Flow,
        attempt: 2,
    };
    let way = way(DeletionPolicy::Delete, &marked());
    let lookup = Step::LookUp {
        kind: Flow,
        attempt: 2,
    };
    let holdings = [standing(TargetConnection), pending];
    assert_eq!(way.plan(&holdings), Plan::Run(vec![lookup]));
}

#[test]
fn of_several_objects_of_one_marker_all_go_and_then_it_is_looked_up_again() {
    let pending = [Holding::Pending {
        kind: Flow,
        attempt: 1,
    }];
    let mut way = Way::new(DeletionPolicy::Delete);
    way.met_twins(Flow, &["twin".into()]);
    way.saw(Flow, "twin", marked());
    assert_eq!(
        way.plan(&pending),
        Plan::Run(vec![delete((Flow, "twin".into()))])
    );
    way.lost_twin(Flow, "twin");
    assert!(
        matches!(way.plan(&pending), Plan::Run(steps) if matches!(steps[..], [Step::LookUp { .. }]))
    );
}

#[test]
fn nothing_is_deleted_unread_and_a_404_proves_nothing() {
    let holdings = [
        standing(Flow),
        standing(TargetConnection),
        standing(MappingSet),
    ];
    let mut way = Way::new(DeletionPolicy::Delete);
    assert_eq!(
        way.plan(&holdings),
        Plan::Run(vec![read(Flow), read(TargetConnection)])
    );
    way.saw(Flow, Flow.word(), Sight::Unseen);
    way.saw(TargetConnection, TargetConnection.word(), Sight::Plain);
    assert_eq!(way.plan(&holdings), Plan::Run(vec![removal(Flow)]));
}

#[test]
fn a_flow_that_aep_is_deleting_is_waited_for() {
    let mut way = way(DeletionPolicy::Delete, &marked());
    way.saw(Flow, Flow.word(), Sight::Going);
    let Plan::Wait(wait) = way.plan(&[standing(Flow), standing(TargetConnection)]) else {
        panic!("neither asked again nor passed over")
    };
    assert!(wait.poll && wait.reason == Reason::Deleting);
}

#[test]
fn a_source_connection_stays_while_a_flow_names_it() {
    let source = [standing(SourceConnection)];
    let mut way = way(DeletionPolicy::Delete, &marked());
    assert_eq!(
        way.plan(&source),
        Plan::Run(vec![Step::FindUsers {
            source_connection: "source-connection".into()
        }])
    );
    let user = |title: &str, going| User {
        title: title.into(),
        going,
    };
    way.met_users(vec![user("f1", false), user("f2", true)]);
    let Plan::Stop(failure) = way.plan(&source) else {
        panic!("a used source connection must not be deleted")
    };
    assert!(failure.message.contains("f1"), "{}", failure.message);
    assert!(!failure.message.contains("f2"), "{}", failure.message);
    way.met_users(vec![user("f2", true)]);
    assert!(matches!(way.plan(&source), Plan::Wait(wait) if wait.poll));
    way.met_users(vec![]);
    assert_eq!(
        way.plan(&source),
        Plan::Run(vec![removal(SourceConnection)])
    );
}

#[test]
fn retained_objects_are_released_and_none_is_deleted() {
    let holdings = [
        standing(Flow),
        standing(TargetConnection),
        standing(MappingSet),
    ];
    let mut way = way(DeletionPolicy::Retain, &marked());
    let Plan::Run(steps) = way.plan(&holdings) else {
        panic!("nothing is released")
    };
    let patched: Vec<RemoteKind> = steps.iter().map(Step::kind).collect();
    assert_eq!(patched, [Flow, TargetConnection]);
    assert!(steps.iter().all(|step| matches!(step, Step::Patch { .. })));
    for sight in [
        Sight::Released,
        Sight::Plain,
        Sight::Unseen,
        Sight::NotOurs("why".into()),
    ] {
        way.saw(Flow, Flow.word(), sight.clone());
        way.saw(TargetConnection, TargetConnection.word(), sight);
        assert_eq!(way.plan(&holdings), Plan::Done);
    }
}

#[test]
fn a_description_decides_whose_the_object_is() {
    let us = Identity {
        owner: "o".into(),
        namespace: "n".into(),
        name: "us".into(),
        uid: "1".into(),
    };
    let other = Identity {
        name: "them".into(),
        uid: "2".into(),
        ..us.clone()
    };
    let of = |text: &str| Sight::of(&us, text, &Etag::default());
    assert_eq!(of("edited by hand"), Sight::Plain);
    assert_eq!(of(&us.marker(Flow, 3).end(Some("text"))), marked());
    let Sight::NotOurs(why) = of(&other.marker(Flow, 1).end(None)) else {
        panic!("what somebody else took over would be deleted")
    };
    assert!(why.contains("n/them"), "{why}");
    assert!(matches!(of(&released("text")), Sight::NotOurs(_)));
    assert!(matches!(of("[aep-operator/v9 x]"), Sight::NotOurs(_)));
}

/// A webhook that stands as 7, and one that sends to the same flow and is called `other`.
fn webhook_way(other_key: bool) -> (Way, Vec<Holding>) {
    let trace = Trace {
        endpoint: Some(Endpoint::from("https://h/c?x-adobe-flow-id=f")),
        name: "n.r".into(),
        other_key,
    };
    let webhook = Holding::Standing {
        kind: RemoteKind::Subscription,
        id: "7".into(),
    };
    let way = way(DeletionPolicy::Delete, &marked()).tracing(Some(trace));
    (way, vec![standing(Flow), webhook])
}

fn names(plan: &Plan) -> Vec<String> {
    match plan {
        Plan::Run(steps) => steps.iter().map(ToString::to_string).collect(),
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn a_webhook_goes_before_its_flow_and_takes_its_twin_along_but_nobody_elses() {
    let (mut way, all) = webhook_way(false);
    assert_eq!(names(&way.plan(&all)), ["look at subscription 7"]);
    let other = |id: &str, name: &str| Other {
        id: id.into(),
        name: name.into(),
    };
    way.saw_webhooks("7", true, &[other("8", "n.r"), other("9", "by hand")]);
    assert_eq!(
        names(&way.plan(&all)),
        ["delete subscription 7", "delete subscription 8"]
    );
    way.lost_twin(RemoteKind::Subscription, "8");
    assert_eq!(way.plan(&all[..1]), Plan::Run(vec![removal(Flow)]));
}

#[test]
fn a_webhook_that_another_key_does_not_show_is_not_taken_for_gone() {
    let (mut way, all) = webhook_way(true);
    way.saw_webhooks("7", false, &[]);
    let Plan::Stop(failure) = way.plan(&all) else {
        panic!("it goes on");
    };
    assert!(failure.message.contains("webhook 7"), "{}", failure.message);
    way.saw_webhooks("7", true, &[]);
    assert_eq!(names(&way.plan(&all)), ["delete subscription 7"]);
    let (mut same, all) = webhook_way(false);
    same.saw_webhooks("7", false, &[]);
    assert_eq!(names(&same.plan(&all)), ["delete subscription 7"]);
}

#[test]
fn a_webhook_that_may_have_been_made_is_looked_for_by_its_name_too() {
    let (way, _) = webhook_way(false);
    let pending = [Holding::Pending {
        kind: RemoteKind::Subscription,
        attempt: 2,
    }];
    let Plan::Run(steps) = way.plan(&pending) else {
        panic!("nothing is looked for");
    };
    assert!(
        matches!(steps.as_slice(), [Step::FindSubscription { attempt: 2, name: Some(name), .. }] if name == "n.r"),
        "{steps:?}"
    );
    let nowhere = Way::new(DeletionPolicy::Delete);
    assert!(matches!(nowhere.plan(&pending), Plan::Stop(_)));
}

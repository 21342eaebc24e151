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

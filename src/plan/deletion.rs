//! The way back: what is left of a resource's remote objects, and what to delete next.
//!
//! The spec plays no part: a resource with a broken spec can always be deleted. A flow goes first,
//! then its target connection and mapping set; a source connection only when no flow names it.

use k8s_openapi::jiff::Timestamp;

use super::failure::Failure;
use super::{Plan, RemoteKind, Step};

/// One remote object that a resource still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// It stands under this id.
    Standing {
        /// Kind of object.
        kind: RemoteKind,
        /// Its id.
        id: String,
    },
    /// It may stand: a creation was intended and its outcome is unknown.
    Pending {
        /// Kind of object.
        kind: RemoteKind,
        /// The attempt to look for.
        attempt: i64,
    },
}

/// Whether a resource is going only because its kind is being uninstalled, as the times of both deletions
/// say: then its remote objects stay. Times are whole seconds; the same second counts as the
/// definition's, because what was kept can still be deleted.
pub fn uninstalled(resource: Option<Timestamp>, definition: Option<Timestamp>) -> bool {
    match (resource, definition) {
        (Some(resource), Some(definition)) => resource >= definition,
        (None, _) | (_, None) => false,
    }
}

/// Flows that name a source connection, as far as they were listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Users {
    /// Nobody asked yet.
    #[default]
    Unknown,
    /// These flows (ids and names), perhaps none.
    Listed(Vec<String>),
}

/// The next deletions. Look-ups come first: what is unsettled may exist.
pub fn plan(holdings: &[Holding], users: &Users) -> Plan {
    let lookups: Vec<Step> = holdings
        .iter()
        .filter_map(|holding| match holding {
            Holding::Pending { kind, attempt } => Some(Step::LookUp {
                kind: *kind,
                attempt: *attempt,
            }),
            Holding::Standing { .. } => None,
        })
        .collect();
    if !lookups.is_empty() {
        return Plan::Run(lookups);
    }
    let standing = |wanted: RemoteKind| {
        holdings.iter().find_map(|holding| match holding {
            Holding::Standing { kind, id } if *kind == wanted => Some(id.clone()),
            _ => None,
        })
    };
    if let Some(id) = standing(RemoteKind::Flow) {
        return Plan::Run(vec![Step::Delete {
            kind: RemoteKind::Flow,
            id,
        }]);
    }
    let rest: Vec<Step> = [RemoteKind::TargetConnection, RemoteKind::MappingSet]
        .into_iter()
        .filter_map(|kind| standing(kind).map(|id| Step::Delete { kind, id }))
        .collect();
    if !rest.is_empty() {
        return Plan::Run(rest);
    }
    let Some(id) = standing(RemoteKind::SourceConnection) else {
        return Plan::Done;
    };
    match users {
        Users::Unknown => Plan::Run(vec![Step::FindUsers {
            source_connection: id,
        }]),
        Users::Listed(flows) if flows.is_empty() => Plan::Run(vec![Step::Delete {
            kind: RemoteKind::SourceConnection,
            id,
        }]),
        Users::Listed(flows) => Plan::Stop(Failure::source_connection_in_use(&id, flows)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(kind: RemoteKind) -> Holding {
        Holding::Standing {
            kind,
            id: kind.word().to_owned(),
        }
    }

    fn delete(kind: RemoteKind) -> Step {
        Step::Delete {
            kind,
            id: kind.word().to_owned(),
        }
    }

    #[test]
    fn the_flow_goes_before_what_it_names() {
        use RemoteKind::{Flow, MappingSet, TargetConnection};
        let all = [
            standing(MappingSet),
            standing(TargetConnection),
            standing(Flow),
        ];
        assert_eq!(plan(&all, &Users::Unknown), Plan::Run(vec![delete(Flow)]));
        assert_eq!(
            plan(&all[..2], &Users::Unknown),
            Plan::Run(vec![delete(TargetConnection), delete(MappingSet)])
        );
        assert_eq!(plan(&[], &Users::Unknown), Plan::Done);
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
            kind: RemoteKind::Flow,
            attempt: 2,
        };
        let holdings = [standing(RemoteKind::TargetConnection), pending];
        assert_eq!(
            plan(&holdings, &Users::Unknown),
            Plan::Run(vec![Step::LookUp {
                kind: RemoteKind::Flow,
                attempt: 2
            }])
        );
    }

    #[test]
    fn a_source_connection_stays_while_a_flow_names_it() {
        let source = [standing(RemoteKind::SourceConnection)];
        let id = "source-connection".to_owned();
        assert_eq!(
            plan(&source, &Users::Unknown),
            Plan::Run(vec![Step::FindUsers {
                source_connection: id
            }])
        );
        let Plan::Stop(failure) = plan(&source, &Users::Listed(vec!["f1".into()])) else {
            panic!("a used source connection must not be deleted")
        };
        assert!(failure.message.contains("f1"), "{}", failure.message);
        assert_eq!(
            plan(&source, &Users::Listed(vec![])),
            Plan::Run(vec![delete(RemoteKind::SourceConnection)])
        );
    }
}

//! Deleting, as a subject of the engine: knows nothing but what status still holds.

use crate::plan::deletion::{Holding, Users, plan};
use crate::plan::{Fate, Plan, RemoteKind, Step};

use super::engine::Subject;
use super::execute::Outcome;
use super::managed::ManagedStatus;

/// The way back of any resource.
#[derive(Debug, Default)]
pub struct Deletion {
    users: Users,
}

impl<S: ManagedStatus> Subject<S> for Deletion {
    fn plan(&self, status: &S) -> Plan {
        plan(&status.holdings(), &self.users)
    }

    fn fold(&mut self, outcome: &Outcome, _: &mut S) {
        if let Outcome::Users(flows) = outcome {
            self.users = Users::Listed(flows.clone());
        }
    }

    // Status alone says what is left; the engine keeps it.
    fn meet(&mut self, _: RemoteKind, _: Fate, _: &S) {}
}

/// What is still held, for messages: `flow f4d1..., target connection b3e2...`.
pub fn describe(holdings: &[Holding]) -> String {
    let names: Vec<String> = holdings
        .iter()
        .map(|holding| match holding {
            Holding::Standing { kind, id } => format!("{} {id}", kind.title()),
            Holding::Pending { kind, .. } => format!("{} (perhaps created)", kind.title()),
        })
        .collect();
    names.join(", ")
}

/// What could not be deleted: what the failed step names, else everything that is left.
pub fn remaining(holdings: &[Holding], step: Option<&Step>) -> String {
    match step {
        Some(Step::Delete { kind, id }) => format!("{} {id}", kind.title()),
        _ => describe(holdings),
    }
}

//! Deleting, as a subject of the engine: knows nothing but what status still holds.

use crate::plan::deletion::{Holding, Sight, Trace, Way};
use crate::plan::marker::Identity;
use crate::plan::{Fate, Plan, RemoteKind, Service, Step, journal};
use crate::platform::{ApiError, Etag};
use crate::resources::lifecycle::DeletionPolicy;

use super::engine::Subject;
use super::execute::Outcome;
use super::managed::ManagedStatus;

/// The way back of any resource.
#[derive(Debug)]
pub struct Deletion {
    identity: Identity,
    way: Way,
    /// Objects that turned out not to be ours any more, in words; nothing was done to them.
    pub let_go: Vec<String>,
}

impl Deletion {
    /// The way back of the resource `identity`; `webhook` is what a webhook of it is known by.
    pub fn new(identity: Identity, policy: DeletionPolicy, webhook: Option<Trace>) -> Self {
        Self {
            identity,
            way: Way::new(policy).tracing(webhook),
            let_go: Vec::new(),
        }
    }

    fn saw<S: ManagedStatus>(&mut self, kind: RemoteKind, id: &str, sight: Sight, status: &mut S) {
        if let Sight::NotOurs(why) = &sight
            && !self.way.retains()
        {
            self.let_go
                .push(format!("{} {id}, because {why}", kind.title()));
            self.way.lost_twin(kind, id);
            if status.id(kind) == Some(id) {
                status.forget(kind);
            }
            if kind == RemoteKind::Flow {
                // What the flow of somebody else names is in use there.
                for named in [RemoteKind::TargetConnection, RemoteKind::MappingSet] {
                    if let Some(id) = status.id(named).map(str::to_owned) {
                        let title = named.title();
                        self.let_go
                            .push(format!("{title} {id}, because that flow uses it"));
                        status.forget(named);
                    }
                }
            }
        }
        self.way.saw(kind, id, sight);
    }

    fn sight(&self, description: &str, etag: &Etag) -> Sight {
        Sight::of(&self.identity, description, etag)
    }
}

impl<S: ManagedStatus> Subject<S> for Deletion {
    fn plan(&self, status: &S) -> Plan {
        self.way.plan(&status.holdings())
    }

    fn fold(&mut self, outcome: &Outcome, status: &mut S) {
        match outcome {
            Outcome::Users(users) => self.way.met_users(users.clone()),
            Outcome::SourceConnection(found) => {
                let sight = self.sight(&found.description, &found.etag);
                self.saw(RemoteKind::SourceConnection, &found.id, sight, status);
            }
            Outcome::TargetConnection(found) => {
                let sight = self.sight(&found.description, &found.etag);
                self.saw(RemoteKind::TargetConnection, &found.id, sight, status);
            }
            Outcome::Flow(found) => {
                let sight = match self.sight(&found.description, &found.etag) {
                    Sight::Marked { .. } | Sight::Plain if found.state.is_going() => Sight::Going,
                    sight => sight,
                };
                self.saw(RemoteKind::Flow, &found.id, sight, status);
            }
            Outcome::Webhooks { id, own, others } => {
                self.way.saw_webhooks(id, own.is_some(), others);
            }
            Outcome::Webhook(found) => {
                let id = found.id.to_string();
                self.saw(RemoteKind::Subscription, &id, Sight::Plain, status);
            }
            Outcome::FieldGroup(found) => {
                let sight = self.sight(&found.description, &Etag::default());
                self.saw(RemoteKind::FieldGroup, &found.id, sight, status);
            }
            Outcome::Schema(found) => {
                let sight = self.sight(&found.description, &Etag::default());
                self.saw(RemoteKind::Schema, &found.id, sight, status);
            }
            Outcome::Dataset(found) => {
                let sight = Sight::of_dataset(&self.identity, found);
                self.saw(RemoteKind::Dataset, &found.id, sight, status);
            }
            Outcome::Changed { kind, id, .. } | Outcome::Kept { kind, id } => {
                self.way.saw(*kind, id, Sight::Released);
            }
            Outcome::Deleted { kind, id, .. } => {
                self.way.lost_twin(*kind, id);
                self.way.forget(*kind, id);
            }
            _ => {}
        }
    }

    fn meet(&mut self, kind: RemoteKind, fate: Fate, status: &S) {
        match fate {
            Fate::Missing => {
                // Read, or to be released by a change that AEP answers with 404: nothing is to be done to it.
                if let Some(id) = self.way.untouched(&status.holdings(), kind) {
                    self.way.saw(kind, &id, Sight::Unseen);
                }
            }
            Fate::Unread => self.way.unsee(kind),
            // Status alone says what is left; the engine keeps it.
            Fate::Absent { .. } | Fate::Unsettled { .. } => {}
        }
    }

    fn met_many(&mut self, kind: RemoteKind, ids: &[String], status: &mut S) -> bool {
        let Some((first, twins)) = ids.split_first() else {
            return false;
        };
        // To be deleted: all but one, which the next look-up finds alone; a crash in between is followed
        // by this look-up again. To be released: whatever happens, all of them stay.
        if self.way.retains() {
            status.record(kind, first, "", 0);
            journal::settle(status.common().pending, kind);
        }
        self.way.met_twins(kind, twins);
        true
    }

    /// What is to be released is released as far as AEP allows.
    fn keeps(&self, kind: RemoteKind) -> bool {
        kind != RemoteKind::Flow
    }

    fn kept(&self, kind: RemoteKind, id: &str, error: &ApiError) -> (&'static str, String) {
        let title = kind.title();
        let note = format!(
            "AEP does not let {title} {id} be changed ({error}); its description keeps this resource's ownership \
             marker. Whoever adopts it needs spec.adopt.policy TakeOver."
        );
        ("NotReleased", note)
    }
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

/// Where it stands, for messages.
pub fn place(holdings: &[Holding]) -> &'static str {
    let outside = |it: &Holding| it.kind().service() == Service::CustomerIo;
    let outside = holdings.iter().any(outside);
    if outside {
        "AEP and Customer.io"
    } else {
        "AEP"
    }
}

/// What could not be deleted: what the failed step names, else everything that is left.
pub fn remaining(holdings: &[Holding], step: Option<&Step>) -> String {
    match step {
        Some(Step::Delete { kind, id }) => format!("{} {id}", kind.title()),
        _ => describe(holdings),
    }
}

//! The way back: what is left of a resource's remote objects, and what to delete or release next.
//!
//! Of the spec only `deletionPolicy` plays a part: a resource with a broken spec can always be deleted.
//!
//! 1. What may stand is looked up; of several hits all but one go first, then it is looked up again.
//! 2. What stands is read: what carries another's marker, or none but `released`, is not ours any more
//!    and is let go of. No marker at all is ours by its id; a 404 proves nothing, a label hides objects.
//! 3. `Delete`: a flow goes first, then its target connection, then its mapping set; a source connection
//!    only when no flow names it; a dataset before its schema before its field group. `Retain`: the marker becomes
//!    `released`, where AEP lets it be changed.
//!
//! A webhook carries no marker: it is known by where it sends to ([`Trace`]), ours by its id or its name. It goes
//! before the flow it sends to; one that a changed key does not show may stand in another workspace.

use k8s_openapi::jiff::Timestamp;

use crate::customer_io::Endpoint;
use crate::platform::{Dataset, Etag, PatchOperation};
use crate::resources::conditions::Reason;
use crate::resources::lifecycle::DeletionPolicy;

use super::desired_dataset::{OWNER_TAG, RELEASED_TAG, is_tagged};
use super::failure::Failure;
use super::marker::{Ending, Identity, released};
use super::subscription::Other;
use super::{Plan, RemoteKind, Step, Wait};

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

impl Holding {
    /// Kind of object.
    pub fn kind(&self) -> RemoteKind {
        match self {
            Self::Standing { kind, .. } | Self::Pending { kind, .. } => *kind,
        }
    }
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

/// What a webhook is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Where it sends to, as far as that is known.
    pub endpoint: Option<Endpoint>,
    /// The name it is given.
    pub name: String,
    /// The App API key is not the one it was made with.
    pub other_key: bool,
}

/// A flow that names a source connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id and name, for messages.
    pub title: String,
    /// Whether AEP is deleting it.
    pub going: bool,
}

/// What a look at an object showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Ours, with our marker: the description it has once it is released, and the version read.
    Marked {
        /// The description without us.
        released: String,
        /// The version read.
        etag: Etag,
    },
    /// Ours by its id alone.
    Plain,
    /// AEP is deleting it already.
    Going,
    /// AEP shows none.
    Unseen,
    /// Not ours any more; why, in words.
    NotOurs(String),
    /// Released, or as far as AEP allows.
    Released,
}

impl Sight {
    /// What `description` says to the resource `identity`.
    pub fn of(identity: &Identity, description: &str, etag: &Etag) -> Self {
        match Ending::of(description) {
            Ending::Plain => Self::Plain,
            Ending::Released => Self::NotOurs("it was released".to_owned()),
            Ending::Unreadable => Self::NotOurs(
                "it carries an ownership marker that this version cannot read".to_owned(),
            ),
            Ending::Owned { text, marker } if identity.owns(&marker.identity) => Self::Marked {
                released: released(text),
                etag: etag.clone(),
            },
            Ending::Owned { marker, .. } => {
                let Identity {
                    owner,
                    namespace,
                    name,
                    ..
                } = marker.identity;
                Self::NotOurs(format!(
                    "it belongs to {namespace}/{name} of owner {owner} now"
                ))
            }
        }
    }

    /// The same for a dataset, whose tag says it too.
    pub fn of_dataset(identity: &Identity, dataset: &Dataset) -> Self {
        let etag = Etag::default();
        match Self::of(identity, &dataset.description, &etag) {
            Self::Plain if is_tagged(dataset, identity) => Self::Marked {
                released: released(&dataset.description),
                etag,
            },
            sight => sight,
        }
    }
}

/// One way back: what is wanted, and what was learnt on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    policy: DeletionPolicy,
    sights: Vec<(RemoteKind, String, Sight)>,
    twins: Vec<(RemoteKind, String)>,
    users: Option<Vec<User>>,
    webhook: Option<Trace>,
}

impl Way {
    /// Nothing learnt yet.
    pub fn new(policy: DeletionPolicy) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// With what the resource's webhook is known by, if it may have one.
    #[must_use]
    pub fn tracing(self, webhook: Option<Trace>) -> Self {
        Self { webhook, ..self }
    }

    /// The webhooks were listed: `own` of them is in status, or a twin; `others` send to the same flow.
    pub fn saw_webhooks(&mut self, id: &str, own: bool, others: &[Other]) {
        let kind = RemoteKind::Subscription;
        let sight = if own { Sight::Plain } else { Sight::Unseen };
        self.saw(kind, id, sight);
        let Some(trace) = &self.webhook else { return };
        let twins: Vec<String> = others
            .iter()
            .filter(|other| other.name == trace.name)
            .map(|other| other.id.clone())
            .filter(|id| !self.twins.contains(&(kind, id.clone())))
            .collect();
        for twin in &twins {
            self.saw(kind, twin, Sight::Plain);
        }
        self.met_twins(kind, &twins);
    }

    /// Whether the objects stay.
    pub fn retains(&self) -> bool {
        self.policy == DeletionPolicy::Retain
    }

    /// An object was looked at.
    pub fn saw(&mut self, kind: RemoteKind, id: &str, sight: Sight) {
        self.forget(kind, id);
        self.sights.push((kind, id.to_owned(), sight));
    }

    /// What is known of an object is out of date, or it is gone.
    pub fn forget(&mut self, kind: RemoteKind, id: &str) {
        self.sights
            .retain(|(of, seen, _)| (*of, seen.as_str()) != (kind, id));
    }

    /// Objects of the same marker as one that is kept in mind elsewhere.
    pub fn met_twins(&mut self, kind: RemoteKind, ids: &[String]) {
        self.twins.extend(ids.iter().map(|id| (kind, id.clone())));
    }

    /// A twin is gone; `false`: this was none.
    pub fn lost_twin(&mut self, kind: RemoteKind, id: &str) -> bool {
        let before = self.twins.len();
        self.twins
            .retain(|(of, twin)| (*of, twin.as_str()) != (kind, id));
        self.twins.len() != before
    }

    /// The flows on the source connection were listed.
    pub fn met_users(&mut self, users: Vec<User>) {
        self.users = Some(users);
    }

    /// The next steps back. Look-ups come first: what is unsettled may exist.
    pub fn plan(&self, holdings: &[Holding]) -> Plan {
        let unsettled: Vec<(RemoteKind, i64)> = holdings
            .iter()
            .filter_map(|holding| match holding {
                Holding::Pending { kind, attempt } if !self.has_twins(*kind) => {
                    Some((*kind, *attempt))
                }
                _ => None,
            })
            .collect();
        let lookups: Option<Vec<Step>> = unsettled
            .into_iter()
            .map(|(kind, attempt)| self.look_up(kind, attempt))
            .collect();
        let Some(lookups) = lookups else {
            return Plan::Stop(Failure::webhook_untraceable());
        };
        let standing = self.standing(holdings);
        let reads = standing
            .iter()
            .filter(|(kind, id)| self.sight(*kind, id).is_none())
            .filter_map(|(kind, id)| self.look_at(*kind, id));
        run(lookups.into_iter())
            .or_else(|| run(reads))
            .unwrap_or_else(|| match self.policy {
                DeletionPolicy::Delete => self.delete(&standing),
                DeletionPolicy::Retain => self.release(&standing),
            })
    }

    /// The look-up of an attempt; none where nobody knows what to look for.
    fn look_up(&self, kind: RemoteKind, attempt: i64) -> Option<Step> {
        if kind != RemoteKind::Subscription {
            return Some(Step::LookUp { kind, attempt });
        }
        let trace = self.webhook.as_ref()?;
        Some(Step::FindSubscription {
            attempt,
            endpoint: trace.endpoint.clone()?,
            // What somebody else made for this flow is not ours to delete.
            name: Some(trace.name.clone()),
        })
    }

    /// The look at an object before anything is done to it, where it is worth one.
    fn look_at(&self, kind: RemoteKind, id: &str) -> Option<Step> {
        let id = id.to_owned();
        match (kind, &self.webhook) {
            (RemoteKind::MappingSet, _) => None,
            (RemoteKind::Subscription, _) if self.retains() => None,
            (
                RemoteKind::Subscription,
                Some(Trace {
                    endpoint: Some(endpoint),
                    ..
                }),
            ) => Some(Step::SeeSubscription {
                id,
                endpoint: endpoint.clone(),
            }),
            _ => Some(Step::Read { kind, id }),
        }
    }

    fn delete(&self, standing: &[(RemoteKind, String)]) -> Plan {
        let of = |wanted: &[RemoteKind]| {
            let found = standing.iter().filter(|(kind, _)| wanted.contains(kind));
            found.cloned().collect::<Vec<_>>()
        };
        let webhooks = of(&[RemoteKind::Subscription]);
        if self.webhook.as_ref().is_some_and(|trace| trace.other_key)
            && let Some((_, id)) = webhooks
                .iter()
                .find(|(kind, id)| self.sight(*kind, id) == Some(&Sight::Unseen))
        {
            return Plan::Stop(Failure::another_workspace(Some(id)));
        }
        // Before the flow: what it sends afterwards would be refused, and hold up what comes after it.
        if let Some(plan) = run(webhooks.into_iter().map(delete)) {
            return plan;
        }
        let flows = of(&[RemoteKind::Flow]);
        if let Some((_, id)) = flows
            .iter()
            .find(|(kind, id)| self.sight(*kind, id) == Some(&Sight::Going))
        {
            return going(format!("AEP is deleting flow {id}."));
        }
        if let Some(plan) = run(flows.into_iter().map(delete)) {
            return plan;
        }
        // The target connection first: AEP refuses it in so many words for as long as it takes to delete the
        // flow. A mapping set that is refused is taken for one that cannot be deleted at all.
        for kind in [
            RemoteKind::TargetConnection,
            RemoteKind::MappingSet,
            RemoteKind::Dataset,
            RemoteKind::Schema,
            RemoteKind::FieldGroup,
        ] {
            if let Some(plan) = run(of(&[kind]).into_iter().map(delete)) {
                return plan;
            }
        }
        let sources = of(&[RemoteKind::SourceConnection]);
        let (Some((_, id)), users) = (sources.first(), &self.users) else {
            return Plan::Done;
        };
        let Some(users) = users else {
            return Plan::Run(vec![Step::FindUsers {
                source_connection: id.clone(),
            }]);
        };
        let staying: Vec<String> = users
            .iter()
            .filter(|user| !user.going)
            .map(|user| user.title.clone())
            .collect();
        if !staying.is_empty() {
            return Plan::Stop(Failure::source_connection_in_use(id, &staying));
        }
        if let Some(user) = users.first() {
            return going(format!(
                "AEP is deleting flow {}, which names source connection {id}.",
                user.title
            ));
        }
        Plan::Run(sources.into_iter().map(delete).collect())
    }

    fn release(&self, standing: &[(RemoteKind, String)]) -> Plan {
        let patches = standing.iter().filter_map(|(kind, id)| {
            let Some(Sight::Marked { released, etag }) = self.sight(*kind, id) else {
                return None;
            };
            Some(Step::Patch {
                kind: *kind,
                id: id.clone(),
                etag: etag.clone(),
                operations: release(*kind, released),
            })
        });
        run(patches).unwrap_or(Plan::Done)
    }

    /// Everything that stands: what status records, and its twins.
    fn standing(&self, holdings: &[Holding]) -> Vec<(RemoteKind, String)> {
        let recorded = holdings.iter().filter_map(|holding| match holding {
            Holding::Standing { kind, id } => Some((*kind, id.clone())),
            Holding::Pending { .. } => None,
        });
        recorded.chain(self.twins.iter().cloned()).collect()
    }

    fn sight(&self, kind: RemoteKind, id: &str) -> Option<&Sight> {
        let seen = self
            .sights
            .iter()
            .find(|(of, seen, _)| (*of, seen.as_str()) == (kind, id));
        seen.map(|(_, _, sight)| sight)
    }

    /// Of a kind, the object that the next step is about: the first that was not looked at yet, else the first
    /// that is still marked.
    pub fn untouched(&self, holdings: &[Holding], kind: RemoteKind) -> Option<String> {
        let standing = self.standing(holdings);
        let mut of_kind = standing.iter().filter(|(of, _)| *of == kind);
        let marked = |id: &str| matches!(self.sight(kind, id), Some(Sight::Marked { .. }));
        of_kind
            .clone()
            .find(|(_, id)| self.sight(kind, id).is_none())
            .or_else(|| of_kind.find(|(_, id)| marked(id)))
            .map(|(_, id)| id.clone())
    }

    /// Drops every sight of a kind: one of them was out of date.
    pub fn unsee(&mut self, kind: RemoteKind) {
        self.sights.retain(|(of, _, _)| *of != kind);
    }

    fn has_twins(&self, kind: RemoteKind) -> bool {
        self.twins.iter().any(|(of, _)| *of == kind)
    }
}

/// What takes this resource's ownership off an object.
fn release(kind: RemoteKind, released: &str) -> Vec<PatchOperation> {
    if kind == RemoteKind::Dataset {
        // It may be ours by its tag alone, and have no description to replace.
        return vec![
            PatchOperation::add("/description", released),
            PatchOperation::set_tag(OWNER_TAG, RELEASED_TAG),
        ];
    }
    vec![PatchOperation::replace("/description", released)]
}

fn run(steps: impl Iterator<Item = Step>) -> Option<Plan> {
    let steps: Vec<Step> = steps.collect();
    (!steps.is_empty()).then_some(Plan::Run(steps))
}

fn delete((kind, id): (RemoteKind, String)) -> Step {
    Step::Delete { kind, id }
}

/// AEP takes its time with a deletion.
fn going(message: String) -> Plan {
    Plan::Wait(Wait {
        reason: Reason::Deleting,
        message,
        poll: true,
    })
}

#[cfg(test)]
#[path = "deletion_tests.rs"]
mod tests;

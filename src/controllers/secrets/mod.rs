//! Keeps Secrets that are in use: the finalizer `aep-operator.dev/in-use`, as
//! [`crate::plan::secret_use`] decides.
//!
//! Watches and reconciles say that a Secret deserves a look ([`Secrets::saw`], [`Secrets::dropped`]); one task takes the looks one after the other and decides each from live reads.
//! Where Secrets are not watched, [`poll`] says so, later.
//! A reconcile has the finalizer put on before its first creation ([`Secrets::hold`]).
//!
//! # Guarantees
//!
//! - The finalizer stands before the first remote object is made with a Secret.
//! - It is put on and taken off by what live lists say, so neither a crash nor a stale cache loses or
//!   forgets one: after a start every Secret that carries it is looked at again, if Secrets are watched; else those
//!   that a resource names.
//! - Of a Secret nothing but metadata is read here, and nothing but this finalizer is written.
//! - In steady state there is no call but those of [`poll`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, ListParams, PartialObjectMeta, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt as _};
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::plan::Failure;
use crate::plan::secret_use::{SecretState, Users, Verdict, decide};
use crate::resources::conditions::Reason;
use crate::resources::{AepDataflow, AepDataset, CustomerIoSource, FINALIZER, IN_USE};

use super::context::Context;
use super::dependencies::Dependency;
use super::kind::Kind;
use super::record::{RecordError, is_forbidden, within};
use crate::work::Key;

pub mod poll;

/// After a start, until every resource has had its first reconcile and the index knows who uses what.
const SETTLED: Duration = Duration::from_secs(30);
/// After the API server failed.
const RETRY: Duration = Duration::from_secs(10);

/// A Secret to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    key: Key,
    /// Nobody was known to use it; it matters only if that is still so, and is in no hurry.
    unused: bool,
}

/// What this process knows of the Secrets in use.
pub struct Secrets {
    protect: bool,
    looks: UnboundedSender<Look>,
    /// Taken for every change of a finalizer: a look that finds no user and a reconcile that becomes one
    /// must not overlap.
    changing: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Those that carry the finalizer, as far as this process made sure.
    held: BTreeSet<Key>,
    /// Those being deleted: uid, and since when this process has known.
    going: BTreeMap<Key, (String, Instant)>,
}

impl Secrets {
    /// Knows nothing yet; `looks` is what [`run`] reads.
    pub fn new(protect: bool, looks: UnboundedSender<Look>) -> Self {
        Self {
            protect,
            looks,
            changing: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// A Secret as a watch shows it; `used`: whether a resource is known to name it.
    pub fn saw(&self, secret: &impl Resource, used: bool) {
        let key = Key::new(secret.namespace().unwrap_or_default(), secret.name_any());
        let (held, going) = (is_held(secret), secret.meta().deletion_timestamp.is_some());
        if !held || going {
            self.known().held.remove(&key);
        }
        if !held {
            self.known().going.remove(&key);
        }
        let unused = held && !going && !used;
        if (held && going) || unused || (!held && !going && used && self.protect) {
            self.send(key, unused && self.protect);
        }
    }

    /// Dependencies that a resource has no more: a Secret that nobody names now, or that waits for such an
    /// end, is looked at.
    pub fn dropped(&self, context: &Context, dependencies: Vec<Dependency>) {
        for dependency in dependencies {
            let used = context.is_named(&dependency);
            if let Dependency::Secret(key) = dependency
                && (!used || self.known().going.contains_key(&key))
            {
                self.send(key, false);
            }
        }
    }

    /// Before a resource with our finalizer makes its first remote object with a Secret: the Secret
    /// stays from now on. A reason not to go on, if it is being deleted already. `seen`: whether it carried the finalizer
    /// when it was read just now.
    pub async fn hold(
        &self,
        client: &Client,
        key: &Key,
        seen: bool,
    ) -> Result<Option<Failure>, RecordError> {
        // Whoever takes it off takes it out of here first and then lists who has our finalizer, as this
        // resource has.
        if !self.protect || (seen && self.known().held.contains(key)) {
            return Ok(None);
        }
        let _changing = self.changing.lock().await;
        let api: Api<PartialObjectMeta<Secret>> = Api::namespaced(client.clone(), key.namespace());
        let Some(secret) = within(api.get_opt(key.name())).await? else {
            return Ok(Some(going(key.name())));
        };
        if secret.metadata.deletion_timestamp.is_some() {
            return Ok(Some(going(key.name())));
        }
        if !is_held(&secret) && !self.set(&api, key, &secret, true).await? {
            return Ok(None);
        }
        self.known().held.insert(key.clone());
        Ok(None)
    }

    /// Looks at one Secret; `Some`: again after this.
    async fn visit(&self, context: &Context, look: &Look) -> Result<Option<Duration>, RecordError> {
        let Look { key, unused } = look;
        let secret_key = Dependency::Secret(key.clone());
        if *unused && context.is_named(&secret_key) {
            return Ok(None);
        }
        let changing = self.changing.lock().await;
        self.known().held.remove(key);
        let api: Api<PartialObjectMeta<Secret>> =
            Api::namespaced(context.client.clone(), key.namespace());
        let Some(secret) = within(api.get_opt(key.name())).await? else {
            self.known().going.remove(key);
            return Ok(None);
        };
        let state = SecretState {
            held: is_held(&secret),
            going_for: self.going_for(key, &secret),
        };
        let sources = users_of::<CustomerIoSource>(context, key).await?;
        let datasets = users_of::<AepDataset>(context, key).await?;
        let users = if sources.iter().any(is_going) || datasets.iter().any(is_going) {
            Users::Going
        } else if sources.is_empty() && datasets.is_empty() {
            Users::None
        } else {
            Users::Some
        };
        let mut verdict = decide(self.protect, state, users);
        if verdict == Verdict::LookCloser {
            // It is going: nobody can put a finalizer on it meanwhile.
            drop(changing);
            let going = namespace_is_going(context, key.namespace()).await?
                || dataflow_is_going(context, key.namespace(), &sources).await?;
            let users = if going { Users::Going } else { Users::Staying };
            verdict = decide(self.protect, state, users);
        }
        // A replica that does not lead any more leaves Secrets to the one that does.
        context.tenure.check()?;
        match verdict {
            Verdict::Hold => {
                if self.set(&api, key, &secret, true).await? {
                    self.known().held.insert(key.clone());
                }
            }
            Verdict::Release => {
                self.set(&api, key, &secret, false).await?;
            }
            Verdict::LookAgain(pause) => return Ok(Some(pause)),
            Verdict::Leave | Verdict::LookCloser => {
                if state.held && state.going_for.is_none() {
                    self.known().held.insert(key.clone());
                }
            }
        }
        Ok(None)
    }

    /// Puts the finalizer on or takes it off, if the Secret is still as it was read. `false`: this
    /// process has no right to, so Secrets are not kept.
    async fn set(
        &self,
        api: &Api<PartialObjectMeta<Secret>>,
        key: &Key,
        secret: &PartialObjectMeta<Secret>,
        hold: bool,
    ) -> Result<bool, RecordError> {
        let (namespace, name) = key.parts();
        let mut finalizers = secret.finalizers().to_vec();
        finalizers.retain(|finalizer| finalizer != IN_USE);
        if hold {
            finalizers.push(IN_USE.to_owned());
        }
        let patch = json!({"metadata": {
            "uid": secret.uid(), "resourceVersion": secret.resource_version(), "finalizers": finalizers,
        }});
        let params = PatchParams::default();
        match within(api.patch_metadata(name, &params, &Patch::Merge(&patch))).await {
            Ok(_) => info!(
                namespace,
                name, hold, "the Secret's finalizer {IN_USE} is set"
            ),
            Err(RecordError::Gone) => {}
            Err(RecordError::Kube(error)) if is_forbidden(&error) => {
                warn!(namespace, name, %error, "cannot protect Secrets in use: give the operator the right to patch \
                     secrets, as its chart does, or run it with --protect-secrets=false");
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn going_for(&self, key: &Key, secret: &PartialObjectMeta<Secret>) -> Option<Duration> {
        let mut known = self.known();
        if secret.metadata.deletion_timestamp.is_none() {
            known.going.remove(key);
            return None;
        }
        let (uid, now) = (secret.uid().unwrap_or_default(), Instant::now());
        let entry = known.going.entry(key.clone()).or_insert((uid.clone(), now));
        if entry.0 != uid {
            *entry = (uid, now);
        }
        Some(now.saturating_duration_since(entry.1))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, key: Key, unused: bool) {
        // A closed channel means that the operator is ending.
        let _ = self.looks.unbounded_send(Look { key, unused });
    }
}

/// Takes looks, each Secret once, until `stop`.
pub async fn run(context: &Context, mut looks: UnboundedReceiver<Look>, stop: &CancellationToken) {
    let mut due = Due::default();
    loop {
        let next = due.next();
        let pause = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            look = looks.next() => {
                let Some(look) = look else { return };
                let pause = if look.unused { SETTLED } else { Duration::ZERO };
                due.add(look, Instant::now() + pause);
            }
            () = pause => {
                let Some(look) = due.take() else { continue };
                let again = match context.secrets.visit(context, &look).await {
                    Ok(again) => again,
                    Err(RecordError::Conflict) => Some(Duration::from_millis(100)),
                    Err(error) => {
                        let (namespace, name) = look.key.parts();
                        warn!(namespace, name, %error, "cannot look after a Secret in use; it is tried again");
                        Some(RETRY)
                    }
                };
                if let Some(pause) = again {
                    debug!(namespace = look.key.namespace(), name = look.key.name(), ?pause, "the Secret stays for now");
                    due.add(look, Instant::now() + pause);
                }
            }
        }
    }
}

/// Looks by their time; one for each Secret, the earliest.
#[derive(Debug, Default)]
struct Due {
    times: BTreeSet<(Instant, Key)>,
    looks: BTreeMap<Key, (Instant, Look)>,
}

impl Due {
    fn add(&mut self, look: Look, at: Instant) {
        let key = look.key.clone();
        if let Some((before, _)) = self.looks.get(&key) {
            if *before <= at {
                return;
            }
            self.times.remove(&(*before, key.clone()));
        }
        self.times.insert((at, key.clone()));
        self.looks.insert(key, (at, look));
    }

    fn next(&self) -> Option<Instant> {
        self.times.first().map(|(at, _)| *at)
    }

    fn take(&mut self) -> Option<Look> {
        let (_, key) = self.times.pop_first()?;
        self.looks.remove(&key).map(|(_, look)| look)
    }
}

/// The sources or datasets that name the Secret and hold, or may hold, something in AEP. Dataflows need no list of
/// their own: a source stays as long as one on it holds something.
async fn users_of<K: Kind>(
    context: &Context,
    key: &Key,
) -> Result<Vec<PartialObjectMeta<K>>, RecordError> {
    let api: Api<PartialObjectMeta<K>> = Api::namespaced(context.client.clone(), key.namespace());
    let mut found = Vec::new();
    for field in K::SECRETS {
        let params = ListParams::default().fields(&format!("{field}={}", key.name()));
        found.extend(listed(within(api.list(&params)).await)?);
    }
    found.retain(|source| source.finalizers().iter().any(|name| name == FINALIZER));
    Ok(found)
}

async fn dataflow_is_going(
    context: &Context,
    namespace: &str,
    sources: &[PartialObjectMeta<CustomerIoSource>],
) -> Result<bool, RecordError> {
    let api: Api<PartialObjectMeta<AepDataflow>> =
        Api::namespaced(context.client.clone(), namespace);
    for source in sources {
        let selector = format!("spec.sourceRef.name={}", source.name_any());
        let found = listed(within(api.list(&ListParams::default().fields(&selector))).await)?;
        if found.iter().any(is_going) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a list brought; a kind whose definition is gone has no objects.
fn listed<T: Clone>(
    list: Result<kube::core::ObjectList<T>, RecordError>,
) -> Result<Vec<T>, RecordError> {
    match list {
        Ok(list) => Ok(list.items),
        Err(RecordError::Gone) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn namespace_is_going(context: &Context, name: &str) -> Result<bool, RecordError> {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(context.client.clone());
    match within(api.get_opt(name)).await {
        Ok(namespace) => {
            Ok(namespace.is_none_or(|found| found.metadata.deletion_timestamp.is_some()))
        }
        // Without the right to look, the resources in it still show that it is going.
        Err(RecordError::Kube(error)) if is_forbidden(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_held(secret: &impl Resource) -> bool {
    secret.finalizers().iter().any(|name| name == IN_USE)
}

fn is_going<K>(object: &PartialObjectMeta<K>) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

fn going(name: &str) -> Failure {
    Failure::stalled(
        Reason::SecretMissing,
        format!(
            "Secret \"{name}\" is being deleted, so nothing new is made with it. It goes once no resource that uses it is \
             being deleted any more; create it again then."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_looks_at_one_secret_the_earlier_counts() {
        let mut due = Due::default();
        let now = Instant::now();
        let look = |name: &str, unused| Look {
            key: Key::new("n", name),
            unused,
        };
        due.add(look("a", true), now + SETTLED);
        due.add(look("b", false), now + RETRY);
        due.add(look("a", false), now);
        due.add(look("a", true), now + SETTLED);
        assert_eq!(due.next(), Some(now));
        assert_eq!(due.take(), Some(look("a", false)));
        assert_eq!(due.take(), Some(look("b", false)));
        assert_eq!(due.take(), None);
    }
}

//! The controllers as they run: metadata watches in, reconciles out.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::channel::mpsc::UnboundedReceiver;
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::controller::{Action, Config, Error};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, WatchStreamExt as _, watcher};
use kube::{Resource, ResourceExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, error, info_span, warn};

use crate::metrics::Metrics;
use crate::plan::pace::Pace;
use crate::resources::{AepDataflow, CustomerIoSource};

use super::context::Context;
use super::dependencies::{Dependency, Key};
use super::reconcile::{Kind, after_error, reconcile};
use super::retries::Inputs;

/// Reconciles of one controller at the same time.
const CONCURRENCY: u16 = 32;

/// Where [`super::context::Side::wake`] is heard.
#[derive(Debug)]
pub struct Wakes {
    /// For `CustomerIoSource`.
    pub sources: UnboundedReceiver<Key>,
    /// For `AepDataflow`.
    pub dataflows: UnboundedReceiver<Key>,
}

struct Shared {
    context: Arc<Context>,
    metrics: Arc<Metrics>,
}

/// Runs both controllers until `stop`; reconciles under way are finished. `ready` is cancelled (as a
/// token that nobody takes back) once both have seen everything there is.
pub async fn run(
    context: Arc<Context>,
    wakes: Wakes,
    metrics: Arc<Metrics>,
    ready: CancellationToken,
    stop: CancellationToken,
) {
    let shared = Arc::new(Shared {
        context: Arc::clone(&context),
        metrics,
    });
    let sources = controller::<CustomerIoSource>(&context, wakes.sources, &stop);
    let source_store = sources.store();
    let sources = drain(on_secrets(sources, &context), Arc::clone(&shared));
    let dataflows = controller::<AepDataflow>(&context, wakes.dataflows, &stop);
    let dataflow_store = dataflows.store();
    let dataflows = drain(
        on_sources(on_secrets(dataflows, &context), &context),
        shared,
    );
    let readiness = async {
        let seen = async {
            futures::join!(
                source_store.wait_until_ready(),
                dataflow_store.wait_until_ready()
            )
        };
        tokio::select! {
            (Ok(()), Ok(())) = seen => ready.cancel(),
            () = stop.cancelled() => {}
            else => {}
        }
    };
    futures::join!(sources, dataflows, readiness);
}

/// A controller whose own watch is of metadata, without what nobody reads, and silent about the
/// status writes of its own reconciles.
fn controller<K: Kind>(
    context: &Context,
    wakes: UnboundedReceiver<Key>,
    stop: &CancellationToken,
) -> Controller<PartialObjectMeta<K>> {
    let api: Api<PartialObjectMeta<K>> = Api::all(context.client.clone());
    let (reader, writer) = reflector::store();
    let triggers = watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(prune)
        .reflect(writer)
        .touched_objects()
        .predicate_filter(relevant::<K>, kube::runtime::PredicateConfig::default());
    let wakes = wakes.map(|key| ObjectRef::new(&key.name).within(&key.namespace));
    Controller::for_stream(triggers, reader)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(wakes)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
}

fn prune<K>(object: &mut PartialObjectMeta<K>) {
    object.metadata.managed_fields = None;
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// What of an object's metadata may change the outcome of a reconcile.
#[expect(clippy::unnecessary_wraps, reason = "the shape of a predicate")]
fn relevant<K>(object: &PartialObjectMeta<K>) -> Option<u64> {
    let meta = &object.metadata;
    let mut hasher = DefaultHasher::new();
    meta.uid.hash(&mut hasher);
    meta.generation.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    meta.annotations.hash(&mut hasher);
    Some(hasher.finish())
}

fn on_secrets<K: Kind>(
    controller: Controller<PartialObjectMeta<K>>,
    context: &Arc<Context>,
) -> Controller<PartialObjectMeta<K>> {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::all(context.client.clone());
    let context = Arc::clone(context);
    controller.watches(secrets, watcher::Config::default(), move |secret| {
        dependents::<K>(&context, &Dependency::Secret(key_of(&secret)))
    })
}

fn on_sources(
    controller: Controller<PartialObjectMeta<AepDataflow>>,
    context: &Arc<Context>,
) -> Controller<PartialObjectMeta<AepDataflow>> {
    let sources: Api<PartialObjectMeta<CustomerIoSource>> = Api::all(context.client.clone());
    let context = Arc::clone(context);
    controller.watches(sources, watcher::Config::default(), move |source| {
        dependents::<AepDataflow>(&context, &Dependency::Source(key_of(&source)))
    })
}

fn dependents<K: Kind>(context: &Context, on: &Dependency) -> Vec<ObjectRef<PartialObjectMeta<K>>> {
    let keys = K::side(context).dependencies.dependents(on);
    keys.into_iter()
        .map(|key| ObjectRef::new(&key.name).within(&key.namespace))
        .collect()
}

fn key_of(object: &impl Resource) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

async fn drain<K: Kind>(controller: Controller<PartialObjectMeta<K>>, shared: Arc<Shared>) {
    controller
        .run(
            step::<K>,
            |_, _: &Infallible, _| Action::await_change(),
            shared,
        )
        .for_each(|result| async move {
            match result {
                // An object that went between its last event and its turn.
                Ok(_) | Err(Error::ObjectNotFound(_)) => {}
                Err(error) => warn!(kind = &*K::kind(&()), %error, "watch"),
            }
        })
        .await;
}

/// One reconcile: never an error to kube's Controller, which knows no attempts; never a panic.
async fn step<K: Kind>(
    object: Arc<PartialObjectMeta<K>>,
    shared: Arc<Shared>,
) -> Result<Action, Infallible> {
    let key = key_of(&*object);
    let kind = K::kind(&());
    let span = info_span!(
        "reconcile",
        kind = &*kind,
        namespace = key.namespace,
        name = key.name
    );
    let started = Instant::now();
    let side = K::side(&shared.context);
    let reconciled = AssertUnwindSafe(reconcile::<K>(&shared.context, &key))
        .catch_unwind()
        .instrument(span)
        .await;
    let (action, result) = match reconciled {
        Ok(Ok(action)) => (action, "success"),
        Ok(Err(error)) => {
            debug!(kind = &*kind, namespace = key.namespace, name = key.name, %error, "starts over");
            (Action::requeue(after_error(side, &key, &error)), "error")
        }
        Err(_) => {
            error!(
                kind = &*kind,
                namespace = key.namespace,
                name = key.name,
                "reconcile panicked; please report it"
            );
            (
                Action::requeue(side.retries.again(&key, Inputs::of(&"panic"), Pace::Slow)),
                "panic",
            )
        }
    };
    shared.metrics.reconciled(&kind, result, started.elapsed());
    Ok(action)
}

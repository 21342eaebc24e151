//! The controllers as they run: metadata watches in, reconciles out.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::UnboundedReceiver;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::runtime::controller::{Action, Config, Error};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Controller, WatchStreamExt as _, watcher};
use kube::{Resource, ResourceExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, error, error_span, warn};

use crate::metrics::{Line, Metrics};
use crate::plan::pace::Pace;
use crate::resources::{AepDataflow, AepDataset, CustomerIoSource};
use crate::work::progress;

use super::context::Context;
use super::dependencies::{Dependency, Key};
use super::ending::run_to_end;
use super::next::Next;
use super::reconcile::{Kind, after_error, forget, reconcile};
use super::record::{RecordError, within};
use super::retries::Inputs;
use super::secrets::{self, Look};
use super::watch::{self, Seen, watch_backoff};

/// Reconciles of one controller at the same time.
const CONCURRENCY: u16 = 32;
/// Before an object that the store does not know yet is asked for again.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// Where [`super::context::Side::wake`] is heard.
#[derive(Debug)]
pub struct Wakes {
    /// For `CustomerIoSource`.
    pub sources: UnboundedReceiver<Key>,
    /// For `AepDataset`.
    pub datasets: UnboundedReceiver<Key>,
    /// For `AepDataflow`.
    pub dataflows: UnboundedReceiver<Key>,
    /// For Secrets in use.
    pub secrets: UnboundedReceiver<Look>,
}

struct Shared {
    context: Arc<Context>,
    line: Line,
}

/// Runs the controllers until `stop`; reconciles under way are finished. `ready` is cancelled (as a
/// token that nobody takes back) once all have seen everything there is.
pub async fn run(
    context: Arc<Context>,
    wakes: Wakes,
    metrics: Arc<Metrics>,
    ready: CancellationToken,
    stop: CancellationToken,
) {
    let shared = |word| {
        Arc::new(Shared {
            context: Arc::clone(&context),
            line: metrics.controllers.line(word, CONCURRENCY),
        })
    };
    let shared_by_sources = shared(CustomerIoSource::WORD);
    let sources = controller::<CustomerIoSource>(&shared_by_sources, wakes.sources, &stop);
    let source_store = sources.store();
    let sources = on_secrets(sources, &shared_by_sources, keep_in_use);
    let sources = drain(sources, shared_by_sources);
    let sources = run_to_end(sources, source_store.wait_until_ready(), &stop);
    let shared_by_datasets = shared(AepDataset::WORD);
    let datasets = controller::<AepDataset>(&shared_by_datasets, wakes.datasets, &stop);
    let dataset_store = datasets.store();
    let datasets = on_secrets(datasets, &shared_by_datasets, |_, _| {});
    let datasets = drain(datasets, shared_by_datasets);
    let datasets = run_to_end(datasets, dataset_store.wait_until_ready(), &stop);
    let shared_by_dataflows = shared(AepDataflow::WORD);
    let dataflows = controller::<AepDataflow>(&shared_by_dataflows, wakes.dataflows, &stop);
    let dataflow_store = dataflows.store();
    let dataflows = on_secrets(dataflows, &shared_by_dataflows, |_, _| {});
    let dataflows = on_sources(dataflows, &shared_by_dataflows);
    let dataflows = on_datasets(dataflows, &shared_by_dataflows);
    let dataflows = drain(dataflows, shared_by_dataflows);
    let dataflows = run_to_end(dataflows, dataflow_store.wait_until_ready(), &stop);
    let readiness = async {
        let seen = async {
            futures::join!(
                source_store.wait_until_ready(),
                dataset_store.wait_until_ready(),
                dataflow_store.wait_until_ready()
            )
        };
        tokio::select! {
            biased;
            (Ok(()), Ok(()), Ok(())) = seen => ready.cancel(),
            () = stop.cancelled() => {}
            else => {}
        }
    };
    let in_use = secrets::run(&context, wakes.secrets, &stop);
    let polled = async {
        if !context.settings.watch_secrets {
            secrets::poll::run(&context, &stop).await;
        }
    };
    let turns = async {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            ((), ()) = futures::future::join(
                context.platform.keep_turns(), context.customer_io.keep_turns(),
            ) => {}
        }
    };
    futures::join!(
        sources, datasets, dataflows, in_use, polled, readiness, turns
    );
}

/// A controller whose own watch is of metadata, without what nobody reads, and silent about the
/// status writes of its own reconciles.
fn controller<K: Kind>(
    shared: &Shared,
    wakes: UnboundedReceiver<Key>,
    stop: &CancellationToken,
) -> Controller<Seen<K>> {
    let (changed, woken) = (shared.line.clone(), shared.line.clone());
    let (reader, writer) = reflector::store();
    let triggers = watch::whole::<K>(&shared.context)
        .reflect(writer)
        .filter_map(async |event| event.map(one).transpose())
        .predicate_filter(
            |it: &Seen<K>| Some(it.relevance()),
            kube::runtime::PredicateConfig::default(),
        )
        .inspect_ok(move |object| {
            let Key { namespace, name } = key_of(object);
            changed.add(&namespace, &name);
        });
    let wakes = wakes.map(move |key| {
        woken.add(&key.namespace, &key.name);
        ObjectRef::new(&key.name).within(&key.namespace)
    });
    Controller::for_stream(triggers, reader)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .trigger_backoff(watch_backoff())
        .reconcile_on(wakes)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
}

/// The object of an event. One that is gone differs from what it was last, or the filter for relevant
/// changes would keep its end from us.
fn one<K>(event: watcher::Event<Seen<K>>) -> Option<Seen<K>> {
    match event {
        watcher::Event::Apply(object) | watcher::Event::InitApply(object) => Some(object),
        watcher::Event::Delete(mut object) => {
            object.ended();
            Some(object)
        }
        watcher::Event::Init | watcher::Event::InitDone => None,
    }
}

fn on_secrets<K: Kind>(
    controller: Controller<Seen<K>>,
    shared: &Arc<Shared>,
    and: impl Fn(&Context, &Seen<Secret>) + Send + Sync + 'static,
) -> Controller<Seen<K>> {
    let of_mapper = Arc::clone(shared);
    if !shared.context.settings.watch_secrets {
        return controller;
    }
    controller.watches_stream(watch::touched::<Secret>(&shared.context), move |secret| {
        and(&of_mapper.context, &secret);
        dependents::<K>(&of_mapper, &Dependency::Secret(key_of(&secret)))
    })
}

/// A Secret in use that came, changed or is going.
fn keep_in_use(context: &Context, secret: &Seen<Secret>) {
    let used = Dependency::Secret(key_of(secret));
    context.secrets.saw(secret, context.is_named(&used));
}

fn on_sources(
    controller: Controller<Seen<AepDataflow>>,
    shared: &Arc<Shared>,
) -> Controller<Seen<AepDataflow>> {
    let of_mapper = Arc::clone(shared);
    controller.watches_stream(
        watch::touched::<CustomerIoSource>(&shared.context),
        move |source| dependents::<AepDataflow>(&of_mapper, &Dependency::Source(key_of(&source))),
    )
}

fn on_datasets(
    controller: Controller<Seen<AepDataflow>>,
    shared: &Arc<Shared>,
) -> Controller<Seen<AepDataflow>> {
    let of_mapper = Arc::clone(shared);
    controller.watches_stream(
        watch::touched::<AepDataset>(&shared.context),
        move |dataset| {
            dependents::<AepDataflow>(&of_mapper, &Dependency::Dataset(key_of(&dataset)))
        },
    )
}

fn dependents<K: Kind>(shared: &Shared, on: &Dependency) -> Vec<ObjectRef<Seen<K>>> {
    let keys = K::side(&shared.context).dependencies.dependents(on);
    keys.into_iter()
        .map(|key| {
            shared.line.add(&key.namespace, &key.name);
            ObjectRef::new(&key.name).within(&key.namespace)
        })
        .collect()
}

fn key_of(object: &impl Resource) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

async fn drain<K: Kind>(controller: Controller<Seen<K>>, shared: Arc<Shared>) {
    controller
        .run(
            step::<K>,
            |_, _: &Infallible, _| Action::await_change(),
            Arc::clone(&shared),
        )
        .for_each_concurrent(usize::from(CONCURRENCY), |result| async {
            match result {
                Ok(_) => {}
                Err(Error::ObjectNotFound(object)) => {
                    let key = Key::new(
                        object.namespace.clone().unwrap_or_default(),
                        object.name.clone(),
                    );
                    shared.line.unknown(&key.namespace, &key.name);
                    not_in_store::<K>(&shared.context, &key).await;
                }
                Err(error) => warn!(kind = &*K::kind(&()), %error, "watch"),
            }
        })
        .await;
}

/// An object that had its turn while the store did not know it: gone meanwhile, or so new that a long
/// list that holds it is still being read. The latter is asked for again; nobody else would.
async fn not_in_store<K: Kind>(context: &Context, key: &Key) {
    let api: Api<Seen<K>> = Api::namespaced(context.client.clone(), &key.namespace);
    let dependencies = &K::side(context).dependencies;
    let before = dependencies.registration(key);
    if let Ok(None) = within(api.get_opt(&key.name)).await {
        // Its name may be another's by now, whose reconcile was faster than this answer.
        if dependencies.registration(key) == before {
            forget::<K>(context, key);
        }
    } else {
        tokio::time::sleep(STORE_PAUSE).await;
        K::side(context).wake(key.clone());
    }
}

/// One reconcile: never an error to kube's Controller, which knows no attempts; never a panic.
async fn step<K: Kind>(object: Arc<Seen<K>>, shared: Arc<Shared>) -> Result<Action, Infallible> {
    let key = key_of(&*object);
    let running = shared.line.start(&key.namespace, &key.name);
    let started = Instant::now();
    // An error span, so that the lines within name their resource whatever the log filter lets through.
    let span = error_span!(
        "reconcile",
        kind = K::KIND,
        namespace = key.namespace,
        // Not `name`: in a line of JSON that is the span's own.
        resource = key.name
    );
    let next = next::<K>(&shared.context, &key).instrument(span).await;
    let elapsed = started.elapsed();
    shared
        .line
        .end(running, next.ended(), next.again(), elapsed);
    Ok(next.action())
}

/// Reconciles `key`, and says how to go on whatever happens.
async fn next<K: Kind>(context: &Context, key: &Key) -> Next {
    let side = K::side(context);
    let reconciled = AssertUnwindSafe(reconcile::<K>(context, key)).catch_unwind();
    match progress::within_a_reconcile(reconciled).await {
        Ok(Ok(next)) => next,
        Ok(Err(error)) => {
            match error {
                RecordError::Conflict | RecordError::Gone | RecordError::Stopping => {
                    debug!(%error, "starts over");
                }
                RecordError::Queued(_) => debug!("{error}"),
                RecordError::Kube(_) | RecordError::Timeout => {
                    warn!(%error, "cannot reconcile; it is tried again");
                }
            }
            after_error(side, key, &error)
        }
        Err(_) => {
            error!("reconcile panicked; please report it");
            let wait = side.retries.again(key, Inputs::of(&"panic"), Pace::Slow);
            Next::Panicked(wait)
        }
    }
}

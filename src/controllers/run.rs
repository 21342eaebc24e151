//! The controllers as they run: watches fill queues, workers empty them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::channel::mpsc::UnboundedReceiver;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, error, error_span, warn};

use crate::metrics::{Line, Metrics};
use crate::plan::pace::Pace;
use crate::resources::{AepDataflow, AepDataset, CustomerIoSource};
use crate::work::{Cause, Key, Running, progress};

use super::context::Context;
use super::dependencies::Dependency;
use super::kind::Kind;
use super::next::Next;
use super::reconcile::{after_error, reconcile};
use super::record::RecordError;
use super::retries::Inputs;
use super::secrets::{self, Look};
use super::watch::{self, News};

/// Runs the controllers until `stop`; reconciles under way are finished. `looks` are Secrets in use to look at. `ready` is
/// cancelled (as a token that nobody takes back) once every resource there is has been seen.
pub async fn run(
    context: Arc<Context>,
    looks: UnboundedReceiver<Look>,
    metrics: Arc<Metrics>,
    ready: CancellationToken,
    stop: CancellationToken,
) {
    let context = &*context;
    let all = Awaited::kinds(3, &ready);
    let watches = async {
        futures::join!(
            follow::<CustomerIoSource>(context, &all),
            follow::<AepDataset>(context, &all),
            follow::<AepDataflow>(context, &all),
            follow_secrets(context),
        )
    };
    let turns = async {
        futures::join!(
            context.platform.keep_turns(),
            context.customer_io.keep_turns()
        )
    };
    let endless = async {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                context.platform.end_turns();
                context.customer_io.end_turns();
            }
            _ = futures::future::join(watches, turns) => {}
        }
    };
    let polled = async {
        if !context.settings.watch_secrets {
            secrets::poll::run(context, &stop).await;
        }
    };
    futures::join!(
        endless,
        polled,
        secrets::run(context, looks, &stop),
        work::<CustomerIoSource>(context, &metrics, &stop),
        work::<AepDataset>(context, &metrics, &stop),
        work::<AepDataflow>(context, &metrics, &stop),
    );
}

/// Kinds that have not all been seen yet.
struct Awaited<'a> {
    left: AtomicUsize,
    ready: &'a CancellationToken,
}

impl<'a> Awaited<'a> {
    fn kinds(number: usize, ready: &'a CancellationToken) -> Self {
        Self {
            left: AtomicUsize::new(number),
            ready,
        }
    }

    fn seen(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.ready.cancel();
        }
    }
}

/// Watches the resources of a kind: what changes is reconciled, and whoever depends on it.
async fn follow<K: Kind>(context: &Context, all: &Awaited<'_>) {
    let side = K::side(context);
    let tell = |news: News<K>| match news {
        News::Touched {
            object,
            relevant,
            listed,
        } => {
            let key = object.key();
            if let Some(dependency) = K::as_dependency(key.clone()) {
                context.changed(&dependency);
            }
            if relevant {
                let cause = if listed { Cause::List } else { Cause::Change };
                side.queue.add(key, cause);
            }
        }
        News::Missing(ids) => {
            let is_one = |it: &Dependency| K::as_dependency(it.key().clone()).as_ref() == Some(it);
            for dependency in context.named(&ids).iter().filter(|it| is_one(it)) {
                context.changed(dependency);
            }
            // Whoever never came up in a reconcile is nowhere to be forgotten.
            for key in side.dependencies.known(&ids) {
                side.queue.add(key, Cause::Change);
            }
        }
    };
    watch::follow::<K>(context, || all.seen(), tell).await;
}

/// Watches Secrets, if they may be watched: whoever names one that changes is reconciled.
async fn follow_secrets(context: &Context) {
    if !context.settings.watch_secrets {
        return;
    }
    let tell = |news: News<Secret>| match news {
        News::Touched { object, .. } => {
            let used = Dependency::Secret(object.key());
            context.secrets.saw(&*object, context.is_named(&used));
            context.changed(&used);
        }
        News::Missing(ids) => {
            let is_secret = |it: &&Dependency| matches!(it, Dependency::Secret(_));
            for secret in context.named(&ids).iter().filter(is_secret) {
                context.changed(secret);
            }
        }
    };
    watch::follow::<Secret>(context, || {}, tell).await;
}

/// Reconciles what the queue of a kind brings, as many at the same time as the settings say, until `stop`; then
/// finishes what is under way.
async fn work<K: Kind>(context: &Context, metrics: &Metrics, stop: &CancellationToken) {
    let most = context.settings.concurrency;
    let line = metrics.controllers.line(K::WORD, most);
    let mut steps = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(()) = steps.next() => {}
            running = line.next(), if steps.len() < usize::from(most) => {
                steps.push(step::<K>(context, &line, running));
            }
        }
    }
    while steps.next().await.is_some() {}
}

/// One reconcile: never an error, never a panic.
async fn step<K: Kind>(context: &Context, line: &Line, running: Running) {
    let started = Instant::now();
    let key = running.key.clone();
    // An error span, so that the lines within name their resource whatever the log filter lets through.
    let span = error_span!(
        "reconcile",
        kind = K::KIND,
        namespace = key.namespace(),
        // Not `name`: in a line of JSON that is the span's own.
        resource = key.name(),
        cause = running.cause.word()
    );
    let next = next::<K>(context, &key).instrument(span).await;
    line.end(running, next.ended(), next.again(), started.elapsed());
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

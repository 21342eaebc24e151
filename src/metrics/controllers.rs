//! The controllers and their queues, named and meant as Go operators have them, so that their dashboards and alerts
//! fit. There is no `workqueue_*` metric of a queue other than the controllers' own, and, because kube does not let us
//! see them, no `rest_client_*`.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use tokio::time::Instant;

use crate::work::{Queue, Running, Work};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabel {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    controller: &'static str,
    result: &'static str,
}

/// Both names: dashboards older than the label `controller` go by `name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    controller: &'static str,
    name: &'static str,
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There is nothing to do until something changes.
    Well,
    /// It starts over at once from what is there by now.
    Over,
    /// It is looked at again after a while, though nothing failed: something takes its time, or somebody has to act.
    Later,
    /// What it tried failed, and is tried again.
    Failed,
    /// It panicked.
    Panicked,
}

impl Ended {
    const ALL: [Self; 5] = [
        Self::Well,
        Self::Over,
        Self::Later,
        Self::Failed,
        Self::Panicked,
    ];

    /// Go's word for it.
    fn result(self) -> &'static str {
        match self {
            Self::Well => "success",
            Self::Over => "requeue",
            Self::Later => "requeue_after",
            Self::Failed | Self::Panicked => "error",
        }
    }
}

/// From milliseconds for one that is in sync to minutes for one that waits for AEP.
const RECONCILE_SECONDS: [f64; 14] = [
    0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

fn seconds() -> Histogram {
    Histogram::new(RECONCILE_SECONDS)
}

/// Metrics of all controllers.
#[derive(Debug)]
pub struct Controllers {
    work: Arc<Work>,
    results: Family<ResultLabels, Counter>,
    errors: Family<ControllerLabel, Counter>,
    panics: Family<ControllerLabel, Counter>,
    seconds: Family<ControllerLabel, Histogram>,
    active: Family<ControllerLabel, Gauge>,
    most: Family<ControllerLabel, Gauge>,
    waits: Family<QueueLabels, Histogram>,
    work_seconds: Family<QueueLabels, Histogram>,
    retries: Family<QueueLabels, Counter>,
}

impl Controllers {
    pub(super) fn register(registry: &mut Registry, work: Arc<Work>) -> Self {
        let new = Self {
            work: Arc::clone(&work),
            results: Family::default(),
            errors: Family::default(),
            panics: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            active: Family::default(),
            most: Family::default(),
            waits: Family::new_with_constructor(seconds),
            work_seconds: Family::new_with_constructor(seconds),
            retries: Family::default(),
        };
        registry.register(
            "controller_runtime_reconcile",
            "Reconciles by controller and result",
            new.results.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_errors",
            "Reconciles that failed and are tried again, by controller",
            new.errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_panics",
            "Reconciles that panicked, by controller",
            new.panics.clone(),
        );
        registry.register_with_unit(
            "controller_runtime_reconcile_time",
            "Duration of reconciles by controller",
            Unit::Seconds,
            new.seconds.clone(),
        );
        registry.register(
            "controller_runtime_active_workers",
            "Reconciles under way by controller",
            new.active.clone(),
        );
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Most reconciles at the same time by controller",
            new.most.clone(),
        );
        registry.register_with_unit(
            "workqueue_queue_duration",
            "How long resources wait in the queue before a worker takes them",
            Unit::Seconds,
            new.waits.clone(),
        );
        registry.register_with_unit(
            "workqueue_work_duration",
            "How long a worker takes for a resource",
            Unit::Seconds,
            new.work_seconds.clone(),
        );
        registry.register(
            "workqueue_retries",
            "Resources put back with a backoff because what was tried failed",
            new.retries.clone(),
        );
        registry.register_collector(Box::new(Queues(work)));
        new
    }

    /// What there is to do.
    pub fn work(&self) -> &Arc<Work> {
        &self.work
    }

    /// A controller begins, with this many workers.
    pub fn line(&self, controller: &'static str, workers: u16) -> Line {
        let label = ControllerLabel { controller };
        let queue_labels = QueueLabels {
            controller,
            name: controller,
        };
        self.most.get_or_create(&label).set(workers.into());
        // Rates need a beginning: what has not happened yet is there as nothing.
        for ended in Ended::ALL {
            let result = ended.result();
            drop(
                self.results
                    .get_or_create(&ResultLabels { controller, result }),
            );
        }
        Line {
            queue: self.work.queue(controller),
            work: Arc::clone(&self.work),
            controller,
            results: self.results.clone(),
            errors: self.errors.get_or_create_owned(&label),
            panics: self.panics.get_or_create_owned(&label),
            seconds: self.seconds.get_or_create_owned(&label),
            active: self.active.get_or_create_owned(&label),
            waits: self.waits.get_or_create_owned(&queue_labels),
            work_seconds: self.work_seconds.get_or_create_owned(&queue_labels),
            retries: self.retries.get_or_create_owned(&queue_labels),
        }
    }
}

/// The queue of one controller, counted.
#[derive(Clone, Debug)]
pub struct Line {
    work: Arc<Work>,
    queue: Arc<Queue>,
    controller: &'static str,
    results: Family<ResultLabels, Counter>,
    errors: Counter,
    panics: Counter,
    seconds: Histogram,
    active: Gauge,
    waits: Histogram,
    work_seconds: Histogram,
    retries: Counter,
}

impl Line {
    /// A worker takes the next resource, once there is one. For one caller at a time.
    pub async fn next(&self) -> Running {
        let running = self.queue.next().await;
        self.waits.observe(running.waited.as_secs_f64());
        self.active.inc();
        running
    }

    /// A reconcile ended like this; its resource is looked at again after this long, if at all.
    pub fn end(&self, running: Running, ended: Ended, again: Option<Duration>, elapsed: Duration) {
        running.done(again);
        self.active.dec();
        self.work.moved();
        let (controller, result) = (self.controller, ended.result());
        self.results
            .get_or_create(&ResultLabels { controller, result })
            .inc();
        self.seconds.observe(elapsed.as_secs_f64());
        self.work_seconds.observe(elapsed.as_secs_f64());
        if matches!(ended, Ended::Failed | Ended::Panicked) {
            self.errors.inc();
            self.retries.inc();
        }
        if ended == Ended::Panicked {
            self.panics.inc();
        }
    }
}

/// What is asked of the queues at every scrape.
#[derive(Debug)]
struct Queues(Arc<Work>);

impl Collector for Queues {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let queues = self.0.queues();
        let labels = |controller: &'static str| QueueLabels {
            controller,
            name: controller,
        };
        let mut adds = encoder.encode_descriptor(
            "workqueue_adds",
            "Resources that came into the queue",
            None,
            MetricType::Counter,
        )?;
        for (name, queue) in &queues {
            ConstCounter::new(queue.adds()).encode(adds.encode_family(&labels(name))?)?;
        }
        let mut depth = encoder.encode_descriptor(
            "workqueue_depth",
            "Resources that wait for a worker",
            None,
            MetricType::Gauge,
        )?;
        for (name, queue) in &queues {
            let waiting = u64::try_from(queue.depth()).unwrap_or(u64::MAX);
            ConstGauge::new(waiting).encode(depth.encode_family(&labels(name))?)?;
        }
        let mut unfinished = encoder.encode_descriptor(
            "workqueue_unfinished_work",
            "How long the reconciles under way have been so, together",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (name, queue) in &queues {
            let together: Duration = queue.under_way().iter().map(Instant::elapsed).sum();
            ConstGauge::new(together.as_secs_f64())
                .encode(unfinished.encode_family(&labels(name))?)?;
        }
        let mut longest = encoder.encode_descriptor(
            "workqueue_longest_running_processor",
            "How long the longest of the reconciles under way has been so",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (name, queue) in &queues {
            let first = queue.under_way().into_iter().min();
            let most = first.map_or(Duration::ZERO, |since| since.elapsed());
            ConstGauge::new(most.as_secs_f64()).encode(longest.encode_family(&labels(name))?)?;
        }
        Ok(())
    }
}

//! What Prometheus scrapes. Labels are bounded: kinds, operations, classes; never names of objects.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::platform::{BudgetRecord, CallRecord, RunRecords};
use crate::resources::ingestion::RunOutcome;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabel {
    controller: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaseLabel {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabel {
    object: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UrgencyLabel {
    urgency: &'static str,
}

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    twins: Family<ObjectLabel, Counter>,
    orphans: Gauge,
    runs: Family<OutcomeLabel, Counter>,
    ingested: Counter,
    failed: Counter,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<OperationLabel, Histogram>,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<ControllerLabel, Histogram>,
    leading: Family<LeaseLabel, Gauge>,
    wait_seconds: Family<UrgencyLabel, Histogram>,
    throttled: Counter,
    allowed_rate: Gauge<f64, AtomicU64>,
}

const SECONDS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

const WAITS: [f64; 9] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0];

fn waits() -> Histogram {
    Histogram::new(WAITS)
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let calls = Family::<CallLabels, Counter>::default();
        registry.register(
            "aep_requests",
            "Calls to Adobe by operation and class of answer",
            calls.clone(),
        );
        let call_seconds = Family::<OperationLabel, Histogram>::new_with_constructor(seconds);
        registry.register_with_unit(
            "aep_request_duration",
            "Duration of calls to Adobe",
            Unit::Seconds,
            call_seconds.clone(),
        );
        let reconciles = Family::<ReconcileLabels, Counter>::default();
        registry.register(
            "controller_runtime_reconcile",
            "Reconciles by controller and result",
            reconciles.clone(),
        );
        let reconcile_seconds = Family::<ControllerLabel, Histogram>::new_with_constructor(seconds);
        registry.register_with_unit(
            "controller_runtime_reconcile_time",
            "Duration of reconciles by controller",
            Unit::Seconds,
            reconcile_seconds.clone(),
        );
        let leading = Family::<LeaseLabel, Gauge>::default();
        registry.register(
            "leader_election_master_status",
            "Whether this replica leads: 1 or 0",
            leading.clone(),
        );
        let orphans = Gauge::default();
        registry.register(
            "aep_orphans",
            "Remote objects with our owner in their marker whose resource does not exist",
            orphans.clone(),
        );
        let twins = Family::<ObjectLabel, Counter>::default();
        registry.register(
            "aep_twins_deleted",
            "Remote objects that an attempt made after it was given up, deleted",
            twins.clone(),
        );
        let runs = Family::<OutcomeLabel, Counter>::default();
        registry.register(
            "aep_runs",
            "Runs of flows that ended since this process started, by outcome",
            runs.clone(),
        );
        let ingested = Counter::default();
        registry.register(
            "aep_records_ingested",
            "Records that landed in those runs",
            ingested.clone(),
        );
        let failed = Counter::default();
        registry.register(
            "aep_records_failed",
            "Records that failed in those runs",
            failed.clone(),
        );
        let wait_seconds = Family::<UrgencyLabel, Histogram>::new_with_constructor(waits);
        registry.register_with_unit(
            "aep_budget_wait",
            "Waits for a turn to call Adobe by urgency",
            Unit::Seconds,
            wait_seconds.clone(),
        );
        let throttled = Counter::default();
        registry.register(
            "aep_throttled",
            "Calls that Adobe refused because there were too many (429)",
            throttled.clone(),
        );
        let allowed_rate = Gauge::<f64, AtomicU64>::default();
        allowed_rate.set(f64::INFINITY);
        registry.register(
            "aep_budget_allowed_rate",
            "Calls per second the operator allows itself where Adobe allows least; +Inf: no limit met",
            allowed_rate.clone(),
        );
        Self {
            registry,
            twins,
            orphans,
            runs,
            ingested,
            failed,
            calls,
            call_seconds,
            reconciles,
            reconcile_seconds,
            leading,
            wait_seconds,
            throttled,
            allowed_rate,
        }
    }
}

impl Metrics {
    /// A call to Adobe ended.
    pub fn called(&self, call: &CallRecord) {
        let CallRecord {
            operation,
            class,
            elapsed,
            ..
        } = *call;
        self.calls
            .get_or_create(&CallLabels { operation, class })
            .inc();
        self.call_seconds
            .get_or_create(&OperationLabel { operation })
            .observe(elapsed.as_secs_f64());
    }

    /// A budget of calls to Adobe did something.
    pub fn paced(&self, record: BudgetRecord) {
        match record {
            BudgetRecord::Waited { urgency, waited } => {
                let urgency = urgency.label();
                self.wait_seconds
                    .get_or_create(&UrgencyLabel { urgency })
                    .observe(waited.as_secs_f64());
            }
            BudgetRecord::Refused => {
                self.throttled.inc();
            }
            BudgetRecord::Allowed(rate) => {
                self.allowed_rate.set(rate);
            }
        }
    }

    /// A reconcile ended.
    pub fn reconciled(&self, controller: &str, result: &'static str, elapsed: Duration) {
        let controller = controller.to_lowercase();
        self.reconciles
            .get_or_create(&ReconcileLabels {
                controller: controller.clone(),
                result,
            })
            .inc();
        self.reconcile_seconds
            .get_or_create(&ControllerLabel { controller })
            .observe(elapsed.as_secs_f64());
    }

    /// This replica leads in the election about the Lease `name`, or does not.
    pub fn leads(&self, name: &str, leads: bool) {
        let label = LeaseLabel {
            name: name.to_owned(),
        };
        self.leading.get_or_create(&label).set(leads.into());
    }

    /// This many objects carry our owner and belong to no resource.
    pub fn orphans(&self, count: usize) {
        self.orphans.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A run of a flow ended.
    pub fn run_seen(&self, outcome: RunOutcome, records: &RunRecords) {
        let outcome = match outcome {
            RunOutcome::Succeeded => "succeeded",
            RunOutcome::PartlyFailed => "partly_failed",
            RunOutcome::Failed => "failed",
        };
        self.runs.get_or_create(&OutcomeLabel { outcome }).inc();
        self.ingested.inc_by(records.ingested.unwrap_or_default());
        self.failed.inc_by(records.failed.unwrap_or_default());
    }

    /// A twin was deleted.
    pub fn twin_deleted(&self, object: &'static str) {
        self.twins.get_or_create(&ObjectLabel { object }).inc();
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

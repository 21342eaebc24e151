//! Calls to Adobe and Customer.io: how they fare, how long they wait for their turn, and how long tokens last.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::plan::Service;
use crate::platform::{BudgetRecord, CallRecord};

// Whose API it is, is not called `service`: Prometheus puts the name of the Kubernetes Service there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    platform: &'static str,
    operation: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PlatformLabel {
    platform: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WaitLabels {
    platform: &'static str,
    urgency: &'static str,
}

const SECONDS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
const WAITS: [f64; 9] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0];

/// Asked at every scrape when the first of the tokens that are good now ends, in seconds since 1970.
pub type TokenEnd = Box<dyn Fn() -> Option<f64> + Send + Sync>;

/// Metrics of calls.
#[derive(Debug)]
pub struct Calls {
    made: Family<CallLabels, Counter>,
    seconds: Family<OperationLabel, Histogram>,
    waits: Family<WaitLabels, Histogram>,
    throttled: Family<PlatformLabel, Counter>,
    allowed_rate: Family<PlatformLabel, Gauge<f64, AtomicU64>>,
    tokens: Arc<Tokens>,
}

impl Calls {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let calls = Family::<CallLabels, Counter>::default();
        registry.register(
            "aep_requests",
            "Calls to Adobe and Customer.io by platform, operation and class of answer",
            calls.clone(),
        );
        let seconds =
            Family::<OperationLabel, Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register_with_unit(
            "aep_request_duration",
            "Duration of calls to Adobe and Customer.io",
            Unit::Seconds,
            seconds.clone(),
        );
        let waits = Family::<WaitLabels, Histogram>::new_with_constructor(|| Histogram::new(WAITS));
        registry.register_with_unit(
            "aep_budget_wait",
            "Waits for a turn to call Adobe or Customer.io by platform and urgency",
            Unit::Seconds,
            waits.clone(),
        );
        let throttled = Family::<PlatformLabel, Counter>::default();
        registry.register(
            "aep_throttled",
            "Calls that were refused because there were too many (429), by platform",
            throttled.clone(),
        );
        let allowed_rate = Family::<PlatformLabel, Gauge<f64, AtomicU64>>::default();
        registry.register(
            "aep_budget_allowed_rate",
            "Calls per second the operator allows itself where a platform allows least; +Inf: no limit met",
            allowed_rate.clone(),
        );
        for service in [Service::Aep, Service::CustomerIo] {
            let platform = service.word();
            let label = PlatformLabel { platform };
            // What never happened is there, so that a rate has a beginning.
            drop(throttled.get_or_create(&label));
            allowed_rate.get_or_create(&label).set(f64::INFINITY);
        }
        let tokens = Arc::<Tokens>::default();
        registry.register_collector(Box::new(Arc::clone(&tokens)));
        Self {
            made: calls,
            seconds,
            waits,
            throttled,
            allowed_rate,
            tokens,
        }
    }

    /// A call to `service` ended.
    pub fn called(&self, service: Service, call: &CallRecord) {
        let CallRecord {
            operation,
            class,
            elapsed,
            ..
        } = *call;
        let platform = service.word();
        self.made
            .get_or_create(&CallLabels {
                platform,
                operation,
                class,
            })
            .inc();
        self.seconds
            .get_or_create(&OperationLabel { operation })
            .observe(elapsed.as_secs_f64());
    }

    /// A budget of calls to `service` did something.
    pub fn paced(&self, service: Service, record: BudgetRecord) {
        let platform = service.word();
        let label = PlatformLabel { platform };
        match record {
            BudgetRecord::Waited { urgency, waited } => {
                let urgency = urgency.label();
                self.waits
                    .get_or_create(&WaitLabels { platform, urgency })
                    .observe(waited.as_secs_f64());
            }
            BudgetRecord::Refused => {
                self.throttled.get_or_create(&label).inc();
            }
            BudgetRecord::Allowed(rate) => {
                self.allowed_rate.get_or_create(&label).set(rate);
            }
        }
    }

    /// Who knows when tokens end; the first to say so is asked.
    pub fn ask_about_tokens(&self, end: TokenEnd) {
        let _ = self.tokens.end.set(end);
    }
}

/// No metric stands while there is no token: a time of nothing would be a lie.
#[derive(Default)]
struct Tokens {
    end: OnceLock<TokenEnd>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Collector for Tokens {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(end) = self.end.get().and_then(|end| end()) else {
            return Ok(());
        };
        let metric = encoder.encode_descriptor(
            "aep_token_expiry_timestamp",
            "When the first of Adobe's access tokens that are good now ends, in seconds since 1970",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        ConstGauge::new(end).encode(metric)
    }
}

//! The custom resources: where they stand, how long they took, how often their status is written.
//!
//! Watches hold metadata only, so where a resource stands is what its last reconcile read or wrote. Every resource
//! is reconciled once after a start.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::resources::conditions::{INGESTING, READY, RECONCILING, Reason, STALLED, find};
use crate::work::Id;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
struct StandingLabels {
    kind: &'static str,
    condition: &'static str,
    status: &'static str,
    reason: &'static str,
}

/// The conditions that are shown; others are somebody else's.
const CONDITIONS: [&str; 4] = [READY, RECONCILING, STALLED, INGESTING];
const TO_READY: [f64; 11] = [
    1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0,
];

/// Metrics of the custom resources.
#[derive(Debug)]
pub struct Resources {
    standings: Arc<Standings>,
    to_ready: Family<KindLabel, Histogram>,
    writes: Family<KindLabel, Counter>,
}

impl Resources {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let standings = Arc::<Standings>::default();
        registry.register_collector(Box::new(Arc::clone(&standings)));
        let to_ready =
            Family::<KindLabel, Histogram>::new_with_constructor(|| Histogram::new(TO_READY));
        registry.register_with_unit(
            "aep_time_to_ready",
            "From the creation of a resource to its first Ready=True, where this process has seen all of it",
            Unit::Seconds,
            to_ready.clone(),
        );
        let writes = Family::<KindLabel, Counter>::default();
        registry.register(
            "aep_status_writes",
            "Writes of status by kind of resource",
            writes.clone(),
        );
        Self {
            standings,
            to_ready,
            writes,
        }
    }

    /// A resource stands like this, as it was just read or written; `age` is counted from its creation.
    pub fn stands(&self, kind: &'static str, id: Id, conditions: &[Condition], age: Duration) {
        let standing = Standing::of(conditions);
        let is_ready = standing.is_ready();
        let mut all = self.standings.of();
        let resources = all.entry(kind).or_default();
        // One whose beginning another process has seen may have been ready before.
        let waiting = resources
            .get(&id)
            .map_or(conditions.is_empty(), |(_, waiting)| *waiting);
        resources.insert(id, (standing, waiting && !is_ready));
        drop(all);
        if waiting && is_ready {
            self.to_ready
                .get_or_create(&KindLabel { kind })
                .observe(age.as_secs_f64());
        }
    }

    /// A resource is gone.
    pub fn gone(&self, kind: &'static str, id: Id) {
        if let Some(resources) = self.standings.of().get_mut(kind) {
            resources.remove(&id);
        }
    }

    /// The status of a resource was written.
    pub fn wrote_status(&self, kind: &'static str) {
        self.writes.get_or_create(&KindLabel { kind }).inc();
    }
}

/// A condition's status and its reason; `None`: one of a newer version. A label's values are bounded.
type Shown = (Status, Option<Reason>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    True,
    False,
    Unknown,
}

impl Status {
    const ALL: [Self; 3] = [Self::True, Self::False, Self::Unknown];

    fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What is shown of each of [`CONDITIONS`], in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing([Option<Shown>; CONDITIONS.len()]);

impl Standing {
    fn of(conditions: &[Condition]) -> Self {
        Self(CONDITIONS.map(|type_| {
            let condition = find(conditions, type_)?;
            let mut all = Status::ALL.into_iter();
            let status = all.find(|it| it.as_str() == condition.status)?;
            Some((status, Reason::from_word(&condition.reason)))
        }))
    }

    fn is_ready(self) -> bool {
        let place = CONDITIONS.iter().position(|it| *it == READY);
        let shown = place.and_then(|place| self.0[place]);
        shown.is_some_and(|(status, _)| status == Status::True)
    }
}

/// How each resource stands, and whether it has never been ready since this process saw it begin.
type OfKind = HashMap<Id, (Standing, bool)>;

#[derive(Debug, Default)]
struct Standings {
    of: Mutex<BTreeMap<&'static str, OfKind>>,
}

impl Standings {
    fn of(&self) -> MutexGuard<'_, BTreeMap<&'static str, OfKind>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> BTreeMap<StandingLabels, u64> {
        let mut counts = BTreeMap::new();
        for (kind, resources) in &*self.of() {
            for (standing, _) in resources.values() {
                for (condition, shown) in CONDITIONS.iter().zip(standing.0) {
                    let Some((status, reason)) = shown else {
                        continue;
                    };
                    let labels = StandingLabels {
                        kind,
                        condition,
                        status: status.as_str(),
                        reason: reason.map_or("Other", Reason::as_str),
                    };
                    *counts.entry(labels).or_default() += 1;
                }
            }
        }
        counts
    }
}

impl Collector for Standings {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let counts = self.counts();
        let mut family = encoder.encode_descriptor(
            "aep_resources",
            "Custom resources by kind, condition, its status and its reason",
            None,
            MetricType::Gauge,
        )?;
        for (labels, count) in counts {
            ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::metrics::Metrics;
    use crate::work::Key;

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
        }
    }

    fn stands(metrics: &Metrics, name: &str, conditions: &[Condition], age: u64) {
        let age = Duration::from_secs(age);
        metrics
            .resources
            .stands("AepDataflow", Key::new("n", name).id(), conditions, age);
    }

    fn has(metrics: &Metrics, line: &str) -> bool {
        metrics.text().lines().any(|it| it == line)
    }

    #[test]
    fn resources_are_counted_as_they_stand_now_and_not_once_they_are_gone() {
        let metrics = Metrics::default();
        let ready = [condition(READY, "True", "Succeeded")];
        let stalled = [
            condition(READY, "False", "SecretMissing"),
            condition(STALLED, "True", "SecretMissing"),
            condition("SomebodyElses", "True", "Whatever"),
        ];
        let line = |status, reason, count| {
            format!(
                "aep_resources{{kind=\"AepDataflow\",condition=\"Ready\",status=\"{status}\",reason=\"{reason}\"}} {count}"
            )
        };
        stands(&metrics, "a", &ready, 1);
        stands(&metrics, "b", &stalled, 1);
        stands(&metrics, "b", &stalled, 1);
        stands(&metrics, "c", &stalled, 1);
        assert!(has(&metrics, &line("True", "Succeeded", 1)));
        assert!(has(&metrics, &line("False", "SecretMissing", 2)));
        assert!(!metrics.text().contains("SomebodyElses"));
        stands(&metrics, "b", &ready, 1);
        metrics
            .resources
            .gone("AepDataflow", Key::new("n", "c").id());
        assert!(has(&metrics, &line("True", "Succeeded", 2)));
        assert!(!metrics.text().contains("SecretMissing"));
    }

    #[test]
    fn a_reason_that_is_not_known_does_not_become_a_label() {
        let metrics = Metrics::default();
        stands(&metrics, "a", &[condition(READY, "False", "Invented")], 1);
        assert!(metrics.text().contains("reason=\"Other\"} 1"));
        assert!(!metrics.text().contains("Invented"));
    }

    #[test]
    fn time_to_ready_is_that_of_the_first_time_and_of_beginnings_that_were_seen() {
        let metrics = Metrics::default();
        let ready = [condition(READY, "True", "Succeeded")];
        let failing = [condition(READY, "False", "PlatformUnavailable")];
        let count =
            |count| format!("aep_time_to_ready_seconds_count{{kind=\"AepDataflow\"}} {count}");
        stands(&metrics, "seen", &[], 0);
        stands(&metrics, "seen", &failing, 1);
        stands(&metrics, "seen", &ready, 7);
        assert!(has(&metrics, &count(1)), "{}", metrics.text());
        assert!(has(
            &metrics,
            "aep_time_to_ready_seconds_sum{kind=\"AepDataflow\"} 7.0"
        ));
        // An outage later on is no creation, and one from before this process may have been ready before.
        stands(&metrics, "seen", &failing, 900);
        stands(&metrics, "seen", &ready, 990);
        stands(&metrics, "older", &failing, 900);
        stands(&metrics, "older", &ready, 990);
        assert!(has(&metrics, &count(1)));
        stands(&metrics, "at-once", &[], 0);
        stands(&metrics, "at-once", &ready, 3);
        assert!(has(&metrics, &count(2)));
    }
}

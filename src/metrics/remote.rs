//! The objects in AEP and Customer.io that resources have, and what happens to them beside what was asked for.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::plan::RemoteKind;
use crate::resources::lifecycle::DriftAction;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObjectLabel {
    object: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftLabels {
    object: &'static str,
    action: &'static str,
}

/// Metrics of the objects in AEP.
#[derive(Debug)]
pub struct Remote {
    drift: Family<DriftLabels, Counter>,
    recoveries: Family<ObjectLabel, Counter>,
    twins: Family<ObjectLabel, Counter>,
    orphans: Gauge,
}

impl Remote {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let drift = Family::<DriftLabels, Counter>::default();
        registry.register(
            "aep_drift_found",
            "Changes made elsewhere that were found, by object and by what was done about them",
            drift.clone(),
        );
        let recoveries = Family::<ObjectLabel, Counter>::default();
        registry.register(
            "aep_create_recoveries",
            "Objects whose creation had no answer and that a look-up found, by object",
            recoveries.clone(),
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
        Self {
            drift,
            recoveries,
            twins,
            orphans,
        }
    }

    /// A change made elsewhere was found, and this was done about it.
    pub fn drifted(&self, object: RemoteKind, action: DriftAction) {
        let labels = DriftLabels {
            object: object.word(),
            action: match action {
                DriftAction::Repaired => "repaired",
                DriftAction::Reported => "reported",
                DriftAction::Recreated => "recreated",
            },
        };
        self.drift.get_or_create(&labels).inc();
    }

    /// The object of a creation without an answer was found.
    pub fn recovered(&self, object: RemoteKind) {
        let object = object.word();
        self.recoveries.get_or_create(&ObjectLabel { object }).inc();
    }

    /// This many objects carry our owner and belong to no resource.
    pub fn orphans(&self, count: usize) {
        self.orphans.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A twin was deleted.
    pub fn twin_deleted(&self, object: RemoteKind) {
        let object = object.word();
        self.twins.get_or_create(&ObjectLabel { object }).inc();
    }
}

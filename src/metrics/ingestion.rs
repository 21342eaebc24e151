//! What lands in datasets: runs of flows and their records.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::platform::RunRecords;
use crate::resources::ingestion::RunOutcome;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// Metrics of what lands.
#[derive(Debug)]
pub struct Ingestion {
    runs: Family<OutcomeLabel, Counter>,
    ingested: Counter,
    failed: Counter,
}

impl Ingestion {
    pub(super) fn register(registry: &mut Registry) -> Self {
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
        Self {
            runs,
            ingested,
            failed,
        }
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
}

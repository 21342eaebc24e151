//! This process: what it is, and whether it leads.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaseLabel {
    name: String,
}

/// Metrics of the process itself.
#[derive(Debug)]
pub struct Process {
    leading: Family<LeaseLabel, Gauge>,
}

impl Process {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let leading = Family::<LeaseLabel, Gauge>::default();
        registry.register(
            "leader_election_master_status",
            "Whether this replica leads: 1 or 0",
            leading.clone(),
        );
        registry.register(
            "aep_operator_build",
            "What this operator was built from",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        Self { leading }
    }

    /// This replica leads in the election about the Lease `name`, or does not.
    pub fn leads(&self, name: &str, leads: bool) {
        let label = LeaseLabel {
            name: name.to_owned(),
        };
        self.leading.get_or_create(&label).set(leads.into());
    }
}

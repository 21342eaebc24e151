//! What Prometheus scrapes, one area a file: an area declares its own metrics and says what it counts.
//!
//! | file | metrics |
//! |---|---|
//! | `controllers` | `controller_runtime_*` and `workqueue_*`, named and meant as Go operators have them |
//! | `calls` | `aep_request*`, `aep_budget_*`, `aep_throttled_total`, `aep_token_*`: calls to Adobe and Customer.io |
//! | `resources` | `aep_resources`, `aep_time_to_ready_*`, `aep_status_writes_total`: the custom resources |
//! | `remote` | `aep_drift_*`, `aep_create_*`, `aep_twins_*`, `aep_orphans`: the objects in AEP |
//! | `ingestion` | `aep_runs_*`, `aep_records_*`: what lands |
//! | `process` | `leader_election_master_status`, `aep_operator_build_info` |
//!
//! Labels are bounded: kinds, operations, classes, reasons; never names of resources or ids of objects.

mod calls;
mod controllers;
mod ingestion;
mod process;
mod remote;
mod resources;

use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::work::Work;

pub use calls::{Calls, TokenEnd};
pub use controllers::{Controllers, Ended, Line};
pub use ingestion::Ingestion;
pub use process::Process;
pub use remote::Remote;
pub use resources::Resources;

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// The controllers and their queues.
    pub controllers: Controllers,
    /// Calls to Adobe and Customer.io.
    pub calls: Calls,
    /// The custom resources.
    pub resources: Resources,
    /// The objects in AEP.
    pub remote: Remote,
    /// What lands.
    pub ingestion: Ingestion,
    /// This process.
    pub process: Process,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        Self {
            controllers: Controllers::register(&mut registry, Arc::new(Work::default())),
            calls: Calls::register(&mut registry),
            resources: Resources::register(&mut registry),
            remote: Remote::register(&mut registry),
            ingestion: Ingestion::register(&mut registry),
            process: Process::register(&mut registry),
            registry,
        }
    }
}

impl Metrics {
    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod exposition_tests;

//! The operator's own process on a real control plane, against the emulated platform: what a user
//! applies, and what a user then sees.
//!
//! [`world`] is a stack with the words the scenarios need; each scenario file is one part of the
//! promise. A world is started per scenario, because faults and counts are a platform's own.

#![expect(
    unreachable_pub,
    reason = "modules of a test binary: pub says what scenarios may use"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its scenario"
)]

mod adoption;
mod any_order;
mod audit;
mod canaries;
mod changes;
mod collector;
mod crowd;
mod dataset;
mod dataset_deletion;
mod dataset_unknowns;
mod deletion;
mod drift;
mod events;
mod failing_platform;
mod failures;
mod fleet;
mod ingestion;
mod kills;
mod leadership;
mod letting_go;
mod lost_replies;
mod mapping;
mod namespace_deletion;
mod namespaces;
mod no_secret;
mod outputs;
mod ownership;
mod preflight;
mod rebuilt;
mod relist;
mod rights;
mod rotation;
mod slow_deletion;
#[cfg(feature = "otel")]
mod spans;
mod subscription;
mod subscription_troubles;
mod take_over;
mod targets;
mod telemetry;
mod throttling;
#[cfg(feature = "otel")]
mod traces;
mod tutorial;
mod unwatched_secrets;
mod upgrade;
mod users;
mod webhook_unknowns;
mod world;

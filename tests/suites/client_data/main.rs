//! The calls around a flow, on the wire and on the stand-in for the platform: schemas, field groups and datasets,
//! whether a mapping would be taken, what the runs say, and whether the source is there at all.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod catalog;
mod checks;
mod emulated;
mod far;
mod runs;
mod schema_registry;

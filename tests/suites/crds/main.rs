//! What the API server makes of the custom resources: what it refuses and in which words, what it admits, stores and
//! shows. The manifests are data, in `tests/manifests`. And what the schema alone promises: descriptions, bounds, and
//! that `crds/` is what the code generates.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of a test fail as the test does"
)]

mod definitions;
mod manifests;
mod shown;
mod status;
mod suite;

//! The chart, its plain copy for kustomize and the samples, against a real API server: what it renders is admitted, also under
//! restricted Pod Security; what it refuses, and in which words; what the operator may do under each switch; what stays after
//! an uninstall. Sets of values are data, in `values/`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the helpers of a test fail as the test does"
)]

mod admission;
mod alerts;
mod kustomize;
mod lifecycle;
mod monitoring;
mod pod;
mod refusals;
mod rights;
mod samples;
mod suite;

//! The real controllers on an in-memory API server and the emulator's state machine, under tokio's paused clock: a
//! day of operation runs in milliseconds, and a seed always gives the same run.
//!
//! The map of the house:
//! - [`api`] is the API server, [`wire`] puts kube's client on it.
//! - [`net`] lets everything arrive at a millisecond of its own; [`random`] makes all chance of one seed.
//! - [`world`] is API server, platform and network together; [`weather`] is what goes wrong between them.
//! - [`process`] is the operator as a process that dies and starts again; [`line`](mod@line) is its connection,
//!   [`transport`] what it sends over it.
//! - [`scenario`] is what happens in a run, [`user`] are the people who do it.
//! - [`run`] plays a scenario, [`check`] says what has to hold at rest and [`stops`] at every call, [`trace`] keeps what
//!   happened.

#![allow(
    clippy::similar_names,
    clippy::struct_field_names,
    clippy::struct_excessive_bools,
    clippy::needless_pass_by_value,
    reason = "Kubernetes' own words, and switches are what a kind has"
)]

pub mod api;
pub mod check;
pub mod line;
pub mod net;
pub mod process;
pub mod random;
pub mod run;
pub mod scenario;
pub mod stops;
pub mod trace;
pub mod transport;
pub mod user;
pub mod weather;
pub mod webhooks;
pub mod wire;
pub mod world;

/// A third of a seed's time is spent on small allocations of JSON; this allocator takes half as long for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

//! The playground: a real control plane on loopback with the operator and an emulated platform, for the demo, for
//! tests and for measuring.
//!
//! The map of the house:
//! - [`binaries`] finds etcd, kube-apiserver, kubectl, kube-controller-manager, helm and promtool, or builds them from the Go modules
//!   pinned in `tests/go`.
//! - [`control_plane`] starts them and offers kubectl and helm against them.
//! - [`emulator`] serves the emulated platform from this process.
//! - [`operator_process`] runs the operator and starts it again when it dies, as [`restart`] says; [`operator_build`]
//!   builds it.
//! - [`stack`] puts these together: the chart applied, and the operator run with the ServiceAccount, arguments and variables of
//!   its Deployment (`install`).
//! - [`demo`] and [`up`] are what `cargo playground` does with a stack; [`story`] tells it.
//! - [`bench`] measures stacks: `cargo playground bench`.
//! - [`fields`] writes the field reference in `docs/`.
//!
//! Underneath: `process` starts processes that do not outlive us, `ports` and `http` are for loopback.

pub mod bench;
pub mod binaries;
pub mod control_plane;
pub mod demo;
pub mod emulator;
pub mod fields;
mod http;
mod install;
pub mod operator_build;
pub mod operator_process;
mod ports;
mod process;
pub mod repository;
pub mod restart;
mod say;
pub mod stack;
pub mod story;
pub mod up;

//! The playground.
pub mod binaries;
pub mod control_plane;
mod http;
pub mod operator_process;
mod ports;
mod process;
mod say;

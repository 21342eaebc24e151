//! The real controllers on an in-memory API server and the emulator's state machine, under tokio's paused clock: a
//! day of operation runs in milliseconds, and a seed always gives the same run.
//!
//! The map of the house:
//! - [`api`] is the API server; [`random`] makes everything of one seed.

pub mod api;
pub mod random;
pub mod wire;

//! The platform client on the wire: what is sent, what is repeated, what an answer means.
//!
//! Where sockets matter the far side is a real HTTP server; where time matters it is a scripted service in
//! memory, under a paused clock.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod far;
mod outcomes;
mod requests;
mod sockets;
mod tokens;
mod trust;

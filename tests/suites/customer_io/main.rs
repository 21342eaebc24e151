//! The Customer.io client on the wire: what is sent, what an answer means, how calls are paced; and a webhook's
//! life against the strict stand-in, under every answer to what no public source says.
//!
//! Where sockets matter the far side is a real HTTP server; where time matters it is in memory, under a paused
//! clock.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod sockets;
mod stories;
mod webhook;

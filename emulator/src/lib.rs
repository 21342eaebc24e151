//! A strict stand-in for Adobe Experience Platform and Customer.io, on one loopback port.
//!
//! Written from the public reference of those services, never from this project's clients, and sharing no
//! type with them: what both would get wrong together would go unseen.
//!
//! The map of the house:
//! - [`Emulator`] is the state machine: a request and a moment in, a response out. `gateway` and `ims` guard
//!   it; `flow_service`, `data_prep`, `schema_registry`, `catalog`, `inlet` and `customer_io` are the services.
//! - `expression` is the language of calculated fields, `transform` applies a mapping set to one event.
//! - `faults` decides what goes wrong with a call, `journal` remembers every call, `control` is the
//!   `/_emulator` interface through which tests steer both.
//! - [`host`] runs an emulator in time (latency, dropped replies, deliveries); [`server`] puts a host on a
//!   socket, a simulation can call it in memory.
//!
//! Whatever no public source states is a switch in [`Options`], or marked `assumed` where it stands.

mod call;
mod catalog;
mod control;
mod customer_io;
mod data_prep;
mod emulator;
mod expression;
mod faults;
mod flow_service;
mod gateway;
pub mod host;
mod ids;
mod ims;
mod inlet;
mod journal;
mod json_patch;
mod operation;
mod options;
mod quote;
mod rate;
mod refusal;
mod schema_registry;
mod seed;
pub mod server;
mod shelf;
mod time;
mod transform;
mod world;

pub use customer_io::{Delivery, DeliveryResult};
pub use emulator::Emulator;
pub use faults::{Commit, FaultRule, Plan, PlannedReply};
pub use options::{
    Backlog, BadMapping, BreakingChange, DatasetNames, InletAnswer, InletShape, MappingSetDelete,
    NumberShape, Options, Permission, SpecSight, WebhookEndpoint, WebhookReply,
};
pub use seed::{Seed, SeedObject};

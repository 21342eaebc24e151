//! The map of the house.
//!
//! aep-operator keeps Customer.io dataflows in Adobe Experience Platform (AEP) as three kinds of custom
//! resource describe them. Data flows one way, and so do the modules:
//!
//! `observe -> desired -> plan -> apply -> status`
//!
//! - [`resources`]: what users write and read. A new field starts here.
//! - [`plan`]: pure decisions: desired and observed objects in, typed steps out.
//! - [`platform`]: Adobe's APIs, typed. Knows nothing of Kubernetes. A new API call goes here.
//! - [`customer_io`]: Customer.io's App API, typed, on the platform's transport and budget. Knows nothing of Kubernetes.
//! - [`controllers`]: Kubernetes in, steps out: watches, the engine that runs plans, status, Events.
//! - [`operator`]: the operator put together from parts; [`process`]: the parts of a real process.
//! - [`leader`]: of several replicas one acts; the right to act, and the fence before AEP.
//! - [`config`]: the command line.
//! - [`http`]: health and metrics; [`metrics`], [`telemetry`]: what is counted and logged.
//! - [`work`]: what the controllers have to do and in which order, and whether it moves.
//! - [`clock`]: the injected time of day; `bounded`: clients of the API server that know bounds.
//!
//! Dependencies point down: `resources <- plan <- controllers`, and `plan` names the bodies that
//! `platform` sends. A condition reason is added in [`resources::conditions`] and given its words in
//! [`plan::failure`], or where it is found out. A second kind of source is a new file beside
//! [`resources::customer_io_source`] and a folder beside [`controllers::customer_io_source`]; what else names
//! the one there is, `docs/development.md` lists.

mod bounded;
pub mod clock;
pub mod config;
pub mod controllers;
pub mod customer_io;
pub mod http;
pub mod leader;
pub mod metrics;
pub mod operator;
pub mod plan;
pub mod platform;
pub mod process;
pub mod resources;
pub mod telemetry;
pub mod work;

//! Decisions: pure functions from what is wanted and what is known to what to do next.
//!
//! No IO and no clock but an argument. A controller calls a planner again and again: it runs the
//! [`Step`]s it is given (all of one [`Plan::Run`] are independent and may run at the same time),
//! folds the outcomes into what is known, and asks again, until the plan is [`Plan::Done`],
//! [`Plan::Wait`] or [`Plan::Stop`].
//!
//! - [`desired`], [`desired_dataset`]: spec to remote objects. A new field of a remote object goes here.
//! - [`remote`]: the kinds of remote object and how much is known of one.
//! - [`marker`]: the ownership marker in every description.
//! - [`source`], [`dataset`], [`dataflow`]: the planners; [`deletion`] is the way back.
//! - [`subscription`]: the planner of the webhook, and how it and the flow take turns.
//! - [`adopt`]: what stands already becomes a resource's own.
//! - [`target`]: what `spec.target` comes to; [`question`] is what has to be asked for that.
//! - [`mapping`]: the mapping set; [`mapping_help`]: what is wrong with its rows before anybody is asked.
//! - [`claim`]: which of several dataflows holds a source.
//! - [`sighting`]: what a listing shows: what to take over, twins, changes made elsewhere.
//! - [`drift`]: a change made elsewhere, as status and Events tell it.
//! - [`journal`]: creations under way, and when a look-up that found nothing settles one.
//! - [`ingestion`]: runs and what is expected of them, to the condition `Ingesting`.
//! - [`outputs`]: what becomes of the Secret with the inlet's addresses.
//! - [`preflight`]: what an organization has to see before anything is made for it.
//! - [`settling`]: how long a mapping waits for a field that is new in its schema.
//! - [`secret_use`]: how long a Secret that somebody deletes has to stay.
//! - [`failure`]: what went wrong to reason, words and pace; [`pace`] is how long to wait;
//!   [`webhook_failure`] has the words about webhooks.

pub mod adopt;
pub mod claim;
pub mod dataflow;
pub mod dataset;
pub mod deletion;
pub mod desired;
pub mod desired_dataset;
pub mod drift;
pub mod failure;
pub mod ingestion;
pub mod journal;
pub mod mapping;
pub mod mapping_help;
pub mod marker;
pub mod outputs;
pub mod pace;
pub mod preflight;
pub mod question;
pub mod remote;
pub mod secret_use;
pub mod settling;
pub mod sighting;
pub mod source;
mod step;
pub mod subscription;
pub mod target;
pub mod webhook_failure;

pub use failure::Failure;
pub use remote::{Fate, Known, RemoteKind, Service};
pub use step::{Body, Plan, Step, Wait, WebhookChange};

#[cfg(test)]
#[path = "../../tests/golden/check.rs"]
mod golden;
#[cfg(test)]
mod laws_tests;
#[cfg(test)]
mod test_remote;
#[cfg(test)]
pub(crate) mod test_support;

//! Customer.io's App API: the reporting webhooks of a workspace. Knows nothing of Kubernetes, nor of Adobe but for
//! the address that events go to.
//!
//! | file | holds |
//! |---|---|
//! | `addresses` | the regions and where they are |
//! | `client` | every call's way: key, address, budget |
//! | `webhooks` | the calls |
//! | `webhook` | what a webhook is, what of it has changed |
//! | `endpoint` | where a webhook sends to: made of an inlet and a flow, compared as what it means |
//! | `events` | the events there are, and what patterns make of them |
//! | `refusal` | failures by what the caller does next |
//!
//! A [`CustomerIo`] is made once from any [`HttpService`](crate::platform::HttpService).
//! [`CustomerIo::workspace`] gives the view of one App API key, and every call is a method of that [`Workspace`].
//! Exchanges, budgets and error classes are those of [`platform`](crate::platform).
//!
//! Facts: Customer.io's App API specification (`journeys-app.json`) and its page on reporting webhooks.
//!
//! # Guarantees
//!
//! - Nothing is sent twice. Every exchange ends within the time limit.
//! - No more calls than the documented limit of a key, and none before the end of a pause (429, `Retry-After`).
//! - A listing is complete or an error.
//! - An [`ApiError`](crate::platform::ApiError) says whether the request may have been carried out.
//! - Neither key nor endpoint is in an error, a trace or a `Debug`: who knows an endpoint can write into a dataset.
//!
//! # Caveats
//!
//! - There is neither an idempotency key nor a version: after a creation without an answer look for the
//!   [`Endpoint`] before creating again, and an update overwrites whatever somebody else has just written.
//! - A webhook of another workspace answers 404, as a deleted one does. Which of the two it is, and whether a key
//!   still is of the same workspace, is for the caller to find out.

mod addresses;
mod client;
mod endpoint;
mod events;
mod refusal;
mod webhook;
mod webhooks;

pub use addresses::{Addresses, Region};
pub use client::{CustomerIo, Workspace};
pub use endpoint::{Endpoint, FLOW_PARAMETER, InletError};
pub use events::{EVENTS, Resolved, resolve};
pub use webhook::{Webhook, WebhookSettings, with_endpoint};

pub use crate::platform::Deleted;

//! Kubernetes in, platform steps out.
//!
//! Three controllers, one per resource, on the same road:
//!
//! | file | holds |
//! |---|---|
//! | [`reconcile`], `conclude` | the road: read live, observe, run plans; status, Event, next look |
//! | [`engine`], [`execute`], [`remotes`] | running plans: intents before creations, one call a step, and where to |
//! | [`inventory`] | what stands in the sandboxes, as listed for everybody |
//! | [`runs`] | runs of flows: what is new in them, who is to be woken by it |
//! | [`webhooks`] | what stands in the workspaces of Customer.io, listed and compared in the same way |
//! | [`rounds`] | when each of the three looks at what stands elsewhere: |
//! | [`drift`] | changes made elsewhere: compares what is listed, wakes who differs |
//! | [`preflight`] | whether the organization sees what is to be created |
//! | `consult`, `twins` | what stands already is taken over; what an abandoned attempt made is deleted |
//! | [`record`] | the one writer of status and finalizer |
//! | `turn` | whose turn it is to call AEP |
//! | [`kind`], [`managed`] | what the road, and what the engine needs to know of a kind |
//! | [`customer_io_source`], [`aep_dataset`], [`aep_dataflow`] | what differs: one folder a kind |
//! | `delete`, [`deletion`] | the way back, the same for every kind: the road, and the subject on it |
//! | [`uninstalled`] | whether a resource goes only because its kind does |
//! | [`app_api_key`] | Secret to a workspace of Customer.io |
//! | [`credentials`], [`rotation`] | Secret to credentials; new ones are tried before the old are dropped |
//! | [`secrets`] | keeps a Secret until what needs it is gone |
//! | [`dependencies`], [`retries`] | who is woken by what, and when a try is due |
//! | [`namespaces`], `watch` | where resources are looked after; the watches there, and what of them is news |
//! | `run` | the controllers as they run: watches fill queues ([`crate::work`]), workers empty them |
//! | `next` | what becomes of a resource after a reconcile |
//! | [`events`], [`context`] | what `kubectl describe` shows, and what reconciles share |
//!
//! Watches are of metadata only and keep next to nothing: they say *that* something changed. What it
//! is now, a reconcile reads live, so a stale cache is harmless.

pub mod aep_dataflow;
pub mod aep_dataset;
pub mod app_api_key;
mod conclude;
mod consult;
pub mod context;
pub mod credentials;
pub mod customer_io_source;
mod delete;
pub mod deletion;
pub mod dependencies;
pub mod drift;
pub mod engine;
pub mod events;
pub mod execute;
pub mod inventory;
pub mod kind;
pub mod managed;
pub mod namespaces;
mod next;
pub mod preflight;
pub mod publisher;
pub mod reconcile;
pub mod record;
pub mod remotes;
pub mod retries;
pub mod rotation;
pub mod rounds;
mod run;
pub mod runs;
pub mod secrets;
mod turn;
mod twins;
pub mod uninstalled;
mod watch;
pub mod webhooks;

pub use run::run;

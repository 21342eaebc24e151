//! Leader election: of several replicas one acts.
//!
//! | file | holds |
//! |---|---|
//! | [`decide`] | whose turn it is: pure |
//! | [`terms`] | the times of an election, and what has to hold between them |
//! | `lease` | the Lease in Kubernetes, written only as it was read |
//! | [`elector`] | campaigns, keeps, gives back |
//! | [`tenure`] | the right to act, asked right before acting |
//! | [`mod@fence`] | no call to AEP without that right |
//!
//! # Guarantees
//!
//! - A process acts only until its own deadline, counted on its own monotonic clock from before it sent its
//!   last successful renewal. Another takes the lease only after it has seen it unchanged for the whole
//!   lease, which is longer: at no moment do two processes have the right to act, whatever their clocks say.
//! - A right that has ended does not come back: the process ends, and starts again with empty memory.
//! - The lease is given back only after everything under way has ended.
//!
//! # Assumptions
//!
//! Monotonic clocks run at about the same speed and do not stand still: the difference between lease and
//! deadline covers drift, but not a virtual machine that was paused. What such a one does late meets the
//! preconditions of Kubernetes writes and the markers on remote objects.

pub mod decide;
pub mod elector;
pub mod fence;
mod lease;
pub mod tenure;
pub mod terms;

pub use elector::{Election, Elector, Lost, identity};
pub use fence::fence;
pub use tenure::{NotLeading, Standing, Tenure};
pub use terms::{Terms, TermsError};

#[cfg(test)]
mod elector_tests;
#[cfg(test)]
mod fake_leases;

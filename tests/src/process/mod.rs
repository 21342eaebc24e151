//! Processes that do not outlive us.

mod child;
mod warden;

pub(crate) use child::{Process, tail};
pub(crate) use warden::Warden;

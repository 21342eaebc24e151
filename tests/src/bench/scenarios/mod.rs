//! What is measured, one scenario a file: each takes a [`Plan`] and returns figures.

pub mod fleet;
pub mod latency;
pub mod scale;
pub mod startup;

use std::{path::PathBuf, time::Duration};

use crate::story::Story;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The operator's executable, built with optimizations.
    pub operator: PathBuf,
    /// How often each figure is measured.
    pub runs: usize,
    /// Dataflows, each with a source, in the scenarios of scale.
    pub sizes: Vec<usize>,
    /// Dataflows in the scenario `fleet`.
    pub fleet: usize,
    /// Calls a second that the platform allows there.
    pub rate: f64,
    /// Milliseconds of each call there.
    pub latency: u64,
    /// Who is told what happens.
    pub story: Story,
}

/// The longest any one thing may take.
const LIMIT: Duration = Duration::from_mins(30);

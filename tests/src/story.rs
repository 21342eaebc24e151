//! What a run tells while it happens: each step with the time since the start.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

/// Tells steps on stdout, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    begun: Instant,
    told: bool,
}

impl Story {
    /// Tells every step.
    pub fn told() -> Self {
        Self {
            begun: Instant::now(),
            told: true,
        }
    }

    /// Tells nothing: for tests.
    pub fn silent() -> Self {
        Self {
            begun: Instant::now(),
            told: false,
        }
    }

    /// One step that begins, or a fact that is now known.
    pub fn step(&self, text: &str) {
        self.print(&format!(
            "[{:6.1} s] {text}\n",
            self.begun.elapsed().as_secs_f64()
        ));
    }

    /// Something to show below a step.
    pub fn show(&self, block: &str) {
        let mut text = String::new();
        for line in block.trim_end().lines() {
            text.push_str("             ");
            text.push_str(line);
            text.push('\n');
        }
        self.print(&text);
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// A closed stdout (`| head`) is no reason to stop half way and leave objects behind.
    fn print(&self, text: &str) {
        if self.told {
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(text.as_bytes());
            let _ = stdout.flush();
        }
    }
}

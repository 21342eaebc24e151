//! What happened in a run: a hash of every line, the lines themselves on request, and counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::random::{hash, mix};

/// What happened in a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    keep: bool,
    hash: u64,
    lines: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
}

impl Trace {
    /// Nothing yet; lines are kept if they shall be.
    pub fn new(keep: bool) -> Self {
        Self {
            keep,
            ..Self::default()
        }
    }

    pub(crate) fn note(&mut self, at: u64, line: &str) {
        self.hash = mix(self.hash ^ hash((at, line)));
        if self.keep {
            let mut text = String::new();
            let (seconds, millis) = (at / 1000, at % 1000);
            let _ = write!(
                text,
                "{:02}:{:02}:{:02}.{millis:03} {line}",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            );
            self.lines.push(text);
        }
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A number that differs between runs that differ in anything.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, if they were kept.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// How often what happened.
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}

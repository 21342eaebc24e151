//! The command line of the simulation.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use simulation::check::Checks;
use simulation::run::{Outcome, run_seed};

/// The real controllers on an in-memory API server and platform, days of operation in milliseconds.
#[derive(Debug, Parser)]
#[command(name = "cargo playground", bin_name = "cargo playground")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs many seeds and says which broke a promise.
    Soak(Soak),
}

#[derive(Debug, clap::Args)]
struct Soak {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// This one only.
    #[arg(long)]
    seed: Option<u64>,
    /// Print everything that happened in each run.
    #[arg(long)]
    trace: bool,
    /// Print the hash of each run's trace.
    #[arg(long)]
    hash: bool,
    /// Threads; default: one a processor.
    #[arg(long)]
    jobs: Option<usize>,
    /// Stop after so many seeds that broke a promise.
    #[arg(long, default_value_t = 10)]
    stop_after: u64,
}

#[derive(Default)]
struct Sum {
    seeds: u64,
    elapsed: Duration,
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        self.elapsed += outcome.elapsed;
        for (what, count) in outcome.trace.counts() {
            *self.counts.entry(what).or_default() += count;
        }
        if let Some(violation) = &outcome.violation {
            self.violations.push((seed, violation.clone()));
        }
    }
}

fn main() -> ExitCode {
    let Command::Soak(soak) = Cli::parse().command;
    let (from, seeds) = soak.seed.map_or((soak.from, soak.seeds), |seed| (seed, 1));
    let next = AtomicU64::new(from);
    let sum = Mutex::new(Sum::default());
    let started = Instant::now();
    let jobs = soak
        .jobs
        .or_else(|| std::thread::available_parallelism().ok().map(Into::into))
        .unwrap_or(1);
    let lock = || {
        sum.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= from + seeds || lock().violations.len() as u64 >= soak.stop_after {
                        break;
                    }
                    let outcome = run_seed(seed, Checks::default(), soak.trace);
                    let mut sum = lock();
                    for line in outcome.trace.lines() {
                        println!("{line}");
                    }
                    if soak.hash {
                        println!("{seed} {:016x}", outcome.trace.hash());
                    }
                    if let Some(violation) = &outcome.violation {
                        println!(
                            "VIOLATION {violation}\n  cargo playground soak --seed {seed} --trace"
                        );
                    }
                    sum.add(seed, &outcome);
                    if sum.seeds % 1_000 == 0 {
                        eprintln!(
                            "{} of {seeds} seeds, {} violations, {:.0?}",
                            sum.seeds,
                            sum.violations.len(),
                            started.elapsed()
                        );
                    }
                }
            });
        }
    });
    let sum = sum
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    println!(
        "{} seeds, {:.0} virtual hours in {:.1?}, {} violations",
        sum.seeds,
        sum.elapsed.as_secs_f64() / 3_600.0,
        started.elapsed(),
        sum.violations.len()
    );
    for (what, count) in &sum.counts {
        println!("{count:>12} {what}");
    }
    if sum.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

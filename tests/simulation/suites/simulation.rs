//! The simulation as a test: many seeds, each with faults, kills and users of its own; and that a seed is all it takes to
//! have a run again.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use simulation::check::Checks;
use simulation::run::run_seed;

/// What `cargo test` runs; `cargo playground soak` runs as many as asked for.
const SEEDS: u64 = 2_000;
/// Beyond those: what long soaks found, and what is mended.
const FOUND: [u64; 6] = [2_960, 6_751, 17_567, 48_610, 79_435, 88_876];

#[test]
fn no_seed_breaks_a_promise() {
    let seeds: Vec<u64> = (1..=SEEDS).chain(FOUND).collect();
    let next = AtomicUsize::new(0);
    let broken = Mutex::new(Vec::new());
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Some(violation) = run_seed(*seed, Checks::default(), false).violation {
                        let line =
                            format!("cargo playground soak --seed {seed} --trace   # {violation}");
                        broken.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Hash maps and allocators differ between processes; runs must not.
#[test]
fn a_seed_gives_the_same_run_in_every_process() {
    let hashes = || {
        let output = Command::new(env!("CARGO_BIN_EXE_simulation"))
            .args([
                "soak", "--seeds", "12", "--from", "1", "--jobs", "1", "--hash",
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<String> = text.lines().take(12).map(str::to_owned).collect();
        lines
    };
    let first = hashes();
    assert_eq!(first.len(), 12, "{first:?}");
    assert_eq!(first, hashes());
}

//! `cargo playground bench`: what the operator costs and how fast it is, against what the platform itself allows.
//!
//! - [`scenarios`] measure; each returns [`figure::Figure`]s, which are told as a table and as JSON.
//! - [`site`] is a stack with the questions they put to it, [`cluster`] its kube-apiserver, [`crowd`] the manifests,
//!   [`usage`] what the operator's process takes of the machine, [`plot`] a picture of cost against size.
//!
//! Nothing here is a test: no figure of a machine decides whether a change is good. Counts that do not depend on the
//! machine are asserted in the end to end scenarios too.

#![expect(
    clippy::cast_precision_loss,
    reason = "nothing counted here is near 2 to the 52nd"
)]

pub mod cluster;
pub mod crowd;
pub mod figure;
pub mod plot;
pub mod scenarios;
pub mod site;
pub mod usage;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use self::{
    figure::{Figure, table},
    scenarios::{Plan, fleet, latency, scale, startup},
};
use crate::{
    operator_build::{Profile, build_operator},
    story::Story,
};

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Default: all.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// Runs of each figure; the table has median, minimum and maximum.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: u16,
    /// Dataflows, each with a source, for steady, restart, memory and edit-under-load.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
    sizes: Vec<usize>,
    /// Dataflows, each with a source, for fleet.
    #[arg(long, default_value_t = 1_000)]
    fleet: usize,
    /// Calls a second that the platform allows in fleet.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Milliseconds that each call takes in fleet.
    #[arg(long, value_name = "MS", default_value_t = 100)]
    latency: u64,
    /// Also write the figures here, with every sample.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw steady, restart and memory against `--sizes`, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Measure nothing: tell what these files of `--json` have, as one.
    #[arg(long, value_name = "FILE", value_delimiter = ',', conflicts_with_all = ["json", "scenarios"])]
    from: Vec<PathBuf>,
    /// Take this operator instead of building the one of this checkout with optimizations.
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// One dataflow at 20, 100 and 500 ms a call, and behind an inlet that takes its time.
    Latency,
    /// Many dataflows at once on a platform with a limit.
    Fleet,
    /// Drift checks: calls, writes, processor time.
    Steady,
    /// A start among many that are in sync.
    Restart,
    /// What is resident.
    Memory,
    /// One change while all are being checked.
    EditUnderLoad,
    /// Process start to first reconcile; the program's size.
    Startup,
}

/// Measures, tells the progress, and prints the table.
pub async fn run(args: BenchArgs) -> Result<()> {
    if !args.from.is_empty() {
        return tell(&args.from, args.plot.as_deref());
    }
    let story = Story::told();
    let wants = |scenario| args.scenarios.is_empty() || args.scenarios.contains(&scenario);
    ensure!(
        args.sizes.iter().all(|size| *size > 0),
        "--sizes 0: nothing stands there; `startup` tells what the operator has resident then"
    );
    let drawn = [Scenario::Steady, Scenario::Restart, Scenario::Memory];
    ensure!(
        args.plot.is_none() || (args.sizes.len() > 1 && drawn.into_iter().all(wants)),
        "--plot draws steady, restart and memory at two sizes at least"
    );
    let operator = if let Some(operator) = args.operator {
        operator
    } else {
        story.step("building the operator with optimizations");
        build_operator(Profile::Release).await?
    };
    let plan = Plan {
        operator,
        runs: usize::from(args.runs),
        sizes: args.sizes,
        fleet: args.fleet,
        rate: args.rate,
        latency: args.latency,
        story,
    };
    let mut figures: Vec<Figure> = Vec::new();
    let measured = measure(&plan, wants, &mut figures).await;
    // What was measured before something failed is told all the same.
    println!("\n{}", table(&figures));
    if let Some(path) = args.json {
        let figures: Vec<_> = figures.iter().map(Figure::json).collect();
        let command: Vec<String> = std::env::args().skip(1).collect();
        let told = json!({
            "machine": usage::machine(), "command": command.join(" "), "figures": figures,
        });
        write(&path, &serde_json::to_string_pretty(&told)?)?;
    }
    measured?;
    if let Some(path) = args.plot {
        write(&path, &plot::svg(&figures)?)?;
    }
    Ok(())
}

/// Tells what was measured before, in one go or in several.
fn tell(files: &[PathBuf], plot: Option<&Path>) -> Result<()> {
    let mut figures = Vec::new();
    for path in files {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let told: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no JSON", path.display()))?;
        let these = told["figures"].as_array().into_iter().flatten();
        figures.extend(these.filter_map(Figure::read));
    }
    println!("{}", table(&figures));
    plot.map_or(Ok(()), |path| write(path, &plot::svg(&figures)?))
}

async fn measure(
    plan: &Plan,
    wants: impl Fn(Scenario) -> bool,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let story = plan.story;
    story.step(&usage::machine());
    if wants(Scenario::Startup) {
        story.step("startup");
        figures.extend(startup::measure(plan).await?);
    }
    if wants(Scenario::Latency) {
        story.step("latency");
        figures.extend(latency::measure(plan).await?);
    }
    if wants(Scenario::Fleet) {
        story.step("fleet");
        figures.extend(fleet::measure(plan).await?);
    }
    let parts = [
        (Scenario::Steady, scale::Part::Steady),
        (Scenario::Restart, scale::Part::Restart),
        (Scenario::Memory, scale::Part::Memory),
        (Scenario::EditUnderLoad, scale::Part::EditUnderLoad),
    ];
    let parts = parts.into_iter().filter(|(scenario, _)| wants(*scenario));
    let parts: Vec<scale::Part> = parts.map(|(_, part)| part).collect();
    if !parts.is_empty() {
        story.step("many that stand");
        scale::measure(plan, &parts, figures).await?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

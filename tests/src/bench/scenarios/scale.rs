//! What dataflows cost once they stand, by their number: memory, a drift check, a restart, and an edit while a check is
//! under way. Bringing them up is most of the work, so all of it is measured on the same ones.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

use super::{LIMIT, Plan};
use crate::bench::{
    cluster::DATAFLOWS,
    figure::{Figure, Unit},
    site::{Site, weather},
    usage,
};

/// The operator's own intervals are ten times as long: what is measured of them is an hour in six minutes.
const ARGS: [&str; 2] = ["--drift-interval=60s", "--runs-interval=30s"];
const PACE: f64 = 10.0;
/// How long the processor's time is looked at. Two drift checks, four looks at runs.
const WINDOW: Duration = Duration::from_mins(2);
/// Milliseconds of each call while edits are timed: a check then lasts, and an edit costs what it would.
const LATENCY: u64 = 100;
const RECONCILES: &str = "controller_runtime_reconcile_total";

/// What of it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Drift checks: calls, writes, processor time.
    Steady,
    /// A start among many that are in sync.
    Restart,
    /// What is resident after it.
    Memory,
    /// One change while all are being checked.
    EditUnderLoad,
}

/// The figures at each size.
pub async fn measure(plan: &Plan, parts: &[Part]) -> Result<Vec<Figure>> {
    let wants = |part| parts.contains(&part);
    let mut figures = Vec::new();
    for size in &plan.sizes {
        let site = Site::start(&plan.operator, &ARGS).await?;
        let begun = Instant::now();
        site.stand_up(0..*size, LIMIT).await?;
        let took = begun.elapsed();
        plan.story.step(&format!(
            "{size} dataflows with their sources stand after {took:.0?}"
        ));
        let here = Here {
            plan,
            site: &site,
            size: *size,
        };
        if wants(Part::Steady) {
            figures.extend(here.steady().await?);
        }
        // Memory is looked at after a start: what lists leave behind is what a replica that takes over has.
        if wants(Part::Restart) || wants(Part::Memory) {
            figures.extend(here.restart(parts).await?);
        }
        if wants(Part::EditUnderLoad) {
            figures.extend(here.edit().await?);
        }
        site.end().await?;
    }
    Ok(figures)
}

struct Here<'a> {
    plan: &'a Plan,
    site: &'a Site,
    size: usize,
}

impl Here<'_> {
    /// Pages of flows and of sources, questions for fifty target connections, and two.
    fn calls_of_a_check(&self) -> f64 {
        let pages = |of: usize| self.size.div_ceil(of) as f64;
        2.0 * pages(100) + pages(50) + 2.0
    }

    fn figure(&self, scenario: &'static str, what: &str, unit: Unit, samples: &[f64]) -> Figure {
        Figure::new(
            scenario,
            format!("{} dataflows: {what}", self.size),
            unit,
            samples,
        )
    }

    async fn steady(&self) -> Result<Vec<Figure>> {
        const NAME: &str = "steady";
        let Self { site, plan, .. } = self;
        // What follows the last creation is over with the first check.
        site.until_a_check_begins(LIMIT).await?;
        site.until_the_check_ends(LIMIT).await?;
        let before = site.versions().await?;
        let (mut calls, mut writes) = (Vec::new(), 0);
        let pid = site.stack.operator().pid();
        let mut cpu = Vec::new();
        for _ in 0..plan.runs {
            site.until_a_check_begins(LIMIT).await?;
            let of_check = site.until_the_check_ends(LIMIT).await?;
            calls.push(of_check.of_checks() as f64);
            writes += of_check.writes();
        }
        for _ in 0..plan.runs {
            let start = usage::cpu(pid)?;
            sleep(WINDOW).await;
            let spent = usage::cpu(pid)?.saturating_sub(start).as_secs_f64();
            cpu.push(spent / (WINDOW.as_secs_f64() * PACE) * 3600.0);
        }
        let after = site.versions().await?;
        let written = before
            .iter()
            .filter(|(uid, version)| after.get(*uid) != Some(*version))
            .count();
        plan.story.step(&format!(
            "a drift check: {calls:.0?} calls; {cpu:.1?} s of a processor an hour"
        ));
        let share: Vec<f64> = cpu.iter().map(|seconds| seconds / 36.0).collect();
        Ok(vec![
            self.figure(NAME, "calls of a drift check", Unit::Count, &calls)
                .at_most(self.calls_of_a_check()),
            self.figure(
                NAME,
                "writes to the platform",
                Unit::Count,
                &[writes as f64],
            )
            .at_most(0.0),
            self.figure(NAME, "resources written", Unit::Count, &[written as f64])
                .at_most(0.0),
            self.figure(NAME, "processor time an hour", Unit::Seconds, &cpu),
            self.figure(NAME, "of one core", Unit::Percent, &share)
                .at_most(1.0),
        ])
    }

    async fn restart(&self, parts: &[Part]) -> Result<Vec<Figure>> {
        let Self { site, plan, .. } = self;
        let (mut seconds, mut calls, mut writes, mut written) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut resident, mut peak) = (Vec::new(), Vec::new());
        for _ in 0..plan.runs {
            site.until_the_check_ends(LIMIT).await?;
            let before = site.versions().await?;
            site.forget_calls().await?;
            let begun = site.restart().await?;
            site.until_metric(RECONCILES, 2.0 * self.size as f64, LIMIT)
                .await?;
            seconds.push(begun.elapsed().as_secs_f64());
            let made = site.until_the_check_ends(LIMIT).await?;
            calls.push(made.total() as f64);
            writes.push(made.writes() as f64);
            let after = site.versions().await?;
            written.push(
                before
                    .iter()
                    .filter(|(uid, version)| after.get(*uid) != Some(*version))
                    .count() as f64,
            );
            // One check later caches are as they stay.
            site.until_a_check_begins(LIMIT).await?;
            site.until_the_check_ends(LIMIT).await?;
            let memory = usage::memory(site.stack.operator().pid())?;
            resident.push(memory.resident);
            peak.push(memory.peak);
        }
        plan.story.step(&format!(
            "restarted: {seconds:.1?} s, {calls:.0?} calls; resident {resident:.1?} MB"
        ));
        let mut figures = Vec::new();
        if parts.contains(&Part::Restart) {
            const NAME: &str = "restart";
            figures.extend([
                self.figure(
                    NAME,
                    "start until each was looked at",
                    Unit::Seconds,
                    &seconds,
                ),
                self.figure(NAME, "calls", Unit::Count, &calls)
                    .at_most(2.0 * self.calls_of_a_check()),
                self.figure(NAME, "writes to the platform", Unit::Count, &writes)
                    .at_most(0.0),
                self.figure(NAME, "resources written", Unit::Count, &written)
                    .at_most(0.0),
            ]);
        }
        if parts.contains(&Part::Memory) {
            const NAME: &str = "memory";
            let figure = self.figure(
                NAME,
                "resident after a start and a check",
                Unit::Megabytes,
                &resident,
            );
            figures.push(match self.size {
                1_000 => figure.at_most(25.0),
                10_000 => figure.at_most(80.0),
                _ => figure,
            });
            figures.push(self.figure(NAME, "peak", Unit::Megabytes, &peak));
        }
        Ok(figures)
    }

    async fn edit(&self) -> Result<Vec<Figure>> {
        const NAME: &str = "edit-under-load";
        let Self { site, plan, size } = self;
        site.platform(weather(LATENCY, None)).await?;
        let mut watch = site.cluster.watch(DATAFLOWS).await?;
        let (mut idle, mut loaded) = (Vec::new(), Vec::new());
        for run in 0..plan.runs {
            let number = run % size;
            site.until_a_check_begins(LIMIT).await?;
            let took = site
                .time_edit(&mut watch, number, &format!("under load {run}"), LIMIT)
                .await?;
            loaded.push(took.as_secs_f64() * 1e3);
            site.until_the_check_ends(LIMIT).await?;
            let took = site
                .time_edit(&mut watch, number, &format!("idle {run}"), LIMIT)
                .await?;
            idle.push(took.as_secs_f64() * 1e3);
        }
        plan.story.step(&format!(
            "an edit: {idle:.0?} ms, while a check runs {loaded:.0?} ms"
        ));
        let alone = self.figure(NAME, "an edit, idle", Unit::Millis, &idle);
        let ratios: Vec<f64> = loaded.iter().map(|it| it / alone.median()).collect();
        Ok(vec![
            alone,
            self.figure(NAME, "an edit during a drift check", Unit::Millis, &loaded),
            self.figure(NAME, "the latter to the former", Unit::Ratio, &ratios)
                .at_most(3.0),
        ])
    }
}

//! What dataflows cost once they stand, by their number: memory, a drift check, a restart, and an edit while a check is
//! under way. Bringing them up is most of the work, so all of it is measured on the same ones.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{LIMIT, Plan};
use crate::bench::{
    cluster::DATAFLOWS,
    figure::{Figure, Unit},
    site::{RECONCILES, Site, weather},
    usage,
};
use anyhow::Result;

/// The operator's own intervals are ten times as long: what is measured of them is an hour in six minutes.
const ARGS: [&str; 2] = ["--drift-interval=60s", "--runs-interval=30s"];
const PACE: f64 = 10.0;
/// Milliseconds of each call while edits are timed: a check then lasts, and an edit costs what it would.
const LATENCY: u64 = 100;

/// What of it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Drift checks: calls, writes, processor time.
    Steady,
    /// A start among many that are in sync.
    Restart,
    /// What is resident after a start, and after all is listed anew.
    Memory,
    /// One change while all are being checked.
    EditUnderLoad,
}

/// The figures at each size.
pub async fn measure(plan: &Plan, parts: &[Part]) -> Result<Vec<Figure>> {
    let wants = |part| parts.contains(&part);
    let mut figures = Vec::new();
    for size in &plan.sizes {
        let mut site = Site::start(&plan.operator, &ARGS).await?;
        let begun = Instant::now();
        site.stand_up(0..*size, LIMIT).await?;
        let took = begun.elapsed();
        plan.story.step(&format!(
            "{size} dataflows with their sources stand after {took:.0?}"
        ));
        let made = usage::memory(site.stack.operator().pid())?.peak;
        let here = Here {
            plan,
            site: &site,
            size: *size,
        };
        if wants(Part::Memory) {
            plan.story
                .step(&format!("resident at most meanwhile: {made:.1} MB"));
            let what = "peak while all are made at once";
            figures.push(here.figure("memory", what, Unit::Megabytes, &[made]));
        }
        if wants(Part::Steady) {
            figures.extend(here.steady().await?);
        }
        if wants(Part::Restart) {
            figures.extend(here.restart().await?);
        }
        if wants(Part::EditUnderLoad) {
            figures.extend(here.edit().await?);
        }
        if wants(Part::Memory) {
            figures.extend(memory(plan, &mut site, *size).await?);
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
        Figure::new(scenario, what, unit, samples).of(self.size)
    }

    async fn steady(&self) -> Result<Vec<Figure>> {
        const NAME: &str = "steady";
        let Self { site, plan, .. } = self;
        // What follows the last creation is over with the first check.
        site.until_a_check_begins(LIMIT).await?;
        site.until_the_check_ends(LIMIT).await?;
        let before = site.versions().await?;
        let (mut calls, mut writes, mut cpu) = (Vec::new(), 0, Vec::new());
        let pid = site.stack.operator().pid();
        site.until_a_check_begins(LIMIT).await?;
        for _ in 0..plan.runs {
            // From one check to the next.
            let (begun, spent) = (Instant::now(), usage::cpu(pid)?);
            let of_check = site.until_the_check_ends(LIMIT).await?;
            calls.push(of_check.of_checks() as f64);
            writes += of_check.writes();
            site.until_a_check_begins(LIMIT).await?;
            let spent = usage::cpu(pid)?.saturating_sub(spent);
            cpu.push(3600.0 * spent.as_secs_f64() / begun.elapsed().as_secs_f64() / PACE);
        }
        let written = changed(&before, &site.versions().await?);
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

    async fn restart(&self) -> Result<Vec<Figure>> {
        const NAME: &str = "restart";
        let Self { site, plan, .. } = self;
        let (mut seconds, mut calls, mut writes, mut written) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.runs {
            site.until_the_check_ends(LIMIT).await?;
            let before = site.versions().await?;
            site.forget_calls().await?;
            seconds.push(self.start_anew().await?.as_secs_f64());
            // The first check belongs to the start, though it comes at a time of its own.
            site.until_the_first_check(LIMIT).await?;
            let made = site.until_the_check_ends(LIMIT).await?;
            calls.push(made.total() as f64);
            writes.push(made.writes() as f64);
            written.push(changed(&before, &site.versions().await?) as f64);
        }
        plan.story
            .step(&format!("restarted: {seconds:.1?} s, {calls:.0?} calls"));
        let twice = 2.0 * self.calls_of_a_check();
        Ok(vec![
            self.figure(
                NAME,
                "start until each was looked at",
                Unit::Seconds,
                &seconds,
            ),
            self.figure(
                NAME,
                "calls, the first check among them",
                Unit::Count,
                &calls,
            )
            .at_most(twice),
            self.figure(NAME, "writes to the platform", Unit::Count, &writes)
                .at_most(0.0),
            self.figure(NAME, "resources written", Unit::Count, &written)
                .at_most(0.0),
        ])
    }

    /// How long it takes from the start of the process until each resource was looked at.
    async fn start_anew(&self) -> Result<Duration> {
        let begun = self.site.restart().await?;
        let all = 2.0 * self.size as f64;
        self.site.until_metric(RECONCILES, all, LIMIT).await?;
        Ok(begun.elapsed())
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

/// After a start and a drift check, which is what a replica that takes over has; and after kube-apiserver was started anew,
/// so that all watches have to list.
async fn memory(plan: &Plan, site: &mut Site, count: usize) -> Result<Vec<Figure>> {
    const NAME: &str = "memory";
    let [
        mut resident,
        mut peak,
        mut relisted,
        mut heap,
        mut peak_relisted,
    ] = [const { Vec::new() }; 5];
    site.platform(weather(0, None)).await?;
    for _ in 0..plan.runs {
        let here = Here {
            plan,
            site,
            size: count,
        };
        here.start_anew().await?;
        site.until_a_check_begins(LIMIT).await?;
        site.until_the_check_ends(LIMIT).await?;
        let pid = site.stack.operator().pid();
        let memory = usage::memory(pid)?;
        resident.push(memory.resident);
        peak.push(memory.peak);
        usage::forget_peak(pid)?;
        site.relist(LIMIT).await?;
        let memory = usage::memory(pid)?;
        relisted.push(memory.resident);
        heap.push(memory.anonymous);
        peak_relisted.push(memory.peak);
    }
    plan.story.step(&format!(
        "resident {resident:.1?} MB, after a relist {relisted:.1?} MB (without the program {heap:.1?} MB), at most {peak:.1?} and {peak_relisted:.1?} MB"
    ));
    let figure =
        |what: &str, samples: &[f64]| Figure::new(NAME, what, Unit::Megabytes, samples).of(count);
    let relisted = figure("resident after a relist", &relisted);
    Ok(vec![
        figure("resident after a start and a check", &resident),
        figure("peak until then", &peak),
        match count {
            1_000 => relisted.at_most(25.0),
            10_000 => relisted.at_most(80.0),
            _ => relisted,
        },
        figure("of that, heap and stacks", &heap),
        figure("peak of the relist", &peak_relisted),
    ])
}

/// How many resources are not as they were.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> usize {
    let differs = |(uid, version): &(&String, &String)| after.get(*uid) != Some(*version);
    before.iter().filter(differs).count()
}

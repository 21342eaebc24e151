//! What dataflows cost once they stand, by their number: memory, a drift check, a restart, and an edit while a check is
//! under way. Bringing them up is most of the work, so all of it is measured on the same ones.

use std::time::{Duration, Instant};

use super::{LIMIT, Plan};
use crate::bench::{
    cluster::DATAFLOWS,
    figure::{Figure, Unit},
    site::{Calls, Site, weather},
    usage,
};
use anyhow::{Result, ensure};

/// The operator's own intervals are ten times as long: what is measured of them is an hour in six minutes.
const ARGS: [&str; 2] = ["--drift-interval=60s", "--runs-interval=30s"];
const PACE: f64 = 10.0;
/// Dataflows that are made at once.
const BATCH: usize = 1_000;
/// How long a process is watched that has nothing to do but to keep its lease and its connections.
const IDLE: Duration = Duration::from_secs(8);
/// No call for so long: neither a check nor a look at runs is under way.
const NO_CALL: Duration = Duration::from_secs(2);
/// Milliseconds of each call while edits are timed: a check then lasts, and an edit costs what it would.
const LATENCY: u64 = 100;
/// Calls of an edit that must wait for each other: the flow is read (with what it is built on), changed, and read again.
const EDIT_ROUND_TRIPS: f64 = 3.0;

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

/// The figures at each size, added as they come: it takes long until all are there.
pub async fn measure(plan: &Plan, parts: &[Part], figures: &mut Vec<Figure>) -> Result<()> {
    let wants = |part| parts.contains(&part);
    for size in &plan.sizes {
        let mut site = Site::start(&plan.operator, &ARGS).await?;
        let begun = Instant::now();
        let pid = site.stack.operator().pid();
        for from in (0..*size).step_by(BATCH) {
            let to = (from + BATCH).min(*size);
            site.stand_up(from..to, LIMIT).await?;
            let took = begun.elapsed();
            plan.story.step(&format!(
                "{to} dataflows with their sources stand after {took:.0?}"
            ));
        }
        let made = usage::memory(site.same_operator(pid)?)?.peak;
        let here = Here {
            plan,
            site: &site,
            size: *size,
        };
        if wants(Part::Memory) {
            plan.story
                .step(&format!("resident at most meanwhile: {made:.1} MB"));
            let what = "peak while they are made, a thousand at a time";
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
    Ok(())
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
        let [mut calls, mut writes, mut written, mut cpu] = [const { Vec::new() }; 4];
        let pid = site.stack.operator().pid();
        let idle = self.idle(pid).await?;
        site.until_a_check_begins(LIMIT).await?;
        let mut before = Calls::default();
        for _ in 0..plan.runs {
            // From one check to the next, with the looks at runs in between.
            let (begun, spent) = (Instant::now(), usage::cpu(pid)?);
            let requests = site.cluster.writes().await?;
            let made = site.until_the_check_ends(LIMIT).await?;
            let of_check = (made.of_checks() - before.of_checks()) as f64;
            ensure!(
                of_check >= self.calls_of_a_check() / 2.0,
                "a drift check of {of_check} calls has not looked at everything"
            );
            calls.push(of_check);
            writes.push((made.writes() - before.writes()) as f64);
            site.until_another_call_of_a_check(made.of_checks(), LIMIT)
                .await?;
            before = made;
            let took = begun.elapsed().as_secs_f64();
            let spent = usage::cpu(site.same_operator(pid)?)?.saturating_sub(spent);
            written.push((site.cluster.writes().await? - requests) as f64);
            // Checks and looks come ten times as often as by default; what a process costs by being there does not.
            let looks = (spent.as_secs_f64() - idle * took).max(0.0);
            cpu.push(3600.0 * (looks / took / PACE + idle));
        }
        plan.story.step(&format!(
            "a drift check: {calls:.0?} calls; {cpu:.2?} s of a processor an hour, {:.2} s of it idle",
            3600.0 * idle
        ));
        let share: Vec<f64> = cpu.iter().map(|seconds| seconds / 36.0).collect();
        Ok(vec![
            self.figure(NAME, "calls of a drift check", Unit::Count, &calls)
                .at_most(self.calls_of_a_check()),
            self.figure(NAME, "writes to the platform", Unit::Count, &writes)
                .at_most(0.0),
            self.figure(NAME, "writes to kube-apiserver", Unit::Count, &written)
                .at_most(0.0),
            self.figure(NAME, "processor time an hour", Unit::Seconds, &cpu),
            self.figure(NAME, "of one core", Unit::Percent, &share)
                .at_most(1.0),
        ])
    }

    /// Seconds of a processor a second, while nothing is looked at.
    async fn idle(&self, pid: u32) -> Result<f64> {
        let site = self.site;
        loop {
            site.until_no_call_for(NO_CALL, LIMIT).await?;
            let (calls, begun, spent) = (site.calls().await?, Instant::now(), usage::cpu(pid)?);
            tokio::time::sleep(IDLE).await;
            let spent = usage::cpu(pid)?.saturating_sub(spent);
            let took = begun.elapsed();
            if site.calls().await? == calls {
                return Ok(spent.div_duration_f64(took));
            }
        }
    }

    async fn restart(&self) -> Result<Vec<Figure>> {
        const NAME: &str = "restart";
        let Self { site, plan, .. } = self;
        let [
            mut seconds,
            mut again,
            mut before_a_check,
            mut calls,
            mut writes,
            mut written,
        ] = [const { Vec::new() }; 6];
        for _ in 0..plan.runs {
            site.until_the_check_ends(LIMIT).await?;
            let requests = site.cluster.writes().await?;
            let (took, more) = self.start_anew().await?;
            seconds.push(took.as_secs_f64());
            again.push(more);
            before_a_check.push(site.calls().await?.of_checks() as f64);
            // The first check belongs to the start, though it comes at a time of its own.
            site.until_the_first_check(LIMIT).await?;
            let made = site.until_the_check_ends(LIMIT).await?;
            calls.push(made.of_checks() as f64);
            writes.push(made.writes() as f64);
            written.push((site.cluster.writes().await? - requests) as f64);
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
            self.figure(NAME, "reconciles beyond one each", Unit::Count, &again),
            self.figure(NAME, "calls until then", Unit::Count, &before_a_check),
            self.figure(
                NAME,
                "calls up to the end of the first check",
                Unit::Count,
                &calls,
            )
            .at_most(twice),
            self.figure(NAME, "writes to the platform", Unit::Count, &writes)
                .at_most(0.0),
            self.figure(NAME, "writes to kube-apiserver", Unit::Count, &written)
                .at_most(0.0),
        ])
    }

    /// How long it takes from the start of the process until each resource was looked at; reconciles beyond that.
    async fn start_anew(&self) -> Result<(Duration, f64)> {
        let begun = self.site.restart().await?;
        let all = 2.0 * self.size as f64;
        let more = self.site.until_each_was_looked_at(all, LIMIT).await?;
        Ok((begun.elapsed(), more))
    }

    async fn edit(&self) -> Result<Vec<Figure>> {
        const NAME: &str = "edit-under-load";
        let Self { site, plan, size } = self;
        site.platform(weather(LATENCY, None)).await?;
        let mut watch = site.cluster.watch(DATAFLOWS).await?;
        let (mut idle, mut loaded) = (Vec::new(), Vec::new());
        // A check must last longer than an edit to be under way all the time.
        let lasts = self.calls_of_a_check() / 2.0 * LATENCY as f64 > 2e3;
        for run in 0..plan.runs {
            let number = run % size;
            if lasts {
                site.until_a_check_begins(LIMIT).await?;
                let took = site
                    .time_edit(&mut watch, number, &format!("under load {run}"), LIMIT)
                    .await?;
                loaded.push(took.as_secs_f64() * 1e3);
                let seen = site.calls().await?.of_checks();
                site.until_another_call_of_a_check(seen, LIMIT).await?;
                site.until_the_check_ends(LIMIT).await?;
            }
            site.until_no_call_for(NO_CALL, LIMIT).await?;
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
        let allowed = EDIT_ROUND_TRIPS * LATENCY as f64;
        let to_allowed: Vec<f64> = idle.iter().map(|it| it / allowed).collect();
        let mut figures = vec![
            alone,
            self.figure(NAME, "that, to 3 round trips", Unit::Ratio, &to_allowed),
        ];
        if lasts {
            figures.push(self.figure(NAME, "an edit during a drift check", Unit::Millis, &loaded));
            let what = "the latter to an edit that is idle";
            figures.push(self.figure(NAME, what, Unit::Ratio, &ratios).at_most(3.0));
        }
        Ok(figures)
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

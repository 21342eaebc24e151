//! Many dataflows at once on a platform that allows so many calls a second: how near to that rate the operator stays, how
//! often it is refused, and what it holds meanwhile.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use super::{LIMIT, Plan};
use crate::bench::{
    cluster::DATAFLOWS,
    crowd,
    figure::{Figure, Unit},
    site::{Site, weather},
    usage,
};

const NAME: &str = "fleet";
/// Calls that a dataflow and its source take: what the platform would have to let through at least.
const CALLS: f64 = 5.0;
/// Until then the rate that is allowed may still be looked for.
const SEARCH: Duration = Duration::from_secs(10);

/// The figures at one rate, and with that rate halved midway.
pub async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for halved in [false, true] {
        let [mut seconds, mut ratios, mut refused, mut calls, mut peak] = [const { Vec::new() }; 5];
        for _ in 0..plan.runs {
            let run = run(plan, halved).await?;
            seconds.push(run.seconds);
            ratios.push(run.ratio);
            refused.push(run.refused);
            calls.push(run.calls);
            peak.push(run.peak);
        }
        let rate = plan.rate;
        let how = if halved {
            format!("{rate}/s, halved midway")
        } else {
            format!("{rate}/s")
        };
        let told = format!("{} dataflows at {how}", plan.fleet);
        plan.story.step(&format!(
            "{told}: {seconds:.0?} s, {ratios:.2?} of what the rate allows, {refused:.2?} % refused, {calls:.2?} calls each, {peak:.1?} MB at most"
        ));
        figures.push(Figure::new(
            NAME,
            format!("{told}: all Ready"),
            Unit::Seconds,
            &seconds,
        ));
        figures.push(
            Figure::new(
                NAME,
                format!("{told}: to calls / rate"),
                Unit::Ratio,
                &ratios,
            )
            .at_most(1.10),
        );
        figures.push(
            Figure::new(
                NAME,
                format!("{told}: refused after ten seconds"),
                Unit::Percent,
                &refused,
            )
            .at_most(1.0),
        );
        figures.push(Figure::new(
            NAME,
            format!("{told}: to 5 calls each"),
            Unit::Ratio,
            &calls.iter().map(|each| each / CALLS).collect::<Vec<_>>(),
        ));
        figures.push(Figure::new(
            NAME,
            format!("{told}: peak meanwhile"),
            Unit::Megabytes,
            &peak,
        ));
    }
    Ok(figures)
}

struct Run {
    seconds: f64,
    ratio: f64,
    /// Of a hundred calls after the search.
    refused: f64,
    /// Calls a dataflow that were let through.
    calls: f64,
    /// Megabytes resident at most.
    peak: f64,
}

async fn run(plan: &Plan, halved: bool) -> Result<Run> {
    let site = Site::start(&plan.operator, &[]).await?;
    site.time_one(0, LIMIT).await?;
    site.platform(weather(plan.latency, Some(plan.rate)))
        .await?;
    let pid = site.stack.operator().pid();
    site.forget_calls().await?;
    let mut watch = site.cluster.watch(DATAFLOWS).await?;
    let begun = Instant::now();
    let since = millis_now();
    let manifests = crowd::pairs(1..plan.fleet + 1);
    let applied = async { site.cluster.apply(&manifests).await };
    let changed = async {
        // Five calls a dataflow: half of them are made by then.
        let half = Duration::from_secs_f64(plan.fleet as f64 * CALLS / 2.0 / plan.rate);
        if halved {
            tokio::time::sleep(half).await;
            site.platform(weather(plan.latency, Some(plan.rate / 2.0)))
                .await?;
        }
        anyhow::Ok(begun.elapsed())
    };
    let ready = watch.until_ready(plan.fleet + 1, LIMIT);
    let ((), at, ()) = tokio::try_join!(applied, changed, ready)?;
    let took = begun.elapsed().as_secs_f64();
    let peak = usage::memory(site.same_operator(pid)?)?.peak;
    let log = site.stack.emulator().get("/_emulator/requests").await?;
    site.end().await?;
    let calls: Vec<(f64, u64)> = log
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| answered(it, since))
        .collect();
    let done = calls.iter().filter(|(_, status)| *status != 429).count() as f64;
    // What nobody can do without, less what the platform's bucket holds at first: the calls of a second.
    let needed = plan.fleet as f64 * CALLS - plan.rate;
    let best = if halved {
        let before = at.as_secs_f64();
        before + (needed - before * plan.rate).max(0.0) / (plan.rate / 2.0)
    } else {
        needed / plan.rate
    };
    let late: Vec<u64> = calls
        .iter()
        .filter(|(at, _)| *at > SEARCH.as_secs_f64())
        .map(|(_, status)| *status)
        .collect();
    let refused = late.iter().filter(|status| **status == 429).count() as f64;
    Ok(Run {
        seconds: took,
        ratio: took / best,
        refused: 100.0 * refused / (late.len().max(1) as f64),
        calls: done / plan.fleet as f64,
        peak,
    })
}

/// When a call came in, in seconds, and how it was answered; not those for tokens, which the rate is not of.
fn answered(entry: &Value, since: u64) -> Option<(f64, u64)> {
    let at = entry["time"].as_u64()?.saturating_sub(since) as f64 / 1e3;
    (entry["operation"] != "ims.token")
        .then_some((at, entry["status"].as_u64().unwrap_or_default()))
}

fn millis_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis().try_into().unwrap_or(u64::MAX))
}

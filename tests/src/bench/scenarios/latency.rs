//! One dataflow with its source, from `apply` to Ready: how much of the time is the platform's own.

use anyhow::Result;
use serde_json::json;

use super::{LIMIT, Plan};
use crate::bench::{
    figure::{Figure, Unit},
    site::{Site, weather},
};

const NAME: &str = "latency";
/// Milliseconds of each call.
const LATENCIES: [u64; 3] = [20, 100, 500];
/// Calls that must wait for each other: a connection, the flow, the flow read.
const ROUND_TRIPS: f64 = 3.0;
/// How long a flow of the tutorial takes until it has its inlet.
const INLET_MS: u64 = 6_000;

/// The figures at each latency, and with the tutorial's wait for the inlet.
pub async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let site = Site::start(&plan.operator, &[]).await?;
    let mut number = 0..;
    let mut next = || number.next().unwrap_or_default();
    // The sandbox is known: its token, its listing, its specs.
    site.time_one(next(), LIMIT).await?;
    let mut figures = Vec::new();
    for latency in LATENCIES {
        site.platform(weather(latency, None)).await?;
        let (mut millis, mut ratios, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..plan.runs {
            site.forget_calls().await?;
            let took = site.time_one(next(), LIMIT).await?.as_secs_f64() * 1e3;
            millis.push(took);
            ratios.push(took / (ROUND_TRIPS * latency as f64));
            calls.push(site.calls_with_their_aftermath().await?.total() as f64);
        }
        let told = format!("one dataflow, {latency} ms a call");
        plan.story.step(&format!("{told}: {millis:.0?} ms"));
        figures.push(Figure::new(
            NAME,
            format!("{told}: apply to Ready"),
            Unit::Millis,
            &millis,
        ));
        let ratio = Figure::new(
            NAME,
            format!("{told}: to 3 round trips"),
            Unit::Ratio,
            &ratios,
        );
        // The promise is for 100 ms: shorter calls leave less to hide the cluster's own writes in.
        figures.push(if latency < 100 {
            ratio
        } else {
            ratio.at_most(1.15)
        });
        figures.push(Figure::new(NAME, format!("{told}: calls"), Unit::Count, &calls).at_most(5.0));
    }
    site.platform(json!({"latencyMs": 100, "inletDelayMs": INLET_MS}))
        .await?;
    let (mut over, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        site.forget_calls().await?;
        let took = site.time_one(next(), LIMIT).await?;
        over.push(took.as_secs_f64() - INLET_MS as f64 / 1e3);
        calls.push(site.calls_with_their_aftermath().await?.total() as f64);
    }
    plan.story.step(&format!(
        "behind an inlet that takes 6 s: {over:.2?} s more"
    ));
    let told = "100 ms a call, inlet after 6 s";
    figures.push(
        Figure::new(
            NAME,
            format!("{told}: time beyond the inlet's"),
            Unit::Seconds,
            &over,
        )
        .at_most(2.0),
    );
    figures.push(Figure::new(NAME, format!("{told}: calls"), Unit::Count, &calls).at_most(8.0));
    site.end().await?;
    Ok(figures)
}

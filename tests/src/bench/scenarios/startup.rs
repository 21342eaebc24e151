//! How soon a process that starts does something, and how large it is.

use std::{fs, time::Duration};

use anyhow::Result;

use super::{LIMIT, Plan};
use crate::bench::{
    figure::{Figure, Unit},
    site::Site,
    usage,
};

const NAME: &str = "startup";
/// A process that is ready has done what it does at a start after this long.
const SETTLED: Duration = Duration::from_secs(2);

/// The figures with one dataflow in the cluster.
pub async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let site = Site::start(&plan.operator, &[]).await?;
    let (mut millis, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        site.restart().await?;
        site.stack.operator_ready().await?;
        tokio::time::sleep(SETTLED).await;
        resident.push(usage::memory(site.stack.operator().pid())?.resident);
    }
    site.time_one(0, LIMIT).await?;
    for _ in 0..plan.runs {
        let begun = site.restart().await?;
        site.until_a_reconcile(LIMIT).await?;
        millis.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    site.end().await?;
    let program = fs::metadata(&plan.operator)?.len() as f64 / 1e6;
    plan.story.step(&format!(
        "start to first reconcile: {millis:.0?} ms; the program has {program:.1} MB"
    ));
    Ok(vec![
        Figure::new(
            NAME,
            "process start to first reconcile",
            Unit::Millis,
            &millis,
        ),
        Figure::new(NAME, "the program's size", Unit::Megabytes, &[program]),
        Figure::new(
            NAME,
            "resident with nothing to do",
            Unit::Megabytes,
            &resident,
        ),
    ])
}

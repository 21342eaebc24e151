//! A stack that is measured, and the questions that scenarios put to it.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    cluster::{Cluster, DATAFLOWS, SOURCES, Watch},
    crowd,
};
use crate::stack::{Stack, StackOptions};

/// Between two looks at something that does not tell when it changes.
const LOOK: Duration = Duration::from_millis(200);
/// A drift check is over when nothing was asked for so long.
const QUIET: Duration = Duration::from_secs(4);
/// Counts what the operator has looked at.
pub const RECONCILES: &str = "controller_runtime_reconcile_total";
const IN_LINE: &str = "workqueue_depth";
const UNDER_WAY: &str = "controller_runtime_active_workers";
/// Longer than kube-apiserver is away: an operator that loses its lease ends, and a fresh one would be measured.
const LEASE: Duration = Duration::from_secs(90);
/// It is renewed as often as by default, which a longer lease alone would change.
const RENEWED: &str = "--retry-period=2s";
/// A call that is made after a resource is Ready belongs to it if it comes so soon.
const AFTERMATH: Duration = Duration::from_secs(1);

/// A running stack with nothing in it but the credential.
#[derive(Debug)]
pub struct Site {
    /// All of it.
    pub stack: Stack,
    /// kube-apiserver.
    pub cluster: Cluster,
}

/// Calls that the platform took, by operation; those for tokens are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(BTreeMap<String, u64>);

impl Calls {
    fn of(counts: &Value) -> Self {
        let counts = counts.as_object().into_iter().flatten();
        let counts = counts.filter(|(operation, _)| *operation != "ims.token");
        Self(
            counts
                .filter_map(|(operation, count)| Some((operation.clone(), count.as_u64()?)))
                .collect(),
        )
    }

    /// How many.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many a drift check makes: all, but those for runs, which have an interval of their own. What a check has
    /// somebody read one by one is its own, too.
    pub fn of_checks(&self) -> u64 {
        self.sum(|operation| operation != "runs.list")
    }

    /// How many that change something.
    pub fn writes(&self) -> u64 {
        let verbs = ["create", "update", "patch", "delete", "action"];
        self.sum(|operation| verbs.iter().any(|verb| operation.ends_with(verb)))
    }

    fn sum(&self, is_meant: impl Fn(&str) -> bool) -> u64 {
        let meant = self.0.iter().filter(|(operation, _)| is_meant(operation));
        meant.map(|(_, count)| count).sum()
    }
}

impl Site {
    /// Starts it; the platform answers at once, knows no limit and enables flows at once.
    pub async fn start(operator: &Path, operator_args: &[&str]) -> Result<Self> {
        let mut options = StackOptions::new(operator);
        let args = operator_args.iter().chain([&RENEWED]);
        options.operator_args = args.map(Into::into).collect();
        options.emulator.inlet_delay = Duration::ZERO;
        options.lease = LEASE;
        options.control_plane.apiserver_args = UNPACED.map(str::to_owned).to_vec();
        let stack = Stack::start(options).await?;
        let cluster = Cluster::of(stack.control_plane())?;
        for manifest in crowd::ground() {
            cluster.apply(&[manifest]).await?;
        }
        Ok(Self { stack, cluster })
    }

    /// The operator's process, which must not be another one than before.
    pub fn same_operator(&self, pid: u32) -> Result<u32> {
        let now = self.stack.operator().pid();
        ensure!(
            now == pid,
            "the operator ended while it was measured: {}",
            self.stack.operator().log_tail()
        );
        Ok(now)
    }

    /// Ends it kindly.
    pub async fn end(self) -> Result<()> {
        self.stack.stop().await
    }

    /// Has the platform behave otherwise from now on; the names are those of its control interface.
    pub async fn platform(&self, options: Value) -> Result<()> {
        let emulator = self.stack.emulator();
        emulator.post("/_emulator/options", &options).await?;
        Ok(())
    }

    /// The calls since [`Site::forget_calls`].
    pub async fn calls(&self) -> Result<Calls> {
        let counts = self.stack.emulator().get("/_emulator/counts").await?;
        Ok(Calls::of(&counts))
    }

    /// The calls since [`Site::forget_calls`], those among them that come just after what was waited for.
    pub async fn calls_with_their_aftermath(&self) -> Result<Calls> {
        sleep(AFTERMATH).await;
        self.calls().await
    }

    /// Counts anew.
    pub async fn forget_calls(&self) -> Result<()> {
        self.stack
            .emulator()
            .delete("/_emulator/requests")
            .await
            .map(drop)
    }

    /// Applies dataflows with their sources, and returns once all up to there are Ready.
    pub async fn stand_up(&self, numbers: std::ops::Range<usize>, limit: Duration) -> Result<()> {
        let mut watch = self.cluster.watch(DATAFLOWS).await?;
        let up_to = numbers.end;
        let manifests = crowd::pairs(numbers);
        // At the same time: kube-apiserver ends a watch that is not read.
        tokio::try_join!(
            self.cluster.apply(&manifests),
            watch.until_ready(up_to, limit)
        )?;
        Ok(())
    }

    /// From applying one source with its dataflow to the moment the latter is Ready.
    pub async fn time_one(&self, number: usize, limit: Duration) -> Result<Duration> {
        let mut watch = self.cluster.watch(DATAFLOWS).await?;
        let begun = Instant::now();
        self.cluster.apply(&crowd::pair(number)).await?;
        watch
            .until_one_ready(&crowd::name(number), 1, limit)
            .await?;
        Ok(begun.elapsed())
    }

    /// From applying a change of one dataflow to the moment it is Ready again; the watch is one that has been open.
    pub async fn time_edit(
        &self,
        watch: &mut Watch,
        number: usize,
        description: &str,
        limit: Duration,
    ) -> Result<Duration> {
        let name = crowd::name(number);
        let next = watch.generation(&name) + 1;
        let begun = Instant::now();
        let edited = crowd::dataflow(number, description);
        self.cluster.apply(&[edited]).await?;
        watch.until_one_ready(&name, next, limit).await?;
        Ok(begun.elapsed())
    }

    /// Counts calls anew and waits until a drift check begins.
    pub async fn until_a_check_begins(&self, limit: Duration) -> Result<()> {
        self.forget_calls().await?;
        self.until_the_first_check(limit).await
    }

    /// Waits until a drift check has begun since [`Site::forget_calls`].
    pub async fn until_the_first_check(&self, limit: Duration) -> Result<()> {
        self.until_another_call_of_a_check(0, limit).await
    }

    /// Waits until there are more calls of drift checks than these.
    pub async fn until_another_call_of_a_check(&self, seen: u64, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.calls().await?.of_checks() <= seen {
            ensure!(Instant::now() < deadline, "no drift check has begun");
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until nothing of a drift check is asked any more; the calls since [`Site::forget_calls`].
    pub async fn until_the_check_ends(&self, limit: Duration) -> Result<Calls> {
        let deadline = Instant::now() + limit;
        let mut seen = (0, Instant::now());
        loop {
            let calls = self.calls().await?;
            if calls.of_checks() != seen.0 {
                seen = (calls.of_checks(), Instant::now());
            }
            if seen.1.elapsed() > QUIET {
                return Ok(calls);
            }
            ensure!(Instant::now() < deadline, "the drift check does not end");
            sleep(LOOK).await;
        }
    }

    /// Waits until no call has been made for so long.
    pub async fn until_no_call_for(&self, quiet: Duration, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut seen = (self.calls().await?, Instant::now());
        while seen.1.elapsed() < quiet {
            ensure!(Instant::now() < deadline, "the calls do not end");
            sleep(LOOK).await;
            let calls = self.calls().await?;
            if calls != seen.0 {
                seen = (calls, Instant::now());
            }
        }
        Ok(())
    }

    /// A number of the operator's metrics, summed over its labels; 0: it is not there.
    async fn metric(&self, name: &str) -> Result<f64> {
        let text = self.stack.metrics().await?;
        Ok(sum_of(&text, name))
    }

    /// Waits until something has been reconciled since the start.
    pub async fn until_a_reconcile(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        // A process that starts does not answer yet.
        while self.metric(RECONCILES).await.unwrap_or_default() < 1.0 {
            ensure!(Instant::now() < deadline, "nothing is reconciled");
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Waits until each of so many resources has been reconciled since the start, and none is in line; how many
    /// reconciles there were beyond one each.
    pub async fn until_each_was_looked_at(&self, resources: f64, limit: Duration) -> Result<f64> {
        let deadline = Instant::now() + limit;
        loop {
            let text = self.stack.metrics().await.unwrap_or_default();
            let done = sum_of(&text, RECONCILES);
            let at_rest = [IN_LINE, UNDER_WAY].map(|name| sum_of(&text, name)) == [0.0, 0.0];
            if done >= resources && at_rest {
                return Ok(done - resources);
            }
            if Instant::now() > deadline {
                bail!("{done} reconciles of {resources}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts kube-apiserver anew and waits until the operator has listed all there is, and has looked at what that
    /// brought.
    pub async fn relist(&mut self, limit: Duration) -> Result<()> {
        let pid = self.stack.operator().pid();
        self.stack.control_plane_mut().restart_apiserver().await?;
        let deadline = Instant::now() + limit;
        // Of a process that has just started: only the operator lists.
        while !self.cluster.has_listed([SOURCES, DATAFLOWS]).await? {
            ensure!(Instant::now() < deadline, "the operator does not list anew");
            sleep(LOOK).await;
        }
        let mut seen = (-1.0, Instant::now());
        while seen.1.elapsed() < QUIET {
            let reconciles = self.metric(RECONCILES).await?;
            if reconciles > seen.0 {
                seen = (reconciles, Instant::now());
            }
            ensure!(
                Instant::now() < deadline,
                "the operator does not come to rest"
            );
            sleep(LOOK).await;
        }
        self.same_operator(pid)?;
        Ok(())
    }

    /// Ends the operator kindly, counts calls anew and starts it anew; when that was.
    pub async fn restart(&self) -> Result<Instant> {
        let operator = self.stack.operator();
        operator.stop(Duration::from_mins(1)).await?;
        self.forget_calls().await?;
        let begun = Instant::now();
        operator.start_now()?;
        Ok(begun)
    }
}

/// What is measured is the operator, not how kube-apiserver shares itself out among its clients.
const UNPACED: [&str; 1] = ["--enable-priority-and-fairness=false"];

fn sum_of(text: &str, name: &str) -> f64 {
    let of_name = |line: &&str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    text.lines()
        .filter(of_name)
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Options of the platform for a latency and an allowed rate, in calls a second; none: no limit.
pub fn weather(latency_ms: u64, rate: Option<f64>) -> Value {
    json!({"latencyMs": latency_ms, "rateLimit": rate})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_what_they_are_for() {
        let calls = Calls::of(&json!({
            "ims.token": 3, "flows.list": 2, "runs.list": 5, "flows.create": 1, "flows.get": 1, "flows.action": 1
        }));
        assert_eq!(
            (calls.total(), calls.of_checks(), calls.writes()),
            (10, 5, 2)
        );
    }

    #[test]
    fn a_metric_is_summed_over_its_labels_and_no_other_is_taken_for_it() {
        let text =
            "a_total{x=\"1\"} 2\na_total{x=\"2\"} 3\na_total_more 100\na_total 1\n# a_total 7\n";
        assert!((sum_of(text, "a_total") - 6.0).abs() < 1e-9);
    }
}

//! The operator as a process that is started, killed and started again with an empty memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aep_operator::clock::Clock;
use aep_operator::config::{Cli, Command, RunArgs};
use aep_operator::customer_io::Addresses;
use aep_operator::leader::Election;
use aep_operator::metrics::Metrics;
use aep_operator::operator::{Operator, Parts};
use aep_operator::plan::pace::Bounds;
use aep_operator::platform::Endpoints;
use clap::Parser as _;
use k8s_openapi::jiff::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

use crate::line::{Death, LIVES, Line};
use crate::random::Dice;
use crate::transport;
use crate::world::{OWNER, World};

/// How a life ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// It is killed.
    Killed(Death),
    /// It is asked to end after so many seconds, as by SIGTERM.
    Asked(u64),
}

/// How a replica runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// It is one of several, and works only while it leads.
    pub elects: bool,
    /// Reconciles of one controller at the same time; none: as many as in operation.
    pub concurrency: Option<u16>,
}

/// One replica: its lives one after the other, the last one without an end.
#[derive(Debug)]
pub struct Replica {
    world: World,
    number: u64,
    args: Box<RunArgs>,
    election: Option<Election>,
    ends: Vec<End>,
    concurrency: Option<u16>,
    line: Mutex<Option<Line>>,
    calm: CancellationToken,
}

impl Replica {
    /// A replica that will have these lives.
    pub fn new(world: &World, number: u64, ends: Vec<End>, habits: Habits) -> Arc<Self> {
        let args = arguments(world.net.dice(&["lease"]).chance(100));
        let election = args.leader.election("default").ok().flatten();
        Arc::new(Self {
            world: world.clone(),
            number,
            args,
            election: election.filter(|_| habits.elects),
            concurrency: habits.concurrency,
            ends,
            line: Mutex::default(),
            calm: CancellationToken::new(),
        })
    }

    /// From now on it lives.
    pub fn spare(&self) {
        self.calm.cancel();
        if let Some(line) = &*self.line.lock().unwrap_or_else(PoisonError::into_inner) {
            line.spare();
        }
    }

    /// Runs it, for ever.
    pub async fn run(self: Arc<Self>) {
        let replica = self.number.to_string();
        let mut dice = self.world.net.dice(&["replica", &replica]);
        let mut ends = self.ends.iter().copied();
        for life in 0.. {
            let end = ends.next().filter(|_| !self.calm.is_cancelled());
            self.live(life, end, &mut dice).await;
            let pause = dice.between(1, 20_000);
            self.world.net.slot(&mut dice, pause).await;
        }
    }

    async fn live(&self, life: u64, end: Option<End>, dice: &mut Dice) {
        let net = &self.world.net;
        let death = match end {
            Some(End::Killed(death)) => death,
            _ => Death::Never,
        };
        let line = Line::new(self.number * LIVES + life, death);
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.clone());
        net.note(format!("start #{} {end:?}", line.number));
        net.count("lives");
        let stop = CancellationToken::new();
        let operator = Operator::new(self.parts(&line, &stop, dice));
        let running = tokio::spawn(operator.run(CancellationToken::new()));
        let kill = running.abort_handle();
        let asked = async {
            match end {
                Some(End::Asked(after)) => {
                    tokio::time::sleep(Duration::from_secs(after)).await;
                    net.note(format!("stop #{}", line.number));
                    net.count("stops");
                    stop.cancel();
                    // A Pod that does not end is killed.
                    tokio::time::sleep(Duration::from_secs(90)).await;
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = line.died() => {
                net.note(format!("killed #{}", line.number));
                net.count("kills");
            }
            result = running => {
                net.note(format!("ended #{} {}", line.number, result.is_ok()));
            }
            () = asked => {
                net.note(format!("killed #{}, it did not end", line.number));
                net.count("kills after a stop");
            }
        }
        line.cut();
        kill.abort();
    }

    fn parts(&self, line: &Line, stop: &CancellationToken, dice: &mut Dice) -> Parts {
        let start = Timestamp::from_millisecond(self.world.net.now()).unwrap_or_default();
        let mut settings = self.args.settings();
        settings.concurrency = self.concurrency.unwrap_or(settings.concurrency);
        let endpoints = Endpoints::new("http://127.0.0.1:1", "http://127.0.0.1:1");
        Parts {
            client: transport::kube(&self.world, line),
            service: transport::platform(&self.world, line),
            #[expect(clippy::expect_used, reason = "both addresses stand here")]
            endpoints: endpoints.expect("loopback addresses are fine"),
            #[expect(clippy::expect_used, reason = "both addresses stand here")]
            customer_io: Addresses::new("http://127.0.0.1:1", "http://127.0.0.1:1")
                .expect("loopback addresses are fine"),
            owner: OWNER.to_owned(),
            namespaces: self.args.namespaces(),
            instance: Some(format!("replica-{}", self.number)),
            request_timeout: self.args.request_timeout,
            bounds: Bounds::default(),
            settings,
            election: self.election.clone(),
            clock: Clock::starting_at(start),
            random: StdRng::seed_from_u64(dice.roll()),
            metrics: Arc::new(Metrics::default()),
            stop: stop.clone(),
        }
    }
}

/// The operator's own defaults; mostly with a longer lease, because renewals are most of what happens in a run of two
/// replicas.
fn arguments(short_lease: bool) -> Box<RunArgs> {
    let run = ["aep-operator", "run"];
    let long = [
        "--lease-duration=60s",
        "--renew-deadline=40s",
        "--retry-period=10s",
    ];
    let long = long.iter().filter(|_| !short_lease);
    match Cli::parse_from(run.iter().chain(long)).command {
        Command::Run(args) => args,
        Command::Crds => arguments(short_lease),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Net;
    use crate::weather::Weather;

    #[tokio::test(start_paused = true)]
    async fn a_life_that_has_ended_leaves_nothing_in_memory() {
        let world = World::new(
            Net::new(1, false),
            aep_emulator::Options::default(),
            Weather::none(),
        );
        let replica = Replica::new(&world, 1, Vec::new(), Habits::default());
        let line = Line::new(1, Death::Never);
        let stop = CancellationToken::new();
        let parts = replica.parts(&line, &stop, &mut Dice::about(1_u64));
        let metrics = Arc::downgrade(&parts.metrics);
        let operator = Operator::new(parts);
        assert!(metrics.upgrade().is_some());
        drop(operator);
        assert!(metrics.upgrade().is_none(), "something still holds it");
    }
}

//! The election: campaigns for the lease, keeps it, gives it back.

use std::time::Duration;

use kube::Client;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::clock::Clock;

use super::decide::{Decision, decide};
use super::lease::{LeaseError, Sight};
use super::tenure::{Standing, Tenure};
use super::terms::Terms;

/// A waiting process looks up to a fifth later than asked, so that several do not march in step.
const JITTER: f64 = 0.2;

/// What an election is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Its times.
    pub terms: Terms,
}

/// Why a process leads no longer without having wished so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Our own deadline passed.
    #[error(
        "the Lease {lease} was not renewed for {renew:?} ({why}); another replica may lead soon"
    )]
    Deadline {
        /// Namespace and name.
        lease: String,
        /// `--renew-deadline`.
        renew: Duration,
        /// What the last try met.
        why: String,
    },
    /// Another process holds the lease, or it was deleted.
    #[error("the Lease {lease} is not ours any more: {now}")]
    Taken {
        /// Namespace and name.
        lease: String,
        /// What is there instead.
        now: String,
    },
}

/// One process in an election. Neither global state nor signals: who runs it says when to stop.
pub struct Elector {
    sight: Sight,
    identity: String,
    election: Election,
    random: StdRng,
    standing: watch::Sender<Standing>,
    /// Our own deadline, while we lead.
    deadline: Instant,
    /// The last thing that was logged, so that it is said once.
    said: String,
}

impl Elector {
    /// Makes no call. The [`Tenure`] is what the rest of the process asks before it acts.
    ///
    /// `identity` must be no other process's, nor that of an earlier run of this one: see [`identity`].
    pub fn new(
        client: Client,
        election: Election,
        identity: String,
        clock: Clock,
        random: StdRng,
    ) -> (Self, Tenure) {
        let (standing, tenure) = Tenure::pending();
        let elector = Self {
            sight: Sight::new(client, &election, &identity, clock),
            identity,
            election,
            random,
            standing,
            deadline: Instant::now(),
            said: String::new(),
        };
        (elector, tenure)
    }

    /// Waits until this process leads; `false`: `stop` came first, and nothing is held.
    pub async fn campaign(&mut self, stop: &CancellationToken) -> bool {
        loop {
            let mut pause = self.pause();
            match self.turn().await {
                Ok(None) => {
                    info!(lease = self.lease(), identity = self.identity, "leading");
                    return true;
                }
                Ok(Some(until)) => {
                    self.standing.send_replace(Standing::StandingBy);
                    pause = pause.min(until.saturating_duration_since(Instant::now()));
                    let holder = self.sight.holder().unwrap_or("nobody").to_owned();
                    if self.news(&holder) {
                        info!(lease = self.lease(), holder, "standing by");
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if self.news(&error) {
                        warn!(
                            lease = self.lease(),
                            error, "cannot take part in the election"
                        );
                    }
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return false,
                () = sleep(pause) => {}
            }
        }
    }

    /// Renews the lease until `done`, then gives it back. To be called once, after [`Self::campaign`].
    ///
    /// `done` has to come after everything that only a leader may do has ended.
    ///
    /// # Errors
    ///
    /// The lease was lost. The [`Tenure`] is over by then.
    pub async fn keep(&mut self, done: impl Future<Output = ()>) -> Result<(), Lost> {
        tokio::pin!(done);
        let mut why = String::from("no try yet");
        loop {
            tokio::select! {
                // The deadline first: a process that was stopped wakes with all of these ready.
                biased;
                () = sleep_until(self.deadline) => return Err(self.deadline_passed(why)),
                () = &mut done => break,
                () = sleep(self.election.terms.retry) => {}
            }
            let renewed = tokio::select! {
                biased;
                () = sleep_until(self.deadline) => return Err(self.deadline_passed(why)),
                renewed = self.renew() => renewed,
            };
            match renewed {
                Ok(true) => {}
                Ok(false) => return Err(self.taken()),
                Err(error) => {
                    why = error.to_string();
                    warn!(
                        lease = self.lease(),
                        error = why,
                        "the lease is not renewed yet"
                    );
                }
            }
        }
        self.release().await;
        Ok(())
    }

    /// One try to become the leader; `Some`: it is somebody else's turn at least until then.
    async fn turn(&mut self) -> Result<Option<Instant>, LeaseError> {
        let limit = self.election.terms.limit();
        self.sight.look(limit).await?;
        let decision = self.decision();
        debug!(?decision, "election");
        if let Decision::Wait { until } = decision {
            return Ok(Some(until));
        }
        match self.write(decision == Decision::Acquire).await {
            Ok(()) => Ok(None),
            // Somebody was faster; who, the next look shows.
            Err(LeaseError::Moved) => Ok(Some(Instant::now() + self.election.terms.retry)),
            Err(error) => Err(error),
        }
    }

    /// One renewal; `false`: the lease is somebody else's, or nobody's.
    async fn renew(&mut self) -> Result<bool, LeaseError> {
        match self.write(false).await {
            Err(LeaseError::Moved) => {}
            other => return other.map(|()| true),
        }
        // Perhaps our own earlier write came late, or somebody set a label.
        self.sight.look(self.election.terms.limit()).await?;
        if !self.sight.exists() || self.decision() != Decision::Renew {
            return Ok(false);
        }
        match self.write(false).await {
            Err(LeaseError::Moved) => Err(LeaseError::Moved),
            other => other.map(|()| true),
        }
    }

    /// Writes the lease as ours, and moves our deadline: it counts from before the request was sent.
    async fn write(&mut self, acquire: bool) -> Result<(), LeaseError> {
        let sent = Instant::now();
        let terms = self.election.terms;
        self.sight
            .claim(acquire, terms.lease, terms.limit())
            .await?;
        self.deadline = sent + terms.renew;
        self.standing.send_replace(Standing::Leading {
            until: Some(self.deadline),
        });
        Ok(())
    }

    /// Gives the lease back, so that the next acts at once. Should that fail, it ends by itself.
    async fn release(&mut self) {
        self.standing.send_replace(Standing::Over);
        let limit = self.election.terms.limit();
        let mut released = self.sight.release(limit).await;
        if let Err(LeaseError::Moved) = released
            && self.sight.look(limit).await.is_ok()
            && self.decision() == Decision::Renew
        {
            released = self.sight.release(limit).await;
        }
        match released {
            Ok(()) => info!(lease = self.lease(), "released"),
            Err(error) => {
                warn!(lease = self.lease(), %error, "not released; others wait until it ends");
            }
        }
    }

    fn decision(&self) -> Decision {
        decide(
            &self.identity,
            self.sight.last(),
            self.sight.changed(),
            Instant::now(),
        )
    }

    fn deadline_passed(&self, why: String) -> Lost {
        self.lost(Lost::Deadline {
            lease: self.lease(),
            renew: self.election.terms.renew,
            why,
        })
    }

    fn taken(&self) -> Lost {
        let now = match self.sight.holder() {
            _ if !self.sight.exists() => "it was deleted".to_owned(),
            Some(holder) => format!("{holder} holds it"),
            None => "nobody holds it".to_owned(),
        };
        self.lost(Lost::Taken {
            lease: self.lease(),
            now,
        })
    }

    fn lost(&self, lost: Lost) -> Lost {
        self.standing.send_replace(Standing::Over);
        error!("leadership lost: {lost}");
        lost
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.election.namespace, self.election.name)
    }

    fn news(&mut self, text: &str) -> bool {
        let news = self.said != text;
        text.clone_into(&mut self.said);
        news
    }

    fn pause(&mut self) -> Duration {
        let later = 1.0 + JITTER * self.random.random::<f64>();
        self.election.terms.retry.mul_f64(later)
    }
}

/// A name in elections: the Pod's, and something that no earlier run of it had.
pub fn identity(instance: Option<&str>, random: &mut StdRng) -> String {
    let run: u64 = random.random();
    format!("{}_{run:016x}", instance.unwrap_or("aep-operator"))
}

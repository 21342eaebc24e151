//! The flags of the election, named as in Kubernetes' own components.

use std::time::Duration;

use clap::{ArgAction, Args};

use crate::leader::{Election, Terms, TermsError};

use super::duration;

/// Options of the leader election.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Leader election")]
pub struct LeaderArgs {
    /// Of several replicas let one act. Without it there must never be a second one.
    #[arg(
        long, env = "AEP_OPERATOR_LEADER_ELECT", default_value_t = true, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    pub leader_elect: bool,
    /// Namespace of the Lease. Default: the Pod's (POD_NAMESPACE), else that of the Kubernetes configuration.
    #[arg(long, env = "AEP_OPERATOR_LEADER_ELECT_NAMESPACE")]
    pub leader_elect_namespace: Option<String>,
    /// Name of the Lease.
    #[arg(
        long,
        env = "AEP_OPERATOR_LEADER_ELECT_NAME",
        default_value = "aep-operator"
    )]
    pub leader_elect_name: String,
    /// How long another replica waits after the last sign of life of one that leads; 1s or more.
    #[arg(long, env = "AEP_OPERATOR_LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,
    /// How long the one that leads acts after its last successful renewal. Default: two thirds of the lease.
    #[arg(long, env = "AEP_OPERATOR_RENEW_DEADLINE", value_parser = duration)]
    pub renew_deadline: Option<Duration>,
    /// Between two renewals, or two looks at the Lease. Default: a fifth of the renew deadline.
    #[arg(long, env = "AEP_OPERATOR_RETRY_PERIOD", value_parser = duration)]
    pub retry_period: Option<Duration>,
}

impl LeaderArgs {
    /// The election to take part in, if there is one; `namespace` is where it is if nothing was said.
    ///
    /// # Errors
    ///
    /// The times contradict each other.
    pub fn election(&self, namespace: &str) -> Result<Option<Election>, TermsError> {
        let terms = Terms::new(self.lease_duration, self.renew_deadline, self.retry_period)?;
        let namespace = self.leader_elect_namespace.as_deref().unwrap_or(namespace);
        Ok(self.leader_elect.then(|| Election {
            namespace: namespace.to_owned(),
            name: self.leader_elect_name.clone(),
            terms,
        }))
    }

    /// How long after a replica was last heard of another may act in its place.
    pub fn handover(&self) -> Duration {
        if self.leader_elect {
            self.lease_duration
        } else {
            Duration::ZERO
        }
    }
}

//! A client's side of a budget: tickets for what it starts, and a turn for every call.

use std::sync::Arc;
use std::time::Duration;

use super::ticket::{Leave, Ticket};
use super::{Budget, Later, Urgency, Wake};
use crate::platform::error::{ApiError, Class};

/// How long a call waits for its turn: one of something begun (longer than it has to at the allowed rate), and
/// any other.
const BEGUN_PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// A budget, and perhaps a ticket for some calls. Cheap to clone; clones share the ticket.
#[derive(Clone)]
pub(crate) struct Turn {
    budget: Arc<Budget>,
    ticket: Option<Arc<Ticket>>,
}

impl Turn {
    /// Without a ticket.
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            ticket: None,
        }
    }

    /// With leave to begin `calls` calls now, else a place in line until `wake` is called.
    pub(crate) fn ticket(
        &self,
        name: &str,
        group: &str,
        urgency: Urgency,
        calls: usize,
        wake: Wake,
    ) -> Result<Self, Later> {
        let ticket = self.budget.ticket(name, group, urgency, calls, wake)?;
        Ok(self.holding(ticket))
    }

    /// With leave to begin `calls` more calls of something begun, once those that have begun before are through.
    pub(crate) async fn go_on(&self, calls: usize) -> Result<Self, Later> {
        let patience = self.patience(Urgency::UnderWay, calls);
        let ticket = self.budget.wait(Urgency::UnderWay, calls, patience).await?;
        Ok(self.holding(ticket))
    }

    /// How long one of `calls` calls waits. At the lowest rate a few calls take longer than any fixed time: what has
    /// begun would be put off, and begin anew, for ever.
    fn patience(&self, urgency: Urgency, calls: usize) -> Duration {
        match urgency {
            Urgency::UnderWay => BEGUN_PATIENCE + self.budget.expected(calls),
            _ => PATIENCE,
        }
    }

    fn holding(&self, ticket: Ticket) -> Self {
        Self {
            ticket: Some(Arc::new(ticket)),
            ..self.clone()
        }
    }

    /// Leave to make one call: from the ticket, else in turn.
    pub(crate) async fn leave(&self, operation: &'static str) -> Result<Leave, ApiError> {
        let ticket = self.ticket.as_deref();
        if let Some(leave) = ticket.and_then(Ticket::take) {
            return Ok(leave);
        }
        let urgency = ticket.map_or(Urgency::Poll, Ticket::urgency);
        loop {
            let patience = self.patience(urgency, 1);
            let later = match self.budget.wait(urgency, 1, patience).await {
                // A pause that began between the turn and this look: once more.
                Ok(turn) => match turn.take() {
                    Some(leave) => return Ok(leave.named(ticket)),
                    None => continue,
                },
                Err(later) => later,
            };
            let retry_after = (!later.pause.is_zero()).then_some(later.pause);
            let class = Class::Throttled { retry_after };
            return Err(ApiError::local(
                operation,
                class,
                "too many calls; not sent",
            ));
        }
    }
}

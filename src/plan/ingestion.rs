//! Whether events land: runs of one flow, and what is expected of them, to the condition `Ingesting`.
//!
//! # Guarantees
//!
//! - Without anything new nothing changes: while reason and code are those told before, so are message and `lastRun`,
//!   whatever runs come. That is what keeps a flow that runs every minute from writing every minute.
//! - What nobody looked at since this process started says nothing: what was told before a restart stays.
//! - Silence is judged as of the last look that succeeded; a platform that cannot be asked raises no alarm.
//!
//! # What of a run is shown
//!
//! Counts, AEP's code and AEP's message: without them nobody can act. The samples of failed records that AEP keeps are
//! neither read nor pointed at: they are the events of people. AEP may quote a value in its message, and what it quotes
//! in events of a mailing tool is first of all an address: words with an `@` are left out.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::platform::{ApiError, Class, Run, RunStatus};
use crate::resources::conditions::{INGESTING, Reason, find};
use crate::resources::ingestion::{Expectation, LastRun, RunOutcome, RunProblem};

/// Some failures now and then are told once, not each time they stop and begin again.
const HOLD: SignedDuration = SignedDuration::from_hours(1);

/// What the runs of one flow have shown so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// When the last look was begun.
    pub as_of: Timestamp,
    /// The newest run that is over and took something in, or failed.
    pub newest: Option<Box<LastRun>>,
    /// When the last event came in that a run tells of.
    pub arrived: Option<Timestamp>,
    /// Why the runs cannot be read.
    pub unreadable: Option<Unreadable>,
}

/// Why runs cannot be read until somebody acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    reason: Reason,
    message: String,
}

/// The flow that is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Its id.
    pub flow: String,
    /// Whether it stands disabled in AEP.
    pub disabled: bool,
    /// Whether the spec asks for that.
    pub disabled_by_spec: bool,
    /// What is expected of it.
    pub expect: Option<Expectation>,
}

/// What was told before.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Reason of the condition.
    pub reason: String,
    /// Since when it has had its status.
    pub since: Timestamp,
    /// The run it tells of.
    pub last_run: Option<Box<LastRun>>,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Status of the condition.
    pub status: &'static str,
    /// Its reason.
    pub reason: Reason,
    /// Its message.
    pub message: String,
    /// The run it tells of.
    pub last_run: Option<LastRun>,
}

impl Seen {
    /// Takes in what a look brought: runs of this flow, in any order.
    pub fn take_in(&mut self, as_of: Timestamp, runs: &[&Run]) {
        self.as_of = as_of;
        self.unreadable = None;
        for run in runs {
            if took_in(run) {
                self.arrived = self.arrived.max(Some(time_of(run)));
            }
            if let Some(run) = told_of(run)
                && self
                    .newest
                    .as_ref()
                    .is_none_or(|newest| is_newer(&run, newest))
            {
                self.newest = Some(Box::new(run));
            }
        }
    }
}

impl Unreadable {
    /// The platform refuses for good to list runs; `None`: it may go on by itself.
    pub fn of(error: &ApiError) -> Option<Self> {
        let (reason, remedy) = match error.class {
            Class::Permission => (
                Reason::PermissionDenied,
                "In Adobe's admin console give it the permission View Sources.",
            ),
            Class::Rejected | Class::NotFound => (
                Reason::RejectedByPlatform,
                "Nothing in the spec can change that; please report it.",
            ),
            _ => return None,
        };
        let code = match (&error.code, error.status) {
            (Some(code), _) => code.clone(),
            (None, Some(status)) => format!("HTTP {status}"),
            (None, None) => "no answer".to_owned(),
        };
        Some(Self {
            reason,
            message: format!(
                "Whether events land is not known: AEP does not let the credential list the runs of flows ({code}). {remedy}"
            ),
        })
    }
}

impl Told {
    /// What a status says.
    pub fn of(conditions: &[Condition], last_run: Option<&LastRun>) -> Option<Self> {
        let condition = find(conditions, INGESTING)?;
        Some(Self {
            reason: condition.reason.clone(),
            since: condition.last_transition_time.0,
            last_run: last_run.cloned().map(Box::new),
        })
    }

    fn is(&self, reason: Reason) -> bool {
        self.reason == reason.as_str()
    }
}

impl Verdict {
    /// Whether it says something else than was told.
    pub fn is_news(&self, told: Option<&Told>) -> bool {
        told.is_none_or(|told| {
            !told.is(self.reason) || told.last_run.as_deref() != self.last_run.as_ref()
        })
    }

    /// Whether somebody should look at it.
    pub fn is_warning(&self) -> bool {
        !matches!(
            self.reason,
            Reason::Ingesting | Reason::NoRunYet | Reason::FlowDisabled
        )
    }
}

/// What is to be told of a flow; `None`: what was told stays.
pub fn judge(subject: &Subject, told: Option<&Told>, seen: Option<&Seen>) -> Option<Verdict> {
    let kept = told.and_then(|told| told.last_run.as_deref().cloned());
    if subject.disabled {
        return Some(disabled(subject, kept));
    }
    let told = told.filter(|told| !told.is(Reason::FlowDisabled));
    let Some(seen) = seen else {
        return told.is_none().then(|| nothing_yet(subject, kept));
    };
    if let Some(Unreadable { reason, message }) = &seen.unreadable {
        return Some(Verdict {
            status: "Unknown",
            reason: *reason,
            message: message.clone(),
            last_run: kept,
        });
    }
    let newest = seen
        .newest
        .as_deref()
        .filter(|newest| counts(newest, told, kept.as_ref()));
    if let Some(every) = is_silent(subject, told, seen) {
        let message = format!(
            "Nothing has come in for longer than spec.expect.every ({every}). Check that Customer.io has events to send, and \
             that its webhook is enabled and posts to status.inletUrl with ?x-adobe-flow-id={}.",
            subject.flow
        );
        let reason = Reason::NothingArrived;
        let last_run = match told {
            Some(told) if told.is(reason) => kept,
            _ => newest.cloned().or(kept),
        };
        return Some(Verdict {
            status: "False",
            reason,
            message,
            last_run,
        });
    }
    // With nothing to add to it, what was told in an earlier life is true still; but for an alarm that is over.
    let Some(newest) = newest else {
        return match told {
            Some(told) if is_about_runs(&told.reason) && kept.is_some() => None,
            _ => Some(nothing_yet(subject, kept)),
        };
    };
    Some(of_run(subject, newest, told, kept))
}

fn disabled(subject: &Subject, last_run: Option<LastRun>) -> Verdict {
    let why = if subject.disabled_by_spec {
        "as spec.state says. Set it to Enabled to ingest"
    } else {
        "but not by this spec. The condition Ready says what to do"
    };
    Verdict {
        status: "False",
        reason: Reason::FlowDisabled,
        message: format!("Flow {} is disabled, {why}.", subject.flow),
        last_run,
    }
}

fn nothing_yet(subject: &Subject, last_run: Option<LastRun>) -> Verdict {
    Verdict {
        status: "Unknown",
        reason: Reason::NoRunYet,
        message: format!(
            "AEP has told of no run of flow {} that took in events since it was enabled. Events show here when the first \
             such run is over.",
            subject.flow
        ),
        last_run,
    }
}

/// What the newest run says.
fn of_run(
    subject: &Subject,
    newest: &LastRun,
    told: Option<&Told>,
    kept: Option<LastRun>,
) -> Verdict {
    let most = subject
        .expect
        .as_ref()
        .and_then(|expect| expect.max_failed_percent);
    let reason = match (newest.outcome, most) {
        (RunOutcome::Failed, _) => Reason::RunFailed,
        (_, Some(most)) if exceeds(newest, most) => Reason::TooManyFailed,
        (RunOutcome::PartlyFailed, None) => Reason::PartlyFailed,
        _ if most.is_none() && is_held(told, newest) => Reason::PartlyFailed,
        _ => Reason::Ingesting,
    };
    let code = |run: &LastRun| run.error.as_ref().map(|error| error.code.clone());
    let same = |kept: &LastRun| match reason {
        Reason::Ingesting => true,
        Reason::PartlyFailed => is_held(told, newest) || code(kept) == code(newest),
        _ => code(kept) == code(newest),
    };
    let told_run = kept.filter(|kept| told.is_some_and(|told| told.is(reason)) && same(kept));
    let run = told_run.unwrap_or_else(|| newest.clone());
    let why = match &run.error {
        Some(RunProblem { code, message }) if message.is_empty() => format!(" ({code})"),
        Some(RunProblem { code, message }) if code.is_empty() => format!(" ({message})"),
        Some(RunProblem { code, message }) => format!(" ({code}: {message})"),
        None => String::new(),
    };
    let look = "Compare the events with spec.mapping and with the fields that the schema requires; counts are in status.lastRun.";
    let (status, message) = match reason {
        Reason::RunFailed => (
            "False",
            format!("Nothing of the newest run landed in the dataset{why}. {look}"),
        ),
        Reason::TooManyFailed => (
            "False",
            format!(
                "More records of the newest run failed than the {} percent that spec.expect.maxFailedPercent allows{why}. {look}",
                most.unwrap_or_default()
            ),
        ),
        Reason::PartlyFailed => (
            "True",
            format!(
                "Events land in the dataset, but some records fail{why}. {look} spec.expect.maxFailedPercent says how many may."
            ),
        ),
        _ => ("True", "Events land in the dataset.".to_owned()),
    };
    Verdict {
        status,
        reason,
        message,
        last_run: Some(run),
    }
}

/// Whether a run is worth a verdict. After a flow was enabled again, the runs of before are not.
fn counts(run: &LastRun, told: Option<&Told>, kept: Option<&LastRun>) -> bool {
    match (told, kept) {
        // Enabled a moment ago.
        (None, Some(_)) => false,
        (Some(told), Some(kept)) if told.is(Reason::NoRunYet) => {
            run.id != kept.id && end_of(run).is_some_and(|end| end > told.since)
        }
        _ => true,
    }
}

/// Whether nothing is known to have come in for as long as would be told as silence.
pub fn is_overdue(subject: &Subject, seen: &Seen, now: Timestamp) -> bool {
    expected(subject).is_some_and(|(_, length)| {
        seen.arrived
            .is_none_or(|last| now.duration_since(last) > length)
    })
}

/// How often something is expected to come in: as it is written, and as a length of time.
fn expected(subject: &Subject) -> Option<(&str, SignedDuration)> {
    let every = subject.expect.as_ref()?.every.as_deref()?;
    Some((every, SignedDuration::try_from(span(every)?).ok()?))
}

/// The length of time in which something should have come in and did not.
fn is_silent<'a>(subject: &'a Subject, told: Option<&Told>, seen: &Seen) -> Option<&'a str> {
    let (every, length) = expected(subject)?;
    let last = match told {
        // Who was enabled, or heard of, only then has had no time before.
        None => Some(seen.as_of),
        Some(told) if told.is(Reason::NoRunYet) => seen.arrived.max(Some(told.since)),
        Some(told) if told.is(Reason::NothingArrived) => {
            let known = || told.last_run.as_deref().and_then(end_of);
            seen.arrived.or_else(known)
        }
        Some(told) => seen.arrived.or(Some(told.since)),
    };
    let is_silent = last.is_none_or(|last| seen.as_of.duration_since(last) > length);
    is_silent.then_some(every)
}

/// A length of time as the schema admits it: `90s`, `15m`, `1h`.
fn span(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

fn is_about_runs(reason: &str) -> bool {
    [
        Reason::Ingesting,
        Reason::PartlyFailed,
        Reason::RunFailed,
        Reason::TooManyFailed,
    ]
    .iter()
    .any(|it| it.as_str() == reason)
}

/// Whether failures were told so short a time before this run that they are not taken back yet.
fn is_held(told: Option<&Told>, newest: &LastRun) -> bool {
    let failed = told
        .filter(|told| told.is(Reason::PartlyFailed))
        .and_then(|told| end_of(told.last_run.as_ref()?));
    match (failed, end_of(newest)) {
        (Some(failed), Some(end)) => end.duration_since(failed) < HOLD,
        _ => false,
    }
}

fn exceeds(run: &LastRun, percent: i32) -> bool {
    let failed = run.failed.unwrap_or_default();
    let all = run
        .received
        .unwrap_or_else(|| run.ingested.unwrap_or_default().saturating_add(failed));
    i128::from(failed) * 100 > i128::from(all) * i128::from(percent)
}

fn end_of(run: &LastRun) -> Option<Timestamp> {
    run.completed_at
        .as_ref()
        .or(run.started_at.as_ref())
        .map(|time| time.0)
}

fn is_newer(one: &LastRun, other: &LastRun) -> bool {
    let begun = |run: &LastRun| {
        run.started_at
            .as_ref()
            .or(run.completed_at.as_ref())
            .map(|it| it.0)
    };
    // A run may be told of again, with more in it.
    one.id == other.id || begun(one) > begun(other)
}

/// Whether a run tells of an event that came in.
fn took_in(run: &Run) -> bool {
    let counts = [
        run.records.received,
        run.records.ingested,
        run.records.failed,
    ];
    let is_known = counts.iter().any(Option::is_some);
    counts.iter().flatten().any(|count| *count > 0)
        || (!is_known && matches!(run.status, RunStatus::Success | RunStatus::Partial))
}

/// When a run's events came in, at the latest.
fn time_of(run: &Run) -> Timestamp {
    let at = match (run.completed_at, &run.status) {
        (Some(end), _) => end,
        (None, RunStatus::UnderWay) => run.updated_at.max(run.created_at),
        (None, _) => run.started_at.unwrap_or(run.created_at),
    };
    timestamp(at)
}

/// In whole seconds, as Kubernetes writes it.
fn timestamp(millis: u64) -> Timestamp {
    let seconds = i64::try_from(millis / 1000).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// How a run ended; `None`: it is not over, or nothing happened in it.
pub fn outcome(run: &Run) -> Option<RunOutcome> {
    let (ingested, failed) = (run.records.ingested, run.records.failed);
    let landed = ingested != Some(0);
    let some = |landed| {
        if landed {
            RunOutcome::PartlyFailed
        } else {
            RunOutcome::Failed
        }
    };
    Some(match run.status {
        RunStatus::UnderWay => return None,
        RunStatus::Failed => RunOutcome::Failed,
        RunStatus::Partial => some(landed),
        RunStatus::Success | RunStatus::Other(_) => {
            // The counts say more than the status, and both more than a list of errors.
            if failed.map_or(!run.errors.is_empty(), |failed| failed > 0) {
                some(landed)
            } else if took_in(run) {
                RunOutcome::Succeeded
            } else {
                return None;
            }
        }
    })
}

/// A run as it is told of, if it is.
fn told_of(run: &Run) -> Option<LastRun> {
    let outcome = outcome(run)?;
    let count = |count: Option<u64>| count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let error = run
        .errors
        .first()
        .filter(|_| outcome != RunOutcome::Succeeded);
    Some(LastRun {
        id: run.id.chars().take(256).collect(),
        outcome,
        started_at: Some(Time(timestamp(run.started_at.unwrap_or(run.created_at)))),
        completed_at: run.completed_at.map(|at| Time(timestamp(at))),
        received: count(run.records.received),
        ingested: count(run.records.ingested),
        failed: count(run.records.failed),
        error: error.map(|error| RunProblem {
            code: error.code.clone(),
            message: without_addresses(&error.message),
        }),
    })
}

/// A message without the words that may be an e-mail address.
fn without_addresses(message: &str) -> String {
    let words = message
        .split(' ')
        .map(|word| if word.contains('@') { "..." } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "ingestion_tests.rs"]
mod tests;

//! Conditions: their types, the documented reasons, and how one moves.
//!
//! They follow the kstatus convention: `Ready` always stands; `Reconciling` and `Stalled` stand only
//! while they are True. Reasons are part of the API: they may grow, they are never renamed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::status::LONGEST_MESSAGE;

/// The remote objects stand as written.
pub const READY: &str = "Ready";
/// The operator is still working on it; present only while True.
pub const RECONCILING: &str = "Reconciling";
/// It will not become ready until somebody changes something; present only while True.
pub const STALLED: &str = "Stalled";
/// Events land in the dataset; on dataflows, once there is a flow.
pub const INGESTING: &str = "Ingesting";

/// Why a condition has its status. The variant's name is the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the names are the documentation; operators' pages describe each"
)]
pub enum Reason {
    Succeeded,
    Progressing,
    WaitingForSource,
    WaitingForDataset,
    WaitingForInlet,
    SourceInUse,
    SecretMissing,
    CredentialsRejected,
    OrganizationMismatch,
    PermissionDenied,
    SandboxNotFound,
    InvalidSpec,
    RejectedByPlatform,
    RemoteMissing,
    AmbiguousRemote,
    OwnedByAnother,
    AdoptionDiffers,
    DisabledElsewhere,
    Throttled,
    PlatformUnavailable,
    Suspended,
    Deleting,
    DeletionBlocked,
    OutputsNotWritten,
    Ingesting,
    NoRunYet,
    FlowDisabled,
    PartlyFailed,
    RunFailed,
    TooManyFailed,
    NothingArrived,
}

impl Reason {
    /// Every reason there is.
    pub const ALL: [Self; 31] = [
        Self::Succeeded,
        Self::Progressing,
        Self::WaitingForSource,
        Self::WaitingForDataset,
        Self::WaitingForInlet,
        Self::SourceInUse,
        Self::SecretMissing,
        Self::CredentialsRejected,
        Self::OrganizationMismatch,
        Self::PermissionDenied,
        Self::SandboxNotFound,
        Self::InvalidSpec,
        Self::RejectedByPlatform,
        Self::RemoteMissing,
        Self::AmbiguousRemote,
        Self::OwnedByAnother,
        Self::AdoptionDiffers,
        Self::DisabledElsewhere,
        Self::Throttled,
        Self::PlatformUnavailable,
        Self::Suspended,
        Self::Deleting,
        Self::DeletionBlocked,
        Self::OutputsNotWritten,
        Self::Ingesting,
        Self::NoRunYet,
        Self::FlowDisabled,
        Self::PartlyFailed,
        Self::RunFailed,
        Self::TooManyFailed,
        Self::NothingArrived,
    ];

    /// The reason that is spelled like this.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }

    /// The CamelCase word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Progressing => "Progressing",
            Self::WaitingForSource => "WaitingForSource",
            Self::WaitingForDataset => "WaitingForDataset",
            Self::WaitingForInlet => "WaitingForInlet",
            Self::SourceInUse => "SourceInUse",
            Self::SecretMissing => "SecretMissing",
            Self::CredentialsRejected => "CredentialsRejected",
            Self::OrganizationMismatch => "OrganizationMismatch",
            Self::PermissionDenied => "PermissionDenied",
            Self::SandboxNotFound => "SandboxNotFound",
            Self::InvalidSpec => "InvalidSpec",
            Self::RejectedByPlatform => "RejectedByPlatform",
            Self::RemoteMissing => "RemoteMissing",
            Self::AmbiguousRemote => "AmbiguousRemote",
            Self::OwnedByAnother => "OwnedByAnother",
            Self::AdoptionDiffers => "AdoptionDiffers",
            Self::DisabledElsewhere => "DisabledElsewhere",
            Self::Throttled => "Throttled",
            Self::PlatformUnavailable => "PlatformUnavailable",
            Self::Suspended => "Suspended",
            Self::Deleting => "Deleting",
            Self::DeletionBlocked => "DeletionBlocked",
            Self::OutputsNotWritten => "OutputsNotWritten",
            Self::Ingesting => "Ingesting",
            Self::NoRunYet => "NoRunYet",
            Self::FlowDisabled => "FlowDisabled",
            Self::PartlyFailed => "PartlyFailed",
            Self::RunFailed => "RunFailed",
            Self::TooManyFailed => "TooManyFailed",
            Self::NothingArrived => "NothingArrived",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a resource stands: what becomes its conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The remote objects stand as written.
    Ready {
        /// What a user reads beside `Ready`.
        message: String,
    },
    /// The operator goes on by itself: `Ready=False`, `Reconciling=True`.
    Reconciling {
        /// Why it is not ready yet.
        reason: Reason,
        /// What it waits for.
        message: String,
    },
    /// Somebody has to act: `Ready=False`, `Stalled=True`.
    Stalled {
        /// What is wrong.
        reason: Reason,
        /// What is wrong with which thing, and the remedy.
        message: String,
    },
    /// Writes are stopped by the user: the last `Ready` stays; one that never was ready says why.
    Suspended,
}

impl Standing {
    /// The reason beside `Ready`.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Ready { .. } => Reason::Succeeded,
            Self::Reconciling { reason, .. } | Self::Stalled { reason, .. } => *reason,
            Self::Suspended => Reason::Suspended,
        }
    }

    /// The message beside `Ready`.
    pub fn message(&self) -> &str {
        match self {
            Self::Ready { message }
            | Self::Reconciling { message, .. }
            | Self::Stalled { message, .. } => message,
            Self::Suspended => {
                "Nothing is written to AEP while spec.suspend is true; set it to false to go on."
            }
        }
    }

    /// The conditions this standing gives, from those that stood before: unknown types stay,
    /// `lastTransitionTime` moves only with the status.
    pub fn conditions(
        &self,
        before: &[Condition],
        generation: i64,
        now: Timestamp,
    ) -> Vec<Condition> {
        let ready_stands =
            find(before, READY).is_some_and(|ready| ready.reason != Reason::Progressing.as_str());
        if matches!(self, Self::Suspended) && ready_stands {
            return before
                .iter()
                .filter(|condition| condition.type_ != RECONCILING && condition.type_ != STALLED)
                .cloned()
                .collect();
        }
        let (ready, second) = match self {
            Self::Ready { .. } => ("True", None),
            Self::Reconciling { .. } => ("False", Some(RECONCILING)),
            Self::Stalled { .. } => ("False", Some(STALLED)),
            Self::Suspended => ("False", None),
        };
        let build = |type_: &str, status: &str| {
            let last_transition_time = before
                .iter()
                .find(|condition| condition.type_ == type_ && condition.status == status)
                .map_or(Time(now), |condition| {
                    condition.last_transition_time.clone()
                });
            Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: self.reason().to_string(),
                message: bounded(self.message()),
                observed_generation: Some(generation),
                last_transition_time,
            }
        };
        let ours = [READY, RECONCILING, STALLED];
        let mut after = vec![build(READY, ready)];
        after.extend(second.map(|type_| build(type_, "True")));
        after.extend(
            before
                .iter()
                .filter(|condition| !ours.contains(&condition.type_.as_str()))
                .cloned(),
        );
        after
    }
}

/// Puts a condition beside the others, in place of one of its type; `lastTransitionTime` moves only with the status.
pub fn put(conditions: &mut Vec<Condition>, mut condition: Condition) {
    condition.message = bounded(&condition.message);
    match conditions
        .iter_mut()
        .find(|before| before.type_ == condition.type_)
    {
        Some(before) => {
            if before.status == condition.status {
                condition.last_transition_time = before.last_transition_time.clone();
            }
            *before = condition;
        }
        None => conditions.push(condition),
    }
}

/// What fits into a condition: a longer message would have the whole status refused.
fn bounded(message: &str) -> String {
    message.chars().take(LONGEST_MESSAGE).collect()
}

/// The condition `type_`, if it stands.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether this generation was looked at before and is not ready for a reason that still says it best.
pub fn is_failing(conditions: &[Condition], generation: i64) -> bool {
    find(conditions, READY).is_some_and(|ready| {
        ready.status == "False"
            && ready.observed_generation == Some(generation)
            && ready.reason != Reason::WaitingForSource.as_str()
            && ready.reason != Reason::WaitingForDataset.as_str()
            && ready.reason != Reason::Suspended.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn types(conditions: &[Condition]) -> Vec<(&str, &str)> {
        conditions
            .iter()
            .map(|c| (c.type_.as_str(), c.status.as_str()))
            .collect()
    }

    #[test]
    fn reconciling_and_stalled_stand_only_while_true() {
        let stalled = Standing::Stalled {
            reason: Reason::SecretMissing,
            message: "m".into(),
        };
        let first = stalled.conditions(&[], 1, at(10));
        assert_eq!(types(&first), [("Ready", "False"), ("Stalled", "True")]);
        let going = Standing::Reconciling {
            reason: Reason::Progressing,
            message: "m".into(),
        };
        let second = going.conditions(&first, 1, at(20));
        assert_eq!(
            types(&second),
            [("Ready", "False"), ("Reconciling", "True")]
        );
        let third = Standing::Ready {
            message: "m".into(),
        }
        .conditions(&second, 1, at(30));
        assert_eq!(types(&third), [("Ready", "True")]);
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let going = |reason| Standing::Reconciling {
            reason,
            message: String::new(),
        };
        let first = going(Reason::Progressing).conditions(&[], 1, at(10));
        let second = going(Reason::WaitingForInlet).conditions(&first, 2, at(20));
        assert_eq!(find(&second, READY).unwrap().last_transition_time.0, at(10));
        let third = Standing::Ready {
            message: String::new(),
        }
        .conditions(&second, 2, at(30));
        assert_eq!(find(&third, READY).unwrap().last_transition_time.0, at(30));
    }

    #[test]
    fn a_message_is_cut_to_what_the_schema_takes() {
        let stalled = Standing::Stalled {
            reason: Reason::RejectedByPlatform,
            message: "é".repeat(LONGEST_MESSAGE + 1),
        };
        for condition in stalled.conditions(&[], 1, at(10)) {
            assert_eq!(condition.message.chars().count(), LONGEST_MESSAGE);
        }
    }

    #[test]
    fn suspending_keeps_the_last_ready_and_conditions_of_others() {
        let ready = Standing::Ready {
            message: "up".into(),
        }
        .conditions(&[], 3, at(10));
        let kept = Standing::Suspended.conditions(&ready, 4, at(20));
        assert_eq!(kept, ready);
        let never_ready = Standing::Suspended.conditions(&[], 1, at(20));
        assert_eq!(never_ready[0].reason, "Suspended");
    }
}

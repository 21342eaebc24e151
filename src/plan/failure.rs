//! What went wrong, as a user reads it: condition reason, words with the remedy, and how soon to look
//! again.
//!
//! A message names the thing and what to do, carries the platform's own code, and stays the same
//! while reason, code and object do: what changes with every call (request ids) goes into
//! [`Failure::note`], which Events and logs show.

use crate::platform::{ApiError, Class};
use crate::resources::conditions::{Reason, Standing};
use crate::resources::lifecycle::AdoptPolicy;
use crate::resources::{ABANDON, PROTECT};

use super::RemoteKind;
use super::drift::Drift;
use super::marker::{Identity, Marker};
use super::pace::Pace;

/// How an object is taken over that `spec.adopt` names already.
const SET_POLICY: &str = ", set spec.adopt.policy to TakeOver";

/// Why a resource cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The condition reason.
    pub reason: Reason,
    /// What is wrong with which thing, and the remedy.
    pub message: String,
    /// Whether somebody has to act (`Stalled`), or the operator goes on by itself (`Reconciling`).
    pub stalled: bool,
    /// How soon to look again.
    pub pace: Pace,
    /// The message with what differs from call to call, for Events and logs.
    pub note: String,
    /// The change made elsewhere that is left as it is and said here.
    pub drift: Option<Box<Drift>>,
}

/// What a call was made with, for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Name of the Secret with the credentials.
    pub secret: String,
    /// Organization id in the Secret.
    pub organization: String,
    /// Sandbox name.
    pub sandbox: String,
}

impl Failure {
    /// Somebody has to act.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            reason,
            note: message.clone(),
            message,
            stalled: true,
            pace: Pace::Slow,
            drift: None,
        }
    }

    /// The operator goes on by itself.
    pub fn passing(reason: Reason, message: impl Into<String>, pace: Pace) -> Self {
        let message = message.into();
        Self {
            reason,
            note: message.clone(),
            message,
            stalled: false,
            pace,
            drift: None,
        }
    }

    /// The platform says that an object in status does not exist.
    pub fn remote_missing(kind: RemoteKind, id: &str) -> Self {
        let title = kind.title();
        Self::stalled(
            Reason::RemoteMissing,
            format!(
                "AEP answers that {title} {id} does not exist. It was deleted outside this operator, or a label \
                 hides it from this credential. It is not created again by itself, because a new flow may get \
                 another URL: restore access to it, or set spec.onRemoteMissing to Recreate."
            ),
        )
    }

    /// A flow runs on connections that are not this resource's.
    pub fn rewired(flow: &str, kind: RemoteKind, wanted: &str) -> Self {
        let title = kind.title();
        Self::stalled(
            Reason::RemoteMissing,
            format!(
                "Flow {flow} does not run on {title} {wanted}: that one was made anew, or the flow was moved to another one. \
                 Put it back in AEP; or set spec.onRemoteMissing to Recreate, and the flow is deleted and made again (it \
                 may get another URL)."
            ),
        )
    }

    /// The flow that was taken over writes into another dataset than the spec names.
    pub fn lands_elsewhere(flow: &str, dataset: &str, wanted: &str) -> Self {
        Self::stalled(
            Reason::RemoteMissing,
            format!(
                "Flow {flow} writes into dataset {dataset}, and spec.target means {wanted}; neither flow nor target connection \
                 can be moved. Create this AepDataflow anew for {dataset}; or set spec.onRemoteMissing to Recreate, and both \
                 are made again (the flow may get another URL)."
            ),
        )
    }

    /// Somebody disabled the flow in AEP. Its last change is `by` an account and `client`, as far as AEP names them.
    pub fn disabled_elsewhere(flow: &str, by: &str, client: &str) -> Self {
        let drift = Drift::state(flow, by, client).reported();
        let told = |who: &str| {
            format!(
                "Flow {flow} was disabled outside this operator; {who}. It may be somebody's emergency stop, so it is left \
                 as it is. To enable it, give the annotation reconcile.fluxcd.io/requestedAt a new value, or change what the \
                 spec says of it; to keep it disabled, set spec.state to Disabled."
            )
        };
        let mut failure = Self::stalled(
            Reason::DisabledElsewhere,
            told("status.lastDrift names who changed it last"),
        );
        let author = drift.author();
        if !author.is_empty() {
            failure.note = told(&format!("it was last changed{author}"));
        }
        failure.about(drift)
    }

    /// The failure is what is said of this change.
    pub(super) fn about(self, drift: Drift) -> Self {
        Self {
            drift: Some(Box::new(drift)),
            ..self
        }
    }

    /// The object to adopt is not there.
    pub fn nothing_to_adopt(kind: RemoteKind, id: &str) -> Self {
        let title = kind.title();
        Self::stalled(
            Reason::RemoteMissing,
            format!(
                "spec.adopt names {title} {id}, and AEP answers that it does not exist in this sandbox, or a label hides it \
                 from this credential. Create this resource anew with the right id, or restore access to it."
            ),
        )
    }

    /// The object to adopt can never be what the spec says.
    pub fn not_adoptable(kind: RemoteKind, id: &str, why: &str) -> Self {
        let title = kind.title();
        Self::stalled(
            Reason::AdoptionDiffers,
            format!(
                "{title} {id} cannot be adopted by this resource: {why}. This cannot be changed afterwards under any policy; \
                 nothing was written. Create this resource anew: with another id in spec.adopt, with a spec that it \
                 fits, or without spec.adopt."
            ),
        )
    }

    /// The object to adopt differs from the spec.
    pub fn adoption_differs(kind: RemoteKind, id: &str, differences: &[String]) -> Self {
        let title = kind.title();
        Self::stalled(
            Reason::AdoptionDiffers,
            format!(
                "{title} {id} differs from the spec in {}. Nothing was written. Make the spec match, or set spec.adopt.policy \
                 to Override to have it brought to what the spec says.",
                differences.join(", ")
            ),
        )
    }

    /// The ownership marker on the object to adopt names another resource.
    pub fn of_another(kind: RemoteKind, id: &str, marker: &Marker) -> Self {
        Self::owned_by_another(kind, id, marker, SET_POLICY)
    }

    /// The ownership marker on what is this resource's names another one. `adopt` is the policy of the spec: `TakeOver` has
    /// been acted upon once, and is again when what the spec says of the object changes or a check is requested.
    pub fn taken(kind: RemoteKind, id: &str, marker: &Marker, adopt: Option<AdoptPolicy>) -> Self {
        let way = match adopt {
            None => ", name it in spec.adopt with policy: TakeOver",
            Some(AdoptPolicy::TakeOver) => {
                " again (spec.adopt.policy is TakeOver), give the annotation reconcile.fluxcd.io/requestedAt a new value"
            }
            Some(_) => SET_POLICY,
        };
        Self::owned_by_another(kind, id, marker, way)
    }

    fn owned_by_another(kind: RemoteKind, id: &str, marker: &Marker, way: &str) -> Self {
        let title = kind.title();
        let Identity {
            owner,
            namespace,
            name,
            uid: _,
        } = &marker.identity;
        Self::stalled(
            Reason::OwnedByAnother,
            format!(
                "The ownership marker on {title} {id} names resource \"{namespace}/{name}\" of owner {owner}. Nothing is \
                 written to it. Let the other resource release it (deletionPolicy: Retain, or take the marker off its \
                 description in AEP); or, to take it from there{way}."
            ),
        )
    }

    /// AEP took a flow and then could not set it up.
    pub fn flow_failed(id: &str, errors: &[String]) -> Self {
        Self::stalled(
            Reason::RejectedByPlatform,
            format!(
                "AEP could not set up flow {id}: {}. Correct what it names; if nothing in the spec can, delete this \
                 resource and create it anew.",
                errors.join("; ")
            ),
        )
    }

    /// A target connection cannot be deleted while a flow names it, and it is not this resource's flow.
    pub fn target_connection_in_use(id: &str, flow: &str) -> Self {
        Self::stalled(
            Reason::DeletionBlocked,
            format!(
                "Target connection {id} is used by flow {flow}, which is not this resource's. Delete that flow in AEP, and \
                 the target connection then goes by itself; or, to leave both there, annotate this resource with \
                 {ABANDON}=true."
            ),
        )
    }

    /// A source connection cannot be deleted while a flow names it.
    pub fn source_connection_in_use(id: &str, flows: &[String]) -> Self {
        Self::stalled(
            Reason::DeletionBlocked,
            format!(
                "Source connection {id} is still used by flow {}. Delete the AepDataflow (or, for a flow made \
                 elsewhere, the flow in AEP); the source connection then goes by itself.",
                flows.join(", ")
            ),
        )
    }

    /// An annotation keeps the remote objects from being deleted.
    pub fn protected(left: &str) -> Self {
        Self::stalled(
            Reason::DeletionBlocked,
            format!(
                "The annotation {PROTECT} keeps {left} from being deleted. Remove it to delete them; or, to leave \
                 them in AEP, annotate this resource with {ABANDON}=true."
            ),
        )
    }

    /// More than one object carries one marker.
    pub fn ambiguous(kind: RemoteKind, ids: &[String]) -> Self {
        let title = kind.title();
        Self::stalled(
            Reason::AmbiguousRemote,
            format!(
                "More than one {title} in AEP carries this resource's marker: {}. Delete all but the one in use; \
                 the operator then takes that one.",
                ids.join(", ")
            ),
        )
    }

    /// A call failed. `doing` is the step in words, such as "create flow".
    pub fn from_call(error: &ApiError, doing: &str, scope: &Scope) -> Self {
        let Scope {
            secret,
            organization,
            sandbox,
        } = scope;
        let why = words(error);
        let failure = match &error.class {
            Class::Credentials => Self::stalled(
                Reason::CredentialsRejected,
                format!(
                    "Adobe refused the credentials in Secret \"{secret}\" ({why}). Put clientId, clientSecret and orgId of a \
                     current OAuth server-to-server credential into it; the operator goes on by itself then."
                ),
            ),
            Class::Permission => Self::stalled(
                Reason::PermissionDenied,
                format!(
                    "AEP does not allow the credential in Secret \"{secret}\" to {doing} ({why}). In Adobe's admin \
                     console add it to a role with the permissions {} and with access to sandbox \"{sandbox}\", and check \
                     that orgId \"{organization}\" is its organization.",
                    permissions(error.operation)
                ),
            ),
            Class::SandboxNotFound => Self::stalled(
                Reason::SandboxNotFound,
                format!(
                    "Organization {organization} has no sandbox \"{sandbox}\" that the credential in Secret \
                     \"{secret}\" can see ({why}). Create the sandbox or give access to it; if the name is wrong, \
                     create the resource anew with the right spec.sandbox."
                ),
            ),
            Class::Rejected => Self::stalled(
                Reason::RejectedByPlatform,
                if doing.starts_with("delete") {
                    format!("AEP refused to {doing} ({why}). Remove what it names first.")
                } else {
                    format!("AEP refused to {doing} ({why}). Correct what it names in the spec.")
                },
            ),
            Class::NotFound => Self::stalled(
                Reason::RejectedByPlatform,
                format!(
                    "AEP does not know an object that was needed to {doing} ({why}). Check the ids in the spec."
                ),
            ),
            Class::Throttled { retry_after } => Self::passing(
                Reason::Throttled,
                "AEP limits the number of calls right now. The operator waits and goes on by itself.",
                retry_after.map_or(Pace::Backoff, Pace::After),
            ),
            Class::Stale | Class::Busy => Self::passing(
                Reason::Progressing,
                format!(
                    "AEP is still busy with an earlier change; the operator tries again to {doing} by itself."
                ),
                Pace::Backoff,
            ),
            Class::Unavailable { .. } | Class::Unexpected => Self::passing(
                Reason::PlatformUnavailable,
                format!(
                    "AEP could not be reached or failed to {doing}{}. The operator tries again by itself.{}",
                    code(error),
                    if_it_lasts(error)
                ),
                error.retry_after().map_or(Pace::Backoff, Pace::After),
            ),
        };
        let request = error
            .request_id
            .as_ref()
            .map(|id| format!(" [request {id}]"))
            .unwrap_or_default();
        let details = if failure.stalled {
            String::new()
        } else {
            format!(" ({why})")
        };
        Self {
            note: format!("{}{details}{request}", failure.message),
            ..failure
        }
    }

    /// What becomes the resource's conditions.
    pub fn standing(&self) -> Standing {
        let (reason, message) = (self.reason, self.message.clone());
        if self.stalled {
            Standing::Stalled { reason, message }
        } else {
            Standing::Reconciling { reason, message }
        }
    }

    /// The failure while a resource is being deleted: whoever looks at it has to see that first, and
    /// which objects remain.
    #[must_use]
    pub fn while_deleting(self, remaining: &str) -> Self {
        if self.reason == Reason::Progressing {
            // A deletion may take AEP minutes: it is asked as often as is useful, whatever the backoff is.
            let pace = match self.pace {
                Pace::Backoff => Pace::Poll,
                pace => pace,
            };
            return Self {
                reason: Reason::Deleting,
                pace,
                ..self
            };
        }
        if self.reason == Reason::PlatformUnavailable {
            let message = format!(
                "{} If it does not pass, annotate this resource with aep-operator.dev/abandon=true to let go of {remaining}.",
                self.message
            );
            return Self { message, ..self };
        }
        if !self.stalled || self.reason == Reason::DeletionBlocked {
            return self;
        }
        let message = format!(
            "Cannot delete {remaining}: {} To let go of it instead, annotate this resource with \
             aep-operator.dev/abandon=true.",
            self.message
        );
        let note = format!("Cannot delete {remaining}: {}", self.note);
        Self {
            reason: Reason::DeletionBlocked,
            message,
            note,
            ..self
        }
    }
}

/// The platform's own words: status, code and text, without the request id.
pub(super) fn words(error: &ApiError) -> String {
    let detail = match &error.request_id {
        Some(id) if !id.is_empty() => error.detail.replace(id.as_str(), "..."),
        _ => error.detail.clone(),
    };
    let head = match (&error.code, error.status) {
        (Some(code), _) => Some(code.clone()),
        (None, Some(status)) => Some(format!("HTTP {status}")),
        (None, None) => None,
    };
    match (head, detail.is_empty()) {
        (Some(head), true) => head,
        (Some(head), false) => format!("{head}: {detail}"),
        (None, _) => detail,
    }
}

/// Flow Service asks others before it changes a flow; what they lack does not pass by itself.
fn if_it_lasts(error: &ApiError) -> &'static str {
    let code = error.code.as_deref().unwrap_or_default();
    if code.contains("-2200-") {
        " AEP asks Catalog for the target's dataset and schema here: if this lasts, see whether they still exist."
    } else if code.contains("-2250-") {
        " AEP asks Data Prep for the mapping set here: if this lasts, see whether it still exists."
    } else {
        ""
    }
}

/// What a role needs for a call, in the words of Adobe's admin console.
fn permissions(operation: &str) -> &'static str {
    let about = |thing: &&str| operation.contains(thing);
    if ["schema", "field_group", "dataset", "tenant"]
        .iter()
        .any(about)
    {
        "Manage Schemas and Manage Datasets (View is enough for a dataflow)"
    } else {
        "Manage Sources and View Datasets"
    }
}

pub(super) fn code(error: &ApiError) -> String {
    match (&error.code, error.status) {
        (Some(code), _) => format!(" ({code})"),
        (None, Some(status)) => format!(" (HTTP {status})"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;

//! What goes wrong with a webhook, in words: the thing, the remedy, Customer.io's own answer.
//!
//! Neither the App API key nor an endpoint is in them.

use crate::platform::{ApiError, Class};
use crate::resources::conditions::Reason;

use super::drift::Drift;
use super::failure::{Failure, code, words};
use super::pace::Pace;

/// What a call to Customer.io was made with, for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppApi {
    /// Name of the Secret with the App API key.
    pub secret: String,
    /// The key in its data.
    pub key: String,
    /// `us` or `eu`.
    pub region: &'static str,
}

impl Failure {
    /// No event is left to ask for.
    pub fn no_events(unknown: &[String]) -> Self {
        Self::stalled(
            Reason::InvalidSpec,
            format!(
                "spec.subscription.customerIo.events comes to no event that Customer.io has ({}). Name events of its App \
                 API, such as email_delivered, or patterns that match some, such as email_*.",
                unknown.join(", ")
            ),
        )
    }

    /// The source does not say where its events come from; `wanted`: a webhook is to be there, else one still is.
    pub fn no_workspace(source: &str, wanted: bool) -> Self {
        let (why, or) = if wanted {
            (
                "spec.subscription needs the Customer.io workspace of the source.",
                ", or remove spec.subscription",
            )
        } else {
            (
                "A webhook of this resource stands in Customer.io, and deleting it needs the workspace of the source.",
                "",
            )
        };
        Self::stalled(
            Reason::InvalidSpec,
            format!(
                "{why} Set spec.customerIo (region and appApiKeyRef) of CustomerIoSource \"{source}\"{or}."
            ),
        )
    }

    /// Of the flow's URL no endpoint can be made.
    pub fn no_endpoint(flow: &str, why: &str) -> Self {
        Self::stalled(
            Reason::RejectedByPlatform,
            format!(
                "The inlet URL that AEP gave flow {flow} cannot be subscribed in Customer.io: {why}. Ask Adobe's support \
                 about the flow, or create this resource anew."
            ),
        )
    }

    /// The webhook in status is not there, and the key is the one it was made with.
    pub fn webhook_missing(id: &str) -> Self {
        Self::stalled(
            Reason::RemoteMissing,
            format!(
                "Customer.io answers that webhook {id} does not exist: it was deleted outside this operator, and no events \
                 come. To have it made again, set spec.onRemoteMissing to Recreate; if it is meant to be gone, remove \
                 spec.subscription."
            ),
        )
    }

    /// The webhook in status (or one that may have been made) cannot be seen with the key there is now.
    pub fn another_workspace(id: Option<&str>) -> Self {
        let which = id.map_or_else(
            || "a webhook that may have been made before".to_owned(),
            |id| format!("webhook {id}"),
        );
        Self::stalled(
            Reason::RemoteMissing,
            format!(
                "The App API key has changed, and with the new one Customer.io does not show {which}: the key is of \
                 another workspace, or it was deleted meanwhile. It is not made anew, because a second one would send \
                 every event twice. Put a key of the workspace it stands in into the Secret; or delete it in Customer.io \
                 and create this resource anew."
            ),
        )
    }

    /// Somebody disabled the webhook in Customer.io.
    pub fn webhook_disabled_elsewhere(id: &str) -> Self {
        Self::stalled(
            Reason::DisabledElsewhere,
            format!(
                "Webhook {id} was disabled in Customer.io outside this operator. It may be somebody's emergency stop, so it \
                 is left as it is. To enable it, give the annotation reconcile.fluxcd.io/requestedAt a new value, or change \
                 spec.subscription; to keep it disabled, set spec.state to Disabled."
            ),
        )
        .about(Drift::webhook(id, &["disabled"]).reported())
    }

    /// Webhooks of somebody else send to this flow too.
    pub fn other_webhooks(id: &str, others: &[String]) -> Self {
        Self::stalled(
            Reason::AmbiguousRemote,
            format!(
                "In Customer.io, webhook {} sends to this flow too, beside webhook {id}, so every event lands more than \
                 once. It does not carry the name this operator gives, so nothing is done to it: delete it in Customer.io, \
                 or change where it sends to.",
                others.join(", ")
            ),
        )
    }

    /// Customer.io answers a write with something else than was written.
    pub fn webhook_not_kept(id: &str, fields: &[&str]) -> Self {
        Self::stalled(
            Reason::RejectedByPlatform,
            format!(
                "Customer.io does not keep {} of webhook {id} as spec.subscription.customerIo has it. Compare the two in \
                 Customer.io, and correct the spec.",
                fields.join(", ")
            ),
        )
    }

    /// Whether a webhook was made cannot be asked any more.
    pub fn webhook_untraceable() -> Self {
        Self::stalled(
            Reason::DeletionBlocked,
            "A webhook may have been created in Customer.io, and where it sends to is not known any more. Look for it \
             there and delete it; then annotate this resource with aep-operator.dev/abandon=true.",
        )
    }

    /// A call to Customer.io failed. `doing` is the step in words, such as "create subscription".
    pub fn from_customer_io(error: &ApiError, doing: &str, app_api: &AppApi) -> Self {
        let AppApi {
            secret,
            key,
            region,
        } = app_api;
        let why = words(error);
        let failure = match &error.class {
            Class::Credentials => Self::stalled(
                Reason::CredentialsRejected,
                format!(
                    "Customer.io refused the App API key under \"{key}\" in Secret \"{secret}\", region {region} ({why}). \
                     Put a current App API key of the workspace into it, and check spec.customerIo.region of the source; \
                     the operator goes on by itself then."
                ),
            ),
            Class::Permission => Self::stalled(
                Reason::PermissionDenied,
                format!(
                    "Customer.io does not allow the App API key under \"{key}\" in Secret \"{secret}\" to {doing} ({why}). \
                     In Customer.io give the key access to reporting webhooks, and check that the account does not \
                     restrict its API to other addresses."
                ),
            ),
            Class::Rejected | Class::NotFound | Class::SandboxNotFound => Self::stalled(
                Reason::RejectedByPlatform,
                format!(
                    "Customer.io refused to {doing} ({why}). Correct spec.subscription.customerIo; if it speaks of a limit, \
                     delete a webhook there that is not needed; if it speaks of the endpoint, it has tried the flow, which \
                     takes events only while spec.state is Enabled."
                ),
            ),
            Class::Throttled { retry_after } => Self::passing(
                Reason::Throttled,
                "Customer.io limits the number of calls right now. The operator waits and goes on by itself.",
                retry_after.map_or(Pace::Backoff, Pace::After),
            ),
            Class::Stale | Class::Busy | Class::Unavailable { .. } | Class::Unexpected => {
                Self::passing(
                    Reason::PlatformUnavailable,
                    format!(
                        "Customer.io could not be reached or failed to {doing}{}. The operator tries again by itself.",
                        code(error)
                    ),
                    error.retry_after().map_or(Pace::Backoff, Pace::After),
                )
            }
        };
        let details = if failure.stalled {
            String::new()
        } else {
            format!(" ({why})")
        };
        Self {
            note: format!("{}{details}", failure.message),
            ..failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class) -> ApiError {
        ApiError {
            operation: "create_webhook",
            class,
            status: Some(400),
            code: None,
            detail: "no".into(),
            request_id: None,
            outcome_unknown: false,
        }
    }

    #[test]
    fn words_are_about_customer_io_and_say_which_key_of_which_secret() {
        let app_api = AppApi {
            secret: "customerio-app-api".into(),
            key: "apiKey".into(),
            region: "eu",
        };
        let of = |class| Failure::from_customer_io(&error(class), "create subscription", &app_api);
        let refused = of(Class::Credentials);
        assert_eq!(refused.reason, Reason::CredentialsRejected);
        for word in ["apiKey", "customerio-app-api", "eu", "region"] {
            assert!(refused.message.contains(word), "{}", refused.message);
        }
        let denied = of(Class::Permission);
        assert_eq!(denied.reason, Reason::PermissionDenied);
        assert!(denied.message.contains("access to reporting webhooks"));
        let rejected = of(Class::Rejected);
        assert_eq!(rejected.reason, Reason::RejectedByPlatform);
        assert!(
            rejected
                .message
                .contains("create subscription (HTTP 400: no)")
        );
        let down = of(Class::Unavailable { retry_after: None });
        assert_eq!(down.reason, Reason::PlatformUnavailable);
        let throttled = of(Class::Throttled { retry_after: None });
        for failure in [refused, denied, rejected, down, throttled] {
            let text = format!("{} {}", failure.message, failure.note);
            assert!(text.contains("Customer.io"), "{text}");
            assert!(!text.contains("AEP") && !text.contains("Adobe"), "{text}");
        }
    }
}

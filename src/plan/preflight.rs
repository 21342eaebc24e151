//! What an organization has to see before anything can be made for it.

use crate::platform::{ApiError, CUSTOMER_IO_CONNECTION_SPEC, STREAMING_FLOW_SPEC};
use crate::resources::conditions::Reason;

use super::Failure;
use super::failure::{Scope, words};

/// A specification that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// A kind of source.
    Connection(&'static str),
    /// A kind of flow.
    Flow(&'static str),
}

/// All that are needed: the Customer.io source, and flows that stream.
pub const REQUIRED: [Needed; 2] = [
    Needed::Connection(CUSTOMER_IO_CONNECTION_SPEC),
    Needed::Flow(STREAMING_FLOW_SPEC),
];

/// One of them is hidden; `error` holds the platform's words.
pub fn hidden(spec: Needed, error: &ApiError, scope: &Scope) -> Failure {
    let Scope {
        secret,
        organization,
        sandbox,
    } = scope;
    let (what, id, ask) = match spec {
        Needed::Connection(id) => (
            "the Customer.io source (connection specification",
            id,
            "It is in beta: ask Adobe to enable it for the organization",
        ),
        Needed::Flow(id) => (
            "streaming flows (flow specification",
            id,
            "Ask Adobe whether the organization's licence has streaming sources",
        ),
    };
    let failure = Failure::stalled(
        Reason::PermissionDenied,
        format!(
            "Organization {organization} does not see {what} {id}) in sandbox \"{sandbox}\" ({}). Nothing was created. {ask}; and \
             in Adobe's admin console give the credential in Secret \"{secret}\" the permissions Manage Sources and View Sources.",
            words(error)
        ),
    );
    let request = error.request_id.as_ref();
    let request = request
        .map(|id| format!(" [request {id}]"))
        .unwrap_or_default();
    Failure {
        note: format!("{}{request}", failure.message),
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, StatusCode};

    use super::*;

    #[test]
    fn the_one_that_is_hidden_is_named_with_what_to_do() {
        let body = br#"{"code": "FLOW-1439-404", "message": "The requested spec is not found."}"#;
        let headers = HeaderMap::new();
        let error = crate::platform::classify(
            "get_flow_spec",
            &Method::GET,
            StatusCode::NOT_FOUND,
            &headers,
            body,
        );
        let scope = Scope {
            secret: "creds".into(),
            organization: "A@AdobeOrg".into(),
            sandbox: "prod".into(),
        };
        for (spec, says) in [
            (
                REQUIRED[0],
                ["Customer.io source", CUSTOMER_IO_CONNECTION_SPEC, "beta"],
            ),
            (
                REQUIRED[1],
                ["streaming flows", STREAMING_FLOW_SPEC, "licence"],
            ),
        ] {
            let failure = hidden(spec, &error, &scope);
            assert!(failure.stalled && failure.reason == Reason::PermissionDenied);
            for word in says
                .into_iter()
                .chain(["FLOW-1439-404", "creds", "prod", "A@AdobeOrg"])
            {
                assert!(
                    failure.message.contains(word),
                    "{word}: {}",
                    failure.message
                );
            }
        }
    }
}

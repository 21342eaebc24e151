//! The Secret with the inlet's addresses, which `spec.outputs` names: what becomes of it.
//!
//! A Secret is this resource's when its controller owner has this resource's uid. Nothing else is ever written or
//! deleted, whatever it holds. Kubernetes deletes it with the resource.

use std::collections::BTreeMap;

use crate::customer_io::{Endpoint, InletError};
use crate::resources::conditions::Reason;

use super::Failure;

/// What the Secret holds, by key.
pub type Data = BTreeMap<&'static str, String>;

/// A Secret as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// There is none of that name.
    Nowhere,
    /// It is this resource's, with exactly the right content.
    Right,
    /// It is this resource's, with other content.
    Wrong,
    /// It is this resource's and is being deleted.
    Going,
    /// It is somebody else's.
    Foreign,
}

/// What to do with one Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Leave,
    /// Create it.
    Create,
    /// Write its content.
    Correct,
    /// Delete it.
    Delete,
    /// Tell that it is somebody else's.
    Refuse,
}

/// What to do with the Secret that the spec names.
pub fn of_wanted(stands: Stands) -> Action {
    match stands {
        Stands::Nowhere => Action::Create,
        Stands::Wrong => Action::Correct,
        // Its end wakes the resource.
        Stands::Right | Stands::Going => Action::Leave,
        Stands::Foreign => Action::Refuse,
    }
}

/// What to do with a Secret that was written before and that the spec does not name any more.
pub fn of_former(stands: Stands) -> Action {
    match stands {
        Stands::Right | Stands::Wrong => Action::Delete,
        Stands::Nowhere | Stands::Going | Stands::Foreign => Action::Leave,
    }
}

/// The content.
///
/// # Errors
/// AEP's inlet URL is no web address.
pub fn content(inlet_url: &str, flow_id: &str) -> Result<Data, InletError> {
    let webhook = Endpoint::of_flow(inlet_url, flow_id)?;
    Ok(Data::from([
        ("inletUrl", inlet_url.to_owned()),
        ("webhookUrl", webhook.as_str().to_owned()),
        ("flowId", flow_id.to_owned()),
    ]))
}

/// The Secret is somebody else's.
pub fn foreign(name: &str) -> Failure {
    Failure::stalled(
        Reason::OutputsNotWritten,
        format!(
            "Secret \"{name}\", which spec.outputs.secretName names, exists and is not this resource's (its controller owner is \
             another one, or none): it is left as it is. Choose another name, or delete that Secret. The flow is not affected."
        ),
    )
}

/// Kubernetes refused.
pub fn refused(name: &str, why: &str) -> Failure {
    Failure::stalled(
        Reason::OutputsNotWritten,
        format!(
            "Kubernetes does not let the operator write Secret \"{name}\", which spec.outputs.secretName names ({why}). Give it \
             the rights of its chart (secrets.outputs: true), or correct what is named. The flow is not affected."
        ),
    )
}

/// No content can be made.
pub fn no_address(error: InletError) -> Failure {
    Failure::stalled(
        Reason::OutputsNotWritten,
        format!(
            "The Secret of spec.outputs is not written: {error}. AEP gave the flow that address; please report it."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_elses_secret_is_neither_written_nor_deleted() {
        assert_eq!(of_wanted(Stands::Foreign), Action::Refuse);
        assert_eq!(of_former(Stands::Foreign), Action::Leave);
        let failure = foreign("inlet");
        assert!(
            failure.stalled && failure.message.contains("\"inlet\""),
            "{}",
            failure.message
        );
    }

    #[test]
    fn what_differs_is_put_right_and_what_is_right_is_left() {
        assert_eq!(of_wanted(Stands::Nowhere), Action::Create);
        assert_eq!(of_wanted(Stands::Wrong), Action::Correct);
        assert_eq!(of_wanted(Stands::Right), Action::Leave);
        for ours in [Stands::Right, Stands::Wrong] {
            assert_eq!(of_former(ours), Action::Delete);
        }
    }

    #[test]
    fn the_webhook_posts_to_the_inlet_with_the_flows_id() {
        let data = content("https://dcs.example/collection/abc", "flow-1").unwrap();
        assert_eq!(data["inletUrl"], "https://dcs.example/collection/abc");
        assert_eq!(
            data["webhookUrl"],
            "https://dcs.example/collection/abc?x-adobe-flow-id=flow-1"
        );
        assert_eq!(data["flowId"], "flow-1");
        assert!(content("no address", "flow-1").is_err());
    }
}

//! Why AEP did not let a field group or schema be made: who has its title.

use crate::controllers::execute::schema_registry::titled;
use crate::plan::dataset::title_taken;
use crate::plan::marker::{Identity, Marker};
use crate::plan::pace::Pace;
use crate::plan::sighting::Sighted;
use crate::plan::{Body, Failure, RemoteKind, Step};
use crate::platform::Sandbox;
use crate::resources::conditions::Reason;

/// The registry's code for a title that is taken.
const TAKEN: &str = "XDM-1521-400";

/// A better explanation of a refusal, where there is one. Older answers have no code, so after any refusal of a
/// creation the title is looked for.
pub async fn explain(sandbox: &Sandbox, step: &Step, failure: Failure) -> Failure {
    let Step::Create { body, .. } = step else {
        return failure;
    };
    let (title, description) = match body {
        Body::FieldGroup(body) => (&body.title, &body.description),
        Body::Schema(body) => (&body.title, &body.description),
        _ => return failure,
    };
    if failure.reason != Reason::RejectedByPlatform {
        return failure;
    }
    let mut found: Vec<Sighted> = Vec::new();
    for kind in [RemoteKind::FieldGroup, RemoteKind::Schema] {
        match titled(sandbox, kind, title).await {
            Ok(holders) => found.extend(holders),
            Err(_) => return failure,
        }
    }
    let me = Marker::split(description).map(|(_, marker)| marker.identity);
    judge(me.as_ref(), body.kind(), title, found.first(), failure)
}

fn judge(
    me: Option<&Identity>,
    kind: RemoteKind,
    title: &str,
    holder: Option<&Sighted>,
    failure: Failure,
) -> Failure {
    let explained = match holder {
        Some(it) => {
            let owner = it.marker.as_ref().map(|marker| &marker.identity);
            let ours = me
                .zip(owner)
                .is_some_and(|(me, owner)| me.same_resource(owner));
            if ours && it.kind == kind {
                // An earlier attempt made it after the look before this one.
                let title = kind.title();
                let message =
                    format!("An earlier attempt has made the {title} meanwhile; it is taken over.");
                Failure::passing(Reason::Progressing, message, Pace::Backoff)
            } else {
                let whose = owner.map_or_else(String::new, |owner| {
                    let Identity {
                        owner,
                        namespace,
                        name,
                        uid: _,
                    } = owner;
                    format!(" (of resource \"{namespace}/{name}\" of owner {owner})")
                });
                let holder = format!("{} {}{whose}", it.kind.title(), it.id);
                title_taken(kind, title, &holder)
            }
        }
        None if failure.message.contains(TAKEN) => title_taken(kind, title, "something"),
        None => return failure,
    };
    Failure {
        note: format!("{} ({})", explained.message, failure.note),
        ..explained
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::sighting::Aspects;

    use super::*;

    fn identity(owner: &str, name: &str) -> Identity {
        Identity {
            owner: owner.into(),
            namespace: "marketing".into(),
            name: name.into(),
            uid: "u".into(),
        }
    }

    fn holder(kind: RemoteKind, owner: Option<Identity>) -> Sighted {
        Sighted {
            kind,
            id: "https://ns.adobe.com/t/schemas/1".into(),
            marker: owner.map(|owner| owner.marker(kind, 1)),
            uses: Vec::new(),
            aspects: Aspects::default(),
            created_at: 0,
        }
    }

    fn told(message: &str, holder: Option<&Sighted>) -> Failure {
        let refusal = Failure::stalled(Reason::RejectedByPlatform, message);
        let me = identity("o", "events");
        judge(Some(&me), RemoteKind::Schema, "Events", holder, refusal)
    }

    #[test]
    fn the_holder_of_a_title_is_named_and_only_our_own_is_taken_over() {
        let kind = RemoteKind::Schema;
        for (owner, says) in [
            (None, "Events"),
            (Some(identity("other", "events")), "owner other"),
            (Some(identity("o", "another")), "marketing/another"),
        ] {
            let failure = told("refused", Some(&holder(kind, owner)));
            assert_eq!(failure.reason, Reason::OwnedByAnother);
            let message = &failure.message;
            assert!(
                message.contains(says) && message.contains("schemas/1"),
                "{message}"
            );
        }
        let ours = holder(kind, Some(identity("o", "events")));
        let failure = told("refused", Some(&ours));
        assert_eq!(
            (failure.reason, failure.stalled),
            (Reason::Progressing, false)
        );
        // Of another kind it is no schema.
        let group = holder(RemoteKind::FieldGroup, Some(identity("o", "events")));
        assert_eq!(told("refused", Some(&group)).reason, Reason::OwnedByAnother);
    }

    #[test]
    fn a_title_may_be_that_of_a_class_which_no_list_shows() {
        assert_eq!(
            told("(XDM-1521-400: taken)", None).reason,
            Reason::OwnedByAnother
        );
        assert_eq!(
            told("(XDM-1300-400: bad)", None).reason,
            Reason::RejectedByPlatform
        );
    }
}

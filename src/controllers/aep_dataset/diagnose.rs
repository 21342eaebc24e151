//! Why AEP did not let a field group, schema or dataset be made: who has its title, or its name.

use crate::controllers::execute::schema_registry::titled;
use crate::plan::dataset::{name_taken, title_taken, title_unseen};
use crate::plan::desired_dataset::OWNER_TAG;
use crate::plan::marker::{Identity, Marker};
use crate::plan::pace::Pace;
use crate::plan::sighting::Sighted;
use crate::plan::{Body, Failure, RemoteKind, Step};
use crate::platform::{Dataset, NewDataset, Sandbox};
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
        Body::Dataset(body) => return named(sandbox, body, failure).await,
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

/// The same of a dataset. Whether names are unique is not documented, nor how AEP would say so: after any refusal the
/// name is looked for, and what has it is named beside AEP's own words.
async fn named(sandbox: &Sandbox, body: &NewDataset, failure: Failure) -> Failure {
    if failure.reason != Reason::RejectedByPlatform {
        return failure;
    }
    let Ok(holders) = sandbox.list_datasets_by_name(&body.name).await else {
        return failure;
    };
    match holders.iter().find(|it| it.name == body.name) {
        Some(holder) => judge_name(body, holder, &failure),
        None => failure,
    }
}

fn judge_name(body: &NewDataset, holder: &Dataset, failure: &Failure) -> Failure {
    let ours = body.tags.get(OWNER_TAG).into_iter().flatten();
    let explained = if ours.into_iter().any(|it| holder.has_tag(OWNER_TAG, it)) {
        made_earlier(RemoteKind::Dataset)
    } else {
        name_taken(&body.name, &holder.id, &failure.message)
    };
    Failure {
        note: format!("{} ({})", explained.message, failure.note),
        ..explained
    }
}

/// An earlier attempt made it after the look before this one.
fn made_earlier(kind: RemoteKind) -> Failure {
    let title = kind.title();
    let message = format!("An earlier attempt has made the {title} meanwhile; it is taken over.");
    Failure::passing(Reason::Progressing, message, Pace::Backoff)
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
                made_earlier(kind)
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
        None if failure.message.contains(TAKEN) => title_unseen(kind, title),
        None => return failure,
    };
    Failure {
        note: format!("{} ({})", explained.message, failure.note),
        ..explained
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::plan::sighting::Aspects;
    use crate::platform::SchemaRef;

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

    /// Unknown: how late lists are. It may be our own; it may also be a class, which these lists never show.
    #[test]
    fn what_no_list_shows_yet_is_called_nobody_s_and_looked_for_again() {
        let failure = told("(XDM-1521-400: taken)", None);
        assert_eq!(
            (failure.reason, failure.stalled, failure.pace),
            (Reason::RejectedByPlatform, false, Pace::Backoff)
        );
        let message = &failure.message;
        for says in [
            "does not list",
            "XDM-1521-400",
            "\"Events\"",
            "spec.schema.title",
        ] {
            assert!(message.contains(says), "{says}: {message}");
        }
        let other = told("(XDM-1300-400: bad)", None);
        assert_eq!(
            (other.reason, other.stalled),
            (Reason::RejectedByPlatform, true)
        );
    }

    #[test]
    fn the_holder_of_a_name_is_named_beside_the_platforms_own_words() {
        let schema = SchemaRef::new("https://ns.adobe.com/t/schemas/1", 1);
        let body = NewDataset::new("events", "", schema).tag(OWNER_TAG, "o/marketing/events");
        let holder = |tag: &str| {
            let json = json!({"name": "events", "tags": {OWNER_TAG: [tag]}});
            let mut holder: Dataset = serde_json::from_value(json).unwrap();
            holder.id = "64a1".into();
            holder
        };
        let refusal = || Failure::stalled(Reason::RejectedByPlatform, "AEP refused (taken).");
        let failure = judge_name(&body, &holder("o/marketing/another"), &refusal());
        assert_eq!(
            (failure.reason, failure.stalled),
            (Reason::RejectedByPlatform, true)
        );
        for says in ["AEP refused (taken).", "64a1", "\"events\"", "spec.name"] {
            assert!(failure.message.contains(says), "{says}: {failure:?}");
        }
        let failure = judge_name(&body, &holder("o/marketing/events"), &refusal());
        assert_eq!(
            (failure.reason, failure.stalled),
            (Reason::Progressing, false)
        );
    }
}

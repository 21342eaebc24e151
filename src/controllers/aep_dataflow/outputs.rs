//! The Secret that `spec.outputs` names: written, put right, and deleted when it is not named any more.
//!
//! [`crate::plan::outputs`] decides. Its name stands in status before it is created, so that none is left behind.
//!
//! # Guarantees
//!
//! - Only a Secret whose controller owner is this resource is written or deleted, and only as it was read: its
//!   resourceVersion is part of the call.
//! - In steady state there is one read and no write.
//! - What it holds is in no log, Event or message.

use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Resource as _, ResourceExt as _};
use serde_json::{Map, Value, json};
use tracing::info;

use crate::controllers::context::Context;
use crate::controllers::events::{Note, action_for};
use crate::controllers::record::{Purpose, Record, RecordError, within};
use crate::plan::Failure;
use crate::plan::outputs::{
    Action, Data, Stands, content, foreign, no_address, of_former, of_wanted, refused,
};
use crate::resources::AepDataflow;

/// Longest part of Kubernetes' words in a message.
const WORDS: usize = 300;

/// The Secrets that a dataflow has had written, or wants, as they stand.
#[derive(Default)]
pub struct Outputs {
    wanted: Option<Found>,
    former: Option<Found>,
}

struct Found {
    name: String,
    secret: Option<Secret>,
}

/// Names only.
impl fmt::Debug for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |found: &Option<Found>| found.as_ref().map(|it| it.name.clone());
        f.debug_struct("Outputs")
            .field("wanted", &name(&self.wanted))
            .field("former", &name(&self.former))
            .finish()
    }
}

impl Outputs {
    /// Reads them; no call for a dataflow that neither names nor has had one written.
    pub async fn look(context: &Context, dataflow: &AepDataflow) -> Result<Self, RecordError> {
        let namespace = dataflow.namespace().unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
        let read = async |name: &String| {
            let secret = within(api.get_opt(name)).await?;
            let name = name.clone();
            Ok::<_, RecordError>(Found { name, secret })
        };
        let wanted = dataflow.spec.outputs.as_ref().map(|it| &it.secret_name);
        let written = dataflow
            .status
            .as_ref()
            .and_then(|it| it.outputs_secret.as_ref());
        let mut outputs = Self::default();
        if let Some(name) = wanted {
            outputs.wanted = Some(read(name).await?);
        }
        if let Some(name) = written.filter(|written| Some(*written) != wanted) {
            outputs.former = Some(read(name).await?);
        }
        Ok(outputs)
    }

    /// Changes with the Secret that is wanted: a reason for another try.
    pub fn version(&self) -> String {
        let secret = self.wanted.as_ref().and_then(|it| it.secret.as_ref());
        secret
            .and_then(Secret::resource_version)
            .unwrap_or_default()
    }
}

impl Found {
    /// How it stands for the resource `uid`, to hold `data`; without it, any content will do.
    fn stands(&self, uid: Option<&str>, data: Option<&Data>) -> Stands {
        let Some(secret) = &self.secret else {
            return Stands::Nowhere;
        };
        let owner = secret
            .owner_references()
            .iter()
            .find(|it| it.controller == Some(true));
        if uid.is_none() || owner.map(|owner| owner.uid.as_str()) != uid {
            return Stands::Foreign;
        }
        if secret.metadata.deletion_timestamp.is_some() {
            return Stands::Going;
        }
        let holds = |data: &Data| {
            let held = secret.data.iter().flatten();
            held.map(|(key, value)| (key.as_str(), value.0.as_slice()))
                .eq(sorted(data)
                    .into_iter()
                    .map(|(key, value)| (key, value.as_bytes())))
        };
        if data.is_none_or(holds) {
            Stands::Right
        } else {
            Stands::Wrong
        }
    }

    /// Only as it was read.
    fn as_read(&self) -> Preconditions {
        let secret = self.secret.as_ref();
        Preconditions {
            uid: secret.and_then(Secret::uid),
            resource_version: secret.and_then(Secret::resource_version),
        }
    }
}

/// As a Secret has them.
fn sorted(data: &Data) -> Vec<(&'static str, &str)> {
    data.iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect()
}

/// Brings the Secrets to what spec and status say; why that cannot be.
pub async fn publish(
    context: &Context,
    record: &mut Record<AepDataflow>,
    outputs: &Outputs,
) -> Result<Option<Failure>, RecordError> {
    if outputs.wanted.is_none()
        && outputs.former.is_none()
        && record.status.outputs_secret.is_none()
    {
        return Ok(None);
    }
    let namespace = record.resource.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
    let uid = record.resource.uid();
    if let Some(former) = &outputs.former {
        if of_former(former.stands(uid.as_deref(), None)) == Action::Delete {
            context.tenure.check()?;
            let params = DeleteParams::default().preconditions(former.as_read());
            let deleted = within(api.delete(&former.name, &params)).await.map(drop);
            match told(deleted, &former.name, &Data::new())? {
                Ok(()) => say(
                    record,
                    "OutputsDeleted",
                    format!(
                        "Deleted Secret \"{}\": spec.outputs does not name it.",
                        former.name
                    ),
                ),
                Err(failure) => return Ok(Some(failure)),
            }
        }
        record.status.outputs_secret = None;
    }
    let (Some(wanted), Some(flow), Some(inlet)) = (
        &outputs.wanted,
        &record.status.flow,
        &record.status.inlet_url,
    ) else {
        return Ok(None);
    };
    let data = match content(inlet, &flow.id) {
        Ok(data) => data,
        Err(error) => return Ok(Some(no_address(error))),
    };
    let name = &wanted.name;
    let action = of_wanted(wanted.stands(uid.as_deref(), Some(&data)));
    if action == Action::Refuse {
        return Ok(Some(foreign(name)));
    }
    record.status.outputs_secret = Some(name.clone());
    let (written, what) = match action {
        Action::Create => {
            // Its name stands in status first, so that it is found again whatever happens.
            record.flush(Purpose::Intent).await?;
            context.tenure.check()?;
            let secret = new(record, name, &data);
            let created = within(api.create(&PostParams::default(), &secret)).await;
            (
                created.map(drop),
                format!("Wrote Secret \"{name}\", as spec.outputs says."),
            )
        }
        Action::Correct => {
            context.tenure.check()?;
            let held = wanted.secret.as_ref().and_then(|it| it.data.as_ref());
            let nothing = held
                .into_iter()
                .flatten()
                .map(|(key, _)| (key.clone(), Value::Null));
            let mut fields: Map<String, Value> = nothing.collect();
            fields.extend(sorted(&data).into_iter().map(|(key, value)| {
                let value = ByteString(value.as_bytes().to_vec());
                (
                    key.to_owned(),
                    serde_json::to_value(value).unwrap_or_default(),
                )
            }));
            let Preconditions {
                uid,
                resource_version,
            } = wanted.as_read();
            let patch = json!({"metadata": {"uid": uid, "resourceVersion": resource_version}, "data": fields});
            let patched =
                within(api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))).await;
            (
                patched.map(drop),
                format!("Put Secret \"{name}\" right: it did not hold what spec.outputs is for."),
            )
        }
        _ => return Ok(None),
    };
    match told(written, name, &data)? {
        Ok(()) => say(record, "OutputsWritten", what),
        Err(failure) => return Ok(Some(failure)),
    }
    Ok(None)
}

fn new(record: &Record<AepDataflow>, name: &str, data: &Data) -> Secret {
    let data = sorted(data).into_iter();
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(
                [(
                    "app.kubernetes.io/managed-by".to_owned(),
                    "aep-operator".to_owned(),
                )]
                .into(),
            ),
            owner_references: record
                .resource
                .controller_owner_ref(&())
                .map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(
            data.map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())))
                .collect(),
        ),
        ..Secret::default()
    }
}

fn say(record: &mut Record<AepDataflow>, reason: &str, note: String) {
    info!(reason, "{note}");
    record.notes.push(Note {
        warning: false,
        reason: reason.to_owned(),
        action: action_for(&note),
        note,
    });
}

/// A write as it ended. What Kubernetes refuses for good is the user's to mend, told without what was to be written.
fn told(
    written: Result<(), RecordError>,
    name: &str,
    data: &Data,
) -> Result<Result<(), Failure>, RecordError> {
    match written {
        Ok(()) | Err(RecordError::Gone) => Ok(Ok(())),
        Err(RecordError::Kube(error)) => match *error {
            kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 429 => {
                let mut words = status.message.replace(['\n', '\r'], " ");
                // The longest first: one is the beginning of another.
                let mut secrets: Vec<&String> = data.values().collect();
                secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
                for secret in secrets {
                    words = words.replace(secret.as_str(), "...");
                }
                let words: String = words.chars().take(WORDS).collect();
                Ok(Err(refused(
                    name,
                    &format!("HTTP {}: {words}", status.code),
                )))
            }
            error => Err(RecordError::Kube(Box::new(error))),
        },
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

    fn found(owner: Option<(&str, bool)>, data: &[(&str, &str)]) -> Found {
        let owners = owner.map(|(uid, controller)| {
            vec![OwnerReference {
                uid: uid.to_owned(),
                controller: controller.then_some(true),
                ..OwnerReference::default()
            }]
        });
        let bytes = |text: &&str| ByteString(text.as_bytes().to_vec());
        let secret = Secret {
            metadata: ObjectMeta {
                owner_references: owners,
                ..ObjectMeta::default()
            },
            data: Some(
                data.iter()
                    .map(|(key, value)| ((*key).to_owned(), bytes(value)))
                    .collect(),
            ),
            ..Secret::default()
        };
        Found {
            name: "inlet".into(),
            secret: Some(secret),
        }
    }

    #[test]
    fn a_secret_is_ours_by_the_uid_of_its_controller_owner_and_right_by_all_its_content() {
        let data = content("https://dcs.example/collection/abc", "f").unwrap();
        let right = sorted(&data);
        let mut more = right.clone();
        more.push(("other", "x"));
        for (found, stands) in [
            (found(None, &right), Stands::Foreign),
            (found(Some(("other", true)), &right), Stands::Foreign),
            (found(Some(("me", false)), &right), Stands::Foreign),
            (found(Some(("me", true)), &right), Stands::Right),
            (found(Some(("me", true)), &right[1..]), Stands::Wrong),
            (found(Some(("me", true)), &more), Stands::Wrong),
        ] {
            assert_eq!(found.stands(Some("me"), Some(&data)), stands);
            assert_eq!(found.stands(None, Some(&data)), Stands::Foreign);
        }
    }

    #[test]
    fn kubernetes_words_are_told_without_the_content() {
        let data = content("https://dcs.example/collection/abc", "f").unwrap();
        let status = kube::core::Status::failure(
            "denied: https://dcs.example/collection/abc?x-adobe-flow-id=f is not allowed",
            "Forbidden",
        )
        .with_code(403);
        let error = RecordError::Kube(Box::new(kube::Error::Api(status.boxed())));
        let failure = told(Err(error), "inlet", &data).unwrap().unwrap_err();
        assert!(
            failure.message.contains("HTTP 403: denied"),
            "{}",
            failure.message
        );
        assert!(
            !failure.message.contains("dcs.example"),
            "{}",
            failure.message
        );
    }
}

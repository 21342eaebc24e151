//! One step, one call (a look-up: one listing). No decision is made here.

use tokio::time::Instant;

use crate::plan::deletion::User;
use crate::plan::marker::Identity;
use crate::plan::sighting::Sighted;
use crate::plan::{RemoteKind, Step};
use crate::platform::{
    ApiError, Class, Created, Deleted, Etag, Filter, Flow, MappingRef, MappingSet, Sandbox,
    SourceConnection, TargetConnection,
};

use super::inventory::{Scope, recently};

/// What a step brought.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are named after what they hold")]
pub enum Outcome {
    /// The object was created.
    Created {
        kind: RemoteKind,
        id: String,
        etag: Etag,
        version: u64,
    },
    /// These objects carried the resource's marker, of this or an earlier attempt, at the moment `as_of`.
    LookedUp {
        kind: RemoteKind,
        attempt: i64,
        found: Vec<Sighted>,
        as_of: Instant,
    },
    SourceConnection(Box<SourceConnection>),
    TargetConnection(Box<TargetConnection>),
    MappingSet(Box<MappingSet>),
    Flow(Box<Flow>),
    /// A connection or flow was changed or acted on.
    Changed {
        kind: RemoteKind,
        id: String,
        etag: Etag,
    },
    /// A connection could not be changed and stays as it is.
    Kept {
        kind: RemoteKind,
        id: String,
    },
    /// A mapping set has a new version.
    Mapped(MappingRef),
    /// Flows that name the source connection.
    Users(Vec<User>),
    /// The object is gone; `false`: it could not be deleted and stays.
    Deleted {
        kind: RemoteKind,
        id: String,
        gone: bool,
    },
}

/// Runs `step` in `sandbox` for the resource `identity`; `scope` is what is listed of that sandbox.
pub async fn execute(
    sandbox: &Sandbox,
    scope: &Scope,
    identity: &Identity,
    step: &Step,
) -> Result<Outcome, ApiError> {
    let created = |kind, Created { id, etag }| Outcome::Created {
        kind,
        id,
        etag,
        version: 0,
    };
    match step {
        Step::CreateSourceConnection { body, .. } => Ok(created(
            step.kind(),
            sandbox.create_source_connection(body).await?,
        )),
        Step::CreateTargetConnection { body, .. } => Ok(created(
            step.kind(),
            sandbox.create_target_connection(body).await?,
        )),
        Step::CreateFlow { body, .. } => Ok(created(step.kind(), sandbox.create_flow(body).await?)),
        Step::CreateMappingSet { body, .. } => {
            let MappingRef { id, version } = sandbox.create_mapping_set(body).await?;
            Ok(Outcome::Created {
                kind: step.kind(),
                id,
                etag: Etag::default(),
                version,
            })
        }
        Step::UpdateMappingSet { id, body } => {
            Ok(Outcome::Mapped(sandbox.update_mapping_set(id, body).await?))
        }
        Step::Act { id, action } => {
            let Created { id, etag } = sandbox.act_on_flow(id, *action).await?;
            Ok(Outcome::Changed {
                kind: RemoteKind::Flow,
                id,
                etag,
            })
        }
        Step::Read { kind, id } => read(sandbox, *kind, id).await,
        Step::LookUp { kind, attempt } => {
            let as_of = scope.ensure(sandbox, *kind, Some(recently())).await?;
            let mut found = if kind.is_listed() {
                scope.ours(*kind, identity)
            } else {
                by_name(sandbox, identity, *kind, *attempt).await?
            };
            found.retain(|it| {
                it.marker.as_ref().is_some_and(|marker| {
                    marker.identity == *identity && marker.attempt <= *attempt
                })
            });
            Ok(Outcome::LookedUp {
                kind: *kind,
                attempt: *attempt,
                found,
                as_of,
            })
        }
        Step::Patch {
            kind,
            id,
            etag,
            operations,
        } => {
            let Created { id, etag } = match kind {
                RemoteKind::SourceConnection => {
                    sandbox
                        .patch_source_connection(id, etag, operations)
                        .await?
                }
                RemoteKind::TargetConnection => {
                    sandbox
                        .patch_target_connection(id, etag, operations)
                        .await?
                }
                RemoteKind::Flow | RemoteKind::MappingSet => {
                    sandbox.patch_flow(id, etag, operations).await?
                }
            };
            Ok(Outcome::Changed {
                kind: *kind,
                id,
                etag,
            })
        }
        Step::FindUsers { source_connection } => users(sandbox, source_connection).await,
        Step::Delete { kind, id } => delete(sandbox, *kind, id).await,
    }
}

/// The flows that name a source connection.
async fn users(sandbox: &Sandbox, source_connection: &String) -> Result<Outcome, ApiError> {
    let filter = Filter::new().eq("sourceConnectionIds[]", source_connection);
    let mut flows = sandbox.list_flows(&filter).await?;
    // That this property can be filtered by is documented; that nothing else comes back is not.
    flows.retain(|flow| flow.source_connection_ids.contains(source_connection));
    let users = flows.into_iter().map(|flow| User {
        title: format!("{} (\"{}\")", flow.id, flow.name),
        going: flow.state.is_going(),
    });
    Ok(Outcome::Users(users.collect()))
}

async fn read(sandbox: &Sandbox, kind: RemoteKind, id: &str) -> Result<Outcome, ApiError> {
    Ok(match kind {
        RemoteKind::SourceConnection => {
            Outcome::SourceConnection(Box::new(sandbox.get_source_connection(id).await?))
        }
        RemoteKind::TargetConnection => {
            Outcome::TargetConnection(Box::new(sandbox.get_target_connection(id).await?))
        }
        RemoteKind::MappingSet => {
            Outcome::MappingSet(Box::new(sandbox.get_mapping_set(id, None).await?))
        }
        RemoteKind::Flow => Outcome::Flow(Box::new(sandbox.get_flow(id).await?)),
    })
}

/// Objects that are not listed but found by their name, which is the marker of one attempt.
pub async fn by_name(
    sandbox: &Sandbox,
    identity: &Identity,
    kind: RemoteKind,
    attempt: i64,
) -> Result<Vec<Sighted>, ApiError> {
    let mut found = Vec::new();
    for attempt in 1..=attempt {
        let name = identity.marker(kind, attempt).to_string();
        found.extend(sandbox.list_mapping_sets(&name).await?);
    }
    Ok(found.iter().map(Sighted::from).collect())
}

async fn delete(sandbox: &Sandbox, kind: RemoteKind, id: &str) -> Result<Outcome, ApiError> {
    let result = match kind {
        RemoteKind::SourceConnection => sandbox.delete_source_connection(id).await,
        RemoteKind::TargetConnection => sandbox.delete_target_connection(id).await,
        RemoteKind::MappingSet => sandbox.delete_mapping_set(id).await,
        RemoteKind::Flow => sandbox.delete_flow(id).await,
    };
    let gone = match result {
        // A 404 may also say that there is no such operation.
        Ok(Deleted::AlreadyGone) if kind == RemoteKind::MappingSet => {
            match sandbox.get_mapping_set(id, None).await {
                Ok(_) => false,
                Err(error) if error.class == Class::NotFound => true,
                Err(error) => return Err(error),
            }
        }
        Ok(_) => true,
        // No documentation shows that a mapping set can be deleted; one that cannot is left, and named.
        Err(error) if kind == RemoteKind::MappingSet && refused_for_good(&error) => false,
        Err(error) => return Err(error),
    };
    Ok(Outcome::Deleted {
        kind,
        id: id.to_owned(),
        gone,
    })
}

fn refused_for_good(error: &ApiError) -> bool {
    matches!(
        error.class,
        Class::NotFound | Class::Permission | Class::Rejected | Class::Unexpected
    ) || error.status == Some(405)
}

//! One step, one call (a look-up: one listing). No decision is made here.
//!
//! What is particular to a service is in a file of its own; a new kind of remote object is created, read, looked
//! up and deleted there, and handed on here.

mod data_prep;
mod flow_service;
mod questions;

use tokio::time::Instant;

use crate::plan::deletion::User;
use crate::plan::marker::Identity;
use crate::plan::question::Answer;
use crate::plan::sighting::Sighted;
use crate::plan::{Body, RemoteKind, Step};
use crate::platform::{
    ApiError, Class, Created, Deleted, Etag, Flow, MappingRef, MappingSet, Sandbox,
    SourceConnection, TargetConnection,
};

use super::inventory::{Scope, recently};
use super::remotes::Remotes;

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
    /// A question was answered.
    Answered(Box<Answer>),
    /// The object is gone; `false`: it could not be deleted and stays.
    Deleted {
        kind: RemoteKind,
        id: String,
        gone: bool,
    },
}

/// Runs `step` for the resource `identity` where its object stands; `scope` is what is listed of the sandbox.
pub async fn execute(
    remotes: &Remotes,
    scope: &Scope,
    identity: &Identity,
    step: &Step,
) -> Result<Outcome, ApiError> {
    let sandbox = &remotes.sandbox;
    match step {
        Step::Create { body, .. } => create(sandbox, body).await,
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
        Step::LookUp { kind, attempt } => look_up(sandbox, scope, identity, *kind, *attempt).await,
        Step::Patch {
            kind,
            id,
            etag,
            operations,
        } => {
            let Created { id, etag } =
                flow_service::patch(sandbox, *kind, id, etag, operations).await?;
            Ok(Outcome::Changed {
                kind: *kind,
                id,
                etag,
            })
        }
        Step::FindUsers { source_connection } => {
            flow_service::users(sandbox, source_connection).await
        }
        Step::Ask(question) => {
            let answer = questions::ask(sandbox, scope, question).await?;
            Ok(Outcome::Answered(Box::new(answer)))
        }
        Step::Delete { kind, id } => {
            let gone = delete(sandbox, *kind, id).await?;
            Ok(Outcome::Deleted {
                kind: *kind,
                id: id.clone(),
                gone,
            })
        }
    }
}

async fn create(sandbox: &Sandbox, body: &Body) -> Result<Outcome, ApiError> {
    let (Created { id, etag }, version) = match body {
        Body::SourceConnection(body) => (sandbox.create_source_connection(body).await?, 0),
        Body::TargetConnection(body) => (sandbox.create_target_connection(body).await?, 0),
        Body::Flow(body) => (sandbox.create_flow(body).await?, 0),
        Body::MappingSet(body) => {
            let MappingRef { id, version } = sandbox.create_mapping_set(body).await?;
            let etag = Etag::default();
            (Created { id, etag }, version)
        }
    };
    let kind = body.kind();
    Ok(Outcome::Created {
        kind,
        id,
        etag,
        version,
    })
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
        RemoteKind::FieldGroup
        | RemoteKind::Schema
        | RemoteKind::Dataset
        | RemoteKind::Subscription => return Err(never_made(kind)),
    })
}

async fn look_up(
    sandbox: &Sandbox,
    scope: &Scope,
    identity: &Identity,
    kind: RemoteKind,
    attempt: i64,
) -> Result<Outcome, ApiError> {
    let as_of = scope.ensure(sandbox, kind, Some(recently())).await?;
    let mut found = if kind.is_listed() {
        scope.ours(kind, identity)
    } else {
        marked(sandbox, identity, kind, attempt).await?
    };
    found.retain(|it| {
        it.marker
            .as_ref()
            .is_some_and(|marker| marker.identity == *identity && marker.attempt <= attempt)
    });
    Ok(Outcome::LookedUp {
        kind,
        attempt,
        found,
        as_of,
    })
}

/// Objects of a kind that is not listed for everybody and that carry the marker of the resource `identity`, of
/// `attempt` or one before.
///
/// # Errors
/// As the calls fare.
pub async fn marked(
    sandbox: &Sandbox,
    identity: &Identity,
    kind: RemoteKind,
    attempt: i64,
) -> Result<Vec<Sighted>, ApiError> {
    match kind {
        RemoteKind::MappingSet => data_prep::marked(sandbox, identity, attempt).await,
        _ => Err(never_made(kind)),
    }
}

/// Whether the object is gone; `false`: it stays for good.
async fn delete(sandbox: &Sandbox, kind: RemoteKind, id: &str) -> Result<bool, ApiError> {
    let done = |_: Deleted| true;
    match kind {
        RemoteKind::SourceConnection => sandbox.delete_source_connection(id).await.map(done),
        RemoteKind::TargetConnection => sandbox.delete_target_connection(id).await.map(done),
        RemoteKind::Flow => sandbox.delete_flow(id).await.map(done),
        RemoteKind::MappingSet => data_prep::delete(sandbox, id).await,
        RemoteKind::FieldGroup
        | RemoteKind::Schema
        | RemoteKind::Dataset
        | RemoteKind::Subscription => Err(never_made(kind)),
    }
}

/// A kind that no resource makes.
fn never_made(kind: RemoteKind) -> ApiError {
    let detail = format!("no resource has a {}", kind.title());
    ApiError::local("execute", Class::Unexpected, detail)
}

//! One step, one call (a look-up: one listing). No decision is made here.
//!
//! What is particular to a service is in a file of its own; a new kind of remote object is created, read, looked
//! up and deleted there, and handed on here.

mod catalog;
mod data_prep;
mod flow_service;
mod questions;
pub(super) mod schema_registry;
mod webhooks;

use tokio::time::Instant;
use tracing::{Instrument as _, error_span};

use crate::customer_io::Webhook;
use crate::plan::deletion::User;
use crate::plan::marker::Identity;
use crate::plan::question::Answer;
use crate::plan::sighting::Sighted;
use crate::plan::subscription::Other;
use crate::plan::{Body, RemoteKind, Step};
use crate::platform::{
    ApiError, Class, Created, Dataset, Deleted, Etag, FieldGroup, Flow, MappingRef, MappingSet,
    Sandbox, Schema, SourceConnection, TargetConnection,
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
    Webhook(Box<Webhook>),
    /// A webhook has new settings.
    WebhookWritten(Box<Webhook>),
    /// The webhook `id` as listed, and the others that send to the same flow.
    Webhooks {
        id: String,
        own: Option<Box<Webhook>>,
        others: Vec<Other>,
    },
    FieldGroup(Box<FieldGroup>),
    Schema(Box<Schema>),
    Dataset(Box<Dataset>),
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
    // An error span, so that the lines within name their step whatever the log filter lets through.
    let span = error_span!("step", %step);
    run(remotes, scope, identity, step).instrument(span).await
}

async fn run(
    remotes: &Remotes,
    scope: &Scope,
    identity: &Identity,
    step: &Step,
) -> Result<Outcome, ApiError> {
    let sandbox = &remotes.sandbox;
    match step {
        Step::Create { body, .. } => create(remotes, body).await,
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
        Step::Read { kind, id } => read(remotes, *kind, id).await,
        Step::FindSubscription {
            attempt,
            endpoint,
            name,
        } => webhooks::find(remotes, identity, *attempt, endpoint, name.as_deref()).await,
        Step::SeeSubscription { id, endpoint } => webhooks::see(remotes, id, endpoint).await,
        Step::UpdateSubscription { id, body, .. } => {
            let written = webhooks::update(remotes, id, body).await?;
            Ok(Outcome::WebhookWritten(Box::new(written)))
        }
        Step::LookUp { kind, attempt } => look_up(sandbox, scope, identity, *kind, *attempt).await,
        Step::LookUpTitle {
            kind,
            attempt,
            title,
        } => {
            let as_of = Instant::now();
            let found = schema_registry::titled(sandbox, *kind, title).await?;
            Ok(looked_up(identity, *kind, *attempt, found, as_of))
        }
        Step::Patch {
            kind,
            id,
            etag,
            operations,
        } => {
            let Created { id, etag } = match kind {
                RemoteKind::FieldGroup | RemoteKind::Schema => {
                    schema_registry::patch(sandbox, *kind, id, operations).await?
                }
                RemoteKind::Dataset => catalog::patch(sandbox, id, operations).await?,
                _ => flow_service::patch(sandbox, *kind, id, etag, operations).await?,
            };
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
            let gone = delete(remotes, *kind, id).await?;
            Ok(Outcome::Deleted {
                kind: *kind,
                id: id.clone(),
                gone,
            })
        }
    }
}

async fn create(remotes: &Remotes, body: &Body) -> Result<Outcome, ApiError> {
    let sandbox = &remotes.sandbox;
    let (Created { id, etag }, version) = match body {
        Body::SourceConnection(body) => (sandbox.create_source_connection(body).await?, 0),
        Body::TargetConnection(body) => (sandbox.create_target_connection(body).await?, 0),
        Body::Flow(body) => (sandbox.create_flow(body).await?, 0),
        Body::Subscription(body) => (webhooks::create(remotes, body).await?, 0),
        Body::MappingSet(body) => {
            let MappingRef { id, version } = sandbox.create_mapping_set(body).await?;
            let etag = Etag::default();
            (Created { id, etag }, version)
        }
        Body::FieldGroup(body) => schema_registry::create_field_group(sandbox, body).await?,
        Body::Schema(body) => schema_registry::create_schema(sandbox, body).await?,
        Body::Dataset(body) => (catalog::create(sandbox, body).await?, 0),
    };
    let kind = body.kind();
    Ok(Outcome::Created {
        kind,
        id,
        etag,
        version,
    })
}

async fn read(remotes: &Remotes, kind: RemoteKind, id: &str) -> Result<Outcome, ApiError> {
    let sandbox = &remotes.sandbox;
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
        RemoteKind::Subscription => Outcome::Webhook(Box::new(webhooks::read(remotes, id).await?)),
        RemoteKind::FieldGroup | RemoteKind::Schema => {
            schema_registry::read(sandbox, kind, id).await?
        }
        RemoteKind::Dataset => Outcome::Dataset(Box::new(sandbox.get_dataset(id).await?)),
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
    let found = if kind.is_listed() {
        scope.ours(kind, identity)
    } else {
        marked(sandbox, identity, kind, attempt).await?
    };
    Ok(looked_up(identity, kind, attempt, found, as_of))
}

/// Of what a look-up showed, what `attempt` or one before may have made. Of field groups, schemas and datasets there
/// is one for a title or tag, so what a resource of the same name made before counts too.
fn looked_up(
    identity: &Identity,
    kind: RemoteKind,
    attempt: i64,
    mut found: Vec<Sighted>,
    as_of: Instant,
) -> Outcome {
    let inherits = matches!(
        kind,
        RemoteKind::FieldGroup | RemoteKind::Schema | RemoteKind::Dataset
    );
    found.retain(|it| {
        it.marker.as_ref().is_some_and(|marker| {
            let own = marker.identity == *identity && marker.attempt <= attempt;
            let inherited = marker.identity != *identity && marker.identity.same_resource(identity);
            own || (inherits && inherited)
        })
    });
    Outcome::LookedUp {
        kind,
        attempt,
        found,
        as_of,
    }
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
        RemoteKind::FieldGroup | RemoteKind::Schema => schema_registry::all(sandbox, kind).await,
        RemoteKind::Dataset => catalog::tagged(sandbox, identity).await,
        _ => Err(never_made(kind)),
    }
}

/// Whether the object is gone; `false`: it stays for good.
async fn delete(remotes: &Remotes, kind: RemoteKind, id: &str) -> Result<bool, ApiError> {
    let sandbox = &remotes.sandbox;
    let done = |_: Deleted| true;
    match kind {
        RemoteKind::SourceConnection => sandbox.delete_source_connection(id).await.map(done),
        RemoteKind::TargetConnection => sandbox.delete_target_connection(id).await.map(done),
        RemoteKind::Flow => sandbox.delete_flow(id).await.map(done),
        RemoteKind::MappingSet => data_prep::delete(sandbox, id).await,
        RemoteKind::Subscription => webhooks::delete(remotes, id).await,
        RemoteKind::FieldGroup | RemoteKind::Schema => {
            schema_registry::delete(sandbox, kind, id).await
        }
        RemoteKind::Dataset => sandbox.delete_dataset(id).await.map(done),
    }
}

/// A kind that no resource makes.
fn never_made(kind: RemoteKind) -> ApiError {
    let detail = format!("no resource has a {}", kind.title());
    ApiError::local("execute", Class::Unexpected, detail)
}

//! What an `AepDataflow` depends on: its source, the source's Secret, and who else is on the source.

use kube::ResourceExt as _;
use kube::api::Api;

use crate::controllers::context::Context;
use crate::controllers::credentials::Access;
use crate::controllers::customer_io_source::observe as source_observe;
use crate::controllers::dependencies::Dependency;
use crate::controllers::engine::End;
use crate::controllers::kind::{Kind as _, Observed};
use crate::controllers::managed::ManagedStatus as _;
use crate::controllers::record::{RecordError, within};
use crate::plan::claim::FlowProgress;
use crate::plan::dataflow::SourceView;
use crate::plan::deletion::Holding;
use crate::plan::pace::Pace;
use crate::plan::{Failure, RemoteKind, Wait};
use crate::resources::conditions::{READY, Reason, STALLED, find};
use crate::resources::{AepDataflow, CustomerIoSource, FINALIZER};
use crate::work::Key;

use super::outputs::Outputs;
use super::{claim, subscription, target};

/// What an `AepDataflow` depends on.
#[derive(Debug)]
pub struct Surroundings {
    /// How to call AEP.
    pub access: Access,
    /// The source.
    pub source: SourceView,
    /// The target, as far as it is known without asking the platform.
    pub target: target::Seen,
    /// Why nothing new may be made on source or target.
    pub obstacle: Option<End>,
    /// The Secrets that it has written, or is to write.
    pub outputs: Outputs,
    /// Why Customer.io cannot be reached, if it has to be.
    pub unreachable: Option<Failure>,
}

/// Reads source, Secret and claim.
pub async fn surroundings(
    context: &Context,
    dataflow: &AepDataflow,
) -> Result<Observed<Surroundings>, RecordError> {
    let source = match source_of(context, dataflow).await? {
        Observed::Whole(source) => source,
        Observed::Lacking(end) => return Ok(Observed::Lacking(end)),
    };
    let progress = claim::progress_of(context, dataflow);
    // What stands, or may stand, needs nothing of the source but its credentials.
    let obstacle = obstacle(&source).map(waiting);
    let status = dataflow.status.as_ref();
    let nothing_built = status.is_none_or(|status| status.holdings().is_empty());
    if let Some(end) = obstacle.as_ref().filter(|_| nothing_built) {
        return Ok(Observed::Lacking(end.clone()));
    }
    let view = view(&source);
    // One whose flow may exist settles that first; the last look before a creation asks again.
    let taken = async {
        match progress {
            FlowProgress::None => claim::glance(context, dataflow, progress).await,
            _ => Ok(None),
        }
    };
    // At the same time: somebody waits for a new dataflow.
    let (access, taken) = futures::join!(source_observe::access(context, &source), taken);
    let mut access = match access? {
        Observed::Whole(access) => access,
        Observed::Lacking(end) => return Ok(Observed::Lacking(end)),
    };
    let unreachable = subscription::reach(context, dataflow, &source, &mut access).await?;
    if let Some(failure) = taken? {
        return Ok(Observed::Lacking(failure.into()));
    }
    let target = target::look(context, dataflow, &access.scope).await?;
    let obstacle = obstacle.or_else(|| target.obstacle.clone());
    if let Some(end) = obstacle.as_ref().filter(|_| nothing_built) {
        return Ok(Observed::Lacking(end.clone()));
    }
    Ok(Observed::Whole(Surroundings {
        access,
        source: view,
        target,
        obstacle,
        outputs: Outputs::look(context, dataflow).await?,
        unreachable,
    }))
}

/// Credentials for the deletion; the source keeps existing as long as dataflows are on it.
pub async fn deletion(
    context: &Context,
    dataflow: &AepDataflow,
    holdings: &[Holding],
) -> Result<Observed<Access>, RecordError> {
    match source_of(context, dataflow).await? {
        Observed::Whole(source) => {
            let mut access = match source_observe::access(context, &source).await? {
                Observed::Whole(access) => access,
                lacking @ Observed::Lacking(_) => return Ok(lacking),
            };
            let holds = holdings
                .iter()
                .any(|it| it.kind() == RemoteKind::Subscription);
            let unreachable = if holds {
                subscription::reach(context, dataflow, &source, &mut access).await?
            } else {
                None
            };
            Ok(match unreachable {
                Some(failure) => Observed::Lacking(failure.into()),
                None => Observed::Whole(access),
            })
        }
        Observed::Lacking(_) => {
            let name = &dataflow.spec.source_ref.name;
            let left = crate::controllers::deletion::describe(holdings);
            let message = format!(
                "CustomerIoSource \"{name}\" is gone, and with it the sandbox and credentials to delete {left}. Create it \
                 again as it was; or annotate this resource with aep-operator.dev/abandon=true to leave them in AEP."
            );
            Ok(Observed::Lacking(
                Failure::stalled(Reason::DeletionBlocked, message).into(),
            ))
        }
    }
}

/// The source, registered with its Secret as what this dataflow depends on.
async fn source_of(
    context: &Context,
    dataflow: &AepDataflow,
) -> Result<Observed<CustomerIoSource>, RecordError> {
    let namespace = dataflow.namespace().unwrap_or_default();
    let name = &dataflow.spec.source_ref.name;
    let api: Api<CustomerIoSource> = Api::namespaced(context.client.clone(), &namespace);
    let Some(source) = within(api.get_opt(name)).await? else {
        let message = format!(
            "CustomerIoSource \"{name}\" does not exist in namespace \"{namespace}\". Create it; or, if spec.sourceRef.name is \
             wrong, create this AepDataflow anew."
        );
        return Ok(Observed::Lacking(waiting(message)));
    };
    let mut dependencies = dataflow.dependencies(&namespace);
    dependencies.push(Dependency::Secret(Key::new(
        &namespace,
        &source.spec.credentials_ref.name,
    )));
    dependencies.extend(subscription::dependency(dataflow, &source));
    let key = Key::new(namespace, dataflow.name_any());
    let dropped = context.dataflows.dependencies.set(&key, dependencies);
    context.secrets.dropped(context, dropped);
    Ok(Observed::Whole(source))
}

fn waiting(message: String) -> End {
    End::Waiting(Wait {
        reason: Reason::WaitingForSource,
        message,
        poll: false,
    })
}

/// What a dataflow sees of its source.
fn view(source: &CustomerIoSource) -> SourceView {
    let name = source.name_any();
    let status = source.status.as_ref();
    if let Some(connection) = status.and_then(|status| status.source_connection.as_ref()) {
        return SourceView::Standing {
            id: connection.id.clone(),
        };
    }
    let reason = status
        .and_then(|status| find(&status.conditions, READY))
        .filter(|ready| ready.reason != Reason::Progressing.as_str())
        .map(|ready| format!(" ({})", ready.reason))
        .unwrap_or_default();
    SourceView::NotYet {
        message: format!("CustomerIoSource \"{name}\" has no source connection yet{reason}."),
    }
}

/// Why nothing is made for a source: somebody has to mend it first, it is going, or the operator has not put
/// its finalizer on yet (it could go before this dataflow does, and take the credentials along).
fn obstacle(source: &CustomerIoSource) -> Option<String> {
    let name = source.name_any();
    if source.metadata.deletion_timestamp.is_some() {
        return Some(format!(
            "CustomerIoSource \"{name}\" is being deleted. Create it again once it is gone, or delete this AepDataflow too."
        ));
    }
    if let SourceView::Standing { .. } = view(source) {
        return (!is_held(source))
            .then(|| format!("CustomerIoSource \"{name}\" is not held by the operator yet."));
    }
    let status = source.status.as_ref();
    let stalled = status.and_then(|status| find(&status.conditions, STALLED));
    if let Some(stalled) = stalled {
        return Some(format!(
            "CustomerIoSource \"{name}\" has no source connection ({}). Mend it first: its own conditions say how.",
            stalled.reason
        ));
    }
    let SourceView::NotYet { message } = view(source) else {
        return None;
    };
    (!is_held(source)).then_some(message)
}

/// The source of a dataflow, once its connection stands and it stays for as long as the dataflow.
pub async fn standing(
    context: &Context,
    dataflow: &AepDataflow,
) -> Result<Option<SourceView>, RecordError> {
    let Observed::Whole(source) = source_of(context, dataflow).await? else {
        return Ok(None);
    };
    let view = view(&source);
    let stands = matches!(view, SourceView::Standing { .. }) && obstacle(&source).is_none();
    Ok(stands.then_some(view))
}

/// Whether the source stays for as long as a dataflow with an intent is on it.
fn is_held(source: &CustomerIoSource) -> bool {
    source.metadata.deletion_timestamp.is_none()
        && source.finalizers().iter().any(|name| name == FINALIZER)
}

/// Why nothing may be created on the source `seen`, as a live look at it says now.
pub async fn source_is_gone(
    context: &Context,
    dataflow: &AepDataflow,
    seen: &SourceView,
) -> Result<Option<Failure>, RecordError> {
    let namespace = dataflow.namespace().unwrap_or_default();
    let api: Api<CustomerIoSource> = Api::namespaced(context.client.clone(), &namespace);
    let name = &dataflow.spec.source_ref.name;
    let source = within(api.get_opt(name)).await?;
    let held = source.filter(is_held).is_some_and(|source| match seen {
        SourceView::Standing { .. } => view(&source) == *seen,
        SourceView::NotYet { .. } => true,
    });
    let message = format!("CustomerIoSource \"{name}\" is going or has changed.");
    Ok((!held).then(|| Failure::passing(Reason::WaitingForSource, message, Pace::Backoff)))
}

//! The controller of `AepDataflow`: target connection, mapping set and flow on one source.
//!
//! [`observe`] reads what it depends on, [`target`] the dataset among it, [`claim`] asks who holds the source.
//! [`subject`] plans towards its `aim` and takes in `answers`; [`webhook`] does both for Customer.io, from what
//! [`subscription`] tells; [`diagnose`]
//! explains a refusal, [`ingestion`] says what runs show, [`outputs`] writes the Secret, [`status`] says where results
//! are recorded. The road itself is [`crate::controllers::reconcile`].

mod aim;
mod answers;
pub mod claim;
pub mod diagnose;
pub mod ingestion;
pub mod observe;
pub mod outputs;
mod settled;
pub mod status;
pub mod subject;
pub mod subscription;
pub mod target;
pub mod webhook;

use std::time::Duration;

use super::context::{Context, Side};
use super::credentials::Access;
use super::dependencies::Dependency;
use super::engine::End;
use super::kind::{Kind, Observed};
use super::managed::ManagedStatus as _;
use super::record::{Record, RecordError};
use crate::plan::dataflow::SourceView;
use crate::plan::deletion::Trace;
use crate::plan::marker::Identity;
use crate::plan::sighting::Expected;
use crate::plan::{Body, Failure, Step};
use crate::platform::Sandbox;
use crate::resources::conditions::Reason;
use crate::resources::{AepDataflow, AepDataflowStatus};
use crate::work::Key;

use observe::Surroundings;
use subject::DataflowSubject;

impl Kind for AepDataflow {
    type Surroundings = Surroundings;
    type Subject<'a> = DataflowSubject<'a>;

    const WORD: &'static str = "aepdataflow";
    // Its source's are its own, and keep that.
    const SECRETS: &'static [&'static str] = &[];

    fn side(context: &Context) -> &Side {
        &context.dataflows
    }

    fn dependencies(&self, namespace: &str) -> Vec<Dependency> {
        let source = Dependency::Source(Key::new(namespace, &self.spec.source_ref.name));
        let dataset = self.spec.target.dataset_ref.as_ref();
        let dataset = dataset.map(|it| Dependency::Dataset(Key::new(namespace, &it.name)));
        let outputs = self.spec.outputs.as_ref();
        let outputs = outputs.map(|it| Dependency::Secret(Key::new(namespace, &it.secret_name)));
        std::iter::once(source)
            .chain(dataset)
            .chain(outputs)
            .collect()
    }

    async fn observe(&self, context: &Context) -> Result<Observed<Surroundings>, RecordError> {
        observe::surroundings(context, self).await
    }

    async fn observe_deletion(&self, context: &Context) -> Result<Observed<Access>, RecordError> {
        let holdings = self
            .status
            .as_ref()
            .map(AepDataflowStatus::holdings)
            .unwrap_or_default();
        observe::deletion(context, self, &holdings).await
    }

    fn access(surroundings: &Surroundings) -> &Access {
        &surroundings.access
    }

    fn obstacle(surroundings: &Surroundings) -> Option<End> {
        surroundings.obstacle.clone()
    }

    fn versions(surroundings: &Surroundings) -> Vec<String> {
        versions(surroundings, &surroundings.source)
    }

    fn versions_after(surroundings: &Surroundings, subject: &DataflowSubject<'_>) -> Vec<String> {
        versions(surroundings, subject.source())
    }

    fn subject<'a>(
        &'a self,
        context: &'a Context,
        identity: &Identity,
        status: &AepDataflowStatus,
        surroundings: &'a Surroundings,
    ) -> DataflowSubject<'a> {
        DataflowSubject::new(context, self, identity.clone(), surroundings, status)
    }

    async fn diagnose(
        &self,
        sandbox: &Sandbox,
        step: &Step,
        status: &AepDataflowStatus,
        failure: Failure,
    ) -> Failure {
        match (failure.reason, step) {
            (Reason::RejectedByPlatform, step) => {
                diagnose::refusal(sandbox, step, self, status, failure).await
            }
            (
                Reason::Progressing,
                Step::Create {
                    body: Body::Flow(body),
                    ..
                },
            ) => diagnose::source(sandbox, &body.source_connection_ids, failure).await,
            _ => failure,
        }
    }

    fn settled(subject: &DataflowSubject<'_>, status: &mut AepDataflowStatus) {
        status.applied_hash = subject.hash().map(str::to_owned);
        if let Some(flow) = &mut status.flow {
            flow.stopped_hash = None;
        }
        if let Some(webhook) = &subject.webhook {
            webhook.settled(status);
        }
    }

    fn attend(context: &Context, key: &Key, sandbox: &Sandbox, record: &mut Record<Self>) {
        ingestion::attend(context, key, sandbox, record);
    }

    async fn publish(
        context: &Context,
        record: &mut Record<Self>,
        surroundings: &Surroundings,
    ) -> Result<Option<Failure>, RecordError> {
        outputs::publish(context, record, &surroundings.outputs).await
    }

    fn prepare(&self, _: &Context, status: &mut AepDataflowStatus, surroundings: &Surroundings) {
        subscription::prepare(self, status, &surroundings.access);
    }

    fn stands(subject: &DataflowSubject<'_>, end: &End) -> bool {
        *end == End::Done || subject.flow_stands()
    }

    fn watch(
        context: &Context,
        key: &Key,
        subject: &DataflowSubject<'_>,
        status: &AepDataflowStatus,
    ) {
        let watch = &context.webhooks.watch;
        match subject.expected_webhook(status) {
            Some((workspace, entry)) => watch.register(workspace, key, entry),
            None => watch.forget(key),
        }
    }

    fn unwatch(context: &Context, key: &Key) {
        context.webhooks.watch.forget(key);
        context.runs.forget(Self::WORD, key);
    }

    fn due(&self, context: &Context, status: &AepDataflowStatus) -> Option<Duration> {
        subscription::due(context, self, status)
    }

    fn trace(&self, status: &AepDataflowStatus, access: &Access) -> Option<Trace> {
        subscription::trace(self, status, access)
    }

    fn expected(subject: &DataflowSubject<'_>, status: &AepDataflowStatus) -> Vec<Expected> {
        subject.expected(status)
    }

    fn ready_message(status: &AepDataflowStatus) -> String {
        let (id, state) = status
            .flow
            .as_ref()
            .map(|flow| (flow.id.as_str(), flow.state.as_deref().unwrap_or_default()))
            .unwrap_or_default();
        match subscription::ready_message(status) {
            Some(webhook) => format!("Flow {id} is {state}. {webhook}"),
            None => format!(
                "Flow {id} is {state}. Its events go to the URL in status.inletUrl followed by ?x-adobe-flow-id={id}."
            ),
        }
    }
}

/// What makes another try worth while; `source` may have been looked at since.
fn versions(surroundings: &Surroundings, source: &SourceView) -> Vec<String> {
    let source = match source {
        SourceView::Standing { id } => id.clone(),
        SourceView::NotYet { .. } => String::new(),
    };
    let target = surroundings.target.version.clone();
    let outputs = surroundings.outputs.version();
    let mut versions = surroundings.access.versions();
    versions.extend([source, target, outputs]);
    versions
}

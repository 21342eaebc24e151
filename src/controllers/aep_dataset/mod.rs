//! The controller of `AepDataset`: field group, schema and dataset.
//!
//! [`observe`] reads what it depends on, [`subject`] plans and takes in answers, [`status`] says where
//! results are recorded, [`diagnose`] finds out who has a title; the road itself is
//! [`crate::controllers::reconcile`].

pub mod diagnose;
pub mod observe;
pub mod status;
pub mod subject;

use super::context::{Context, Side};
use super::credentials::Access;
use super::dependencies::Dependency;
use super::engine::End;
use super::kind::{Kind, Observed};
use super::record::RecordError;
use crate::plan::desired_dataset::DesiredDataset;
use crate::plan::marker::Identity;
use crate::plan::sighting::Expected;
use crate::plan::{Failure, Step};
use crate::platform::Sandbox;
use crate::resources::{AepDataset, AepDatasetStatus};
use crate::work::Key;

use subject::DatasetSubject;

impl Kind for AepDataset {
    type Surroundings = Access;
    type Subject<'a> = DatasetSubject;

    const WORD: &'static str = "aepdataset";
    const SECRETS: &'static [&'static str] = &["spec.credentialsRef.name"];

    fn side(context: &Context) -> &Side {
        &context.datasets
    }

    fn as_dependency(key: Key) -> Option<Dependency> {
        Some(Dependency::Dataset(key))
    }

    fn dependencies(&self, namespace: &str) -> Vec<Dependency> {
        vec![Dependency::Secret(Key::new(
            namespace,
            &self.spec.credentials_ref.name,
        ))]
    }

    async fn observe(&self, context: &Context) -> Result<Observed<Access>, RecordError> {
        observe::access(context, self).await
    }

    async fn in_use(&self, context: &Context) -> Result<Option<End>, RecordError> {
        observe::in_use(context, self).await
    }

    async fn observe_deletion(&self, context: &Context) -> Result<Observed<Access>, RecordError> {
        observe::access(context, self).await
    }

    fn access(surroundings: &Access) -> &Access {
        surroundings
    }

    fn versions(surroundings: &Access) -> Vec<String> {
        vec![surroundings.content.clone()]
    }

    fn subject<'a>(
        &'a self,
        context: &'a Context,
        identity: &Identity,
        status: &AepDatasetStatus,
        _: &'a Access,
    ) -> DatasetSubject {
        DatasetSubject::new(
            DesiredDataset::new(identity.clone(), &self.spec),
            self.spec.on_remote_missing,
            status,
            context.clock,
        )
    }

    async fn diagnose(
        &self,
        sandbox: &Sandbox,
        step: &Step,
        _: &AepDatasetStatus,
        failure: Failure,
    ) -> Failure {
        diagnose::explain(sandbox, step, failure).await
    }

    fn settled(subject: &DatasetSubject, status: &mut AepDatasetStatus) {
        subject.settled(status);
    }

    fn expected(_: &DatasetSubject, status: &AepDatasetStatus) -> Vec<Expected> {
        subject::expected(status)
    }

    fn ready_message(status: &AepDatasetStatus) -> String {
        let dataset = status.dataset.as_ref().map_or("", |found| &found.id);
        let schema = status.schema.as_ref().map_or("", |found| &found.id);
        let sandbox = status.sandbox.as_deref().unwrap_or_default();
        format!("Dataset {dataset} with schema {schema} stands in sandbox \"{sandbox}\".")
    }
}

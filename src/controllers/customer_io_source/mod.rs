//! The controller of `CustomerIoSource`: one source connection.
//!
//! [`observe`] reads what it depends on, [`subject`] plans and takes in answers, [`status`] says where
//! results are recorded; the road itself is [`crate::controllers::reconcile`].

pub mod observe;
pub mod status;
pub mod subject;

use super::context::{Context, Side};
use super::credentials::Access;
use super::dependencies::Dependency;
use super::engine::End;
use super::kind::{Kind, Observed};
use super::record::RecordError;
use crate::plan::desired::DesiredSource;
use crate::plan::marker::Identity;
use crate::plan::sighting::Expected;
use crate::resources::{CustomerIoSource, CustomerIoSourceStatus};
use crate::work::Key;

use subject::SourceSubject;

impl Kind for CustomerIoSource {
    type Surroundings = Access;
    type Subject<'a> = SourceSubject;

    const WORD: &'static str = "customeriosource";
    const SECRETS: &'static [&'static str] = &[
        "spec.credentialsRef.name",
        "spec.customerIo.appApiKeyRef.name",
    ];

    fn side(context: &Context) -> &Side {
        &context.sources
    }

    fn as_dependency(key: Key) -> Option<Dependency> {
        Some(Dependency::Source(key))
    }

    fn dependencies(&self, namespace: &str) -> Vec<Dependency> {
        let workspace = self.spec.customer_io.as_ref();
        // The key is for its dataflows; it is kept from going as long as they need it.
        std::iter::once(&self.spec.credentials_ref.name)
            .chain(workspace.map(|it| &it.app_api_key_ref.name))
            .map(|name| Dependency::Secret(Key::new(namespace, name)))
            .collect()
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
        _: &'a Context,
        identity: &Identity,
        status: &CustomerIoSourceStatus,
        _: &'a Access,
    ) -> SourceSubject {
        SourceSubject::new(
            DesiredSource::new(identity.clone(), &self.spec),
            &self.spec,
            status,
        )
    }

    fn settled(subject: &SourceSubject, status: &mut CustomerIoSourceStatus) {
        status.applied_hash = Some(subject.hash().to_owned());
    }

    fn expected(subject: &SourceSubject, status: &CustomerIoSourceStatus) -> Vec<Expected> {
        subject.expected(status)
    }

    fn ready_message(status: &CustomerIoSourceStatus) -> String {
        let id = status
            .source_connection
            .as_ref()
            .map(|found| found.id.as_str())
            .unwrap_or_default();
        let sandbox = status.sandbox.as_deref().unwrap_or_default();
        format!("Source connection {id} stands in sandbox \"{sandbox}\".")
    }
}

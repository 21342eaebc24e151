//! What a kind of resource adds to the common road ([`super::reconcile`]). A new kind begins here: each method says what the
//! road asks for, and those that few kinds need have an answer already.

use std::fmt::Debug;
use std::time::Duration;

use crate::plan::deletion::Trace;
use crate::plan::marker::Identity;
use crate::plan::sighting::Expected;
use crate::plan::{Failure, Step};
use crate::platform::Sandbox;
use crate::work::Key;

use super::context::{Context, Side};
use super::credentials::Access;
use super::dependencies::Dependency;
use super::engine::{End, Subject};
use super::managed::Managed;
use super::record::{Record, RecordError};

/// What a resource's reconcile found around it.
#[derive(Debug)]
pub enum Observed<S> {
    /// All that is needed.
    Whole(S),
    /// Something is missing: how the reconcile ends.
    Lacking(End),
}

/// What a kind of resource adds to the common road.
pub trait Kind:
    Managed<DynamicType = ()>
    + kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
    + kube::CustomResourceExt
{
    /// What it depends on, read live.
    type Surroundings: Debug + Send + Sync;
    /// Its planner over what is known.
    type Subject<'a>: Subject<Self::Status>;

    /// The kind's name, in lower case.
    const WORD: &'static str;

    /// The fields of the spec in which it names Secrets that it needs.
    const SECRETS: &'static [&'static str];

    /// This kind's side of the context.
    fn side(context: &Context) -> &Side;

    /// What it is to others that depend on it, if any can.
    fn as_dependency(key: Key) -> Option<Dependency> {
        let _ = key;
        None
    }

    /// What it depends on as far as its own spec says; registered before anything is read.
    fn dependencies(&self, namespace: &str) -> Vec<Dependency>;

    /// Reads what it depends on.
    fn observe(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<Observed<Self::Surroundings>, RecordError>> + Send;

    /// Before deletion: who still needs this resource, and so keeps it.
    fn in_use(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<Option<End>, RecordError>> + Send {
        let _ = context;
        async { Ok(None) }
    }

    /// The same for deletion, where less is needed.
    fn observe_deletion(
        &self,
        context: &Context,
    ) -> impl Future<Output = Result<Observed<Access>, RecordError>> + Send;

    /// How to call AEP.
    fn access(surroundings: &Self::Surroundings) -> &Access;

    /// Why nothing new may be made now, though what stands is kept up.
    fn obstacle(surroundings: &Self::Surroundings) -> Option<End> {
        let _ = surroundings;
        None
    }

    /// What in the surroundings makes another try worth while.
    fn versions(surroundings: &Self::Surroundings) -> Vec<String>;

    /// The same after a run, which may have looked again.
    fn versions_after(
        surroundings: &Self::Surroundings,
        subject: &Self::Subject<'_>,
    ) -> Vec<String> {
        let _ = subject;
        Self::versions(surroundings)
    }

    /// The planner over what is known from status. While `appliedHash` is that of the wanted objects,
    /// what status records stands as written and need not be read.
    fn subject<'a>(
        &'a self,
        context: &'a Context,
        identity: &Identity,
        status: &Self::Status,
        surroundings: &'a Self::Surroundings,
    ) -> Self::Subject<'a>;

    /// A better explanation of what the platform answered to `step`, where there is one.
    fn diagnose(
        &self,
        sandbox: &Sandbox,
        step: &Step,
        status: &Self::Status,
        failure: Failure,
    ) -> impl Future<Output = Failure> + Send {
        let _ = (sandbox, step, status);
        async { failure }
    }

    /// Fills in what a status says beyond ids, once everything stands.
    fn settled(subject: &Self::Subject<'_>, status: &mut Self::Status);

    /// The objects as they stand, once everything does: what the drift check compares with.
    fn expected(subject: &Self::Subject<'_>, status: &Self::Status) -> Vec<Expected>;

    /// What a status says besides, from what others have found out; no call.
    fn attend(context: &Context, key: &Key, sandbox: &Sandbox, record: &mut Record<Self>) {
        let _ = (context, key, sandbox, record);
    }

    /// Writes what others are to read of it, as its status says by now; why that cannot be.
    fn publish(
        context: &Context,
        record: &mut Record<Self>,
        surroundings: &Self::Surroundings,
    ) -> impl Future<Output = Result<Option<Failure>, RecordError>> + Send {
        let _ = (context, record, surroundings);
        async { Ok(None) }
    }

    /// Before anything is planned: puts what status says of things outside AEP in order.
    fn prepare(
        &self,
        context: &Context,
        status: &mut Self::Status,
        surroundings: &Self::Surroundings,
    ) {
        let _ = (context, status, surroundings);
    }

    /// Whether the objects in AEP stand as written, whatever else a run ended with: then they are watched.
    fn stands(subject: &Self::Subject<'_>, end: &End) -> bool {
        let _ = subject;
        *end == End::Done
    }

    /// What stands outside AEP is watched too.
    fn watch(context: &Context, key: &Key, subject: &Self::Subject<'_>, status: &Self::Status) {
        let _ = (context, key, subject, status);
    }

    /// What stands outside AEP is not watched any more.
    fn unwatch(context: &Context, key: &Key) {
        let _ = (context, key);
    }

    /// When something is due by itself although all stands as written.
    fn due(&self, context: &Context, status: &Self::Status) -> Option<Duration> {
        let _ = (context, status);
        None
    }

    /// What a webhook of it is known by when it is deleted.
    fn trace(&self, status: &Self::Status, access: &Access) -> Option<Trace> {
        let _ = (status, access);
        None
    }

    /// The message beside `Ready=True`.
    fn ready_message(status: &Self::Status) -> String;
}

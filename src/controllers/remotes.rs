//! The services that a resource's objects stand in, each with leave to be called.

use std::sync::Arc;

use crate::customer_io::Workspace;
use crate::plan::Service;
use crate::platform::{Later, Platform, Sandbox, Urgency, Wake};

use super::credentials::Access;
use super::webhooks::Board;

/// The services that a resource's objects stand in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Remotes {
    /// The sandbox of AEP.
    pub sandbox: Sandbox,
    /// The workspace of Customer.io; none where the resource has nothing to do with it.
    pub workspace: Option<Workspace>,
    /// What is listed of the workspace.
    pub board: Option<Arc<Board>>,
}

impl Remotes {
    /// What `access` gives access to. Makes no call.
    pub fn of(platform: &Platform, access: &Access) -> Self {
        let credentials = access.credentials.clone();
        Self {
            sandbox: platform.sandbox(credentials, &access.scope.sandbox),
            workspace: access.workspace.as_ref().map(|it| it.workspace.clone()),
            board: access.workspace.as_ref().map(|it| Arc::clone(&it.board)),
        }
    }

    /// With leave to begin `calls` calls to `service` now; see [`Sandbox::ticket`].
    ///
    /// # Errors
    /// Its turn has not come.
    pub fn ticket(
        &self,
        service: Service,
        name: &str,
        group: &str,
        urgency: Urgency,
        calls: usize,
        wake: Wake,
    ) -> Result<Self, Later> {
        let mut remotes = self.clone();
        match (service, &self.workspace) {
            (Service::CustomerIo, Some(workspace)) => {
                remotes.workspace = Some(workspace.ticket(name, group, urgency, calls, wake)?);
            }
            (Service::CustomerIo, None) => {}
            (Service::Aep, _) => {
                remotes.sandbox = self.sandbox.ticket(name, group, urgency, calls, wake)?;
            }
        }
        Ok(remotes)
    }

    /// With leave to begin `calls` more calls of something begun, once those that have begun before are through.
    ///
    /// # Errors
    /// It would take too long.
    pub async fn go_on(&self, service: Service, calls: usize) -> Result<Self, Later> {
        let mut remotes = self.clone();
        match (service, &self.workspace) {
            (Service::CustomerIo, Some(workspace)) => {
                remotes.workspace = Some(workspace.go_on(calls).await?);
            }
            (Service::CustomerIo, None) => {}
            (Service::Aep, _) => remotes.sandbox = self.sandbox.go_on(calls).await?,
        }
        Ok(remotes)
    }
}

//! The services that a resource's objects stand in, each with leave to be called.

use crate::customer_io::Workspace;
use crate::plan::Service;
use crate::platform::{Later, Platform, Sandbox, Urgency, Wake};

use super::credentials::Access;

/// The services that a resource's objects stand in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Remotes {
    /// The sandbox of AEP.
    pub sandbox: Sandbox,
    /// The workspace of Customer.io; none where the resource has nothing to do with it.
    pub workspace: Option<Workspace>,
}

impl Remotes {
    /// What `access` gives access to. Makes no call.
    pub fn of(platform: &Platform, access: &Access) -> Self {
        let credentials = access.credentials.clone();
        Self {
            sandbox: platform.sandbox(credentials, &access.scope.sandbox),
            workspace: access.workspace.clone(),
        }
    }

    /// With leave to make `calls` calls to `service` now; see [`Sandbox::ticket`].
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

    /// With leave to make `calls` more calls of something begun, after a short wait at most.
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

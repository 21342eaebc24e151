//! The fence: no call to AEP is started by a process that does not lead.

use bytes::Bytes;
use http::Request;
use tower::{Service as _, ServiceExt as _, service_fn};

use crate::platform::{HttpService, NeverSent};

use super::tenure::Tenure;

/// `service`, asked only while `tenure` is valid; else a request fails as never sent, so that nobody
/// wonders what became of it. Calls that were started before are left alone.
pub fn fence(service: HttpService, tenure: Tenure) -> HttpService {
    HttpService::new(service_fn(move |request: Request<Bytes>| {
        let (mut service, tenure) = (service.clone(), tenure.clone());
        async move {
            // Whatever a service has to wait for comes first: the last thing before sending is the check.
            let service = service.ready().await?;
            tenure.check().map_err(NeverSent::new)?;
            service.call(request).await
        }
    }))
}

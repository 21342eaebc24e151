//! A host on a socket: HTTP/1.1, bounded bodies, and connections that really close when a reply is dropped.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::emulator::Emulator;
use crate::host::{Host, NoReply};
use crate::options::Options;
use crate::refusal::empty_reply;
use crate::time::millis;

/// Largest request body.
const MAX_BODY: usize = 4 << 20;
/// How long open calls may take to finish at the end.
const GRACE: Duration = Duration::from_millis(500);

/// Serves a fresh emulator until `shutdown` resolves. Inlet URLs start with the listener's own address
/// unless the options say otherwise.
pub async fn serve(
    listener: TcpListener,
    mut options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    if options.base_url.is_none() {
        options.base_url = Some(format!("http://{}", listener.local_addr()?));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis);
    serve_host(
        listener,
        Host::new(Emulator::new(options), now).over_http(),
        shutdown,
    )
    .await
}

/// Serves a host that the caller keeps a hold of.
pub async fn serve_host(
    listener: TcpListener,
    host: Host,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or a client that went away: neither is the end of the server.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        drop(stream.set_nodelay(true));
        let host = host.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(host.clone(), request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    // A hanging call never finishes, and idle connections stay open: both end here.
    drop(tokio::time::timeout(GRACE, finished).await);
    Ok(())
}

/// An error makes hyper close the connection without an answer.
async fn answer(host: Host, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, NoReply> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(empty_reply(413).map(Full::new));
    };
    let reply = host
        .call(Request::from_parts(parts, body.to_bytes()))
        .await?;
    Ok(reply.map(Full::new))
}

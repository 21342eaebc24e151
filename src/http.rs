//! `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Serves until `stop`; `/readyz` succeeds once `ready` is cancelled.
///
/// # Errors
///
/// The address cannot be listened on.
pub async fn serve(
    listen: SocketAddr,
    metrics: Arc<Metrics>,
    ready: CancellationToken,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| anyhow::anyhow!("--listen {listen}: {error}; choose a free address"))?;
    let text = move || {
        let metrics = Arc::clone(&metrics);
        async move {
            (
                [(
                    CONTENT_TYPE,
                    "application/openmetrics-text; version=1.0.0; charset=utf-8",
                )],
                metrics.text(),
            )
        }
    };
    let routes = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async move || readiness(&ready)))
        .route("/metrics", get(text));
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await?;
    Ok(())
}

fn readiness(ready: &CancellationToken) -> (StatusCode, &'static str) {
    if ready.is_cancelled() {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the custom resources have not all been listed yet: are the CRDs installed?\n",
        )
    }
}

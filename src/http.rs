//! `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::leader::{Standing, Tenure};
use crate::metrics::Metrics;

/// What `/readyz` is about.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// Standing by is ready: else a rolling update would wait for a second leader.
    pub tenure: Tenure,
    /// Cancelled once the one that leads has listed everything there is.
    pub listed: CancellationToken,
}

/// Serves until `stop`.
///
/// # Errors
///
/// The address cannot be listened on.
pub async fn serve(
    listen: SocketAddr,
    metrics: Arc<Metrics>,
    ready: Readiness,
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
        .route("/readyz", get(async move || ready.answer()))
        .route("/metrics", get(text));
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await?;
    Ok(())
}

impl Readiness {
    fn answer(&self) -> (StatusCode, &'static str) {
        let not_yet = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
        match self.tenure.standing() {
            Standing::Leading { .. } if self.listed.is_cancelled() => (StatusCode::OK, "ok\n"),
            Standing::StandingBy => (StatusCode::OK, "ok: standing by, another replica leads\n"),
            Standing::Leading { .. } => not_yet(
                "the custom resources have not all been listed yet: are the CRDs installed?\n",
            ),
            Standing::Starting => not_yet(
                "the Lease of the leader election has not been read yet; the log says why\n",
            ),
            Standing::Over => not_yet("leads no longer and ends\n"),
        }
    }
}

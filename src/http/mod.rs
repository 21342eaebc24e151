//! `/livez`, `/readyz`, `/metrics` and, for the Pod itself, `/log-filter`.

mod log_filter;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::leader::{Standing, Tenure};
use crate::metrics::Metrics;
use crate::telemetry::LogFilter;
use crate::work::{Work, progress};

/// What `/livez` is about.
#[derive(Clone, Debug)]
pub struct Liveness {
    /// What there is to do.
    pub work: Arc<Work>,
    /// How long nothing of it may end.
    pub limit: Duration,
}

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
    filter: LogFilter,
    live: Liveness,
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
        .route("/livez", get(async move || live.answer()))
        .route("/readyz", get(async move || ready.answer()))
        .route("/metrics", get(text))
        .merge(log_filter::routes(filter))
        .into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await?;
    Ok(())
}

impl Liveness {
    fn answer(&self) -> (StatusCode, String) {
        let outstanding = self.work.outstanding();
        match progress::judge(&outstanding, Instant::now(), self.limit) {
            Err(standstill) => (StatusCode::SERVICE_UNAVAILABLE, format!("{standstill}\n")),
            Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        }
    }
}

impl Readiness {
    fn answer(&self) -> (StatusCode, &'static str) {
        let not_yet = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
        match self.tenure.standing() {
            Standing::Leading { .. } if self.listed.is_cancelled() => (StatusCode::OK, "ok\n"),
            Standing::StandingBy => (StatusCode::OK, "ok: standing by, another replica leads\n"),
            Standing::Leading { .. } => not_yet(
                "the custom resources have not all been listed yet: are the CRDs installed, and may the operator list \
                 them? The log says why\n",
            ),
            Standing::Starting => not_yet(
                "the Lease of the leader election has not been read yet; the log says why\n",
            ),
            Standing::Over => not_yet("leads no longer and ends\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::{Cause, Key};

    #[tokio::test(start_paused = true)]
    async fn livez_fails_when_work_stands_still_and_says_why() {
        let live = Liveness {
            work: Arc::default(),
            limit: progress::STANDSTILL,
        };
        let queue = live.work.queue("aepdataflow");
        queue.add(Key::new("n", "a"), Cause::Change);
        assert_eq!(live.answer().0, StatusCode::OK);
        tokio::time::advance(Duration::from_mins(31)).await;
        let (status, why) = live.answer();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(why.contains("no reconcile"), "{why}");
        // A call within a reconcile ended: it lives.
        let running = queue.next().await;
        live.work.moved();
        assert_eq!(live.answer().0, StatusCode::OK);
        running.done(None);
        tokio::time::advance(Duration::from_hours(5)).await;
        assert_eq!(live.answer().0, StatusCode::OK);
    }
}

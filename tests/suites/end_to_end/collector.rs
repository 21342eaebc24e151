//! A collector of traces on loopback, which keeps what it is sent.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::Uri;
use playground::stack::StackOptions;

/// More than any scenario makes; what comes after is dropped.
const BYTES_MAX: usize = 64 << 20;

pub struct Collector {
    url: String,
    /// Path and body of every call.
    kept: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Collector {
    /// Serves on a free port of loopback, while the test runs.
    pub async fn start() -> Self {
        let kept: Arc<Mutex<Vec<(String, Bytes)>>> = Arc::default();
        let keep = Arc::clone(&kept);
        let take = async move |uri: Uri, body: Bytes| {
            let mut kept = keep.lock().unwrap();
            let so_far: usize = kept.iter().map(|(_, body)| body.len()).sum();
            if so_far + body.len() <= BYTES_MAX {
                kept.push((uri.path().to_owned(), body));
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
        Self { url, kept }
    }

    /// Has the operator send its traces here; one that is built without them sends nothing.
    pub fn asked_for(&self, options: &mut StackOptions) {
        for (name, value) in [
            ("NO_PROXY", "127.0.0.1"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &self.url),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ] {
            options.operator_env.push((name.into(), value.into()));
        }
    }

    /// All calls so far. Texts are in them as they are: protobuf does not change them.
    pub fn kept(&self) -> Vec<(String, Bytes)> {
        self.kept.lock().unwrap().clone()
    }
}

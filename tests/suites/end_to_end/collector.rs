//! A collector of traces on loopback, which keeps what it is sent.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::Uri;

/// More than any scenario makes; what comes after is dropped.
const BYTES_MAX: usize = 64 << 20;

pub struct Collector {
    url: String,
    kept: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    /// Serves on a free port of loopback, while the test runs.
    pub async fn start() -> Self {
        let kept: Arc<Mutex<Vec<u8>>> = Arc::default();
        let keep = Arc::clone(&kept);
        let take = async move |uri: Uri, body: Bytes| {
            let mut kept = keep.lock().unwrap();
            if kept.len() + body.len() <= BYTES_MAX {
                kept.extend_from_slice(uri.path().as_bytes());
                kept.extend_from_slice(&body);
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await });
        Self { url, kept }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// All bodies so far. Texts are in them as they are: protobuf does not change them.
    pub fn kept(&self) -> Vec<u8> {
        self.kept.lock().unwrap().clone()
    }
}

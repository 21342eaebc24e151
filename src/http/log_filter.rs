//! `/log-filter`: which log lines are written, asked with GET and changed with PUT.
//!
//! # Guarantees
//!
//! - Only the Pod itself is answered, and so `kubectl port-forward`, which the API server allows or does not
//!   (`pods/portforward`): whoever else reaches the port may scrape, but neither flood the log nor silence it.
//! - A page in the browser of somebody who has the port forwarded cannot do it either: it may not send PUT to another
//!   origin, and a name of its own for this address is refused.
//! - A change lasts as long as the process.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tracing::warn;

use crate::telemetry::LogFilter;

/// The longest filter taken.
const LONGEST: usize = 4096;

pub(super) fn routes(filter: LogFilter) -> Router {
    Router::new()
        .route("/log-filter", get(show).put(change))
        .layer(DefaultBodyLimit::max(LONGEST))
        .layer(middleware::from_fn(from_here))
        .with_state(filter)
}

async fn show(State(filter): State<LogFilter>) -> String {
    format!("{}\n", filter.text())
}

async fn change(State(filter): State<LogFilter>, text: String) -> (StatusCode, String) {
    let text = text.trim();
    match filter.set(text) {
        Ok(()) => {
            // A warning, because most filters let it through.
            warn!(filter = text, "the log filter was changed");
            (StatusCode::OK, format!("{text}\n"))
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

async fn from_here(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok());
    if is_here(peer.ip()) && host.is_some_and(names_here) {
        return next.run(request).await;
    }
    let why =
        "the log filter is shown and changed from the Pod itself only: use kubectl port-forward\n";
    (StatusCode::FORBIDDEN, why).into_response()
}

fn is_here(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a `Host` names this machine by its own name or address.
fn names_here(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let host = authority.host().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_here)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;
    use crate::config::LogFormat;
    use crate::telemetry::subscriber;

    const PEER: &str = "127.0.0.1:40000";

    fn filter() -> (impl Send, LogFilter) {
        subscriber(LogFormat::Text, "info", std::io::sink).unwrap()
    }

    async fn ask(
        filter: &LogFilter,
        method: &str,
        peer: &str,
        host: &str,
        body: &str,
    ) -> StatusCode {
        let mut request = Request::builder()
            .method(method)
            .uri("/log-filter")
            .header(HOST, host)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = routes(filter.clone()).oneshot(request).await.unwrap();
        answer.status()
    }

    #[tokio::test]
    async fn the_pod_itself_changes_it_and_what_cannot_be_read_changes_nothing() {
        let (_subscriber, filter) = filter();
        let text = "info,aep_operator=debug";
        for (peer, host) in [
            (PEER, "localhost:8080"),
            ("[::1]:1", "[::1]:8080"),
            (PEER, "127.0.0.1"),
        ] {
            filter.set("info").unwrap();
            assert_eq!(ask(&filter, "PUT", peer, host, text).await, StatusCode::OK);
            assert_eq!(filter.text(), text);
        }
        assert_eq!(
            ask(&filter, "GET", PEER, "localhost", "").await,
            StatusCode::OK
        );
        let bad = ask(&filter, "PUT", PEER, "localhost", "loud").await;
        assert_eq!(bad, StatusCode::BAD_REQUEST);
        let long = "a=info,".repeat(LONGEST);
        let long = ask(&filter, "PUT", PEER, "localhost", &long).await;
        assert_eq!(long, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(filter.text(), text);
    }

    #[tokio::test]
    async fn nobody_else_does() {
        let (_subscriber, filter) = filter();
        let strangers = [
            ("10.1.2.3:40000", "localhost:8080"),
            ("[::ffff:10.1.2.3]:1", "localhost"),
            // A page whose own name was made to mean this address.
            (PEER, "pages.example:8080"),
            (PEER, "127.0.0.1.pages.example"),
            (PEER, ""),
        ];
        for (peer, host) in strangers {
            for method in ["GET", "PUT"] {
                let answer = ask(&filter, method, peer, host, "off").await;
                assert_eq!(answer, StatusCode::FORBIDDEN, "{peer} {host}");
            }
        }
        assert_eq!(filter.text(), "info");
    }
}

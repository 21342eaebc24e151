//! Clients of the API server that know bounds: how long a call may take, and how many are made at the same time.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::sync::Semaphore;
use tower::BoxError;

/// Calls at the same time. Each takes milliseconds, and a connection of its own: kube speaks HTTP/1.1, and a hundred
/// connections are megabytes.
const AT_ONCE: usize = 16;

/// A client whose every call is answered within `limit` or fails. kube sets no limit for reads: a list that
/// hangs would hold up its watch for ever, and nobody would see what it is about. A watch is answered at once
/// and goes on for as long as it likes.
pub(crate) fn in_time(client: Client, limit: Duration) -> Client {
    wrapped(client, move |client, request| async move {
        Ok(tokio::time::timeout(limit, client.send(request)).await??)
    })
}

/// The same, and of its calls [`AT_ONCE`] are made at the same time, until they are answered; others wait.
pub(crate) fn few(client: Client, limit: Duration) -> Client {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    wrapped(client, move |client, request| {
        let permits = Arc::clone(&permits);
        async move {
            let _permit = permits.acquire_owned().await?;
            Ok(tokio::time::timeout(limit, client.send(request)).await??)
        }
    })
}

fn wrapped<F>(client: Client, send: impl Fn(Client, Request<Body>) -> F + Send + 'static) -> Client
where
    F: Future<Output = Result<Response<Body>, BoxError>> + Send + 'static,
{
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request| send(client.clone(), request));
    Client::new(service, namespace)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use k8s_openapi::api::core::v1::Secret;
    use kube::api::Api;

    use super::*;

    /// An API server that takes a second, and how many asked it at the same time.
    fn slow() -> (Client, Arc<AtomicUsize>) {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let told = Arc::clone(&most);
        let service = tower::service_fn(move |_: Request<Body>| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                let body = br#"{"metadata": {"name": "a"}}"#.to_vec();
                Ok::<_, BoxError>(Response::new(Body::from(body)))
            }
        });
        (Client::new(service, "default"), told)
    }

    async fn get(client: &Client) -> Result<Secret, kube::Error> {
        Api::namespaced(client.clone(), "n").get("a").await
    }

    #[tokio::test(start_paused = true)]
    async fn few_calls_are_made_at_the_same_time_and_all_are_made() {
        let (client, most) = slow();
        let client = few(client, Duration::from_mins(1));
        let begun = tokio::time::Instant::now();
        let all = join_all((0..40).map(|_| get(&client))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
        assert_eq!(begun.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_fails() {
        let (client, _) = slow();
        assert!(
            get(&in_time(client.clone(), Duration::from_millis(900)))
                .await
                .is_err()
        );
        assert!(
            get(&in_time(client, Duration::from_millis(1100)))
                .await
                .is_ok()
        );
    }
}

//! The end of a controller, also of one that has not begun.

use std::future::pending;

use tokio_util::sync::CancellationToken;

/// Runs a controller to its end, or until `stop` if that comes before `seen`: its first whole list.
///
/// kube's Controller reconciles nothing before that list, and asked to end meanwhile it goes on waiting for it while it
/// no longer reads it: for ever (kube-runtime 5.0). There is nothing to finish then, so it is dropped.
pub(super) async fn run_to_end<E>(
    controller: impl Future<Output = ()>,
    seen: impl Future<Output = Result<(), E>>,
    stop: &CancellationToken,
) {
    let ends_before_it_begins = async {
        tokio::select! {
            biased;
            _ = seen => pending().await,
            () = stop.cancelled() => {}
        }
    };
    tokio::select! {
        biased;
        () = controller => {}
        () = ends_before_it_begins => {}
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    /// A controller as kube's: it waits for the list, then for `stop`, then for what is under way.
    async fn controller(seen: bool, stop: &CancellationToken) {
        if !seen {
            pending::<()>().await;
        }
        stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_begun_finishes_what_is_under_way() {
        let stop = CancellationToken::new();
        stop.cancel();
        let before = tokio::time::Instant::now();
        run_to_end(controller(true, &stop), ready(Ok::<_, ()>(())), &stop).await;
        assert_eq!(before.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_seen_nothing_yet_ends_at_once_when_it_is_told_to() {
        let stop = CancellationToken::new();
        let running = run_to_end(controller(false, &stop), pending::<Result<(), ()>>(), &stop);
        tokio::pin!(running);
        assert!(
            timeout(LONG, &mut running).await.is_err(),
            "it runs until then"
        );
        stop.cancel();
        assert!(timeout(LONG, running).await.is_ok());
    }
}

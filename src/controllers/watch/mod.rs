//! Watches of metadata, over all namespaces that are looked after, and what of them is news.
//!
//! A watch that fails backs off by itself and says so, once until it works again.

mod changes;
mod seen;

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{BoxStream, select_all};
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use tracing::warn;

use super::context::Context;
use changes::Changes;
pub(super) use changes::News;
pub(super) use seen::Seen;

/// Objects of a page, of some kilobytes each. kube's own is 500.
const PAGE_SIZE: u32 = 100;

/// A kind of object that lives in a namespace, as a watch wants it.
pub(super) trait Namespaced:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static
{
}

impl<K> Namespaced for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// Watches the objects of a kind until the end of time. `tell` takes what is news, `complete` is called once all there are
/// have been told.
///
/// A watch that is refused is not waited for once another has been listed: a namespace that went must not hold up the rest.
pub(super) async fn follow<K: Namespaced>(
    context: &Context,
    complete: impl FnOnce(),
    mut tell: impl FnMut(News<K>),
) {
    let (mut watches, number) = watches::<K>(context);
    let mut changes: Vec<Changes> = (0..number).map(|_| Changes::default()).collect();
    let (mut lists, mut complete) = (Lists::of(number), Some(complete));
    while let Some((index, heard)) = watches.next().await {
        lists.heard(index, heard.as_ref());
        if let Some(event) = heard
            && let Some(news) = changes[index].of(event)
        {
            tell(news);
        }
        if lists.are_complete()
            && let Some(complete) = complete.take()
        {
            complete();
        }
    }
}

/// How far the first lists of several watches are.
#[derive(Debug)]
struct Lists(Vec<List>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Awaited,
    Told,
    Refused,
}

impl Lists {
    fn of(number: usize) -> Self {
        Self(vec![List::Awaited; number])
    }

    /// A watch brought this; `None`: it is refused.
    fn heard<K>(&mut self, index: usize, event: Option<&Event<K>>) {
        self.0[index] = match event {
            Some(Event::InitDone) => List::Told,
            None => List::Refused,
            Some(_) => return,
        };
    }

    fn are_complete(&self) -> bool {
        self.0.contains(&List::Told) && !self.0.contains(&List::Awaited)
    }
}

/// What one of several watches brings; `None`: it is refused.
type Heard<K> = (usize, Option<Event<Seen<K>>>);

/// What a watch for each namespace brings, and how many they are.
fn watches<K: Namespaced>(context: &Context) -> (BoxStream<'static, Heard<K>>, usize) {
    let apis = context.namespaces.apis::<Seen<K>>(&context.client);
    let watches = apis.into_iter().enumerate();
    let watches = watches.map(|(index, (namespace, api))| {
        let mut told = false;
        watcher(api, paged())
            .backoff(watch_backoff())
            .filter_map(move |heard| {
                let heard = match heard {
                    Ok(event) => {
                        told = false;
                        Some((index, Some(event)))
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut told, true) {
                            say::<K>(namespace.as_deref(), &error);
                        }
                        is_forbidden(&error).then_some((index, None))
                    }
                };
                std::future::ready(heard)
            })
            .boxed()
    });
    let mut watches: Vec<_> = watches.collect();
    let number = watches.len();
    let watches = match number {
        1 => watches.remove(0),
        _ => select_all(watches).boxed(),
    };
    (watches, number)
}

fn say<K: Namespaced>(namespace: Option<&str>, error: &watcher::Error) {
    let kind = &*K::kind(&());
    match namespace {
        Some(namespace) if is_forbidden(error) => warn!(
            kind,
            namespace,
            %error,
            "may not be watched in this namespace: give the operator the rights of its chart there, or take the \
             namespace off --watch-namespaces; it is tried again"
        ),
        Some(namespace) => warn!(kind, namespace, %error, "watch fails; it is tried again"),
        None => warn!(kind, %error, "watch fails; it is tried again"),
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.is_forbidden(),
        _ => false,
    }
}

/// Lists come in small pages: as many as there are watches are in memory at the same time.
fn paged() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_SIZE)
}

/// kube's own pace after a failed watch, without its jitter: that comes from a source of chance that cannot be
/// given, and one leader has nobody to keep out of step with.
fn watch_backoff() -> impl Backoff + 'static {
    ResetTimerBackoff::new(Doubling::default(), Duration::from_mins(2))
}

/// 0.8 s, 1.6 s and so on up to 30 s.
#[derive(Debug, Default)]
struct Doubling(u32);

impl Iterator for Doubling {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = Duration::from_millis(800).saturating_mul(2u32.saturating_pow(self.0));
        self.0 = (self.0 + 1).min(16);
        Some(wait.min(Duration::from_secs(30)))
    }
}

impl Backoff for Doubling {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Option<&Event<()>> = Some(&Event::InitDone);

    #[test]
    fn everything_is_told_once_each_watch_has_been_listed() {
        let mut lists = Lists::of(2);
        lists.heard(0, DONE);
        assert!(!lists.are_complete());
        lists.heard(1, Some(&Event::InitApply(())));
        assert!(!lists.are_complete(), "it has only begun");
        lists.heard(1, DONE);
        assert!(lists.are_complete());
    }

    #[test]
    fn a_watch_that_is_refused_holds_up_nobody_but_one_that_works_is_needed() {
        let mut lists = Lists::of(2);
        lists.heard::<()>(0, None);
        assert!(!lists.are_complete());
        lists.heard(1, DONE);
        assert!(lists.are_complete());
        let mut alone = Lists::of(1);
        alone.heard::<()>(0, None);
        assert!(!alone.are_complete());
    }
}

//! Watches of metadata, over all namespaces that are looked after.
//!
//! A watch that fails backs off by itself and says so, once until it works again. Its errors are not handed on: they would
//! hold up every other trigger of a controller. Only a controller's one watch of the whole cluster hands them on: while that
//! fails, nothing else brings it on its way.

mod changes;
mod merge;
mod seen;

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{self, BoxStream, select_all};
use futures::{Stream, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::api::Api;
use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use tracing::warn;

use super::context::Context;
use super::namespaces::Namespaces;
use changes::Changes;
use merge::Merge;
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

/// All objects of a kind, as one watch of them would show them: for a store.
pub(super) fn whole<K: Namespaced>(
    context: &Context,
) -> BoxStream<'static, Result<Event<Seen<K>>, watcher::Error>> {
    if context.namespaces == Namespaces::All {
        let api: Api<Seen<K>> = Api::all(context.client.clone());
        return watcher(api, paged()).backoff(watch_backoff()).boxed();
    }
    let (namespaces, watches) = watches::<K>(context);
    let mut merge = Merge::new(namespaces.into_iter().map(Option::unwrap_or_default));
    watches
        .flat_map(move |(index, heard)| {
            stream::iter(match heard {
                Some(event) => merge.hear(index, event),
                None => merge.refused(index),
            })
        })
        .map(Ok)
        .boxed()
}

/// Every object of a kind that comes, changes or goes.
pub(super) fn touched<K: Namespaced>(
    context: &Context,
) -> impl Stream<Item = Result<Seen<K>, watcher::Error>> + Send + 'static {
    let (namespaces, watches) = watches::<K>(context);
    let mut changes: Vec<Changes> = namespaces.iter().map(|_| Changes::default()).collect();
    watches.filter_map(move |(index, heard)| {
        let news = heard.and_then(|event| changes.get_mut(index)?.of(event));
        std::future::ready(news.map(Ok))
    })
}

/// What one of several watches brings; `None`: it is refused.
type Heard<K> = (usize, Option<Event<Seen<K>>>);

/// A watch for each namespace, and what they bring.
fn watches<K: Namespaced>(
    context: &Context,
) -> (Vec<Option<String>>, BoxStream<'static, Heard<K>>) {
    let apis = context.namespaces.apis::<Seen<K>>(&context.client);
    let (namespaces, apis): (Vec<_>, Vec<_>) = apis.into_iter().unzip();
    let watches = apis.into_iter().zip(&namespaces).enumerate();
    let watches = watches.map(|(index, (api, namespace))| {
        let namespace = namespace.clone();
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
    let watches = match watches.len() {
        1 => watches.remove(0),
        _ => select_all(watches).boxed(),
    };
    (namespaces, watches)
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

/// Lists come in small pages: as many as a controller has lists are in memory at the same time.
fn paged() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_SIZE)
}

/// kube's own pace after a failed watch, without its jitter: that comes from a source of chance that cannot be
/// given, and one leader has nobody to keep out of step with.
pub(super) fn watch_backoff() -> impl Backoff + 'static {
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

//! What the controllers have to do and are doing.
//!
//! | file | holds |
//! |---|---|
//! | `key` | which resource |
//! | [`queue`] | what comes next |
//! | [`progress`] | whether anything moves |

mod key;
pub mod progress;
pub mod queue;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

pub use key::{Id, Key};
use progress::Outstanding;
pub use queue::{Cause, Queue, Running};

/// The queues of all controllers.
#[derive(Debug, Default)]
pub struct Work {
    queues: Mutex<BTreeMap<&'static str, Arc<Queue>>>,
    /// When something last ended, be it a reconcile or a call within one.
    moved: Mutex<Option<Instant>>,
}

impl Work {
    /// The queue of a controller.
    pub fn queue(&self, controller: &'static str) -> Arc<Queue> {
        Arc::clone(lock(&self.queues).entry(controller).or_default())
    }

    /// All queues by controller.
    pub fn queues(&self) -> Vec<(&'static str, Arc<Queue>)> {
        let queues = lock(&self.queues);
        let queues = queues
            .iter()
            .map(|(name, queue)| (*name, Arc::clone(queue)));
        queues.collect()
    }

    /// Something ended, well or not.
    pub fn moved(&self) {
        *lock(&self.moved) = Some(Instant::now());
    }

    /// What is to be done, and since when nothing of it has ended.
    pub fn outstanding(&self) -> Outstanding {
        let mut all = Outstanding {
            moved: *lock(&self.moved),
            ..Outstanding::default()
        };
        for (_, queue) in self.queues() {
            let (waiting, under_way) = (queue.waiting(), queue.under_way());
            all.queued += waiting.len();
            all.running += under_way.len();
            let times = waiting.into_iter().chain(under_way);
            all.oldest = all.oldest.into_iter().chain(times).min();
        }
        all
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The listing of one workspace.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::customer_io::{Endpoint, Webhook, Workspace};
use crate::platform::ApiError;

/// All webhooks of a workspace at one moment.
#[derive(Debug, Default)]
pub struct Listing {
    hooks: BTreeMap<u64, Webhook>,
    /// Ids by the digest of the endpoint.
    by_endpoint: HashMap<u64, Vec<u64>>,
}

impl Listing {
    /// Of these.
    pub fn of(hooks: Vec<Webhook>) -> Self {
        let mut listing = Self::default();
        for hook in hooks {
            listing.put(hook);
        }
        listing
    }

    fn put(&mut self, hook: Webhook) {
        self.take(hook.id);
        let place = hook.settings.endpoint.digest();
        self.by_endpoint.entry(place).or_default().push(hook.id);
        self.hooks.insert(hook.id, hook);
    }

    fn take(&mut self, id: u64) {
        if let Some(hook) = self.hooks.remove(&id)
            && let Some(ids) = self.by_endpoint.get_mut(&hook.settings.endpoint.digest())
        {
            ids.retain(|it| *it != id);
        }
    }

    /// The webhook with this id.
    pub fn get(&self, id: &str) -> Option<&Webhook> {
        self.hooks.get(&id.parse().ok()?)
    }

    /// The webhooks that send to `endpoint`, the oldest first.
    pub fn with_endpoint(&self, endpoint: &Endpoint) -> Vec<&Webhook> {
        let ids = self.by_endpoint.get(&endpoint.digest());
        let mut found: Vec<&Webhook> = ids
            .into_iter()
            .flatten()
            .filter_map(|id| self.hooks.get(id))
            .filter(|hook| hook.settings.endpoint == *endpoint)
            .collect();
        found.sort_by_key(|hook| hook.id);
        found
    }

    /// How many webhooks send to an endpoint with this digest.
    pub fn count(&self, endpoint: u64) -> usize {
        self.by_endpoint.get(&endpoint).map_or(0, Vec::len)
    }
}

/// The last listing of one workspace.
#[derive(Debug, Default)]
pub struct Board {
    /// Held while Customer.io is asked: that is the single flight.
    flight: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When it was begun, and what it shows.
    listed: Option<(Instant, Arc<Listing>)>,
    /// When the listing that is under way was begun.
    under_way: Option<Instant>,
    /// What this process has written since; `None`: deleted.
    noted: Vec<(u64, Option<Webhook>)>,
    finished: u64,
    last_failure: Option<ApiError>,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A listing that was begun at `since` or later, and when it was.
    ///
    /// # Errors
    /// The listing failed; everybody who waited for it is told the same.
    pub async fn ensure(
        &self,
        workspace: &Workspace,
        since: Instant,
    ) -> Result<(Instant, Arc<Listing>), ApiError> {
        let seen = self.state().finished;
        let _flight = self.flight.lock().await;
        {
            let state = self.state();
            if let Some((begun, listing)) = state.listed.as_ref().filter(|it| it.0 >= since) {
                return Ok((*begun, Arc::clone(listing)));
            }
            // Somebody asked while we stood in line, in vain: that is our answer too.
            if state.finished != seen
                && let Some(failure) = &state.last_failure
            {
                return Err(failure.clone());
            }
        }
        let begun = Instant::now();
        {
            let mut state = self.state();
            state.under_way = Some(begun);
            state.noted.clear();
        }
        let listed = workspace.list_webhooks().await;
        let mut state = self.state();
        state.under_way = None;
        state.finished += 1;
        let noted = std::mem::take(&mut state.noted);
        match listed {
            Ok(hooks) => {
                let mut listing = Listing::of(hooks);
                for (id, note) in noted {
                    apply(&mut listing, id, note);
                }
                let listing = Arc::new(listing);
                state.listed = Some((begun, Arc::clone(&listing)));
                state.last_failure = None;
                Ok((begun, listing))
            }
            Err(error) => {
                state.last_failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// This process has written a webhook: listings begun before do not show it so.
    pub fn note(&self, hook: &Webhook) {
        self.noted(hook.id, Some(hook.clone()));
    }

    /// It is gone: listings begun before still show it.
    pub fn gone(&self, id: u64) {
        self.noted(id, None);
    }

    fn noted(&self, id: u64, note: Option<Webhook>) {
        let mut state = self.state();
        if state.under_way.is_some() {
            state.noted.push((id, note.clone()));
        }
        if let Some((_, listing)) = &mut state.listed {
            if let Some(listing) = Arc::get_mut(listing) {
                apply(listing, id, note);
            } else {
                // Somebody reads it: the next who asks lists anew.
                state.listed = None;
            }
        }
    }

    /// Nothing is kept of a listing that nobody asks for.
    pub fn clear(&self) {
        self.state().listed = None;
    }
}

fn apply(listing: &mut Listing, id: u64, note: Option<Webhook>) {
    match note {
        Some(hook) => listing.put(hook),
        None => listing.take(id),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hook(id: u64, endpoint: &str) -> Webhook {
        let value = json!({"id": id, "endpoint": endpoint, "name": "n", "events": ["email_sent"]});
        serde_json::from_value(value).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_written_while_a_listing_is_under_way_is_not_forgotten() {
        let board = Board::default();
        board.state().under_way = Some(Instant::now());
        board.note(&hook(2, "https://h/b"));
        board.gone(1);
        let noted = std::mem::take(&mut board.state().noted);
        let mut listing = Listing::of(vec![hook(1, "https://h/a"), hook(3, "https://h/b")]);
        for (id, note) in noted {
            apply(&mut listing, id, note);
        }
        let ids = |endpoint: &str| {
            let found = listing.with_endpoint(&Endpoint::from(endpoint));
            found.iter().map(|hook| hook.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("HTTPS://h:443/b"), [2, 3]);
        assert!(ids("https://h/a").is_empty() && listing.get("1").is_none());
        assert_eq!(listing.count(Endpoint::from("https://h/b").digest()), 2);
    }

    #[test]
    fn a_listing_that_stands_shows_what_was_written_since() {
        let board = Board::default();
        let listing = Arc::new(Listing::of(vec![hook(1, "https://h/a")]));
        board.state().listed = Some((Instant::now(), listing));
        board.note(&hook(1, "https://h/b"));
        let state = board.state();
        let (_, listing) = state.listed.as_ref().unwrap();
        assert_eq!(listing.count(Endpoint::from("https://h/a").digest()), 0);
        assert_eq!(listing.count(Endpoint::from("https://h/b").digest()), 1);
    }
}

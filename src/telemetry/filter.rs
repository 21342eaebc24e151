//! Which log lines are written. It can be changed while the process runs: `/log-filter` of [`crate::http`].

use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// A filter that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It is not written as one.
    #[error("{0}; write a level or a filter such as info,aep_operator=debug")]
    Unreadable(String),
    /// The process does not log any more.
    #[error("logging has ended")]
    Ended,
}

/// The log filter of a running process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    text: Arc<Mutex<String>>,
}

impl LogFilter {
    pub(super) fn new(
        text: &str,
    ) -> Result<(reload::Layer<EnvFilter, Registry>, Self), FilterError> {
        let (layer, handle) = reload::Layer::new(read(text)?);
        let filter = Self {
            handle,
            text: Arc::new(Mutex::new(text.to_owned())),
        };
        Ok((layer, filter))
    }

    /// The filter as it was written.
    pub fn text(&self) -> String {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone()
    }

    /// Puts another filter in its place.
    ///
    /// # Errors
    ///
    /// It cannot be read; the one before stays.
    pub fn set(&self, text: &str) -> Result<(), FilterError> {
        let filter = read(text)?;
        let mut now = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.reload(filter).map_err(|_| FilterError::Ended)?;
        text.clone_into(&mut now);
        Ok(())
    }
}

/// A word that is no level would be taken for a target, of which everything is written, and of nothing else anything:
/// a typing error would silence the log.
fn read(text: &str) -> Result<EnvFilter, FilterError> {
    let words = text.split(',').map(str::trim);
    for word in words.filter(|word| !word.contains(['=', '[', '{', '}', ']'])) {
        if word.parse::<LevelFilter>().is_err() || word.is_empty() {
            return Err(FilterError::Unreadable(format!("\"{word}\" is no level")));
        }
    }
    EnvFilter::try_new(text).map_err(|error| FilterError::Unreadable(error.to_string()))
}

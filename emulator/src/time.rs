//! Moments as the emulator counts them: epoch milliseconds, always an argument.

use std::time::Duration;

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! A token bucket: how many calls a second one organization and sandbox, or one App API key, is allowed.

/// Fills with time up to one second's worth, empties by one a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    level: f64,
    at: u64,
}

impl Bucket {
    pub(crate) fn new(per_second: f64, now: u64) -> Self {
        Self {
            level: per_second.max(1.0),
            at: now,
        }
    }

    /// Whether one more call fits.
    pub(crate) fn take(&mut self, per_second: f64, now: u64) -> bool {
        let elapsed = u32::try_from(now.saturating_sub(self.at)).unwrap_or(u32::MAX);
        self.level =
            (self.level + f64::from(elapsed) * per_second / 1000.0).min(per_second.max(1.0));
        self.at = self.at.max(now);
        if self.level < 1.0 {
            return false;
        }
        self.level -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn a_bucket_refuses_the_call_too_many_and_recovers_with_time() {
        let mut bucket = Bucket::new(2.0, 0);
        assert!(bucket.take(2.0, 0) && bucket.take(2.0, 0));
        assert!(!bucket.take(2.0, 0));
        assert!(bucket.take(2.0, 500));
    }
}

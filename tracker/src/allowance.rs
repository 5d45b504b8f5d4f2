//! How often somebody may ask.

/// A token bucket in one number (the generic cell rate algorithm, ITU-T I.371): when the bucket will
/// be full again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowance {
    full_ms: u64,
}

impl Allowance {
    /// Takes one of `burst` tokens, of which one comes back in each `period_ms`.
    ///
    /// # Errors
    /// If there is none: how many milliseconds until there is.
    pub(crate) fn take(&mut self, now_ms: u64, period_ms: u64, burst: u64) -> Result<(), u64> {
        let full_ms = self.full_ms.max(now_ms) + period_ms;
        let latest = now_ms + period_ms * burst;
        if full_ms > latest {
            return Err(full_ms - latest);
        }
        self.full_ms = full_ms;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_period_binds() {
        let mut allowance = Allowance::default();
        let mut take = |now_ms| allowance.take(now_ms, 1000, 3);
        assert_eq!([take(5000), take(5000), take(5000)], [Ok(()); 3]);
        assert_eq!(take(5000), Err(1000));
        assert_eq!(take(5900), Err(100));
        assert_eq!(take(6000), Ok(()));
        assert_eq!(take(6999), Err(1));
        assert_eq!([take(60_000), take(60_000), take(60_000)], [Ok(()); 3]);
        assert_eq!(take(60_000), Err(1000));
    }
}

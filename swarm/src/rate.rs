//! How fast bytes go, and how fast they may go.

use std::time::Duration;

use crate::Time;

/// A measured rate: bytes a second, averaged with weights that fall off exponentially into the past.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    window: Duration,
    began: Time,
    updated: Time,
    /// Bytes seen, each weighted by its age at `updated`.
    weighted: f64,
}

/// Below this age an average says nothing: one burst would read as any rate at all.
const AGE_MIN: Duration = Duration::from_millis(20);

impl Rate {
    /// Averages over about a second, which follows a changing network without jumping at each block.
    pub(crate) const fn new(now: Time) -> Self {
        Self::with_window(now, Duration::from_secs(1))
    }

    /// Averages over about five seconds: a figure that people can read before it changes.
    pub(crate) const fn for_people(now: Time) -> Self {
        Self::with_window(now, Duration::from_secs(5))
    }

    /// Averages over about this long.
    pub(crate) const fn with_window(now: Time, window: Duration) -> Self {
        Self { window, began: now, updated: now, weighted: 0.0 }
    }

    /// Counts bytes that have just passed.
    pub(crate) fn add(&mut self, now: Time, bytes: u64) {
        self.weighted = self.weighted_at(now) + bytes as f64;
        self.updated = self.updated.max(now);
    }

    /// Bytes a second.
    pub(crate) fn per_second(&self, now: Time) -> u64 {
        let window = self.window.as_secs_f64();
        let age = now.since(self.began).max(AGE_MIN).as_secs_f64();
        // All weights of an `age` sum up to this; without it a young average would read too low.
        let weights = window * (1.0 - (-age / window).exp());
        (self.weighted_at(now) / weights) as u64
    }

    fn weighted_at(&self, now: Time) -> f64 {
        let idle = now.since(self.updated).as_secs_f64();
        self.weighted * (-idle / self.window.as_secs_f64()).exp()
    }
}

/// A limit in bytes a second, as a token bucket that may go into debt: whoever finds it above zero
/// may send one run, however long, and later ones wait until the debt is paid. So no run is cut for
/// the sake of the limit, and the mean stays exact.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    limit: Option<u64>,
    updated: Time,
    level: f64,
}

/// How long an idle bucket saves up: a burst that is not noticed on a link shared with others.
const BURST: Duration = Duration::from_millis(100);

impl Bucket {
    /// A full bucket. `None` means no limit.
    pub(crate) fn new(limit: Option<u64>, now: Time) -> Self {
        let mut this = Self { limit, updated: now, level: 0.0 };
        this.level = this.burst();
        this
    }

    /// Changes the limit; debts are forgiven, savings are capped.
    pub(crate) fn set_limit(&mut self, limit: Option<u64>, now: Time) {
        self.refill(now);
        self.limit = limit;
        self.level = self.level.clamp(0.0, self.burst());
    }

    /// The limit in bytes a second.
    pub(crate) const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Whether a run may go now.
    pub(crate) fn ready(&mut self, now: Time) -> bool {
        self.refill(now);
        self.limit.is_none() || self.level > 0.0
    }

    /// Counts a run that goes now.
    pub(crate) fn spend(&mut self, now: Time, bytes: u64) {
        if self.limit.is_some() {
            self.refill(now);
            self.level -= bytes as f64;
        }
    }

    /// When the next run may go, if nothing else is spent; `now` if it may go at once.
    pub(crate) fn ready_at(&self, now: Time) -> Time {
        let Some(limit) = self.limit else { return now };
        let level = self.level + Self::earned(limit, now.since(self.updated));
        if level > 0.0 {
            return now;
        }
        // A limit of 0 means never; an hour is as good, and needs no special case elsewhere.
        let wait = ((1.0 - level) / limit as f64).min(3600.0);
        // One nanosecond more makes the level positive and not just zero.
        now + Duration::from_secs_f64(wait) + Duration::from_nanos(1)
    }

    fn refill(&mut self, now: Time) {
        if let Some(limit) = self.limit {
            let earned = Self::earned(limit, now.since(self.updated));
            self.level = (self.level + earned).min(self.burst());
        }
        self.updated = self.updated.max(now);
    }

    fn burst(&self) -> f64 {
        self.limit.map_or(0.0, |limit| Self::earned(limit, BURST))
    }

    fn earned(limit: u64, time: Duration) -> f64 {
        limit as f64 * time.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_steady_flow_reads_as_its_rate_from_early_on() {
        let mut rate = Rate::new(at(0));
        for ms in 1..=3000 {
            rate.add(at(ms), 1000);
            if ms >= 100 {
                let measured = rate.per_second(at(ms));
                assert!((990_000..=1_020_000).contains(&measured), "{measured} after {ms} ms");
            }
        }
    }

    #[test]
    fn a_flow_that_stops_fades() {
        let mut rate = Rate::new(at(0));
        for ms in 1..=3000 {
            rate.add(at(ms), 1000);
        }
        assert!(rate.per_second(at(4000)) < 400_000);
        assert!(rate.per_second(at(20_000)) < 10);
    }

    #[test]
    fn the_mean_over_a_limit_is_exact_whatever_the_run_length() {
        for run in [16_384, 1_048_576] {
            let mut bucket = Bucket::new(Some(1_000_000), at(0));
            let (mut now, mut sent) = (at(0), 0_u64);
            while now < at(20_000) {
                assert!(bucket.ready(now));
                bucket.spend(now, run);
                sent += run;
                now = bucket.ready_at(now).max(now + Duration::from_nanos(1));
            }
            // 20 s of tokens, one burst, and at most one run of debt.
            assert!((20_000_000..=20_100_000 + run).contains(&sent), "{sent} in runs of {run}");
        }
    }

    #[test]
    fn no_limit_is_always_ready_and_zero_never() {
        let mut free = Bucket::new(None, at(0));
        free.spend(at(0), u64::MAX);
        assert!(free.ready(at(0)));
        assert_eq!(free.ready_at(at(5)), at(5));

        let mut shut = Bucket::new(Some(0), at(0));
        assert!(!shut.ready(at(1_000_000)));
        assert!(shut.ready_at(at(0)) > at(3_000));
    }

    #[test]
    fn a_raised_limit_counts_at_once() {
        let mut bucket = Bucket::new(Some(1), at(0));
        bucket.spend(at(0), 1_000_000);
        assert!(!bucket.ready(at(10)));
        bucket.set_limit(Some(1_000_000), at(10));
        assert!(bucket.ready(at(11)));
    }
}

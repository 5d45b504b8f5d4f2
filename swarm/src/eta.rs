//! How long a download will still take.

use std::time::Duration;

use crate::{Time, rate::Rate};

/// What is averaged over: long enough that one peer's coming and going does not show, short enough
/// that a change of the network does.
const WINDOW: Duration = Duration::from_secs(25);
/// An estimate from less than this would be a guess: windows are still growing.
const AGE_MIN: Duration = Duration::from_secs(2);
/// Without anything for so long the download has stalled, and the past says nothing any more.
const STALLED: Duration = Duration::from_secs(10);
/// A longer time says nothing but "not like this".
const LONGEST: Duration = Duration::from_secs(100 * 24 * 3600);

/// The mean rate of what is new to us, over the time since it last began to come in.
#[derive(Debug)]
pub(crate) struct Estimate {
    began: Time,
    last: Time,
    rate: Rate,
}

impl Estimate {
    /// Nothing has come in yet.
    pub(crate) const fn new(now: Time) -> Self {
        Self { began: now, last: now, rate: Rate::with_window(now, WINDOW) }
    }

    /// Bytes that we lacked have come in.
    pub(crate) fn add(&mut self, now: Time, bytes: u64) {
        if now.since(self.last) >= STALLED {
            *self = Self::new(now);
        }
        self.last = now;
        self.rate.add(now, bytes);
    }

    /// Seconds until so many more bytes are there, if that can be said.
    pub(crate) fn seconds(&self, now: Time, bytes: u64) -> Option<u64> {
        let known = now.since(self.began) >= AGE_MIN && now.since(self.last) < STALLED;
        let rate = self.rate.per_second(now);
        if !known || rate == 0 {
            return None;
        }
        let seconds = bytes.div_ceil(rate);
        (seconds <= LONGEST.as_secs()).then_some(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    /// An estimate fed 100 kB a tenth of a second, for this long.
    fn fed(from_ms: u64, to_ms: u64) -> Estimate {
        let mut estimate = Estimate::new(at(0));
        for ms in (from_ms..to_ms).step_by(100) {
            estimate.add(at(ms), 100_000);
        }
        estimate
    }

    #[test]
    fn at_a_steady_rate_it_is_right_from_the_third_second_on() {
        for seconds in [3, 10, 30, 300] {
            let eta = fed(0, seconds * 1000).seconds(at(seconds * 1000), 100_000_000);
            assert!(eta.is_some_and(|eta| (95..=105).contains(&eta)), "{seconds} s: {eta:?}");
        }
    }

    #[test]
    fn a_wait_for_the_first_byte_does_not_count() {
        let eta = fed(60_000, 65_000).seconds(at(65_000), 100_000_000);
        assert!(eta.is_some_and(|eta| (95..=105).contains(&eta)), "{eta:?}");
    }

    #[test]
    fn it_says_nothing_rather_than_nonsense() {
        assert_eq!(Estimate::new(at(0)).seconds(at(60_000), 1), None, "nothing came");
        assert_eq!(fed(0, 1900).seconds(at(1900), 1_000_000), None, "too early");
        assert!(fed(0, 30_000).seconds(at(39_000), 1_000_000).is_some());
        assert_eq!(fed(0, 30_000).seconds(at(39_900), 1_000_000), None, "stalled");
        assert_eq!(fed(0, 30_000).seconds(at(30_000), u64::MAX), None, "endless");
    }

    #[test]
    fn a_change_of_the_rate_shows_within_the_window() {
        let mut estimate = fed(0, 60_000);
        for ms in (60_000..110_000).step_by(100) {
            estimate.add(at(ms), 10_000);
        }
        // A tenth of the rate: nine tenths of the way there after twice the window.
        let eta = estimate.seconds(at(110_000), 10_000_000).unwrap();
        assert!((40..=100).contains(&eta), "{eta}");
    }
}

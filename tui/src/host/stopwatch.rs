//! A clock that stands while nothing is done.

use std::time::{Duration, Instant};

/// Time that something took, without that in which it was held.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    before: Duration,
    since: Option<Instant>,
}

impl Stopwatch {
    /// Lets it run, or stops it.
    pub(super) fn run(&mut self, on: bool, now: Instant) {
        if on {
            self.since.get_or_insert(now);
        } else {
            (self.before, self.since) = (self.elapsed(now), None);
        }
    }

    /// The time that it ran.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        let running =
            self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.before + running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_takes_no_time() {
        let (mut watch, start) = (Stopwatch::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(watch.elapsed(at(5)), Duration::ZERO);
        watch.run(true, at(5));
        watch.run(true, at(6));
        assert_eq!(watch.elapsed(at(8)), Duration::from_secs(3));
        watch.run(false, at(8));
        watch.run(false, at(9));
        assert_eq!(watch.elapsed(at(20)), Duration::from_secs(3));
        watch.run(true, at(20));
        assert_eq!(watch.elapsed(at(21)), Duration::from_secs(4));
    }
}

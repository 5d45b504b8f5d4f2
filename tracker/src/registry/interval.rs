//! When a peer is asked to announce again.
//!
//! Announces are what a swarm knows of itself, so they are frequent where there is news: a peer that
//! has just come, one that knows nobody, pieces that few have. They are rare where there is none. A
//! new peer's interval grows with its age, so a peer of age t has announced about log t times; after
//! a restart of the tracker all peers are new to it, and it learns of their pieces soon.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Config;

/// What the interval of one peer depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Since the peer came.
    pub(super) age_ms: u64,
    /// Whether it has every piece.
    pub(super) seed: bool,
    /// Peers that lack a piece, without this one.
    pub(super) leechers: usize,
    /// Whether it was told of fewer than [`FEW`] peers and wanted more.
    pub(super) lonely: bool,
    /// Whether some piece has few holders.
    pub(super) rare: bool,
    /// Announces in the last second over what the tracker likes to answer, in percent.
    pub(super) pressure: u32,
}

/// Fewer neighbours than this are too few to count on: BitTorrent clients keep 30 to 50, and a graph
/// in which each node picks 4 others at random is connected with all but certainty.
pub(super) const FEW: usize = 4;

/// A peer that knows too few looks again soon.
const LONELY_MS: u64 = 15_000;
/// Pieces that few have are news within a few pieces' transfer time.
const RARE_MS: u64 = 30_000;
/// A leecher of a healthy swarm: its row changes all the time, but others tell its neighbours.
const LEECHER_MS: u64 = 120_000;
/// A seed that somebody wants something from. Newcomers dial it, it need not look for them.
const SEED_MS: u64 = 180_000;

impl Situation {
    /// The interval in milliseconds. `chance` is uniform and spreads the peers that came together by
    /// 15 % to either side.
    pub(super) fn interval_ms(self, config: &Config, chance: u32) -> u32 {
        let (first, max) = (u64::from(config.interval_first_ms), u64::from(config.interval_max_ms));
        let calm = match self.seed {
            true if self.leechers == 0 => max,
            true if self.rare => RARE_MS * 2,
            true => SEED_MS,
            false if self.lonely => LONELY_MS,
            false if self.rare => RARE_MS,
            false => LEECHER_MS,
        };
        let base = (self.age_ms / 2).clamp(first, calm.clamp(first, max));
        let stretched = base * u64::from(self.pressure.max(100)) / 100;
        let spread = stretched * (85 + u64::from(chance) * 30 / u64::from(u32::MAX)) / 100;
        let limit = if self.pressure > 100 { config.interval_loaded_max_ms } else { u32::MAX };
        u32::try_from(spread).unwrap_or(u32::MAX).min(limit)
    }
}

/// How long a peer is remembered that was given this interval: it may miss one announce, and be late
/// with the next by what a busy machine or a lost packet takes.
pub(super) fn lifetime_ms(interval_ms: u32) -> u64 {
    u64::from(interval_ms) * 9 / 4 + 5000
}

/// Announces a second, as counted over whole seconds, for all registries of a tracker. Two that turn
/// to a new second at once may lose a few of each other's.
#[derive(Debug, Default)]
pub(super) struct Meter {
    second: AtomicU64,
    count: AtomicU64,
    last: AtomicU64,
}

impl Meter {
    /// Counts one announce and says how the last second compares to `likes` a second, in percent.
    pub(super) fn count(&self, now_ms: u64, likes: u32) -> u32 {
        let second = now_ms / 1000;
        let before = self.second.swap(second, Relaxed);
        if second != before {
            let count = self.count.swap(0, Relaxed);
            self.last.store(if second == before + 1 { count } else { 0 }, Relaxed);
        }
        let count = self.count.fetch_add(1, Relaxed) + 1;
        // A burst within this second counts at once: it must not wait for the second to end.
        let rate = self.last.load(Relaxed).max(count);
        u32::try_from(rate * 100 / u64::from(likes.max(1))).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Situation = Situation {
        age_ms: 3_600_000,
        seed: false,
        leechers: 50,
        lonely: false,
        rare: false,
        pressure: 0,
    };

    /// The interval without its jitter.
    fn interval(situation: Situation) -> u32 {
        situation.interval_ms(&Config::default(), u32::MAX / 2 + 1) / 1000
    }

    #[test]
    fn a_new_peer_comes_back_in_seconds_and_then_ever_later() {
        let mut age_ms = 0;
        let mut intervals = Vec::new();
        for _ in 0..9 {
            let s = interval(Situation { age_ms, ..CALM });
            age_ms += u64::from(s) * 1000;
            intervals.push(s);
        }
        assert_eq!(intervals, [4, 4, 4, 6, 9, 13, 20, 30, 45]);
    }

    #[test]
    fn news_shortens_the_interval() {
        assert_eq!(interval(CALM), 120);
        assert_eq!(interval(Situation { rare: true, ..CALM }), 30);
        assert_eq!(interval(Situation { lonely: true, ..CALM }), 15);
        let seed = Situation { seed: true, ..CALM };
        assert_eq!(interval(seed), 180);
        assert_eq!(interval(Situation { rare: true, ..seed }), 60);
        assert_eq!(interval(Situation { leechers: 0, ..seed }), 300);
    }

    #[test]
    fn load_stretches_the_interval_up_to_a_limit() {
        assert_eq!(interval(Situation { pressure: 90, ..CALM }), 120);
        assert_eq!(interval(Situation { pressure: 200, ..CALM }), 240);
        assert_eq!(interval(Situation { pressure: u32::MAX, ..CALM }), 480);
    }

    #[test]
    fn jitter_spreads_by_fifteen_percent_to_either_side() {
        let config = Config::default();
        assert_eq!(CALM.interval_ms(&config, 0), 102_000);
        assert_eq!(CALM.interval_ms(&config, u32::MAX), 138_000);
    }

    #[test]
    fn the_meter_tells_a_burst_at_once_and_forgets_a_quiet_second() {
        let meter = Meter::default();
        let busy: Vec<u32> = (0..4).map(|_| meter.count(5000, 2)).collect();
        assert_eq!(busy, [50, 100, 150, 200]);
        assert_eq!(meter.count(6000, 2), 200);
        assert_eq!(meter.count(8000, 2), 50);
    }
}

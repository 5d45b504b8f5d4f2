//! How much to ask of a peer, how much at a time, and until when to wait.
//!
//! The window follows what the path carries: bandwidth times latency, doubled, so that a window that
//! is too small grows until the path is full and not the window is the limit. Both are measured as
//! BBR does (Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016): bandwidth as the
//! largest delivery rate over one request's flight seen lately, latency as the shortest flight. A
//! new peer starts with a few blocks and its window at most doubles each round trip.

use std::time::Duration;

use swarm_proto::geometry::BLOCK_LEN;

use crate::Time;

/// First window, and the least of a peer that delivers: four blocks, enough to measure with.
const WINDOW_MIN: u64 = 4 * BLOCK_LEN as u64;
/// Longest window before the caller's own limits.
const WINDOW_MAX: u64 = 1 << 30;
/// What is asked for beyond two latencies' worth, in time: covers the other side's disk, its turns
/// among several peers, and a driver that wakes late.
const SLACK: Duration = Duration::from_millis(30);
/// And no more than this: what a faster path holds beyond it is only more memory, and drives what is worked on
/// out of the processors' caches. A download at 1.8 GB/s took a fifteenth longer with 24 MiB under way, one of
/// small files a fifth.
const SLACK_BYTES: u64 = 2 << 20;
/// What one request asks for, in time at the peer's rate. Longer runs cost less each; shorter ones
/// show sooner that a peer is stuck, and let pieces be shared.
const RUN_TIME: Duration = Duration::from_millis(20);
/// How long a largest delivery rate counts.
const BANDWIDTH_AGE: Duration = Duration::from_secs(2);
/// A delivery rate over less time says more about batching than about the path.
const FLIGHT_MIN: Duration = Duration::from_micros(50);
/// Answers are late after this many times the predicted wait, plus a floor that lets a lost packet
/// be sent again by TCP twice.
const LATE_FACTOR: u32 = 4;
const LATE_FLOOR: Duration = Duration::from_millis(1500);
const LATE_MAX: Duration = Duration::from_secs(60);
/// Wait for the first answers of a peer whose rate is not known.
const FIRST_WAIT: Duration = Duration::from_secs(6);
/// How long a peer that is stuck is left alone.
const SNUB: Duration = Duration::from_secs(10);

/// The measured pace of one peer.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Shortest flight of a request. It never grows: once the path is full, a longer flight is one
    /// that waited behind our own requests, and a window that grew with it would feed itself.
    latency: Option<Duration>,
    /// Largest delivery rates of this period and the last one, bytes a second.
    best: [u64; 2],
    period: Time,
    /// Payload bytes delivered so far.
    delivered: u64,
    /// When data last came, or when asking began.
    progress: Time,
    /// What the window may have grown to: a byte more for each byte delivered.
    ceiling: u64,
    /// It is stuck; it is asked again at this time, or when it delivers after all.
    snubbed: Option<Time>,
    /// How often that happened in a row.
    snubs: u32,
}

/// What is noted with each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) at: Time,
    delivered: u64,
    /// Bytes asked for and not yet here, these included.
    in_flight: u64,
}

impl Pace {
    /// Nothing is known of the peer yet.
    pub(crate) const fn new(now: Time) -> Self {
        Self {
            latency: None,
            best: [0; 2],
            period: now,
            delivered: 0,
            progress: now,
            ceiling: WINDOW_MIN,
            snubbed: None,
            snubs: 0,
        }
    }

    /// A request goes out; with it `in_flight` bytes are asked for.
    pub(crate) fn sent(&mut self, now: Time, len: u64, in_flight: u64) -> Sent {
        if in_flight == len {
            self.progress = now;
        }
        Sent { at: now, delivered: self.delivered, in_flight }
    }

    /// A request was answered with `bytes`.
    pub(crate) fn arrived(&mut self, now: Time, sent: &Sent, bytes: u64) {
        self.delivered += bytes;
        self.progress = now;
        let flight = now.since(sent.at);
        self.latency = Some(self.latency.map_or(flight, |latency| latency.min(flight)));
        let nanos = flight.max(FLIGHT_MIN).as_nanos();
        let rate = u128::from(self.delivered - sent.delivered) * 1_000_000_000 / nanos;
        self.note_rate(now, u64::try_from(rate).unwrap_or(u64::MAX));
        if self.snubbed.take().is_some() {
            self.ceiling = WINDOW_MIN;
            self.snubs = 0;
        }
        self.ceiling = (self.ceiling + bytes).min(self.target().saturating_mul(2));
    }

    /// It did not deliver in time: until it does, it is trusted with a block now and then.
    pub(crate) fn snub(&mut self, now: Time) {
        self.snubbed = Some(now + SNUB);
        self.snubs += 1;
        // The path may be another one when it comes back.
        self.best = [0; 2];
        self.latency = None;
    }

    /// It begins to serve us anew.
    pub(crate) fn forgive(&mut self) {
        if self.snubbed.take().is_some() {
            self.ceiling = WINDOW_MIN;
        }
    }

    /// Whether it was late, and has not delivered since.
    pub(crate) const fn is_snubbed(&self) -> bool {
        self.snubbed.is_some()
    }

    /// Whether nothing is to be asked of it now.
    pub(crate) fn is_snubbed_at(&self, now: Time) -> bool {
        self.snubbed.is_some_and(|until| now < until)
    }

    /// Largest delivery rate seen lately, bytes a second; 0 if none is known.
    pub(crate) fn bandwidth(&self) -> u64 {
        self.best[0].max(self.best[1])
    }

    /// The shortest that an answer took lately, if one has come.
    pub(crate) const fn latency(&self) -> Option<Duration> {
        self.latency
    }

    /// Bytes to keep asked for.
    pub(crate) fn window(&self) -> u64 {
        if self.snubbed.is_some() {
            return u64::from(BLOCK_LEN);
        }
        self.target().min(self.ceiling)
    }

    /// The window that fills the path and is not too long a queue on it.
    fn target(&self) -> u64 {
        let path = bytes_in(self.bandwidth(), 2 * self.latency.unwrap_or_default());
        let slack = bytes_in(self.bandwidth(), SLACK).min(SLACK_BYTES);
        path.saturating_add(slack).clamp(WINDOW_MIN, WINDOW_MAX)
    }

    /// Blocks to ask for in one request: at least 1.
    pub(crate) fn run_blocks(&self) -> u32 {
        let blocks = bytes_in(self.bandwidth(), RUN_TIME) / u64::from(BLOCK_LEN);
        u32::try_from(blocks).unwrap_or(u32::MAX).max(1)
    }

    /// How long `bytes` take to be delivered from now on, if all goes as lately.
    pub(crate) fn expected(&self, bytes: u64) -> Duration {
        let latency = self.latency.unwrap_or_default();
        match self.bandwidth() {
            0 => FIRST_WAIT,
            rate => latency + Duration::from_secs_f64(bytes as f64 / rate as f64),
        }
    }

    /// When the oldest request is late: it was sent with `oldest`, and data has not come for much
    /// longer than its answer takes.
    pub(crate) fn late_at(&self, oldest: &Sent, len: u64) -> Time {
        let since_sent = oldest.at + self.patience(oldest.in_flight);
        let since_progress = self.progress + self.patience(len);
        since_sent.max(since_progress)
    }

    /// When data last came.
    pub(crate) const fn progress(&self) -> Time {
        self.progress
    }

    fn patience(&self, bytes: u64) -> Duration {
        if self.bandwidth() == 0 {
            // Twice as long each time: it may be that slow, and then asking anew only costs it its
            // place in line.
            return FIRST_WAIT * 2_u32.pow(self.snubs.min(4));
        }
        (LATE_FACTOR * self.expected(bytes)).min(LATE_MAX) + LATE_FLOOR
    }

    fn note_rate(&mut self, now: Time, rate: u64) {
        let age = now.since(self.period);
        if age >= BANDWIDTH_AGE / 2 {
            self.best[1] = if age < BANDWIDTH_AGE { self.best[0] } else { 0 };
            self.best[0] = 0;
            self.period = now;
        }
        self.best[0] = self.best[0].max(rate);
    }
}

fn bytes_in(rate: u64, time: Duration) -> u64 {
    (rate as f64 * time.as_secs_f64()) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A peer behind a link: `rate` bytes a second, `latency` there and back.
    struct Link {
        pace: Pace,
        now: Time,
        rate: u64,
        latency: Duration,
        /// Requests under way: length, note, and when the answer is here.
        flight: VecDeque<(u64, Sent, Time)>,
        busy: Time,
    }

    impl Link {
        fn new(rate: u64, latency: Duration) -> Self {
            let now = Time::ZERO;
            Self { pace: Pace::new(now), now, rate, latency, flight: VecDeque::new(), busy: now }
        }

        fn in_flight(&self) -> u64 {
            self.flight.iter().map(|(len, ..)| len).sum()
        }

        fn run_for(&mut self, time: Duration) -> u64 {
            let (end, before) = (self.now + time, self.pace.delivered);
            loop {
                while self.in_flight() < self.pace.window() {
                    let len = u64::from(self.pace.run_blocks().min(64) * BLOCK_LEN);
                    let sent = self.pace.sent(self.now, len, self.in_flight() + len);
                    let transfer = Duration::from_secs_f64(len as f64 / self.rate as f64);
                    self.busy = self.busy.max(self.now + self.latency / 2) + transfer;
                    self.flight.push_back((len, sent, self.busy + self.latency / 2));
                }
                let Some(&(len, sent, at)) = self.flight.front() else { unreachable!() };
                if at > end {
                    self.now = end;
                    return self.pace.delivered - before;
                }
                self.now = at;
                self.flight.pop_front();
                self.pace.arrived(at, &sent, len);
            }
        }
    }

    #[test]
    fn a_long_fat_path_is_full_within_a_second() {
        // 1 Gbit/s at 100 ms: 12.5 MB in flight.
        let mut link = Link::new(125_000_000, 100 * MS);
        link.run_for(1500 * MS);
        let delivered = link.run_for(1000 * MS);
        assert!(delivered > 120_000_000, "{delivered}");
        assert!(link.pace.window() < 4 * 12_500_000, "{}", link.pace.window());
    }

    #[test]
    fn loopback_gets_long_runs_and_no_larger_window_than_it_needs() {
        let mut link = Link::new(2_000_000_000, MS / 10);
        link.run_for(50 * MS);
        let delivered = link.run_for(100 * MS);
        assert!(delivered > 195_000_000, "{delivered}");
        assert!((2 << 20..4 << 20).contains(&link.pace.window()), "{}", link.pace.window());
        assert!(link.pace.run_blocks() >= 64);
    }

    #[test]
    fn a_slow_peer_is_asked_for_little() {
        let mut link = Link::new(100_000, 20 * MS);
        let delivered = link.run_for(10_000 * MS);
        assert!(delivered > 900_000, "{delivered}");
        assert_eq!(link.pace.window(), WINDOW_MIN);
        assert_eq!(link.pace.run_blocks(), 1);
    }

    #[test]
    fn the_window_follows_a_rate_that_falls() {
        let mut link = Link::new(50_000_000, 10 * MS);
        link.run_for(2000 * MS);
        link.rate = 5_000_000;
        link.run_for(4000 * MS);
        assert!((150_000..600_000).contains(&link.pace.window()), "{}", link.pace.window());
    }

    #[test]
    fn an_answer_is_late_by_the_peers_own_measure() {
        let mut link = Link::new(10_000_000, 20 * MS);
        link.run_for(2000 * MS);
        let (len, oldest, _) = link.flight[0];
        let wait = link.pace.late_at(&oldest, len).since(link.now);
        assert!((1500 * MS..3000 * MS).contains(&wait), "{wait:?}");
        link.pace.snub(link.now);
        assert_eq!(link.pace.window(), u64::from(BLOCK_LEN));
        link.pace.arrived(link.now + MS, &oldest, len);
        assert!(!link.pace.is_snubbed());
        assert!(link.pace.window() > WINDOW_MIN);
    }
}

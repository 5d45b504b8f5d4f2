//! When each tracker is told of us, and what.
//!
//! A tracker gets our pieces once as a whole row and then as changes, each with a digest of the row
//! after it. Whenever it is not certain that both sides hold the same row (an announce was lost, the
//! tracker restarted, the digest did not match) the next announce carries the whole row again.

use std::time::Duration;

use rand::{Rng, RngExt};
use swarm_proto::{
    announce::{Announce, AnnounceEvent, Announced, DELTA_MAX, HaveReport, piece_mix},
    bitfield::Bitfield,
    id::SwarmId,
};

use crate::{NoAnswer, Time, TrackerIndex, TrackerSnapshot};

/// First retry after a tracker failed; doubled each time, with jitter. A tracker that was restarted
/// is found again within seconds.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A tracker that asks for a longer interval is humoured up to here.
const INTERVAL_MAX: Duration = Duration::from_secs(3600);
/// A tracker that asks for a shorter one gets this.
const INTERVAL_MIN: Duration = Duration::from_millis(500);

/// What an announce says beyond the pieces that changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) swarm: SwarmId,
    pub(crate) have: &'a Bitfield,
    pub(crate) port: u16,
    pub(crate) advertise: Option<std::net::IpAddr>,
    pub(crate) uploaded: u64,
    pub(crate) downloaded: u64,
    pub(crate) want: u8,
    pub(crate) load: u8,
}

/// What a reply asks of us beyond waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replied {
    /// The tracker answers for the first time, or again.
    pub(crate) came_up: bool,
    /// It lacks the manifest.
    pub(crate) need_manifest: bool,
}

/// What is new about a tracker that does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Failed {
    /// It was up before, or is tried for the first time.
    pub(crate) went_down: bool,
    /// Somebody else is in its place.
    pub(crate) wrong_key: bool,
}

/// The schedule for all trackers of one swarm.
#[derive(Debug)]
pub(crate) struct Announcer {
    trackers: Vec<Tracker>,
    /// Digest of our row as it is now, kept up with each change.
    digest: u64,
    rarest: Vec<(u32, u32)>,
    stopping: bool,
}

#[derive(Debug)]
struct Tracker {
    /// For people.
    name: String,
    due: Time,
    /// Not before this, whatever happens: what the tracker asked for.
    earliest: Time,
    in_flight: bool,
    failures: u32,
    /// `None` until it has answered or failed.
    up: Option<bool>,
    /// Somebody else was found in its place since it answered last.
    impostor: bool,
    started: bool,
    completed_due: bool,
    stopped: bool,
    /// It has our row but for these changes; `None`: it needs the whole row.
    changes: Option<Changes>,
    seeds: u32,
    leechers: u32,
}

#[derive(Debug, Default)]
struct Changes {
    gained: Vec<u32>,
    lost: Vec<u32>,
}

impl Announcer {
    /// All trackers are due at once. Pieces held from the start are to be counted by
    /// [`gained`](Self::gained), as later ones.
    pub(crate) fn new(trackers: &[String], now: Time) -> Self {
        let tracker = |name: &String| Tracker {
            name: name.clone(),
            due: now,
            earliest: now,
            in_flight: false,
            failures: 0,
            up: None,
            impostor: false,
            started: false,
            completed_due: false,
            stopped: false,
            changes: None,
            seeds: 0,
            leechers: 0,
        };
        let trackers = trackers.iter().map(tracker).collect();
        Self { trackers, digest: 0, rarest: Vec::new(), stopping: false }
    }

    /// We have a piece more.
    pub(crate) fn gained(&mut self, piece: u32) {
        self.digest = self.digest.wrapping_add(piece_mix(piece));
        self.changed(|changes| changes.gained.push(piece));
    }

    /// We have a piece less.
    pub(crate) fn lost(&mut self, piece: u32) {
        self.digest = self.digest.wrapping_sub(piece_mix(piece));
        // In a delta all gains count before all losses, which is wrong for a piece that was lost
        // and then gained again. It is rare enough for a whole row.
        for tracker in &mut self.trackers {
            tracker.changes = None;
        }
    }

    fn changed(&mut self, note: impl Fn(&mut Changes)) {
        for tracker in &mut self.trackers {
            if let Some(changes) = &mut tracker.changes {
                note(changes);
                if changes.gained.len() > DELTA_MAX {
                    tracker.changes = None;
                }
            }
        }
    }

    /// The next announce that is due; to be called until there is none.
    pub(crate) fn next(
        &mut self,
        now: Time,
        facts: &Facts<'_>,
    ) -> Option<(TrackerIndex, Announce)> {
        let index = self.trackers.iter().position(|t| t.wants(now, self.stopping))?;
        let digest = self.digest;
        let tracker = &mut self.trackers[index];
        let event = if self.stopping {
            tracker.stopped = true;
            AnnounceEvent::Stopped
        } else if !tracker.started {
            AnnounceEvent::Started
        } else if tracker.completed_due {
            AnnounceEvent::Completed
        } else {
            AnnounceEvent::Alive
        };
        let have = if facts.have.is_full() {
            HaveReport::All
        } else if facts.have.is_empty() {
            HaveReport::None
        } else if let Some(changes) = tracker.changes.take() {
            HaveReport::Delta { gained: changes.gained, lost: changes.lost, digest }
        } else {
            HaveReport::Full(facts.have.to_bytes())
        };
        // Changes from now on belong to the next announce. If this one fails they are dropped.
        tracker.changes = Some(Changes::default());
        tracker.in_flight = true;
        let announce = Announce {
            swarm: facts.swarm,
            event,
            port: facts.port,
            advertise: facts.advertise,
            have,
            uploaded: facts.uploaded,
            downloaded: facts.downloaded,
            want: if self.stopping { 0 } else { facts.want },
            load: facts.load,
        };
        Some((TrackerIndex(index as u32), announce))
    }

    /// A tracker answered.
    pub(crate) fn replied(
        &mut self,
        now: Time,
        tracker: TrackerIndex,
        reply: &Announced,
        rng: &mut impl Rng,
    ) -> Replied {
        let Some(tracker) = self.trackers.get_mut(tracker.0 as usize) else {
            return Replied { came_up: false, need_manifest: false };
        };
        let came_up = tracker.up != Some(true);
        tracker.up = Some(true);
        tracker.impostor = false;
        tracker.in_flight = false;
        tracker.failures = 0;
        tracker.completed_due &= !tracker.started;
        tracker.started = true;
        tracker.seeds = reply.seeds;
        tracker.leechers = reply.leechers;
        if reply.need_full || reply.need_manifest {
            tracker.changes = None;
        }
        let millis = |ms: u32| Duration::from_millis(u64::from(ms));
        let min = millis(reply.min_interval_ms).clamp(INTERVAL_MIN, INTERVAL_MAX);
        let interval = millis(reply.interval_ms).clamp(min, INTERVAL_MAX);
        tracker.earliest = now + min;
        // A tenth of jitter, so that nodes started together do not announce together for ever.
        let jitter = interval.mul_f64(rng.random_range(0.9..1.1));
        let owes = reply.need_full || reply.need_manifest || tracker.completed_due;
        tracker.due = if owes { tracker.earliest } else { now + jitter.max(min) };
        if !reply.rarest.is_empty() {
            self.rarest.clone_from(&reply.rarest);
        }
        Replied { came_up, need_manifest: reply.need_manifest }
    }

    /// A tracker did not answer, or refused.
    pub(crate) fn failed(
        &mut self,
        now: Time,
        tracker: TrackerIndex,
        why: NoAnswer,
        rng: &mut impl Rng,
    ) -> Failed {
        let Some(tracker) = self.trackers.get_mut(tracker.0 as usize) else {
            return Failed::default();
        };
        let wrong_key = why == NoAnswer::WrongKey && !tracker.impostor;
        let failed = Failed { went_down: tracker.up != Some(false), wrong_key };
        tracker.impostor |= wrong_key;
        tracker.up = Some(false);
        tracker.in_flight = false;
        // Whether the announce arrived is not known.
        tracker.changes = None;
        let doubled = RETRY_FIRST * 2_u32.pow(tracker.failures.min(10));
        tracker.failures = tracker.failures.saturating_add(1);
        let wait = match why {
            NoAnswer::Refused(_, seconds @ 1..) => {
                Duration::from_secs(u64::from(seconds)).min(INTERVAL_MAX)
            }
            _ => doubled.min(RETRY_MAX),
        };
        tracker.due = now + wait.mul_f64(rng.random_range(0.5..1.0));
        let refused = matches!(why, NoAnswer::Refused(..));
        tracker.earliest = if refused { tracker.due } else { now };
        failed
    }

    /// We need peers: announce as soon as each tracker allows.
    pub(crate) fn now_please(&mut self, now: Time) {
        for tracker in &mut self.trackers {
            tracker.due = tracker.due.min(now.max(tracker.earliest));
        }
    }

    /// The download is complete: trackers learn it as soon as they allow.
    pub(crate) fn completed(&mut self, now: Time) {
        for tracker in &mut self.trackers {
            tracker.completed_due = true;
        }
        self.now_please(now);
    }

    /// One last announce to each tracker that knows of us.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// When the next announce is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let waiting = self.trackers.iter().filter(|t| !t.in_flight && !t.stopped);
        waiting.map(|t| t.due).min().filter(|_| !self.stopping)
    }

    /// The rarest pieces of the swarm as a tracker last told: numbers and counts.
    pub(crate) fn rarest(&self) -> &[(u32, u32)] {
        &self.rarest
    }

    /// What people know a tracker by.
    pub(crate) fn name(&self, tracker: TrackerIndex) -> String {
        self.trackers.get(tracker.0 as usize).map(|t| t.name.clone()).unwrap_or_default()
    }

    /// What front ends see.
    pub(crate) fn snapshot(&self, now: Time) -> Vec<TrackerSnapshot> {
        let view = |t: &Tracker| TrackerSnapshot {
            name: t.name.clone(),
            up: t.up == Some(true),
            next_s: u32::try_from(t.due.since(now).as_secs()).unwrap_or(u32::MAX),
            seeds: t.seeds,
            leechers: t.leechers,
        };
        self.trackers.iter().map(view).collect()
    }
}

impl Tracker {
    fn wants(&self, now: Time, stopping: bool) -> bool {
        if stopping {
            return self.started && !self.stopped;
        }
        !self.in_flight && self.due <= now
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use swarm_proto::{announce::row_digest, geometry::Geometry};

    use super::*;

    const TRACKER: TrackerIndex = TrackerIndex(0);

    const fn at(s: u64) -> Time {
        Time::from_nanos(s * 1_000_000_000)
    }

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    fn reply() -> Announced {
        Announced {
            interval_ms: 100_000,
            min_interval_ms: 10_000,
            peers: vec![],
            seeds: 1,
            leechers: 2,
            completed: 0,
            rarest: vec![],
            need_full: false,
            need_manifest: false,
            observed: "127.0.0.1:1".parse().unwrap(),
        }
    }

    struct Us {
        announcer: Announcer,
        have: Bitfield,
        geometry: Geometry,
    }

    impl Us {
        fn new() -> Self {
            Self {
                announcer: Announcer::new(&["t".into()], at(0)),
                have: Bitfield::empty(10),
                geometry: Geometry::new(16384, [10 * 16384]).unwrap(),
            }
        }

        fn gain(&mut self, piece: u32) {
            self.have.insert(self.geometry.piece(piece).unwrap());
            self.announcer.gained(piece);
        }

        fn lose(&mut self, piece: u32) {
            self.have.remove(self.geometry.piece(piece).unwrap());
            self.announcer.lost(piece);
        }

        fn said(&mut self, now: Time) -> Option<(AnnounceEvent, HaveReport)> {
            let facts = Facts {
                swarm: SwarmId::new([1; 32]),
                have: &self.have,
                port: 1,
                advertise: None,
                uploaded: 0,
                downloaded: 0,
                want: 30,
                load: 0,
            };
            self.announcer.next(now, &facts).map(|(_, a)| (a.event, a.have))
        }
    }

    #[test]
    fn a_whole_row_first_and_then_changes() {
        let mut us = Us::new();
        assert_eq!(us.said(at(0)), Some((AnnounceEvent::Started, HaveReport::None)));
        assert_eq!(us.said(at(0)), None, "one announce at a time");
        us.announcer.replied(at(0), TRACKER, &reply(), &mut rng());
        assert_eq!(us.said(at(89)), None);
        us.gain(3);
        us.gain(5);
        let (gained, lost, digest) = (vec![3, 5], vec![], row_digest([3, 5]));
        let delta = HaveReport::Delta { gained, lost, digest };
        assert_eq!(us.said(at(110)), Some((AnnounceEvent::Alive, delta)));
    }

    #[test]
    fn after_doubt_the_whole_row_again() {
        let mut us = Us::new();
        us.gain(0);
        let whole = HaveReport::Full(vec![0x80, 0]);
        assert_eq!(us.said(at(0)).unwrap().1, whole);
        us.announcer.failed(at(0), TRACKER, NoAnswer::Lost, &mut rng());
        assert_eq!(us.said(at(1)), Some((AnnounceEvent::Started, whole.clone())));
        us.announcer.replied(at(1), TRACKER, &Announced { need_full: true, ..reply() }, &mut rng());
        assert_eq!(us.said(at(12)), Some((AnnounceEvent::Alive, whole)));
        us.announcer.replied(at(12), TRACKER, &reply(), &mut rng());
        us.gain(1);
        us.lose(0);
        assert_eq!(us.said(at(130)).unwrap().1, HaveReport::Full(vec![0x40, 0]));
    }

    #[test]
    fn more_changes_than_a_delta_holds_make_a_whole_row() {
        let mut announcer = Announcer::new(&["t".into()], at(0));
        announcer.trackers[0].changes = Some(Changes::default());
        (0..DELTA_MAX as u32).for_each(|piece| announcer.gained(piece));
        assert!(announcer.trackers[0].changes.is_some());
        announcer.gained(DELTA_MAX as u32);
        assert!(announcer.trackers[0].changes.is_none());
    }

    #[test]
    fn a_dead_tracker_is_tried_less_and_less_but_never_given_up() {
        let mut us = Us::new();
        let (mut now, mut waits, mut rng) = (at(0), Vec::new(), rng());
        for _ in 0..20 {
            assert!(us.said(now).is_some());
            us.announcer.failed(now, TRACKER, NoAnswer::Lost, &mut rng);
            let due = us.announcer.deadline().unwrap();
            waits.push(due - now);
            now = due;
        }
        assert!(waits[0] <= RETRY_FIRST);
        assert!(waits[19] >= RETRY_MAX / 2 && waits[19] <= RETRY_MAX);
    }

    #[test]
    fn completion_is_told_once_as_soon_as_allowed() {
        let mut us = Us::new();
        us.said(at(0));
        us.announcer.replied(at(0), TRACKER, &reply(), &mut rng());
        (0..10).for_each(|piece| us.gain(piece));
        us.announcer.completed(at(2));
        assert_eq!(us.said(at(9)), None, "the tracker asked for ten seconds");
        assert_eq!(us.said(at(10)), Some((AnnounceEvent::Completed, HaveReport::All)));
        us.announcer.replied(at(10), TRACKER, &reply(), &mut rng());
        assert_eq!(us.said(at(200)), Some((AnnounceEvent::Alive, HaveReport::All)));
    }

    #[test]
    fn an_impostor_is_told_of_once_until_the_tracker_answers() {
        let mut us = Us::new();
        let mut failed = |why| {
            let Failed { went_down, wrong_key } =
                us.announcer.failed(at(0), TRACKER, why, &mut rng());
            (went_down, wrong_key)
        };
        assert_eq!(failed(NoAnswer::WrongKey), (true, true));
        assert_eq!(failed(NoAnswer::WrongKey), (false, false));
        assert_eq!(failed(NoAnswer::Lost), (false, false));
        us.announcer.replied(at(1), TRACKER, &reply(), &mut rng());
        let again = us.announcer.failed(at(2), TRACKER, NoAnswer::WrongKey, &mut rng());
        assert_eq!(again, Failed { went_down: true, wrong_key: true });
    }

    #[test]
    fn goodbye_is_said_at_once_but_only_to_who_knows_us() {
        let mut us = Us::new();
        us.announcer.stop();
        assert_eq!(us.said(at(0)), None);

        let mut us = Us::new();
        us.said(at(0));
        us.announcer.replied(at(0), TRACKER, &reply(), &mut rng());
        us.announcer.stop();
        assert_eq!(us.said(at(1)).unwrap().0, AnnounceEvent::Stopped);
        assert_eq!(us.said(at(1)), None);
        assert_eq!(us.announcer.deadline(), None);
    }
}

//! What a transfer's snapshots add up to. Pure.

use std::{collections::HashSet, time::Duration};

use swarm_node::{Snapshot, State};
use swarm_proto::id::PeerId;

use super::{INTERVAL, Role, Run};

/// How many peers are told apart in each direction; a run that meets more counts no further.
const PEERS_MAX: usize = 4096;

/// The figures of a run, as they grow.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) run: Run,
    from: HashSet<PeerId>,
    to: HashSet<PeerId>,
    /// When it was written last, from the start.
    written: Duration,
}

impl Tally {
    /// Nothing yet but what is known at the start; the run was just written.
    pub(super) fn new(run: Run) -> Self {
        Self { run, from: HashSet::new(), to: HashSet::new(), written: Duration::ZERO }
    }

    /// Takes in a snapshot of so long after the start. Whether the run is to be written now.
    pub(super) fn observe(&mut self, elapsed: Duration, snapshot: &Snapshot) -> bool {
        let (run, totals) = (&mut self.run, &snapshot.totals);
        run.seconds = elapsed.as_secs_f64();
        run.bytes_have = snapshot.bytes_have;
        (run.downloaded, run.uploaded) = (totals.downloaded, totals.uploaded);
        (run.from_seeds, run.duplicate) = (totals.from_seeds, totals.duplicate);
        run.corrupt = totals.corrupt;
        run.down_peak = run.down_peak.max(snapshot.down_rate);
        run.up_peak = run.up_peak.max(snapshot.up_rate);
        for peer in &snapshot.peers {
            note(&mut self.from, peer.id, peer.downloaded);
            note(&mut self.to, peer.id, peer.uploaded);
        }
        run.peers_from = self.from.len() as u32;
        run.peers_to = self.to.len() as u32;
        let completes =
            run.role == Role::Get && run.completed.is_none() && snapshot.state == State::Seeding;
        if completes {
            run.completed = Some(run.seconds);
        }
        let due = completes || elapsed.saturating_sub(self.written) >= INTERVAL;
        if due {
            self.written = elapsed;
        }
        due
    }
}

fn note(peers: &mut HashSet<PeerId>, peer: PeerId, bytes: u64) {
    if bytes > 0 && peers.len() < PEERS_MAX {
        peers.insert(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::tests::run, output::sample};

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_run_is_written_each_half_minute_and_at_completion() {
        let mut tally = Tally::new(run("a"));
        assert!(!tally.observe(secs(1), &sample::downloading()));
        assert!(tally.observe(secs(31), &sample::downloading()));
        assert!(!tally.observe(secs(60), &sample::downloading()));
        assert!(tally.observe(secs(61), &sample::downloading()));
        assert!(tally.observe(secs(62), &sample::seeding()), "completed");
        assert!(!tally.observe(secs(63), &sample::seeding()));
        assert_eq!((tally.run.completed, tally.run.seconds), (Some(62.0), 63.0));
    }

    #[test]
    fn a_seeder_completes_nothing() {
        let mut tally = Tally::new(Run { role: Role::Seed, ..run("a") });
        assert!(!tally.observe(secs(1), &sample::seeding()));
        assert_eq!(tally.run.completed, None);
    }

    #[test]
    fn peaks_stay_and_peers_are_counted_once() {
        let mut tally = Tally::new(run("a"));
        let (busy, mut idle) = (sample::downloading(), sample::downloading());
        (idle.down_rate, idle.up_rate) = (0, 0);
        idle.peers.truncate(1);
        idle.peers[0].id = PeerId::new([9; 32]);
        idle.peers[0].uploaded = 0;
        tally.observe(secs(1), &busy);
        tally.observe(secs(2), &busy);
        tally.observe(secs(3), &idle);
        let run = &tally.run;
        assert_eq!((run.down_peak, run.up_peak), (busy.down_rate, busy.up_rate));
        assert_eq!((run.peers_from, run.peers_to), (3, 2));
        assert_eq!((run.downloaded, run.bytes_have), (610 << 20, 600 << 20));
    }
}

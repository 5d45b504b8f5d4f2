//! The end-game, whenever it begins: asking a second peer for what a first one delivers too late.
//!
//! A peer that has nothing else to do is asked for blocks that are on their way from another, if by
//! all that is known of both it will be much faster. So the last blocks of a download do not wait for
//! the slowest peer, and a swarm of equals sends hardly anything twice. Whoever comes second is sent
//! a cancel.

use std::time::Duration;

use swarm_proto::geometry::BlockRun;

use crate::{ConnId, Outbox, Swarm, Time, partial::HOLDERS_MAX, swarm::Mode};

const _: () = assert!(HOLDERS_MAX >= 2, "a second holder must be possible");

/// A block is asked of a second peer only if that one is predicted to take less than half the time
/// that the first still needs, and this less.
const HEDGE_MARGIN: Duration = Duration::from_millis(50);
/// Requests at the end of each other peer's queue that are looked at for one more holder.
const HEDGE_LOOKED_AT: usize = 16;
/// What may be asked for twice: this share of all bytes...
const HEDGE_SHARE: u64 = 64;
/// ...and this much, so that small shares end fast too.
const HEDGE_FLOOR: u64 = 128 << 10;

impl Swarm {
    /// Asks a peer that has nothing else to do for blocks that others will deliver much later.
    pub(crate) fn hedge(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        while self.hedged_bytes_left() > 0 {
            let Some(max) = self.may_hedge(now, conn) else { return };
            let Some(run) = self.choose_hedge(now, conn, max) else { return };
            if self.sessions.get(&conn).is_some_and(|session| session.asked.owes(now, run)) {
                return;
            }
            self.fetch.hedged += u64::from(self.geometry().run_len(run));
            self.ask(now, conn, run, out);
        }
    }

    /// How much may still be asked for twice. Half of it is kept until everything was asked for once.
    fn hedged_bytes_left(&self) -> u64 {
        let allowed = self.geometry().total_bytes() / HEDGE_SHARE + HEDGE_FLOOR;
        let now = if self.is_all_asked_for() { allowed } else { allowed / 2 };
        now.saturating_sub(self.fetch.hedged)
    }

    /// Whether every block that is missing is on its way.
    pub(crate) fn is_all_asked_for(&self) -> bool {
        !self.picker.has_fresh() && self.ledger.open().next().is_none()
    }

    /// As [`may_ask`](Self::may_ask), for a peer that knows its pace and found nothing else.
    fn may_hedge(&mut self, now: Time, conn: ConnId) -> Option<u32> {
        let session = self.sessions.get_mut(&conn)?;
        let pace = &session.asked.pace;
        let dry = session.asked.dry.take().filter(|&epoch| epoch == self.fetch.epoch)?;
        let able = self.mode == Mode::Running
            && self.disk.is_well()
            && pace.bandwidth() > 0
            && !pace.is_snubbed();
        let max = if able { self.may_ask(now, conn) } else { None };
        self.sessions.get_mut(&conn)?.asked.dry = Some(dry);
        max
    }

    /// The blocks that are predicted to come last, if this peer is predicted to be much faster.
    fn choose_hedge(&self, now: Time, conn: ConnId, max: u32) -> Option<BlockRun> {
        let me = self.sessions.get(&conn)?;
        // Whoever is as soon as this cannot be outrun.
        let soon = 2 * me.asked.pace.expected(me.asked.bytes()) + HEDGE_MARGIN;
        let others = self.sessions.values().filter(|other| other.conn != conn);
        let mut last: Option<(Duration, BlockRun)> = None;
        for other in others {
            let pace = &other.asked.pace;
            // Whoever has been silent for some time will probably be so for as long again.
            let silence = now.since(pace.progress());
            let mut ahead = other.asked.bytes();
            for ask in other.asked.queue().rev().take(HEDGE_LOOKED_AT) {
                let wait = pace.expected(ahead).max(silence);
                ahead -= ask.len;
                if wait <= soon || last.is_some_and(|(longest, _)| wait <= longest) {
                    break;
                }
                let mut parts = self.geometry().parts(ask.run).filter(|part| me.has(part.piece()));
                let run = parts.find_map(|part| self.ledger.shared_run(conn, part, max));
                if let Some(run) = run {
                    last = Some((wait, run));
                    break;
                }
            }
        }
        let (wait, run) = last?;
        let len = u64::from(self.geometry().run_len(run));
        let mine = me.asked.pace.expected(me.asked.bytes() + len);
        (2 * mine + HEDGE_MARGIN < wait).then_some(run)
    }
}

//! Getting data: how much is asked of whom, and when it is taken back.
//!
//! Memory is bounded here: bytes asked for and bytes on their way to the disk never exceed
//! `Config::buffer_bytes` together. A disk that lags slows the requests, and with them the network.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use swarm_proto::{
    geometry::{BLOCK_LEN, BlockRun},
    message::{Message, RawRun},
};

use crate::{
    ConnId, Outbox, Swarm, Time,
    choose::Choice,
    eta::Estimate,
    ledger::Ledger,
    rate::{Bucket, Rate},
    session::{Ask, Session},
    swarm::Mode,
};

/// Between two looks at who is late, while anything is asked for.
const PULSE: Duration = Duration::from_millis(100);

/// A disk that has stored nothing for so long does not keep up: what it is behind with is made good from memory.
const STALLED: Duration = Duration::from_millis(10);

/// The state of downloading over all peers.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) bucket: Bucket,
    pub(crate) rate: Rate,
    pub(crate) estimate: Estimate,
    /// Grows whenever blocks become free: a peer that had nothing to give may have now.
    pub(crate) epoch: u64,
    /// Peers that have pieces which we lack. Kept apart from the many that may be there and have none.
    pub(crate) givers: BTreeSet<ConnId>,
    /// How often all peers were looked at: another one is first each time.
    turn: u64,
    /// All peers are to be looked at for what may be asked of them.
    pub(crate) refill: bool,
    /// Somebody could have been asked, but for the memory or the disk.
    pub(crate) starved: bool,
    /// Somebody could have been asked, but for the limit; it allows more then.
    pub(crate) limited: Option<Time>,
    /// The longest window, so that all fit into the memory together.
    share: u64,
    /// Bytes asked for a second time.
    pub(crate) hedged: u64,
    pulse: Time,
    /// Something is asked of somebody, or was since the last pulse: so there is a next one.
    busy: bool,
}

impl Fetch {
    /// Nothing is asked for yet. `limit` is in bytes a second.
    pub(crate) fn new(limit: Option<u64>, now: Time) -> Self {
        Self {
            bucket: Bucket::new(limit, now),
            rate: Rate::for_people(now),
            estimate: Estimate::new(now),
            epoch: 0,
            givers: BTreeSet::new(),
            turn: 0,
            refill: false,
            starved: false,
            limited: None,
            share: u64::MAX,
            hedged: 0,
            pulse: now,
            busy: false,
        }
    }

    /// Blocks became free.
    pub(crate) const fn freed(&mut self) {
        self.epoch += 1;
        self.refill = true;
    }
}

impl Swarm {
    /// When [`Self::run_fetch`] has something to do.
    pub(crate) fn fetch_deadline(&self) -> Option<Time> {
        let pulse = self.fetch.busy.then_some(self.fetch.pulse);
        [pulse, self.fetch.limited].into_iter().flatten().min()
    }

    /// Does what is due: looks at who is late, and fills windows.
    pub(crate) fn run_fetch(&mut self, now: Time, out: &mut Outbox) {
        if now >= self.fetch.pulse {
            self.fetch.pulse = now + PULSE;
            self.pulse(now, out);
        }
        if self.fetch.limited.is_some_and(|until| now >= until) {
            self.fetch.limited = None;
            self.fetch.refill = true;
        }
        if std::mem::take(&mut self.fetch.refill) {
            for conn in self.conns_in_turn() {
                self.fill(now, conn, out);
            }
        }
    }

    /// All that serve us, beginning with another one each time, so that what is scarce goes round.
    fn conns_in_turn(&mut self) -> Vec<ConnId> {
        let serves_us = |conn: &ConnId| self.sessions.get(conn).is_some_and(Session::serves_us);
        let mut conns: Vec<ConnId> = self.fetch.givers.iter().copied().filter(serves_us).collect();
        if !conns.is_empty() {
            self.fetch.turn += 1;
            let turn = self.fetch.turn as usize % conns.len();
            conns.rotate_left(turn);
        }
        conns
    }

    /// Asks a peer for as much as it and we can take.
    pub(crate) fn fill(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        if self.mode != Mode::Running {
            return;
        }
        loop {
            let Some(max) = self.may_ask(now, conn) else { return };
            let run = match self.choose(now, conn, max) {
                Choice::Ask(run) => run,
                Choice::Later => return,
                Choice::Nothing => {
                    if let Some(session) = self.sessions.get_mut(&conn) {
                        session.asked.dry = Some(self.fetch.epoch);
                    }
                    return;
                }
            };
            let run = self.lengthen(now, conn, run, max);
            if self.sessions.get(&conn).is_some_and(|session| session.asked.owes(now, run)) {
                return;
            }
            self.ask(now, conn, run, out);
        }
    }

    /// The most blocks that may be asked of a peer in one request now, if any. As long as there is
    /// no memory for a whole run, nothing is asked: a request as short as the answer that made room
    /// for it would be followed by another as short, and each would cost as much as a long one (the
    /// silly window syndrome of RFC 813).
    pub(crate) fn may_ask(&mut self, now: Time, conn: ConnId) -> Option<u32> {
        let session = self.sessions.get_mut(&conn).filter(|session| session.serves_us())?;
        if session.asked.dry == Some(self.fetch.epoch) {
            return None;
        }
        let window = session.asked.pace.window().min(self.fetch.share).max(u64::from(BLOCK_LEN));
        let room = session.asked.room(now, window);
        if room < u64::from(BLOCK_LEN) {
            return None;
        }
        let probing = self.disk.may_fetch(now)?;
        let used = self.ledger.requested() + self.ledger.storing();
        let memory = self.config.buffer_bytes.saturating_sub(used);
        let run_blocks = session.asked.run_blocks();
        let run = u64::from(run_blocks) * u64::from(BLOCK_LEN);
        // A run that would take much of the memory comes in parts.
        if memory < run.min(self.config.buffer_bytes / 8).max(u64::from(BLOCK_LEN))
            || self.has_enough_to_store(now, window)
        {
            self.fetch.starved = true;
            return None;
        }
        if !self.fetch.bucket.ready(now) {
            self.fetch.limited = Some(self.fetch.bucket.ready_at(now));
            return None;
        }
        let blocks = u32::try_from(room.min(memory) / u64::from(BLOCK_LEN)).unwrap_or(u32::MAX);
        Some(if probing { 1 } else { blocks.min(run_blocks) })
    }

    /// Whether so much waits for a disk that keeps up with it that more would only go cold. What comes over a
    /// long way has to be asked for in time, so as much as a window may wait.
    fn has_enough_to_store(&self, now: Time, window: u64) -> bool {
        self.ledger.storing() >= self.config.storing_bytes.max(window)
            && now.since(self.disk.stored_at()) < STALLED
    }

    /// Asks a peer for a run of blocks.
    pub(crate) fn ask(&mut self, now: Time, conn: ConnId, run: BlockRun, out: &mut Outbox) {
        let manifest = Arc::clone(&self.manifest);
        let geometry = manifest.geometry();
        let len = u64::from(geometry.run_len(run));
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        session.asked.ask(now, run, len);
        for part in geometry.parts(run) {
            session.asked.go_on_to(part.piece(), u64::from(geometry.piece_len(part.piece())));
            self.picker.remove(part.piece());
        }
        self.fetch.busy = true;
        self.serve.unflushed += session.send(now, Message::Request(raw(run)), out);
        self.ledger.request(conn, run);
        self.fetch.bucket.spend(now, len);
        self.disk.note_probe(run);
    }

    /// Requests are no longer to be answered: their blocks are free for others.
    pub(crate) fn release(&mut self, conn: ConnId, asks: &[Ask]) {
        for ask in asks {
            self.ledger.release(conn, ask.run);
            self.refresh_all(ask.run);
        }
        if !asks.is_empty() {
            self.fetch.freed();
        }
    }

    /// Takes back the requests for what is not wanted any more.
    pub(crate) fn take_back_unwanted(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        self.take_back(now, conn, |ledger, ask| !ledger.wants_all(ask.run), out);
    }

    /// Takes back all requests.
    pub(crate) fn stop_fetching(&mut self, now: Time, out: &mut Outbox) {
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for conn in conns {
            self.take_back(now, conn, |_, _| true, out);
        }
    }

    fn take_back(
        &mut self,
        now: Time,
        conn: ConnId,
        mut gone: impl FnMut(&Ledger, &Ask) -> bool,
        out: &mut Outbox,
    ) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let taken = session.asked.take_back(now, |ask| gone(&self.ledger, ask));
        for ask in &taken {
            self.serve.unflushed += session.send(now, Message::Cancel(raw(ask.run)), out);
        }
        self.release(conn, &taken);
    }

    /// Looks after every peer: who is late, whose requests are more than it can answer, who is idle.
    fn pulse(&mut self, now: Time, out: &mut Outbox) {
        self.share_memory();
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for &conn in &conns {
            self.drop_late(now, conn, out);
            self.trim(now, conn, out);
        }
        for &conn in &conns {
            self.fill(now, conn, out);
            self.hedge(now, conn, out);
        }
        self.fetch.busy = self.sessions.values().any(|session| !session.asked.is_empty());
    }

    /// Divides the memory among all windows: what one leaves goes to those that want more, and no
    /// window is cut below an equal share (max-min fairness). A seed that could fill the memory alone
    /// must not keep us from what its other downloaders have.
    fn share_memory(&mut self) {
        let serving = self.sessions.values().filter(|session| session.serves_us());
        let mut windows: Vec<u64> = serving.map(|session| session.asked.pace.window()).collect();
        windows.sort_unstable();
        let (mut memory, mut share) = (self.config.buffer_bytes, self.config.buffer_bytes);
        for (n, &window) in windows.iter().enumerate() {
            share = memory / (windows.len() - n) as u64;
            if window > share {
                break;
            }
            memory -= window;
        }
        // Windows that may grow again are of use at once.
        self.fetch.refill |= share > self.fetch.share;
        self.fetch.share = share;
    }

    /// A peer that is late loses its requests. What of it still comes is of use.
    fn drop_late(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        let Some(asked) = self.sessions.get_mut(&conn).map(|session| &mut session.asked) else {
            return;
        };
        let oldest = asked.oldest();
        if oldest.is_some_and(|oldest| now >= asked.pace.late_at(&oldest.sent, oldest.len)) {
            asked.pace.snub(now);
            self.take_back(now, conn, |_, _| true, out);
        }
    }

    /// A peer whose rate has fallen is asked for more than it delivers soon: the newest requests go
    /// to others.
    fn trim(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        let Some(session) = self.sessions.get(&conn) else { return };
        let keep = session.asked.pace.window().saturating_mul(4);
        if session.asked.bytes() <= keep {
            return;
        }
        let mut kept = 0;
        let excess = |_: &Ledger, ask: &Ask| {
            kept += ask.len;
            kept > keep
        };
        self.take_back(now, conn, excess, out);
    }
}

/// A run as the wire names it.
pub(crate) const fn raw(run: BlockRun) -> RawRun {
    RawRun { piece: run.piece().get(), first: run.first(), count: run.count() }
}

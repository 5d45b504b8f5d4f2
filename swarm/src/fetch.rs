//! Getting data: what to ask of whom, and what to do with the answers.
//!
//! Memory is bounded here: bytes asked for and bytes on their way to the disk never exceed
//! `Config::buffer_bytes` together. A disk that lags slows the requests, and with them the network.

use std::time::Duration;

use bytes::Bytes;
use swarm_proto::{
    geometry::{BLOCK_LEN, BlockRun, PieceIndex},
    id::Digest,
    message::{Message, RawRun},
};

use crate::{
    ConnId, Order, Outbox, Output, Priority, Swarm, Time,
    eta::Estimate,
    ledger::{Ledger, Progress},
    rate::{Bucket, Rate},
    session::Ask,
    swarm::Mode,
};

/// Between two looks at who is late, while anything is asked for.
const PULSE: Duration = Duration::from_millis(100);
/// So many pieces are begun at random before the rarest are: to have something to give soon.
const RANDOM_FIRST: u32 = 4;
/// Unfinished pieces at a time. It bounds what a state per block may take: 40 KiB a piece of 16 MiB.
const UNFINISHED_MAX: usize = 4096;
/// Open pieces that are looked at for one request.
const OPEN_LOOKED_AT: usize = 64;
/// First wait after a peer rejected a request; doubled with each more.
const REJECT_HOLD: Duration = Duration::from_millis(50);

/// What to ask of a peer.
enum Choice {
    /// These blocks.
    Ask(BlockRun),
    /// Nothing yet: it will be looked at again soon whatever happens.
    Later,
    /// Nothing, until blocks become free or it has more.
    Nothing,
}

/// The state of downloading over all peers.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) bucket: Bucket,
    pub(crate) rate: Rate,
    pub(crate) estimate: Estimate,
    /// Grows whenever blocks become free: a peer that had nothing to give may have now.
    pub(crate) epoch: u64,
    /// How often all peers were looked at: another one is first each time.
    turn: u64,
    /// All peers are to be looked at for what may be asked of them.
    pub(crate) refill: bool,
    /// Somebody could have been asked, but for the memory.
    pub(crate) starved: bool,
    /// Somebody could have been asked, but for the limit; it allows more then.
    pub(crate) limited: Option<Time>,
    /// The longest window, so that all fit into the memory together.
    share: u64,
    /// Bytes asked for a second time.
    pub(crate) hedged: u64,
    pulse: Time,
}

impl Fetch {
    /// Nothing is asked for yet. `limit` is in bytes a second.
    pub(crate) fn new(limit: Option<u64>, now: Time) -> Self {
        Self {
            bucket: Bucket::new(limit, now),
            rate: Rate::for_people(now),
            estimate: Estimate::new(now),
            epoch: 0,
            turn: 0,
            refill: false,
            starved: false,
            limited: None,
            share: u64::MAX,
            hedged: 0,
            pulse: now,
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
        let busy = self.sessions.values().any(|session| !session.asked.is_empty());
        let pulse = busy.then_some(self.fetch.pulse);
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

    /// All connections, beginning with another one each time, so that what is scarce goes round.
    fn conns_in_turn(&mut self) -> Vec<ConnId> {
        let mut conns: Vec<ConnId> =
            self.sessions.values().filter(|s| s.serves_us()).map(|s| s.conn).collect();
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
        let run = u64::from(session.asked.run_blocks()) * u64::from(BLOCK_LEN);
        // A run that would take much of the memory comes in parts.
        if memory < run.min(self.config.buffer_bytes / 8).max(u64::from(BLOCK_LEN)) {
            self.fetch.starved = true;
            return None;
        }
        if !self.fetch.bucket.ready(now) {
            self.fetch.limited = Some(self.fetch.bucket.ready_at(now));
            return None;
        }
        let blocks = u32::try_from(room.min(memory) / u64::from(BLOCK_LEN)).unwrap_or(u32::MAX);
        Some(if probing { 1 } else { blocks.min(session.asked.run_blocks()) })
    }

    /// What to ask of a peer next, from the files that are wanted most.
    fn choose(&mut self, now: Time, conn: ConnId, max: u32) -> Choice {
        for class in self.picker.classes() {
            let choice = match self.config.order {
                Order::RarestFirst => self.choose_from(class, now, conn, max),
                Order::Sequential => self.choose_first(class, conn, max),
            };
            match choice {
                Choice::Nothing => {}
                choice => return choice,
            }
        }
        Choice::Nothing
    }

    /// What to ask of a peer next among files wanted alike: what it suggests, else on with the piece
    /// that it is at, else an open piece, else a new one.
    fn choose_from(&mut self, class: Priority, now: Time, conn: ConnId, max: u32) -> Choice {
        let Some(session) = self.sessions.get_mut(&conn) else { return Choice::Nothing };
        let Some(theirs) = &session.have else { return Choice::Nothing };
        let (ledger, picker) = (&mut self.ledger, &self.picker);
        let fits = |piece: PieceIndex| picker.priority(piece) == class && theirs.has(piece);
        while let Some(&piece) = session.asked.suggested.front() {
            if ledger.wants(piece) && picker.priority(piece) != class {
                break;
            }
            if let Some(run) = ledger.free_run(piece, max).filter(|_| fits(piece)) {
                return Choice::Ask(run);
            }
            session.asked.suggested.pop_front();
        }
        let current = session.asked.current.filter(|&piece| fits(piece));
        if let Some(run) = current
            .filter(|&piece| !ledger.is_missing(piece))
            .and_then(|piece| ledger.free_run(piece, max))
        {
            return Choice::Ask(run);
        }
        // The one that is nearest to its end: a piece can be passed on once it is whole.
        let open = ledger.open().filter(|&(piece, _)| fits(piece)).take(OPEN_LOOKED_AT);
        let nearest = open.min_by_key(|&(_, free)| free).map(|(piece, _)| piece);
        if let Some(run) = nearest.and_then(|piece| ledger.free_run(piece, max)) {
            return Choice::Ask(run);
        }
        if ledger.unfinished().len() >= UNFINISHED_MAX {
            self.fetch.starved = true;
            return Choice::Later;
        }
        let geometry = self.manifest.geometry();
        let begun = ledger.have().count() + ledger.unfinished().len() as u32;
        let piece = if begun < RANDOM_FIRST {
            self.picker.pick_any(geometry, class, theirs, &mut self.rng)
        } else {
            self.picker.pick(geometry, class, theirs, self.announcer.rarest(), &mut self.rng)
        };
        // A peer that tells everyone which of the pieces that only it has they should fetch is not
        // asked for those of others.
        if piece.is_some_and(|piece| self.picker.copies(piece) == 1) && session.asked.is_led(now) {
            return Choice::Later;
        }
        let run = piece.and_then(|piece| ledger.free_run(piece, max));
        run.map_or(Choice::Nothing, Choice::Ask)
    }

    /// What to ask of a peer next for a reader who wants the bytes in order: the first piece that it
    /// has, begun or not, of which a block is free. What it suggests would be for the good of all, and
    /// is not what comes next.
    fn choose_first(&mut self, class: Priority, conn: ConnId, max: u32) -> Choice {
        let session = self.sessions.get(&conn);
        let Some(theirs) = session.and_then(|session| session.have.as_ref()) else {
            return Choice::Nothing;
        };
        let (ledger, picker) = (&mut self.ledger, &self.picker);
        let fits = |piece: PieceIndex| picker.priority(piece) == class && theirs.has(piece);
        let open = ledger.open().map(|(piece, _)| piece).find(|&piece| fits(piece));
        let has_room = ledger.unfinished().len() < UNFINISHED_MAX;
        let fresh = picker.pick_first(self.manifest.geometry(), class, theirs);
        let first = open.into_iter().chain(fresh.filter(|_| has_room)).min();
        match first.and_then(|piece| ledger.free_run(piece, max)) {
            Some(run) => Choice::Ask(run),
            None if has_room => Choice::Nothing,
            None => {
                self.fetch.starved = true;
                Choice::Later
            }
        }
    }

    /// Asks a peer for a run of blocks.
    pub(crate) fn ask(&mut self, now: Time, conn: ConnId, run: BlockRun, out: &mut Outbox) {
        let len = u64::from(self.geometry().run_len(run));
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        session.asked.ask(now, run, len);
        self.serve.unflushed += session.send(now, Message::Request(raw(run)), out);
        self.ledger.request(conn, run);
        self.picker.remove(run.piece());
        self.fetch.bucket.spend(now, len);
        self.disk.note_probe(run);
    }

    /// The answer to a request.
    pub(crate) fn on_block(
        &mut self,
        now: Time,
        conn: ConnId,
        piece: u32,
        first: u32,
        data: &Bytes,
        out: &mut Outbox,
    ) -> Option<()> {
        let count = u32::try_from(data.len()).ok()?.div_ceil(BLOCK_LEN);
        let run = self.geometry().run(self.piece(piece)?, first, count)?;
        let len = data.len() as u64;
        if u64::from(self.geometry().run_len(run)) != len {
            return None;
        }
        let session = self.sessions.get_mut(&conn)?;
        if !session.asked.answered(now, run) {
            return None;
        }
        let (peer, from_seed) = (session.peer, session.is_seed());
        self.totals.downloaded += len;
        self.totals.from_seeds += if from_seed { len } else { 0 };
        self.fetch.rate.add(now, len);

        // What comes late is not counted as asked for any more, so there may be no room for it.
        let grown = self.ledger.requested() + self.ledger.storing() + self.ledger.uncounted(run);
        if grown > self.config.buffer_bytes || !self.disk.accepts(run) {
            self.ledger.release(conn, run);
            self.refresh(run.piece());
            self.fetch.epoch += 1;
        } else {
            let arrived = self.ledger.arrived(conn, peer, run);
            // What was taken back because nobody wants it any more is no duplicate.
            if self.ledger.wants(run.piece()) {
                self.totals.duplicate += len - arrived.useful;
            }
            self.fetch.estimate.add(now, arrived.useful);
            self.picker.remove(run.piece());
            for part in arrived.store {
                let start = (part.offset() - run.offset()) as usize;
                let len = self.geometry().run_len(part) as usize;
                out.push(Output::Store { run: part, data: data.slice(start..start + len) });
            }
            for other in arrived.others {
                self.cancel_delivered(now, other, out);
            }
        }
        self.fill(now, conn, out);
        if self.sessions.get(&conn)?.asked.is_empty() {
            self.hedge(now, conn, out);
        }
        Some(())
    }

    /// Takes back requests of which nothing is needed any more.
    fn cancel_delivered(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let ledger = &self.ledger;
        for ask in session.asked.take_back(now, |ask| !ledger.is_wanted(ask.run)) {
            self.serve.unflushed += session.send(now, Message::Cancel(raw(ask.run)), out);
        }
        self.fill(now, conn, out);
    }

    /// A peer does not give what it was asked for.
    pub(crate) fn on_reject(
        &mut self,
        now: Time,
        conn: ConnId,
        run: RawRun,
        out: &mut Outbox,
    ) -> Option<()> {
        let run = self.run(run)?;
        let session = self.sessions.get_mut(&conn)?;
        if let Some(ask) = session.asked.rejected(run) {
            let hold = REJECT_HOLD * 2_u32.pow(session.asked.rejects.min(8));
            session.asked.rejects += 1;
            session.asked.hold_until = now + hold;
            // Whatever made it reject this piece, another one is the better choice.
            session.asked.current = None;
            session.asked.suggested.retain(|&piece| piece != run.piece());
            self.release(conn, &[ask]);
        }
        self.fill(now, conn, out);
        Some(())
    }

    /// A peer does not serve us any more, and drops what it was asked for.
    pub(crate) fn on_choke(&mut self, conn: ConnId) -> Option<()> {
        let session = self.sessions.get_mut(&conn)?;
        session.chokes_us = true;
        let taken = session.asked.dropped();
        self.release(conn, &taken);
        Some(())
    }

    /// A peer serves us from now on.
    pub(crate) fn on_unchoke(&mut self, conn: ConnId) -> Option<()> {
        let session = self.sessions.get_mut(&conn)?;
        session.chokes_us = false;
        session.asked.pace.forgive();
        session.asked.dry = None;
        self.fetch.refill = true;
        Some(())
    }

    /// A peer says which piece it would like to give.
    pub(crate) fn on_suggest(
        &mut self,
        now: Time,
        conn: ConnId,
        piece: u32,
        out: &mut Outbox,
    ) -> Option<()> {
        let piece = self.piece(piece)?;
        let wanted = self.ledger.lacks(piece);
        let session = self.sessions.get_mut(&conn)?;
        if wanted && session.has(piece) {
            session.asked.suggest(now, piece);
            self.fill(now, conn, out);
        }
        Some(())
    }

    /// Requests are no longer to be answered: their blocks are free for others.
    pub(crate) fn release(&mut self, conn: ConnId, asks: &[Ask]) {
        for ask in asks {
            self.ledger.release(conn, ask.run);
            self.refresh(ask.run.piece());
        }
        if !asks.is_empty() {
            self.fetch.freed();
        }
    }

    /// Takes back the requests for what is not wanted any more.
    pub(crate) fn take_back_unwanted(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        self.take_back(now, conn, |ledger, ask| !ledger.wants(ask.run.piece()), out);
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

    /// Blocks are on the disk.
    pub(crate) fn on_stored(
        &mut self,
        now: Time,
        run: BlockRun,
        leaves: &[Digest],
        out: &mut Outbox,
    ) {
        debug_assert_eq!(leaves.len(), run.count() as usize, "one digest a block");
        let progress = self.ledger.stored(run, leaves);
        self.disk_works(run, out);
        match progress {
            Progress::Unfinished => {}
            Progress::Verified(liars) => {
                self.gained(now, run.piece(), out);
                self.convict(now, run.piece(), &liars, out);
            }
            Progress::Corrupt(contributors) => {
                self.on_corrupt(now, run.piece(), &contributors, out);
            }
        }
        self.fetch.refill |= std::mem::take(&mut self.fetch.starved);
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

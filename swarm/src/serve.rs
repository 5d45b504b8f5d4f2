//! Giving data: who is served, in which order, and how far ahead of the network.
//!
//! A request waits in its peer's queue until it is that peer's turn; then its blocks are read and
//! sent. What is being read or waits for the kernel is bounded for each peer by what it drains and
//! for all together by `Config::send_bytes`, so a slow peer costs little memory and delays nobody.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use swarm_proto::{
    geometry::{BlockRun, PieceIndex},
    id::Digest,
    message::{MANIFEST_PART_MAX, Message, RawRun},
};

use crate::{
    Blocks, ConnId, DiskError, Outbox, Output, Swarm, Time,
    choke::Candidate,
    fetch::raw,
    rate::{Bucket, Rate},
    session::cost,
    swarm::Mode,
};

/// What a peer may have requested and not received: more than 1 Gbit/s at 200 ms.
pub(crate) const REQUEST_BYTES_MAX: u32 = 32 << 20;
/// How many requests that may be: 24 bytes of memory each.
const REQUESTS_MAX: usize = 4096;
/// Requests that are rejected in a row before the peer is taken to be a flooder. Many can be under
/// way when it is choked, but no more than the limits above allow.
const REJECTS_MAX: u32 = 2 * REQUESTS_MAX as u32;
/// A peer's turn, in bytes: a long run costs several turns, so that turns are fair by bytes.
const TURN: i64 = 256 << 10;
/// Reading ahead for one peer: at least this much...
const AHEAD_MIN: u64 = 512 << 10;
/// ...or as much as it drains in this time.
const AHEAD_TIME: Duration = Duration::from_millis(250);
/// What may wait for a peer beyond blocks: eight parts of a manifest, or the digests of 64 pieces.
const UNREAD_MAX: u64 = 8 * MANIFEST_PART_MAX as u64;
/// Digests of so many pieces may be asked for at a time.
const LEAVES_MAX: usize = 4;

/// The state of uploading over all peers.
#[derive(Debug)]
pub(crate) struct Serve {
    pub(crate) bucket: Bucket,
    pub(crate) rate: Rate,
    /// Peers with requests, in the order of their turns.
    line: VecDeque<ConnId>,
    /// Peers that want to be served, or are.
    pub(crate) takers: u32,
    /// What is being read, for lost peers too: bytes, or more where they are in many files.
    pub(crate) reading: u64,
    /// Bytes of messages that have not left for the kernel.
    pub(crate) unflushed: u64,
    /// When the limit allows more.
    limited: Option<Time>,
    pub(crate) optimistic: Option<ConnId>,
    /// The encoded manifest, once somebody has asked for it.
    manifest: Option<Bytes>,
}

impl Serve {
    /// Nobody is served.
    pub(crate) fn new(limit: Option<u64>, now: Time) -> Self {
        Self {
            bucket: Bucket::new(limit, now),
            rate: Rate::for_people(now),
            line: VecDeque::new(),
            takers: 0,
            reading: 0,
            unflushed: 0,
            limited: None,
            optimistic: None,
            manifest: None,
        }
    }

    /// Whether a peer is a taker has changed, perhaps.
    pub(crate) fn taker_changed(&mut self, was: bool, is: bool) {
        self.takers -= u32::from(was);
        self.takers += u32::from(is);
    }
}

impl Swarm {
    /// When the next round of chokes is, or the limit allows more.
    pub(crate) fn serve_deadline(&self) -> Option<Time> {
        let choke = (self.serve.takers > 0).then(|| self.choker.due());
        [choke, self.serve.limited].into_iter().flatten().min()
    }

    /// Chokes and unchokes if a round is due, and reads for those whose turn it is.
    pub(crate) fn run_serve(&mut self, now: Time, out: &mut Outbox) {
        // Without takers there is no round, so that the first one is not late for it.
        if self.serve.takers > 0 && now >= self.choker.due() {
            self.rechoke(now, out);
        }
        self.serve_all(now, out);
    }

    fn rechoke(&mut self, now: Time, out: &mut Outbox) {
        let candidates: Vec<Candidate> = self
            .sessions
            .values()
            .map(|session| Candidate {
                conn: session.conn,
                interested: session.wants_us,
                unchoked: !session.choked,
                down_rate: session.asked.rate.per_second(now),
                up_rate: session.served.rate.per_second(now),
                sent_since_unchoke: session.served.sent_since_unchoke,
                connected: session.connected,
            })
            .collect();
        let slots = if self.mode == Mode::Running { self.config.upload_slots } else { 0 };
        let seeding = self.ledger.is_complete();
        let decision = self.choker.rechoke(now, slots, seeding, &candidates, &mut self.rng);
        self.serve.optimistic = decision.optimistic;
        // Whoever wants nothing just now keeps a slot that nobody else wants: it costs nothing, and a
        // choke would cross the requests for the next piece that we tell it of.
        let mut spare = (slots as usize).saturating_sub(decision.unchoke.len());
        for Candidate { conn, interested, unchoked, .. } in candidates {
            let idle = !interested && unchoked && spare > 0;
            spare -= usize::from(idle);
            self.choke(now, conn, !idle && !decision.unchoke.contains(&conn), out);
        }
    }

    /// Begins to serve a peer, or stops.
    fn choke(&mut self, now: Time, conn: ConnId, choke: bool, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.choked == choke {
            return;
        }
        let was = session.is_taker();
        session.choked = choke;
        self.serve.taker_changed(was, session.is_taker());
        session.served.clear();
        session.served.sent_since_unchoke = 0;
        session.served.excess = 0;
        if choke {
            let suggestions = std::mem::take(&mut session.suggestions);
            self.forget_suggestions(&suggestions);
            self.send(now, conn, Message::Choke, out);
        } else {
            session.served.unchoked = now;
            // Before it asks, so that its first request is for what nobody else will ask for.
            self.suggest(now, conn, out);
            self.send(now, conn, Message::Unchoke, out);
        }
    }

    /// A peer wants something of us, or nothing any more.
    pub(crate) fn on_interest(
        &mut self,
        now: Time,
        conn: ConnId,
        wants_us: bool,
        out: &mut Outbox,
    ) -> Option<()> {
        let session = self.sessions.get_mut(&conn)?;
        if session.wants_us == wants_us {
            return Some(());
        }
        let was = session.is_taker();
        session.wants_us = wants_us;
        self.serve.taker_changed(was, session.is_taker());
        self.choker.expedite(now);
        let served = self.sessions.values().filter(|session| !session.choked);
        let served: Vec<ConnId> = served.map(|session| session.conn).collect();
        if wants_us {
            self.cares(now, conn);
            self.serve_newcomer(now, conn, &served, out);
            // With a second taker there is somebody to trade with.
            for taker in served {
                self.suggest(now, taker, out);
            }
        }
        Some(())
    }

    /// A slot that is free, or that its holder does not use, waits for no round.
    fn serve_newcomer(&mut self, now: Time, conn: ConnId, served: &[ConnId], out: &mut Outbox) {
        if self.mode != Mode::Running || served.contains(&conn) {
            return;
        }
        if served.len() >= self.config.upload_slots as usize {
            let mut holders = served.iter().filter_map(|holder| self.sessions.get(holder));
            let Some(idle) = holders.find(|holder| !holder.wants_us) else { return };
            self.choke(now, idle.conn, true, out);
        }
        self.choke(now, conn, false, out);
    }

    /// A peer asks for blocks: they are queued or rejected.
    pub(crate) fn on_request(
        &mut self,
        now: Time,
        conn: ConnId,
        wire: RawRun,
        out: &mut Outbox,
    ) -> Option<()> {
        let run = self.run(conn, wire)?;
        let have = self.ledger.has_all(run);
        let geometry = self.manifest.geometry();
        let len = u64::from(geometry.run_len(run));
        let session = self.sessions.get_mut(&conn)?;
        let served = &mut session.served;
        let full = served.queued + len > u64::from(REQUEST_BYTES_MAX)
            || served.queue.len() + served.reading.len() >= REQUESTS_MAX;
        if session.choked || !have || full {
            served.excess += 1;
            if served.excess > REJECTS_MAX {
                return None;
            }
            self.send(now, conn, Message::Reject(wire), out);
            return Some(());
        }
        served.excess = 0;
        served.push(geometry, run);
        if !std::mem::replace(&mut served.in_line, true) {
            self.serve.line.push_back(conn);
        }
        let mut took = false;
        for part in geometry.parts(run) {
            took |= session.took_suggestion(part.piece());
        }
        if took {
            self.suggest(now, conn, out);
        }
        Some(())
    }

    /// A peer takes a request back.
    pub(crate) fn on_cancel(
        &mut self,
        now: Time,
        conn: ConnId,
        wire: RawRun,
        out: &mut Outbox,
    ) -> Option<()> {
        let run = self.run(conn, wire)?;
        let geometry = self.manifest.geometry();
        // Every request gets one answer: this one a rejection, unless the blocks are on their way.
        if self.sessions.get_mut(&conn)?.served.cancel(geometry, run) {
            self.send(now, conn, Message::Reject(wire), out);
        }
        Some(())
    }

    /// These pieces are withdrawn: requests for them that wait are not worth a read.
    pub(crate) fn reject_waiting(&mut self, now: Time, pieces: &[PieceIndex], out: &mut Outbox) {
        let geometry = self.manifest.geometry();
        for session in self.sessions.values_mut() {
            for run in session.served.withdraw(geometry, pieces) {
                self.serve.unflushed += session.send(now, Message::Reject(raw(run)), out);
            }
        }
    }

    /// Bytes for a peer have left for the kernel.
    pub(crate) fn on_flushed(&mut self, now: Time, conn: ConnId, bytes: u64) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            let bytes = bytes.min(session.served.unflushed);
            session.served.unflushed -= bytes;
            session.served.taken = now;
            session.served.drain.add(now, bytes);
            self.serve.unflushed -= bytes;
        }
    }

    /// Reads for those whose turn it is, as far ahead as memory, the limit and the peers allow.
    fn serve_all(&mut self, now: Time, out: &mut Outbox) {
        self.serve.limited = None;
        // Peers in a row that could not be served: after a whole round there is nothing to do.
        let mut passed = 0;
        while passed < self.serve.line.len()
            && let Some(&conn) = self.serve.line.front()
        {
            if self.serve.reading + self.serve.unflushed >= self.config.send_bytes {
                return;
            }
            if !self.serve.bucket.ready(now) {
                self.serve.limited = Some(self.serve.bucket.ready_at(now));
                return;
            }
            let ahead = self.ahead_max(now, conn);
            let geometry = self.manifest.geometry();
            let Some(served) = self.sessions.get_mut(&conn).map(|session| &mut session.served)
            else {
                self.serve.line.pop_front();
                continue;
            };
            if served.queue.is_empty() {
                served.in_line = false;
                served.credit = 0;
                self.serve.line.pop_front();
                continue;
            }
            if served.reading_bytes + served.unflushed >= ahead {
                passed += 1;
                self.serve.line.rotate_left(1);
                continue;
            }
            passed = 0;
            if served.credit <= 0 {
                served.credit += TURN;
                self.serve.line.rotate_left(1);
                continue;
            }
            if let Some(run) = served.pop(geometry) {
                let cost = cost(geometry, run);
                served.credit -= cost as i64;
                self.serve.reading += cost;
                self.serve.bucket.spend(now, geometry.run_len(run).into());
                out.push(Output::Read { conn, run });
            }
        }
    }

    /// How much may be read ahead for one peer.
    fn ahead_max(&self, now: Time, conn: ConnId) -> u64 {
        let Some(session) = self.sessions.get(&conn) else { return 0 };
        let drained = session.served.drain.per_second(now) as f64 * AHEAD_TIME.as_secs_f64();
        let share = self.config.send_bytes / self.serve.line.len().max(1) as u64;
        (drained as u64).max(AHEAD_MIN).min(share.max(1))
    }

    /// Blocks for a peer were read, or could not be.
    pub(crate) fn on_blocks_read(
        &mut self,
        now: Time,
        conn: ConnId,
        run: BlockRun,
        data: Result<Blocks, (PieceIndex, DiskError)>,
        out: &mut Outbox,
    ) {
        let len = u64::from(self.geometry().run_len(run));
        self.serve.reading = self.serve.reading.saturating_sub(cost(self.geometry(), run));
        let geometry = self.manifest.geometry();
        let session = self.sessions.get_mut(&conn);
        let wanted = session.is_some_and(|session| session.served.read(geometry, run));
        match data {
            Ok(data) if wanted && self.ledger.has_all(run) => {
                let (piece, first) = (run.piece().get(), run.first());
                self.totals.uploaded += len;
                self.serve.rate.add(now, len);
                if let Some(session) = self.sessions.get_mut(&conn) {
                    self.serve.unflushed += match data {
                        Blocks::Read(data) => {
                            session.send(now, Message::Block { piece, first, data }, out)
                        }
                        Blocks::InPlace(place) => {
                            session.send_in_place(now, (run, len), place, out)
                        }
                    };
                    session.served.sent += len;
                    session.served.sent_since_unchoke += len;
                    session.served.rate.add(now, len);
                }
            }
            result => {
                if wanted {
                    self.send(now, conn, Message::Reject(raw(run)), out);
                }
                match result {
                    Err((piece, DiskError::Changed)) => self.on_piece_changed(now, piece, out),
                    Err((piece, _)) => self.on_unreadable(now, piece, out),
                    Ok(_) => {}
                }
            }
        }
    }

    /// A peer asks for the digests of a piece.
    pub(crate) fn on_get_leaves(
        &mut self,
        conn: ConnId,
        piece: u32,
        out: &mut Outbox,
    ) -> Option<()> {
        let piece = self.piece(piece)?;
        let read_already =
            self.sessions.values().any(|session| session.leaves_wanted.contains(&piece));
        let session = self.sessions.get_mut(&conn)?;
        // Whoever asks without reading the answers is not answered.
        let may_ask = session.leaves_wanted.len() < LEAVES_MAX
            && session.served.unflushed < UNREAD_MAX + self.config.send_bytes;
        if may_ask && self.ledger.have().has(piece) && !session.leaves_wanted.contains(&piece) {
            session.leaves_wanted.push(piece);
            if !read_already {
                out.push(Output::ReadLeaves(piece));
            }
        }
        Some(())
    }

    /// The digests of a piece were read: whoever asked for them gets them, if they are right.
    pub(crate) fn hand_over_leaves(
        &mut self,
        now: Time,
        piece: PieceIndex,
        leaves: Option<&Vec<Digest>>,
        out: &mut Outbox,
    ) {
        for session in self.sessions.values_mut() {
            let Some(at) = session.leaves_wanted.iter().position(|&wanted| wanted == piece) else {
                continue;
            };
            session.leaves_wanted.swap_remove(at);
            if let Some(leaves) = leaves {
                let leaves = leaves.clone();
                let message = Message::Leaves { piece: piece.get(), leaves };
                self.serve.unflushed += session.send(now, message, out);
            }
        }
    }

    /// A part of the manifest for a node that has only a link. The next part is sent when the peer
    /// asks for it, so a peer that does not read its socket makes nothing pile up.
    pub(crate) fn on_get_manifest(
        &mut self,
        now: Time,
        conn: ConnId,
        offset: u32,
        out: &mut Outbox,
    ) -> Option<()> {
        let manifest = &self.manifest;
        let encoded = self.serve.manifest.get_or_insert_with(|| manifest.encode().into());
        let session = self.sessions.get_mut(&conn)?;
        if session.served.unflushed > UNREAD_MAX + self.config.send_bytes {
            return None;
        }
        let total = u32::try_from(encoded.len()).ok()?;
        // A part starts inside its manifest, so nobody can ask for one that does not.
        let rest = total.checked_sub(offset)?;
        let (start, len) = (offset as usize, MANIFEST_PART_MAX.min(rest as usize));
        let message =
            Message::ManifestPart { total, offset, data: encoded.slice(start..start + len) };
        self.send(now, conn, message, out);
        Some(())
    }

    /// Queues a message on a connection, if it still is one.
    pub(crate) fn send(&mut self, now: Time, conn: ConnId, message: Message, out: &mut Outbox) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            self.serve.unflushed += session.send(now, message, out);
        }
    }
}

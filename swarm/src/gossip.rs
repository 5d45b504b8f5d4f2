//! What all peers are told: which pieces we have gained, and which one each should fetch from us.
//!
//! Every peer hears of every piece, seeds among them and those that have it already: from that they
//! know how rare each piece is, which of theirs they should spread, and when there is nothing left to
//! exchange. It costs 4 bytes a piece and peer.
//!
//! While pieces exist only at us, every peer is suggested different ones, so that each leaves us once
//! before any leaves us twice and peers can trade at once (super-seeding, BEP 16, but as a hint:
//! nobody is kept from asking for what it wants).

use std::{collections::BTreeSet, time::Duration};

use swarm_proto::{
    geometry::{Geometry, PieceIndex},
    message::{HAVE_MAX, Message},
};

use crate::{ConnId, Outbox, Output, Swarm, Time, session::Session};

/// Between two messages about pieces. The first goes at once; while they come fast they are
/// gathered, and 10 ms is little beside the time that a piece takes to be fetched.
const HAVE_EVERY: Duration = Duration::from_millis(10);
/// The same for a peer that has nothing for us, was told of what it lacks and has not wanted it. To tell
/// hundreds of such peers at once what they do not care for took a sixth of a fast download's time.
const IDLE_EVERY: Duration = Duration::from_secs(1);
/// Suggestions to one peer that it has not asked for yet, beyond what its queue holds.
const SUGGEST_AHEAD: usize = 4;
/// Suggestions to one peer that it has not fetched.
const SUGGESTIONS_MAX: usize = 256;
/// Pieces that are looked at for one suggestion. The next search goes on where this one ended.
const SUGGEST_TRIES: u32 = 512;

/// What is to be told, and what was suggested.
#[derive(Debug)]
pub(crate) struct Gossip {
    pending: Vec<u32>,
    told: Time,
    due: Option<Time>,
    /// Pieces that somebody was told to fetch and that nobody but us has.
    suggested: BTreeSet<PieceIndex>,
    cursor: u32,
}

/// What one peer was told of the pieces that we gained.
#[derive(Debug)]
pub(crate) struct News {
    /// What it is still to be told, in the order of our gains.
    untold: Vec<u32>,
    /// When it was last told.
    told: Time,
    /// It was told of a piece that it lacks, and so has had the choice.
    offered: bool,
    /// It has wanted something that we have.
    cares: bool,
}

impl News {
    /// Nothing was told yet.
    pub(crate) const fn new(now: Time) -> Self {
        Self { untold: Vec::new(), told: now, offered: false, cares: false }
    }

    /// Whether it is to be told now, if it has something for us (`gives`) or has not.
    fn is_due(&self, now: Time, gives: bool) -> bool {
        gives || self.cares || !self.offered || now >= self.told + IDLE_EVERY
    }
}

impl Gossip {
    /// The search for pieces to suggest begins at number `cursor`.
    pub(crate) const fn new(now: Time, cursor: u32) -> Self {
        Self { pending: Vec::new(), told: now, due: None, suggested: BTreeSet::new(), cursor }
    }
}

impl Session {
    /// Tells it of what it was not told yet, or else of `pieces`. Returns the bytes that takes.
    fn tell(&mut self, now: Time, geometry: &Geometry, pieces: &[u32], out: &mut Outbox) -> u64 {
        let mut untold = std::mem::take(&mut self.news.untold);
        let all = if untold.is_empty() { pieces } else { &untold };
        let mut told = all.iter().filter_map(|&number| geometry.piece(number));
        self.news.offered |= told.any(|piece| !self.has(piece));
        self.news.told = now;
        let messages = all.chunks(HAVE_MAX).map(|some| Message::Have(some.to_vec()));
        let bytes = messages.map(|message| self.send(now, message, out)).sum();
        untold.clear();
        self.news.untold = untold;
        bytes
    }
}

impl Swarm {
    /// When somebody is to be told.
    pub(crate) const fn gossip_deadline(&self) -> Option<Time> {
        self.gossip.due
    }

    /// Tells those whose time has come.
    pub(crate) fn run_gossip(&mut self, now: Time, out: &mut Outbox) {
        let full = self.gossip.pending.len() >= HAVE_MAX;
        if full || self.gossip.due.is_some_and(|due| now >= due) {
            self.gossip.due = None;
            self.gossip.told = now;
            let mut pieces = std::mem::take(&mut self.gossip.pending);
            let geometry = self.manifest.geometry();
            for session in self.sessions.values_mut() {
                let (gives, news) = (session.wanted > 0, &mut session.news);
                if news.untold.is_empty() && pieces.is_empty() {
                    continue;
                }
                let due = news.is_due(now, gives);
                // Most have heard all that was before, and are told without a list of their own.
                if !due || !news.untold.is_empty() {
                    news.untold.extend(&pieces);
                }
                if due {
                    self.serve.unflushed += session.tell(now, geometry, &pieces, out);
                } else {
                    self.gossip.due = Some(now + IDLE_EVERY);
                }
            }
            pieces.clear();
            self.gossip.pending = pieces;
        }
    }

    /// A peer wants something that we have: what else there is it hears at once.
    pub(crate) fn cares(&mut self, now: Time, conn: ConnId) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.news.cares = true;
            if !session.news.untold.is_empty() {
                self.gossip.due = Some(now);
            }
        }
    }

    /// A piece was lost: who was not told yet that we had it is not told.
    pub(crate) fn unsay(&mut self, piece: PieceIndex) {
        let news = self.sessions.values_mut().map(|session| &mut session.news.untold);
        for untold in news.chain([&mut self.gossip.pending]) {
            untold.retain(|&number| number != piece.get());
        }
    }

    /// A piece is verified and on the disk.
    pub(crate) fn gained(&mut self, now: Time, piece: PieceIndex, out: &mut Outbox) {
        out.push(Output::Record(piece));
        self.picker.remove(piece);
        self.announcer.gained(piece.get());
        self.gossip.pending.push(piece.get());
        let soonest = now.max(self.gossip.told + HAVE_EVERY);
        self.gossip.due = Some(self.gossip.due.map_or(soonest, |due| due.min(soonest)));
        if !self.ledger.wants(piece) {
            return;
        }
        let mut sated = Vec::new();
        for &conn in &self.fetch.givers {
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            session.wanted -= u32::from(session.has(piece));
            if session.wanted == 0 {
                sated.push(conn);
            }
        }
        for conn in sated {
            self.update_interest(now, conn, out);
        }
    }

    /// A peer has more pieces.
    pub(crate) fn on_have(
        &mut self,
        now: Time,
        conn: ConnId,
        numbers: &[u32],
        out: &mut Outbox,
    ) -> Option<()> {
        for &number in numbers {
            let piece = self.piece(number)?;
            let wanted = self.ledger.lacks(piece);
            let session = self.sessions.get_mut(&conn)?;
            if session.have.as_mut()?.insert(piece) {
                session.wanted += u32::from(wanted);
                session.suggestions.retain(|&(suggested, _)| suggested != piece);
                self.picker.gained(piece);
                self.gossip.suggested.remove(&piece);
            }
        }
        self.sessions.get_mut(&conn)?.asked.dry = None;
        self.update_interest(now, conn, out);
        self.suggest(now, conn, out);
        self.fill(now, conn, out);
        Some(())
    }

    /// A peer has lost pieces.
    pub(crate) fn on_dont_have(
        &mut self,
        now: Time,
        conn: ConnId,
        numbers: &[u32],
        out: &mut Outbox,
    ) -> Option<()> {
        for &number in numbers {
            let piece = self.piece(number)?;
            let wanted = self.ledger.lacks(piece);
            let geometry = self.manifest.geometry();
            let session = self.sessions.get_mut(&conn)?;
            let have = session.have.as_mut()?;
            if !have.remove(piece) {
                continue;
            }
            session.wanted -= u32::from(wanted);
            if std::mem::take(&mut session.counted_as_seed) {
                // From here on it counts piece by piece.
                self.picker.seed_left();
                let rest = have.iter().filter_map(|number| geometry.piece(number));
                rest.for_each(|piece| self.picker.gained(piece));
            } else {
                self.picker.lost(piece);
            }
        }
        self.update_interest(now, conn, out);
        Some(())
    }

    /// Suggests pieces that nobody else has, and that nobody else was told to fetch.
    pub(crate) fn suggest(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        // With a single peer there is nobody to trade with.
        let takers = self.sessions.values().filter(|session| session.wants_us).take(2).count();
        let Some(session) = self.sessions.get(&conn) else { return };
        if takers < 2 || session.choked || !session.wants_us || self.ledger.have().is_empty() {
            return;
        }
        let piece_len = u64::from(self.geometry().piece_length());
        let ahead = SUGGEST_AHEAD + (session.served.queued / piece_len) as usize;
        let mut open = session.suggestions_open();
        let mut room = SUGGESTIONS_MAX.saturating_sub(session.suggestions.len());
        let mut tries = SUGGEST_TRIES.min(self.pieces());
        while open < ahead && room > 0 && tries > 0 {
            tries -= 1;
            self.gossip.cursor = (self.gossip.cursor + 1) % self.pieces();
            let Some(piece) = self.piece(self.gossip.cursor) else { return };
            let ours_alone = self.picker.copies(piece) == 0 && self.ledger.have().has(piece);
            if ours_alone && self.gossip.suggested.insert(piece) {
                open += 1;
                room -= 1;
                if let Some(session) = self.sessions.get_mut(&conn) {
                    session.suggestions.push((piece, false));
                }
                self.send(now, conn, Message::Suggest(piece.get()), out);
            }
        }
    }

    /// A peer will not fetch what it was told to: others may be told.
    pub(crate) fn forget_suggestions(&mut self, suggestions: &[(PieceIndex, bool)]) {
        for (piece, _) in suggestions {
            self.gossip.suggested.remove(piece);
        }
    }
}

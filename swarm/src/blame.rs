//! Whose fault it is when a piece does not verify: exactly whose.
//!
//! The digests of a piece's blocks prove themselves: they hash to the digest in the manifest or they
//! do not. So a single peer that hands them over, friend or foe, tells for certain which blocks are
//! bad, and each block has one sender. Nobody else is touched, and only the bad blocks are fetched
//! again.

use std::{collections::BTreeMap, time::Duration};

use swarm_proto::{
    geometry::PieceIndex,
    id::{Digest, PeerId},
    message::{Goodbye, Message},
};

use crate::{ConnId, Event, Outbox, Output, Swarm, Time};

/// How long a peer may take to hand over the digests of a piece. It has to read and hash it, behind
/// what else it is doing.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Peers that are asked in vain before the piece is fetched anew without a proof.
const TRIES: usize = 5;
/// How long to wait for a peer that could be asked, before the same.
const NOBODY_WAIT: Duration = Duration::from_secs(5);

/// The pieces in question.
#[derive(Debug, Default)]
pub(crate) struct Blame {
    inquiries: BTreeMap<PieceIndex, Inquiry>,
    /// How often a piece was complete and did not verify.
    corrupt_pieces: u32,
}

#[derive(Debug)]
struct Inquiry {
    /// Who is asked, if somebody is.
    asked: Option<ConnId>,
    /// When to ask somebody else.
    due: Time,
    /// Who was asked so far.
    tried: Vec<ConnId>,
    /// There was nobody to ask, and we have waited for somebody to come.
    waited: bool,
}

impl Blame {
    /// How often a piece was complete and did not verify.
    pub(crate) const fn corrupt_pieces(&self) -> u32 {
        self.corrupt_pieces
    }

    /// When somebody is late with the digests that he was asked for.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.inquiries.values().map(|inquiry| inquiry.due).min()
    }

    /// A connection has ended: whoever is asked over it will not answer.
    pub(crate) fn forget(&mut self, now: Time, conn: ConnId) {
        for inquiry in self.inquiries.values_mut().filter(|i| i.asked == Some(conn)) {
            inquiry.due = now;
        }
    }
}

impl Swarm {
    /// All blocks of a piece are there, and they are not what the manifest says.
    pub(crate) fn on_corrupt(
        &mut self,
        now: Time,
        piece: PieceIndex,
        contributors: &[PeerId],
        out: &mut Outbox,
    ) {
        self.blame.corrupt_pieces = self.blame.corrupt_pieces.saturating_add(1);
        out.push(Output::Event(Event::PieceCorrupt { piece: piece.get() }));
        if let &[only] = contributors {
            // No proof is needed: everything came from one peer.
            let blocks = self.geometry().block_count(piece);
            self.totals.corrupt += u64::from(self.geometry().piece_len(piece));
            self.ledger.drop_blocks(piece);
            self.refresh(piece);
            self.fetch.freed();
            self.ban(now, piece, only, blocks, out);
            return;
        }
        let inquiry = Inquiry { asked: None, due: now, tried: Vec::new(), waited: false };
        self.blame.inquiries.insert(piece, inquiry);
        self.inquire(now, out);
    }

    /// Asks the next peer wherever nobody has answered in time.
    pub(crate) fn inquire(&mut self, now: Time, out: &mut Outbox) {
        let due = self.blame.inquiries.iter().filter(|(_, inquiry)| now >= inquiry.due);
        let due: Vec<PieceIndex> = due.map(|(&piece, _)| piece).collect();
        for piece in due {
            let candidate = self.witness(piece);
            let Some(inquiry) = self.blame.inquiries.get_mut(&piece) else { continue };
            inquiry.asked = None;
            match candidate {
                Some(conn) if inquiry.tried.len() < TRIES => {
                    inquiry.asked = Some(conn);
                    inquiry.tried.push(conn);
                    inquiry.due = now + ANSWER_WAIT;
                    self.send(now, conn, Message::GetLeaves(piece.get()), out);
                }
                None if !inquiry.waited => {
                    inquiry.waited = true;
                    inquiry.due = now + NOBODY_WAIT;
                }
                _ => {
                    self.blame.inquiries.remove(&piece);
                    self.totals.corrupt += u64::from(self.geometry().piece_len(piece));
                    self.ledger.suspect(piece);
                    self.refresh(piece);
                    self.fetch.freed();
                }
            }
        }
    }

    /// Whom to ask for the digests of a piece: somebody who has it and was not asked, best one who
    /// delivered none of it and so has nothing to hide.
    fn witness(&self, piece: PieceIndex) -> Option<ConnId> {
        let inquiry = self.blame.inquiries.get(&piece)?;
        let contributors = self.ledger.contributors(piece);
        let able =
            self.sessions.values().filter(|s| s.has(piece) && !inquiry.tried.contains(&s.conn));
        able.min_by_key(|s| contributors.contains(&s.peer)).map(|s| s.conn)
    }

    /// A peer says the digests of a piece's blocks. `None`: there is no such piece.
    pub(crate) fn on_leaves(
        &mut self,
        now: Time,
        conn: ConnId,
        piece: u32,
        leaves: &[Digest],
        out: &mut Outbox,
    ) -> Option<()> {
        let piece = self.piece(piece)?;
        let asked = |inquiry: &Inquiry| inquiry.tried.contains(&conn);
        if !self.blame.inquiries.get(&piece).is_some_and(asked) {
            // Late: the question is settled. Whoever was never asked is not believed either way.
            return Some(());
        }
        let right = leaves.len() as u32 == self.geometry().block_count(piece)
            && self.manifest.verifies(piece, leaves);
        if !right {
            // It says that it has the piece, and its digests are not those of the piece.
            let peer = self.sessions.get(&conn)?.peer;
            self.ban(now, piece, peer, 0, out);
            return Some(());
        }
        self.blame.inquiries.remove(&piece);
        if let Some(liars) = self.ledger.judge(piece, leaves) {
            let bad: u32 = liars.iter().map(|&(_, blocks)| blocks).sum();
            self.totals.corrupt += u64::from(bad) * u64::from(swarm_proto::geometry::BLOCK_LEN);
            self.refresh(piece);
            self.fetch.freed();
            self.convict(now, piece, &liars, out);
        }
        Some(())
    }

    /// These are proven to have sent bad blocks.
    pub(crate) fn convict(
        &mut self,
        now: Time,
        piece: PieceIndex,
        liars: &[(PeerId, u32)],
        out: &mut Outbox,
    ) {
        for &(peer, blocks) in liars {
            self.ban(now, piece, peer, blocks, out);
        }
    }

    fn ban(&mut self, now: Time, piece: PieceIndex, peer: PeerId, blocks: u32, out: &mut Outbox) {
        if self.book.is_banned(&peer) {
            return;
        }
        let conn = self.sessions.values_mut().find(|session| session.peer == peer).map(|session| {
            session.bad_blocks += blocks;
            session.conn
        });
        out.push(Output::Event(Event::PeerBanned { peer, piece: piece.get() }));
        self.book.ban(peer);
        if let Some(conn) = conn {
            self.close(now, conn, Goodbye::CorruptData, out);
        }
    }
}

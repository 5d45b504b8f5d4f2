//! One peer: what it said, what we asked of it ([`Asked`]), and what it asked of us ([`Served`]).

mod asked;
mod served;

use std::net::SocketAddr;

use swarm_proto::{
    bitfield::Bitfield,
    codec::{BLOCK_FRAME_HEAD, Frame as _},
    geometry::{BlockRun, PieceIndex},
    id::PeerId,
    message::{Hello, LONG_RUNS, Message, PeerAddr},
};

pub(crate) use self::{
    asked::{Ask, Asked},
    served::{Served, cost},
};
use crate::{ConnId, Outbox, Output, Side, Time, Whereabouts, gossip::News};

/// One connected peer.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) conn: ConnId,
    pub(crate) peer: PeerId,
    pub(crate) addr: SocketAddr,
    pub(crate) side: Side,
    pub(crate) client: String,
    pub(crate) listen_port: u16,
    /// A run may go on into the pieces that follow.
    pub(crate) takes_long_runs: bool,
    pub(crate) connected: Time,
    /// What it has; `None` until it has said so, which must be the first thing it says.
    pub(crate) have: Option<Bitfield>,
    /// It is counted among the picker's seeds: it had everything when it came, and lost nothing.
    pub(crate) counted_as_seed: bool,
    /// Pieces that it has and we lack. If there are some, it was told that we are interested.
    pub(crate) wanted: u32,
    /// It told us that it is interested.
    pub(crate) wants_us: bool,
    /// It does not serve us.
    pub(crate) chokes_us: bool,
    /// We do not serve it.
    pub(crate) choked: bool,
    pub(crate) asked: Asked,
    pub(crate) served: Served,
    pub(crate) last_received: Time,
    pub(crate) last_sent: Time,
    /// It asked for the digests of these pieces.
    pub(crate) leaves_wanted: Vec<PieceIndex>,
    /// Addresses that it was told, so that none is told twice.
    pub(crate) told: Vec<PeerAddr>,
    /// When it is told more.
    pub(crate) tell_at: Time,
    /// When it last told us addresses.
    pub(crate) pex_received: Option<Time>,
    pub(crate) news: News,
    /// Pieces that we suggested to it and that it does not have yet, and whether it has asked.
    pub(crate) suggestions: Vec<(PieceIndex, bool)>,
    pub(crate) bad_blocks: u32,
    /// Since when neither side has anything that the other lacks.
    pub(crate) useless_since: Option<Time>,
}

impl Session {
    /// It has said its hello and nothing else.
    pub(crate) fn new(
        now: Time,
        conn: ConnId,
        peer: PeerId,
        addr: SocketAddr,
        side: Side,
        hello: Hello,
    ) -> Self {
        Self {
            conn,
            peer,
            addr,
            side,
            connected: now,
            have: None,
            counted_as_seed: false,
            wanted: 0,
            wants_us: false,
            chokes_us: true,
            choked: true,
            asked: Asked::new(now, hello.request_bytes_max, hello.run_blocks_max),
            served: Served::new(now),
            last_received: now,
            last_sent: now,
            leaves_wanted: Vec::new(),
            told: Vec::new(),
            tell_at: now,
            pex_received: None,
            news: News::new(now),
            suggestions: Vec::new(),
            bad_blocks: 0,
            useless_since: None,
            takes_long_runs: hello.features & LONG_RUNS != 0,
            listen_port: hello.listen_port,
            client: hello.client,
        }
    }

    /// Queues a message, and counts its bytes as not yet flushed.
    pub(crate) fn send(&mut self, now: Time, message: Message, out: &mut Outbox) -> u64 {
        let len = message.encoded_len() as u64;
        self.note_queued(now, len);
        out.push(Output::Send { conn: self.conn, message });
        len
    }

    /// As [`Self::send`], for `len` bytes of blocks that are sent from where they are.
    pub(crate) fn send_in_place(
        &mut self,
        now: Time,
        (run, len): (BlockRun, u64),
        place: Whereabouts,
        out: &mut Outbox,
    ) -> u64 {
        let len = BLOCK_FRAME_HEAD as u64 + len;
        self.note_queued(now, len);
        out.push(Output::SendInPlace { conn: self.conn, run, place });
        len
    }

    fn note_queued(&mut self, now: Time, len: u64) {
        if self.served.unflushed == 0 {
            self.served.taken = now;
        }
        self.served.unflushed += len;
        self.last_sent = now;
    }

    /// Since when nothing has come from it, or it has taken nothing of what is there for it.
    pub(crate) fn silent_since(&self) -> Time {
        self.deaf_since().map_or(self.last_received, |since| since.min(self.last_received))
    }

    /// Since when it has taken nothing of what is there for it, if there is something.
    pub(crate) fn deaf_since(&self) -> Option<Time> {
        (self.served.unflushed > 0).then_some(self.served.taken)
    }

    /// Since when it may ask for what it wants and has not.
    pub(crate) fn unused_since(&self) -> Option<Time> {
        let Served { sent_since_unchoke, queue, reading, unchoked, .. } = &self.served;
        let asked = *sent_since_unchoke > 0 || !queue.is_empty() || !reading.is_empty();
        (!self.choked && !asked).then_some(*unchoked)
    }

    /// Whether it wants to be served, or is.
    pub(crate) const fn is_taker(&self) -> bool {
        self.wants_us || !self.choked
    }

    /// Whether neither side wants anything of the other, as far as it has said what it has.
    pub(crate) const fn is_idle(&self) -> bool {
        !self.wants_us && self.wanted == 0
    }

    /// Whether it has a piece.
    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        self.have.as_ref().is_some_and(|have| have.has(piece))
    }

    /// Whether it has every piece.
    pub(crate) fn is_seed(&self) -> bool {
        self.have.as_ref().is_some_and(Bitfield::is_full)
    }

    /// It asked for a piece: false if that was not a piece suggested to it.
    pub(crate) fn took_suggestion(&mut self, piece: PieceIndex) -> bool {
        let suggestion = self.suggestions.iter_mut().find(|(suggested, _)| *suggested == piece);
        suggestion.map(|(_, asked)| *asked = true).is_some()
    }

    /// Suggestions that it has not asked for.
    pub(crate) fn suggestions_open(&self) -> usize {
        self.suggestions.iter().filter(|(_, asked)| !asked).count()
    }

    /// Whether requests to it make sense now.
    pub(crate) const fn serves_us(&self) -> bool {
        !self.chokes_us && self.wanted > 0
    }
}

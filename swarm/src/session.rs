//! One peer: what it said, what we asked of it, and what it asked of us.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use swarm_proto::{
    bitfield::Bitfield,
    codec::Frame as _,
    geometry::{BlockRun, Geometry, PieceIndex, RUN_BLOCKS_MAX},
    id::PeerId,
    message::{Hello, Message, PeerAddr},
};

use crate::{
    ConnId, Outbox, Output, Side, Time,
    gossip::News,
    rate::Rate,
    request::{Pace, Sent},
};

/// Pieces are chosen one by one down to this length in bytes. Of smaller ones the neighbours come along:
/// both ends find files that lie together, and tables that are in the processor's cache.
const IN_ORDER: u64 = 256 << 10;
/// Requests out to one peer at a time: enough for thousands of tiny pieces a second at 100 ms, few
/// enough to search through.
pub(crate) const ASKED_MAX: usize = 512;
/// So many requests are worth to be sent by the dozen.
const MANY: usize = 64;
/// Requests that were taken back and whose answer may still be on its way; the oldest is given up.
const GHOSTS_MAX: usize = 1024;
/// A peer that has suggested a piece within this time is expected to suggest the next one.
const LED: Duration = Duration::from_millis(250);
/// How long a peer may owe the answer to a cancelled request before it is not expected any more.
const OWED: Duration = Duration::from_secs(10);
/// Pieces that a peer suggested and that were not begun yet; the oldest is given up.
const SUGGESTED_MAX: usize = 256;

/// One connected peer.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) conn: ConnId,
    pub(crate) peer: PeerId,
    pub(crate) addr: SocketAddr,
    pub(crate) side: Side,
    pub(crate) client: String,
    pub(crate) listen_port: u16,
    pub(crate) connected: Time,
    /// What it has; `None` until it has said so, which must be the first thing it says.
    pub(crate) have: Option<Bitfield>,
    /// It is counted among the picker's seeds: it had everything when it came, and lost nothing.
    pub(crate) counted_as_seed: bool,
    /// Pieces that it has and we lack. If there are some, it was told that we are interested.
    pub(crate) wanted: u32,
    /// It told us that it is.
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
            listen_port: hello.listen_port,
            client: hello.client,
        }
    }

    /// Queues a message, and counts its bytes as not yet flushed.
    pub(crate) fn send(&mut self, now: Time, message: Message, out: &mut Outbox) -> u64 {
        let len = message.encoded_len() as u64;
        if self.served.unflushed == 0 {
            self.served.taken = now;
        }
        self.served.unflushed += len;
        self.last_sent = now;
        out.push(Output::Send { conn: self.conn, message });
        len
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

/// One request of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) run: BlockRun,
    pub(crate) len: u64,
    pub(crate) sent: Sent,
}

/// A request that is no longer counted on.
#[derive(Debug)]
struct Ghost {
    ask: Ask,
    /// When it was cancelled: an answer is due all the same. `None`: dropped by a choke.
    cancelled: Option<Time>,
}

/// What we asked a peer for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) pace: Pace,
    /// Payload from it.
    pub(crate) rate: Rate,
    pub(crate) received: u64,
    /// Requests to be answered, oldest first.
    queue: VecDeque<Ask>,
    bytes: u64,
    /// Nothing more is asked for as long as more requests than this wait for an answer.
    enough: usize,
    /// Requests that were taken back, or dropped by a choke. A choke and a request may cross on the
    /// wire, and so may a cancel and an answer: data for these is no fault.
    ghosts: VecDeque<Ghost>,
    /// Its own limits.
    bytes_max: u64,
    run_blocks_max: u32,
    /// Pieces that it suggests, and when it last did.
    pub(crate) suggested: VecDeque<PieceIndex>,
    suggested_at: Option<Time>,
    /// The piece that it was last asked for.
    pub(crate) current: Option<PieceIndex>,
    /// Length of it and of those before it that followed each other without a choice, in bytes.
    in_order: u64,
    /// It rejected requests: nothing is asked until then.
    pub(crate) hold_until: Time,
    pub(crate) rejects: u32,
    /// It has nothing that may be begun, as of this state of the picker.
    pub(crate) dry: Option<u64>,
}

impl Asked {
    fn new(now: Time, bytes_max: u32, run_blocks_max: u32) -> Self {
        Self {
            pace: Pace::new(now),
            rate: Rate::for_people(now),
            received: 0,
            queue: VecDeque::new(),
            bytes: 0,
            enough: usize::MAX,
            ghosts: VecDeque::new(),
            bytes_max: u64::from(bytes_max),
            run_blocks_max: run_blocks_max.clamp(1, RUN_BLOCKS_MAX),
            suggested: VecDeque::new(),
            suggested_at: None,
            current: None,
            in_order: 0,
            hold_until: Time::ZERO,
            rejects: 0,
            dry: None,
        }
    }

    /// Bytes to be answered.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The requests to be answered, oldest first.
    pub(crate) fn queue(&self) -> impl DoubleEndedIterator<Item = &Ask> + ExactSizeIterator {
        self.queue.iter()
    }

    /// Whether nothing is to be answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many bytes may be asked for beyond what is, where `window` is what we would like. A
    /// window may be passed by part of a run, the peer's limit may not. Once a window of many small
    /// requests is full, a quarter of the answers is awaited before it is filled again, so that both
    /// sides handle dozens at a time and are not woken for each.
    pub(crate) fn room(&mut self, now: Time, window: u64) -> u64 {
        let requests = self.queue.len();
        if self.bytes >= window || requests >= ASKED_MAX {
            self.enough = if requests < MANY { usize::MAX } else { requests / 4 * 3 };
            return 0;
        }
        if requests > self.enough || self.pace.is_snubbed_at(now) || now < self.hold_until {
            return 0;
        }
        self.enough = usize::MAX;
        self.bytes_max.saturating_sub(self.bytes)
    }

    /// The piece that it was last asked for, if the next one may follow without a choice of its own.
    pub(crate) fn may_go_on_from(&self) -> Option<PieceIndex> {
        self.current.filter(|_| self.in_order < IN_ORDER)
    }

    /// Blocks to ask for in one request.
    pub(crate) fn run_blocks(&self) -> u32 {
        self.pace.run_blocks().min(self.run_blocks_max)
    }

    /// A request goes out.
    pub(crate) fn ask(&mut self, now: Time, run: BlockRun, len: u64, piece_len: u64) {
        self.bytes += len;
        let sent = self.pace.sent(now, len, self.bytes);
        self.queue.push_back(Ask { run, len, sent });
        let piece = run.piece();
        match self.current.replace(piece) {
            Some(before) if before == piece => {}
            Some(before) if before.get() + 1 == piece.get() => self.in_order += piece_len,
            _ => self.in_order = piece_len,
        }
    }

    /// Blocks arrived: whether they were asked for, lately or at least once; what was asked and how
    /// long the answer took goes into the pace.
    pub(crate) fn answered(&mut self, now: Time, run: BlockRun) -> bool {
        let ask = if let Some(at) = self.queue.iter().position(|ask| ask.run == run) {
            let ask = self.queue.remove(at);
            self.bytes -= ask.map_or(0, |ask| ask.len);
            ask
        } else {
            let at = self.ghosts.iter().position(|ghost| ghost.ask.run == run);
            at.and_then(|at| self.ghosts.remove(at)).map(|ghost| ghost.ask)
        };
        let Some(ask) = ask else { return false };
        self.pace.arrived(now, &ask.sent, ask.len);
        self.rate.add(now, ask.len);
        self.received += ask.len;
        self.rejects = 0;
        true
    }

    /// It will not answer a request. Returns it if it was still to be answered.
    pub(crate) fn rejected(&mut self, run: BlockRun) -> Option<Ask> {
        // Taken back and rejected is the usual answer to a cancel, and nothing that is cancelled is
        // asked again before. What a choke dropped gets no answer, unless both crossed on the wire: then
        // the answer came before we could ask again.
        if self.forget_ghost(|ghost| ghost.ask.run == run && ghost.cancelled.is_some()) {
            return None;
        }
        let Some(at) = self.queue.iter().position(|ask| ask.run == run) else {
            self.forget_ghost(|ghost| ghost.ask.run == run);
            return None;
        };
        let ask = self.queue.remove(at)?;
        self.bytes -= ask.len;
        Some(ask)
    }

    fn forget_ghost(&mut self, is: impl Fn(&Ghost) -> bool) -> bool {
        let at = self.ghosts.iter().position(is);
        at.and_then(|at| self.ghosts.remove(at)).is_some()
    }

    /// Whether the peer still owes an answer for just this run, which was cancelled: asked again
    /// now, one answer could not be told from the other.
    pub(crate) fn owes(&self, now: Time, run: BlockRun) -> bool {
        let recent = |at| now.since(at) < OWED;
        self.ghosts.iter().any(|ghost| ghost.ask.run == run && ghost.cancelled.is_some_and(recent))
    }

    /// Takes back the requests for which `gone` holds, to be cancelled.
    pub(crate) fn take_back(&mut self, now: Time, gone: impl FnMut(&Ask) -> bool) -> Vec<Ask> {
        self.make_ghosts(Some(now), gone)
    }

    /// The peer has dropped all requests.
    pub(crate) fn dropped(&mut self) -> Vec<Ask> {
        self.make_ghosts(None, |_| true)
    }

    fn make_ghosts(
        &mut self,
        cancelled: Option<Time>,
        mut gone: impl FnMut(&Ask) -> bool,
    ) -> Vec<Ask> {
        let mut taken = Vec::new();
        self.queue.retain(|ask| {
            let take = gone(ask);
            if take {
                taken.push(*ask);
            }
            !take
        });
        self.bytes -= taken.iter().map(|ask| ask.len).sum::<u64>();
        self.ghosts.extend(taken.iter().map(|&ask| Ghost { ask, cancelled }));
        let excess = self.ghosts.len().saturating_sub(GHOSTS_MAX);
        self.ghosts.drain(..excess);
        taken
    }

    /// It suggests a piece.
    pub(crate) fn suggest(&mut self, now: Time, piece: PieceIndex) {
        self.suggested_at = Some(now);
        if !self.suggested.contains(&piece) {
            self.suggested.push_back(piece);
        }
        if self.suggested.len() > SUGGESTED_MAX {
            self.suggested.pop_front();
        }
    }

    /// Whether it is about to suggest what to ask it for next.
    pub(crate) fn is_led(&self, now: Time) -> bool {
        self.suggested_at.is_some_and(|last| now.since(last) < LED)
    }

    /// The request that was sent first.
    pub(crate) fn oldest(&self) -> Option<&Ask> {
        self.queue.front()
    }
}

/// What a peer asked us for.
#[derive(Debug)]
pub(crate) struct Served {
    /// Payload to it.
    pub(crate) rate: Rate,
    pub(crate) sent: u64,
    pub(crate) sent_since_unchoke: u64,
    /// When it was last unchoked.
    pub(crate) unchoked: Time,
    /// Requests to be read, oldest first.
    pub(crate) queue: VecDeque<BlockRun>,
    pub(crate) queued: u64,
    /// Requests being read, oldest first, and their bytes.
    pub(crate) reading: VecDeque<BlockRun>,
    pub(crate) reading_bytes: u64,
    /// Bytes of messages that have not left for the kernel, and how fast they leave.
    pub(crate) unflushed: u64,
    pub(crate) drain: Rate,
    /// When it last took something, or had nothing to take.
    pub(crate) taken: Time,
    /// Bytes that it may be sent before others have their turn.
    pub(crate) credit: i64,
    /// It stands in the line of those to be served.
    pub(crate) in_line: bool,
    /// Requests past its limit, since the last one within it.
    pub(crate) excess: u32,
}

impl Served {
    const fn new(now: Time) -> Self {
        Self {
            rate: Rate::for_people(now),
            sent: 0,
            sent_since_unchoke: 0,
            unchoked: now,
            queue: VecDeque::new(),
            queued: 0,
            reading: VecDeque::new(),
            reading_bytes: 0,
            unflushed: 0,
            drain: Rate::new(now),
            taken: now,
            credit: 0,
            in_line: false,
            excess: 0,
        }
    }

    /// A request to be served.
    pub(crate) fn push(&mut self, geometry: &Geometry, run: BlockRun) {
        self.queue.push_back(run);
        self.queued += u64::from(geometry.run_len(run));
    }

    /// The next request to be read.
    pub(crate) fn pop(&mut self, geometry: &Geometry) -> Option<BlockRun> {
        let run = self.queue.pop_front()?;
        let len = u64::from(geometry.run_len(run));
        self.queued -= len;
        self.reading_bytes += len;
        self.reading.push_back(run);
        Some(run)
    }

    /// A request was read. False if it is no longer wanted.
    pub(crate) fn read(&mut self, geometry: &Geometry, run: BlockRun) -> bool {
        let Some(at) = self.reading.iter().position(|&reading| reading == run) else {
            return false;
        };
        self.reading.remove(at);
        self.reading_bytes -= u64::from(geometry.run_len(run));
        true
    }

    /// Drops a request. False if it was not there.
    pub(crate) fn cancel(&mut self, geometry: &Geometry, run: BlockRun) -> bool {
        if let Some(at) = self.queue.iter().position(|&queued| queued == run) {
            self.queue.remove(at);
            self.queued -= u64::from(geometry.run_len(run));
            return true;
        }
        self.read(geometry, run)
    }

    /// Drops the requests for these pieces, ascending, that are not being read.
    pub(crate) fn withdraw(&mut self, geometry: &Geometry, pieces: &[PieceIndex]) -> Vec<BlockRun> {
        let gone = |run: &BlockRun| pieces.binary_search(&run.piece()).is_ok();
        let (dropped, kept): (Vec<_>, _) = self.queue.drain(..).partition(gone);
        self.queue = kept.into();
        self.queued -= dropped.iter().map(|&run| u64::from(geometry.run_len(run))).sum::<u64>();
        dropped
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.queued = 0;
        self.reading.clear();
        self.reading_bytes = 0;
    }
}

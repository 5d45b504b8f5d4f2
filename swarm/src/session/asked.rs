//! What we asked of a peer, and what of it may still come.

use std::{collections::VecDeque, time::Duration};

use swarm_proto::geometry::{BlockRun, PieceIndex, RUN_BLOCKS_MAX};

use crate::{
    Time,
    rate::Rate,
    request::{Pace, Sent},
};

/// Pieces are chosen one by one down to this length in bytes. Of smaller ones the neighbours come along:
/// both ends find files that lie together, and tables that are in the processor's cache.
const IN_ORDER: u64 = 256 << 10;
/// Where all peers are seeds there is nobody to whom our pieces should differ from those of others, and to go
/// on in order is kindest to both disks.
const fn in_order_max(all_are_seeds: bool) -> u64 {
    if all_are_seeds { u64::MAX } else { IN_ORDER }
}

/// Requests out to one peer at a time: enough for thousands of tiny pieces a second at 100 ms, few
/// enough to search through.
const ASKED_MAX: usize = 512;
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
    pub(super) fn new(now: Time, bytes_max: u32, run_blocks_max: u32) -> Self {
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
    pub(crate) fn may_go_on_from(&self, all_are_seeds: bool) -> Option<PieceIndex> {
        self.current.filter(|_| self.in_order < in_order_max(all_are_seeds))
    }

    /// For how many bytes those after a piece may follow without a choice of their own.
    pub(crate) fn may_follow(&self, piece: PieceIndex, all_are_seeds: bool) -> u64 {
        let goes_on = self.current.is_some_and(|before| before.get() + 1 == piece.get());
        let max = in_order_max(all_are_seeds);
        max.saturating_sub(if goes_on { self.in_order } else { 0 })
    }

    /// Blocks to ask for in one request.
    pub(crate) fn run_blocks(&self) -> u32 {
        self.pace.run_blocks().min(self.run_blocks_max)
    }

    /// A request goes out.
    pub(crate) fn ask(&mut self, now: Time, run: BlockRun, len: u64) {
        self.bytes += len;
        let sent = self.pace.sent(now, len, self.bytes);
        self.queue.push_back(Ask { run, len, sent });
    }

    /// It is asked for blocks of this piece, of so many bytes.
    pub(crate) fn go_on_to(&mut self, piece: PieceIndex, piece_len: u64) {
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

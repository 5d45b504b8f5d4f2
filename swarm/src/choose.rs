//! Which blocks to ask of a peer: what it suggests, what is begun, the neighbour of a small piece (of any, where
//! all peers are seeds), what is rare, or what comes next.

use swarm_proto::geometry::{BlockRun, PieceIndex, RUN_BLOCKS_MAX};

use crate::{ConnId, Order, Priority, Swarm, Time};

/// So many pieces are begun at random before the rarest are: to have something to give soon.
const RANDOM_FIRST: u32 = 4;
/// Unfinished pieces at a time. It bounds what a state per block may take: 40 KiB a piece of 16 MiB.
const UNFINISHED_MAX: usize = 4096;
/// Open pieces that are looked at for one request.
const OPEN_LOOKED_AT: usize = 64;

/// What to ask of a peer.
pub(crate) enum Choice {
    /// These blocks.
    Ask(BlockRun),
    /// Nothing yet: it will be looked at again soon whatever happens.
    Later,
    /// Nothing, until blocks become free or it has more.
    Nothing,
}

impl Swarm {
    /// What to ask of a peer next, from the files that are wanted most.
    pub(crate) fn choose(&mut self, now: Time, conn: ConnId, max: u32) -> Choice {
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
    /// that it is at, else an open piece, else a new one: the next one where pieces are small
    /// or all peers are seeds, or one of the rarest.
    fn choose_from(&mut self, class: Priority, now: Time, conn: ConnId, max: u32) -> Choice {
        let all_are_seeds = self.all_are_seeds();
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
        let rarest = self.announcer.rarest();
        let is_led = session.asked.is_led(now);
        // Not while it leads, nor before what the whole swarm has the least of.
        let next = session
            .asked
            .may_go_on_from(all_are_seeds)
            .filter(|&piece| fits(piece) && !is_led)
            .and_then(|piece| picker.neighbour(geometry, piece, theirs))
            .filter(|_| !picker.may_begin_any(geometry, rarest, theirs));
        let piece = if next.is_some() {
            next
        } else if begun < RANDOM_FIRST {
            self.picker.pick_any(geometry, class, theirs, &mut self.rng)
        } else {
            self.picker.pick(geometry, class, theirs, rarest, &mut self.rng)
        };
        // A peer that tells everyone which of the pieces that only it has they should fetch is not
        // asked for those of others.
        if piece.is_some_and(|piece| self.picker.copies(piece) == 1) && is_led {
            return Choice::Later;
        }
        let run = piece.and_then(|piece| ledger.free_run(piece, max));
        run.map_or(Choice::Nothing, Choice::Ask)
    }

    /// Whether every peer had everything when it came.
    fn all_are_seeds(&self) -> bool {
        self.picker.seeds() as usize == self.sessions.len()
    }

    /// A run that is a small file goes on into the files that follow, as far as they would be chosen next: then
    /// both ends handle dozens of them as one.
    pub(crate) fn lengthen(&self, now: Time, conn: ConnId, run: BlockRun, max: u32) -> BlockRun {
        let geometry = self.manifest.geometry();
        let Some(session) = self.sessions.get(&conn).filter(|peer| peer.takes_long_runs) else {
            return run;
        };
        let Some(theirs) = &session.have else { return run };
        let is_whole =
            run.count() == geometry.block_count(run.piece()) && geometry.is_file(run.piece());
        // Before what follows comes what the peer suggests, and what the whole swarm has the least of.
        if !is_whole
            || self.config.order != Order::RarestFirst
            || session.asked.is_led(now)
            || !session.asked.suggested.is_empty()
            || self.picker.may_begin_any(geometry, self.announcer.rarest(), theirs)
        {
            return run;
        }
        let max = max.min(RUN_BLOCKS_MAX);
        let (mut last, mut count) = (run.piece(), run.count());
        let mut room = session.asked.may_follow(last, self.all_are_seeds());
        let mut begun = self.ledger.unfinished().len();
        loop {
            room = room.saturating_sub(geometry.piece_len(last).into());
            begun += 1;
            let next = self.picker.neighbour(geometry, last, theirs).filter(|&next| {
                room > 0
                    && begun < UNFINISHED_MAX
                    && count + geometry.block_count(next) <= max
                    && geometry.is_file(next)
            });
            let Some(next) = next else { break };
            (last, count) = (next, count + geometry.block_count(next));
        }
        geometry.long_run(run.piece(), 0, count).unwrap_or(run)
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
}

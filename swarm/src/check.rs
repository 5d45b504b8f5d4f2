//! Truths that hold between any two inputs, for tests and the simulator.

use swarm_proto::geometry::{BlockRun, PieceIndex};

use crate::{Side, Swarm};

impl Swarm {
    /// Looks for a contradiction between the parts.
    ///
    /// It goes over every piece and peer: meant for tests, after each input.
    ///
    /// # Errors
    /// If there is one, in words.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_memory()?;
        self.check_requests()?;
        self.check_counts()
    }

    fn check_memory(&self) -> Result<(), String> {
        let used = self.ledger.requested() + self.ledger.storing();
        if used > self.config.buffer_bytes {
            return Err(format!("{used} bytes are asked for or being stored: too many"));
        }
        let unflushed: u64 = self.sessions.values().map(|s| s.served.unflushed).sum();
        if unflushed != self.serve.unflushed {
            return Err(format!("{unflushed} bytes unflushed, noted {}", self.serve.unflushed));
        }
        let reading: u64 = self.sessions.values().map(|s| s.served.reading_bytes).sum();
        if reading > self.serve.reading {
            return Err(format!("{reading} bytes being read, noted {}", self.serve.reading));
        }
        Ok(())
    }

    /// Every block that the ledger says is asked of a peer is in that peer's queue, and the sums of
    /// the queues are right.
    fn check_requests(&self) -> Result<(), String> {
        self.ledger.check(|conn, piece, block| {
            self.sessions.get(&conn).is_some_and(|session| {
                session.asked.queue().any(|ask| self.covers(ask.run, piece, block))
            })
        })?;
        for session in self.sessions.values() {
            let asked: u64 = session.asked.queue().map(|ask| ask.len).sum();
            if asked != session.asked.bytes() {
                return Err(format!("{asked} bytes asked of {:?}, not as noted", session.conn));
            }
            if !session.asked.is_empty() && self.fetch_deadline().is_none() {
                return Err(format!("{:?} is asked and never looked at", session.conn));
            }
            if session.chokes_us && !session.asked.is_empty() {
                return Err(format!("{:?} chokes us and is asked", session.conn));
            }
            if session.choked && !session.served.queue.is_empty() {
                return Err(format!("{:?} is choked and waits", session.conn));
            }
        }
        Ok(())
    }

    fn covers(&self, run: BlockRun, piece: PieceIndex, block: u32) -> bool {
        match piece.get().checked_sub(run.piece().get()) {
            Some(0) => run.blocks().contains(&block),
            // Each piece has a block at least.
            Some(after) if after < run.count() => {
                let mut parts = self.geometry().parts(run);
                parts.any(|part| part.piece() == piece && part.blocks().contains(&block))
            }
            _ => false,
        }
    }

    fn check_counts(&self) -> Result<(), String> {
        for session in self.sessions.values() {
            let wanted = session.have.as_ref().map_or(0, |have| self.ledger.lacking_of(have));
            let gives = self.fetch.givers.contains(&session.conn);
            if wanted != session.wanted || gives != (wanted > 0) {
                return Err(format!("{:?} has {wanted} wanted pieces, not as noted", session.conn));
            }
        }
        if let Some(gone) =
            self.fetch.givers.iter().find(|giver| !self.sessions.contains_key(giver))
        {
            return Err(format!("{gone:?} is gone and gives"));
        }
        let takers = self.sessions.values().filter(|session| session.is_taker()).count();
        let dialed = self.sessions.values().filter(|session| session.side == Side::Dialed).count();
        let noted = (self.serve.takers as usize, self.members.dialed as usize);
        if (takers, dialed) != noted {
            return Err(format!("{takers} takers and {dialed} dialled, noted {noted:?}"));
        }
        for piece in self.geometry().pieces() {
            if self.picker.is_fresh(piece) != self.ledger.is_missing(piece) {
                return Err(format!("piece {} is fresh or missing, not both", piece.get()));
            }
        }
        let seeds = self.sessions.values().filter(|session| session.counted_as_seed).count() as u32;
        let others = self.sessions.values().filter(|session| !session.counted_as_seed);
        let others = others.filter_map(|session| session.have.as_ref());
        self.picker.check(self.geometry(), seeds, others)
    }
}

//! What front ends see: the state of all parts as plain data.

use swarm_proto::{bitfield::Bitfield, geometry::PieceIndex};

use crate::{
    BlockState, ConnId, PARTIALS_MAX, PartialSnapshot, PeerSnapshot, RUNS_MAX, RunSnapshot, Side,
    Snapshot, State, Swarm, Time,
    partial::{Block, Partial},
    rate::Rate,
    session::Session,
    swarm::Mode,
};

impl Swarm {
    /// The state as front ends see it.
    #[must_use]
    pub fn snapshot(&mut self, now: Time) -> Snapshot {
        self.survey.update(now, &self.picker, self.ledger.have());
        let have = self.ledger.have();
        let (bytes, bytes_have) = (self.geometry().total_bytes(), self.ledger.bytes_have());
        let state = self.state();
        // A mean goes on for a while; where nobody is there is nothing to go on.
        let alone = self.sessions.is_empty();
        let rate = |rate: &Rate| if alone { 0 } else { rate.per_second(now) };
        Snapshot {
            swarm: self.manifest.id(),
            state,
            bottleneck: self.bottleneck(now),
            pieces: have.len(),
            pieces_have: have.count(),
            pieces_wanted: have.count() + self.ledger.lacking(),
            bytes,
            bytes_have,
            bytes_wanted: bytes_have + self.ledger.bytes_lacking(),
            down_rate: rate(&self.fetch.rate),
            up_rate: rate(&self.serve.rate),
            down_limit: self.fetch.bucket.limit(),
            up_limit: self.serve.bucket.limit(),
            eta_s: (state == State::Downloading)
                .then(|| self.ledger.bytes_lacking().saturating_sub(self.ledger.unverified()))
                .and_then(|missing| self.fetch.estimate.seconds(now, missing)),
            totals: self.totals,
            corrupt_pieces: self.blame.corrupt_pieces(),
            endgame: self.is_fetching() && self.is_all_asked_for(),
            requested: self.ledger.requested(),
            storing: self.ledger.storing(),
            buffer: self.config.buffer_bytes,
            unchoked: self.sessions.values().filter(|session| !session.choked).count() as u32,
            upload_slots: self.config.upload_slots,
            choke_s: self.choker.due().since(now).as_secs() as u32,
            known_peers: self.book.len() as u32,
            peers: self.sessions.values().map(|session| self.peer_snapshot(now, session)).collect(),
            trackers: self.announcer.snapshot(now),
            copies_min: self.survey.min,
            copies_mean: self.survey.mean,
            availability: self.survey.buckets.clone(),
            have: have.to_bytes(),
            in_flight: self.ledger.unfinished().map(PieceIndex::get).collect(),
            partials: self.partials(),
            priorities: self.priorities.clone(),
        }
    }

    /// The blocks of the first unfinished pieces.
    fn partials(&self) -> Vec<PartialSnapshot> {
        let mut room = RUNS_MAX;
        let views = self.ledger.partials().take(PARTIALS_MAX).map(|(piece, partial)| {
            let view = self.partial_snapshot(piece, partial);
            room = room.checked_sub(view.runs.len())?;
            Some(view)
        });
        views.map_while(|view| view).collect()
    }

    fn partial_snapshot(&self, piece: PieceIndex, partial: &Partial) -> PartialSnapshot {
        let asked = |conn: &ConnId| self.sessions.get(conn).map(|session| session.peer);
        let mut runs: Vec<RunSnapshot> = Vec::new();
        for (first, block) in (0..).zip(partial.blocks()) {
            let state = match block {
                Block::Free => BlockState::Missing,
                Block::Requested(holders) => holders
                    .as_slice()
                    .iter()
                    .find_map(asked)
                    .map_or(BlockState::Missing, BlockState::Requested),
                Block::Storing(from) => BlockState::Storing(partial.sender(*from)),
                Block::Stored { from, .. } => BlockState::Stored(partial.sender(*from)),
            };
            match runs.last_mut() {
                Some(run) if run.state == state => run.count += 1,
                _ => runs.push(RunSnapshot { first, count: 1, state }),
            }
        }
        PartialSnapshot { piece: piece.get(), blocks: partial.blocks().len() as u32, runs }
    }

    fn peer_snapshot(&self, now: Time, session: &Session) -> PeerSnapshot {
        let (asked, served) = (&session.asked, &session.served);
        PeerSnapshot {
            id: session.peer,
            addr: session.addr,
            client: session.client.clone(),
            dialed: session.side == Side::Dialed,
            pieces: session.have.as_ref().map_or(0, Bitfield::count),
            interested: session.wanted > 0,
            choked_by: session.chokes_us,
            wants_us: session.wants_us,
            choking: session.choked,
            optimistic: self.serve.optimistic == Some(session.conn),
            snubbed: asked.pace.is_snubbed(),
            down_rate: asked.rate.per_second(now),
            up_rate: served.rate.per_second(now),
            downloaded: asked.received,
            uploaded: served.sent,
            requested: asked.bytes(),
            window: asked.pace.window(),
            latency_us: asked.pace.latency().map_or(0, |latency| latency.as_micros() as u64),
            bad_blocks: session.bad_blocks,
        }
    }

    fn state(&self) -> State {
        match self.mode {
            Mode::Stopped => State::Stopped,
            Mode::Paused => State::Paused,
            Mode::Running if self.disk.is_checking() => State::Checking,
            Mode::Running if !self.disk.is_well() => State::DiskTrouble,
            Mode::Running if self.disk.is_done() => State::Seeding,
            Mode::Running if self.ledger.is_complete() => State::Finishing,
            Mode::Running => State::Downloading,
        }
    }
}

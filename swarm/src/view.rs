//! What front ends see: the state of all parts as plain data.

use swarm_proto::{bitfield::Bitfield, geometry::PieceIndex};

use crate::{
    Bottleneck, PeerSnapshot, Side, Snapshot, State, Swarm, Time, session::Session, swarm::Mode,
};

impl Swarm {
    /// The state as front ends see it.
    #[must_use]
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let have = self.ledger.have();
        let (bytes, bytes_have) = (self.geometry().total_bytes(), self.ledger.bytes_have());
        let down_rate = self.fetch.rate.per_second(now);
        let (copies_min, copies_mean) = self.picker.spread();
        Snapshot {
            swarm: self.manifest.id(),
            state: self.state(),
            bottleneck: self.bottleneck(down_rate),
            pieces: have.len(),
            pieces_have: have.count(),
            bytes,
            bytes_have,
            down_rate,
            up_rate: self.serve.rate.per_second(now),
            eta_s: (bytes - bytes_have).checked_div(down_rate).filter(|_| !have.is_full()),
            totals: self.totals,
            peers: self.sessions.values().map(|session| self.peer_snapshot(now, session)).collect(),
            trackers: self.announcer.snapshot(now),
            copies_min: copies_min + self.fewest_of_ours(copies_min),
            copies_mean: copies_mean + have.count() as f32 / have.len().max(1) as f32,
            have: have.to_bytes(),
            in_flight: self.ledger.unfinished().map(PieceIndex::get).collect(),
        }
    }

    /// 1 if we have every piece of which the fewest copies exist.
    fn fewest_of_ours(&self, copies_min: u32) -> u32 {
        let mut rarest = self.geometry().pieces().filter(|&p| self.picker.copies(p) == copies_min);
        u32::from(rarest.all(|piece| self.ledger.have().has(piece)))
    }

    fn peer_snapshot(&self, now: Time, session: &Session) -> PeerSnapshot {
        let (asked, served) = (&session.asked, &session.served);
        PeerSnapshot {
            id: session.peer,
            addr: session.addr,
            client: session.client.clone(),
            dialed: session.side == Side::Dialed,
            pieces: session.have.as_ref().map_or(0, Bitfield::count),
            interested: session.interested,
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
            Mode::Running if self.ledger.have().is_full() => State::Finishing,
            Mode::Running => State::Downloading,
        }
    }

    /// The first thing that holds the download back, from the outside in: who is there, what they
    /// offer, whether they serve us, then our own limits.
    fn bottleneck(&self, down_rate: u64) -> Bottleneck {
        if self.ledger.have().is_full() || self.mode != Mode::Running {
            return Bottleneck::None;
        }
        let offering = || self.sessions.values().filter(|session| session.wanted > 0);
        let (requested, storing) = (self.ledger.requested(), self.ledger.storing());
        if self.sessions.is_empty() {
            Bottleneck::NoPeers
        } else if offering().next().is_none() {
            Bottleneck::NothingOffered
        } else if offering().all(|session| session.chokes_us) {
            Bottleneck::Choked
        } else if !self.disk.is_well() || (storing > requested && self.memory_is_used()) {
            Bottleneck::Disk
        } else if self.is_limited(down_rate) {
            Bottleneck::Limit
        } else {
            Bottleneck::Network
        }
    }

    /// Whether what is asked for and what waits for the disk fill most of the memory.
    fn memory_is_used(&self) -> bool {
        let used = self.ledger.requested() + self.ledger.storing();
        used > self.config.buffer_bytes / 4 * 3
    }

    /// Whether the download runs at nine tenths of the user's limit or more.
    fn is_limited(&self, down_rate: u64) -> bool {
        self.fetch.bucket.limit().is_some_and(|limit| down_rate >= limit / 10 * 9)
    }
}

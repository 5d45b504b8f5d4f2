//! The registry: soft state about swarms, peers and their pieces. Pure: time and chance come in.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use swarm_proto::{
    announce::{TrackerReply, TrackerRequest},
    id::PeerId,
};

/// Limits and intervals.
#[derive(Debug, Clone, Default)]
pub struct Config {}

/// All swarms of one tracker.
#[derive(Debug)]
pub struct Registry {}

impl Registry {
    /// An empty registry. `seed` decides every random choice and keys the hashing.
    #[must_use]
    pub fn new(_config: Config, _seed: [u8; 32]) -> Self {
        todo!()
    }

    /// Answers one request of an authenticated peer seen at `from`. `now` is the time since the
    /// caller's start.
    pub fn handle(
        &mut self,
        _now: Duration,
        _peer: PeerId,
        _from: SocketAddr,
        _request: TrackerRequest,
    ) -> TrackerReply {
        let _: Option<IpAddr> = None;
        todo!()
    }

    /// Forgets who has not announced in time, spending at most `budget` peers' worth of work.
    pub fn expire(&mut self, _now: Duration, _budget: usize) {
        todo!()
    }
}

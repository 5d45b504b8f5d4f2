//! What came of a run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use swarm_engine::Time;

use super::world::NodeId;

/// Something that must never happen, happened.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed of the run.
    pub seed: u64,
    /// When.
    pub time: Time,
    /// Where, if at one node.
    pub node: Option<NodeId>,
    /// What.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, at {}", self.seed, self.time)?;
        if let Some(node) = self.node {
            write!(f, ", node {}", node.0)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for Failure {}

/// What one node did.
#[derive(Debug, Clone, Default)]
pub struct NodeReport {
    /// It had every piece from the start.
    pub seeder: bool,
    /// It does not keep to the rules.
    pub rogue: bool,
    /// When it joined.
    pub started: Time,
    /// How long after that it had everything verified, synced and in place.
    pub finished: Option<Duration>,
    /// Payload bytes that it queued for others.
    pub uploaded: u64,
    /// Payload bytes that came in, by sender.
    pub downloaded: BTreeMap<NodeId, u64>,
    /// Payload bytes that came in although they were there.
    pub duplicate: u64,
    /// Payload bytes that came in and were not the true ones.
    pub corrupt: u64,
    /// Whom it banned.
    pub banned: Vec<NodeId>,
    /// True blocks that came in and were not lost again: piece and block.
    pub(super) got: BTreeSet<(u32, u32)>,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Condensed list of everything that happened; see [`Trace`](super::trace::Trace).
    pub trace: u64,
    /// How long it took.
    pub time: Duration,
    /// Bytes in the share.
    pub bytes: u64,
    /// The nodes in the order in which they were added.
    pub nodes: Vec<NodeReport>,
}

impl Report {
    /// When the last leecher to finish did, counted from its start; `None` if one did not.
    #[must_use]
    pub fn last_finish(&self) -> Option<Duration> {
        let times: Option<Vec<_>> = self.leechers().map(|node| node.finished).collect();
        times?.into_iter().max()
    }

    /// When half of the leechers had finished, counted from their start; `None` if one did not.
    #[must_use]
    pub fn median_finish(&self) -> Option<Duration> {
        let times: Option<Vec<_>> = self.leechers().map(|node| node.finished).collect();
        let mut times = times?;
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// Copies of the share that the seeders sent.
    #[must_use]
    pub fn seed_copies(&self) -> f64 {
        let sent: u64 = self.nodes.iter().filter(|n| n.seeder).map(|n| n.uploaded).sum();
        sent as f64 / self.bytes.max(1) as f64
    }

    /// Payload bytes that came to honest nodes although they were there.
    #[must_use]
    pub fn duplicate(&self) -> u64 {
        self.nodes.iter().map(|node| node.duplicate).sum()
    }

    /// The honest nodes that lacked a piece when they started.
    pub fn leechers(&self) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(|node| !node.seeder && !node.rogue)
    }
}

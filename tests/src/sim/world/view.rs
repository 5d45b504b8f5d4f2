//! What a test sees of a world.

use std::time::Duration;

use swarm_engine::{ConnId, Snapshot, Time};

use super::{Actor, NodeId, World};
use crate::sim::{env::Env, net::other_end, node::Node, report::Report};

impl World {
    /// The present.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.env.queue.now()
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.actors.len()).map(NodeId)
    }

    /// Whether a node's process runs.
    #[must_use]
    pub fn alive(&self, node: NodeId) -> bool {
        self.env.card(node).alive
    }

    /// Whether a node has finished, in this or an earlier life.
    #[must_use]
    pub fn finished(&self, node: NodeId) -> bool {
        self.env.reports[node.0].finished.is_some()
    }

    /// Whether every honest node that is alive has finished, and none is still to come.
    #[must_use]
    pub fn all_finished(&self) -> bool {
        !self.nodes().any(|node| self.unfinished(node))
    }

    /// Whether the honest nodes that are alive, without this one, hold every piece together.
    #[must_use]
    pub fn complete_without(&self, node: NodeId) -> bool {
        let mut copies = self.copies();
        for piece in self.honest(node).iter().flat_map(|node| node.disk().recorded().iter()) {
            copies[piece as usize] -= u32::from(self.alive(node));
        }
        copies.iter().all(|&copies| copies > 0)
    }

    /// How many honest nodes that are alive have recorded each piece.
    #[must_use]
    pub fn copies(&self) -> Vec<u32> {
        let mut copies = vec![0; self.env.share.geometry().piece_count() as usize];
        for node in self.nodes().filter(|node| self.alive(*node)) {
            for piece in self.honest(node).iter().flat_map(|node| node.disk().recorded().iter()) {
                copies[piece as usize] += 1;
            }
        }
        copies
    }

    /// How many pieces a node has verified and recorded.
    #[must_use]
    pub fn recorded(&self, node: NodeId) -> u32 {
        self.honest(node).map_or(0, |node| node.disk().recorded().count())
    }

    /// What a front end of a node would see.
    #[must_use]
    pub fn snapshot(&mut self, node: NodeId) -> Option<Snapshot> {
        let now = self.now();
        match &mut self.actors[node.0] {
            Actor::Honest(actor) => actor.snapshot(now),
            Actor::Rogue(_) => None,
        }
    }

    /// The nodes that a node is connected to, once for each connection.
    #[must_use]
    pub fn neighbours(&self, node: NodeId) -> Vec<NodeId> {
        let others = self.conns(node).filter_map(|conn| self.ends.get(&other_end(conn)).copied());
        let mut others: Vec<_> = others.collect();
        others.sort_unstable();
        others
    }

    /// How long a node's uplink has been sending.
    #[must_use]
    pub fn uplink_busy(&self, node: NodeId) -> Duration {
        self.env.net.busy(self.env.card(node).host)
    }

    /// What everything came to so far.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            seed: self.seed,
            trace: self.env.trace.digest(),
            time: self.now().since(Time::ZERO),
            bytes: self.env.share.geometry().total_bytes(),
            nodes: self.env.reports.clone(),
        }
    }

    /// What all nodes share.
    #[must_use]
    pub const fn env(&self) -> &Env {
        &self.env
    }

    /// The node, unless it is a rogue.
    pub(super) fn honest(&self, node: NodeId) -> Option<&Node> {
        match &self.actors[node.0] {
            Actor::Honest(actor) => Some(actor),
            Actor::Rogue(_) => None,
        }
    }

    /// Whether a node is still to finish: not if it was there and is dead.
    pub(super) fn unfinished(&self, node: NodeId) -> bool {
        let report = &self.env.reports[node.0];
        let gone = !self.alive(node) && self.honest(node).is_some_and(|node| node.life() > 0);
        !report.rogue && report.finished.is_none() && !gone
    }

    /// The connections that a node knows of.
    pub(super) fn conns(&self, node: NodeId) -> impl Iterator<Item = ConnId> + '_ {
        self.ends.iter().filter(move |(_, at)| **at == node).map(|(conn, _)| *conn)
    }
}

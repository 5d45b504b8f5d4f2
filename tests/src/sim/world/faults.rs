//! What a test does to a world: to processes, links, disks and trackers.

use std::time::Duration;

use swarm_engine::{Command, Input};

use super::{Actor, NodeId, World};
use crate::sim::{disk::Disk, net::Host, report::Failure};

impl World {
    /// The process of a node dies. What it has not recorded is lost.
    pub fn kill(&mut self, node: NodeId) {
        self.env.cards[node.0].alive = false;
        self.ends.retain(|_, at| *at != node);
        self.env.net.kill(self.env.queue.now(), self.env.cards[node.0].host);
        if let Actor::Honest(actor) = &mut self.actors[node.0] {
            actor.kill(&mut self.env);
        }
    }

    /// A node that was killed or stopped starts again, from what it has recorded.
    pub fn start(&mut self, node: NodeId) {
        self.env.cards[node.0].alive = true;
        match &mut self.actors[node.0] {
            Actor::Honest(actor) => actor.start(&mut self.env),
            Actor::Rogue(rogue) => rogue.start(&mut self.env),
        }
        self.settle();
    }

    /// A node's user stops it: it says goodbye, and a second later its process is gone.
    ///
    /// # Errors
    /// If something happens that must not.
    pub fn stop(&mut self, node: NodeId) -> Result<(), Failure> {
        self.command(node, Command::Stop);
        self.run_for(Duration::from_secs(1))?;
        self.kill(node);
        Ok(())
    }

    /// A node's user asks its engine for something.
    pub fn command(&mut self, node: NodeId, command: Command) {
        if let Actor::Honest(actor) = &mut self.actors[node.0] {
            actor.handle(&mut self.env, Input::Command(command));
        }
        self.settle();
    }

    /// Lets nothing through between two nodes. Their connections stand still.
    pub fn cut(&mut self, a: NodeId, b: NodeId) {
        self.env.net.cut(self.env.card(a).host, self.env.card(b).host);
    }

    /// Lets everything through again.
    pub fn heal(&mut self, a: NodeId, b: NodeId) {
        let (a, b) = (self.env.card(a).host, self.env.card(b).host);
        self.env.net.heal(self.env.queue.now(), a, b);
    }

    /// Lets nothing through between a node and any other.
    pub fn isolate(&mut self, node: NodeId) {
        for other in self.nodes().filter(|other| *other != node) {
            self.cut(node, other);
        }
    }

    /// Lets everything through between a node and any other again.
    pub fn rejoin(&mut self, node: NodeId) {
        for other in self.nodes().filter(|other| *other != node) {
            self.heal(node, other);
        }
    }

    /// Breaks every connection of a node.
    pub fn reset(&mut self, node: NodeId) {
        let conns: Vec<_> = self.conns(node).collect();
        for conn in conns {
            self.env.net.reset(conn);
        }
        self.settle();
    }

    /// Changes what a node's access to the network is like.
    pub fn set_host(&mut self, node: NodeId, host: Host) {
        self.env.net.set_host(self.env.card(node).host, host);
    }

    /// A node's disk, to let something happen to it.
    pub fn disk(&mut self, node: NodeId) -> Option<&mut Disk> {
        match &mut self.actors[node.0] {
            Actor::Honest(actor) => Some(actor.disk_mut()),
            Actor::Rogue(_) => None,
        }
    }

    /// Somebody changes a file under a node, in this piece. What the node sends before it notices
    /// is its own fault.
    pub fn change_file(&mut self, node: NodeId, piece: u32) {
        let piece = self.env.share.geometry().piece(piece);
        if let (Some(piece), Some(disk)) = (piece, self.disk(node)) {
            disk.change(piece);
        }
    }

    /// A tracker stops. What it knew is gone.
    pub fn stop_tracker(&mut self, tracker: usize) {
        self.trackers[tracker].stop();
    }

    /// A tracker starts again, knowing nothing.
    pub fn start_tracker(&mut self, tracker: usize) {
        self.trackers[tracker].start();
    }

    /// A node's machine sleeps: nothing gets through to it, and no time passes for its process.
    pub fn suspend(&mut self, node: NodeId) {
        self.isolate(node);
        self.asleep.entry(node).or_default();
    }

    /// A node's machine wakes up. What its process waited for is there all at once.
    pub fn wake(&mut self, node: NodeId) {
        for event in self.asleep.remove(&node).into_iter().flatten() {
            self.env.queue.at(self.env.queue.now(), event);
        }
        self.rejoin(node);
    }
}

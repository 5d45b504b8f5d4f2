//! What all nodes of a world share: time, the network, the true bytes, and who is who.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use swarm_engine::{ConnId, Input, Target, TrackerIndex};
use swarm_proto::{
    geometry::BLOCK_LEN,
    id::PeerId,
    message::{Message, PeerAddr},
};

use super::{
    checker::Checker,
    clock::Queue,
    net::{self, HostId, Net},
    node::Job,
    report::NodeReport,
    share::Share,
    trace::Trace,
    tracker::Ask,
    world::NodeId,
};

/// How long a dial to a host that cannot be reached takes to fail.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// The port that every listening node listens on.
const PORT: u16 = 6881;

/// Something that happens in a world.
#[derive(Debug)]
pub enum Event {
    /// A node's process starts.
    Start(NodeId),
    /// In the network.
    Net(net::Event),
    /// A node learns something.
    Input {
        /// Who.
        to: NodeId,
        /// In which life; in a later one nobody waits for it.
        life: u32,
        /// What.
        input: Input,
    },
    /// The time that an engine asked for has come.
    Tick {
        /// Whose.
        to: NodeId,
        /// In which life.
        life: u32,
    },
    /// A disk has done a job.
    Job {
        /// Whose.
        to: NodeId,
        /// In which life.
        life: u32,
        /// Which.
        job: Job,
    },
    /// A dial has come to the host that it was meant for.
    Accept {
        /// Who dials.
        from: NodeId,
        /// In which life.
        life: u32,
        /// Who is dialled.
        to: NodeId,
        /// The connection: first the dialling end.
        ends: [ConnId; 2],
        /// What the engine asked for.
        target: Target,
    },
    /// A node's words come to a tracker.
    Ask {
        /// Whose.
        from: NodeId,
        /// In which life.
        life: u32,
        /// To which.
        tracker: TrackerIndex,
        /// What.
        ask: Ask,
    },
    /// Trackers look for peers that are gone.
    Expire,
    /// A rogue acts by itself.
    Beat(NodeId),
}

impl Event {
    /// The node whose process must run for this to happen.
    #[must_use]
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::Input { to, .. } | Self::Tick { to, .. } | Self::Job { to, .. } => Some(*to),
            _ => None,
        }
    }
}

/// Who a node is and where.
#[derive(Debug, Clone)]
pub struct Card {
    /// Its key.
    pub peer: PeerId,
    /// Where it listens; port 0 if it does not.
    pub addr: SocketAddr,
    /// Its host.
    pub host: HostId,
    /// Its process runs.
    pub alive: bool,
}

/// The parts of a world that every node needs.
#[derive(Debug)]
pub struct Env {
    /// Time, and what will happen.
    pub queue: Queue<Event>,
    /// The network.
    pub net: Net,
    /// The true bytes.
    pub share: Arc<Share>,
    /// What happened.
    pub trace: Trace,
    /// What must be true.
    pub checker: Checker,
    /// Who is who, by node.
    pub cards: Vec<Card>,
    /// What each node did.
    pub reports: Vec<NodeReport>,
    /// How many trackers there are.
    pub trackers: u32,
}

impl Env {
    /// Who a node is.
    #[must_use]
    pub fn card(&self, node: NodeId) -> &Card {
        &self.cards[node.0]
    }

    /// The node with this key.
    #[must_use]
    pub fn node_of(&self, peer: PeerId) -> Option<NodeId> {
        self.cards.iter().position(|card| card.peer == peer).map(NodeId)
    }

    /// How others may dial a node.
    #[must_use]
    pub fn peer_addr(&self, node: NodeId) -> PeerAddr {
        PeerAddr { id: self.card(node).peer, addr: self.card(node).addr }
    }

    /// An address of the same family as the nodes' where nobody is.
    #[must_use]
    pub fn nowhere(&self) -> SocketAddr {
        address(self.cards.len() + 1000, self.cards.iter().any(|card| card.addr.is_ipv6()), true)
    }

    /// Opens a connection. That takes two and a half round trips until the other side knows of it
    /// (TCP, TLS, the dialler's hello) and three until the dialler does.
    pub fn dial(&mut self, from: NodeId, life: u32, target: Target) {
        let listener = self.cards.iter().position(|card| card.addr == target.addr).map(NodeId);
        let Some(to) = listener.filter(|_| target.addr.port() != 0) else {
            return self.dial_fails(from, life, target, DIAL_TIMEOUT, false);
        };
        let (mine, theirs) = (self.card(from).host, self.card(to).host);
        let rtt = self.net.rtt(mine, theirs);
        if self.net.is_cut(mine, theirs) {
            self.dial_fails(from, life, target, DIAL_TIMEOUT, false);
        } else if !self.card(to).alive {
            self.dial_fails(from, life, target, rtt, false);
        } else if target.id.is_some_and(|id| id != self.card(to).peer) {
            self.dial_fails(from, life, target, rtt * 2, true);
        } else {
            let ends = self.net.open(mine, theirs);
            self.queue.after(rtt * 5 / 2, Event::Accept { from, life, to, ends, target });
        }
    }

    /// Tells a node later that a dial came to nothing.
    pub fn dial_fails(
        &mut self,
        to: NodeId,
        life: u32,
        target: Target,
        delay: Duration,
        wrong_key: bool,
    ) {
        let input = Input::DialFailed { target, wrong_key };
        self.queue.after(delay, Event::Input { to, life, input });
    }

    /// Enters into the reports that a node has everything, for the first time or again.
    pub fn finished(&mut self, node: NodeId) {
        let report = &mut self.reports[node.0];
        if report.finished.is_none() {
            report.finished = Some(self.queue.now().since(report.started));
        }
    }

    /// Enters payload that comes to a node into the reports.
    pub fn count_payload(&mut self, to: NodeId, from: Option<NodeId>, message: &Message) {
        let Message::Block { piece, first, data } = message else { return };
        let geometry = self.share.geometry();
        let run =
            geometry.piece(*piece).and_then(|piece| geometry.run_of_len(piece, *first, data.len()));
        let Some(run) = run else { return };
        let report = &mut self.reports[to.0];
        if let Some(from) = from {
            *report.downloaded.entry(from).or_default() += data.len() as u64;
        }
        let parts = geometry.parts_of(run, data);
        let blocks = parts.flat_map(|(part, data)| {
            let blocks = part.blocks().zip(data.chunks(BLOCK_LEN as usize));
            blocks.map(move |(block, bytes)| (part.piece(), block, bytes))
        });
        for (piece, block, bytes) in blocks {
            let len = bytes.len() as u64;
            if bytes != self.share.block(piece, block) {
                report.corrupt += len;
            } else if !report.got.insert((piece.get(), block)) {
                report.duplicate += len;
            }
        }
    }

    /// The address that the other end of a connection sees, which nobody listens on.
    #[must_use]
    pub fn outgoing_addr(&self, node: NodeId, conn: ConnId) -> SocketAddr {
        SocketAddr::new(self.card(node).addr.ip(), 32768 + (conn.0 % 28_000) as u16)
    }
}

/// The address of a node by its number.
#[must_use]
pub fn address(number: usize, ipv6: bool, listens: bool) -> SocketAddr {
    let [.., high, low] = (number as u32 + 1).to_be_bytes();
    let ip = if ipv6 {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from_be_bytes([high, low])))
    } else {
        IpAddr::V4(Ipv4Addr::new(10, 77, high, low))
    };
    SocketAddr::new(ip, if listens { PORT } else { 0 })
}

//! The world: works off what happens, in order, and lets a test interfere.

use std::{collections::BTreeMap, time::Duration};

use swarm_engine::{Command, ConnId, Input, Side, Snapshot, Target, Time, TrackerIndex};
use swarm_proto::{geometry::PieceIndex, message::Hello};

use super::{
    disk::Disk,
    env::{DIAL_TIMEOUT, Env, Event},
    net::{Host, Notice, other_end},
    node::Node,
    report::{Failure, Report},
    rogue::Rogue,
    tracker::{Ask, EXPIRE_EVERY, TRACKER_DELAY, Tracker},
};

/// Events at one instant after which time would never go on.
const EVENTS_MAX: u32 = 1_000_000;

/// Names a node, in the order in which the scenario added them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// Whoever takes part.
#[derive(Debug)]
pub(super) enum Actor {
    Honest(Box<Node>),
    Rogue(Box<Rogue>),
}

/// All nodes, trackers and what lies between them.
#[derive(Debug)]
pub struct World {
    seed: u64,
    env: Env,
    actors: Vec<Actor>,
    trackers: Vec<Tracker>,
    /// Who is at the end of each connection that its node knows of.
    ends: BTreeMap<ConnId, NodeId>,
}

impl World {
    pub(super) fn new(seed: u64, mut env: Env, actors: Vec<Actor>, trackers: Vec<Tracker>) -> Self {
        if !trackers.is_empty() {
            env.queue.after(EXPIRE_EVERY, Event::Expire);
        }
        Self { seed, env, actors, trackers, ends: BTreeMap::new() }
    }

    // Running.

    /// Runs until every honest node that is alive has finished.
    ///
    /// # Errors
    /// If that takes longer than `limit`, or something happens that must not.
    pub fn finish(&mut self, limit: Duration) -> Result<(), Failure> {
        if self.run_until(limit, Self::all_finished)? {
            return Ok(());
        }
        let late = self.nodes().filter(|node| self.unfinished(*node));
        let late: Vec<_> = late.map(|node| (node.0, self.recorded(node))).collect();
        let pieces = self.env.share.geometry().piece_count();
        let what = format!("unfinished after {limit:?}, of {pieces} pieces: {late:?}");
        Err(Failure { seed: self.seed, time: self.now(), node: None, what })
    }

    /// Runs for a while.
    ///
    /// # Errors
    /// If something happens that must not.
    pub fn run_for(&mut self, time: Duration) -> Result<(), Failure> {
        self.run_until(time, |_| false).map(|_| ())
    }

    /// Runs until something is the case, which is looked at whenever time has gone on. False if
    /// that takes longer than `limit`.
    ///
    /// # Errors
    /// If something happens that must not.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Failure> {
        let end = self.now() + limit;
        let mut at_once = 0;
        loop {
            self.settle();
            if let Some((node, what)) = self.env.checker.take_violation() {
                return Err(Failure { seed: self.seed, time: self.now(), node, what });
            }
            let next = self.env.queue.peek();
            if next != Some(self.now()) {
                at_once = 0;
                if done(self) {
                    return Ok(true);
                }
            }
            at_once += 1;
            if at_once > EVENTS_MAX {
                let what = "time does not go on".into();
                return Err(Failure { seed: self.seed, time: self.now(), node: None, what });
            }
            if next.is_none_or(|next| next > end) {
                self.env.queue.skip_to(end);
                return Ok(false);
            }
            if let Some(event) = self.env.queue.pop() {
                self.happen(event);
            }
        }
    }

    // Interfering.

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

    // Looking.

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
        let others: Vec<_> = self
            .nodes()
            .filter(|other| *other != node && self.alive(*other))
            .filter_map(|other| self.honest(other))
            .collect();
        let held = |piece: PieceIndex| others.iter().any(|node| node.disk().recorded().has(piece));
        self.env.share.geometry().pieces().all(held)
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
    pub fn snapshot(&self, node: NodeId) -> Option<Snapshot> {
        self.honest(node)?.snapshot(self.now())
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

    fn honest(&self, node: NodeId) -> Option<&Node> {
        match &self.actors[node.0] {
            Actor::Honest(actor) => Some(actor),
            Actor::Rogue(_) => None,
        }
    }

    /// Whether a node is still to finish: not if it was there and is dead.
    fn unfinished(&self, node: NodeId) -> bool {
        let report = &self.env.reports[node.0];
        let gone = !self.alive(node) && self.honest(node).is_some_and(|node| node.life() > 0);
        !report.rogue && report.finished.is_none() && !gone
    }

    fn conns(&self, node: NodeId) -> impl Iterator<Item = ConnId> + '_ {
        self.ends.iter().filter(move |(_, at)| **at == node).map(|(conn, _)| *conn)
    }

    // Working off events.

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(node) => {
                self.env.reports[node.0].started = self.now();
                self.start(node);
            }
            Event::Net(event) => self.env.net.handle(self.env.queue.now(), event),
            Event::Input { to, life, input } => {
                if self.life(to) == Some(life) {
                    let input = self.in_time(input);
                    self.tell(to, input);
                }
            }
            Event::Tick { to, life } => {
                if let Some(node) = self.living(to, life) {
                    node.0.tick(node.1);
                }
            }
            Event::Job { to, life, job } => {
                if let Some(node) = self.living(to, life) {
                    node.0.job_done(node.1, job);
                }
            }
            Event::Accept { from, life, to, ends, target } => {
                self.accept((from, life), to, ends, target);
            }
            Event::Ask { from, life, tracker, ask } => self.ask((from, life), tracker, ask),
            Event::Expire => {
                let now = self.now();
                self.trackers.iter_mut().for_each(|tracker| tracker.expire(now));
                self.env.queue.after(EXPIRE_EVERY, Event::Expire);
            }
            Event::Beat(node) => {
                if let (true, Actor::Rogue(rogue)) =
                    (self.env.card(node).alive, &mut self.actors[node.0])
                {
                    rogue.beat(&mut self.env);
                }
            }
        }
    }

    /// Hands out what the ends of connections have learned, until nobody has anything more to say,
    /// and lets the network go on.
    fn settle(&mut self) {
        while let Some(notice) = self.env.net.notice() {
            let (conn, input) = match notice {
                Notice::Flushed(conn, bytes) => (conn, Input::Flushed { conn, bytes }),
                Notice::Received(conn, message) => (conn, Input::Received { conn, message }),
                Notice::Closed(conn) => (conn, Input::Closed { conn, misbehaved: false }),
            };
            let end = match &input {
                Input::Closed { .. } => self.ends.remove(&conn),
                _ => self.ends.get(&conn).copied(),
            };
            if let Some(node) = end {
                self.tell(node, input);
            }
        }
        for (time, event) in self.env.net.later() {
            self.env.queue.at(time, Event::Net(event));
        }
    }

    fn tell(&mut self, node: NodeId, input: Input) {
        if let Input::Connected { conn, side: Side::Dialed, .. } = &input {
            self.ends.insert(*conn, node);
        }
        if let Input::Received { conn, message } = &input {
            let sender = self.ends.get(&other_end(*conn)).copied();
            self.env.count_payload(node, sender, message);
        }
        match &mut self.actors[node.0] {
            Actor::Honest(actor) => actor.handle(&mut self.env, input),
            Actor::Rogue(rogue) => rogue.handle(&mut self.env, input),
        }
    }

    fn accept(&mut self, from: (NodeId, u32), to: NodeId, ends: [ConnId; 2], target: Target) {
        let (dialer, life) = from;
        let hosts = [dialer, to].map(|node| self.env.card(node).host);
        let cut = self.env.net.is_cut(hosts[0], hosts[1]);
        let possible = !cut && self.life(dialer) == Some(life) && self.env.net.is_open(ends[0]);
        let hellos = (self.hello(dialer), self.hello(to));
        let ((Some(mine), Some(theirs)), true) = (hellos, possible) else {
            self.env.net.reset(ends[0]);
            let delay = if cut { DIAL_TIMEOUT } else { Duration::ZERO };
            return self.env.dial_fails(dialer, life, target, delay, false);
        };
        let input = |conn, hello: Hello, addr, side| Input::Connected {
            conn,
            peer: hello.peer,
            addr,
            side,
            hello,
        };
        let from_addr = self.env.outgoing_addr(dialer, ends[0]);
        let dialed = input(ends[0], theirs, target.addr, Side::Dialed);
        let accepted = input(ends[1], mine, from_addr, Side::Accepted);
        let half = self.env.net.rtt(hosts[0], hosts[1]) / 2;
        // First in the queue: what the other side says next comes right after its hello.
        self.env.queue.after(half, Event::Input { to: dialer, life, input: dialed });
        self.ends.insert(ends[1], to);
        self.tell(to, accepted);
    }

    /// What a node learns, unless it is a connection that has broken before the node knew of it.
    fn in_time(&self, input: Input) -> Input {
        match input {
            Input::Connected { conn, peer, addr, .. } if !self.env.net.is_open(conn) => {
                let target = Target { id: Some(peer), addr };
                Input::DialFailed { target, wrong_key: false }
            }
            input => input,
        }
    }

    fn ask(&mut self, from: (NodeId, u32), tracker: TrackerIndex, ask: Ask) {
        let (node, life) = from;
        let from = (self.env.card(node).peer, self.env.outgoing_addr(node, ConnId(0)));
        let manifest = self.env.share.manifest();
        let Some(server) = self.trackers.get_mut(tracker.0 as usize) else { return };
        if let Some(input) = server.ask(self.env.queue.now(), tracker, from, manifest, ask) {
            self.env.queue.after(TRACKER_DELAY, Event::Input { to: node, life, input });
        }
    }

    /// What a node says first, if its process runs.
    fn hello(&self, node: NodeId) -> Option<Hello> {
        match &self.actors[node.0] {
            Actor::Honest(actor) => actor.hello(),
            Actor::Rogue(rogue) => Some(rogue.hello(&self.env)),
        }
    }

    /// Which life a node is in, if it is in one. Rogues have only one.
    fn life(&self, node: NodeId) -> Option<u32> {
        let life = self.honest(node).map_or(0, Node::life);
        self.env.card(node).alive.then_some(life)
    }

    fn living(&mut self, node: NodeId, life: u32) -> Option<(&mut Node, &mut Env)> {
        match &mut self.actors[node.0] {
            Actor::Honest(actor) if actor.life() == life && self.env.cards[node.0].alive => {
                Some((actor, &mut self.env))
            }
            _ => None,
        }
    }
}

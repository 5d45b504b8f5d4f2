//! The world: works off what happens, in order, and lets a test interfere.

use std::{collections::BTreeMap, time::Duration};

use swarm_engine::{ConnId, Input, Side, Target, TrackerIndex};
use swarm_proto::message::Hello;

use super::{
    env::{DIAL_TIMEOUT, Env, Event},
    net::{Notice, other_end},
    node::Node,
    report::Failure,
    rogue::Rogue,
    tracker::{Ask, EXPIRE_EVERY, TRACKER_DELAY, Tracker},
};

mod faults;
mod view;

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
    /// Nodes whose machine sleeps, and what waits for them to wake up.
    asleep: BTreeMap<NodeId, Vec<Event>>,
}

impl World {
    /// Everybody who takes part, before anything happens.
    pub(super) fn new(seed: u64, mut env: Env, actors: Vec<Actor>, trackers: Vec<Tracker>) -> Self {
        if !trackers.is_empty() {
            env.queue.after(EXPIRE_EVERY, Event::Expire);
        }
        Self { seed, env, actors, trackers, ends: BTreeMap::new(), asleep: BTreeMap::new() }
    }

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

    fn happen(&mut self, event: Event) {
        if let Some(waiting) = event.node().and_then(|node| self.asleep.get_mut(&node)) {
            return waiting.push(event);
        }
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
        if let (Some(life), Some(waiting)) = (self.life(node), self.asleep.get_mut(&node)) {
            return waiting.push(Event::Input { to: node, life, input });
        }
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

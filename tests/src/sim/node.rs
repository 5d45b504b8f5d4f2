//! An honest node: the shipped engine, and the duties of its shell in virtual time.
//!
//! It mirrors what the real shell does: outputs are performed after the engine has returned, the
//! engine is woken at its deadline, disk work is answered later and out of order, and whatever was
//! under way when the process died is never answered.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use swarm_engine::{
    Command, Config, ConnId, Event as Told, Input, Outbox, Output, Snapshot, Spent, Swarm, Time,
};
use swarm_proto::{
    geometry::{BlockRun, PieceIndex},
    message::{Hello, Message, PeerAddr},
};

use super::{
    disk::Disk,
    env::{Env, Event},
    tracker::{Ask, TRACKER_DELAY},
    world::NodeId,
};

/// Bytes that may wait in a connection's queue. The engine keeps to its `send_bytes` over all
/// connections, so a queue longer than this is a mistake of the engine.
const QUEUE_MAX: u64 = 32 << 20;
/// Ticks at one instant after which the engine would never let time go on.
const TICKS_MAX: u32 = 100;

/// One honest node.
#[derive(Debug)]
pub struct Node {
    id: NodeId,
    config: Config,
    known: Vec<PeerAddr>,
    rng: ChaCha8Rng,
    /// `None` while the process does not run.
    engine: Option<Swarm>,
    /// Counts the process's starts: what was asked for in an earlier life is not answered.
    life: u32,
    disk: Disk,
    /// Pieces that are to be put into the record once synced.
    recording: BTreeSet<PieceIndex>,
    wakeup: Option<Time>,
    /// When the engine last had a tick, and how many more it had at that instant.
    ticked: Time,
    ticks: u32,
    outbox: Outbox,
}

/// Work for the disk.
#[derive(Debug)]
pub enum Job {
    /// See [`Output::Store`].
    Store(BlockRun, Bytes),
    /// See [`Output::Read`].
    Read(ConnId, BlockRun),
    /// See [`Output::Check`] and [`Output::ReadLeaves`].
    Check(PieceIndex),
    /// See [`Output::Record`].
    Record(PieceIndex),
    /// See [`Output::Finish`].
    Finish,
}

impl Node {
    /// A node that does not run yet. `known` are peers that its user names.
    #[must_use]
    pub const fn new(
        id: NodeId,
        config: Config,
        known: Vec<PeerAddr>,
        disk: Disk,
        rng: ChaCha8Rng,
    ) -> Self {
        Self {
            id,
            config,
            known,
            rng,
            engine: None,
            life: 0,
            disk,
            recording: BTreeSet::new(),
            wakeup: None,
            ticked: Time::ZERO,
            ticks: 0,
            outbox: Vec::new(),
        }
    }

    /// Starts the process: a leecher from its record, a seeder from what is on its disk.
    pub fn start(&mut self, env: &mut Env) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.life += 1;
        if env.reports[self.id.0].seeder {
            self.disk.verify();
        }
        let have = self.disk.recorded().clone();
        if have.is_full() {
            // The engine takes everything to be in its place, so the shell has to see to that.
            env.finished(self.id);
        }
        let manifest = Arc::clone(env.share.manifest());
        let me = env.card(self.id).peer;
        let engine = Swarm::new(self.config.clone(), me, manifest, have, seed, env.queue.now());
        self.engine = Some(engine);
        env.checker.started(self.id, self.config.buffer_bytes, self.config.priorities.clone());
        self.handle(env, Input::Tick);
        for peer in self.known.clone() {
            let command = Command::AddPeer { id: Some(peer.id), addr: peer.addr };
            self.handle(env, Input::Command(command));
        }
    }

    /// Kills the process.
    pub fn kill(&mut self, env: &mut Env) {
        self.engine = None;
        self.disk.crash();
        let kept = |piece| env.share.geometry().piece(piece).is_some_and(|p| self.disk.is_true(p));
        env.reports[self.id.0].got.retain(|(piece, _)| kept(*piece));
        self.recording.clear();
        self.wakeup = None;
    }

    /// Which life this is.
    #[must_use]
    pub const fn life(&self) -> u32 {
        self.life
    }

    /// The disk.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The disk, to let something happen to it.
    pub const fn disk_mut(&mut self) -> &mut Disk {
        &mut self.disk
    }

    /// The engine, if the process runs.
    #[must_use]
    pub const fn engine(&self) -> Option<&Swarm> {
        self.engine.as_ref()
    }

    /// What a front end would see.
    #[must_use]
    pub fn snapshot(&mut self, now: Time) -> Option<Snapshot> {
        self.engine.as_mut().map(|engine| engine.snapshot(now))
    }

    /// What this node says first on a connection, if its process runs.
    #[must_use]
    pub fn hello(&self) -> Option<Hello> {
        self.engine.as_ref().map(Swarm::hello)
    }

    /// Gives the engine an input and does what it wants done.
    pub fn handle(&mut self, env: &mut Env, input: Input) {
        let Some(engine) = &mut self.engine else { return };
        let now = env.queue.now();
        env.trace.input(now, self.id, &input);
        env.checker.input(self.id, &input);
        engine.handle(now, input, &mut self.outbox);
        let mut outbox = std::mem::take(&mut self.outbox);
        for output in outbox.drain(..) {
            env.trace.output(now, self.id, &output);
            env.checker.output(self.id, &output, &self.disk);
            self.perform(env, output);
        }
        self.outbox = outbox;
        if let Some(engine) = &mut self.engine {
            env.checker.look(self.id, engine, &self.disk, now);
        }
        self.set_wakeup(env);
    }

    /// The time that the engine asked for may have come.
    pub fn tick(&mut self, env: &mut Env) {
        let now = env.queue.now();
        if self.wakeup.is_none_or(|wakeup| wakeup > now) {
            // The engine was woken for something else since, and another tick is on its way.
            return;
        }
        self.wakeup = None;
        if self.engine.as_ref().and_then(Swarm::deadline).is_some_and(|deadline| deadline > now) {
            return self.set_wakeup(env);
        }
        self.ticks = if self.ticked == now { self.ticks + 1 } else { 0 };
        self.ticked = now;
        if self.ticks > TICKS_MAX {
            let what = "the engine asks for ticks and time does not go on";
            return env.checker.violated(self.id, what.into());
        }
        self.handle(env, Input::Tick);
    }

    /// The disk has done a job.
    pub fn job_done(&mut self, env: &mut Env, job: Job) {
        let input = match job {
            Job::Store(run, data) => match self.disk.store(run, &data) {
                Ok(leaves) => Input::Stored { run, leaves, spent: Spent::default() },
                Err(error) => {
                    let parts: Vec<BlockRun> = env.share.geometry().parts(run).collect();
                    let lost = |(piece, block): &(u32, u32)| {
                        let has = |part: &BlockRun| {
                            *piece == part.piece().get() && part.blocks().contains(block)
                        };
                        parts.iter().any(has)
                    };
                    env.reports[self.id.0].got.retain(|block| !lost(block));
                    Input::StoreFailed { run, error }
                }
            },
            Job::Read(conn, run) => {
                Input::BlocksRead { conn, run, data: self.disk.read(run).map(Into::into) }
            }
            Job::Check(piece) => Input::LeavesRead { piece, leaves: self.disk.check(piece) },
            Job::Record(piece) => {
                if self.recording.remove(&piece) {
                    self.disk.record(piece);
                }
                return;
            }
            Job::Finish => Input::Finished(Ok(())),
        };
        self.handle(env, input);
    }

    fn perform(&mut self, env: &mut Env, output: Output) {
        let now = env.queue.now();
        match output {
            Output::Dial(target) => env.dial(self.id, self.life, target),
            Output::Send { conn, message } => {
                if let Message::Block { data, .. } = &message {
                    env.reports[self.id.0].uploaded += data.len() as u64;
                }
                env.net.send(now, conn, message);
                if env.net.unsent(conn) > QUEUE_MAX {
                    env.checker.violated(self.id, format!("queue of {conn:?} overflows"));
                }
            }
            Output::SendInPlace { .. } => unreachable!("this disk hands out bytes"),
            Output::Close { conn, reason } => {
                env.net.send(now, conn, Message::Goodbye(reason));
                env.net.close(now, conn);
            }
            Output::Store { run, data } => {
                let bytes = data.len() as u64;
                self.submit(env, bytes, Job::Store(run, data));
            }
            Output::Read { conn, run } => {
                let bytes = u64::from(env.share.geometry().run_len(run));
                self.submit(env, bytes, Job::Read(conn, run));
            }
            Output::ReadLeaves(piece) | Output::Check(piece) => {
                let bytes = u64::from(env.share.geometry().piece_len(piece));
                self.submit(env, bytes, Job::Check(piece));
            }
            Output::Record(piece) => {
                self.recording.insert(piece);
                self.submit(env, 0, Job::Record(piece));
            }
            Output::Forget(piece) => {
                self.recording.remove(&piece);
                self.disk.forget(piece);
            }
            Output::Finish => self.submit(env, 0, Job::Finish),
            // Kept beside the record of pieces: the next life begins with it.
            Output::KeepPriorities(priorities) => self.config.priorities = priorities,
            Output::Announce { tracker, announce } => {
                let ask = Ask::Announce(Box::new(announce));
                let (from, life) = (self.id, self.life);
                env.queue.after(TRACKER_DELAY, Event::Ask { from, life, tracker, ask });
            }
            Output::PutManifest { tracker } => {
                let (from, life, ask) = (self.id, self.life, Ask::PutManifest);
                env.queue.after(TRACKER_DELAY, Event::Ask { from, life, tracker, ask });
            }
            Output::Event(event) => self.told(env, &event),
        }
    }

    fn submit(&mut self, env: &mut Env, bytes: u64, job: Job) {
        let time = self.disk.schedule(env.queue.now(), bytes);
        env.queue.at(time, Event::Job { to: self.id, life: self.life, job });
    }

    fn told(&self, env: &mut Env, event: &Told) {
        match event {
            Told::Completed => env.finished(self.id),
            Told::PeerBanned { peer, .. } => {
                let banned = env.node_of(*peer);
                env.reports[self.id.0].banned.extend(banned);
            }
            _ => {}
        }
    }

    fn set_wakeup(&mut self, env: &mut Env) {
        let now = env.queue.now();
        let Some(deadline) = self.engine.as_ref().and_then(Swarm::deadline) else { return };
        let deadline = deadline.max(now);
        if self.wakeup.is_none_or(|wakeup| wakeup > deadline) {
            self.wakeup = Some(deadline);
            env.queue.at(deadline, Event::Tick { to: self.id, life: self.life });
        }
    }
}

//! One swarm: its parts, and which input concerns which of them.
//!
//! There is no policy here. What happens with an input is told in the file of that name:
//! `members` (who is connected), `fetch` (what we ask for) and `endgame` (what we ask for twice),
//! `blame` (who sent bad data), `disk` (what the disk says), `serve` (what we are asked for),
//! `gossip` (what all are told).

use std::{collections::BTreeMap, sync::Arc};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use swarm_proto::{
    bitfield::Bitfield,
    geometry::{BlockRun, Geometry, PieceIndex, RUN_BLOCKS_MAX},
    id::PeerId,
    manifest::Manifest,
    message::{Goodbye, Hello, LONG_RUNS, Message, PROTOCOL_VERSION, RawRun},
};

use crate::{
    Command, Config, ConnId, Input, Outbox, Priority, Target, Time, Totals,
    addresses::{AddressBook, Source},
    announce::Announcer,
    blame::Blame,
    choke::Choker,
    disk::Disk,
    fetch::Fetch,
    gossip::Gossip,
    ledger::Ledger,
    members::Members,
    picker::Picker,
    priority,
    serve::{REQUEST_BYTES_MAX, Serve},
    session::Session,
    survey::Survey,
};

/// One swarm.
#[derive(Debug)]
pub struct Swarm {
    pub(crate) config: Config,
    pub(crate) me: PeerId,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) mode: Mode,
    pub(crate) sessions: BTreeMap<ConnId, Session>,
    pub(crate) ledger: Ledger,
    pub(crate) picker: Picker,
    pub(crate) book: AddressBook,
    pub(crate) announcer: Announcer,
    pub(crate) choker: Choker,
    pub(crate) members: Members,
    pub(crate) fetch: Fetch,
    pub(crate) blame: Blame,
    pub(crate) disk: Disk,
    pub(crate) serve: Serve,
    pub(crate) gossip: Gossip,
    pub(crate) totals: Totals,
    pub(crate) survey: Survey,
    /// How much each file is wanted; empty if all are as by default.
    pub(crate) priorities: Vec<Priority>,
}

/// What the user wants of the swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Running,
    Paused,
    Stopped,
}

impl Swarm {
    /// A swarm of this manifest, of which the pieces in `have` are verified and on the disk.
    /// `seed` decides every random choice.
    ///
    /// If `have` is full, every file is taken to be in its place under its final name, and there
    /// will be no [`Output::Finish`](crate::Output::Finish).
    #[must_use]
    pub fn new(
        config: Config,
        me: PeerId,
        manifest: Arc<Manifest>,
        have: Bitfield,
        seed: [u8; 32],
        now: Time,
    ) -> Self {
        let geometry = manifest.geometry();
        let priorities = priority::of_config(&config, geometry);
        let wanted = priority::wanted(&config, geometry, &priorities);
        let picker = Picker::new(geometry, &have, &wanted, &priorities);
        let mut announcer = Announcer::new(&config.trackers, now);
        have.iter().for_each(|piece| announcer.gained(piece));
        let mut rng = ChaCha8Rng::from_seed(seed);
        Self {
            me,
            mode: Mode::Running,
            sessions: BTreeMap::new(),
            picker,
            book: AddressBook::new(me),
            announcer,
            choker: Choker::new(now),
            members: Members::new(now),
            fetch: Fetch::new(config.download_limit, now),
            blame: Blame::default(),
            // A share without bytes has still to get its empty files.
            disk: Disk::new(have.is_full() && !have.is_empty(), now),
            serve: Serve::new(config.upload_limit, now),
            gossip: Gossip::new(now, rng.random_range(0..have.len().max(1))),
            totals: Totals::default(),
            survey: Survey::default(),
            priorities,
            ledger: Ledger::new(Arc::clone(&manifest), have, wanted),
            manifest,
            rng,
            config,
        }
    }

    /// What this node says first on each connection of this swarm. The limits in it are those that
    /// the engine keeps.
    #[must_use]
    pub fn hello(&self) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            swarm: self.manifest.id(),
            peer: self.me,
            features: LONG_RUNS,
            client: self.config.client.clone(),
            listen_port: self.config.listen_port,
            request_bytes_max: REQUEST_BYTES_MAX,
            run_blocks_max: RUN_BLOCKS_MAX,
        }
    }

    /// Takes one input; puts what is to be done into `out`.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Outbox) {
        match input {
            Input::Connected { conn, peer, addr, side, hello } => {
                self.on_connected(now, Session::new(now, conn, peer, addr, side, hello), out);
            }
            Input::DialFailed { target, wrong_key } => {
                self.on_dial_failed(now, target, wrong_key, out);
            }
            Input::Received { conn, message } => self.on_message(now, conn, message, out),
            Input::Flushed { conn, bytes } => self.on_flushed(now, conn, bytes),
            Input::Closed { conn, misbehaved } => self.on_closed(now, conn, misbehaved, out),
            Input::Stored { run, leaves, spent } => {
                self.disk.spent(now, spent);
                self.on_stored(now, run, &leaves, out);
            }
            Input::StoreFailed { run, error } => self.on_store_failed(now, run, &error, out),
            Input::BlocksRead { conn, run, data } => self.on_blocks_read(now, conn, run, data, out),
            Input::LeavesRead { piece, leaves } => self.on_leaves_read(now, piece, leaves, out),
            Input::Unsynced(piece) => self.on_unsynced(now, piece, out),
            Input::Finished(result) => self.on_finished(now, result, out),
            Input::Announced { tracker, reply } => self.on_announced(now, tracker, &reply, out),
            Input::AnnounceFailed { tracker, why } => {
                self.on_announce_failed(now, tracker, why, out);
            }
            Input::Command(command) => self.on_command(now, &command, out),
            Input::Tick => {}
        }
        self.run_due(now, out);
    }

    /// When [`Input::Tick`] is wanted at the latest, if nothing else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        if self.mode == Mode::Stopped {
            return None;
        }
        [
            self.announcer.deadline(),
            self.members_deadline(),
            self.fetch_deadline(),
            self.disk_deadline(),
            self.serve_deadline(),
            self.gossip_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due, whichever input brought us here.
    fn run_due(&mut self, now: Time, out: &mut Outbox) {
        if self.mode == Mode::Stopped {
            return;
        }
        self.run_members(now, out);
        self.run_disk(now, out);
        self.run_fetch(now, out);
        self.run_serve(now, out);
        self.run_gossip(now, out);
        // Last, so that an announce tells of everything that has just happened.
        if self.announcer.deadline().is_some_and(|due| now >= due) {
            self.run_announces(now, out);
        }
    }

    fn on_message(&mut self, now: Time, conn: ConnId, message: Message, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        session.last_received = now;
        // The set of pieces comes first and once, so that everything later has a meaning.
        let first = matches!(
            message,
            Message::HaveAll | Message::HaveNone | Message::Bitfield(_) | Message::Goodbye(_)
        );
        if first != session.have.is_none() && !matches!(message, Message::Goodbye(_)) {
            return self.close(now, conn, Goodbye::Misbehaved, out);
        }
        let kept_the_rules = match message {
            Message::KeepAlive => Some(()),
            Message::HaveAll => self.on_have_set(now, conn, Bitfield::full(self.pieces()), out),
            Message::HaveNone => self.on_have_set(now, conn, Bitfield::empty(self.pieces()), out),
            Message::Bitfield(bytes) => Bitfield::from_bytes(self.pieces(), &bytes)
                .ok()
                .and_then(|have| self.on_have_set(now, conn, have, out)),
            Message::Have(pieces) => self.on_have(now, conn, &pieces, out),
            Message::DontHave(pieces) => self.on_dont_have(now, conn, &pieces, out),
            Message::Choke => self.on_choke(conn),
            Message::Unchoke => self.on_unchoke(conn),
            Message::Interested => self.on_interest(now, conn, true, out),
            Message::NotInterested => self.on_interest(now, conn, false, out),
            Message::Request(run) => self.on_request(now, conn, run, out),
            Message::Cancel(run) => self.on_cancel(now, conn, run, out),
            Message::Reject(run) => self.on_reject(now, conn, run, out),
            Message::Block { piece, first, data } => {
                self.on_block(now, conn, piece, first, &data, out)
            }
            Message::GetLeaves(piece) => self.on_get_leaves(conn, piece, out),
            Message::Leaves { piece, leaves } => self.on_leaves(now, conn, piece, &leaves, out),
            Message::GetManifest { offset } => self.on_get_manifest(now, conn, offset, out),
            // We have the manifest; nobody is asked for it here.
            Message::ManifestPart { .. } => None,
            Message::Pex(peers) => self.on_pex(now, conn, &peers),
            Message::Suggest(piece) => self.on_suggest(now, conn, piece, out),
            Message::Goodbye(reason) => self.on_goodbye(now, conn, reason, out),
        };
        if kept_the_rules.is_none() {
            self.close(now, conn, Goodbye::Misbehaved, out);
        }
    }

    fn on_command(&mut self, now: Time, command: &Command, out: &mut Outbox) {
        if self.mode == Mode::Stopped {
            return;
        }
        match *command {
            Command::Pause => {
                self.mode = Mode::Paused;
                self.stop_fetching(now, out);
                self.choker.expedite(now);
            }
            Command::Resume => {
                self.mode = Mode::Running;
                self.fetch.freed();
                self.choker.expedite(now);
            }
            Command::LimitUpload(limit) => self.serve.bucket.set_limit(limit, now),
            Command::LimitDownload(limit) => {
                self.fetch.bucket.set_limit(limit, now);
                self.fetch.refill = true;
            }
            Command::SetPriority { ref files, priority } => {
                self.set_priority(now, files, priority, out);
            }
            Command::AddPeer { id, addr } => {
                self.book.learn(now, Target { id, addr }, Source::User);
            }
            Command::Announce => self.announcer.now_please(now),
            Command::Verify => self.verify_all(),
            Command::Advertise(host) => {
                self.config.advertise = host;
                self.announcer.now_please(now);
            }
            Command::Stop => {
                self.announcer.stop();
                self.run_announces(now, out);
                let conns: Vec<_> = self.sessions.keys().copied().collect();
                for conn in conns {
                    self.close(now, conn, Goodbye::SwarmStopped, out);
                }
                self.mode = Mode::Stopped;
            }
        }
    }

    /// How the pieces lie in the files.
    pub(crate) fn geometry(&self) -> &Geometry {
        self.manifest.geometry()
    }

    /// How many pieces the share has.
    pub(crate) fn pieces(&self) -> u32 {
        self.geometry().piece_count()
    }

    /// The piece of a number that a peer sent.
    pub(crate) fn piece(&self, number: u32) -> Option<PieceIndex> {
        self.geometry().piece(number)
    }

    /// The blocks that a peer names. Only one who knows of long runs may name such.
    pub(crate) fn run(&self, conn: ConnId, named: RawRun) -> Option<BlockRun> {
        let RawRun { piece, first, count } = named;
        let piece = self.piece(piece)?;
        if self.sessions.get(&conn)?.takes_long_runs {
            self.geometry().long_run(piece, first, count)
        } else {
            self.geometry().run(piece, first, count)
        }
    }

    /// As [`Self::refresh`], for each piece of a run.
    pub(crate) fn refresh_all(&mut self, run: BlockRun) {
        let manifest = Arc::clone(&self.manifest);
        manifest.geometry().parts(run).for_each(|part| self.refresh(part.piece()));
    }

    /// Brings the picker up to date with the ledger: a piece may be begun if it is missing.
    pub(crate) fn refresh(&mut self, piece: PieceIndex) {
        if self.ledger.is_missing(piece) {
            self.picker.insert(piece);
        } else {
            self.picker.remove(piece);
        }
    }
}

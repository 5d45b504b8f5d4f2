//! Who is connected: coming, going, dialling, silence.

use std::{net::SocketAddr, time::Duration};

use swarm_proto::{
    announce::{Announced, WANT_MAX},
    bitfield::Bitfield,
    id::PeerId,
    message::{Goodbye, Message, PEX_MAX, PeerAddr},
};

use crate::{
    ConnId, Event, NoAnswer, Outbox, Output, Side, Swarm, Target, Time, TrackerIndex,
    addresses::{Grudge, Source},
    announce::Facts,
    session::Session,
    swarm::Mode,
};

/// Between two looks at who is silent, while anybody is connected.
const PULSE: Duration = Duration::from_secs(1);
/// A peer to whom nothing was sent for so long gets a keep-alive: two fit into a peer's time-out.
const KEEP_ALIVE: Duration = Duration::from_secs(50);
/// How long a peer may take to say what it has.
const FIRST_MESSAGE: Duration = Duration::from_secs(30);
/// How long two peers that have everything stay connected: time to tell each other addresses, and
/// for one of them to find that it lacks something after all.
const USELESS: Duration = Duration::from_secs(5);
/// How long a peer with whom there is nothing to exchange, or who takes or asks for nothing, may keep its place
/// from a newcomer: time to say what it has and what it wants, and for a bad line to recover.
const SETTLED: Duration = Duration::from_secs(10);
/// Dials under way at a time: a list of dead addresses must not use up the file descriptors.
const DIALS_AT_A_TIME: u32 = 16;
/// A new peer is told addresses at once, and again after this wait and twice as long each time, up
/// to a minute as in BEP 11: without a tracker, this is how a swarm comes together.
const PEX_FIRST: Duration = Duration::from_secs(1);
const PEX_MAX_WAIT: Duration = Duration::from_secs(60);
/// Lists that come faster than this are ignored: somebody floods the address book.
const PEX_MIN: Duration = Duration::from_millis(500);
/// Addresses in one list of ours.
const PEX_SEND: usize = 32;
/// Addresses remembered as told to one peer; then it may hear some twice.
const TOLD_MAX: usize = 512;

/// The state of membership beyond the sessions themselves.
#[derive(Debug)]
pub(crate) struct Members {
    /// Dials under way.
    dialing: u32,
    /// Connections that we dialled.
    pub(crate) dialed: u32,
    pulse: Time,
}

impl Members {
    /// Nobody is dialled.
    pub(crate) fn new(now: Time) -> Self {
        Self { dialing: 0, dialed: 0, pulse: now }
    }
}

impl Swarm {
    /// When somebody is to be dialled, asked for digests or looked after.
    pub(crate) fn members_deadline(&self) -> Option<Time> {
        let pulse = (!self.sessions.is_empty()).then_some(self.members.pulse);
        let dial = if self.may_dial() { self.book.deadline() } else { None };
        let blame = self.blame.deadline();
        [pulse, dial, blame].into_iter().flatten().min()
    }

    /// Dials, asks and looks after whoever's time has come.
    pub(crate) fn run_members(&mut self, now: Time, out: &mut Outbox) {
        while self.book.deadline().is_some_and(|due| now >= due)
            && self.may_dial()
            && let Some(target) = self.book.next(now)
        {
            self.members.dialing += 1;
            out.push(Output::Dial(target));
        }
        self.inquire(now, out);
        if now >= self.members.pulse {
            self.members.pulse = now + PULSE;
            self.look_after_members(now, out);
        }
    }

    fn may_dial(&self) -> bool {
        let Members { dialing, dialed, .. } = self.members;
        self.mode == Mode::Running
            && dialing < DIALS_AT_A_TIME
            && dialed + dialing < self.config.dials_max
            && self.sessions.len() as u32 + dialing < self.config.connections_max
    }

    /// A connection is open and both have said hello: it is kept or refused.
    pub(crate) fn on_connected(&mut self, now: Time, session: Session, out: &mut Outbox) {
        let (conn, peer, addr, side) = (session.conn, session.peer, session.addr, session.side);
        let dialed = side == Side::Dialed;
        if dialed {
            self.members.dialing = self.members.dialing.saturating_sub(1);
        }
        let twin = self.sessions.values().find(|s| s.peer == peer).map(|s| (s.conn, s.side));
        let full = self.sessions.len() >= self.config.connections_max as usize;
        let gives_way = if full && twin.is_none() { self.least_useful(now) } else { None };
        let refusal = if self.mode == Mode::Stopped {
            Some(Goodbye::SwarmStopped)
        } else if peer == self.me {
            self.book.forget(addr);
            Some(Goodbye::Myself)
        } else if self.book.is_banned(&peer) {
            Some(Goodbye::Misbehaved)
        } else if twin.is_some_and(|(_, twin)| !self.replaces(twin, side, peer)) {
            // The address is good, and leads to a peer that we have.
            self.book.connected(now, peer, addr, dialed);
            Some(Goodbye::Duplicate)
        } else if full && twin.is_none() && gives_way.is_none() {
            self.book.failed(now, Target { id: Some(peer), addr }, false, &mut self.rng);
            Some(Goodbye::TooManyPeers)
        } else {
            None
        };
        if let Some(reason) = refusal {
            out.push(Output::Close { conn, reason });
            return;
        }
        if let Some((twin, _)) = twin {
            self.close(now, twin, Goodbye::Duplicate, out);
        }
        if let Some(idle) = gives_way {
            self.close(now, idle, Goodbye::NothingToExchange, out);
        }
        let listens_at = SocketAddr::new(addr.ip(), session.listen_port);
        self.book.connected(now, peer, if dialed { addr } else { listens_at }, dialed);
        self.members.dialed += u32::from(dialed);
        self.sessions.insert(conn, session);
        out.push(Output::Event(Event::PeerJoined { peer, addr }));
        let have = self.ledger.have();
        let message = if have.is_full() {
            Message::HaveAll
        } else if have.is_empty() {
            Message::HaveNone
        } else {
            Message::Bitfield(have.to_bytes().into())
        };
        self.send(now, conn, message, out);
    }

    /// Whether a new connection with a peer is kept and the old one is not. Both ends decide the
    /// same: for the one that the node with the smaller id dialled. If the same node dialled both,
    /// it has lost the first.
    fn replaces(&self, old: Side, new: Side, peer: PeerId) -> bool {
        let smaller_dials = if self.me < peer { Side::Dialed } else { Side::Accepted };
        old == new || new == smaller_dials
    }

    /// Who has been here the longest of those with whom there is nothing to exchange, who take nothing,
    /// or who ask for nothing though they may. Without this, peers that only stay would keep out
    /// everybody who wants something.
    fn least_useful(&self, now: Time) -> Option<ConnId> {
        let settled = |since| now.since(since) >= SETTLED;
        let candidates = self.sessions.values().filter(|s| settled(s.connected));
        let waste = |s: &Session| s.deaf_since().into_iter().chain(s.unused_since()).any(settled);
        candidates
            .filter(|s| s.is_idle() || s.wanted == 0 && waste(s))
            .min_by_key(|s| (s.connected, s.conn))
            .map(|s| s.conn)
    }

    /// Nobody was reached, or somebody else.
    pub(crate) fn on_dial_failed(
        &mut self,
        now: Time,
        target: Target,
        wrong_key: bool,
        out: &mut Outbox,
    ) {
        self.members.dialing = self.members.dialing.saturating_sub(1);
        if self.book.failed(now, target, wrong_key, &mut self.rng) {
            out.push(Output::Event(Event::WrongKey { addr: target.addr }));
        }
    }

    /// A connection has ended, perhaps by the peer's fault.
    pub(crate) fn on_closed(
        &mut self,
        now: Time,
        conn: ConnId,
        misbehaved: bool,
        out: &mut Outbox,
    ) {
        let grudge = if misbehaved { Grudge::Fault } else { Grudge::None };
        self.detach(now, conn, grudge, None, out);
    }

    /// A peer leaves, and says why.
    pub(crate) fn on_goodbye(
        &mut self,
        now: Time,
        conn: ConnId,
        reason: Goodbye,
        out: &mut Outbox,
    ) -> Option<()> {
        let grudge = match reason {
            Goodbye::Shutdown | Goodbye::Duplicate | Goodbye::TimedOut => Grudge::None,
            Goodbye::TooManyPeers => Grudge::Full,
            _ => Grudge::Useless,
        };
        // It has left; what we say is not read any more.
        out.push(Output::Close { conn, reason: Goodbye::NothingToExchange });
        self.detach(now, conn, grudge, None, out);
        Some(())
    }

    /// Ends a connection.
    pub(crate) fn close(&mut self, now: Time, conn: ConnId, reason: Goodbye, out: &mut Outbox) {
        let grudge = match reason {
            Goodbye::Misbehaved | Goodbye::CorruptData => Grudge::Fault,
            Goodbye::NothingToExchange => Grudge::Useless,
            _ => Grudge::None,
        };
        out.push(Output::Close { conn, reason });
        self.detach(now, conn, grudge, Some(reason), out);
    }

    /// Undoes everything that a connection stands in.
    fn detach(
        &mut self,
        now: Time,
        conn: ConnId,
        grudge: Grudge,
        reason: Option<Goodbye>,
        out: &mut Outbox,
    ) {
        let Some(mut session) = self.sessions.remove(&conn) else { return };
        let taken = session.asked.dropped();
        self.release(conn, &taken);
        self.forget_have(&session);
        self.forget_suggestions(&session.suggestions);
        self.members.dialed -= u32::from(session.side == Side::Dialed);
        self.serve.taker_changed(session.is_taker(), false);
        self.fetch.givers.remove(&conn);
        self.serve.unflushed -= session.served.unflushed;
        self.blame.forget(now, conn);
        self.book.closed(now, session.peer, grudge, &mut self.rng);
        if !session.choked {
            self.choker.expedite(now);
        }
        out.push(Output::Event(Event::PeerLeft { peer: session.peer, reason }));
    }

    /// A peer says what it has.
    pub(crate) fn on_have_set(
        &mut self,
        now: Time,
        conn: ConnId,
        have: Bitfield,
        out: &mut Outbox,
    ) -> Option<()> {
        let session = self.sessions.get_mut(&conn)?;
        session.wanted = self.ledger.lacking_of(&have);
        session.counted_as_seed = have.is_full();
        if session.counted_as_seed {
            self.picker.seed_joined();
        } else {
            let geometry = self.manifest.geometry();
            let pieces = have.iter().filter_map(|number| geometry.piece(number));
            pieces.for_each(|piece| self.picker.gained(piece));
        }
        session.have = Some(have);
        self.update_interest(now, conn, out);
        self.note_use(now, conn);
        Some(())
    }

    fn forget_have(&mut self, session: &Session) {
        let Some(have) = &session.have else { return };
        if session.counted_as_seed {
            self.picker.seed_left();
        } else {
            let geometry = self.manifest.geometry();
            let pieces = have.iter().filter_map(|number| geometry.piece(number));
            pieces.for_each(|piece| self.picker.lost(piece));
        }
    }

    /// Tells a peer whether we want something of it, if that has changed.
    pub(crate) fn update_interest(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        let Some(session) = self.sessions.get(&conn) else { return };
        let interested = session.wanted > 0;
        let givers = &mut self.fetch.givers;
        let changed = if interested { givers.insert(conn) } else { givers.remove(&conn) };
        if changed {
            let message = if interested { Message::Interested } else { Message::NotInterested };
            self.send(now, conn, message, out);
        }
    }

    /// Notes whether this connection is of any use.
    pub(crate) fn note_use(&mut self, now: Time, conn: ConnId) {
        let done = self.disk.is_done();
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let useless = done && session.is_seed();
        session.useless_since = useless.then(|| session.useless_since.unwrap_or(now));
    }

    fn look_after_members(&mut self, now: Time, out: &mut Outbox) {
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for conn in conns {
            self.note_use(now, conn);
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            let silence = now.since(session.silent_since());
            let unsaid = session.have.is_none() && now.since(session.connected) > FIRST_MESSAGE;
            if unsaid || silence > self.config.idle_timeout {
                self.close(now, conn, Goodbye::TimedOut, out);
            } else if session.useless_since.is_some_and(|since| now.since(since) >= USELESS) {
                self.close(now, conn, Goodbye::NothingToExchange, out);
            } else if now.since(session.last_sent) >= KEEP_ALIVE {
                self.send(now, conn, Message::KeepAlive, out);
            }
        }
        self.tell_addresses(now, out);
        let lonely = self.sessions.is_empty() && self.members.dialing == 0;
        if lonely && !self.ledger.is_complete() {
            self.announcer.now_please(now);
        }
    }

    /// Tells every peer whose time has come the addresses that it was not told yet.
    fn tell_addresses(&mut self, now: Time, out: &mut Outbox) {
        let due = |session: &&Session| session.have.is_some() && now >= session.tell_at;
        let due: Vec<ConnId> = self.sessions.values().filter(due).map(|s| s.conn).collect();
        for conn in due {
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            let age = now.since(session.connected);
            session.tell_at = now + age.clamp(PEX_FIRST, PEX_MAX_WAIT);
            let mut news = self.book.shareable(&session.peer, usize::MAX);
            news.retain(|addr| !session.told.contains(addr));
            news.truncate(PEX_SEND);
            if news.is_empty() {
                continue;
            }
            session.told.extend(&news);
            let excess = session.told.len().saturating_sub(TOLD_MAX);
            session.told.drain(..excess);
            self.send(now, conn, Message::Pex(news), out);
        }
    }

    /// A peer tells us addresses.
    pub(crate) fn on_pex(&mut self, now: Time, conn: ConnId, peers: &[PeerAddr]) -> Option<()> {
        let session = self.sessions.get_mut(&conn)?;
        if peers.len() > PEX_MAX {
            return None;
        }
        if session.pex_received.is_none_or(|last| now.since(last) >= PEX_MIN) {
            session.pex_received = Some(now);
            for &peer in peers {
                self.book.learn(now, peer.into(), Source::Pex);
            }
        }
        Some(())
    }

    /// A tracker has not answered.
    pub(crate) fn on_announce_failed(
        &mut self,
        now: Time,
        tracker: TrackerIndex,
        why: NoAnswer,
        out: &mut Outbox,
    ) {
        let failed = self.announcer.failed(now, tracker, why, &mut self.rng);
        let (name, tracker) = (self.announcer.name(tracker), tracker.0);
        if failed.wrong_key {
            let name = name.clone();
            out.push(Output::Event(Event::TrackerWrongKey { tracker, name }));
        }
        if failed.went_down {
            out.push(Output::Event(Event::TrackerDown { tracker, name }));
        }
    }

    /// A tracker has answered.
    pub(crate) fn on_announced(
        &mut self,
        now: Time,
        tracker: TrackerIndex,
        reply: &Announced,
        out: &mut Outbox,
    ) {
        let replied = self.announcer.replied(now, tracker, reply, &mut self.rng);
        if replied.came_up {
            let name = self.announcer.name(tracker);
            out.push(Output::Event(Event::TrackerUp { tracker: tracker.0, name }));
        }
        if replied.need_manifest {
            out.push(Output::PutManifest { tracker });
        }
        // No more than were asked for, whatever the tracker sends.
        for &peer in reply.peers.iter().take(usize::from(WANT_MAX)) {
            self.book.learn(now, peer.into(), Source::Tracker);
        }
    }

    /// Tells trackers what they are due.
    pub(crate) fn run_announces(&mut self, now: Time, out: &mut Outbox) {
        let room = (self.config.connections_max as usize).saturating_sub(self.sessions.len());
        let unchoked = self.sessions.values().filter(|session| !session.choked).count();
        let load = unchoked * 100 / (self.config.upload_slots as usize).max(1);
        let facts = Facts {
            swarm: self.manifest.id(),
            have: self.ledger.have(),
            port: self.config.listen_port,
            advertise: self.config.advertise,
            uploaded: self.totals.uploaded,
            downloaded: self.totals.downloaded,
            want: room.min(usize::from(WANT_MAX)) as u8,
            load: load.min(100) as u8,
        };
        while let Some((tracker, announce)) = self.announcer.next(now, &facts) {
            out.push(Output::Announce { tracker, announce });
        }
    }
}

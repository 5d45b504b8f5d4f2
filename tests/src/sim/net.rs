//! The network: hosts with an uplink and a downlink each, and connections between them.
//!
//! A connection carries whole messages in each direction, in order, at the size that the codec
//! gives them. It is TCP as far as it matters to those who decide what to send:
//!
//! - What a node sends waits in its own queue until the socket's buffer has room; that it moved
//!   there is [`Notice::Flushed`].
//! - A host's uplink serves its connections in turns of at most `TURN` bytes, so a long block on
//!   one connection doesn't hold up a short message on another.
//! - What left the uplink travels for as long as the path is long and then queues at the downlink
//!   of the receiver, first come, first served. A connection has only so much on its way at a time
//!   (twice what the path holds, like a congestion window that has settled), so a slow receiver
//!   slows its senders, and they have their uplinks for others.
//! - While two hosts are cut off from each other their connections stand still; after that they go
//!   on where they were.
//!
//! Slow start, loss and headers are not modelled. Like the engine this is a state machine: the
//! caller passes the time, gets [`Event`]s to hand back later, and [`Notice`]s to act on.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use swarm_engine::{ConnId, Time};
use swarm_proto::{codec::Frame, message::Message};

/// Bytes that a connection may put on its host's uplink before it is another one's turn.
const TURN: u64 = 16 * 1024;
/// Bytes that a socket takes from its process and has not sent yet. Linux lets a sender keep more
/// than this buffered only for what is on its way, which is not counted here.
const SOCKET_BUFFER: u64 = 256 * 1024;
/// Bytes on their way that a connection over a path of no length may have.
const WINDOW_MIN: u64 = 64 * 1024;
/// How long a closed connection may take to send what was queued before.
const LINGER: Duration = Duration::from_secs(2);

/// What a host's access to the network is like.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Bytes a second out.
    pub up: u64,
    /// Bytes a second in.
    pub down: u64,
    /// Time from the host to the middle of the network, or back.
    pub delay: Duration,
}

impl Host {
    /// A host with these rates in Mbit/s, half a millisecond away from the middle: two of them are
    /// a millisecond apart.
    #[must_use]
    pub const fn mbit(up: u64, down: u64) -> Self {
        Self { up: up * 125_000, down: down * 125_000, delay: Duration::from_micros(500) }
    }

    /// The same host, so far from the middle that a round trip to another one like it takes `rtt`.
    #[must_use]
    pub const fn rtt(self, rtt: Duration) -> Self {
        Self { delay: Duration::from_nanos(rtt.as_nanos() as u64 / 4), ..self }
    }
}

/// Names a host, in the order in which they were added.
pub type HostId = usize;

/// Something to hand back to [`Net::handle`] later.
#[derive(Debug)]
pub enum Event {
    /// The uplink of a host has sent a chunk.
    Sent(HostId, FlowId, Chunk),
    /// A chunk has come to the downlink of its receiver.
    Arrived(FlowId, Chunk),
    /// A chunk has passed the downlink of its receiver.
    Delivered(FlowId, Chunk),
    /// Both ends of a connection learn that it is broken.
    Broken(LinkId),
    /// The time to send the rest on a closed connection is over.
    Lingered(ConnId),
}

/// What the ends of a connection learn.
#[derive(Debug)]
pub enum Notice {
    /// Bytes have left the node's own queue.
    Flushed(ConnId, u64),
    /// A message has come in.
    Received(ConnId, Message),
    /// The connection has ended.
    Closed(ConnId),
}

type LinkId = u64;

/// One direction of a connection, named by the end that sends.
type FlowId = ConnId;

/// A part of a connection's bytes, on its way.
#[derive(Debug)]
pub struct Chunk {
    bytes: u64,
    /// The messages whose last byte is in this part.
    messages: Vec<Message>,
    /// Nothing follows.
    last: bool,
}

/// All hosts and connections.
#[derive(Debug, Default)]
pub struct Net {
    nics: Vec<Nic>,
    links: BTreeMap<LinkId, Link>,
    next_link: LinkId,
    cuts: BTreeSet<(HostId, HostId)>,
    later: Vec<(Time, Event)>,
    notices: VecDeque<Notice>,
}

#[derive(Debug)]
struct Nic {
    host: Host,
    /// Flows that wait for their turn.
    turns: VecDeque<FlowId>,
    sending: bool,
    /// When the downlink is done with what has arrived.
    down_free: Time,
    /// Reads nothing from its connections.
    deaf: bool,
    busy: Duration,
}

#[derive(Debug)]
struct Link {
    hosts: [HostId; 2],
    /// Ends that know of nothing that happens from now on: closed, or the node is gone.
    ended: [bool; 2],
    flows: [Flow; 2],
}

#[derive(Debug, Default)]
struct Flow {
    /// Messages that have not left wholly, and how many bytes of each are left.
    frames: VecDeque<(Message, u64)>,
    /// Bytes in the node's own queue.
    queued: u64,
    /// Bytes in the socket's buffer, not sent.
    buffered: u64,
    /// Bytes sent that have not passed the receiver's downlink, and how many may be.
    transit: u64,
    window: u64,
    /// It waits for its turn or has it.
    in_turn: bool,
    /// Nothing is queued any more; when all is sent the connection ends.
    closing: bool,
    /// Chunks that came to a receiver who was cut off or deaf.
    held: Vec<Chunk>,
}

impl Net {
    /// Adds a host.
    pub fn add(&mut self, host: Host) -> HostId {
        self.nics.push(Nic {
            host,
            turns: VecDeque::new(),
            sending: false,
            down_free: Time::ZERO,
            deaf: false,
            busy: Duration::ZERO,
        });
        self.nics.len() - 1
    }

    /// Changes what a host's access is like, for what is sent from now on.
    pub fn set_host(&mut self, host: HostId, access: Host) {
        self.nics[host].host = access;
    }

    /// How long a host's uplink has been sending.
    #[must_use]
    pub fn busy(&self, host: HostId) -> Duration {
        self.nics[host].busy
    }

    /// How long a bit takes from one host to another and back if nothing else is under way.
    #[must_use]
    pub fn rtt(&self, a: HostId, b: HostId) -> Duration {
        (self.nics[a].host.delay + self.nics[b].host.delay) * 2
    }

    /// Whether a connection is there.
    #[must_use]
    pub fn is_open(&self, conn: ConnId) -> bool {
        self.links.contains_key(&link_of(conn))
    }

    /// Bytes that a connection's end has taken in and not sent yet.
    #[must_use]
    pub fn unsent(&self, conn: ConnId) -> u64 {
        self.links.get(&link_of(conn)).map_or(0, |link| {
            let flow = &link.flows[side_of(conn)];
            flow.queued + flow.buffered
        })
    }

    /// Opens a connection: the first end is at `a`, the second at `b`.
    pub fn open(&mut self, a: HostId, b: HostId) -> [ConnId; 2] {
        let link = self.next_link;
        self.next_link += 1;
        let (from, to) = (self.nics[a].host, self.nics[b].host);
        let flow = |up: u64, down: u64| {
            let path = u128::from(up.min(down)) * (from.delay + to.delay).as_nanos();
            let window = WINDOW_MIN + (2 * path / 1_000_000_000) as u64;
            Flow { window, ..Flow::default() }
        };
        let flows = [flow(from.up, to.down), flow(to.up, from.down)];
        self.links.insert(link, Link { hosts: [a, b], ended: [false; 2], flows });
        [ConnId(link * 2), ConnId(link * 2 + 1)]
    }

    /// Queues a message. Does nothing on a connection that has ended.
    pub fn send(&mut self, now: Time, conn: ConnId, message: Message) {
        let Some(link) = self.links.get_mut(&link_of(conn)) else { return };
        let flow = &mut link.flows[side_of(conn)];
        if link.ended[side_of(conn)] || flow.closing {
            return;
        }
        let bytes = message.encoded_len() as u64;
        flow.queued += bytes;
        flow.frames.push_back((message, bytes));
        self.wake(now, conn);
    }

    /// Ends a connection once everything queued is sent, or after two seconds.
    pub fn close(&mut self, now: Time, conn: ConnId) {
        let Some(link) = self.links.get_mut(&link_of(conn)) else { return };
        link.flows[side_of(conn)].closing = true;
        self.later.push((now + LINGER, Event::Lingered(conn)));
        self.wake(now, conn);
    }

    /// Breaks a connection: what is under way is lost, both ends learn of it at once.
    pub fn reset(&mut self, conn: ConnId) {
        self.break_link(link_of(conn));
    }

    /// Ends every connection of a host whose process died. Others learn of it if they can be
    /// reached.
    pub fn kill(&mut self, now: Time, host: HostId) {
        for (&id, link) in &mut self.links {
            let Some(side) = link.hosts.iter().position(|&h| h == host) else { continue };
            link.ended[side] = true;
            let other = link.hosts[1 - side];
            if other == host {
                link.ended[1 - side] = true;
            }
            if !self.cuts.contains(&(host, other)) {
                let delay = self.nics[host].host.delay + self.nics[other].host.delay;
                self.later.push((now + delay, Event::Broken(id)));
            }
        }
    }

    /// Whether nothing gets from one host to the other.
    #[must_use]
    pub fn is_cut(&self, a: HostId, b: HostId) -> bool {
        self.cuts.contains(&(a, b))
    }

    /// Lets nothing through between two hosts.
    pub fn cut(&mut self, a: HostId, b: HostId) {
        self.cuts.insert((a, b));
        self.cuts.insert((b, a));
    }

    /// Lets everything through between two hosts again, what was sent in the meantime included.
    pub fn heal(&mut self, now: Time, a: HostId, b: HostId) {
        self.cuts.remove(&(a, b));
        self.cuts.remove(&(b, a));
        let delay = self.nics[a].host.delay + self.nics[b].host.delay;
        let mut wake = Vec::new();
        for (&id, link) in &mut self.links {
            if link.hosts != [a, b] && link.hosts != [b, a] {
                continue;
            }
            for (side, flow) in link.flows.iter_mut().enumerate() {
                let conn = ConnId(id * 2 + side as u64);
                let held = flow.held.drain(..);
                self.later.extend(held.map(|chunk| (now + delay, Event::Arrived(conn, chunk))));
                wake.push(conn);
            }
            if link.ended != [false; 2] {
                // One side is gone for good; its kernel says so now.
                self.later.push((now + delay, Event::Broken(id)));
            }
        }
        for conn in wake {
            self.wake(now, conn);
        }
    }

    /// Makes a host stop reading from its connections, for good.
    pub fn deafen(&mut self, host: HostId) {
        self.nics[host].deaf = true;
    }

    /// What to hand back later, and when. Empties the list.
    pub fn later(&mut self) -> impl Iterator<Item = (Time, Event)> + '_ {
        self.later.drain(..)
    }

    /// The next thing that an end learns.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Takes back an event whose time has come.
    pub fn handle(&mut self, now: Time, event: Event) {
        match event {
            Event::Sent(host, conn, chunk) => self.sent(now, host, conn, chunk),
            Event::Arrived(conn, chunk) => self.arrived(now, conn, chunk),
            Event::Delivered(conn, chunk) => self.delivered(now, conn, chunk),
            Event::Broken(link) => self.break_link(link),
            Event::Lingered(conn) => self.lingered(conn),
        }
    }

    /// Lets a flow have a turn if it has something to send and room on its way.
    fn wake(&mut self, now: Time, conn: FlowId) {
        let Some(link) = self.links.get_mut(&link_of(conn)) else { return };
        let (from, to) = link.path(conn);
        let flow = &mut link.flows[side_of(conn)];
        let flushed = flow.queued.min(SOCKET_BUFFER.saturating_sub(flow.buffered));
        if flushed > 0 {
            flow.queued -= flushed;
            flow.buffered += flushed;
            self.notices.push_back(Notice::Flushed(conn, flushed));
        }
        let more = flow.buffered > 0 || flow.closing && flow.frames.is_empty();
        let may = !link.ended[side_of(conn)]
            && !flow.in_turn
            && flow.transit < flow.window
            && !self.cuts.contains(&(from, to));
        if more && may {
            flow.in_turn = true;
            self.nics[from].turns.push_back(conn);
            self.take_turn(now, from);
        }
    }

    /// Puts the next flow's chunk on the uplink, if that is free.
    fn take_turn(&mut self, now: Time, host: HostId) {
        let nic = &mut self.nics[host];
        while !nic.sending
            && let Some(conn) = nic.turns.pop_front()
        {
            let Some(link) = self.links.get_mut(&link_of(conn)) else { continue };
            let chunk = link.flows[side_of(conn)].cut_chunk();
            let time = transmission(chunk.bytes, nic.host.up);
            nic.sending = true;
            nic.busy += time;
            self.later.push((now + time, Event::Sent(host, conn, chunk)));
        }
    }

    fn sent(&mut self, now: Time, host: HostId, conn: FlowId, chunk: Chunk) {
        self.nics[host].sending = false;
        if let Some(link) = self.links.get_mut(&link_of(conn)) {
            let (from, to) = link.path(conn);
            link.flows[side_of(conn)].in_turn = false;
            if chunk.last && !link.ended[side_of(conn)] {
                link.ended[side_of(conn)] = true;
                self.notices.push_back(Notice::Closed(conn));
            }
            let delay = self.nics[from].host.delay + self.nics[to].host.delay;
            self.later.push((now + delay, Event::Arrived(conn, chunk)));
            self.wake(now, conn);
        }
        self.take_turn(now, host);
    }

    fn arrived(&mut self, now: Time, conn: FlowId, chunk: Chunk) {
        let Some(link) = self.links.get_mut(&link_of(conn)) else { return };
        let (from, to) = link.path(conn);
        let nic = &mut self.nics[to];
        if nic.deaf || self.cuts.contains(&(from, to)) {
            link.flows[side_of(conn)].held.push(chunk);
            return;
        }
        nic.down_free = nic.down_free.max(now) + transmission(chunk.bytes, nic.host.down);
        self.later.push((nic.down_free, Event::Delivered(conn, chunk)));
    }

    fn delivered(&mut self, now: Time, conn: FlowId, chunk: Chunk) {
        let Some(link) = self.links.get_mut(&link_of(conn)) else { return };
        link.flows[side_of(conn)].transit -= chunk.bytes;
        let receiver = other_end(conn);
        if !link.ended[side_of(receiver)] {
            let received = |message| Notice::Received(receiver, message);
            self.notices.extend(chunk.messages.into_iter().map(received));
        }
        if chunk.last {
            self.break_link(link_of(conn));
        } else {
            self.wake(now, conn);
        }
    }

    /// Gives up on what a closed connection has not sent. The other end learns of it if it can be
    /// reached.
    fn lingered(&mut self, conn: ConnId) {
        let Some(link) = self.links.get_mut(&link_of(conn)) else { return };
        if std::mem::replace(&mut link.ended[side_of(conn)], true) {
            return;
        }
        let (from, to) = link.path(conn);
        self.notices.push_back(Notice::Closed(conn));
        if !self.cuts.contains(&(from, to)) {
            self.break_link(link_of(conn));
        }
    }

    fn break_link(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        for side in 0..2 {
            if !link.ended[side] {
                self.notices.push_back(Notice::Closed(ConnId(id * 2 + side as u64)));
            }
        }
    }
}

impl Link {
    /// The hosts that a flow goes from and to.
    fn path(&self, conn: FlowId) -> (HostId, HostId) {
        (self.hosts[side_of(conn)], self.hosts[1 - side_of(conn)])
    }
}

impl Flow {
    /// Takes the next chunk out of the socket's buffer.
    fn cut_chunk(&mut self) -> Chunk {
        let mut chunk = Chunk { bytes: 0, messages: Vec::new(), last: false };
        let mut room = TURN.min(self.buffered);
        while room > 0
            && let Some((_, left)) = self.frames.front_mut()
        {
            let part = room.min(*left);
            *left -= part;
            room -= part;
            chunk.bytes += part;
            if *left == 0 {
                chunk.messages.extend(self.frames.pop_front().map(|(message, _)| message));
            }
        }
        self.buffered -= chunk.bytes;
        self.transit += chunk.bytes;
        chunk.last = self.closing && self.frames.is_empty();
        chunk
    }
}

const fn link_of(conn: ConnId) -> LinkId {
    conn.0 / 2
}

const fn side_of(conn: ConnId) -> usize {
    (conn.0 % 2) as usize
}

/// The other end of a connection.
#[must_use]
pub const fn other_end(conn: ConnId) -> ConnId {
    ConnId(conn.0 ^ 1)
}

/// How long so many bytes take at this rate.
fn transmission(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(nanos as u64)
}

#[cfg(test)]
mod tests;

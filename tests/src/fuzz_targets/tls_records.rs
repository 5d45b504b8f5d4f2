//! What a peer may send over TLS: records of every kind, sealed as they should be or not.
//!
//! A node accepts a connection over loopback. The peer does a handshake as it should and then
//! whatever the bytes decide. The messages that it sent in order, up to its first fault, must arrive,
//! and nothing else; and what comes behind them must be told apart: an orderly end or an error.

mod peer;

use bytes::{Bytes, BytesMut};
use peer::{Peer, client_configs};
use rustls::ClientConfig;
use swarm_net::{
    Connection, Identity, Protocol, ReadError, Security, Transport,
    socket::{self, Acceptor},
};
use swarm_proto::{codec::Frame, message::Message};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    runtime::{Builder, Runtime},
};

use super::source::Source;

/// Kinds of what is in a record (RFC 8446, section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
/// Content of a record, and its kind, at the most.
const INNER_MAX: usize = (1 << 14) + 1;
/// Records without data in a row, at the most.
const FRUITLESS_MAX: u32 = 32;
/// Decisions that one input makes at the most: more shows nothing new, and takes time.
const STEPS_MAX: usize = 100;

/// What has no place after a handshake.
const MISPLACED: [(u8, &[u8]); 10] = [
    (CHANGE_CIPHER_SPEC, &[1]),
    (HANDSHAKE, &[]),
    (HANDSHAKE, &[1, 0, 0, 0]),
    (HANDSHAKE, &[24, 0, 0]),
    (HANDSHAKE, &[24, 0, 0, 1, 2]),
    (HANDSHAKE, &[24, 0, 0, 1, 0, 24, 0, 0, 1, 0]),
    (ALERT, &[1]),
    (ALERT, &[2, 80]),
    (99, b"data"),
    // Nothing but padding.
    (0, &[0, 0]),
];

/// The peer's decisions after a handshake. The first byte may have it send them in place of one.
pub fn tls_records(data: &[u8]) {
    thread_local! {
        static WORLD: World = World::new();
    }
    let Some((&mode, data)) = data.split_first() else { return };
    WORLD.with(|world| {
        let ends = async {
            match mode {
                0 => world.talks_nonsense(data).await,
                _ => world.talks(mode, data).await,
            }
        };
        world.runtime.block_on(ends);
    });
}

/// What is the same for all inputs.
struct World {
    runtime: Runtime,
    node: Security,
    clients: [ClientConfig; 2],
}

impl World {
    #[expect(clippy::expect_used, reason = "a machine without threads and sockets cannot fuzz")]
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let node = Security::new(&Identity::generate(), Transport::Tls);
        Self { runtime, node, clients: client_configs() }
    }

    /// Both ends of a connection over loopback, the node's first.
    async fn sockets() -> [TcpStream; 2] {
        let sockets = async {
            let listener = socket::listen(([127, 0, 0, 1], 0).into())?;
            let theirs = TcpStream::connect(listener.local_addr()?).await?;
            // Closed ports would have to rest for a minute, and there are not so many.
            theirs.set_zero_linger()?;
            Ok([Acceptor::new(listener).accept().await?.0, theirs])
        };
        sockets.await.unwrap_or_else(|e: std::io::Error| panic!("no loopback: {e}"))
    }

    /// The bytes in place of a handshake.
    async fn talks_nonsense(&self, data: &[u8]) {
        let [ours, mut theirs] = Self::sockets().await;
        let talk = async {
            let _ = theirs.write_all(data).await;
            let _ = theirs.shutdown().await;
        };
        let (connection, ()) = tokio::join!(self.node.accept(ours, Protocol::Peer), talk);
        assert!(connection.is_err(), "nobody has proved a key");
    }

    async fn talks(&self, mode: u8, data: &[u8]) {
        let [ours, theirs] = Self::sockets().await;
        let config = self.clients[usize::from(mode & 1)].clone();
        let listen = async {
            let accepted = self.node.accept(ours, Protocol::Peer).await;
            listen(accepted.unwrap_or_else(|e| panic!("an orderly handshake failed: {e}"))).await
        };
        let talk = async {
            // The last flight may come together with what follows it.
            let peer = Peer::shake_hands(config, theirs, mode & 2 != 0).await;
            let mut talk = Talk::new(peer);
            talk.decide(Source::new(data)).await;
            talk
        };
        let ((heard, end), talk) = tokio::join!(listen, talk);
        assert_eq!(heard, talk.said());
        match end {
            Ok(()) => assert!(talk.ends_well(), "a fault or a cut was taken for an orderly end"),
            Err(error) => assert!(!talk.ends_well(), "no fault, but {error}"),
        }
    }
}

/// All messages that arrive, and how it ends.
async fn listen(mut connection: Connection) -> (Vec<Message>, Result<(), ReadError>) {
    let mut heard = Vec::new();
    loop {
        match connection.read().await {
            Ok(Some(message)) => heard.push(message),
            Ok(None) => return (heard, Ok(())),
            Err(error) => return (heard, Err(error)),
        }
    }
}

/// What a peer has said so far.
struct Talk {
    peer: Peer,
    /// Sealed and not yet sent.
    wire: Vec<u8>,
    /// The messages, and where each one ends in the stream of data.
    messages: Vec<(Message, usize)>,
    /// Of the last message, not sealed yet.
    rest: Bytes,
    /// Bytes of data that were sealed before anything went wrong.
    good: usize,
    fruitless: u32,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Fine,
    /// It has said goodbye; whatever follows is not looked at.
    Ended,
    /// It has done what it must not.
    Faulty,
}

impl Talk {
    const fn new(peer: Peer) -> Self {
        Self {
            peer,
            wire: Vec::new(),
            messages: Vec::new(),
            rest: Bytes::new(),
            good: 0,
            fruitless: 0,
            state: State::Fine,
        }
    }

    /// The messages that were sealed whole.
    fn said(&self) -> Vec<Message> {
        let whole = self.messages.iter().filter(|(_, end)| *end <= self.good);
        whole.map(|(message, _)| message.clone()).collect()
    }

    /// Whether it stops in good order, and between two messages.
    fn ends_well(&self) -> bool {
        let between = self.good == 0 || self.messages.iter().any(|(_, end)| *end == self.good);
        self.state != State::Faulty && between
    }

    /// Does what the source says until it is used up, and ends the stream.
    async fn decide(&mut self, mut source: Source<'_>) {
        for _ in 0..STEPS_MAX {
            if source.is_empty() {
                break;
            }
            self.step(&mut source);
            if source.one_in(3) {
                self.send(source.around(1 << 14) as usize).await;
            }
        }
        self.send(usize::MAX).await;
        self.peer.end().await;
    }

    /// Sends so much of what is sealed.
    async fn send(&mut self, bytes: usize) {
        let bytes = bytes.min(self.wire.len());
        self.peer.send(&self.wire[..bytes]).await;
        self.wire.drain(..bytes);
    }

    fn step(&mut self, source: &mut Source<'_>) {
        match source.byte() % 20 {
            0..=7 => {
                let len = source.around(INNER_MAX as u32).min(1 << 16) as usize;
                let data = self.next_data(len.max(1));
                let padding = padding(source);
                self.sealed(DATA, &data, padding);
            }
            8 => self.sealed(DATA, &[], padding(source)),
            9 => self.sealed(HANDSHAKE, &[4, 0, 0, 1, 7], padding(source)),
            10 => self.sealed(ALERT, &[1, 90], padding(source)),
            11 => {
                self.sealed(HANDSHAKE, &[24, 0, 0, 1, source.byte() % 2], padding(source));
                self.peer.renew();
            }
            12 if source.one_in(4) => {
                self.sealed(ALERT, &[1, 0], padding(source));
                if self.state == State::Fine {
                    self.state = State::Ended;
                }
            }
            13 if source.one_in(4) => {
                let (kind, content) = MISPLACED[source.below(MISPLACED.len())];
                self.sealed(kind, content, 0);
                self.fault();
            }
            14 if source.one_in(4) => {
                // A byte of it is another one.
                let (start, data) = (self.wire.len(), self.next_data(10));
                self.peer.seal(DATA, &data, 0, &mut self.wire);
                let at = start + source.below(self.wire.len() - start);
                self.wire[at] ^= source.byte().max(1);
                self.fault();
            }
            15 if source.one_in(4) => {
                // Twice the same.
                let (start, data) = (self.wire.len(), self.next_data(10));
                self.sealed(DATA, &data, 0);
                self.wire.extend_from_within(start..);
                self.fault();
            }
            16 if source.one_in(4) => {
                // One is missing.
                let data = self.next_data(10);
                self.peer.seal(DATA, &data, 0, &mut Vec::new());
                let data = self.next_data(10);
                self.peer.seal(DATA, &data, 0, &mut self.wire);
                self.fault();
            }
            17 if source.one_in(4) => {
                let nonsense = source.some();
                self.wire.extend_from_slice(nonsense);
                if !nonsense.is_empty() {
                    self.fault();
                }
            }
            18 if source.one_in(4) => {
                // Not under the key that was announced.
                self.sealed(HANDSHAKE, &[24, 0, 0, 1, 0], 0);
                let data = self.next_data(10);
                self.peer.seal(DATA, &data, 0, &mut self.wire);
                self.fault();
            }
            _ => {}
        }
    }

    /// Seals what may come, if it is not too long or too often of no use.
    fn sealed(&mut self, kind: u8, content: &[u8], padding: usize) {
        self.peer.seal(kind, content, padding, &mut self.wire);
        let data = kind == DATA && !content.is_empty();
        self.fruitless = if data { 0 } else { self.fruitless + 1 };
        if content.len() + 1 + padding > INNER_MAX || self.fruitless > FRUITLESS_MAX {
            self.fault();
        }
        if data && self.state == State::Fine {
            self.good += content.len();
        }
    }

    fn fault(&mut self) {
        if self.state == State::Fine {
            self.state = State::Faulty;
        }
    }

    /// The next bytes of data, at the most so many, of a message.
    fn next_data(&mut self, len: usize) -> Bytes {
        if self.rest.is_empty() {
            let number = self.messages.len() as u32;
            let data = vec![number as u8; [1, 40_000, 20, 16_384][number as usize % 4]];
            let message = Message::Block { piece: number, first: 0, data: data.into() };
            let mut bytes = BytesMut::new();
            let payload = message.encode(&mut bytes);
            bytes.extend_from_slice(payload.as_deref().unwrap_or_default());
            let before = self.messages.last().map_or(0, |(_, end)| *end);
            self.messages.push((message, before + bytes.len()));
            self.rest = bytes.freeze();
        }
        self.rest.split_to(len.min(self.rest.len()))
    }
}

/// Zeros behind the content of a record: seldom any.
fn padding(source: &mut Source<'_>) -> usize {
    if source.one_in(4) { source.around(INNER_MAX as u32) as usize % (2 * INNER_MAX) } else { 0 }
}

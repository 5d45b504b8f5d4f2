//! Who gets in and who does not, over real sockets.

use std::{
    io::{Read, Write},
    net::Ipv4Addr,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use swarm_proto::{
    codec::Frame,
    id::SwarmId,
    message::{Hello, Message},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::{ReadError, Turn};

/// Two identities, one of which listens.
struct Pair {
    dialer: Identity,
    acceptor: Identity,
    listener: TcpListener,
}

impl Pair {
    fn new() -> Self {
        let listener = socket::listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self { dialer: Identity::generate(), acceptor: Identity::generate(), listener }
    }

    fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    async fn accept(&self, transport: Transport) -> Result<Connection, ConnectError> {
        let (socket, _) = self.listener.accept().await.unwrap();
        Security::new(&self.acceptor, transport).accept(socket, Protocol::Peer).await
    }

    async fn dial(&self, transport: Transport) -> Result<Connection, ConnectError> {
        let expected = Some(self.acceptor.peer_id());
        Security::new(&self.dialer, transport).dial(self.addr(), expected, Protocol::Peer).await
    }

    /// Accepts a dialer with settings of its own, which believes that it got through.
    async fn accept_from(&self, config: rustls::ClientConfig) -> Result<Connection, ConnectError> {
        let dial = async {
            let socket = TcpStream::connect(self.addr()).await.unwrap();
            TlsConnector::from(Arc::new(config)).connect(server_name(self.addr()), socket).await
        };
        tokio::join!(dial, self.accept(Transport::Tls)).1
    }

    async fn connect(&self, transport: Transport) -> (Connection, Connection) {
        let (dialed, accepted) = tokio::join!(self.dial(transport), self.accept(transport));
        (dialed.unwrap(), accepted.unwrap())
    }
}

fn hello(peer: PeerId) -> Hello {
    Hello {
        version: 1,
        swarm: SwarmId::new([1; 32]),
        peer,
        features: 0,
        client: "test".into(),
        listen_port: 0,
        request_bytes_max: 1 << 20,
        run_blocks_max: 64,
    }
}

fn block(len: usize) -> Message {
    Message::Block { piece: 3, first: 0, data: Bytes::from(vec![0xAB; len]) }
}

#[tokio::test]
async fn both_sides_know_each_others_key() {
    let pair = Pair::new();
    let (mut dialed, mut accepted) = pair.connect(Transport::Tls).await;
    assert_eq!(dialed.peer(), Some(pair.acceptor.peer_id()));
    assert_eq!(accepted.peer(), Some(pair.dialer.peer_id()));
    assert_eq!(dialed.remote_addr(), pair.addr());

    let hello = hello(pair.dialer.peer_id());
    dialed.write(&hello).await.unwrap();
    assert_eq!(accepted.read::<Hello>().await.unwrap(), Some(hello));
    dialed.close().await;
    assert_eq!(accepted.read::<Message>().await.unwrap(), None);
}

#[tokio::test]
async fn over_plain_transport_nobody_is_known() {
    let (dialed, accepted) = Pair::new().connect(Transport::Plain).await;
    assert_eq!((dialed.peer(), accepted.peer()), (None, None));
}

#[tokio::test]
async fn frames_of_every_size_arrive_in_order_while_both_sides_send() {
    for transport in [Transport::Tls, Transport::Plain] {
        let (dialed, accepted) = Pair::new().connect(transport).await;
        let small = [5, 4096, 8 << 10, (8 << 10) + 1, 12_000].repeat(20);
        let sizes = [&small[..], &[1, 16 << 10, 1 << 20, 5, 300_000, 1 << 20, 17]].concat();
        let both = |mut conn: Connection, sizes: Vec<usize>| async move {
            let messages: Vec<_> =
                sizes.iter().flat_map(|&len| [block(len), Message::KeepAlive]).collect();
            messages.iter().for_each(|message| conn.queue(message));
            let sent: usize = messages.iter().map(Frame::encoded_len).sum();
            assert_eq!(conn.queued(), sent);
            let (mut got, mut written) = (Vec::new(), 0);
            while got.len() < messages.len() || written < sent {
                match conn.turn::<Message>(true).await.unwrap() {
                    Turn::Frame(message) => got.push(message),
                    Turn::Written(n) => written += n,
                    Turn::End => panic!("too soon"),
                }
            }
            assert!(got == messages);
            assert_eq!((written, conn.queued()), (sent, 0));
            conn
        };
        // Kept until both are through.
        let _both = tokio::join!(both(dialed, sizes.clone()), both(accepted, sizes));
    }
}

#[tokio::test]
async fn another_key_is_refused_before_anything_is_said() {
    let pair = Pair::new();
    let security = Security::new(&pair.dialer, Transport::Tls);
    let somebody = Some(Identity::generate().peer_id());
    let (dialed, accepted) = tokio::join!(
        security.dial(pair.addr(), somebody, Protocol::Peer),
        pair.accept(Transport::Tls)
    );
    assert!(matches!(dialed, Err(ConnectError::WrongKey)), "{dialed:?}");
    assert!(matches!(accepted, Err(ConnectError::Handshake(_))), "{accepted:?}");
}

#[tokio::test]
async fn over_tls_somebody_must_be_expected() {
    let pair = Pair::new();
    let dialed =
        Security::new(&pair.dialer, Transport::Tls).dial(pair.addr(), None, Protocol::Peer).await;
    assert!(matches!(dialed, Err(ConnectError::NoKey)), "{dialed:?}");
}

#[tokio::test]
async fn a_trackers_port_is_not_a_peers() {
    let pair = Pair::new();
    let security = Security::new(&pair.dialer, Transport::Tls);
    let (dialed, accepted) = tokio::join!(
        security.dial(pair.addr(), Some(pair.acceptor.peer_id()), Protocol::Tracker),
        pair.accept(Transport::Tls)
    );
    assert!(matches!(dialed, Err(ConnectError::WrongProtocol)), "{dialed:?}");
    assert!(matches!(accepted, Err(ConnectError::WrongProtocol)), "{accepted:?}");
}

#[tokio::test]
async fn mixed_transports_fail_at_once_and_say_so() {
    let pair = Pair::new();
    // A plain dialer says hello to a TLS acceptor.
    let talk = async {
        let mut dialed = pair.dial(Transport::Plain).await.unwrap();
        dialed.write(&hello(pair.dialer.peer_id())).await.unwrap();
        dialed.read::<Hello>().await
    };
    let (answer, accepted) = tokio::join!(talk, pair.accept(Transport::Tls));
    assert!(matches!(accepted, Err(ConnectError::NotTls)), "{accepted:?}");
    assert!(matches!(answer, Err(ReadError::Tls)), "{answer:?}");

    // A TLS dialer meets a plain acceptor.
    let listen = async {
        let mut accepted = pair.accept(Transport::Plain).await.unwrap();
        accepted.read::<Hello>().await
    };
    let (dialed, first) = tokio::join!(pair.dial(Transport::Tls), listen);
    assert!(matches!(first, Err(ReadError::Tls)), "{first:?}");
    assert!(matches!(dialed, Err(ConnectError::NotTls)), "{dialed:?}");
}

/// A dialer that speaks through rustls's own record layer.
struct Other {
    tls: rustls::ClientConnection,
    tcp: TcpStream,
}

impl Other {
    /// Does the handshake but for its last flight, which is not sent yet.
    async fn nearly_in(pair: &Pair) -> Self {
        let config = Tls::new(pair.dialer.key()).client(pair.acceptor.peer_id(), Protocol::Peer);
        let name = server_name(pair.addr());
        let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let tcp = TcpStream::connect(pair.addr()).await.unwrap();
        let mut other = Self { tls, tcp };
        other.flush().await;
        while other.tls.is_handshaking() {
            other.hear().await;
        }
        other
    }

    /// What is to be sent.
    fn take_wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut wire).unwrap();
        }
        wire
    }

    async fn flush(&mut self) {
        let wire = self.take_wire();
        self.tcp.write_all(&wire).await.unwrap();
    }

    async fn hear(&mut self) {
        let mut wire = vec![0; 1 << 14];
        let n = self.tcp.read(&mut wire).await.unwrap();
        assert!(n > 0, "the other side is gone");
        let mut wire = &wire[..n];
        while !wire.is_empty() {
            self.tls.read_tls(&mut wire).unwrap();
            self.tls.process_new_packets().unwrap();
        }
    }

    fn say(&mut self, message: &Message) {
        self.tls.writer().write_all(&encoded(message)).unwrap();
    }

    async fn listen_for(&mut self, message: &Message) {
        let (expected, mut heard) = (encoded(message), Vec::new());
        while heard.len() < expected.len() {
            let mut some = [0; 1 << 10];
            match self.tls.reader().read(&mut some) {
                Ok(n) => heard.extend_from_slice(&some[..n]),
                Err(_) => self.hear().await,
            }
        }
        assert_eq!(heard, expected);
    }
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let payload = message.encode(&mut bytes);
    [&bytes[..], payload.as_deref().unwrap_or_default()].concat()
}

/// In one segment with the end of the handshake: data, a request for new keys, and data under them.
#[tokio::test]
async fn whatever_is_legal_may_come_along_with_the_end_of_the_handshake() {
    let pair = Pair::new();
    let answer = Message::Interested;
    let dial = async {
        let mut other = Other::nearly_in(&pair).await;
        other.say(&block(20));
        other.tls.refresh_traffic_keys().unwrap();
        other.say(&Message::KeepAlive);
        other.flush().await;
        other.listen_for(&answer).await;
    };
    let accept = async {
        let mut accepted = pair.accept(Transport::Tls).await.unwrap();
        assert_eq!(accepted.read::<Message>().await.unwrap(), Some(block(20)));
        assert_eq!(accepted.read::<Message>().await.unwrap(), Some(Message::KeepAlive));
        accepted.write(&answer).await.unwrap();
        accepted
    };
    tokio::join!(dial, accept);
}

/// A record that has begun to arrive is the beginning of a frame, though nothing of it can be opened
/// yet: who waits for the rest need not have the patience that silence deserves.
#[tokio::test]
async fn a_record_that_has_begun_is_waited_for_and_missed() {
    let pair = Pair::new();
    let dial = async {
        let mut other = Other::nearly_in(&pair).await;
        other.say(&Message::KeepAlive);
        let record = other.take_wire();
        let (all_but_one, last) = record.split_at(record.len() - 1);
        other.tcp.write_all(all_but_one).await.unwrap();
        (other, last.to_vec())
    };
    let security = Security::new(&pair.acceptor, Transport::Tls);
    let accept = async {
        let (socket, _) = pair.listener.accept().await.unwrap();
        security.accept(socket, Protocol::Peer).await.unwrap()
    };
    let ((mut other, last), mut accepted) = tokio::join!(dial, accept);
    assert!(!accepted.mid_frame());
    let waiting = timeout(Duration::from_millis(1), accepted.read::<Message>());
    assert!(waiting.await.is_err());
    assert!(accepted.mid_frame());
    let idle = format!("{:?}", security.buffers());
    assert_eq!(idle, "Buffers { idle: 262208 }", "what a batch would need is not held meanwhile");
    other.tcp.write_all(&last).await.unwrap();
    assert_eq!(accepted.read::<Message>().await.unwrap(), Some(Message::KeepAlive));
    assert!(!accepted.mid_frame());

    other.say(&Message::KeepAlive);
    let record = other.take_wire();
    other.tcp.write_all(&record[..7]).await.unwrap();
    drop(other);
    let cut = accepted.read::<Message>().await.unwrap_err();
    assert!(
        matches!(&cut, ReadError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof),
        "{cut:?}"
    );
}

/// What rustls has of an identity, to build nodes that cheat.
fn certified(identity: &Identity) -> Arc<rustls::sign::CertifiedKey> {
    Arc::clone(Tls::new(identity.key()).certified())
}

/// A node that shows the victim's public key and signs with its own.
fn replayed(victim: &Identity, thief: &Identity) -> Arc<rustls::sign::CertifiedKey> {
    let spki = certified(victim).cert.clone();
    Arc::new(rustls::sign::CertifiedKey::new(spki, Arc::clone(&certified(thief).key)))
}

#[tokio::test]
async fn a_dialer_that_shows_a_key_it_does_not_have_is_refused() {
    let pair = Pair::new();
    let (victim, expected) = (Identity::generate(), pair.acceptor.peer_id());
    let mut config = Tls::new(pair.dialer.key()).client(expected, Protocol::Peer);
    config.client_auth_cert_resolver = Arc::new(
        rustls::client::AlwaysResolvesClientRawPublicKeys::new(replayed(&victim, &pair.dialer)),
    );
    let accepted = pair.accept_from(config).await;
    assert!(matches!(accepted, Err(ConnectError::Handshake(_))), "{accepted:?}");
}

#[tokio::test]
async fn a_dialer_without_a_key_is_refused() {
    let pair = Pair::new();
    let expected = pair.acceptor.peer_id();
    let mut config = Tls::new(pair.dialer.key()).client(expected, Protocol::Peer);
    config.client_auth_cert_resolver = Arc::new(NoKey);
    let accepted = pair.accept_from(config).await;
    assert!(matches!(accepted, Err(ConnectError::Handshake(_))), "{accepted:?}");
}

/// A client that has nothing to prove itself with.
#[derive(Debug)]
struct NoKey;

impl rustls::client::ResolvesClientCert for NoKey {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn an_acceptor_that_shows_a_key_it_does_not_have_is_refused() {
    let pair = Pair::new();
    let thief = Identity::generate();
    let mut config = Tls::new(thief.key()).server(Protocol::Peer);
    config.cert_resolver = Arc::new(rustls::server::AlwaysResolvesServerRawPublicKeys::new(
        replayed(&pair.acceptor, &thief),
    ));
    let impostor = async {
        let (socket, _) = pair.listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(socket).await.map(drop)
    };
    let (dialed, _) = tokio::join!(pair.dial(Transport::Tls), impostor);
    assert!(matches!(dialed, Err(ConnectError::Handshake(_))), "{dialed:?}");
}

#[tokio::test]
async fn a_dialer_that_names_no_protocol_is_refused() {
    let pair = Pair::new();
    let expected = pair.acceptor.peer_id();
    let mut config = Tls::new(pair.dialer.key()).client(expected, Protocol::Peer);
    config.alpn_protocols.clear();
    let accepted = pair.accept_from(config).await;
    assert!(matches!(accepted, Err(ConnectError::WrongProtocol)), "{accepted:?}");
}

#[tokio::test]
async fn tls_1_2_is_not_spoken() {
    let pair = Pair::new();
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    // No session id, one TLS 1.2 suite (ECDHE-ECDSA-AES128-GCM), no compression, no extensions.
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let len = hello.len() as u8;
    let record = [&[0x16, 3, 1, 0, len + 4, 1, 0, 0, len][..], &hello].concat();
    let dial = async {
        let mut socket = TcpStream::connect(pair.addr()).await.unwrap();
        socket.write_all(&record).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let (answer, accepted) = tokio::join!(dial, pair.accept(Transport::Tls));
    assert!(matches!(accepted, Err(ConnectError::Handshake(_))), "{accepted:?}");
    assert_eq!(answer[0], 0x15, "an alert and nothing else: {answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_dialer_is_waited_for_ten_seconds() {
    let pair = Pair::new();
    let start = tokio::time::Instant::now();
    let _silent = TcpStream::connect(pair.addr()).await.unwrap();
    let accepted = pair.accept(Transport::Tls).await;
    assert!(matches!(accepted, Err(ConnectError::TimedOut)), "{accepted:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
}

/// No flipped byte of a handshake leads to a session, but for those that mean nothing in TLS 1.3:
/// kind and version in the heads of records (an encrypted one has its kind inside), and records for
/// the eyes of old middleboxes (RFC 8446, 5 and D.4).
#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_tampered_with_fails() {
    let (dialer, acceptor) = (Identity::generate(), Identity::generate());
    let Tampered { bytes, idle, .. } = handshake(&dialer, &acceptor, usize::MAX).await;
    assert!(bytes > 500, "{bytes}");
    for at in 0..bytes {
        let Tampered { peers, .. } = handshake(&dialer, &acceptor, at).await;
        if let Some(peers) = peers {
            assert_eq!(peers, (Some(acceptor.peer_id()), Some(dialer.peer_id())), "byte {at}");
            assert!(idle.contains(&at), "byte {at} may be anything");
        }
    }
}

struct Tampered {
    /// Bytes that went over the wire, both ways.
    bytes: usize,
    /// Where among them those are that mean nothing.
    idle: Vec<usize>,
    /// Whom the dialer and the acceptor believe to talk to, if both finished.
    peers: Option<(Option<PeerId>, Option<PeerId>)>,
}

/// Runs a handshake in memory, with one bit flipped in byte `flip` of what goes over the wire.
async fn handshake(dialer: &Identity, acceptor: &Identity, flip: usize) -> Tampered {
    let client = Tls::new(dialer.key()).client(acceptor.peer_id(), Protocol::Peer);
    let server = Tls::new(acceptor.key()).server(Protocol::Peer);
    let name = server_name("127.0.0.1:1".parse().unwrap());
    let [(mut near, near_wire), (mut far, far_wire)] = [duplex(1 << 16), duplex(1 << 16)];
    let dial = async move { handshake::connect(client, name, &mut near).await };
    let accept = async move { handshake::accept(server, &mut far).await };
    // Where a length was changed, both may wait for what never comes.
    let ends = async {
        tokio::join!(timeout(HANDSHAKE_TIMEOUT, dial), timeout(HANDSHAKE_TIMEOUT, accept))
    };
    let ((dialed, accepted), (bytes, idle)) = tokio::join!(ends, tamper(near_wire, far_wire, flip));
    let peers = match (dialed, accepted) {
        (Ok(Ok(dialed)), Ok(Ok(accepted))) => Some((dialed.peer, accepted.peer)),
        _ => None,
    };
    Tampered { bytes, idle, peers }
}

/// Carries bytes both ways until both sides are gone, and says how many there were.
async fn tamper(mut near: DuplexStream, mut far: DuplexStream, flip: usize) -> (usize, Vec<usize>) {
    let (mut bytes, mut idle) = (0, Vec::new());
    let (mut from_near, mut from_far) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let (n, wire, to) = tokio::select! {
            Ok(n @ 1..) = near.read(&mut from_near) => (n, &mut from_near, &mut far),
            Ok(n @ 1..) = far.read(&mut from_far) => (n, &mut from_far, &mut near),
            else => return (bytes, idle),
        };
        let (wire, mut head) = (&mut wire[..n], 0);
        while let Some([kind, _, _, long, short]) = wire.get(head..).and_then(|w| w.first_chunk()) {
            let (start, end) = (head, head + 5 + usize::from(u16::from_be_bytes([*long, *short])));
            // 20 is change_cipher_spec.
            let idle_end = if *kind == 20 { end } else { start + 3 };
            idle.extend((start..idle_end).map(|at| bytes + at));
            head = end;
        }
        if let Some(byte) = flip.checked_sub(bytes).and_then(|at| wire.get_mut(at)) {
            *byte ^= 1;
        }
        bytes += n;
        // Whom it is for may be gone.
        let _ = to.write_all(wire).await;
    }
}

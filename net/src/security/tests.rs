//! Who gets in and who does not, over real sockets.

/// Payloads that go from a file.
mod files;
/// Those who claim to be somebody else, or change what others say.
mod impostors;
/// What the other side's TLS may do with records.
mod records;

use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use swarm_proto::{
    codec::Frame,
    id::SwarmId,
    message::{Hello, Message},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsConnector;

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

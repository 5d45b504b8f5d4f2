//! Real sockets on loopback.

use swarm_net::{Connection, Protocol};
use swarm_proto::{
    announce::{
        Announce, AnnounceEvent, Announced, HaveReport, Refusal, SwarmCounts, TrackerReply,
        TrackerRequest,
    },
    id::{Digest, SwarmId},
    manifest::{Extras, FileInfo, Info, Manifest},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

use super::*;

const SWARM: SwarmId = SwarmId::new([7; 32]);

async fn start(transport: Transport, listen: &str) -> (Server, Identity) {
    let identity = Identity::generate();
    let listen = listen.parse().unwrap();
    let config = ServerConfig::new(listen, transport);
    (Server::start(&identity, config).await.unwrap(), identity)
}

async fn plain() -> Server {
    start(Transport::Plain, "127.0.0.1:0").await.0
}

/// A node that has said hello.
struct Client {
    connection: Connection,
    identity: Identity,
}

impl Client {
    async fn connect(server: &Server, transport: Transport) -> Self {
        Self::connect_as(server, transport, Identity::generate()).await
    }

    async fn connect_as(server: &Server, transport: Transport, identity: Identity) -> Self {
        let security = Security::new(&identity, transport);
        let tracker = Some(server.peer_id());
        let addr = server.listen_addr();
        let mut connection = security.dial(addr, tracker, Protocol::Tracker).await.unwrap();
        connection.write(&hello(identity.peer_id())).await.unwrap();
        let reply: TrackerHello = connection.read().await.unwrap().unwrap();
        assert_eq!((reply.version, reply.peer), (TRACKER_VERSION, server.peer_id()));
        Self { connection, identity }
    }

    async fn ask(&mut self, request: TrackerRequest) -> TrackerReply {
        self.connection.write(&request).await.unwrap();
        self.connection.read().await.unwrap().unwrap()
    }

    async fn announce(&mut self, swarm: SwarmId, port: u16, have: HaveReport) -> Announced {
        let announce = Announce {
            swarm,
            event: AnnounceEvent::Alive,
            port,
            advertise: None,
            have,
            uploaded: 0,
            downloaded: 0,
            want: 30,
            load: 0,
        };
        match self.ask(TrackerRequest::Announce(announce)).await {
            TrackerReply::Announced(reply) => reply,
            other => panic!("{other:?}"),
        }
    }
}

fn hello(peer: PeerId) -> TrackerHello {
    TrackerHello { version: TRACKER_VERSION, peer, client: "test/1".into() }
}

/// Whether the other side has ended the connection, once it has.
async fn ended(socket: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    // A reset is an end as well.
    socket.read_to_end(&mut rest).await.map_or(true, |_| true)
}

#[tokio::test]
async fn two_nodes_meet() {
    for (transport, listen) in [
        (Transport::Tls, "127.0.0.1:0"),
        (Transport::Plain, "127.0.0.1:0"),
        (Transport::Tls, "[::1]:0"),
    ] {
        let (server, identity) = start(transport, listen).await;
        assert_eq!(server.peer_id(), identity.peer_id());
        let mut seed = Client::connect(&server, transport).await;
        let reply = seed.announce(SWARM, 1111, HaveReport::All).await;
        assert!(reply.need_manifest && reply.peers.is_empty());

        let mut leecher = Client::connect(&server, transport).await;
        let reply = leecher.announce(SWARM, 2222, HaveReport::None).await;
        let [told] = reply.peers[..] else { panic!("{reply:?}") };
        assert_eq!(told.id, seed.identity.peer_id());
        assert_eq!(told.addr, SocketAddr::new(server.listen_addr().ip(), 1111));
        assert_eq!(reply.observed.ip(), server.listen_addr().ip());

        let counts = leecher.ask(TrackerRequest::Scrape(vec![SWARM, SwarmId::new([8; 32])])).await;
        let swarm = SwarmCounts { seeds: 1, leechers: 1, completed: 0 };
        assert_eq!(counts, TrackerReply::Scraped(vec![swarm, SwarmCounts::default()]));
        let stats = Stats { swarms: 1, peers: 2, connections: 2, announces: 2 };
        assert_eq!(server.stats(), stats);
        // It waits for clients to end as well, which these two do not.
        time::pause();
        server.shutdown().await;
        time::resume();
        // Whoever still listens learns of it.
        assert!(seed.connection.read::<TrackerReply>().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_manifest_is_put_checked_and_got() {
    let (server, _) = start(Transport::Tls, "127.0.0.1:0").await;
    let info = Info {
        name: "share".into(),
        piece_length: 16 * 1024,
        files: vec![FileInfo {
            path: "".into(),
            length: 10_000 * 16 * 1024,
            executable: false,
            root: None,
        }],
        empty_folders: vec![],
    };
    let digests = (0..10_000).map(|n| Digest::new([n as u8; 32])).collect();
    let manifest = Manifest::build(info, digests, Extras::default()).unwrap();
    let (swarm, bytes) = (manifest.id(), bytes::Bytes::from(manifest.encode()));
    let total = bytes.len() as u32;
    let cut = 200_000;
    let mut seed = Client::connect(&server, Transport::Tls).await;
    let first = TrackerRequest::PutManifest { swarm, total, offset: 0, data: bytes.slice(..cut) };
    let forbidden = TrackerReply::Refused { why: Refusal::Forbidden, retry_s: 0 };
    assert_eq!(seed.ask(first.clone()).await, forbidden);
    assert!(seed.announce(swarm, 1, HaveReport::All).await.need_manifest);
    let here = |received| TrackerReply::ManifestPut { received };
    assert_eq!(seed.ask(first).await, here(cut as u32));
    let offset = cut as u32;
    let last = TrackerRequest::PutManifest { swarm, total, offset, data: bytes.slice(cut..) };
    assert_eq!(seed.ask(last).await, here(total));

    let mut leecher = Client::connect(&server, Transport::Tls).await;
    let mut copy = Vec::new();
    while copy.len() < bytes.len() {
        let request = TrackerRequest::GetManifest { swarm, offset: copy.len() as u32 };
        let TrackerReply::ManifestPart { data, .. } = leecher.ask(request).await else { panic!() };
        copy.extend_from_slice(&data);
    }
    assert_eq!(copy, bytes);
    server.shutdown().await;
}

#[tokio::test]
async fn over_tls_nobody_can_use_another_name() {
    let (server, _) = start(Transport::Tls, "127.0.0.1:0").await;
    let security = Security::new(&Identity::generate(), Transport::Tls);
    let addr = server.listen_addr();
    let dial = security.dial(addr, Some(server.peer_id()), Protocol::Tracker);
    let mut connection = dial.await.unwrap();
    connection.write(&hello(PeerId::new([1; 32]))).await.unwrap();
    assert!(matches!(connection.read::<TrackerHello>().await, Ok(None) | Err(_)));
    server.shutdown().await;
}

#[tokio::test]
async fn another_version_is_told_ours_and_sent_away() {
    let server = plain().await;
    let security = Security::new(&Identity::generate(), Transport::Plain);
    let mut connection =
        security.dial(server.listen_addr(), None, Protocol::Tracker).await.unwrap();
    let newer = TrackerHello { version: 99, ..hello(PeerId::new([1; 32])) };
    connection.write(&newer).await.unwrap();
    assert_eq!(connection.read::<TrackerHello>().await.unwrap().unwrap().version, 1);
    assert!(connection.read::<TrackerReply>().await.unwrap().is_none());
    server.shutdown().await;
}

#[tokio::test]
async fn whoever_speaks_another_language_is_sent_away() {
    for (transport, words) in [
        (Transport::Plain, &b"GET /announce?info_hash=x HTTP/1.1\r\n\r\n"[..]),
        (Transport::Plain, &[0, 0, 0, 0, 0]),
        (Transport::Plain, &[0xFF; 64]),
        // A whole frame, but of a kind that does not come first.
        (Transport::Plain, &[2, 0, 0, 0, 0x93, 0]),
        (Transport::Tls, b"GET / HTTP/1.1\r\n\r\n"),
        (Transport::Tls, &[0xFF; 64]),
    ] {
        let (server, _) = start(transport, "127.0.0.1:0").await;
        let mut socket = TcpStream::connect(server.listen_addr()).await.unwrap();
        socket.write_all(words).await.unwrap();
        assert!(ended(&mut socket).await);
        server.shutdown().await;
    }
}

#[tokio::test]
async fn after_the_hello_a_frame_too_long_ends_the_connection() {
    let server = plain().await;
    let mut socket = TcpStream::connect(server.listen_addr()).await.unwrap();
    let mut bytes = bytes::BytesMut::new();
    swarm_proto::codec::Frame::encode(&hello(PeerId::new([1; 32])), &mut bytes);
    bytes.extend_from_slice(&[0xFF, 0xFF, 0xFF, 0x7F, 0x90]);
    socket.write_all(&bytes).await.unwrap();
    assert!(ended(&mut socket).await);
    server.shutdown().await;
}

#[tokio::test]
async fn whoever_says_nothing_is_sent_away() {
    let server = plain().await;
    let mut silent = TcpStream::connect(server.listen_addr()).await.unwrap();
    let mut halting = TcpStream::connect(server.listen_addr()).await.unwrap();
    halting.write_all(&[46, 0, 0]).await.unwrap();
    time::pause();
    assert!(ended(&mut silent).await && ended(&mut halting).await);
    time::resume();
    server.shutdown().await;
}

#[tokio::test]
async fn a_connection_may_idle_but_not_within_a_frame() {
    let server = plain().await;
    let mut idle = Client::connect(&server, Transport::Plain).await;
    let mut socket = TcpStream::connect(server.listen_addr()).await.unwrap();
    let mut bytes = bytes::BytesMut::new();
    swarm_proto::codec::Frame::encode(&hello(PeerId::new([1; 32])), &mut bytes);
    let len = bytes.len();
    bytes.extend_from_slice(&[100, 0, 0, 0, 0x90, 1, 2, 3]);
    socket.write_all(&bytes).await.unwrap();
    // The tracker's own hello is as long as its client's name is.
    socket.read_exact(&mut vec![0; len - 6 + "swarm/0.1.0".len()]).await.unwrap();

    time::pause();
    let begun = Instant::now();
    assert!(ended(&mut socket).await);
    assert!(begun.elapsed() <= Duration::from_secs(121), "{:?}", begun.elapsed());
    // The other one is served after nine minutes of silence and ended after ten.
    let silence = Instant::now();
    sleep(Duration::from_secs(9 * 60) - begun.elapsed()).await;
    idle.announce(SWARM, 1, HaveReport::None).await;
    assert!(idle.connection.read::<TrackerReply>().await.unwrap().is_none());
    assert!(silence.elapsed() > Duration::from_secs(17 * 60));
    time::resume();
    server.shutdown().await;
}

#[tokio::test]
async fn requests_beyond_the_allowance_wait() {
    let server = plain().await;
    let mut client = Client::connect(&server, Transport::Plain).await;
    time::pause();
    let begun = Instant::now();
    for _ in 0..600 {
        client.ask(TrackerRequest::Scrape(vec![])).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    time::resume();
    server.shutdown().await;
}

#[tokio::test]
async fn a_tracker_starts_again_on_its_old_port() {
    let (server, identity) = start(Transport::Tls, "127.0.0.1:0").await;
    let listen = server.listen_addr();
    let mut client = Client::connect(&server, Transport::Tls).await;
    client.announce(SWARM, 1, HaveReport::All).await;
    // Not a shutdown: its connections are cut where they are.
    drop(server);
    while client.connection.read::<TrackerReply>().await.is_ok_and(|end| end.is_some()) {}

    let config = ServerConfig::new(listen, Transport::Tls);
    let server = loop {
        // The old listener closes when its task has noticed.
        match Server::start(&identity, config.clone()).await {
            Ok(server) => break server,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut other = Client::connect(&server, Transport::Tls).await;
    other.announce(SWARM, 2, HaveReport::None).await;
    let mut client = Client::connect_as(&server, Transport::Tls, client.identity).await;
    let reply = client.announce(SWARM, 1, HaveReport::All).await;
    assert_eq!(reply.peers.len(), 1);
    assert!(reply.interval_ms <= 5000, "it has just started");
    server.shutdown().await;
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let server = plain().await;
    let config = ServerConfig::new(server.listen_addr(), Transport::Plain);
    let error = Server::start(&Identity::generate(), config).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    server.shutdown().await;
}

#[tokio::test]
async fn no_task_is_left_after_a_shutdown() {
    let server = plain().await;
    let tasks = server.tasks.clone();
    let clients = [
        Client::connect(&server, Transport::Plain).await,
        Client::connect(&server, Transport::Plain).await,
    ];
    let silent = TcpStream::connect(server.listen_addr()).await.unwrap();
    server.shutdown().await;
    assert!(tasks.is_empty());
    drop((clients, silent));
}

#[tokio::test]
async fn silent_peers_are_forgotten() {
    let server = plain().await;
    let mut client = Client::connect(&server, Transport::Plain).await;
    client.announce(SWARM, 1, HaveReport::All).await;
    assert_eq!(server.stats().peers, 1);
    time::pause();
    sleep(Duration::from_secs(20)).await;
    assert_eq!((server.stats().peers, server.stats().swarms), (0, 0));
    time::resume();
    server.shutdown().await;
}

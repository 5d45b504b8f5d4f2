//! A client that knows nothing but `docs/protocol.md`, byte by byte, over plain transport. It uses
//! none of our types for messages, so whatever both ends of our code get wrong alike shows here.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use swarm_net::{Identity, Transport};
use swarm_tracker::{Server, ServerConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const NODE_A: [u8; 32] = [0xA1; 32];
const NODE_B: [u8; 32] = [0xB2; 32];
const NO_SWARM: [u8; 32] = [0x5A; 32];

/// The worked example of section 3: three pieces.
const MANIFEST: &str = "
    53 57 41 52 4d 00 01 00
    73 04 64 65 6d 6f fb 00 80 02
       02 04 64 61 74 61 05 61 2e 74 78 74 06 00
       01 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
       02 04 64 61 74 61 07 62 69 67 2e 62 69 6e fb 40 9c 00
       01 ab671631a9fa97a1fdac651fff6c68773b9acf0735b9c7f6ecdd54cbf1bf5dc2
       01 01 05 65 6d 70 74 79
    40 d9e13d0b676ad681164ef0b7b5910d1328ea83a047cad57e619d76bbe3a08525
       c878da4f6d2bc3d9e59af3c6ef3aaf72b248998c30a4b77a4e7de79a899daf72
    38 01 01 a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1
       09 31 39 32 2e 30 2e 32 2e 31 fb 58 1b 00 00 fc 00 f1 53 65 00 00
    5957dc3fc793b31ae23f14425fc866ef0d38c335e039e101c44123de57d769e3";
/// SHA-256 of its `Info`.
const SWARM: &str = "cdbzn2r6uzidmxyasbuxgp2m3sqanyrar6ihgjkgcg2ohvwnmbyq";

const HELLO: u8 = 0x80;
const ANNOUNCE: u8 = 0x90;
const GET_MANIFEST: u8 = 0x91;
const PUT_MANIFEST: u8 = 0x92;
const SCRAPE: u8 = 0x93;
const ANNOUNCED: u8 = 0xA0;
const MANIFEST_PART: u8 = 0xA1;
const MANIFEST_PUT: u8 = 0xA2;
const SCRAPED: u8 = 0xA3;
const REFUSED: u8 = 0xAF;

const NOT_FOUND: u64 = 0;
const TOO_OFTEN: u64 = 2;
const INVALID: u64 = 3;
const FORBIDDEN: u64 = 4;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn base32(text: &str) -> [u8; 32] {
    let mut bits = text.bytes().flat_map(|c| {
        let value = if c.is_ascii_digit() { c - b'2' + 26 } else { c - b'a' };
        (0..5).rev().map(move |bit| value >> bit & 1)
    });
    std::array::from_fn(|_| (0..8).fold(0, |byte, _| byte << 1 | bits.next().unwrap()))
}

fn varint(value: u64) -> Vec<u8> {
    match value {
        0..=250 => vec![value as u8],
        251..=0xFFFF => [&[0xFB][..], &(value as u16).to_le_bytes()].concat(),
        0x1_0000..=0xFFFF_FFFF => [&[0xFC][..], &(value as u32).to_le_bytes()].concat(),
        _ => [&[0xFD][..], &value.to_le_bytes()].concat(),
    }
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 1).to_le_bytes()[..], &[kind], body].concat()
}

fn hello(version: u8, node: [u8; 32]) -> Vec<u8> {
    frame(HELLO, &[&[version][..], &node, &[4], b"test"].concat())
}

/// What an announce says of pieces.
#[derive(Clone)]
enum Have {
    None,
    All,
    Row(Vec<u8>),
    Delta(Vec<u64>, Vec<u64>, u64),
}

fn announce(swarm: [u8; 32], event: u8, port: u16, have: &Have) -> Vec<u8> {
    let list = |items: &[u64]| {
        let numbers = items.iter().flat_map(|&item| varint(item));
        varint(items.len() as u64).into_iter().chain(numbers).collect::<Vec<u8>>()
    };
    let have = match have {
        Have::None => vec![0],
        Have::All => vec![1],
        Have::Row(row) => [&[2][..], &varint(row.len() as u64), row].concat(),
        Have::Delta(gained, lost, digest) => {
            [vec![3], list(gained), list(lost), varint(*digest)].concat()
        }
    };
    // No advertised host, nothing uploaded or downloaded, 30 peers wanted, no load.
    let body =
        [&swarm[..], &[event], &varint(port.into()), &[0], &have, &[0, 0], &[30], &[0]].concat();
    frame(ANNOUNCE, &body)
}

fn put(swarm: [u8; 32], total: usize, offset: usize, bytes: &[u8]) -> Vec<u8> {
    let (total, offset) = ((total as u32).to_le_bytes(), (offset as u32).to_le_bytes());
    frame(PUT_MANIFEST, &[&swarm[..], &total, &offset, bytes].concat())
}

/// The digest of a row, as the page has it.
fn digest(row: &[u64]) -> u64 {
    row.iter().fold(0, |sum, &piece| {
        let mut x = (piece + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        sum.wrapping_add(x ^ (x >> 31))
    })
}

/// Reads the fields of a body.
struct Body(std::vec::IntoIter<u8>);

impl Body {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.0.next().expect("the body goes on"))
    }

    fn byte(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn varint(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=250 => small.into(),
            0xFB => u16::from_le_bytes(self.take()).into(),
            0xFC => u32::from_le_bytes(self.take()).into(),
            0xFD => u64::from_le_bytes(self.take()),
            other => panic!("{other:#x} begins no number"),
        }
    }

    fn addr(&mut self) -> SocketAddr {
        let ip = match self.byte() {
            0 => IpAddr::from(self.take::<4>()),
            1 => IpAddr::from(self.take::<16>()),
            other => panic!("{other} is no family"),
        };
        SocketAddr::new(ip, self.varint() as u16)
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.varint()).map(|_| item(self)).collect()
    }

    fn end(mut self) {
        assert_eq!(self.0.next(), None, "the body is longer than its fields");
    }
}

#[derive(Debug)]
struct Announced {
    interval: u64,
    least: u64,
    peers: Vec<([u8; 32], SocketAddr)>,
    /// Seeds, leechers, completed.
    counts: [u64; 3],
    rarest: Vec<(u64, u64)>,
    need_full: bool,
    need_manifest: bool,
    observed: SocketAddr,
}

/// A connection to a tracker.
struct Wire(TcpStream);

impl Wire {
    async fn open(server: &Server) -> Self {
        Self(TcpStream::connect(server.listen_addr()).await.unwrap())
    }

    /// A connection on which both sides have said hello.
    async fn greeted(server: &Server, node: [u8; 32]) -> Self {
        let mut wire = Self::open(server).await;
        wire.send(&hello(1, node)).await;
        wire.expect_hello().await;
        wire
    }

    async fn expect_hello(&mut self) {
        let mut body = self.receive(HELLO).await;
        assert_eq!(body.varint(), 1);
        body.take::<32>();
        let client = body.list(Body::byte);
        assert!(client.len() <= 64 && client.iter().all(|byte| (0x20..=0x7E).contains(byte)));
        body.end();
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn receive(&mut self, kind: u8) -> Body {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).await.unwrap();
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        self.0.read_exact(&mut frame).await.unwrap();
        let got = frame.remove(0);
        assert_eq!(got, kind, "got {got:#x} {frame:x?} instead of {kind:#x}");
        Body(frame.into_iter())
    }

    async fn announced(&mut self, request: &[u8]) -> Announced {
        self.send(request).await;
        let mut body = self.receive(ANNOUNCED).await;
        let reply = Announced {
            interval: body.varint(),
            least: body.varint(),
            peers: body.list(|body| (body.take(), body.addr())),
            counts: [body.varint(), body.varint(), body.varint()],
            rarest: body.list(|body| (body.varint(), body.varint())),
            need_full: body.byte() == 1,
            need_manifest: body.byte() == 1,
            observed: body.addr(),
        };
        body.end();
        reply
    }

    async fn refused(&mut self, request: &[u8]) -> (u64, u64) {
        self.send(request).await;
        let mut body = self.receive(REFUSED).await;
        let reply = (body.varint(), body.varint());
        body.end();
        reply
    }

    async fn stored(&mut self, request: &[u8]) -> u64 {
        self.send(request).await;
        let mut body = self.receive(MANIFEST_PUT).await;
        let received = body.varint();
        body.end();
        received
    }

    /// Waits for the end, and says how many bytes came before.
    async fn ended(mut self) -> usize {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = self.0.read_to_end(&mut rest).await;
        rest.len()
    }
}

async fn tracker() -> Server {
    let config = ServerConfig::new((Ipv4Addr::LOCALHOST, 0).into(), Transport::Plain);
    Server::start(&Identity::generate(), config).await.unwrap()
}

#[tokio::test]
async fn the_examples_of_the_page_are_understood() {
    let server = tracker().await;
    let mut wire = Wire::open(&server).await;
    wire.send(&hex("2e 00 00 00 80 01")).await;
    wire.send(&NODE_A).await;
    wire.send(&hex("0b 73 77 61 72 6d 2f 30 2e 31 2e 30")).await;
    wire.expect_hello().await;

    // A first announce, one with a row, one with changes and an address: three in one segment.
    let first = "2b 00 00 00 90 _ 00 fb e1 1a 00 00 00 00 1e 00";
    let full = "3f 00 00 00 90 _ 01 fb e1 1a 01 00 c0 00 02 07 02 02 a0 40
        fc 00 00 10 00 fd 00 00 00 00 05 00 00 00 1e 4b";
    let delta = "4c 00 00 00 90 _ 01 fb e1 1a 01 01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 07
        03 02 03 fb 2c 01 01 00 fd ee 6e b3 12 5d 56 ae cd 00 00 1e 00";
    let bytes = |text: &str| {
        let (head, tail) = text.split_once('_').unwrap();
        [hex(head), NO_SWARM.to_vec(), hex(tail)].concat()
    };
    wire.send(&[bytes(first), bytes(full)].concat()).await;
    let mut one = wire.receive(ANNOUNCED).await;
    assert!(one.varint() > 0);
    wire.receive(ANNOUNCED).await;
    let reply = wire.announced(&bytes(delta)).await;
    assert!(reply.need_full, "nobody has told this tracker how many pieces there are");
    assert_eq!(reply.counts, [0, 0, 0]);

    wire.send(&[hex("22 00 00 00 93 01"), NO_SWARM.to_vec()].concat()).await;
    let mut body = wire.receive(SCRAPED).await;
    assert_eq!(body.list(|body| [body.varint(), body.varint(), body.varint()]), [[0, 1, 0]]);
    body.end();
    server.shutdown().await;
}

#[tokio::test]
async fn a_swarm_lives_by_the_page_alone() {
    let server = tracker().await;
    let (swarm, manifest) = (base32(SWARM), hex(MANIFEST));
    let mut seed = Wire::greeted(&server, NODE_A).await;
    let mut leecher = Wire::greeted(&server, NODE_B).await;

    // The seeder comes and is asked for the manifest.
    let reply = seed.announced(&announce(swarm, 0, 6881, &Have::All)).await;
    assert!(reply.peers.is_empty() && reply.need_manifest && !reply.need_full);
    assert!(reply.rarest.is_empty());
    assert!((1000..60_000).contains(&reply.interval) && reply.least < reply.interval);
    assert_eq!(reply.observed, seed.0.local_addr().unwrap());

    // It comes in two parts; the leecher gets it in one.
    let total = manifest.len();
    assert_eq!(seed.stored(&put(swarm, total, 0, &manifest[..100])).await, 100);
    assert_eq!(seed.stored(&put(swarm, total, 100, &manifest[100..])).await, total as u64);
    leecher.send(&frame(GET_MANIFEST, &[&swarm[..], &varint(0)].concat())).await;
    let body = leecher.receive(MANIFEST_PART).await;
    let expected = [&(total as u32).to_le_bytes()[..], &[0; 4], &manifest].concat();
    assert_eq!(body.0.as_slice(), expected);

    // The leecher comes, is told of the seeder, and then of what is rare.
    let reply = leecher.announced(&announce(swarm, 0, 6882, &Have::None)).await;
    assert_eq!(reply.peers, [(NODE_A, "127.0.0.1:6881".parse().unwrap())]);
    assert_eq!((reply.counts, reply.need_manifest), ([1, 0, 0], false));
    let row = Have::Row(vec![0b0100_0000]);
    let reply = leecher.announced(&announce(swarm, 1, 6882, &row)).await;
    let mut rarest = reply.rarest;
    rarest.sort_unstable();
    assert_eq!((rarest, reply.need_full), (vec![(0, 1), (2, 1)], false));

    // It gains two pieces and completes. The digest is that of the row after the change.
    let wrong = Have::Delta(vec![0], vec![], digest(&[0, 1]) + 1);
    assert!(leecher.announced(&announce(swarm, 1, 6882, &wrong)).await.need_full);
    let right = Have::Delta(vec![0, 2], vec![], digest(&[0, 1, 2]));
    let reply = leecher.announced(&announce(swarm, 2, 6882, &right)).await;
    assert_eq!((reply.need_full, reply.counts), (false, [1, 0, 1]));
    assert!(reply.peers.is_empty(), "two seeds have nothing to say to each other");

    // It leaves.
    leecher.announced(&announce(swarm, 3, 6882, &Have::None)).await;
    let reply = seed.announced(&announce(swarm, 1, 6881, &Have::All)).await;
    assert_eq!(reply.counts, [0, 0, 1]);
    server.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_the_connection_stays() {
    let server = tracker().await;
    let (swarm, manifest) = (base32(SWARM), hex(MANIFEST));
    let total = manifest.len();
    let mut wire = Wire::greeted(&server, NODE_A).await;
    let get = |offset| frame(GET_MANIFEST, &[&swarm[..], &varint(offset)].concat());
    assert_eq!(wire.refused(&get(0)).await.0, NOT_FOUND);
    assert_eq!(wire.refused(&put(swarm, total, 0, &manifest)).await, (FORBIDDEN, 0));

    wire.announced(&announce(swarm, 0, 1, &Have::All)).await;
    assert_eq!(wire.refused(&put(swarm, total, 7, &manifest[7..])).await, (INVALID, 0));
    let mut damaged = manifest.clone();
    damaged[50] ^= 1;
    assert_eq!(wire.refused(&put(swarm, total, 0, &damaged)).await, (INVALID, 0));
    // A good manifest, but of another swarm.
    wire.announced(&announce(NO_SWARM, 0, 1, &Have::All)).await;
    assert_eq!(wire.refused(&put(NO_SWARM, total, 0, &manifest)).await, (INVALID, 0));
    assert_eq!(wire.stored(&put(swarm, total, 0, &manifest)).await, total as u64);

    // There are three pieces: one byte, five spare bits.
    for have in [
        Have::Row(vec![]),
        Have::Row(vec![0, 0]),
        Have::Row(vec![0b0001_0000]),
        Have::Delta(vec![3], vec![], 0),
        Have::Delta(vec![], vec![u64::from(u32::MAX)], 0),
    ] {
        let refused = wire.refused(&announce(swarm, 1, 1, &have)).await;
        assert_eq!(refused, (INVALID, 0));
    }
    loop {
        wire.send(&announce(swarm, 1, 1, &Have::All)).await;
        let mut length = [0; 5];
        wire.0.read_exact(&mut length).await.unwrap();
        let len = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        let mut body = vec![0; len as usize - 1];
        wire.0.read_exact(&mut body).await.unwrap();
        if length[4] == REFUSED {
            assert_eq!(u64::from(body[0]), TOO_OFTEN);
            assert!(body[1] > 0, "and when to come again");
            break;
        }
    }
    // The connection has survived all of it.
    wire.send(&frame(SCRAPE, &[0])).await;
    assert_eq!(wire.receive(SCRAPED).await.varint(), 0);
    server.shutdown().await;
}

#[tokio::test]
async fn a_breach_of_the_protocol_ends_the_connection() {
    let server = tracker().await;
    let swarm = NO_SWARM;
    let good = announce(swarm, 0, 6881, &Have::None);
    // The announce with some bytes replaced: at, how many, by what.
    let changed = |at: usize, len: usize, by: &[u8]| {
        let mut body = good[5..].to_vec();
        body.splice(at..at + len, by.iter().copied());
        frame(ANNOUNCE, &body)
    };
    let port = 33;
    let breaches: Vec<(&str, Vec<u8>)> = vec![
        ("a length of zero", vec![0; 5]),
        ("a kind that there is not", frame(0x94, &[])),
        ("a kind of the other direction", frame(ANNOUNCED, &[0; 20])),
        ("a kind between peers", frame(0x01, &[])),
        ("a second hello", hello(1, NODE_A)),
        ("a body that is too short", frame(ANNOUNCE, &[0; 39])),
        ("a body that is too long", [&524_370_u32.to_le_bytes()[..], &[ANNOUNCE]].concat()),
        ("a length near the end of numbers", vec![0xFF, 0xFF, 0xFF, 0xFF, ANNOUNCE]),
        ("a byte after the last field", frame(ANNOUNCE, &[&good[5..], &[0]].concat())),
        ("a number in a longer form", changed(port, 3, &[0xFC, 0xE1, 0x1A, 0, 0])),
        ("a small number in a long form", changed(port, 3, &[0xFB, 5, 0])),
        ("an event that there is not", changed(32, 1, &[4])),
        ("an option that is neither", changed(36, 1, &[2])),
        ("a report that there is not", changed(37, 1, &[4])),
        ("too many peers wanted", changed(40, 1, &[65])),
        ("more than all slots in use", changed(41, 1, &[101])),
        ("too many swarms", frame(SCRAPE, &[&[65][..], &[0; 65 * 32]].concat())),
        ("a part without a byte", put(swarm, 10, 0, &[])),
        ("a part that sticks out", put(swarm, 10, 5, &[0; 6])),
    ];
    for (what, bytes) in breaches {
        let mut wire = Wire::greeted(&server, NODE_A).await;
        wire.send(&bytes).await;
        assert_eq!(wire.ended().await, 0, "{what}");
    }
    // And the same announce as it should be is answered.
    let mut wire = Wire::greeted(&server, NODE_A).await;
    wire.announced(&good).await;
    server.shutdown().await;
}

#[tokio::test]
async fn the_first_frame_is_a_hello_of_this_version() {
    let server = tracker().await;
    for bytes in [
        announce(NO_SWARM, 0, 1, &Have::None),
        frame(HELLO, &[0; 200]),
        frame(HELLO, &[&[1][..], &NODE_A, &[1, 0x1B]].concat()),
    ] {
        let mut wire = Wire::open(&server).await;
        wire.send(&bytes).await;
        assert_eq!(wire.ended().await, 0);
    }
    // Whoever speaks another version learns which one is spoken here.
    let mut wire = Wire::open(&server).await;
    wire.send(&hello(2, NODE_A)).await;
    wire.expect_hello().await;
    assert_eq!(wire.ended().await, 0);
    server.shutdown().await;
}

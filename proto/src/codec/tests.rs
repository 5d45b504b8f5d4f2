//! Every message survives the wire, and nothing else does.

use std::{
    fmt::Debug,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, option, prelude::*};

use super::{CodecError, Frame, HEADER_LEN};
use crate::{
    announce::{
        Announce, AnnounceEvent, Announced, DELTA_MAX, HaveReport, RAREST_MAX, Refusal, SCRAPE_MAX,
        SwarmCounts, TrackerHello, TrackerReply, TrackerRequest, WANT_MAX,
    },
    geometry::PIECES_MAX,
    id::{Digest, PeerId, SwarmId},
    message::{Goodbye, HAVE_MAX, Hello, MANIFEST_PART_MAX, Message, PEX_MAX, PeerAddr, RawRun},
};

/// The whole frame, as it goes over the wire.
fn wire(message: &impl Frame) -> Vec<u8> {
    let mut head = BytesMut::new();
    let payload = message.encode(&mut head);
    [&head[..], payload.as_deref().unwrap_or_default()].concat()
}

/// What a reader makes of a whole frame.
fn parse<F: Frame>(frame: &[u8]) -> Result<F, CodecError> {
    let (head, body) = frame.split_first_chunk::<HEADER_LEN>().expect("a whole header");
    F::decode(F::header(*head)?, Bytes::copy_from_slice(body))
}

/// A frame of any kind and body.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 1).to_le_bytes()[..], &[kind], body].concat()
}

fn survives<F: Frame + PartialEq + Debug>(message: &F) {
    let frame = wire(message);
    assert_eq!(message.encoded_len(), frame.len());
    assert_eq!(parse::<F>(&frame).as_ref(), Ok(message));
}

/// Takes every byte off the end in turn, puts one on, and changes each of the first ones.
fn stands_alone<F: Frame + PartialEq + Debug>(message: &F) {
    let whole = wire(message);
    let (kind, body) = (whole[HEADER_LEN - 1], &whole[HEADER_LEN..]);
    for cut in 0..body.len() {
        // A shorter payload can be a message too, but never the same one.
        assert_ne!(parse::<F>(&frame(kind, &body[..cut])).as_ref(), Ok(message));
    }
    assert_ne!(parse::<F>(&frame(kind, &[body, &[0]].concat())).as_ref(), Ok(message));
    for i in 0..body.len().min(200) {
        let mut body = body.to_vec();
        for bit in 0..8 {
            body[i] ^= 1 << bit;
            let frame = frame(kind, &body);
            if let Ok(other) = parse::<F>(&frame) {
                assert_eq!(wire(&other), frame, "one message, one encoding");
            }
            body[i] ^= 1 << bit;
        }
    }
}

prop_compose! {
    fn swarm_id()(bytes in any::<[u8; 32]>()) -> SwarmId { SwarmId::new(bytes) }
}
prop_compose! {
    fn peer_id()(bytes in any::<[u8; 32]>()) -> PeerId { PeerId::new(bytes) }
}

/// Numbers near every length that a number can have on the wire, and any others.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..10_u32, 248..260_u32, 65_530..65_540_u32, u32::MAX - 2..=u32::MAX, any::<u32>()]
}

fn long_number() -> impl Strategy<Value = u64> {
    prop_oneof![
        number().prop_map(u64::from),
        u64::from(u32::MAX) - 2..u64::from(u32::MAX) + 2,
        any::<u64>()
    ]
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| IpAddr::V4(octets.into())),
        any::<[u8; 16]>().prop_map(|octets| IpAddr::V6(octets.into())),
    ]
}

fn addr() -> impl Strategy<Value = SocketAddr> {
    (ip(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn peer_addr() -> impl Strategy<Value = PeerAddr> {
    (peer_id(), addr()).prop_map(|(id, addr)| PeerAddr { id, addr })
}

fn payload(len: std::ops::Range<usize>) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), len).prop_map(Bytes::from)
}

/// A part of a manifest: its length, where the part starts, and the part.
fn part(data: std::ops::Range<usize>) -> impl Strategy<Value = (u32, u32, Bytes)> {
    (payload(data), 0..1_000_000_u32, 0..1_000_000_u32).prop_map(|(data, before, after)| {
        let after = if data.is_empty() { 0 } else { after };
        (before + data.len() as u32 + after, before, data)
    })
}

prop_compose! {
    fn hello()(
        (version, swarm, peer) in (any::<u16>(), swarm_id(), peer_id()),
        features in long_number(),
        client in "[ -~]{0,64}",
        listen_port in any::<u16>(),
        request_bytes_max in number(),
        run_blocks_max in 1..=64_u32,
    ) -> Hello {
        Hello {
            version, swarm, peer, features, client, listen_port, request_bytes_max, run_blocks_max,
        }
    }
}

fn run() -> impl Strategy<Value = RawRun> {
    (number(), number(), 1..=64_u32).prop_map(|(piece, first, count)| RawRun {
        piece,
        first,
        count,
    })
}

fn goodbye() -> impl Strategy<Value = Goodbye> {
    prop::sample::select(vec![
        Goodbye::Shutdown,
        Goodbye::SwarmStopped,
        Goodbye::UnknownSwarm,
        Goodbye::TooManyPeers,
        Goodbye::Duplicate,
        Goodbye::Myself,
        Goodbye::NothingToExchange,
        Goodbye::Misbehaved,
        Goodbye::CorruptData,
        Goodbye::TimedOut,
        Goodbye::Version,
    ])
}

fn message() -> impl Strategy<Value = Message> {
    let digests = || vec(any::<[u8; 32]>().prop_map(Digest::new), 1..40);
    prop_oneof![
        prop::sample::select(vec![
            Message::KeepAlive,
            Message::Choke,
            Message::Unchoke,
            Message::Interested,
            Message::NotInterested,
            Message::HaveAll,
            Message::HaveNone,
        ]),
        payload(1..400).prop_map(Message::Bitfield),
        vec(number(), 0..300).prop_map(Message::Have),
        vec(number(), 0..300).prop_map(Message::DontHave),
        run().prop_map(Message::Request),
        run().prop_map(Message::Cancel),
        run().prop_map(Message::Reject),
        (number(), number(), payload(1..400)).prop_map(|(piece, first, data)| Message::Block {
            piece,
            first,
            data
        }),
        number().prop_map(Message::GetLeaves),
        (number(), digests()).prop_map(|(piece, leaves)| Message::Leaves { piece, leaves }),
        number().prop_map(|offset| Message::GetManifest { offset }),
        part(0..400).prop_map(|(total, offset, data)| Message::ManifestPart {
            total,
            offset,
            data
        }),
        vec(peer_addr(), 0..=PEX_MAX).prop_map(Message::Pex),
        number().prop_map(Message::Suggest),
        goodbye().prop_map(Message::Goodbye),
    ]
}

prop_compose! {
    fn tracker_hello()(
        version in any::<u16>(), peer in peer_id(), client in "[ -~]{0,64}",
    ) -> TrackerHello {
        TrackerHello { version, peer, client }
    }
}

fn have_report() -> impl Strategy<Value = HaveReport> {
    prop_oneof![
        Just(HaveReport::None),
        Just(HaveReport::All),
        vec(any::<u8>(), 0..300).prop_map(HaveReport::Full),
        (vec(number(), 0..300), vec(number(), 0..300), any::<u64>())
            .prop_map(|(gained, lost, digest)| HaveReport::Delta { gained, lost, digest }),
    ]
}

prop_compose! {
    fn announce()(
        swarm in swarm_id(),
        event in prop::sample::select(vec![
            AnnounceEvent::Started,
            AnnounceEvent::Alive,
            AnnounceEvent::Completed,
            AnnounceEvent::Stopped,
        ]),
        port in any::<u16>(),
        advertise in option::of(ip()),
        have in have_report(),
        (uploaded, downloaded) in (long_number(), long_number()),
        want in 0..=WANT_MAX,
        load in 0..=100_u8,
    ) -> Announce {
        Announce { swarm, event, port, advertise, have, uploaded, downloaded, want, load }
    }
}

fn request() -> impl Strategy<Value = TrackerRequest> {
    prop_oneof![
        announce().prop_map(TrackerRequest::Announce),
        (swarm_id(), number())
            .prop_map(|(swarm, offset)| TrackerRequest::GetManifest { swarm, offset }),
        (swarm_id(), part(1..400)).prop_map(|(swarm, (total, offset, data))| {
            TrackerRequest::PutManifest { swarm, total, offset, data }
        }),
        vec(swarm_id(), 0..=SCRAPE_MAX).prop_map(TrackerRequest::Scrape),
    ]
}

prop_compose! {
    fn announced()(
        (interval_ms, min_interval_ms) in (number(), number()),
        peers in vec(peer_addr(), 0..=WANT_MAX as usize),
        (seeds, leechers, completed) in (number(), number(), number()),
        rarest in vec((number(), number()), 0..=RAREST_MAX),
        (need_full, need_manifest) in any::<(bool, bool)>(),
        observed in addr(),
    ) -> Announced {
        Announced {
            interval_ms, min_interval_ms, peers, seeds, leechers, completed, rarest, need_full,
            need_manifest, observed,
        }
    }
}

fn counts() -> impl Strategy<Value = SwarmCounts> {
    (number(), number(), number()).prop_map(|(seeds, leechers, completed)| SwarmCounts {
        seeds,
        leechers,
        completed,
    })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop::sample::select(vec![
        Refusal::NotFound,
        Refusal::Full,
        Refusal::TooOften,
        Refusal::Invalid,
        Refusal::Forbidden,
    ])
}

fn reply() -> impl Strategy<Value = TrackerReply> {
    prop_oneof![
        announced().prop_map(TrackerReply::Announced),
        part(0..400).prop_map(|(total, offset, data)| TrackerReply::ManifestPart {
            total,
            offset,
            data
        }),
        number().prop_map(|received| TrackerReply::ManifestPut { received }),
        vec(counts(), 0..=SCRAPE_MAX).prop_map(TrackerReply::Scraped),
        (refusal(), number()).prop_map(|(why, retry_s)| TrackerReply::Refused { why, retry_s }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_hello_survives(message in hello()) {
        survives(&message);
    }

    #[test]
    fn every_message_survives(message in message()) {
        survives(&message);
    }

    #[test]
    fn every_tracker_hello_survives(message in tracker_hello()) {
        survives(&message);
    }

    #[test]
    fn every_request_survives(message in request()) {
        survives(&message);
    }

    #[test]
    fn every_reply_survives(message in reply()) {
        survives(&message);
    }

    #[test]
    fn no_bytes_have_two_meanings(kind in any::<u8>(), body in vec(any::<u8>(), 0..120)) {
        let frame = frame(kind, &body);
        if let Ok(message) = parse::<Hello>(&frame) { prop_assert_eq!(wire(&message), frame.clone()); }
        if let Ok(message) = parse::<Message>(&frame) { prop_assert_eq!(wire(&message), frame.clone()); }
        if let Ok(message) = parse::<TrackerHello>(&frame) { prop_assert_eq!(wire(&message), frame.clone()); }
        if let Ok(message) = parse::<TrackerRequest>(&frame) { prop_assert_eq!(wire(&message), frame.clone()); }
        if let Ok(message) = parse::<TrackerReply>(&frame) { prop_assert_eq!(wire(&message), frame.clone()); }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn damage_is_never_taken_for_the_same_message(
        hello in hello(),
        message in message(),
        tracker_hello in tracker_hello(),
        request in request(),
        reply in reply(),
    ) {
        stands_alone(&hello);
        stands_alone(&message);
        stands_alone(&tracker_hello);
        stands_alone(&request);
        stands_alone(&reply);
    }
}

const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), u16::MAX);
const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PEER: PeerId = PeerId::new([7; 32]);
const SWARM: SwarmId = SwarmId::new([9; 32]);

fn longest_hello() -> Hello {
    Hello {
        version: u16::MAX,
        swarm: SWARM,
        peer: PEER,
        features: u64::MAX,
        client: "c".repeat(64),
        listen_port: u16::MAX,
        request_bytes_max: u32::MAX,
        run_blocks_max: 64,
    }
}

fn shortest_announce() -> Announce {
    Announce {
        swarm: SWARM,
        event: AnnounceEvent::Started,
        port: 0,
        advertise: None,
        have: HaveReport::None,
        uploaded: 0,
        downloaded: 0,
        want: 0,
        load: 0,
    }
}

fn shortest_announced() -> Announced {
    Announced {
        interval_ms: 0,
        min_interval_ms: 0,
        peers: Vec::new(),
        seeds: 0,
        leechers: 0,
        completed: 0,
        rarest: Vec::new(),
        need_full: false,
        need_manifest: false,
        observed: V4,
    }
}

fn longest_messages() -> Vec<Message> {
    let run = RawRun { piece: u32::MAX, first: u32::MAX, count: 64 };
    let part = Bytes::from(vec![1; MANIFEST_PART_MAX]);
    vec![
        Message::KeepAlive,
        Message::Bitfield(Bytes::from(vec![0xFF; (PIECES_MAX / 8) as usize])),
        Message::Have(vec![u32::MAX; HAVE_MAX]),
        Message::DontHave(vec![u32::MAX; HAVE_MAX]),
        Message::Request(run),
        Message::Cancel(run),
        Message::Reject(run),
        Message::Block { piece: 1, first: 0, data: Bytes::from(vec![1; 1 << 20]) },
        Message::GetLeaves(u32::MAX),
        Message::Leaves { piece: u32::MAX, leaves: vec![Digest::new([1; 32]); 1024] },
        Message::GetManifest { offset: u32::MAX },
        Message::ManifestPart { total: u32::MAX, offset: 0, data: part },
        Message::Pex(vec![PeerAddr { id: PEER, addr: V6 }; PEX_MAX]),
        Message::Suggest(u32::MAX),
        Message::Goodbye(Goodbye::Version),
    ]
}

fn longest_requests() -> Vec<TrackerRequest> {
    vec![
        TrackerRequest::Announce(Announce {
            port: u16::MAX,
            advertise: Some(V6.ip()),
            have: HaveReport::Full(vec![0xFF; (PIECES_MAX / 8) as usize]),
            uploaded: u64::MAX,
            downloaded: u64::MAX,
            ..shortest_announce()
        }),
        TrackerRequest::GetManifest { swarm: SWARM, offset: u32::MAX },
        TrackerRequest::PutManifest {
            swarm: SWARM,
            total: u32::MAX,
            offset: 5,
            data: Bytes::from(vec![1; MANIFEST_PART_MAX]),
        },
        TrackerRequest::Scrape(vec![SWARM; SCRAPE_MAX]),
    ]
}

fn longest_replies() -> Vec<TrackerReply> {
    let most = u32::MAX;
    let counts = SwarmCounts { seeds: most, leechers: most, completed: most };
    vec![
        TrackerReply::Announced(Announced {
            interval_ms: most,
            min_interval_ms: most,
            peers: vec![PeerAddr { id: PEER, addr: V6 }; WANT_MAX as usize],
            seeds: most,
            leechers: most,
            completed: most,
            rarest: vec![(most, most); RAREST_MAX],
            observed: V6,
            ..shortest_announced()
        }),
        TrackerReply::ManifestPart {
            total: most,
            offset: 0,
            data: Bytes::from(vec![1; MANIFEST_PART_MAX]),
        },
        TrackerReply::ManifestPut { received: most },
        TrackerReply::Scraped(vec![counts; SCRAPE_MAX]),
        TrackerReply::Refused { why: Refusal::Forbidden, retry_s: most },
    ]
}

fn shortest_messages() -> Vec<Message> {
    let run = RawRun { piece: 0, first: 0, count: 1 };
    let one = Bytes::from_static(&[0]);
    vec![
        Message::KeepAlive,
        Message::Bitfield(one.clone()),
        Message::Have(Vec::new()),
        Message::DontHave(Vec::new()),
        Message::Request(run),
        Message::Cancel(run),
        Message::Reject(run),
        Message::Block { piece: 0, first: 0, data: one },
        Message::GetLeaves(0),
        Message::Leaves { piece: 0, leaves: vec![Digest::new([0; 32])] },
        Message::GetManifest { offset: 0 },
        Message::ManifestPart { total: 0, offset: 0, data: Bytes::new() },
        Message::Pex(Vec::new()),
        Message::Suggest(0),
        Message::Goodbye(Goodbye::Shutdown),
    ]
}

/// The lengths that each kind allows are exactly those that its messages have: a header one byte
/// past either end is refused before anything is allocated.
fn is_longest<F: Frame + PartialEq + Debug>(message: &F) {
    survives(message);
    let frame = wire(message);
    assert_eq!(resized::<F>(&frame, 1), Err(length_error(&frame, 1)), "{}", frame[4]);
}

fn is_shortest<F: Frame + PartialEq + Debug>(message: &F) {
    survives(message);
    let frame = wire(message);
    if frame.len() > HEADER_LEN {
        assert_eq!(resized::<F>(&frame, -1), Err(length_error(&frame, -1)), "{}", frame[4]);
    }
}

fn resized<F: Frame>(frame: &[u8], by: i32) -> Result<usize, CodecError> {
    let length = (frame.len() as u32 - 4).saturating_add_signed(by).to_le_bytes();
    F::header([length[0], length[1], length[2], length[3], frame[4]]).map(super::Header::body_len)
}

fn length_error(frame: &[u8], by: i32) -> CodecError {
    let len = ((frame.len() - HEADER_LEN) as u32).saturating_add_signed(by);
    CodecError::Length { kind: frame[4], len }
}

#[test]
fn the_limits_of_each_kind_are_its_longest_and_shortest_message() {
    is_longest(&longest_hello());
    is_longest(&TrackerHello { version: u16::MAX, peer: PEER, client: "c".repeat(64) });
    longest_messages().iter().for_each(is_longest);
    longest_requests().iter().for_each(is_longest);
    longest_replies().iter().for_each(is_longest);

    is_shortest(&Hello {
        version: 0,
        features: 0,
        client: String::new(),
        listen_port: 0,
        request_bytes_max: 0,
        run_blocks_max: 1,
        ..longest_hello()
    });
    is_shortest(&TrackerHello { version: 0, peer: PEER, client: String::new() });
    shortest_messages().iter().for_each(is_shortest);
    is_shortest(&TrackerRequest::Announce(shortest_announce()));
    is_shortest(&TrackerRequest::GetManifest { swarm: SWARM, offset: 0 });
    let data = Bytes::from_static(&[0]);
    is_shortest(&TrackerRequest::PutManifest { swarm: SWARM, total: 1, offset: 0, data });
    is_shortest(&TrackerRequest::Scrape(Vec::new()));
    is_shortest(&TrackerReply::Announced(shortest_announced()));
    let data = Bytes::new();
    is_shortest(&TrackerReply::ManifestPart { total: 0, offset: 0, data });
    is_shortest(&TrackerReply::ManifestPut { received: 0 });
    is_shortest(&TrackerReply::Scraped(Vec::new()));
    is_shortest(&TrackerReply::Refused { why: Refusal::NotFound, retry_s: 0 });

    // Between the two, a delta as long as it may be.
    survives(&TrackerRequest::Announce(Announce {
        have: HaveReport::Delta {
            gained: vec![u32::MAX; DELTA_MAX],
            lost: vec![u32::MAX; DELTA_MAX],
            digest: u64::MAX,
        },
        ..shortest_announce()
    }));
}

#[test]
fn a_stranger_cannot_make_us_allocate_more_than_a_kibibyte() {
    for kind in 0..=u8::MAX {
        for body in [1024, 1 << 20, u32::MAX - 1] {
            let [a, b, c, d] = (body + 1).to_le_bytes();
            assert!(Hello::header([a, b, c, d, kind]).is_err(), "{kind:#x} {body}");
            assert!(TrackerHello::header([a, b, c, d, kind]).is_err(), "{kind:#x} {body}");
        }
    }
}

#[test]
fn hostile_headers_are_refused() {
    for kind in 0..=u8::MAX {
        let longest = [0xFF, 0xFF, 0xFF, 0xFF, kind];
        assert!(Message::header(longest).is_err(), "{kind:#x}");
        assert!(TrackerRequest::header(longest).is_err(), "{kind:#x}");
        assert!(TrackerReply::header(longest).is_err(), "{kind:#x}");
        let none = [0, 0, 0, 0, kind];
        assert_eq!(Message::header(none), Err(CodecError::Empty));
    }
    // Families share no kind: a frame sent to the wrong door is not misread.
    let unknown = |kind| Err(CodecError::UnknownKind(kind));
    assert_eq!(Message::header([71, 0, 0, 0, 0x00]), unknown(0x00));
    assert_eq!(Hello::header([1, 0, 0, 0, 0x01]), unknown(0x01));
    assert_eq!(TrackerRequest::header([1, 0, 0, 0, 0xA0]), unknown(0xA0));
    assert_eq!(TrackerReply::header([1, 0, 0, 0, 0x90]), unknown(0x90));
    assert_eq!(Message::header([1, 0, 0, 0, 0xFF]), unknown(0xFF));
}

#[test]
fn hostile_bodies_are_refused() {
    let malformed = |kind| Err(CodecError::Malformed { kind });
    let overlong = |kind| Err(CodecError::Overlong { kind });
    let limit = |kind, limit| Err(CodecError::Limit { kind, limit });
    let check = |kind, body: &[u8], want: Result<Message, CodecError>| {
        assert_eq!(parse::<Message>(&frame(kind, body)), want, "{kind:#x} {body:x?}");
    };
    // Counts of 2^32 - 1, 2^63 and 2^64 - 1 in a few bytes.
    for count in [u64::from(u32::MAX), 1 << 63, u64::MAX] {
        let body = [&[0xFD][..], &count.to_le_bytes()].concat();
        check(0x23, &body, malformed(0x23));
        check(0x60, &body, malformed(0x60));
        check(0x41, &[&[0][..], &body, &[0; 32]].concat(), malformed(0x41));
    }
    // Fewer items than counted, and more.
    check(0x23, &[2, 1], malformed(0x23));
    check(0x23, &[2, 1, 2, 3], overlong(0x23));
    // 1 as a u16 and as a u32.
    check(0x34, &[0xFB, 1, 0], overlong(0x34));
    check(0x34, &[0xFC, 1, 0, 0, 0], overlong(0x34));
    // Markers that a u32 cannot have: u64, u128, and one that does not exist.
    check(0x34, &[0xFD, 0, 0, 0, 0], malformed(0x34));
    check(0x34, &[0xFE, 0, 0, 0, 0], malformed(0x34));
    check(0x34, &[0xFF, 0, 0, 0, 0], malformed(0x34));
    // A goodbye for a reason that does not exist.
    check(0x02, &[11], malformed(0x02));
    // Runs of no block and of too many.
    check(0x30, &[0, 0, 0], limit(0x30, "a run has 1 to 64 blocks"));
    check(0x30, &[0, 0, 65], limit(0x30, "a run has 1 to 64 blocks"));
    // 4,097 pieces.
    let body = [&[0xFB, 0x01, 0x10][..], &[0; 4097]].concat();
    check(0x23, &body, limit(0x23, "at most 4,096 pieces in one message"));
    // Parts that start or end past their manifest, or say nothing in the middle of it.
    let part = |total: u32, offset: u32, data: &[u8]| {
        [&total.to_le_bytes()[..], &offset.to_le_bytes(), data].concat()
    };
    check(0x51, &part(1, 2, &[]), limit(0x51, "a part starts inside its manifest"));
    check(0x51, &part(2, 1, &[0, 0]), limit(0x51, "a part ends inside its manifest"));
    check(0x51, &part(u32::MAX, u32::MAX, &[0]), limit(0x51, "a part ends inside its manifest"));
    check(0x51, &part(2, 1, &[]), limit(0x51, "a part is empty only at the end of its manifest"));
}

#[test]
fn hostile_hellos_are_refused() {
    let hello = longest_hello();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = wire(&hello)[HEADER_LEN..].to_vec();
        change(&mut body);
        parse::<Hello>(&frame(0x00, &body)).expect_err("a hello that breaks a rule")
    };
    let client = "a client name is at most 64 printable ASCII characters";
    let limit = |limit| CodecError::Limit { kind: 0x00, limit };
    let malformed = CodecError::Malformed { kind: 0x00 };
    // The client's name starts after version, two ids, features and its own length.
    let name = 3 + 64 + 9 + 1;
    assert_eq!(refused(&|body| body[name] = b'\n'), limit(client));
    assert_eq!(refused(&|body| body[name] = 0x1B), limit(client));
    assert_eq!(refused(&|body| body[name] = 0x7F), limit(client));
    assert_eq!(refused(&|body| body[name] = 0xFF), malformed);
    let count = "a request may name 1 to 64 blocks";
    assert_eq!(refused(&|body| *body.last_mut().unwrap() = 0), limit(count));
    assert_eq!(refused(&|body| *body.last_mut().unwrap() = 65), limit(count));
    assert_eq!(refused(&|body| body[name - 1] = 250), malformed);
}

#[test]
fn hostile_tracker_messages_are_refused() {
    let body = wire(&TrackerRequest::Announce(shortest_announce()))[HEADER_LEN..].to_vec();
    let changed = |at: usize, to: u8| {
        let mut body = body.clone();
        body[at] = to;
        parse::<TrackerRequest>(&frame(0x90, &body)).expect_err("an announce that breaks a rule")
    };
    let limit = |limit| CodecError::Limit { kind: 0x90, limit };
    assert_eq!(changed(38, 65), limit("an announce asks for at most 64 peers"));
    assert_eq!(changed(39, 101), limit("a load is at most 100 percent"));
    // An event, an option and a report that do not exist.
    assert_eq!(changed(32, 4), CodecError::Malformed { kind: 0x90 });
    assert_eq!(changed(34, 2), CodecError::Malformed { kind: 0x90 });
    assert_eq!(changed(35, 4), CodecError::Malformed { kind: 0x90 });
    // A row of 2^63 bytes.
    let row = [&body[..35], &[2, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0x80], &body[36..]].concat();
    let got = parse::<TrackerRequest>(&frame(0x90, &row));
    assert_eq!(got, Err(CodecError::Malformed { kind: 0x90 }));
    // A flag that is neither true nor false.
    let mut body = wire(&TrackerReply::Announced(shortest_announced()))[HEADER_LEN..].to_vec();
    body[7] = 2;
    let got = parse::<TrackerReply>(&frame(0xA0, &body));
    assert_eq!(got, Err(CodecError::Malformed { kind: 0xA0 }));
}

#[test]
fn a_payload_is_not_copied() {
    let data = Bytes::from(vec![5; 1 << 20]);
    let block = Message::Block { piece: 3, first: 4, data: data.clone() };
    let mut head = BytesMut::new();
    let payload = block.encode(&mut head).unwrap();
    assert_eq!(payload.as_ptr(), data.as_ptr());
    assert_eq!(head.len(), HEADER_LEN + 8);

    let body = Bytes::from([&head[HEADER_LEN..], &data[..]].concat());
    let header = Message::header(head[..HEADER_LEN].try_into().unwrap()).unwrap();
    let Ok(Message::Block { data, .. }) = Message::decode(header, body.clone()) else {
        panic!("a block");
    };
    assert_eq!(data.as_ptr(), body[8..].as_ptr());
}

#[test]
fn frames_are_appended() {
    let mut head = BytesMut::new();
    assert_eq!(Message::Choke.encode(&mut head), None);
    assert_eq!(Message::Suggest(300).encode(&mut head), None);
    assert_eq!(head[..], [1, 0, 0, 0, 0x10, 4, 0, 0, 0, 0x34, 0xFB, 0x2C, 0x01]);
}

#[test]
fn a_body_of_another_length_than_its_header_is_refused() {
    let header = Message::header([5, 0, 0, 0, 0x30]).unwrap();
    let got = Message::decode(header, Bytes::from_static(&[0, 0, 1]));
    assert_eq!(got, Err(CodecError::Length { kind: 0x30, len: 4 }));
}

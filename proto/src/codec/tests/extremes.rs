//! The longest and the shortest message of each kind.

use super::{super::Header, *};

const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), u16::MAX);
const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const PEER: PeerId = PeerId::new([7; 32]);
const SWARM: SwarmId = SwarmId::new([9; 32]);

pub(super) fn longest_hello() -> Hello {
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

pub(super) fn shortest_announce() -> Announce {
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

pub(super) fn shortest_announced() -> Announced {
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
    F::header([length[0], length[1], length[2], length[3], frame[4]]).map(Header::body_len)
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

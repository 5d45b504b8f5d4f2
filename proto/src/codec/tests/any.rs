//! Any message that there can be.

use super::*;

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
    pub(super) fn hello()(
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

pub(super) fn message() -> impl Strategy<Value = Message> {
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
    pub(super) fn tracker_hello()(
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

pub(super) fn request() -> impl Strategy<Value = TrackerRequest> {
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

pub(super) fn reply() -> impl Strategy<Value = TrackerReply> {
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

//! A tracker's registry among nodes that ask for anything that can be asked.

use std::{net::SocketAddr, sync::OnceLock, time::Duration};

use bytes::Bytes;
use swarm_proto::{
    announce::{
        Announce, AnnounceEvent, Announced, HaveReport, SwarmCounts, TrackerReply, TrackerRequest,
        WANT_MAX, row_digest,
    },
    codec::Frame,
    geometry::BLOCK_LEN,
    id::{PeerId, SwarmId},
};
use swarm_tracker::registry::{Config, Registry};

use super::{is_encoded_as_itself, source::Source};
use crate::sim::share::Share;

/// Requests in one run.
const STEPS_MAX: usize = 2000;
const PEERS: usize = 12;
const PIECES: u32 = 20;

/// Requests to a tracker, and time that goes by.
pub fn registry(data: &[u8]) {
    let mut source = Source::new(data);
    let config = Config {
        peers_max: 8,
        swarm_peers_max: 6,
        swarms_max: 2,
        row_bytes_max: 4096,
        manifest_bytes_max: 4096,
        manifest_len_max: 2048,
        ..Config::default()
    };
    let (peers_max, swarms_max) = (config.peers_max, config.swarms_max);
    let (row_bytes_max, manifest_bytes_max) = (config.row_bytes_max, config.manifest_bytes_max);
    let mut registry = Registry::new(config, [source.byte(); 32]);
    let mut now = Duration::ZERO;
    for _ in 0..STEPS_MAX {
        if source.is_empty() {
            break;
        }
        if source.one_in(6) {
            now += source.duration();
            registry.expire(now, source.below(40));
            continue;
        }
        let number = source.below(PEERS) as u8;
        let from = SocketAddr::from(([10, 0, 0, number], 1000));
        let request = if source.one_in(5) { any(&mut source) } else { plausible(&mut source) };
        let asked = request.clone();
        let reply = registry.handle(now, PeerId::new([number; 32]), from, request);
        is_encoded_as_itself(&reply);
        answers(&reply, &asked, PeerId::new([number; 32]), from);

        let usage = registry.usage();
        assert!(usage.peers <= peers_max && usage.swarms <= swarms_max, "{usage:?}");
        assert!(usage.row_bytes <= row_bytes_max, "{usage:?}");
        assert!(usage.manifest_bytes <= manifest_bytes_max, "{usage:?}");
    }
    // Everybody is forgotten in the end, and so are all swarms.
    for days in 1..=3 {
        for _ in 0..4 {
            registry.expire(now + Duration::from_secs(days * 24 * 60 * 60), 1000);
        }
    }
    let usage = registry.usage();
    assert_eq!((usage.peers, usage.swarms, usage.row_bytes, usage.manifest_bytes), (0, 0, 0, 0));
}

/// The reply is of the request's kind, and says nothing that cannot be.
fn answers(reply: &TrackerReply, request: &TrackerRequest, peer: PeerId, from: SocketAddr) {
    match (request, reply) {
        (_, TrackerReply::Refused { .. })
        | (TrackerRequest::PutManifest { .. }, TrackerReply::ManifestPut { .. }) => {}
        (TrackerRequest::Announce(announce), TrackerReply::Announced(announced)) => {
            is_fair(announced, announce, peer, from);
        }
        (
            TrackerRequest::GetManifest { offset, .. },
            TrackerReply::ManifestPart { offset: o, data, .. },
        ) => {
            assert_eq!(offset, o);
            assert_eq!(data, &manifest()[*o as usize..*o as usize + data.len()]);
        }
        (TrackerRequest::Scrape(swarms), TrackerReply::Scraped(counts)) => {
            assert_eq!(counts.len(), swarms.len());
            for SwarmCounts { seeds, leechers, .. } in counts {
                assert!(seeds + leechers <= PEERS as u32);
            }
        }
        other => panic!("{other:?}"),
    }
}

fn is_fair(announced: &Announced, announce: &Announce, peer: PeerId, from: SocketAddr) {
    assert!(announced.peers.len() <= usize::from(announce.want));
    assert!(announced.peers.iter().all(|told| told.id != peer), "a peer is told of itself");
    assert!(announced.peers.iter().all(|told| told.addr.port() != 0), "nobody listens there");
    let mut told: Vec<_> = announced.peers.iter().map(|told| told.id).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), announced.peers.len(), "a peer is told twice");
    assert!(announced.min_interval_ms <= announced.interval_ms);
    assert!(announced.rarest.iter().all(|&(piece, _)| piece < PIECES));
    assert!(announced.rarest.is_sorted_by_key(|&(_, holders)| holders), "rarest first");
    assert_eq!(announced.observed, from);
    assert!(announced.seeds + announced.leechers < PEERS as u32);
}

fn share() -> &'static Share {
    static SHARE: OnceLock<Share> = OnceLock::new();
    let length = u64::from(PIECES * BLOCK_LEN);
    SHARE.get_or_init(|| Share::random(2, BLOCK_LEN, &[length]))
}

fn manifest() -> &'static Bytes {
    static MANIFEST: OnceLock<Bytes> = OnceLock::new();
    MANIFEST.get_or_init(|| share().manifest().encode().into())
}

/// The one swarm whose manifest there is, or one of two others.
fn swarm(source: &mut Source<'_>) -> SwarmId {
    match source.byte() % 8 {
        0 => SwarmId::new([1; 32]),
        1 => SwarmId::new([2; 32]),
        _ => share().manifest().id(),
    }
}

/// Bytes as they may come over the wire.
fn any(source: &mut Source<'_>) -> TrackerRequest {
    let (kind, body) = (0x90 + source.byte() % 4, source.some());
    let [a, b, c, d] = (body.len() as u32 + 1).to_le_bytes();
    TrackerRequest::header([a, b, c, d, kind])
        .and_then(|header| TrackerRequest::decode(header, Bytes::copy_from_slice(body)))
        .unwrap_or(TrackerRequest::Scrape(vec![swarm(source)]))
}

fn plausible(source: &mut Source<'_>) -> TrackerRequest {
    let swarm = swarm(source);
    match source.byte() % 16 {
        0 => TrackerRequest::Scrape(vec![swarm, SwarmId::new([1; 32])]),
        1 => TrackerRequest::GetManifest { swarm, offset: source.around(800) },
        2..=4 => put(swarm, source),
        _ => TrackerRequest::Announce(announce(swarm, source)),
    }
}

fn put(swarm: SwarmId, source: &mut Source<'_>) -> TrackerRequest {
    let total = manifest().len() as u32;
    let parts = 1 + source.below(3) as u32;
    let len = total.div_ceil(parts);
    let offset = (source.below(parts as usize) as u32 * len).min(total - 1);
    let end = (offset + len).min(total) as usize;
    let mut data = manifest().slice(offset as usize..end);
    if source.one_in(8) {
        data = Bytes::from(vec![source.byte(); data.len()]);
    }
    let total = if source.one_in(8) { source.number().max(end as u32) } else { total };
    TrackerRequest::PutManifest { swarm, total, offset, data }
}

fn announce(swarm: SwarmId, source: &mut Source<'_>) -> Announce {
    let event = match source.byte() % 8 {
        0 => AnnounceEvent::Started,
        1 => AnnounceEvent::Completed,
        2 => AnnounceEvent::Stopped,
        _ => AnnounceEvent::Alive,
    };
    let have = match source.byte() % 6 {
        0 => HaveReport::None,
        1 => HaveReport::All,
        2 => HaveReport::Full(source.some().to_vec()),
        3 => HaveReport::Full(vec![source.byte(), source.byte(), source.byte() & 0xF0]),
        _ => {
            let gained: Vec<u32> = source.some().iter().map(|&b| u32::from(b) % 24).collect();
            let lost = source.some().iter().map(|&b| u32::from(b) % 24).collect();
            let digest = row_digest(gained.iter().copied());
            HaveReport::Delta { gained, lost, digest }
        }
    };
    let advertise = match source.byte() % 8 {
        0 => Some([10, 1, 1, source.byte()].into()),
        1 => Some([0xFC00, 0, 0, 0, 0, 0, 0, 1].into()),
        2 => Some([127, 0, 0, 1].into()),
        _ => None,
    };
    Announce {
        swarm,
        event,
        port: u16::from(source.byte()),
        advertise,
        have,
        uploaded: 0,
        downloaded: 0,
        want: source.byte() % (WANT_MAX + 1),
        load: source.byte() % 101,
    }
}

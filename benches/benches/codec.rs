//! Messages to bytes and back: what each of them costs beside the bytes of its payload.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use swarm_proto::{
    announce::{Announce, AnnounceEvent, HaveReport, TrackerRequest},
    codec::{Frame, HEADER_LEN},
    geometry::{BLOCK_LEN, RUN_BLOCKS_MAX},
    id::{Digest, PeerId, SwarmId},
    message::{HAVE_MAX, Message, PEX_MAX, PeerAddr, RawRun},
};

/// What is sent most: the first four for every run of blocks, the others now and then.
fn messages() -> Vec<(&'static str, Message)> {
    let data = Bytes::from(vec![7; (RUN_BLOCKS_MAX * BLOCK_LEN) as usize]);
    let peer = |n: usize| PeerAddr {
        id: PeerId::new([n as u8; 32]),
        addr: ([10, 0, 0, n as u8], 6881).into(),
    };
    vec![
        ("request", Message::Request(RawRun { piece: 70_000, first: 64, count: 64 })),
        ("block of 16 KiB", block(data.slice(..BLOCK_LEN as usize))),
        ("block of 1 MiB", block(data)),
        ("have of one", Message::Have(vec![70_000])),
        ("have of 4,096", Message::Have((0..HAVE_MAX as u32).map(|n| n * 251).collect())),
        ("bitfield of 10^6", Message::Bitfield(vec![0xAA; 125_000].into())),
        ("leaves of 1,024", Message::Leaves { piece: 9, leaves: vec![Digest::new([3; 32]); 1024] }),
        ("pex of 64", Message::Pex((0..PEX_MAX).map(peer).collect())),
    ]
}

const fn block(data: Bytes) -> Message {
    Message::Block { piece: 70_000, first: 64, data }
}

fn announce() -> TrackerRequest {
    TrackerRequest::Announce(Announce {
        swarm: SwarmId::new([1; 32]),
        event: AnnounceEvent::Alive,
        port: 6881,
        advertise: None,
        have: HaveReport::Delta { gained: (0..20).collect(), lost: vec![], digest: 1 << 60 },
        uploaded: 1 << 40,
        downloaded: 1 << 40,
        want: 30,
        load: 10,
    })
}

fn wire<T: Frame>(message: &T) -> Bytes {
    let mut bytes = BytesMut::new();
    let payload = message.encode(&mut bytes);
    bytes.extend_from_slice(&payload.unwrap_or_default());
    bytes.freeze()
}

fn both_ways<T: Frame>(c: &mut Criterion, name: &str, message: &T) {
    let mut group = c.benchmark_group("codec");
    // As a connection does it: into a buffer that is there already.
    let mut head = BytesMut::with_capacity(message.encoded_len());
    group.bench_function(BenchmarkId::new("encode", name), |b| {
        b.iter(|| {
            head.clear();
            black_box(black_box(message).encode(&mut head))
        });
    });
    let bytes = wire(message);
    let (header, body) = (bytes.first_chunk::<HEADER_LEN>().unwrap(), bytes.slice(HEADER_LEN..));
    group.bench_function(BenchmarkId::new("decode", name), |b| {
        b.iter(|| T::decode(T::header(black_box(*header)).unwrap(), body.clone()).unwrap());
    });
    group.finish();
}

fn codec(c: &mut Criterion) {
    for (name, message) in messages() {
        both_ways(c, name, &message);
    }
    both_ways(c, "announce", &announce());
}

criterion_group!(benches, codec);
criterion_main!(benches);

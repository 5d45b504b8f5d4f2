//! Instructions that the engine and the codec take, counted by Valgrind.
//!
//! Unlike a time, a count is the same on a busy machine. What reads and hashes payload is not here:
//! Valgrind knows no AVX-512, and memory is what bounds it.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use gungraun::{library_benchmark, library_benchmark_group, main};
use swarm_benches::{Crowd, Pair, zeros};
use swarm_proto::{
    codec::{Frame, HEADER_LEN},
    geometry::BLOCK_LEN,
    message::{HAVE_MAX, Message, RawRun},
};

#[library_benchmark]
#[bench::thousand_pieces(args = (1_000), setup = Crowd::new)]
#[bench::million_pieces(args = (1_000_000), setup = Crowd::new)]
fn pick_four(mut crowd: Crowd) -> Crowd {
    crowd.pick();
    crowd
}

#[library_benchmark]
#[bench::thousand_pieces(args = (1_000), setup = Crowd::new)]
#[bench::million_pieces(args = (1_000_000), setup = Crowd::new)]
fn have(mut crowd: Crowd) -> Crowd {
    crowd.have();
    crowd
}

fn pair(bytes: u64) -> Pair {
    Pair::new(&zeros(1, bytes, 1 << 20))
}

// Both ends' work for every message, in pieces of 1 MiB.
#[library_benchmark]
#[bench::of_16_mib(args = (16 << 20), setup = pair)]
fn transfer(pair: Pair) -> u64 {
    pair.run()
}

fn request() -> Message {
    Message::Request(RawRun { piece: 70_000, first: 64, count: 64 })
}

fn block() -> Message {
    let data = Bytes::from(vec![7; BLOCK_LEN as usize]);
    Message::Block { piece: 70_000, first: 64, data }
}

fn haves() -> Message {
    Message::Have((0..HAVE_MAX as u32).map(|n| n * 251).collect())
}

/// With a buffer that is there already, as a connection has it.
fn with_buffer(message: Message) -> (Message, BytesMut) {
    let len = message.encoded_len();
    (message, BytesMut::with_capacity(len))
}

fn wire(message: Message) -> Bytes {
    let mut bytes = BytesMut::new();
    let payload = message.encode(&mut bytes);
    bytes.extend_from_slice(&payload.unwrap_or_default());
    bytes.freeze()
}

#[library_benchmark]
#[bench::request(args = (request()), setup = with_buffer)]
#[bench::block(args = (block()), setup = with_buffer)]
#[bench::haves(args = (haves()), setup = with_buffer)]
fn encode((message, mut head): (Message, BytesMut)) -> (Message, BytesMut) {
    black_box(message.encode(&mut head));
    (message, head)
}

#[library_benchmark]
#[bench::request(args = (request()), setup = wire)]
#[bench::block(args = (block()), setup = wire)]
#[bench::haves(args = (haves()), setup = wire)]
fn decode(frame: Bytes) -> Option<Message> {
    let header = Message::header(*frame.first_chunk::<HEADER_LEN>()?).ok()?;
    Message::decode(header, frame.slice(HEADER_LEN..)).ok()
}

library_benchmark_group!(name = engine, benchmarks = [pick_four, have, transfer]);
library_benchmark_group!(name = codec, benchmarks = [encode, decode]);
main!(library_benchmark_groups = [engine, codec]);

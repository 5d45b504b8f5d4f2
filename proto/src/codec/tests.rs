//! Every message survives the wire, and nothing else does.

mod any;
mod extremes;
mod hostile;

use std::{
    fmt::Debug,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, option, prelude::*};

use self::any::{hello, message, reply, request, tracker_hello};
use super::{BLOCK_FRAME_HEAD, CodecError, Frame, HEADER_LEN, block_frame_head};
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
fn the_head_of_a_block_is_what_the_message_begins_with() {
    for len in [1, 16_384, 1 << 20] {
        let data = Bytes::from(vec![5; len]);
        let mut whole = BytesMut::new();
        let block = Message::Block { piece: 0x0102_0304, first: 0x05, data };
        let payload = block.encode(&mut whole).unwrap();
        assert_eq!(block_frame_head(0x0102_0304, 0x05, len as u32)[..], whole[..]);
        assert_eq!(block.encoded_len(), BLOCK_FRAME_HEAD + payload.len());
    }
}

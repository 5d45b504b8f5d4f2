//! Bytes that no honest peer sends.

use super::{
    extremes::{longest_hello, shortest_announce, shortest_announced},
    *,
};

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
fn a_body_of_another_length_than_its_header_is_refused() {
    let header = Message::header([5, 0, 0, 0, 0x30]).unwrap();
    let got = Message::decode(header, Bytes::from_static(&[0, 0, 1]));
    assert_eq!(got, Err(CodecError::Length { kind: 0x30, len: 4 }));
}

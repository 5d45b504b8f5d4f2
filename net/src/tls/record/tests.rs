//! Against rustls's own record layer: what one side seals the other opens.

use std::{
    io::{Read, Write},
    net::Ipv4Addr,
    sync::Arc,
};

use rustls::{AlertDescription, Connection, Error};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::{
    Identity, Protocol,
    tls::{Tls, handshake, server_name},
};

/// A session of ours, and rustls at the other end. What goes between them is handed over in memory.
struct Pair {
    ours: Session,
    theirs: Connection,
}

/// The two of our own kind.
struct Twins {
    from: Session,
    to: Session,
}

struct Ends {
    tls: Tls,
    expected: swarm_proto::id::PeerId,
    listener: TcpListener,
}

impl Ends {
    async fn new() -> Self {
        let identity = Identity::generate();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self { tls: Tls::new(identity.key()), expected: identity.peer_id(), listener }
    }

    async fn we_dial(&self) -> Session {
        let addr = self.listener.local_addr().unwrap();
        let mut tcp = TcpStream::connect(addr).await.unwrap();
        let config = self.tls.client(self.expected, Protocol::Peer);
        handshake::connect(config, server_name(addr), &mut tcp).await.unwrap().session
    }

    async fn we_accept(&self) -> Session {
        let mut tcp = self.listener.accept().await.unwrap().0;
        handshake::accept(self.tls.server(Protocol::Peer), &mut tcp).await.unwrap().session
    }

    async fn they_dial(&self) -> Connection {
        let addr = self.listener.local_addr().unwrap();
        let tcp = TcpStream::connect(addr).await.unwrap();
        let config = Arc::new(self.tls.client(self.expected, Protocol::Peer));
        let stream = TlsConnector::from(config).connect(server_name(addr), tcp).await.unwrap();
        Connection::Client(stream.into_inner().1)
    }

    async fn they_accept(&self) -> Connection {
        let tcp = self.listener.accept().await.unwrap().0;
        let config = Arc::new(self.tls.server(Protocol::Peer));
        Connection::Server(TlsAcceptor::from(config).accept(tcp).await.unwrap().into_inner().1)
    }
}

impl Pair {
    /// One pair in which we dialled, and one in which they did.
    async fn both() -> [Self; 2] {
        let ends = Ends::new().await;
        let (ours, theirs) = tokio::join!(ends.we_dial(), ends.they_accept());
        let dialled = Self { ours, theirs };
        let (ours, theirs) = tokio::join!(ends.we_accept(), ends.they_dial());
        let mut both = [dialled, Self { ours, theirs }];
        both.iter_mut().for_each(|pair| pair.theirs.set_buffer_limit(None));
        both
    }

    /// What they send for this.
    fn theirs(&mut self, data: &[u8]) -> Vec<u8> {
        self.theirs.writer().write_all(data).unwrap();
        self.wire()
    }

    fn wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.theirs.wants_write() {
            self.theirs.write_tls(&mut wire).unwrap();
        }
        wire
    }

    /// What they make of what we send.
    fn hear(&mut self, mut wire: &[u8]) -> Result<Vec<u8>, Error> {
        let mut heard = Vec::new();
        while !wire.is_empty() {
            self.theirs.read_tls(&mut wire).unwrap();
            self.theirs.process_new_packets()?;
            let mut part = vec![0; 1 << 20];
            while let Ok(n @ 1..) = self.theirs.reader().read(&mut part) {
                heard.extend_from_slice(&part[..n]);
            }
        }
        Ok(heard)
    }
}

impl Twins {
    async fn new() -> Self {
        let ends = Ends::new().await;
        let (from, to) = tokio::join!(ends.we_dial(), ends.we_accept());
        Self { from, to }
    }

    /// A record of this kind.
    fn sealed(&mut self, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut record = vec![0; content.len() + OVERHEAD];
        assert_eq!(self.from.tx.seal(kind, content, &mut record), record.len());
        record
    }

    /// What the other one makes of it.
    fn opened(&mut self, kind: u8, content: &[u8]) -> Result<Opened, RecordError> {
        let record = self.sealed(kind, content);
        assert_eq!(Session::record_len(&record)?, Some(record.len()));
        self.to.open_into(&record, &mut vec![0; Session::inner_len(record.len())])
    }
}

/// What we send for this.
fn seal(session: &mut Session, data: &[u8]) -> Vec<u8> {
    let mut wire = vec![0; DUE_MAX];
    let due = session.seal_due(&mut wire).unwrap();
    wire.truncate(due);
    for data in data.chunks(CONTENT_MAX) {
        let start = wire.len();
        wire.resize(start + data.len() + OVERHEAD, 0);
        assert_eq!(session.seal(data, &mut wire[start..]), data.len() + OVERHEAD);
    }
    wire
}

/// Opens all records, every other one where it lies.
fn open(session: &mut Session, wire: &mut [u8]) -> Result<Vec<u8>, RecordError> {
    let (mut data, mut at, mut in_place) = (Vec::new(), 0, false);
    while let Some(len) = Session::record_len(&wire[at..])? {
        let record = &mut wire[at..at + len];
        let mut inner = vec![0; Session::inner_len(len)];
        let (opened, content) = if in_place {
            (session.open_in_place(record)?, &record[Session::CONTENT_AT..])
        } else {
            (session.open_into(record, &mut inner)?, &inner[..])
        };
        match opened {
            Opened::Data(n) => data.extend_from_slice(&content[..n]),
            Opened::Control => {}
            Opened::End => return Ok(data),
        }
        (at, in_place) = (at + len, !in_place);
    }
    assert_eq!(at, wire.len());
    Ok(data)
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

#[tokio::test]
async fn data_of_every_length_goes_both_ways() {
    for mut pair in Pair::both().await {
        for len in [1, 2, 100, 16_383, 16_384, 16_385, 50_000, 1 << 20] {
            let data = data(len);
            let sealed = seal(&mut pair.ours, &data);
            assert_eq!(sealed.len(), len + len.div_ceil(CONTENT_MAX) * OVERHEAD);
            assert!(pair.hear(&sealed).unwrap() == data, "{len} from us");
            let mut sealed = pair.theirs(&data);
            assert!(open(&mut pair.ours, &mut sealed).unwrap() == data, "{len} from them");
        }
    }
}

#[tokio::test]
async fn no_changed_bit_passes() {
    let record = Twins::new().await.sealed(DATA, b"some data");
    for bit in 0..record.len() * 8 {
        // A wrong record ends a session, so each attempt has one of its own.
        let mut twins = Twins::new().await;
        let mut record = twins.sealed(DATA, b"some data");
        record[bit / 8] ^= 1 << (bit % 8);
        let opened = match Session::record_len(&record) {
            // It claims to be longer, and more would be waited for.
            Ok(Some(len)) if len > record.len() => continue,
            Ok(Some(len)) => twins.to.open_in_place(&mut record[..len]),
            Ok(None) => panic!("the head is there"),
            Err(error) => Err(error),
        };
        let expected = match bit / 8 {
            0 => RecordError::Unexpected,
            3 if record[3] != 0 => RecordError::Overflow,
            _ => RecordError::BadTag,
        };
        let kind_or_length = bit / 8 == 4 && opened == Err(RecordError::Unexpected);
        assert!(opened == Err(expected) || kind_or_length, "bit {bit}: {opened:?}");
    }
}

#[tokio::test]
async fn records_are_neither_lost_nor_repeated_nor_swapped() {
    let mut twins = Twins::new().await;
    let [first, second] = [b"first", b"other"].map(|data| twins.sealed(DATA, data));
    let mut out = [0; 6];
    assert_eq!(twins.to.open_into(&second, &mut out), Err(RecordError::BadTag));

    let mut twins = Twins::new().await;
    let first_again = twins.sealed(DATA, b"first");
    assert_ne!(first, first_again, "other sessions have other keys");
    assert_eq!(twins.to.open_into(&first_again, &mut out), Ok(Opened::Data(5)));
    assert_eq!(&out[..5], b"first");
    assert_eq!(twins.to.open_into(&first_again, &mut out), Err(RecordError::BadTag));
}

#[tokio::test]
async fn either_side_may_take_new_keys_at_any_time() {
    for mut pair in Pair::both().await {
        // As if the cipher were worn out after six records.
        pair.ours.limit = 6;
        for round in 0..20 {
            let data = data(3 * CONTENT_MAX + round);
            let sealed = seal(&mut pair.ours, &data);
            assert!(pair.hear(&sealed).unwrap() == data, "round {round} from us");
            if round % 3 == 0 {
                pair.theirs.refresh_traffic_keys().unwrap();
            }
            let mut sealed = pair.theirs(&data);
            assert!(open(&mut pair.ours, &mut sealed).unwrap() == data, "round {round} from them");
        }
        // Four records a round, and a key is good for six: every other round begins with a new one.
        assert!(pair.ours.tx.record <= 8, "{:?}", pair.ours);
    }
}

#[tokio::test]
async fn a_request_for_new_keys_is_granted_once() {
    let mut twins = Twins::new().await;
    let key_update = twins.sealed(HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 1]);
    twins.from.tx = Direction::new(twins.from.keys.next_tx().unwrap()).unwrap();
    let mut out = vec![0; Session::inner_len(key_update.len())];
    assert!(!twins.to.is_due());
    assert_eq!(twins.to.open_into(&key_update, &mut out), Ok(Opened::Control));
    assert!(twins.to.is_due());
    let mut answer = seal(&mut twins.to, b"data under the new key");
    assert!(!twins.to.is_due());
    assert_eq!(open(&mut twins.from, &mut answer).unwrap(), b"data under the new key");
    assert!(!twins.from.is_due(), "it asks for nothing in return");
    assert_eq!(twins.opened(DATA, b"x"), Ok(Opened::Data(1)));
}

#[tokio::test]
async fn padding_means_nothing() {
    let mut twins = Twins::new().await;
    // The kind that is sealed last is zero, and so are those before it: padding.
    let record = twins.sealed(0, b"data\x17\0\0\0");
    let mut out = [1; 9];
    assert_eq!(twins.to.open_into(&record, &mut out), Ok(Opened::Data(4)));
    assert_eq!(&out[..4], b"data");
    assert_eq!(twins.opened(DATA, &[7; CONTENT_MAX]), Ok(Opened::Data(CONTENT_MAX)));
    let padded = [&[7; CONTENT_MAX - 200][..], &[DATA], &[0; 199]].concat();
    assert_eq!(twins.opened(0, &padded), Ok(Opened::Data(CONTENT_MAX - 200)));
    let longer = [&[7; CONTENT_MAX - 200][..], &[DATA], &[0; 200]].concat();
    assert_eq!(twins.opened(0, &longer), Err(RecordError::Overflow));

    let mut twins = Twins::new().await;
    assert_eq!(twins.opened(0, &[0; 50]), Err(RecordError::Unexpected), "nothing but padding");
}

#[tokio::test]
async fn a_peer_that_says_nothing_at_length_is_dropped() {
    for (kind, content) in
        [(DATA, &[][..]), (ALERT, &[1, USER_CANCELED]), (HANDSHAKE, &[NEW_SESSION_TICKET, 0])]
    {
        let mut twins = Twins::new().await;
        for _ in 0..3 {
            for _ in 0..FRUITLESS_MAX {
                assert_eq!(twins.opened(kind, content), Ok(Opened::Control));
            }
            assert_eq!(twins.opened(DATA, b"x"), Ok(Opened::Data(1)));
        }
        for _ in 0..FRUITLESS_MAX {
            assert_eq!(twins.opened(kind, content), Ok(Opened::Control));
        }
        assert_eq!(twins.opened(kind, content), Err(RecordError::Unexpected));
    }
}

#[tokio::test]
async fn what_has_no_place_after_the_handshake_ends_the_session() {
    for (kind, content) in [
        (20, &[1][..]),
        (HANDSHAKE, &[]),
        (HANDSHAKE, &[1, 0, 0, 0]),
        (HANDSHAKE, &[KEY_UPDATE, 0, 0, 1]),
        (HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 2]),
        (HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 0, KEY_UPDATE, 0, 0, 1, 0]),
        (ALERT, &[1]),
        (ALERT, &[1, 0, 0]),
        (99, b"data"),
    ] {
        let opened = Twins::new().await.opened(kind, content);
        assert_eq!(opened, Err(RecordError::Unexpected), "{kind} {content:?}");
    }
    assert_eq!(Twins::new().await.opened(ALERT, &[2, 80]), Err(RecordError::Alerted(80)));
}

#[tokio::test]
async fn the_end_is_told_both_ways() {
    for mut pair in Pair::both().await {
        pair.ours.close();
        let goodbye = seal(&mut pair.ours, &[]);
        assert_eq!(pair.hear(&goodbye).unwrap(), b"");
        assert_eq!(pair.theirs.reader().read(&mut [0]).unwrap(), 0);
        pair.theirs.send_close_notify();
        let goodbye = pair.wire();
        let mut inner = vec![0; Session::inner_len(goodbye.len())];
        assert_eq!(pair.ours.open_into(&goodbye, &mut inner), Ok(Opened::End));
    }
}

#[tokio::test]
async fn a_faulty_peer_is_told_so() {
    for mut pair in Pair::both().await {
        pair.ours.fail(&RecordError::BadTag);
        let alert = seal(&mut pair.ours, &[]);
        let error = pair.hear(&alert).unwrap_err();
        assert_eq!(error, Error::AlertReceived(AlertDescription::BadRecordMac));
    }
}

#[test]
fn a_record_is_looked_at_before_it_is_waited_for() {
    let head = |kind, len: u16| {
        let [high, low] = len.to_be_bytes();
        Session::record_len(&[kind, 3, 3, high, low])
    };
    assert_eq!(Session::record_len(&[DATA, 3, 3, 1]), Ok(None));
    assert_eq!(head(DATA, 16), Err(RecordError::Unexpected), "no room for a kind");
    assert_eq!(head(DATA, 17), Ok(Some(22)));
    assert_eq!(head(DATA, (1 << 14) + 17), Ok(Some(RECORD_MAX)));
    assert_eq!(head(DATA, (1 << 14) + 18), Err(RecordError::Overflow));
    assert_eq!(head(HANDSHAKE, 100), Err(RecordError::Unexpected), "not sealed");
}

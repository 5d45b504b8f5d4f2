//! A dialer whose record layer is rustls's own, against ours.

use std::io::{Read, Write};

use bytes::BytesMut;

use super::*;

/// A dialer that speaks through rustls's own record layer.
struct Other {
    tls: rustls::ClientConnection,
    tcp: TcpStream,
}

impl Other {
    /// Does the handshake but for its last flight, which is not sent yet.
    async fn nearly_in(pair: &Pair) -> Self {
        let config = Tls::new(pair.dialer.key()).client(pair.acceptor.peer_id(), Protocol::Peer);
        let name = server_name(pair.addr());
        let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let tcp = TcpStream::connect(pair.addr()).await.unwrap();
        let mut other = Self { tls, tcp };
        other.flush().await;
        while other.tls.is_handshaking() {
            other.hear().await;
        }
        other
    }

    /// What is to be sent.
    fn take_wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut wire).unwrap();
        }
        wire
    }

    async fn flush(&mut self) {
        let wire = self.take_wire();
        self.tcp.write_all(&wire).await.unwrap();
    }

    async fn hear(&mut self) {
        let mut wire = vec![0; 1 << 14];
        let n = self.tcp.read(&mut wire).await.unwrap();
        assert!(n > 0, "the other side is gone");
        let mut wire = &wire[..n];
        while !wire.is_empty() {
            self.tls.read_tls(&mut wire).unwrap();
            self.tls.process_new_packets().unwrap();
        }
    }

    fn say(&mut self, message: &Message) {
        self.tls.writer().write_all(&encoded(message)).unwrap();
    }

    async fn listen_for(&mut self, message: &Message) {
        let (expected, mut heard) = (encoded(message), Vec::new());
        while heard.len() < expected.len() {
            let mut some = [0; 1 << 10];
            match self.tls.reader().read(&mut some) {
                Ok(n) => heard.extend_from_slice(&some[..n]),
                Err(_) => self.hear().await,
            }
        }
        assert_eq!(heard, expected);
    }
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let payload = message.encode(&mut bytes);
    [&bytes[..], payload.as_deref().unwrap_or_default()].concat()
}

/// In one segment with the end of the handshake: data, a request for new keys, and data under them.
#[tokio::test]
async fn whatever_is_legal_may_come_along_with_the_end_of_the_handshake() {
    let pair = Pair::new();
    let answer = Message::Interested;
    let dial = async {
        let mut other = Other::nearly_in(&pair).await;
        other.say(&block(20));
        other.tls.refresh_traffic_keys().unwrap();
        other.say(&Message::KeepAlive);
        other.flush().await;
        other.listen_for(&answer).await;
    };
    let accept = async {
        let mut accepted = pair.accept(Transport::Tls).await.unwrap();
        assert_eq!(accepted.read::<Message>().await.unwrap(), Some(block(20)));
        assert_eq!(accepted.read::<Message>().await.unwrap(), Some(Message::KeepAlive));
        accepted.write(&answer).await.unwrap();
        accepted
    };
    tokio::join!(dial, accept);
}

/// A record that has begun to arrive is the beginning of a frame, though nothing of it can be opened
/// yet: who waits for the rest need not have the patience that silence deserves.
#[tokio::test]
async fn a_record_that_has_begun_is_waited_for_and_missed() {
    let pair = Pair::new();
    let dial = async {
        let mut other = Other::nearly_in(&pair).await;
        other.say(&Message::KeepAlive);
        let record = other.take_wire();
        let (all_but_one, last) = record.split_at(record.len() - 1);
        other.tcp.write_all(all_but_one).await.unwrap();
        (other, last.to_vec())
    };
    let security = Security::new(&pair.acceptor, Transport::Tls);
    let accept = async {
        let (socket, _) = pair.listener.accept().await.unwrap();
        security.accept(socket, Protocol::Peer).await.unwrap()
    };
    let ((mut other, last), mut accepted) = tokio::join!(dial, accept);
    assert!(!accepted.mid_frame());
    let waiting = timeout(Duration::from_millis(1), accepted.read::<Message>());
    assert!(waiting.await.is_err());
    assert!(accepted.mid_frame());
    let idle = format!("{:?}", security.buffers());
    assert_eq!(idle, "Buffers { idle: 262208 }", "what a batch would need is not held meanwhile");
    other.tcp.write_all(&last).await.unwrap();
    assert_eq!(accepted.read::<Message>().await.unwrap(), Some(Message::KeepAlive));
    assert!(!accepted.mid_frame());

    other.say(&Message::KeepAlive);
    let record = other.take_wire();
    other.tcp.write_all(&record[..7]).await.unwrap();
    drop(other);
    let cut = accepted.read::<Message>().await.unwrap_err();
    assert!(
        matches!(&cut, ReadError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof),
        "{cut:?}"
    );
}

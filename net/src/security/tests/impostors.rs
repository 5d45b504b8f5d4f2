//! Nodes that cheat, and a wire that is tampered with.

use tokio::io::{DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;

use super::*;

/// What rustls has of an identity, to build nodes that cheat.
fn certified(identity: &Identity) -> Arc<rustls::sign::CertifiedKey> {
    Arc::clone(Tls::new(identity.key()).certified())
}

/// A node that shows the victim's public key and signs with its own.
fn replayed(victim: &Identity, thief: &Identity) -> Arc<rustls::sign::CertifiedKey> {
    let spki = certified(victim).cert.clone();
    Arc::new(rustls::sign::CertifiedKey::new(spki, Arc::clone(&certified(thief).key)))
}

#[tokio::test]
async fn a_dialer_that_shows_a_key_it_does_not_have_is_refused() {
    let pair = Pair::new();
    let (victim, expected) = (Identity::generate(), pair.acceptor.peer_id());
    let mut config = Tls::new(pair.dialer.key()).client(expected, Protocol::Peer);
    config.client_auth_cert_resolver = Arc::new(
        rustls::client::AlwaysResolvesClientRawPublicKeys::new(replayed(&victim, &pair.dialer)),
    );
    let accepted = pair.accept_from(config).await;
    assert!(matches!(accepted, Err(ConnectError::Handshake(_))), "{accepted:?}");
}

#[tokio::test]
async fn a_dialer_without_a_key_is_refused() {
    let pair = Pair::new();
    let expected = pair.acceptor.peer_id();
    let mut config = Tls::new(pair.dialer.key()).client(expected, Protocol::Peer);
    config.client_auth_cert_resolver = Arc::new(NoKey);
    let accepted = pair.accept_from(config).await;
    assert!(matches!(accepted, Err(ConnectError::Handshake(_))), "{accepted:?}");
}

/// A client that has nothing to prove itself with.
#[derive(Debug)]
struct NoKey;

impl rustls::client::ResolvesClientCert for NoKey {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn an_acceptor_that_shows_a_key_it_does_not_have_is_refused() {
    let pair = Pair::new();
    let thief = Identity::generate();
    let mut config = Tls::new(thief.key()).server(Protocol::Peer);
    config.cert_resolver = Arc::new(rustls::server::AlwaysResolvesServerRawPublicKeys::new(
        replayed(&pair.acceptor, &thief),
    ));
    let impostor = async {
        let (socket, _) = pair.listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(socket).await.map(drop)
    };
    let (dialed, _) = tokio::join!(pair.dial(Transport::Tls), impostor);
    assert!(matches!(dialed, Err(ConnectError::Handshake(_))), "{dialed:?}");
}

#[tokio::test]
async fn a_dialer_that_names_no_protocol_is_refused() {
    let pair = Pair::new();
    let expected = pair.acceptor.peer_id();
    let mut config = Tls::new(pair.dialer.key()).client(expected, Protocol::Peer);
    config.alpn_protocols.clear();
    let accepted = pair.accept_from(config).await;
    assert!(matches!(accepted, Err(ConnectError::WrongProtocol)), "{accepted:?}");
}

/// No flipped byte of a handshake leads to a session, but for those that mean nothing in TLS 1.3:
/// kind and version in the heads of records (an encrypted one has its kind inside), and records for
/// the eyes of old middleboxes (RFC 8446, 5 and D.4).
#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_tampered_with_fails() {
    let (dialer, acceptor) = (Identity::generate(), Identity::generate());
    let Tampered { bytes, idle, .. } = handshake(&dialer, &acceptor, usize::MAX).await;
    assert!(bytes > 500, "{bytes}");
    for at in 0..bytes {
        let Tampered { peers, .. } = handshake(&dialer, &acceptor, at).await;
        if let Some(peers) = peers {
            assert_eq!(peers, (Some(acceptor.peer_id()), Some(dialer.peer_id())), "byte {at}");
            assert!(idle.contains(&at), "byte {at} may be anything");
        }
    }
}

struct Tampered {
    /// Bytes that went over the wire, both ways.
    bytes: usize,
    /// Where among them those are that mean nothing.
    idle: Vec<usize>,
    /// Whom the dialer and the acceptor believe to talk to, if both finished.
    peers: Option<(Option<PeerId>, Option<PeerId>)>,
}

/// Runs a handshake in memory, with one bit flipped in byte `flip` of what goes over the wire.
async fn handshake(dialer: &Identity, acceptor: &Identity, flip: usize) -> Tampered {
    let client = Tls::new(dialer.key()).client(acceptor.peer_id(), Protocol::Peer);
    let server = Tls::new(acceptor.key()).server(Protocol::Peer);
    let name = server_name("127.0.0.1:1".parse().unwrap());
    let [(mut near, near_wire), (mut far, far_wire)] = [duplex(1 << 16), duplex(1 << 16)];
    let dial = async move { handshake::connect(client, name, &mut near).await };
    let accept = async move { handshake::accept(server, &mut far).await };
    // Where a length was changed, both may wait for what never comes.
    let ends = async {
        tokio::join!(timeout(HANDSHAKE_TIMEOUT, dial), timeout(HANDSHAKE_TIMEOUT, accept))
    };
    let ((dialed, accepted), (bytes, idle)) = tokio::join!(ends, tamper(near_wire, far_wire, flip));
    let peers = match (dialed, accepted) {
        (Ok(Ok(dialed)), Ok(Ok(accepted))) => Some((dialed.peer, accepted.peer)),
        _ => None,
    };
    Tampered { bytes, idle, peers }
}

/// Carries bytes both ways until both sides are gone, and says how many there were.
async fn tamper(mut near: DuplexStream, mut far: DuplexStream, flip: usize) -> (usize, Vec<usize>) {
    let (mut bytes, mut idle) = (0, Vec::new());
    let (mut from_near, mut from_far) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let (n, wire, to) = tokio::select! {
            Ok(n @ 1..) = near.read(&mut from_near) => (n, &mut from_near, &mut far),
            Ok(n @ 1..) = far.read(&mut from_far) => (n, &mut from_far, &mut near),
            else => return (bytes, idle),
        };
        let (wire, mut head) = (&mut wire[..n], 0);
        while let Some([kind, _, _, long, short]) = wire.get(head..).and_then(|w| w.first_chunk()) {
            let (start, end) = (head, head + 5 + usize::from(u16::from_be_bytes([*long, *short])));
            // 20 is change_cipher_spec.
            let idle_end = if *kind == 20 { end } else { start + 3 };
            idle.extend((start..idle_end).map(|at| bytes + at));
            head = end;
        }
        if let Some(byte) = flip.checked_sub(bytes).and_then(|at| wire.get_mut(at)) {
            *byte ^= 1;
        }
        bytes += n;
        // Whom it is for may be gone.
        let _ = to.write_all(wire).await;
    }
}

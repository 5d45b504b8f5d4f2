//! A peer that does an orderly handshake, and then seals whatever it is told to.
//!
//! It shares no code with `swarm-net`: the handshake and the keys are rustls's, and a record is put
//! together here as the standard says (RFC 8446, section 5.2).

#![expect(clippy::unwrap_used, reason = "a peer that cannot do its part tests nothing")]

use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::{
    ClientConfig, ConnectionTrafficSecrets, DigitallySignedStruct, Error, SignatureScheme,
    SupportedCipherSuite,
    client::{
        AlwaysResolvesClientRawPublicKeys, ClientConnectionData, UnbufferedClientConnection,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs as provider},
    kernel::KernelConnection,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    sign::CertifiedKey,
    unbuffered::{ConnectionState, EncodeError, UnbufferedStatus},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// DER before the 32 secret bytes of an Ed25519 PKCS #8 key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const TAG: usize = 16;

/// The peer's settings, one for each cipher.
pub(super) fn client_configs() -> [ClientConfig; 2] {
    let suites = [
        provider::cipher_suite::TLS13_AES_128_GCM_SHA256,
        provider::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    suites.map(client_config)
}

fn client_config(suite: SupportedCipherSuite) -> ClientConfig {
    let provider = CryptoProvider { cipher_suites: vec![suite], ..provider::default_provider() };
    let pkcs8 = [&PKCS8_PREFIX[..], &[7; 32]].concat();
    let key = PrivatePkcs8KeyDer::from(pkcs8).into();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let public = CertificateDer::from(key.public_key().unwrap().to_vec());
    let certified = Arc::new(CertifiedKey::new(vec![public], key));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified)));
    config.enable_secret_extraction = true;
    config.alpn_protocols = vec![b"swarm/1".to_vec()];
    config
}

/// Whom the node is to be is not what is tested.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// A peer after its handshake.
pub(super) struct Peer {
    tcp: TcpStream,
    keys: KernelConnection<ClientConnectionData>,
    key: LessSafeKey,
    iv: [u8; 12],
    record: u64,
    /// The end of the handshake, if it is held back.
    held: Vec<u8>,
}

impl Peer {
    /// Does the dialling side's part of a handshake. The last flight is sent with what follows it, if
    /// `hold`.
    pub(super) async fn shake_hands(config: ClientConfig, mut tcp: TcpStream, hold: bool) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = UnbufferedClientConnection::new(Arc::new(config), name).unwrap();
        let (mut received, mut said) = (Vec::new(), Vec::new());
        loop {
            let UnbufferedStatus { discard, state, .. } = tls.process_tls_records(&mut received);
            let blocked = match state.unwrap() {
                ConnectionState::EncodeTlsData(mut record) => {
                    let Err(EncodeError::InsufficientSize(short)) = record.encode(&mut []) else {
                        panic!("nothing fits an empty buffer");
                    };
                    let start = said.len();
                    said.resize(start + short.required_size, 0);
                    record.encode(&mut said[start..]).unwrap();
                    false
                }
                ConnectionState::TransmitTlsData(records) => {
                    records.done();
                    false
                }
                ConnectionState::BlockedHandshake => true,
                ConnectionState::WriteTraffic(_) => break,
                other => panic!("no such thing was agreed on: {other:?}"),
            };
            received.drain(..discard);
            if blocked {
                tcp.write_all(&said).await.unwrap();
                said.clear();
                assert!(tcp.read_buf(&mut received).await.unwrap() > 0, "the node is gone");
            }
        }
        let (secrets, keys) = tls.dangerous_into_kernel_connection().unwrap();
        let (record, secrets) = secrets.tx;
        let (key, iv) = cipher(&secrets);
        let mut peer = Self { tcp, keys, key, iv, record, held: said };
        if !hold {
            peer.send(&[]).await;
        }
        peer
    }

    /// Sends these bytes, as long as somebody takes them.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let bytes = [&std::mem::take(&mut self.held)[..], bytes].concat();
        let _ = self.tcp.write_all(&bytes).await;
    }

    /// Sends no more. The socket stays open for what the node may say yet.
    pub(super) async fn end(&mut self) {
        let _ = self.tcp.shutdown().await;
    }

    /// Takes a new key for what follows.
    pub(super) fn renew(&mut self) {
        let (record, secrets) = self.keys.update_tx_secret().unwrap();
        self.record = record;
        (self.key, self.iv) = cipher(&secrets);
    }

    /// Appends a record with this content to `out`.
    pub(super) fn seal(&mut self, kind: u8, content: &[u8], padding: usize, out: &mut Vec<u8>) {
        let mut inner = [content, &[kind], &vec![0; padding]].concat();
        let [high, low] = ((inner.len() + TAG) as u16).to_be_bytes();
        let head = [23, 3, 3, high, low];
        let number = u128::from(self.record).to_be_bytes();
        let nonce = std::array::from_fn(|i| self.iv[i] ^ number[4 + i]);
        self.record += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(head), &mut inner).unwrap();
        out.extend(head);
        out.extend(inner);
    }
}

fn cipher(secrets: &ConnectionTrafficSecrets) -> (LessSafeKey, [u8; 12]) {
    let (algorithm, key, iv) = match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
        _ => panic!("another cipher than was offered"),
    };
    let key = UnboundKey::new(algorithm, key.as_ref()).unwrap();
    (LessSafeKey::new(key), iv.as_ref().try_into().unwrap())
}

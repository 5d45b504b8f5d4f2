//! TLS 1.3 with raw public keys on both sides (RFC 8446, RFC 7250).
//!
//! A node's public key is all there is to prove, and its signature over the handshake is what
//! proves it: the verifiers here check that signature and nothing could stand in for it. Only
//! Ed25519 is spoken. There is no resumption and no early data, so every session shows the key anew
//! and no byte of an application ever precedes the proof.

pub(crate) mod handshake;
pub(crate) mod record;
pub(crate) mod stream;

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key},
    pki_types::{
        CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
    },
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use swarm_proto::id::PeerId;

use crate::Protocol;

/// DER before the 32 key bytes of an Ed25519 `SubjectPublicKeyInfo` (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
/// DER before the 32 secret bytes of an Ed25519 PKCS #8 key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Makes the settings of each session of one identity.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
}

impl Tls {
    pub(crate) fn new(key: &SigningKey) -> Self {
        let provider = Arc::new(CryptoProvider {
            // AES-128 first: fastest where the CPU has it; ChaCha20 for CPUs that have not.
            cipher_suites: vec![
                aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
                aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            ],
            ..aws_lc_rs::default_provider()
        });
        let pkcs8 = [&PKCS8_PREFIX[..], &key.to_bytes()].concat();
        let signer = provider
            .key_provider
            .load_private_key(PrivatePkcs8KeyDer::from(pkcs8).into())
            .expect("an Ed25519 seed in its fixed encoding is a key");
        let spki = [&SPKI_PREFIX[..], key.verifying_key().as_bytes()].concat();
        // rustls carries a raw public key in the type that is otherwise a certificate's.
        let key = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signer));
        Self { provider, key }
    }

    /// For the dialling side: only `expected` may answer.
    pub(crate) fn client(&self, expected: PeerId, protocol: Protocol) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("both cipher suites are TLS 1.3's")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.verifier(Some(expected))))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                Arc::clone(&self.key),
            )));
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        config.enable_secret_extraction = true;
        config.alpn_protocols = vec![protocol.alpn().to_vec()];
        config
    }

    /// For the accepting side: any key may come, but it must be proven.
    pub(crate) fn server(&self, protocol: Protocol) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("both cipher suites are TLS 1.3's")
            .with_client_cert_verifier(Arc::new(self.verifier(None)))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(
                &self.key,
            ))));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        config.enable_secret_extraction = true;
        config.alpn_protocols = vec![protocol.alpn().to_vec()];
        config
    }

    #[cfg(test)]
    pub(crate) const fn certified(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    fn verifier(&self, expected: Option<PeerId>) -> Verifier {
        Verifier { provider: Arc::clone(&self.provider), expected }
    }
}

/// The name of an address in a handshake; it is never sent and nothing depends on it.
pub(crate) fn server_name(addr: std::net::SocketAddr) -> ServerName<'static> {
    ServerName::IpAddress(addr.ip().into())
}

/// Whose key the other side of a finished handshake proved.
pub(crate) fn proven_peer(session: &rustls::CommonState) -> Option<PeerId> {
    match session.peer_certificates()? {
        [spki] => peer_of(spki),
        _ => None,
    }
}

/// The key in a `SubjectPublicKeyInfo`, if that is exactly an Ed25519 one.
fn peer_of(spki: &[u8]) -> Option<PeerId> {
    let key = spki.strip_prefix(&SPKI_PREFIX)?;
    Some(PeerId::new(key.try_into().ok()?))
}

/// Checks the other side's key and its signature over the handshake.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    expected: Option<PeerId>,
}

impl Verifier {
    fn check_key(&self, spki: &[u8], more: &[CertificateDer<'_>]) -> Result<(), Error> {
        let bad = CertificateError::BadEncoding;
        let peer = peer_of(spki).filter(|_| more.is_empty()).ok_or(bad)?;
        if self.expected.is_some_and(|expected| expected != peer) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(())
    }

    fn check_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // rustls leaves it to us to hold the other side to what we offered.
        if signature.scheme != SignatureScheme::ED25519 {
            return Err(rustls::PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        verify_tls13_signature_with_raw_key(
            message,
            &SubjectPublicKeyInfoDer::from(spki.as_ref()),
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }
}

/// What both verifiers answer where TLS 1.2 would be spoken.
fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not spoken here".into()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_key(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_key(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

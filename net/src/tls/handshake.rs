//! The TLS 1.3 handshake, from a connected socket to a [`Session`].
//!
//! rustls decides and we carry its bytes to and fro. It is used without buffers of its own, since
//! only so it hands out the keys at the end together with the means to renew them. It is given one
//! record at a time, so it never opens one that comes behind the handshake: what it would then owe
//! to the other side, such as a change of its own keys, it does not hand out.

use std::{io, ops::Deref, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, CommonState, ConnectionTrafficSecrets, Error, ExtractedSecrets, ServerConfig,
    SupportedCipherSuite,
    client::UnbufferedClientConnection,
    kernel::KernelConnection,
    pki_types::ServerName,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus},
};
use swarm_proto::id::PeerId;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{
    proven_peer,
    record::{NextKeys, Session},
};

/// Bytes that may lie here and wait for more: the longest message that rustls itself would wait for.
/// Ours have some hundred bytes.
const RECEIVED_MAX: usize = 64 << 10;
/// Bytes that may lie unread behind a message that is none: what speaks another protocol has not said
/// more before it hears an answer.
const UNREAD: usize = 4 << 10;
/// A record's kind, version and length.
const HEAD: usize = 5;

/// What a handshake leads to.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) session: Session,
    /// Whose key the other side proved.
    pub(crate) peer: Option<PeerId>,
    /// The protocol that both sides agreed on (RFC 7301).
    pub(crate) protocol: Option<Vec<u8>>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error(transparent)]
    Tls(#[from] Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the bytes go over.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}

/// Does the dialling side's part.
pub(crate) async fn connect(
    config: ClientConfig,
    name: ServerName<'static>,
    socket: &mut impl Socket,
) -> Result<Secured, HandshakeError> {
    let mut tls = UnbufferedClientConnection::new(Arc::new(config), name)?;
    Wire::default().shake_hands(socket, &mut tls).await?;
    secured(agreed(&tls), tls.dangerous_into_kernel_connection()?)
}

/// Does the accepting side's part.
pub(crate) async fn accept(
    config: ServerConfig,
    socket: &mut impl Socket,
) -> Result<Secured, HandshakeError> {
    let mut tls = UnbufferedServerConnection::new(Arc::new(config))?;
    Wire::default().shake_hands(socket, &mut tls).await?;
    secured(agreed(&tls), tls.dangerous_into_kernel_connection()?)
}

/// Whom the other side proved to be, and the protocol.
fn agreed(tls: &CommonState) -> (Option<PeerId>, Option<Vec<u8>>) {
    (proven_peer(tls), tls.alpn_protocol().map(<[u8]>::to_vec))
}

/// What rustls's two kinds of connection have in common. It gives both a method of this name, and
/// what they share does not have it.
trait End: Deref<Target: Deref<Target = CommonState>> {
    /// Takes in what was received and says what it has to say behind `said`. Returns how many bytes
    /// of what was received are done with.
    fn process(&mut self, received: &mut [u8], said: &mut Vec<u8>) -> Heard;
}

/// How many bytes are done with, and what is to be done next.
type Heard = (usize, Result<Step, HandshakeError>);

impl End for UnbufferedClientConnection {
    fn process(&mut self, received: &mut [u8], said: &mut Vec<u8>) -> Heard {
        hear(self.process_tls_records(received), said)
    }
}

impl End for UnbufferedServerConnection {
    fn process(&mut self, received: &mut [u8], said: &mut Vec<u8>) -> Heard {
        hear(self.process_tls_records(received), said)
    }
}

/// The bytes of a handshake on their way.
#[derive(Debug, Default)]
struct Wire {
    /// Not yet taken by rustls.
    received: Vec<u8>,
    /// What is missing of the record whose head was received last.
    missing: usize,
    /// What rustls has to say, not yet sent.
    said: Vec<u8>,
}

/// What is to be done next.
#[derive(Debug)]
enum Step {
    /// Ask again.
    Again,
    /// Send what was said.
    Send,
    /// Read more.
    Read,
    /// Nothing: the hands are shaken.
    Done,
}

impl Wire {
    async fn shake_hands(
        &mut self,
        socket: &mut impl Socket,
        end: &mut impl End,
    ) -> Result<(), HandshakeError> {
        loop {
            let (taken, step) = end.process(&mut self.received, &mut self.said);
            self.received.drain(..taken);
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Read) => self.read(socket).await?,
                Ok(Step::Send) => {
                    socket.write_all(&self.said).await?;
                    self.said.clear();
                }
                Ok(Step::Done) => return Ok(()),
                Err(error) => {
                    // What is wrong is for the other side to know, too.
                    while end.wants_write() && end.process(&mut [], &mut self.said).1.is_ok() {}
                    let _ = socket.write_all(&self.said).await;
                    // Some systems forget what was sent if something is left unread at the end.
                    let _ = timeout(Duration::ZERO, socket.read(&mut [0; UNREAD])).await;
                    return Err(error);
                }
            }
        }
    }

    /// Reads the rest of a record, or the head of the next: rustls can tell by that already that the
    /// other side does not speak TLS.
    async fn read(&mut self, socket: &mut impl Socket) -> io::Result<()> {
        let start = self.received.len();
        if start >= RECEIVED_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a handshake without end"));
        }
        let rest = std::mem::take(&mut self.missing);
        self.received.resize(start + if rest > 0 { rest } else { HEAD }, 0);
        let read = &mut self.received[start..];
        socket.read_exact(read).await?;
        if rest == 0 {
            self.missing = u16::from_be_bytes([read[HEAD - 2], read[HEAD - 1]]).into();
        }
        Ok(())
    }
}

fn secured<D: Send + 'static>(
    (peer, protocol): (Option<PeerId>, Option<Vec<u8>>),
    (secrets, keys): (ExtractedSecrets, KernelConnection<D>),
) -> Result<Secured, HandshakeError> {
    let SupportedCipherSuite::Tls13(suite) = keys.negotiated_cipher_suite();
    let limit = suite.common.confidentiality_limit;
    let session = Session::new(secrets, Box::new(keys), limit)
        .map_err(|error| Error::General(error.to_string()))?;
    Ok(Secured { session, peer, protocol })
}

fn hear<D>(
    UnbufferedStatus { discard, state, .. }: UnbufferedStatus<'_, '_, D>,
    said: &mut Vec<u8>,
) -> Heard {
    (discard, state.map_err(Into::into).and_then(|state| step(state, said)))
}

fn step<D>(state: ConnectionState<'_, '_, D>, said: &mut Vec<u8>) -> Result<Step, HandshakeError> {
    match state {
        ConnectionState::EncodeTlsData(record) => encode(record, said),
        ConnectionState::TransmitTlsData(records) => {
            records.done();
            Ok(Step::Send)
        }
        ConnectionState::BlockedHandshake => Ok(Step::Read),
        ConnectionState::WriteTraffic(_) => Ok(Step::Done),
        // It ends before anything began, or speaks of what was not offered.
        _ => Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
    }
}

fn encode<D>(mut record: EncodeTlsData<'_, D>, said: &mut Vec<u8>) -> Result<Step, HandshakeError> {
    let start = said.len();
    // Nothing fits an empty buffer, and so we learn how long it is.
    if let Err(EncodeError::InsufficientSize(short)) = record.encode(&mut []) {
        said.resize(start + short.required_size, 0);
        let encoded = record.encode(&mut said[start..]);
        encoded.map_err(|error| Error::General(error.to_string()))?;
    }
    Ok(Step::Again)
}

impl<D: Send> NextKeys for KernelConnection<D> {
    fn next_tx(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Error> {
        self.update_tx_secret()
    }

    fn next_rx(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Error> {
        self.update_rx_secret()
    }
}

//! The TLS 1.3 handshake, from a connected socket to a [`Session`].
//!
//! rustls decides and we carry its bytes to and fro. It is used without buffers of its own, since
//! only so it hands out the keys at the end together with the means to renew them.

use std::{io, ops::Deref, sync::Arc};

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
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    proven_peer,
    record::{NextKeys, Session},
};

/// Bytes that may lie here and wait for more: the longest message that rustls itself would wait for.
/// Ours have some hundred bytes.
const RECEIVED_MAX: usize = 64 << 10;
/// Bytes that are read at once.
const READ: usize = 4 << 10;

/// What a handshake leads to.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) session: Session,
    /// Whose key the other side proved.
    pub(crate) peer: Option<PeerId>,
    /// The protocol that both sides agreed on (RFC 7301).
    pub(crate) protocol: Option<Vec<u8>>,
    /// Data that came right behind the handshake and was opened with it.
    pub(crate) early: Vec<u8>,
    /// What came after that, still sealed.
    pub(crate) received: Vec<u8>,
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
    let wire = Wire::default().shake_hands(socket, &mut tls).await?;
    let agreed = agreed(&tls);
    wire.secured(agreed, tls.dangerous_into_kernel_connection()?)
}

/// Does the accepting side's part.
pub(crate) async fn accept(
    config: ServerConfig,
    socket: &mut impl Socket,
) -> Result<Secured, HandshakeError> {
    let mut tls = UnbufferedServerConnection::new(Arc::new(config))?;
    let wire = Wire::default().shake_hands(socket, &mut tls).await?;
    let agreed = agreed(&tls);
    wire.secured(agreed, tls.dangerous_into_kernel_connection()?)
}

/// Whom the other side proved to be, and the protocol.
fn agreed(tls: &CommonState) -> (Option<PeerId>, Option<Vec<u8>>) {
    (proven_peer(tls), tls.alpn_protocol().map(<[u8]>::to_vec))
}

/// What rustls's two kinds of connection have in common. It gives both a method of this name, and
/// what they share does not have it.
trait End: Deref<Target: Deref<Target = CommonState>> {
    /// Takes in what was received. Returns how many bytes of it are done with.
    fn process(&mut self, received: &mut [u8], said: &mut Said) -> Heard;
}

/// How many bytes are done with, and what is to be done next.
type Heard = (usize, Result<Step, HandshakeError>);

impl End for UnbufferedClientConnection {
    fn process(&mut self, received: &mut [u8], said: &mut Said) -> Heard {
        said.hear(self.process_tls_records(received))
    }
}

impl End for UnbufferedServerConnection {
    fn process(&mut self, received: &mut [u8], said: &mut Said) -> Heard {
        said.hear(self.process_tls_records(received))
    }
}

/// The bytes of a handshake on their way.
#[derive(Debug, Default)]
struct Wire {
    /// Not yet taken by rustls.
    received: Vec<u8>,
    said: Said,
}

/// What rustls gives out.
#[derive(Debug, Default)]
struct Said {
    /// To be sent.
    records: Vec<u8>,
    /// The other side's first data.
    early: Vec<u8>,
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
        mut self,
        socket: &mut impl Socket,
        end: &mut impl End,
    ) -> Result<Self, HandshakeError> {
        loop {
            let (taken, step) = end.process(&mut self.received, &mut self.said);
            self.received.drain(..taken);
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Read) => self.read(socket).await?,
                Ok(Step::Send) => {
                    socket.write_all(&self.said.records).await?;
                    self.said.records.clear();
                }
                Ok(Step::Done) => return Ok(self),
                Err(error) => {
                    // What is wrong is for the other side to know, too.
                    while end.wants_write() && end.process(&mut [], &mut self.said).1.is_ok() {}
                    let _ = socket.write_all(&self.said.records).await;
                    return Err(error);
                }
            }
        }
    }

    async fn read(&mut self, socket: &mut impl Socket) -> io::Result<()> {
        if self.received.len() >= RECEIVED_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a handshake without end"));
        }
        self.received.reserve(READ);
        match socket.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn secured<D: Send + 'static>(
        self,
        (peer, protocol): (Option<PeerId>, Option<Vec<u8>>),
        (secrets, keys): (ExtractedSecrets, KernelConnection<D>),
    ) -> Result<Secured, HandshakeError> {
        let SupportedCipherSuite::Tls13(suite) = keys.negotiated_cipher_suite();
        let limit = suite.common.confidentiality_limit;
        let session = Session::new(secrets, Box::new(keys), limit)
            .map_err(|error| Error::General(error.to_string()))?;
        let (early, received) = (self.said.early, self.received);
        Ok(Secured { session, peer, protocol, early, received })
    }
}

impl Said {
    /// Takes in what rustls has to say. Returns how many received bytes it has taken.
    fn hear<D>(
        &mut self,
        UnbufferedStatus { discard, state, .. }: UnbufferedStatus<'_, '_, D>,
    ) -> Heard {
        (discard, state.map_err(Into::into).and_then(|state| self.step(state)))
    }

    fn step<D>(&mut self, state: ConnectionState<'_, '_, D>) -> Result<Step, HandshakeError> {
        match state {
            ConnectionState::EncodeTlsData(record) => self.encode(record),
            ConnectionState::TransmitTlsData(records) => {
                records.done();
                Ok(Step::Send)
            }
            ConnectionState::BlockedHandshake => Ok(Step::Read),
            ConnectionState::ReadTraffic(mut records) => {
                while let Some(record) = records.next_record() {
                    self.early.extend_from_slice(record?.payload);
                }
                Ok(Step::Again)
            }
            ConnectionState::WriteTraffic(_) => Ok(Step::Done),
            // It ends before anything began, or speaks of what was not offered.
            _ => Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
        }
    }

    fn encode<D>(&mut self, mut record: EncodeTlsData<'_, D>) -> Result<Step, HandshakeError> {
        let start = self.records.len();
        // Nothing fits an empty buffer, and so we learn how long it is.
        if let Err(EncodeError::InsufficientSize(short)) = record.encode(&mut []) {
            self.records.resize(start + short.required_size, 0);
            let encoded = record.encode(&mut self.records[start..]);
            encoded.map_err(|error| Error::General(error.to_string()))?;
        }
        Ok(Step::Again)
    }
}

impl<D: Send> NextKeys for KernelConnection<D> {
    fn next_tx(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Error> {
        self.update_tx_secret()
    }

    fn next_rx(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Error> {
        self.update_rx_secret()
    }
}

//! Dialling and accepting: from an address or a socket to a [`Connection`].

#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr, time::Duration};

use swarm_proto::id::PeerId;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    Buffers, Connection, Identity, Protocol, Transport, socket,
    stream::Stream,
    tls::{
        Tls,
        handshake::{self, HandshakeError, Secured},
        server_name,
    },
};

/// How long the network may take to connect. Two lost SYNs are sent again after 1 and 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a handshake may take: two round trips, on a bad link and a busy machine.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens and accepts connections for one identity.
#[derive(Debug, Clone)]
pub struct Security {
    /// `None` over plain transport.
    tls: Option<Tls>,
    buffers: Buffers,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Somebody else is there, or the key in the link is wrong. Nothing was said to them.
    #[error("the address is answered by another key than the expected one")]
    WrongKey,
    /// Over TLS somebody must be expected.
    #[error("no key is known for this address; over TLS one is needed, as in <key>@<host>:<port>")]
    NoKey,
    /// Nobody answered in time.
    #[error("no answer in time")]
    TimedOut,
    /// The other side does not speak TLS.
    #[error(
        "the other side does not answer as TLS; is it a swarm node, and not with --transport plain?"
    )]
    NotTls,
    /// The other side speaks TLS, but for something else: a tracker's port is not a peer's.
    #[error("the other side speaks another protocol; is the address a tracker's or a peer's?")]
    WrongProtocol,
    /// The handshake failed in another way.
    #[error("TLS handshake failed: {0}")]
    Handshake(String),
    /// The network's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Security {
    /// For this identity and transport.
    #[must_use]
    pub fn new(identity: &Identity, transport: Transport) -> Self {
        let tls = match transport {
            Transport::Tls => Some(Tls::new(identity.key())),
            Transport::Plain => None,
        };
        Self { tls, buffers: Buffers::default() }
    }

    /// Where the connections get the memory that payloads arrive in.
    #[must_use]
    pub const fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Connects, and over TLS proves both keys, before a byte of ours is sent. Times out by itself.
    ///
    /// The accepting side judges our key last, so its refusal shows as an error of the first read.
    ///
    /// # Errors
    /// If nothing answers in time, or another key than `expected` does.
    pub async fn dial(
        &self,
        addr: SocketAddr,
        expected: Option<PeerId>,
        protocol: Protocol,
    ) -> Result<Connection, ConnectError> {
        let tls = match (&self.tls, expected) {
            (Some(tls), Some(expected)) => Some((tls, expected)),
            (Some(_), None) => return Err(ConnectError::NoKey),
            (None, _) => None,
        };
        let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(addr));
        let mut tcp = connecting.await.map_err(|_| ConnectError::TimedOut)??;
        socket::prepare(&tcp)?;
        let Some((tls, expected)) = tls else {
            return Ok(Connection::new(Stream::Plain(tcp), None, addr, self.buffers.clone()));
        };
        let config = tls.client(expected, protocol);
        let handshake = handshake::connect(config, server_name(addr), &mut tcp);
        let secured = timeout(HANDSHAKE_TIMEOUT, handshake).await;
        self.secured(secured.map_err(|_| ConnectError::TimedOut)?, tcp, addr, protocol)
    }

    /// Does the accepting side's part on a socket. Times out by itself.
    ///
    /// # Errors
    /// If the other side is too slow or proves no key.
    pub async fn accept(
        &self,
        socket: TcpStream,
        protocol: Protocol,
    ) -> Result<Connection, ConnectError> {
        socket::prepare(&socket)?;
        let addr = socket::canonical(socket.peer_addr()?);
        let Some(tls) = &self.tls else {
            return Ok(Connection::new(Stream::Plain(socket), None, addr, self.buffers.clone()));
        };
        let mut tcp = socket;
        let handshake = handshake::accept(tls.server(protocol), &mut tcp);
        let secured = timeout(HANDSHAKE_TIMEOUT, handshake).await;
        self.secured(secured.map_err(|_| ConnectError::TimedOut)?, tcp, addr, protocol)
    }

    /// A connection from a handshake, if it went well and says all that it must.
    fn secured(
        &self,
        secured: Result<Secured, HandshakeError>,
        tcp: TcpStream,
        addr: SocketAddr,
        protocol: Protocol,
    ) -> Result<Connection, ConnectError> {
        let secured = secured.map_err(handshake_error)?;
        // A side that names no protocol passes rustls's own check.
        if secured.protocol.as_deref() != Some(protocol.alpn()) {
            return Err(ConnectError::WrongProtocol);
        }
        let unproven = || ConnectError::Handshake("the other side proved no key".into());
        let peer = secured.peer.ok_or_else(unproven)?;
        let stream = Stream::tls(tcp, secured.session, self.buffers.clone());
        Ok(Connection::new(stream, Some(peer), addr, self.buffers.clone()))
    }
}

/// Says in our words what rustls found.
fn handshake_error(error: HandshakeError) -> ConnectError {
    use rustls::{AlertDescription as Alert, CertificateError, Error};
    match error {
        HandshakeError::Tls(Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure,
        )) => ConnectError::WrongKey,
        HandshakeError::Tls(Error::InvalidMessage(_)) => ConnectError::NotTls,
        HandshakeError::Tls(
            Error::NoApplicationProtocol | Error::AlertReceived(Alert::NoApplicationProtocol),
        ) => ConnectError::WrongProtocol,
        HandshakeError::Tls(other) => ConnectError::Handshake(other.to_string()),
        HandshakeError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ConnectError::NotTls
        }
        HandshakeError::Io(error) => ConnectError::Io(error),
    }
}

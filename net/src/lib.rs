//! Authenticated, framed connections, for peers and trackers alike.
//!
//! Placeholder: the shape, for those who build against it.

use std::{io, net::SocketAddr, path::Path};

use swarm_proto::{codec::Frame, id::PeerId};
use tokio::net::TcpStream;

/// How connections are protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// TLS 1.3, both sides prove an Ed25519 key (RFC 7250).
    #[default]
    Tls,
    /// Nothing is encrypted and nobody proves anything.
    Plain,
}

/// What a connection is for. Over TLS it is the ALPN protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Between peers: `swarm/1`.
    Peer,
    /// Between a node and a tracker: `swarm-tracker/1`.
    Tracker,
}

/// A node's secret Ed25519 key and its public name.
#[derive(Clone, Debug)]
pub struct Identity {}

impl Identity {
    /// A new one from the OS's randomness.
    #[must_use]
    pub fn generate() -> Self {
        todo!()
    }

    /// Reads the key file, or makes one that only its owner can read (0600).
    ///
    /// # Errors
    /// If the file cannot be read or made, or is no key.
    pub fn load_or_create(_path: &Path) -> io::Result<Self> {
        todo!()
    }

    /// The public key.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        todo!()
    }

    /// Signs a message (Ed25519, RFC 8032).
    #[must_use]
    pub fn sign(&self, _message: &[u8]) -> [u8; 64] {
        todo!()
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Placeholder.
    #[error("the address is answered by another key than the expected one")]
    WrongKey,
    /// The network's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Opens and accepts connections for one identity.
#[derive(Debug, Clone)]
pub struct Security {}

impl Security {
    /// For this identity and transport.
    #[must_use]
    pub fn new(_identity: &Identity, _transport: Transport) -> Self {
        todo!()
    }

    /// Connects, and over TLS proves both keys, before a byte of ours is sent. Times out by itself.
    ///
    /// # Errors
    /// If nothing answers in time, or another key than `expected` does.
    pub async fn dial(
        &self,
        _addr: SocketAddr,
        _expected: Option<PeerId>,
        _protocol: Protocol,
    ) -> Result<Connection, ConnectError> {
        todo!()
    }

    /// Does the accepting side's part on a socket. Times out by itself.
    ///
    /// # Errors
    /// If the other side is too slow or proves no key.
    pub async fn accept(
        &self,
        _socket: TcpStream,
        _protocol: Protocol,
    ) -> Result<Connection, ConnectError> {
        todo!()
    }
}

/// A connection that is up. Reads and writes whole frames.
#[derive(Debug)]
pub struct Connection {}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The other side's fault.
    #[error("broken framing: {0}")]
    Codec(#[from] swarm_proto::codec::CodecError),
    /// The network's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Connection {
    /// The key that the other side proved; `None` over plain transport.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        todo!()
    }

    /// The other side's address.
    #[must_use]
    pub fn remote_addr(&self) -> SocketAddr {
        todo!()
    }

    /// The next frame; `None` when the other side has ended the connection between two frames.
    /// Cancel-safe.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read<F: Frame>(&mut self) -> Result<Option<F>, ReadError> {
        todo!()
    }

    /// Writes one frame and flushes it.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn write<F: Frame>(&mut self, _frame: &F) -> io::Result<()> {
        todo!()
    }
}

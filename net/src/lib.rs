//! Authenticated, framed connections, for peers and trackers alike.
//!
//! [`Security`] dials and accepts for one [`Identity`]. What comes out is a [`Connection`]: it reads
//! and writes whole frames of [`swarm_proto::codec`] and knows whose key is at the other end.
//!
//! Over [`Transport::Tls`] both sides prove an Ed25519 key in a TLS 1.3 handshake with raw public
//! keys (RFC 7250) before a frame goes either way. The key is the node's name, so there are no
//! certificates, no authorities and nothing that expires. Over [`Transport::Plain`] nothing is
//! encrypted and nobody proves anything.

mod buffers;
mod connection;
mod identity;
mod queue;
mod security;
mod send_file;
pub mod socket;
mod stream;
mod tls;

pub use buffers::{Buffer, Buffers};
pub use connection::{Connection, ReadError, Turn};
pub use identity::{Identity, random_seed};
pub use security::{ConnectError, Security};

/// How connections are protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// TLS 1.3, both sides prove an Ed25519 key (RFC 7250).
    #[default]
    Tls,
    /// Nothing is encrypted and nobody proves anything.
    Plain,
}

/// What a connection is for. Over TLS it is the ALPN protocol (RFC 7301), so that a peer's port
/// and a tracker's port are never taken for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Between peers: `swarm/1`.
    Peer,
    /// Between a node and a tracker: `swarm-tracker/1`.
    Tracker,
}

impl Protocol {
    const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Peer => b"swarm/1",
            Self::Tracker => b"swarm-tracker/1",
        }
    }
}

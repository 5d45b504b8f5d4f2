//! The link that people pass on: `swarm:?id=…&dn=…&tr=<key>@<host:port>&x.pe=<key>@<host:port>`.

use std::{fmt, str::FromStr};

use crate::id::{PeerId, SwarmId};

/// A tracker or peer that a link or manifest names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The key that must answer. `None`: written as `plain`, and nobody proves anything.
    pub key: Option<PeerId>,
    /// Host name or address literal, an IPv6 one without brackets.
    pub host: String,
    /// TCP port, never 0.
    pub port: u16,
}

/// A parsed link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The swarm.
    pub id: SwarmId,
    /// What the share is called; a hint.
    pub name: Option<String>,
    /// Trackers.
    pub trackers: Vec<Endpoint>,
    /// Peers.
    pub peers: Vec<Endpoint>,
}

/// What is wrong with a link, and what a right one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Placeholder.
    #[error("placeholder")]
    Placeholder,
}

impl fmt::Display for Endpoint {
    /// `<key>@<host>:<port>` or `plain:<host>:<port>`.
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl FromStr for Endpoint {
    type Err = LinkError;

    fn from_str(_text: &str) -> Result<Self, LinkError> {
        todo!()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(_text: &str) -> Result<Self, LinkError> {
        todo!()
    }
}

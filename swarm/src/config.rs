//! What can be set about the engine. Each default says where it comes from.

use std::time::Duration;

use crate::Priority;

/// Which pieces of files that are wanted alike are fetched first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The rarest, so that no piece is lost with the one who has it and everybody has something to
    /// give.
    #[default]
    RarestFirst,
    /// The first, for a reader who wants the bytes in order. A swarm in which many do so is slower:
    /// they all lack the same.
    Sequential,
}

/// Settings of one swarm.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes a second that may be sent to peers; `None` for no limit.
    pub upload_limit: Option<u64>,
    /// Bytes a second that may be received from peers; `None` for no limit.
    pub download_limit: Option<u64>,
    /// Connections of this swarm. 80: enough for a well-mixed graph (degree 25 suffices at 1000
    /// nodes), few enough that messages about pieces stay small beside the pieces.
    pub connections_max: u32,
    /// Connections that we open ourselves; the rest is left for those who dial us.
    pub dials_max: u32,
    /// Peers served at a time, the optimistic ones included. Few fast streams finish pieces sooner
    /// than many slow ones.
    pub upload_slots: u32,
    /// Bytes that may be requested or waiting for the disk, over all peers: what a download may
    /// hold in memory.
    pub buffer_bytes: u64,
    /// Bytes waiting for the disk at which nothing more is asked for, as long as it keeps up: what keeps
    /// all of its threads busy. More would go cold in the processors' caches while it waits.
    pub storing_bytes: u64,
    /// Bytes that may be read ahead or waiting in sockets' queues, over all peers: what uploading
    /// may hold in memory.
    pub send_bytes: u64,
    /// The TCP port that we accept peers on; 0 for none.
    pub listen_port: u16,
    /// Our address as others may dial it, if the one that the tracker sees is not right.
    pub advertise: Option<std::net::IpAddr>,
    /// How long a peer may be silent. Twice the keep-alive, as in BEP 3.
    pub idle_timeout: Duration,
    /// The trackers that the engine announces to, by names that people know them by.
    pub trackers: Vec<String>,
    /// How much each file is wanted at the start, in the manifest's order; files past the end of the
    /// list are [`Priority::Normal`].
    pub priorities: Vec<Priority>,
    /// Which pieces of files that are wanted alike are fetched first.
    pub order: Order,
    /// The files are the user's own: nothing is fetched or written, and what is lost of them stays
    /// lost.
    pub read_only: bool,
    /// Name and version of the program, said in our hello.
    pub client: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            upload_limit: None,
            download_limit: None,
            connections_max: 80,
            dials_max: 40,
            upload_slots: 8,
            buffer_bytes: 24 << 20,
            storing_bytes: 4 << 20,
            send_bytes: 16 << 20,
            listen_port: 0,
            advertise: None,
            idle_timeout: Duration::from_secs(120),
            trackers: Vec::new(),
            priorities: Vec::new(),
            order: Order::RarestFirst,
            read_only: false,
            client: concat!("swarm/", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

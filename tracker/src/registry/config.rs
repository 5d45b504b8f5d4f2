//! The limits of a tracker, each with its reason.

/// Limits of one tracker. Over a limit it answers without remembering, or refuses; it never grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Peers in all swarms together. A peer costs about 250 bytes with its place in the tables, so
    /// a million fit into 256 MiB.
    pub peers_max: u64,
    /// Peers in one swarm. Selection is random and its cost does not depend on this; it keeps one
    /// swarm from taking the room of all others.
    pub swarm_peers_max: usize,
    /// Swarms that have a peer or a manifest. About 300 bytes each.
    pub swarms_max: u64,
    /// Swarms that one key may be in. A node with more shares than this runs a tracker of its own;
    /// without the limit one key could fill the table of swarms.
    pub peer_swarms_max: u32,
    /// Bytes of rows and piece counts. 256 MiB are a million rows of 2,000 pieces, which is the
    /// most that the default piece length makes.
    pub row_bytes_max: u64,
    /// Bytes of manifests. A manifest costs 32 bytes a piece and about 100 a file: 256 MiB are
    /// 4,000 shares of 2,000 pieces, or four of a terabyte at 1 MiB a piece.
    pub manifest_bytes_max: u64,
    /// Bytes of one manifest: a million pieces and 100,000 files fit.
    pub manifest_len_max: u32,
    /// Bytes of manifests that are arriving. Room for one of the largest and many usual ones.
    pub upload_bytes_max: u64,
    /// Manifests arriving at a time. Of each new swarm two members are asked for it.
    pub uploads_max: usize,
    /// How long a manifest may take to arrive: the largest over 1 Mbit/s.
    pub upload_ms_max: u64,
    /// How long a manifest is kept after the last peer of its swarm has left, if room allows: whoever
    /// restarts a lone seeder over night finds it.
    pub manifest_keep_ms: u64,
    /// One announce in this time is always welcome from each peer of a swarm.
    pub announce_period_ms: u32,
    /// Announces that a peer may send at once before the period binds: start, manifest, a few user
    /// commands, completion, stop.
    pub announce_burst: u32,
    /// Announces a second at which intervals begin to stretch. A tenth of what one core answers with
    /// TLS, so that bursts find room.
    pub announces_per_s: u32,
    /// The interval of a peer that has just come: long enough to have dialled those it was told of.
    pub interval_first_ms: u32,
    /// The longest interval without load: a lone idle seed that stays findable for its lifetime.
    pub interval_max_ms: u32,
    /// The longest interval under load. Less than the idle time after which the server ends a
    /// connection.
    pub interval_loaded_max_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            peers_max: 1_000_000,
            swarm_peers_max: 500_000,
            swarms_max: 100_000,
            peer_swarms_max: 4096,
            row_bytes_max: 256 << 20,
            manifest_bytes_max: 256 << 20,
            manifest_len_max: 64 << 20,
            upload_bytes_max: 128 << 20,
            uploads_max: 256,
            upload_ms_max: 10 * 60 * 1000,
            manifest_keep_ms: 12 * 60 * 60 * 1000,
            announce_period_ms: 1000,
            announce_burst: 10,
            announces_per_s: 5000,
            interval_first_ms: 4000,
            interval_max_ms: 5 * 60 * 1000,
            interval_loaded_max_ms: 8 * 60 * 1000,
        }
    }
}

//! What is measured: how the runs were set up, what each of them took, and the figures over all.

use serde::{Deserialize, Serialize};
use swarm_engine::Bottleneck;

use super::{spread::Spread, usage::Usage};
use crate::{args::TransportKind, config::Settings};

/// What was run. Figures of different setups are not comparable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// The id of the share that was fetched; `None` for random bytes on this machine.
    pub swarm: Option<String>,
    pub getters: u32,
    pub bytes: u64,
    pub piece_length: u32,
    pub transport: TransportKind,
    pub upload_limit: Option<u64>,
    pub download_limit: Option<u64>,
    pub connections: u32,
    pub upload_slots: u32,
    pub memory: u64,
    pub disk_threads: usize,
    /// The files were in memory.
    pub in_memory: bool,
    pub folder: String,
    pub runs: u32,
}

impl Setup {
    /// With the settings in force; what was shared and where is filled in.
    pub fn new(settings: &Settings, getters: u32, runs: u32) -> Self {
        Self {
            swarm: None,
            getters,
            bytes: 0,
            piece_length: 0,
            transport: settings.transport.value,
            upload_limit: settings.upload_limit.value.0,
            download_limit: settings.download_limit.value.0,
            connections: settings.connections.value,
            upload_slots: settings.upload_slots.value,
            memory: settings.memory.value.0,
            disk_threads: settings.disk_threads.value,
            in_memory: false,
            folder: String::new(),
            runs,
        }
    }
}

/// The figures, over all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Seconds until the first getter had everything verified and in place.
    pub first_s: Option<Spread>,
    /// The same for the getter in the middle.
    pub median_s: Option<Spread>,
    /// The same for the last one.
    pub last_s: Option<Spread>,
    /// Payload into all getters together.
    pub rate: Option<Spread>,
    /// Bytes that the seeder sent, as copies of the share.
    pub seed_copies: Option<Spread>,
    /// Payload that a getter had already, all getters together.
    pub duplicate_bytes: Option<Spread>,
    /// Payload that did not verify.
    pub corrupt_bytes: Option<Spread>,
    /// User and system time of the seeder.
    pub seeder_cpu_s: Option<Spread>,
    pub seeder_peak_bytes: Option<Spread>,
    /// User and system time of a getter, the mean of all.
    pub getter_cpu_s: Option<Spread>,
    /// Of the getter that took the most.
    pub getter_peak_bytes: Option<Spread>,
}

/// What this processor can do, on one core, measured beside the runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// SHA-256 of blocks.
    pub hash: f64,
    /// How that is computed.
    pub hash_kernel: String,
    /// Sealing AES-128-GCM records.
    pub aead: f64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When each getter was done, in the order of the getters.
    pub seconds: Vec<f64>,
    pub seeder: Option<Process>,
    pub getters: Vec<Process>,
    pub waits: Waits,
    /// How busy all cores of the machine were with everything, from 0 to 1.
    pub machine_busy: Option<f64>,
}

/// One process of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    #[serde(flatten)]
    pub usage: Usage,
    pub downloaded: u64,
    pub uploaded: u64,
    pub duplicate: u64,
    pub corrupt: u64,
    pub from_seeds: u64,
}

/// How often a getter said that this held it up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Nobody had what it lacked, or would serve it.
    pub peers: u32,
    /// A limit that the user set.
    pub limit: u32,
    /// Its own writing.
    pub disk: u32,
    /// Its own hashing.
    pub hashing: u32,
    /// The network or the other side.
    pub network: u32,
}

impl Waits {
    /// Adds those of another run.
    pub const fn merge(&mut self, other: Self) {
        self.peers += other.peers;
        self.limit += other.limit;
        self.disk += other.disk;
        self.hashing += other.hashing;
        self.network += other.network;
    }

    /// Counts what a getter says.
    pub const fn add(&mut self, bottleneck: Bottleneck) {
        match bottleneck {
            Bottleneck::None => {}
            Bottleneck::NoPeers
            | Bottleneck::NothingOffered
            | Bottleneck::RarePieces
            | Bottleneck::Choked => self.peers += 1,
            Bottleneck::Hashing => self.hashing += 1,
            Bottleneck::Limit => self.limit += 1,
            Bottleneck::Disk => self.disk += 1,
            Bottleneck::Network => self.network += 1,
        }
    }
}

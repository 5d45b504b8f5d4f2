//! What `swarm bench` and the processes that it starts say to each other: a line of JSON each.
//!
//! A part reads its [`Job`] from stdin, says [`News::Ready`], and begins when it reads a second line.
//! When its stdin ends, be it closed or its owner dead, it says [`News::Ended`] and goes.

use serde::{Deserialize, Serialize};
use swarm_engine::Bottleneck;

use super::measures::Process;

/// The second line that a part reads.
pub const GO: &str = "go";

/// The manifest of the share, in the folder of the benchmark.
pub const MANIFEST: &str = "share.swarm";

/// Where a getter leaves the manifest of what it has fetched into this folder.
pub fn manifest_of(output: &str) -> String {
    format!("{output}.swarm")
}

/// What a part is to do. All paths are in the folder of the benchmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Remove the folder if the owner dies.
    Keep,
    /// Share this file.
    Seed { data: String },
    /// Fetch the share into this folder: from the link, or with the manifest at hand if there is
    /// none.
    Get { output: String, link: Option<String>, peers: Vec<String> },
}

/// What a part says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// It waits for the second line. A seeder says how it is reached.
    Ready { link: Option<String> },
    /// A getter knows what it fetches.
    Started { swarm: String, bytes: u64, piece_length: u32 },
    /// How far a getter is: verified bytes, and received ones. And what holds it up.
    Progress { bytes_have: u64, downloaded: u64, bottleneck: Bottleneck },
    /// A getter has everything verified, synced and in place.
    Completed { bytes: u64 },
    /// The last words of a part that ends because its stdin did.
    Ended(Process),
    /// The last words of a part that failed.
    Failed { code: u8, message: String, hint: Option<String> },
}

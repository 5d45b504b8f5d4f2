//! Everything that a front end sees of a swarm: plain data, made at most ten times a second, the same
//! in this process and over a socket.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use swarm_proto::id::{PeerId, SwarmId};

/// What a swarm is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Pieces on the disk are being verified.
    Checking,
    /// Pieces are missing.
    Downloading,
    /// Everything wanted is verified; data is being synced and renamed.
    Finishing,
    /// Everything wanted is verified, synced and in place: all of the share, unless files are
    /// skipped or the user's own files were changed.
    Seeding,
    /// The user paused it.
    Paused,
    /// Writing waits for space or for a disk that works.
    DiskTrouble,
    /// Stopped.
    Stopped,
}

/// Why a download is not as fast as it could be, decided from measured facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// Nothing to fetch, or not known.
    None,
    /// No peer is connected.
    NoPeers,
    /// Peers are connected but none has a piece that we lack.
    NothingOffered,
    /// All who have what we want choke us.
    Choked,
    /// The user's limit: [`Snapshot::down_limit`].
    Limit,
    /// Most peers have nothing that we lack: what is left is with a few, who are busy with us, choke
    /// us or have stopped answering.
    RarePieces,
    /// Hashing what arrives lags behind.
    Hashing,
    /// Writing lags behind, or does not work.
    Disk,
    /// The network or the other side.
    Network,
}

/// How much a file is wanted.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Not at all: what is missing of it is not fetched, what is there is shared.
    Skip,
    /// After all others.
    Low,
    /// As every file is, if nobody says otherwise.
    #[default]
    Normal,
    /// Before all others.
    High,
}

/// Counts of bytes since the swarm was started in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Payload received.
    pub downloaded: u64,
    /// Payload sent.
    pub uploaded: u64,
    /// Payload received that we had already.
    pub duplicate: u64,
    /// Payload received that did not verify.
    pub corrupt: u64,
    /// Payload received from peers that had every piece when they sent it.
    pub from_seeds: u64,
}

/// One peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerSnapshot {
    /// Who.
    pub id: PeerId,
    /// From where.
    pub addr: SocketAddr,
    /// Name and version of its program.
    pub client: String,
    /// We opened the connection.
    pub dialed: bool,
    /// Pieces it has.
    pub pieces: u32,
    /// We want something that it has.
    pub interested: bool,
    /// It does not serve us.
    pub choked_by: bool,
    /// It wants something that we have.
    pub wants_us: bool,
    /// We do not serve it.
    pub choking: bool,
    /// It holds our optimistic slot.
    pub optimistic: bool,
    /// It did not deliver in time.
    pub snubbed: bool,
    /// Payload bytes a second from it.
    pub down_rate: u64,
    /// Payload bytes a second to it.
    pub up_rate: u64,
    /// Payload bytes from it.
    pub downloaded: u64,
    /// Payload bytes to it.
    pub uploaded: u64,
    /// Bytes requested from it that have not arrived.
    pub requested: u64,
    /// How many bytes we would keep requested from it now.
    pub window: u64,
    /// Smallest time from request to data seen lately, in microseconds.
    pub latency_us: u64,
    /// Blocks from it that did not verify.
    pub bad_blocks: u32,
}

/// One tracker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerSnapshot {
    /// Where it is, for people.
    pub name: String,
    /// It answered the last announce.
    pub up: bool,
    /// Seconds until the next announce.
    pub next_s: u32,
    /// Nodes it knows that have every piece.
    pub seeds: u32,
    /// Nodes it knows that lack a piece.
    pub leechers: u32,
}

/// The blocks of one unfinished piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialSnapshot {
    /// Number of the piece.
    pub piece: u32,
    /// Blocks in it.
    pub blocks: u32,
    /// All of its blocks, ascending, equal neighbours taken together.
    pub runs: Vec<RunSnapshot>,
}

/// Adjacent blocks in the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSnapshot {
    /// The first block.
    pub first: u32,
    /// How many there are, never 0.
    pub count: u32,
    /// What is known of them.
    pub state: BlockState,
}

/// One block of an unfinished piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockState {
    /// Nobody is asked for it.
    Missing,
    /// This peer is asked for it, the first if there are several.
    Requested(PeerId),
    /// This peer sent it, and it is on its way to the disk.
    Storing(PeerId),
    /// This peer sent it, and it is on the disk, not verified.
    Stored(PeerId),
}

/// The most unfinished pieces whose blocks are in a [`Snapshot`]: more than anybody can look at.
pub const PARTIALS_MAX: usize = 64;
/// The most runs in all of them: 200 KiB of memory, and one piece of the greatest length always fits.
pub const RUNS_MAX: usize = 4096;
/// The most buckets of [`Snapshot::availability`]: several for each column of the widest terminal.
pub const AVAILABILITY_MAX: usize = 1024;

/// One swarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub swarm: SwarmId,
    /// What it is doing.
    pub state: State,
    /// What holds it back.
    pub bottleneck: Bottleneck,
    /// Pieces in the share.
    pub pieces: u32,
    /// Pieces verified.
    pub pieces_have: u32,
    /// Pieces that will be there when all is done: those verified, and those missing that are to be
    /// fetched. All of the share unless files are skipped.
    pub pieces_wanted: u32,
    /// Bytes in the share.
    pub bytes: u64,
    /// Bytes in verified pieces.
    pub bytes_have: u64,
    /// Bytes in [`Self::pieces_wanted`].
    pub bytes_wanted: u64,
    /// Payload bytes a second in, over about the last 5 s.
    pub down_rate: u64,
    /// Payload bytes a second out, over about the last 5 s.
    pub up_rate: u64,
    /// Bytes a second that may come in, if that is limited.
    pub down_limit: Option<u64>,
    /// Bytes a second that may go out, if that is limited.
    pub up_limit: Option<u64>,
    /// Seconds to completion at the mean rate of about the last 25 s; `None` while that would be a
    /// guess.
    pub eta_s: Option<u64>,
    /// Counts since the start.
    pub totals: Totals,
    /// Pieces that were complete and did not verify, since the start.
    pub corrupt_pieces: u32,
    /// Everything that is wanted is asked for, or there.
    pub endgame: bool,
    /// Bytes requested that have not arrived.
    pub requested: u64,
    /// Bytes that arrived and are being hashed and written.
    pub storing: u64,
    /// The most that [`Self::requested`] and [`Self::storing`] may be together.
    pub buffer: u64,
    /// Peers that we serve, the optimistic one included.
    pub unchoked: u32,
    /// The most that we would serve.
    pub upload_slots: u32,
    /// Seconds until it is decided anew whom we serve.
    pub choke_s: u32,
    /// Addresses of peers that we know, connected or not.
    pub known_peers: u32,
    /// Connected peers, in the order they came.
    pub peers: Vec<PeerSnapshot>,
    /// Trackers, in the order given.
    pub trackers: Vec<TrackerSnapshot>,
    /// Fewest copies of any piece among connected peers, ourselves included.
    pub copies_min: u32,
    /// Mean number of copies of a piece among connected peers, ourselves included.
    pub copies_mean: f32,
    /// Fewest copies, as in [`Self::copies_min`], of the pieces in each of up to
    /// [`AVAILABILITY_MAX`] buckets: bucket `i` of `n` has the pieces from `i * pieces / n` to
    /// before `(i + 1) * pieces / n`. 255 stands for more as well. May be a second old.
    #[serde(with = "packed")]
    pub availability: Vec<u8>,
    /// Pieces verified, one bit a piece as on the wire: piece 0 is the highest bit of byte 0.
    #[serde(with = "packed")]
    pub have: Vec<u8>,
    /// Pieces that are being fetched, ascending.
    pub in_flight: Vec<u32>,
    /// The blocks of the first [`PARTIALS_MAX`] of them, as far as [`RUNS_MAX`] allows.
    pub partials: Vec<PartialSnapshot>,
    /// How much each file is wanted, in the manifest's order; empty if all are
    /// [`Priority::Normal`].
    pub priorities: Vec<Priority>,
}

/// Bytes as base64: a hundred thousand numbers in a list would be four times as long.
mod packed {
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Bytes in base64 (RFC 4648).
    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&BASE64.encode_display(bytes))
    }

    /// The same back.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map_err(Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    /// Everything in it, nothing as it is by default.
    fn snapshot() -> Snapshot {
        let peer = PeerId::new([9; 32]);
        let run = |first, count, state| RunSnapshot { first, count, state };
        Snapshot {
            swarm: SwarmId::new([7; 32]),
            state: State::Downloading,
            bottleneck: Bottleneck::RarePieces,
            pieces: 12,
            pieces_have: 3,
            pieces_wanted: 10,
            bytes: 12 << 14,
            bytes_have: 3 << 14,
            bytes_wanted: 10 << 14,
            down_rate: 1000,
            up_rate: 200,
            down_limit: Some(2 << 20),
            up_limit: None,
            eta_s: Some(5),
            totals: Totals { downloaded: 1, uploaded: 2, duplicate: 3, corrupt: 4, from_seeds: 5 },
            corrupt_pieces: 1,
            endgame: true,
            requested: 16384,
            storing: 32768,
            buffer: 1 << 20,
            unchoked: 1,
            upload_slots: 8,
            choke_s: 6,
            known_peers: 9,
            peers: vec![PeerSnapshot {
                id: peer,
                addr: "[fd00::9]:6881".parse().unwrap(),
                client: "other/1".into(),
                dialed: true,
                pieces: 5,
                interested: true,
                choked_by: false,
                wants_us: true,
                choking: false,
                optimistic: true,
                snubbed: false,
                down_rate: 1000,
                up_rate: 200,
                downloaded: 1,
                uploaded: 2,
                requested: 16384,
                window: 65536,
                latency_us: 300,
                bad_blocks: 1,
            }],
            trackers: vec![TrackerSnapshot {
                name: "tracker.example:7000".into(),
                up: true,
                next_s: 60,
                seeds: 1,
                leechers: 2,
            }],
            copies_min: 1,
            copies_mean: 1.5,
            availability: (0..12).collect(),
            have: vec![0b1110_0000, 0],
            in_flight: vec![3, 9],
            partials: vec![PartialSnapshot {
                piece: 3,
                blocks: 8,
                runs: vec![
                    run(0, 1, BlockState::Stored(peer)),
                    run(1, 2, BlockState::Storing(peer)),
                    run(3, 4, BlockState::Requested(peer)),
                    run(7, 1, BlockState::Missing),
                ],
            }],
            priorities: vec![Priority::Skip, Priority::Low, Priority::Normal, Priority::High],
        }
    }

    #[test]
    fn a_snapshot_survives_the_way_to_another_process() {
        let json = serde_json::to_string(&snapshot()).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), snapshot());
        for part in [
            r#""availability":"AAECAwQFBgcICQoL""#,
            r#""have":"4AA=""#,
            r#"{"first":7,"count":1,"state":"missing"}"#,
            r#""priorities":["skip","low","normal","high"]"#,
            r#""bottleneck":"rare_pieces""#,
        ] {
            assert!(json.contains(part), "{part} in {json}");
        }
        let damaged = json.replace("4AA=", "4AA");
        assert!(serde_json::from_str::<Snapshot>(&damaged).is_err());
    }

    #[test]
    fn a_command_survives_the_way_from_another_process() {
        let addr = "10.0.0.1:7000".parse().unwrap();
        let commands = [
            Command::Pause,
            Command::Resume,
            Command::LimitUpload(Some(1000)),
            Command::LimitDownload(None),
            Command::SetPriority { files: vec![0, 7], priority: Priority::Skip },
            Command::AddPeer { id: Some(PeerId::new([1; 32])), addr },
            Command::Announce,
            Command::Verify,
            Command::Advertise(Some([10, 0, 0, 1].into())),
            Command::Stop,
        ];
        let json = serde_json::to_string(&commands).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Command>>(&json).unwrap(), commands);
        assert!(json.contains(r#"{"set_priority":{"files":[0,7],"priority":"skip"}}"#), "{json}");
    }
}

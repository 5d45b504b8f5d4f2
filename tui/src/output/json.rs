//! Everything that `--json` prints, and the view that prints progress. `docs/json.md` describes it.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use serde::Serialize;
use swarm_engine::Bottleneck;
use swarm_node::{Progress, Snapshot, State};
use swarm_proto::id::SwarmId;

use super::{Console, View};
use crate::{exit::Failure, words::seeds};

/// An event a second is enough to draw from.
const INTERVAL: Duration = Duration::from_secs(1);

/// One line. Bytes and seconds are plain numbers; a new version may add fields and events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Line<'a> {
    /// A file or folder is being read and hashed.
    Hashing { bytes_done: u64, bytes: u64 },
    /// `seed` serves.
    Seeding {
        link: &'a str,
        swarm: SwarmId,
        name: &'a str,
        path: &'a Path,
        bytes: u64,
        pieces: u32,
        /// Where it accepts peers.
        listen: SocketAddr,
        /// How a link names it.
        peer: &'a str,
        /// The tracker that it runs, or else the first one that it was given.
        tracker: Option<&'a str>,
        trackers: &'a [String],
    },
    /// `get` has the manifest and fetches.
    Started {
        swarm: SwarmId,
        name: &'a str,
        path: &'a Path,
        bytes: u64,
        /// Bytes that an earlier run left.
        bytes_have: u64,
        pieces: u32,
        listen: SocketAddr,
        peer: &'a str,
    },
    /// How far a transfer is.
    Progress(Figures),
    /// `get`: everything is verified, synced and in place.
    Completed {
        path: &'a Path,
        bytes: u64,
        seconds: f64,
        swarm: SwarmId,
        /// Bytes that an earlier run left.
        resumed: u64,
        downloaded: u64,
        from_seeds: u64,
        from_peers: u64,
        uploaded: u64,
        duplicate: u64,
        corrupt: u64,
    },
    /// `seed`, `get`, `tracker`: the end.
    Stopped {
        #[serde(skip_serializing_if = "Option::is_none")]
        swarm: Option<SwarmId>,
        seconds: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        uploaded: Option<u64>,
    },
    /// `tracker` answers.
    Listening { tracker: &'a str, listen: SocketAddr },
    /// `tracker`: what it holds, now and then.
    Stats { swarms: u64, peers: u64, connections: u64, announces: u64 },
    /// `demo`: who takes part.
    Demo { swarm: SwarmId, bytes: u64, downloaders: u32, folder: &'a Path },
    /// `demo`: how far one downloader is.
    DemoProgress { downloader: u32, bytes_have: u64, down_rate: u64, from_seeds: u64 },
    /// `demo`: one downloader is done.
    DemoCompleted {
        downloader: u32,
        seconds: f64,
        downloaded: u64,
        from_seeds: u64,
        from_peers: u64,
    },
    /// `demo`: the sum.
    DemoSummary {
        verified: bool,
        downloaders: u32,
        bytes: u64,
        seconds: f64,
        /// Payload bytes a second into all downloaders together.
        rate: u64,
        /// Bytes that the seeder sent.
        seeder_uploaded: u64,
        /// The same as copies of the share.
        seeder_copies: f64,
        from_seeds: u64,
        from_peers: u64,
    },
    /// Any command: why it ends.
    Error {
        code: u8,
        kind: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    },
}

impl<'a> Line<'a> {
    /// Why the program ends.
    pub fn error(failure: &'a Failure) -> Self {
        let Failure { code, kind, message, hint, .. } = failure;
        Self::Error { code: *code as u8, kind, message, hint: hint.as_deref() }
    }
}

/// The part of a snapshot that a line of progress has.
#[derive(Debug, Serialize)]
pub struct Figures {
    swarm: SwarmId,
    state: State,
    bottleneck: Bottleneck,
    bytes: u64,
    bytes_have: u64,
    bytes_wanted: u64,
    pieces: u32,
    pieces_have: u32,
    pieces_wanted: u32,
    down_rate: u64,
    up_rate: u64,
    eta_s: Option<u64>,
    downloaded: u64,
    uploaded: u64,
    duplicate: u64,
    corrupt: u64,
    from_seeds: u64,
    from_peers: u64,
    peers: usize,
    seeds: usize,
    copies_min: u32,
    copies_mean: f32,
}

impl From<&Snapshot> for Figures {
    fn from(s: &Snapshot) -> Self {
        Self {
            swarm: s.swarm,
            state: s.state,
            bottleneck: s.bottleneck,
            bytes: s.bytes,
            bytes_have: s.bytes_have,
            bytes_wanted: s.bytes_wanted,
            pieces: s.pieces,
            pieces_have: s.pieces_have,
            pieces_wanted: s.pieces_wanted,
            down_rate: s.down_rate,
            up_rate: s.up_rate,
            eta_s: s.eta_s,
            downloaded: s.totals.downloaded,
            uploaded: s.totals.uploaded,
            duplicate: s.totals.duplicate,
            corrupt: s.totals.corrupt,
            from_seeds: s.totals.from_seeds,
            from_peers: from_peers(s),
            peers: s.peers.len(),
            seeds: seeds(s),
            copies_min: s.copies_min,
            copies_mean: s.copies_mean,
        }
    }
}

/// Payload from peers that lacked something themselves when they sent it.
pub const fn from_peers(snapshot: &Snapshot) -> u64 {
    snapshot.totals.downloaded.saturating_sub(snapshot.totals.from_seeds)
}

/// Progress as events.
#[derive(Debug)]
pub struct Events {
    console: Console,
    last: Option<(Duration, State)>,
    hashed: Option<Duration>,
}

impl Events {
    /// Nothing is printed before there is news.
    pub const fn new(console: Console) -> Self {
        Self { console, last: None, hashed: None }
    }
}

impl View for Events {
    fn hashing(&mut self, now: Duration, progress: Progress) {
        if self.hashed.is_none_or(|last| now - last >= INTERVAL) {
            self.hashed = Some(now);
            let line = Line::Hashing { bytes_done: progress.done, bytes: progress.total };
            // If nobody reads any more, the event that follows the hashing finds out.
            let _ = self.console.object(&line);
        }
    }

    fn snapshot(&mut self, now: Duration, snapshot: &Arc<Snapshot>) -> Result<(), Failure> {
        let due = self.last.is_none_or(|(last, state)| {
            now.saturating_sub(last) >= INTERVAL || state != snapshot.state
        });
        if !due {
            return Ok(());
        }
        self.last = Some((now, snapshot.state));
        self.console.object(&Line::Progress((&**snapshot).into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};
    use swarm_node::Event;
    use swarm_proto::{id::PeerId, message::Goodbye};

    use super::*;
    use crate::{exit::Code, output::sample};

    /// The lines of the examples in the manual.
    fn examples() -> Vec<Map<String, Value>> {
        include_str!("../../../docs/json.md")
            .lines()
            .filter(|line| line.starts_with("{\"event\""))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// One of each line of ours, every optional field there.
    fn lines() -> Vec<Value> {
        let (swarm, path) = (sample::seeding().swarm, Path::new("/data/weights"));
        let (listen, name) = (([10, 0, 0, 7], 6000).into(), "weights");
        let failure = Failure::new(Code::Network, "no_peers", "no peer").hint("wait");
        let lines = [
            Line::Hashing { bytes_done: 1, bytes: 2 },
            Line::Seeding {
                link: "",
                swarm,
                name,
                path,
                bytes: 1,
                pieces: 1,
                listen,
                peer: "",
                tracker: None,
                trackers: &[],
            },
            Line::Started {
                swarm,
                name,
                path,
                bytes: 1,
                bytes_have: 0,
                pieces: 1,
                listen,
                peer: "",
            },
            Line::Progress((&sample::downloading()).into()),
            Line::Completed {
                path,
                bytes: 1,
                seconds: 1.0,
                swarm,
                resumed: 0,
                downloaded: 1,
                from_seeds: 1,
                from_peers: 0,
                uploaded: 0,
                duplicate: 0,
                corrupt: 0,
            },
            Line::Stopped { swarm: Some(swarm), seconds: 1.0, uploaded: Some(1) },
            Line::Listening { tracker: "", listen },
            Line::Stats { swarms: 1, peers: 1, connections: 1, announces: 1 },
            Line::Demo { swarm, bytes: 1, downloaders: 4, folder: path },
            Line::DemoProgress { downloader: 1, bytes_have: 1, down_rate: 1, from_seeds: 1 },
            Line::DemoCompleted {
                downloader: 1,
                seconds: 1.0,
                downloaded: 1,
                from_seeds: 1,
                from_peers: 0,
            },
            Line::DemoSummary {
                verified: true,
                downloaders: 4,
                bytes: 1,
                seconds: 1.0,
                rate: 1,
                seeder_uploaded: 1,
                seeder_copies: 1.0,
                from_seeds: 1,
                from_peers: 0,
            },
            Line::error(&failure),
        ];
        assert!(lines.iter().map(place_of_line).eq(0..lines.len()));
        lines.iter().map(|line| json!(line)).collect()
    }

    /// One of each event of the engine that is passed on.
    fn events() -> Vec<Value> {
        let (peer, addr) = (PeerId::new([1; 32]), ([10, 0, 0, 7], 6000).into());
        let events = [
            Event::PeerJoined { peer, addr },
            Event::PeerLeft { peer, reason: Some(Goodbye::NothingToExchange) },
            Event::PeerBanned { peer, piece: 17 },
            Event::WrongKey { addr },
            Event::PieceCorrupt { piece: 17 },
            Event::DiskFull,
            Event::DiskRecovered,
            Event::DiskFailed { message: String::new() },
            Event::FileChanged { file: 3 },
            Event::TrackerUp { tracker: 0, name: String::new() },
            Event::TrackerDown { tracker: 0, name: String::new() },
            Event::TrackerWrongKey { tracker: 0, name: String::new() },
        ];
        assert!(events.iter().map(place_of_event).eq((0..events.len()).map(Some)));
        events.iter().map(|event| json!(event)).collect()
    }

    /// The place of a line in [`lines`]. Whoever adds a line adds it here, there and in the manual.
    const fn place_of_line(line: &Line<'_>) -> usize {
        match line {
            Line::Hashing { .. } => 0,
            Line::Seeding { .. } => 1,
            Line::Started { .. } => 2,
            Line::Progress(_) => 3,
            Line::Completed { .. } => 4,
            Line::Stopped { .. } => 5,
            Line::Listening { .. } => 6,
            Line::Stats { .. } => 7,
            Line::Demo { .. } => 8,
            Line::DemoProgress { .. } => 9,
            Line::DemoCompleted { .. } => 10,
            Line::DemoSummary { .. } => 11,
            Line::Error { .. } => 12,
        }
    }

    /// The same for the engine's events; `None` for the one that is printed as a line of ours.
    const fn place_of_event(event: &Event) -> Option<usize> {
        Some(match event {
            Event::Completed => return None,
            Event::PeerJoined { .. } => 0,
            Event::PeerLeft { .. } => 1,
            Event::PeerBanned { .. } => 2,
            Event::WrongKey { .. } => 3,
            Event::PieceCorrupt { .. } => 4,
            Event::DiskFull => 5,
            Event::DiskRecovered => 6,
            Event::DiskFailed { .. } => 7,
            Event::FileChanged { .. } => 8,
            Event::TrackerUp { .. } => 9,
            Event::TrackerDown { .. } => 10,
            Event::TrackerWrongKey { .. } => 11,
        })
    }

    /// What kind of JSON a value is; nothing is of any kind.
    const fn kind(value: &Value) -> Option<&'static str> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        })
    }

    #[test]
    fn the_manual_has_every_event_with_exactly_its_fields() {
        let keys = |line: &Map<String, Value>| line.keys().cloned().collect::<Vec<_>>();
        let printed: Vec<_> = [lines(), events()].concat();
        let examples = examples();
        assert_eq!(
            examples.iter().map(|line| &line["event"]).collect::<Vec<_>>(),
            printed.iter().map(|line| &line["event"]).collect::<Vec<_>>(),
        );
        for (example, printed) in examples.iter().zip(&printed) {
            let (event, printed) = (&example["event"], printed.as_object().unwrap());
            assert_eq!(keys(example), keys(printed), "{event}");
            for (key, value) in example {
                let (in_manual, in_code) = (kind(value), kind(&printed[key]));
                let same = in_manual == in_code || in_manual.is_none() || in_code.is_none();
                assert!(same, "{event} {key}: {in_manual:?}, printed {in_code:?}");
            }
        }
    }

    #[test]
    fn every_word_that_a_state_can_be_is_in_the_manual() {
        let manual = include_str!("../../../docs/json.md");
        let (_, progress) = manual.split_once("### progress").unwrap();
        let (progress, _) = progress.split_once("```json").unwrap();
        let words = [
            json!([
                State::Checking,
                State::Downloading,
                State::Finishing,
                State::Seeding,
                State::Paused,
                State::DiskTrouble,
                State::Stopped,
            ]),
            json!([
                Bottleneck::None,
                Bottleneck::NoPeers,
                Bottleneck::NothingOffered,
                Bottleneck::Choked,
                Bottleneck::Limit,
                Bottleneck::RarePieces,
                Bottleneck::Hashing,
                Bottleneck::Disk,
                Bottleneck::Network,
            ]),
        ];
        for word in words.iter().flat_map(|list| list.as_array().unwrap()) {
            let word = word.as_str().unwrap();
            assert!(progress.contains(&format!("`{word}`")), "{word}");
        }
    }

    #[test]
    fn words_in_the_manual_are_the_words_printed() {
        let (lines, manual) = (lines(), examples());
        let find = |all: &[Value], name: &str| {
            all.iter().find(|line| line["event"] == name).cloned().unwrap_or_default()
        };
        let example = |name: &str| manual.iter().find(|line| line["event"] == name).unwrap();
        assert_eq!(example("progress")["state"], find(&lines, "progress")["state"]);
        assert_eq!(example("peer_left")["reason"], find(&events(), "peer_left")["reason"]);
        assert_eq!(example("error")["code"], find(&lines, "error")["code"]);
    }
}

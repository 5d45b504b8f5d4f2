//! Checks the examples in `docs/protocol.md` against the codec, in both directions.
//!
//! An example is a fenced block whose info string is `hex` and a name. In its lines everything from
//! a `;` on is a remark.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails in here fails the test")]

use std::{collections::BTreeMap, fmt::Debug};

use bytes::{Bytes, BytesMut};
use swarm_proto::{
    announce::{
        Announce, AnnounceEvent, Announced, HaveReport, Refusal, SwarmCounts, TRACKER_VERSION,
        TrackerHello, TrackerReply, TrackerRequest, row_digest,
    },
    codec::{CodecError, Frame, HEADER_LEN, Header},
    digest::hash_blocks,
    id::{Digest, PeerId, SwarmId},
    link::Link,
    manifest::{Extras, FileInfo, Info, Manifest},
    message::{Goodbye, Hello, Message, PROTOCOL_VERSION, PeerAddr, RawRun},
    tree,
};

const SPECIFICATION: &str = include_str!("../../docs/protocol.md");

const SWARM: SwarmId = SwarmId::new([0x5A; 32]);
const PEER: PeerId = PeerId::new([0xA1; 32]);
const OTHER: PeerId = PeerId::new([0xB2; 32]);

/// All examples of the specification, by name.
fn examples() -> BTreeMap<&'static str, Vec<u8>> {
    let mut examples = BTreeMap::new();
    let mut blocks = SPECIFICATION.split("\n```");
    // Text before the first fence. From there on fences open and close in turn.
    blocks.next();
    while let (Some(block), Some(_text)) = (blocks.next(), blocks.next()) {
        let (info, lines) = block.split_once('\n').unwrap_or((block, ""));
        let Some(name) = info.strip_prefix("hex ") else { continue };
        let hex: String = lines
            .lines()
            .flat_map(|line| line.split(';').next())
            .flat_map(str::chars)
            .filter(|c| !c.is_whitespace())
            .collect();
        assert_eq!(examples.insert(name, unhex(name, &hex)), None, "two examples named {name}");
    }
    examples
}

fn unhex(name: &str, hex: &str) -> Vec<u8> {
    assert!(hex.is_ascii() && hex.len().is_multiple_of(2), "{name}: {hex}");
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}

/// What the examples of one family say.
struct Check(BTreeMap<&'static str, Vec<u8>>);

impl Check {
    /// This example is these bytes.
    fn is_bytes(&mut self, name: &str, bytes: &[u8]) {
        let Some(example) = self.0.remove(name) else {
            panic!("no example named {name}; it would be\n{}", hex(bytes));
        };
        assert_eq!(hex(&example), hex(bytes), "{name}: the left is the specification");
    }

    /// This example is this message.
    fn is<F: Frame + PartialEq + Debug>(&mut self, name: &str, message: &F) {
        let mut head = BytesMut::new();
        let payload = message.encode(&mut head);
        let wire = [&head[..], payload.as_deref().unwrap_or_default()].concat();
        self.is_bytes(name, &wire);
        let (header, body) = wire.split_first_chunk::<HEADER_LEN>().expect("a whole header");
        let header = F::header(*header).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(F::decode(header, Bytes::copy_from_slice(body)).as_ref(), Ok(message), "{name}");
    }
}

#[test]
fn every_example_is_what_the_codec_says() {
    let mut check = Check(examples());
    peer_examples(&mut check);
    tracker_examples(&mut check);
    check.is_bytes("file Manifest", &manifest().encode());
    assert_eq!(check.0, BTreeMap::new(), "examples that nothing is checked against");
}

fn peer_examples(check: &mut Check) {
    check.is(
        "Hello",
        &Hello {
            version: PROTOCOL_VERSION,
            swarm: SWARM,
            peer: PEER,
            features: 0,
            client: "swarm/0.1.0".into(),
            listen_port: 6881,
            request_bytes_max: 16 << 20,
            run_blocks_max: 64,
        },
    );
    check.is("KeepAlive", &Message::KeepAlive);
    check.is("Goodbye", &Message::Goodbye(Goodbye::TooManyPeers));
    check.is("Choke", &Message::Choke);
    check.is("Unchoke", &Message::Unchoke);
    check.is("Interested", &Message::Interested);
    check.is("NotInterested", &Message::NotInterested);
    check.is("HaveAll", &Message::HaveAll);
    check.is("HaveNone", &Message::HaveNone);
    check.is("Bitfield", &Message::Bitfield(Bytes::from_static(&[0b1010_0000, 0b0100_0000])));
    check.is("Have", &Message::Have(vec![7, 250, 251, 65_535, 65_536]));
    check.is("DontHave", &Message::DontHave(vec![7]));
    let run = RawRun { piece: 300, first: 16, count: 64 };
    check.is("Request", &Message::Request(run));
    check.is("Cancel", &Message::Cancel(run));
    check.is("Reject", &Message::Reject(run));
    let data = Bytes::from_static(b"hello");
    check.is("Block", &Message::Block { piece: 300, first: 16, data });
    check.is("Suggest", &Message::Suggest(300));
    check.is("GetLeaves", &Message::GetLeaves(300));
    let leaves = vec![Digest::new([0xC3; 32]), Digest::new([0xD4; 32])];
    check.is("Leaves", &Message::Leaves { piece: 300, leaves });
    check.is("GetManifest", &Message::GetManifest { offset: 262_144 });
    let data = Bytes::from_static(b"abc");
    check.is("ManifestPart", &Message::ManifestPart { total: 262_147, offset: 262_144, data });
    let data = Bytes::new();
    check.is("ManifestPart.none", &Message::ManifestPart { total: 0, offset: 0, data });
    check.is(
        "Pex",
        &Message::Pex(vec![
            PeerAddr { id: PEER, addr: "192.0.2.7:6881".parse().unwrap() },
            PeerAddr { id: OTHER, addr: "[2001:db8::7]:80".parse().unwrap() },
        ]),
    );
}

fn tracker_examples(check: &mut Check) {
    let client = "swarm/0.1.0".into();
    check.is("TrackerHello", &TrackerHello { version: TRACKER_VERSION, peer: PEER, client });
    let started = Announce {
        swarm: SWARM,
        event: AnnounceEvent::Started,
        port: 6881,
        advertise: None,
        have: HaveReport::None,
        uploaded: 0,
        downloaded: 0,
        want: 30,
        load: 0,
    };
    check.is("Announce", &TrackerRequest::Announce(started.clone()));
    check.is(
        "Announce.full",
        &TrackerRequest::Announce(Announce {
            event: AnnounceEvent::Alive,
            advertise: Some("192.0.2.7".parse().unwrap()),
            have: HaveReport::Full(vec![0b1010_0000, 0b0100_0000]),
            uploaded: 1 << 20,
            downloaded: 5 << 32,
            load: 75,
            ..started.clone()
        }),
    );
    check.is(
        "Announce.delta",
        &TrackerRequest::Announce(Announce {
            event: AnnounceEvent::Alive,
            advertise: Some("2001:db8::7".parse().unwrap()),
            have: HaveReport::Delta {
                gained: vec![3, 300],
                lost: vec![0],
                digest: row_digest([2, 3, 9, 300]),
            },
            ..started
        }),
    );
    check.is("TrackerGetManifest", &TrackerRequest::GetManifest { swarm: SWARM, offset: 262_144 });
    let data = Bytes::from_static(b"abc");
    check.is(
        "PutManifest",
        &TrackerRequest::PutManifest { swarm: SWARM, total: 262_147, offset: 262_144, data },
    );
    check.is("Scrape", &TrackerRequest::Scrape(vec![SWARM]));
    check.is(
        "Announced",
        &TrackerReply::Announced(Announced {
            interval_ms: 60_000,
            min_interval_ms: 5_000,
            peers: vec![PeerAddr { id: OTHER, addr: "192.0.2.8:6881".parse().unwrap() }],
            seeds: 1,
            leechers: 300,
            completed: 0,
            rarest: vec![(17, 1), (300, 2)],
            need_full: false,
            need_manifest: true,
            observed: "192.0.2.7:50000".parse().unwrap(),
        }),
    );
    let data = Bytes::from_static(b"abc");
    check.is(
        "TrackerManifestPart",
        &TrackerReply::ManifestPart { total: 262_147, offset: 262_144, data },
    );
    check.is("ManifestPut", &TrackerReply::ManifestPut { received: 262_147 });
    let counts = SwarmCounts { seeds: 1, leechers: 300, completed: 12 };
    check.is("Scraped", &TrackerReply::Scraped(vec![counts]));
    check.is("Refused", &TrackerReply::Refused { why: Refusal::TooOften, retry_s: 30 });
}

#[test]
fn every_kind_of_message_has_an_example() {
    let kinds: Vec<u8> = examples()
        .iter()
        .filter(|(name, _)| !name.starts_with("file "))
        .map(|(name, frame)| *frame.get(HEADER_LEN - 1).unwrap_or_else(|| panic!("{name}")))
        .collect();
    for kind in 0..=u8::MAX {
        let known = header(kind, 0) != Err(CodecError::UnknownKind(kind));
        assert_eq!(kinds.contains(&kind), known, "is there an example of kind {kind:#04x}?");
    }
}

#[test]
fn the_tables_of_kinds_have_the_limits_of_the_codec() {
    for kind in 0..=u8::MAX {
        let mark = format!("| `{kind:02x}` |");
        let row = SPECIFICATION.lines().find(|line| line.starts_with(&mark));
        let known = header(kind, 0) != Err(CodecError::UnknownKind(kind));
        assert_eq!(row.is_some(), known, "is {kind:#04x} in the tables of kinds?");
        let Some(row) = row else { continue };
        // "1 to 524,288", or one number.
        let lengths = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let mut lengths = lengths.split(" to ").map(|n| n.replace(',', "").parse().unwrap());
        let shortest: u32 = lengths.next().unwrap();
        let longest = lengths.next().unwrap_or(shortest);
        assert_eq!(header(kind, longest + 1), Err(CodecError::Length { kind, len: longest + 1 }));
        assert_eq!(header(kind, longest), Ok(longest as usize), "{row}");
        assert_eq!(header(kind, shortest), Ok(shortest as usize), "{row}");
        if let Some(len) = shortest.checked_sub(1) {
            assert_eq!(header(kind, len), Err(CodecError::Length { kind, len }));
        }
    }
}

/// What the one family that knows this kind says of a body of this length.
fn header(kind: u8, body: u32) -> Result<usize, CodecError> {
    fn check<F: Frame>(bytes: [u8; HEADER_LEN]) -> Result<usize, CodecError> {
        F::header(bytes).map(Header::body_len)
    }
    let [a, b, c, d] = (body + 1).to_le_bytes();
    let unknown = Err(CodecError::UnknownKind(kind));
    let mut answers = [
        check::<Hello>,
        check::<Message>,
        check::<TrackerHello>,
        check::<TrackerRequest>,
        check::<TrackerReply>,
    ]
    .into_iter()
    .map(|check| check([a, b, c, d, kind]))
    .filter(|answer| *answer != unknown);
    let answer = answers.next().unwrap_or(unknown);
    assert_eq!(answers.next(), None, "two families know kind {kind:#04x}");
    answer
}

/// The share of the worked example.
fn manifest() -> Manifest {
    let big: Vec<u8> = (0..40_000_u32).map(|i| (i % 251) as u8).collect();
    let files = [("a.txt", &b"hello\n"[..]), ("big.bin", &big)];
    let piece_length = 32_768;
    let info = Info {
        name: "demo".into(),
        piece_length,
        files: files
            .iter()
            .map(|(name, bytes)| FileInfo {
                path: format!("data/{name}").into(),
                length: bytes.len() as u64,
                executable: false,
                root: None,
            })
            .collect(),
        empty_folders: vec!["empty".into()],
    };
    let digests = files.iter().flat_map(|(_, bytes)| {
        bytes.chunks(piece_length as usize).map(|piece| {
            let mut leaves = Vec::new();
            hash_blocks(piece, &mut leaves);
            let width = if bytes.len() > piece_length as usize { 2 } else { 1 };
            tree::root(&leaves, width)
        })
    });
    let extras = Extras {
        trackers: vec![format!("{PEER}@192.0.2.1:7000").parse().unwrap()],
        created: 1_700_000_000,
        ..Extras::default()
    };
    Manifest::build(info, digests.collect(), extras).unwrap()
}

#[test]
fn the_worked_example_is_right() {
    let manifest = manifest();
    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
    let mut terms = vec![manifest.id().to_string()];
    terms.extend(manifest.info().files.iter().map(|file| file.root.unwrap().to_string()));
    terms.extend(manifest.geometry().pieces().map(|piece| manifest.digest(piece).to_string()));
    let link = Link {
        id: manifest.id(),
        name: Some(manifest.info().name.clone()),
        trackers: manifest.extras().trackers.clone(),
        peers: vec![format!("{OTHER}@[2001:db8::7]:6881").parse().unwrap()],
    };
    terms.push(link.to_string());
    assert_eq!(link.to_string().parse(), Ok(link));
    for term in terms {
        assert!(SPECIFICATION.contains(&term), "{term}");
    }
}

#[test]
fn ids_in_the_text_are_what_ids_print_as() {
    for id in [SWARM.to_string(), PEER.to_string(), OTHER.to_string()] {
        assert!(SPECIFICATION.contains(&id), "{id}");
    }
}

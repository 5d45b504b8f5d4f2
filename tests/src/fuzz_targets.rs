//! What the fuzz targets do with their input, for libFuzzer and for ordinary tests alike.
//!
//! `fuzz/` has a program for each of these, and `fuzz/corpus/` inputs that were worth keeping, which
//! `tests/fuzz_corpus.rs` replays. A target takes any bytes and panics if something that must always
//! hold does not.

#![expect(clippy::panic, reason = "a panic is how a target says that something does not hold")]

mod engine;
mod registry;
mod source;
mod tls_records;

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
pub use engine::engine_inputs;
pub use registry::registry;
use swarm_proto::{
    announce::{TrackerHello, TrackerReply, TrackerRequest},
    bitfield::Bitfield,
    codec::{Frame, HEADER_LEN},
    digest::sha256,
    geometry::{BLOCK_LEN, Geometry, PIECES_MAX, PieceIndex},
    link::{Endpoint, Link},
    manifest::{Extras, FileInfo, Info, Manifest},
    message::{Hello, Message},
    path::{self, SharePath},
};
pub use tls_records::tls_records;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All fuzz targets by name: of the program in `fuzz/fuzz_targets/` and of the folder in
/// `fuzz/corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("bitfield", bitfield),
    ("engine_inputs", engine_inputs),
    ("geometry", geometry),
    ("link", link),
    ("manifest", manifest),
    ("path_names", path_names),
    ("peer_frames", peer_frames),
    ("registry", registry),
    ("tls_records", tls_records),
    ("tracker_frames", tracker_frames),
];

/// What a peer may send.
pub fn peer_frames(data: &[u8]) {
    frames::<Hello>(data);
    frames::<Message>(data);
}

/// What a node and a tracker may send to each other.
pub fn tracker_frames(data: &[u8]) {
    frames::<TrackerHello>(data);
    frames::<TrackerRequest>(data);
    frames::<TrackerReply>(data);
}

/// Reads bytes as a connection would, and then once more as a single body of any length, since
/// lengths that fit are hard to guess.
fn frames<F: Frame + PartialEq + Debug>(data: &[u8]) {
    let mut rest = data;
    while let Some((head, after)) = rest.split_first_chunk::<HEADER_LEN>() {
        let Ok(header) = F::header(*head) else { break };
        let Some((body, after)) = after.split_at_checked(header.body_len()) else { break };
        let Ok(message) = F::decode(header, Bytes::copy_from_slice(body)) else { break };
        is_encoded_as(&message, &rest[..HEADER_LEN + body.len()]);
        rest = after;
    }
    let Some((&kind, body)) = data.split_first() else { return };
    let Ok(length) = u32::try_from(data.len()) else { return };
    let frame = [&length.to_le_bytes()[..], data].concat();
    let [a, b, c, d] = length.to_le_bytes();
    if let Ok(header) = F::header([a, b, c, d, kind])
        && let Ok(message) = F::decode(header, Bytes::copy_from_slice(body))
    {
        is_encoded_as(&message, &frame);
    }
}

/// A message of ours: within the limits that the other side checks.
fn is_encoded_as_itself<F: Frame + PartialEq + Debug>(message: &F) {
    let mut frame = BytesMut::new();
    let payload = message.encode(&mut frame);
    frame.extend_from_slice(payload.as_deref().unwrap_or_default());
    let frame = frame.freeze();
    let Some(head) = frame.first_chunk::<HEADER_LEN>() else { panic!("a whole header") };
    let decoded = F::header(*head).and_then(|h| F::decode(h, frame.slice(HEADER_LEN..)));
    assert_eq!(decoded.as_ref(), Ok(message));
    is_encoded_as(message, &frame);
}

/// Every message has one encoding, of the length that is said.
fn is_encoded_as<F: Frame + PartialEq + Debug>(message: &F, frame: &[u8]) {
    let mut head = BytesMut::new();
    let payload = message.encode(&mut head);
    head.extend_from_slice(payload.as_deref().unwrap_or_default());
    assert_eq!(head, frame, "{message:?}");
    assert_eq!(message.encoded_len(), frame.len(), "{message:?}");
}

/// A manifest file, as it is and once more with a checksum that is right.
pub fn manifest(data: &[u8]) {
    let sealed = [data, sha256(data).as_bytes()].concat();
    for bytes in [data, &sealed] {
        let Ok(manifest) = Manifest::decode(bytes) else { continue };
        survives(&manifest);
        let geometry = manifest.geometry();
        lies_well(geometry);
        for piece in geometry.pieces().take(16) {
            assert!(geometry.block_count(piece) <= manifest.tree_width(piece));
            let _ = manifest.verifies(piece, &[manifest.digest(piece)]);
        }
        let _ = manifest.publisher();
    }
}

fn survives(manifest: &Manifest) {
    let again = Manifest::decode(&manifest.encode());
    assert_eq!(again.as_ref(), Ok(manifest));
    assert_eq!(again.map(|again| again.id()), Ok(manifest.id()));
}

/// A link, and an endpoint of one.
pub fn link(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match text.parse::<Link>() {
        Ok(link) => assert_eq!(link.to_string().parse(), Ok(link)),
        Err(error) => assert!(path::is_printable(&error.to_string()), "{error}"),
    }
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            assert_eq!(endpoint.check(), Ok(()));
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
        Err(error) => assert!(path::is_printable(&error.to_string()), "{error}"),
    }
}

/// Names alone, and the lines of the input as the files of a share.
pub fn path_names(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match path::check_name(text) {
        Ok(()) => {
            assert!((1..=path::NAME_LEN_MAX).contains(&text.len()));
            assert!(path::is_printable(text) && !text.contains(['/', '\\', ':']));
            assert!(!matches!(text, "." | ".."));
        }
        Err(error) => assert!(path::is_printable(&error.to_string()), "{error}"),
    }
    let mut paths: Vec<_> = text.lines().map(SharePath::from).collect();
    paths.sort();
    let (empty_folders, paths) = paths.split_at(paths.len() / 4);
    let file = |path: &SharePath| FileInfo {
        path: path.clone(),
        length: 0,
        executable: false,
        root: None,
    };
    let info = Info {
        name: "share".into(),
        piece_length: BLOCK_LEN,
        files: paths.iter().map(file).collect(),
        empty_folders: empty_folders.to_vec(),
    };
    match Manifest::build(info, Vec::new(), Extras::default()) {
        Ok(manifest) => survives(&manifest),
        Err(error) => assert!(path::is_printable(&error.to_string()), "{error}"),
    }
}

/// The number of pieces and the bytes of a bitfield, and the pieces that come and go.
pub fn bitfield(data: &[u8]) {
    let Some((head, bytes)) = data.split_first_chunk::<4>() else { return };
    let pieces = u32::from_le_bytes(*head) % PIECES_MAX;
    // Any number of pieces with these bytes; then the number that they are right for.
    let _ = Bitfield::from_bytes(pieces, bytes);
    let pieces = (bytes.len() as u32 * 8).saturating_sub(pieces % 8);
    let Ok(mut set) = Bitfield::from_bytes(pieces, bytes) else { return };
    assert_eq!(set.to_bytes(), bytes);
    let Ok(geometry) = Geometry::new(BLOCK_LEN, [u64::from(pieces) * u64::from(BLOCK_LEN)]) else {
        return;
    };
    let before = set.clone();
    let held: Vec<u32> =
        geometry.pieces().filter(|&piece| set.has(piece)).map(PieceIndex::get).collect();
    assert_eq!(set.iter().collect::<Vec<_>>(), held);
    assert_eq!(set.count() as usize, held.len());
    for chunk in bytes.chunks_exact(2) {
        let number = u32::from(u16::from_le_bytes([chunk[0], chunk[1]]));
        let Some(piece) = geometry.piece(number) else { continue };
        let had = set.has(piece);
        assert!(if had { set.remove(piece) } else { set.insert(piece) });
        assert_eq!(set.has(piece), !had);
    }
    assert_eq!(set.count() as usize, set.iter().count());
    let gone: Vec<u32> =
        held.iter().copied().filter(|&n| geometry.piece(n).is_some_and(|p| !set.has(p))).collect();
    assert_eq!(before.difference(&set).collect::<Vec<_>>(), gone);
    assert_eq!(before.exceeds(&set), !gone.is_empty());
}

/// A piece length and lengths of files.
pub fn geometry(data: &[u8]) {
    let Some((&shift, lengths)) = data.split_first() else { return };
    let lengths = lengths.chunks(8).map(|chunk| {
        let mut length = [0; 8];
        length[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(length)
    });
    let piece_length = 1_u32.checked_shl(u32::from(shift)).unwrap_or(u32::MAX);
    if let Ok(geometry) = Geometry::new(piece_length, lengths) {
        lies_well(&geometry);
    }
}

/// Files, pieces and runs cover each other exactly.
fn lies_well(geometry: &Geometry) {
    let total: u64 = geometry.files().map(|file| geometry.file_len(file)).sum();
    assert_eq!(total, geometry.total_bytes());
    let pieces: usize = geometry.files().map(|file| geometry.file_pieces(file).len()).sum();
    assert_eq!(pieces, geometry.piece_count() as usize);
    for file in geometry.files() {
        // All of a small file, both ends of a large one.
        let mut end = 0;
        for piece in geometry.file_pieces(file).take(8) {
            let span = geometry.span(piece);
            assert_eq!((span.file, span.offset), (file, end));
            end += u64::from(span.len);
            covers_itself(geometry, piece);
        }
        if let Some(last) = geometry.file_pieces(file).next_back() {
            let span = geometry.span(last);
            assert_eq!(span.file, file);
            assert_eq!(span.offset + u64::from(span.len), geometry.file_len(file));
            covers_itself(geometry, last);
        }
    }
}

fn covers_itself(geometry: &Geometry, piece: PieceIndex) {
    let blocks = geometry.block_count(piece);
    assert!(blocks >= 1 && geometry.piece_len(piece) <= geometry.piece_length());
    let (mut first, mut bytes) = (0, 0);
    while first < blocks {
        let count = (blocks - first).min(3);
        let Some(run) = geometry.run(piece, first, count) else {
            panic!("a run inside its piece");
        };
        assert_eq!(run.offset(), bytes);
        bytes += geometry.run_len(run);
        first += count;
    }
    assert_eq!(bytes, geometry.piece_len(piece));
    assert_eq!(geometry.run(piece, blocks, 1), None);
    assert_eq!(geometry.run(piece, u32::MAX, u32::MAX), None);
}

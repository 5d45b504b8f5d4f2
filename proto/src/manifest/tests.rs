use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::{digest::sha256, link::Endpoint};

const K: u64 = 1024;

fn file(path: &str, length: u64) -> FileInfo {
    FileInfo { path: path.into(), length, executable: false, root: None }
}

fn info(files: Vec<FileInfo>) -> Info {
    Info { name: "share".into(), piece_length: 64 * 1024, files, empty_folders: Vec::new() }
}

/// A digest for each piece, made up.
fn digests(info: &Info) -> Vec<Digest> {
    let pieces = info.files.iter().map(|f| f.length.div_ceil(u64::from(info.piece_length))).sum();
    (0..pieces).map(|piece: u64| sha256(&piece.to_le_bytes())).collect()
}

fn build(info: Info) -> Result<Manifest, ManifestError> {
    let digests = digests(&info);
    Manifest::build(info, digests, Extras::default())
}

/// A share with all that a share can have.
fn rich() -> Manifest {
    let mut info = info(vec![
        file("bin/run", 100 * K),
        file("empty", 0),
        file("long", 300 * K + 1),
        file("short", 1),
    ]);
    info.files[0].executable = true;
    info.empty_folders = vec!["bin/later".into(), "new".into()];
    let extras = Extras {
        trackers: vec![Endpoint { key: None, host: "tracker.example".into(), port: 7000 }],
        webseeds: vec!["https://example.org/share/".into()],
        comment: "Two\nlines.".into(),
        created: 1_700_000_000,
        tags: vec!["test".into()],
        signature: None,
    };
    let digests = digests(&info);
    Manifest::build(info, digests, extras).unwrap()
}

/// Bytes with a right checksum, as of somebody who makes false manifests on purpose.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    let checksum = sha256(&bytes);
    bytes.extend(checksum.as_bytes());
    bytes
}

#[test]
fn a_manifest_survives_being_written_and_read() {
    let manifest = rich();
    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
}

/// Every byte of a small manifest. If this test has to change, so has the version.
#[test]
fn the_format_is_what_the_specification_says() {
    let manifest = build(info(vec![file("", 3)])).unwrap();
    let root = sha256(&0_u64.to_le_bytes());
    let info = [
        b"\x05share".as_slice(),
        &[252, 0, 0, 1, 0], // Pieces of 65536 bytes, as a u32 after 252.
        &[1],               // One file,
        &[0, 3, 0, 1],      // with no path, 3 bytes, not executable, and a root.
        root.as_bytes(),
        &[0], // No empty folder.
    ]
    .concat();
    // No trackers, webseeds, comment, date, tags, signature.
    let extras = [0, 0, 0, 0, 0, 0];
    let mut bytes =
        [b"SWARM\0\x01\0".as_slice(), &[info.len() as u8], &info, &[0], &[6], &extras].concat();
    bytes.extend(sha256(&bytes.clone()).as_bytes());
    assert_eq!(manifest.encode(), bytes);
    assert_eq!(manifest.id().as_bytes(), sha256(&info).as_bytes());
}

#[test]
fn the_id_covers_the_info_and_nothing_else() {
    let manifest = rich();
    let id = manifest.id();
    let bare = manifest.clone().with_extras(Extras::default()).unwrap();
    assert_eq!(Manifest::decode(&bare.encode()).unwrap().id(), id);
    let mut info = manifest.info().clone();
    info.files[1].executable = true;
    assert_ne!(build(info).unwrap().id(), id);
}

#[test]
fn damage_is_noticed_at_every_byte() {
    let bytes = rich().encode();
    for at in 0..bytes.len() {
        assert!(Manifest::decode(&bytes[..at]).is_err(), "cut at {at}");
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let error = Manifest::decode(&flipped).unwrap_err();
        match at {
            0..6 => assert_eq!(error, ManifestError::NotAManifest),
            6 => assert_eq!(error, ManifestError::Damaged),
            7 => assert_eq!(error, ManifestError::Newer { found: 257, known: 1 }),
            _ => assert_eq!(error, ManifestError::Damaged, "bit flipped at {at}"),
        }
    }
    let longer = [&*bytes, &[0]].concat();
    assert_eq!(Manifest::decode(&longer), Err(ManifestError::Damaged));
}

#[test]
fn two_threads_notice_what_one_does() {
    let name = "n".repeat(200);
    let files = (0..5000).map(|n| file(&format!("{name}{n:04}"), 1)).collect();
    let manifest = build(info(files)).unwrap();
    let bytes = manifest.encode();
    let decode = |bytes: &[u8]| {
        Manifest::decode_joined(bytes, &|first, second| {
            std::thread::scope(|scope| {
                scope.spawn(first);
                second();
            });
        })
    };
    // Anywhere, and where it also is no text any more, or another number of files.
    for at in [30, 1000, 500_000, bytes.len() - 40, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x80;
        assert_eq!(decode(&damaged), Err(ManifestError::Damaged), "at {at}");
    }
    let mut malformed = bytes.clone();
    malformed[1000] = 0xff;
    let error = ManifestError::Malformed { part: "list of files" };
    assert_eq!(decode(&seal(malformed)), Err(error));
    assert_eq!(decode(&bytes), Ok(manifest));
}

#[test]
fn digests_that_do_not_match_their_root_are_refused() {
    let bytes = rich().encode();
    // A digest of the first file's layer, which has two, and the layer of `long` has five.
    let first = sha256(&0_u64.to_le_bytes());
    let at = bytes.windows(32).position(|window| window == first.as_bytes()).unwrap();
    let mut wrong = bytes.clone();
    wrong[at] ^= 1;
    let error = ManifestError::Root { path: "bin/run".into() };
    assert_eq!(Manifest::decode(&seal(wrong)), Err(error));

    let mut short = bytes;
    short.drain(at..at + 32);
    // The length of the layers stands before them.
    assert_eq!(short[at - 1], 7 * 32);
    short[at - 1] -= 32;
    let error = ManifestError::DigestCount { got: 6, want: 7 };
    assert_eq!(Manifest::decode(&seal(short)), Err(error));
}

#[test]
fn a_number_has_one_encoding() {
    let bytes = build(info(vec![file("", 3)])).unwrap().encode();
    // The length 3 as a u16 after 251, in a section that is two bytes longer.
    let mut long = bytes;
    assert_eq!(long[8 + 1 + 6 + 5 + 1 + 1], 3);
    long.splice(22..23, [251, 3, 0]);
    long[8] += 2;
    let error = ManifestError::Malformed { part: "list of files" };
    assert_eq!(Manifest::decode(&seal(long)), Err(error));
}

#[test]
fn a_file_has_a_root_if_it_has_bytes() {
    let bytes = build(info(vec![file("", 3)])).unwrap().encode();
    let mut empty = bytes;
    empty[22] = 0;
    let error = ManifestError::Root { path: "share".into() };
    assert_eq!(Manifest::decode(&seal(empty)), Err(error.clone()));

    let bytes = build(info(vec![file("", 0)])).unwrap().encode();
    let mut rootless = bytes;
    rootless[22] = 3;
    assert_eq!(Manifest::decode(&seal(rootless)), Err(error));
}

#[test]
fn shares_that_cannot_be_are_refused() {
    let paths = |paths: &[&str]| build(info(paths.iter().map(|p| file(p, 1)).collect()));
    let message = |result: Result<Manifest, ManifestError>| result.unwrap_err().to_string();
    assert_eq!(paths(&[]), Err(ManifestError::Nothing));
    let unsorted = r#""a": the paths are not in order, or one is there twice"#;
    assert_eq!(message(paths(&["b", "a"])), unsorted);
    assert_eq!(message(paths(&["a", "a"])), unsorted);
    assert_eq!(message(paths(&["", "a"])), r#""": a file in a folder needs a name"#);
    assert_eq!(message(paths(&["a/../b"])), r#""a/../b": the name ".." stands for another folder"#);

    let mut both = info(vec![file("a", 1)]);
    both.empty_folders = vec!["a".into()];
    assert_eq!(message(build(both)), unsorted);

    let mut twins = info(vec![file("A", 1)]);
    twins.empty_folders = vec!["a".into()];
    assert!(message(build(twins)).contains("upper and lower case"));

    let mut full = info(vec![file("a/b", 1)]);
    full.empty_folders = vec!["a".into()];
    assert!(message(build(full)).contains("said to be empty"));

    let mut named = info(vec![file("", 1)]);
    named.name = "../up".into();
    assert!(matches!(build(named), Err(ManifestError::Name(_))));

    let mut odd = info(vec![file("", 1)]);
    odd.piece_length = 50_000;
    let error = GeometryError::PieceLength(50_000);
    assert_eq!(Manifest::build(odd, vec![], Extras::default()), Err(error.into()));

    let error = ManifestError::DigestCount { got: 0, want: 1 };
    assert_eq!(Manifest::build(info(vec![file("", 1)]), vec![], Extras::default()), Err(error));
}

#[test]
fn a_folder_of_empty_things_is_a_share() {
    let manifest = build(info(vec![file("a", 0)])).unwrap();
    assert_eq!(manifest.geometry().piece_count(), 0);
    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    let mut folders = info(Vec::new());
    folders.empty_folders = vec!["only".into()];
    let manifest = build(folders).unwrap();
    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
}

#[test]
fn announced_lengths_cost_nothing() {
    // Each list and text in turn says that it has as many items as a u64 can.
    let bytes = rich().encode();
    let huge = [&[253][..], &u64::MAX.to_le_bytes()].concat();
    for at in 8..bytes.len() - 32 {
        let mut hostile = bytes.clone();
        hostile.splice(at..=at, huge.iter().copied());
        assert!(Manifest::decode(&seal(hostile)).is_err(), "at {at}");
    }
}

#[test]
fn trees_are_as_wide_as_bep_52_says() {
    let manifest = rich();
    let widths = |file: u32| -> Vec<_> {
        let file = manifest.geometry().file(file).unwrap();
        manifest.geometry().file_pieces(file).map(|piece| manifest.tree_width(piece)).collect()
    };
    // 100 KiB are a piece of four blocks and one of three; 300 KiB and a byte end in a piece of
    // three; a file of one piece is padded only for itself.
    assert_eq!([widths(0), widths(2), widths(3)], [vec![4; 2], vec![4; 5], vec![1]]);
}

#[test]
fn blocks_verify_only_if_all_are_right() {
    let leaves: Vec<_> = (0..3_u8).map(|n| sha256(&[n])).collect();
    let mut info = info(vec![file("", 48 * K)]);
    info.piece_length = 64 * 1024;
    let digests = vec![tree::root(&leaves, 4)];
    let manifest = Manifest::build(info, digests, Extras::default()).unwrap();
    let piece = manifest.geometry().piece(0).unwrap();
    assert!(manifest.verifies(piece, &leaves));
    assert!(!manifest.verifies(piece, &leaves[..2]));
    assert!(!manifest.verifies(piece, &[&*leaves, &[Digest::new([0; 32])]].concat()));
    assert!(!manifest.verifies(piece, &[leaves[0], leaves[2], leaves[1]]));
}

#[test]
fn a_publisher_vouches_for_one_share() {
    let key = SigningKey::from_bytes(&[1; 32]);
    let publisher = PeerId::new(key.verifying_key().to_bytes());
    let sign = |id, sequence| {
        let bytes = key.sign(&Signature::message(id, sequence)).to_bytes();
        let signature = Some(Signature { publisher, sequence, bytes });
        Extras { signature, ..Extras::default() }
    };
    let manifest = rich();
    assert_eq!(manifest.publisher(), Ok(None));
    let id = manifest.id();
    let signed = manifest.clone().with_extras(sign(id, 7)).unwrap();
    assert_eq!(Manifest::decode(&signed.encode()).unwrap().publisher(), Ok(Some(publisher)));

    // A signature over another share, another number, or by another key: read, but not believed.
    let false_ones = [
        sign(SwarmId::new([0; 32]), 7),
        {
            let mut extras = sign(id, 7);
            extras.signature.as_mut().unwrap().sequence = 8;
            extras
        },
        {
            let mut extras = sign(id, 7);
            extras.signature.as_mut().unwrap().publisher = PeerId::new([0; 32]);
            extras
        },
    ];
    for extras in false_ones {
        let publisher = extras.signature.as_ref().unwrap().publisher;
        let manifest = manifest.clone().with_extras(extras).unwrap();
        let read = Manifest::decode(&manifest.encode()).unwrap();
        assert_eq!(read.publisher(), Err(BadSignature { publisher }));
    }
}

#[test]
fn extras_have_limits() {
    let with = |change: fn(&mut Extras)| {
        let mut extras = rich().extras().clone();
        change(&mut extras);
        rich().with_extras(extras).map(drop).map_err(|error| error.to_string())
    };
    let refused = |text: &str| Err(text.to_owned());
    assert_eq!(with(|e| e.tags = vec!["a".into(); 32]), Ok(()));
    assert_eq!(with(|e| e.tags = vec!["a".into(); 33]), refused("more than 32 tags"));
    assert_eq!(with(|e| e.comment = "a".repeat(4096)), Ok(()));
    assert_eq!(
        with(|e| e.comment = "a".repeat(4097)),
        refused("a comment of the manifest is longer than 4096 bytes")
    );
    assert_eq!(
        with(|e| e.comment = "\u{1b}[2J".into()),
        refused("a comment of the manifest has control or invisible characters in it")
    );
    assert_eq!(
        with(|e| e.webseeds = vec!["file:///etc/passwd".into()]),
        refused(r#"the webseed "file:///etc/passwd" does not begin with http:// or https://"#)
    );
    assert!(with(|e| e.trackers[0].port = 0).unwrap_err().starts_with("a tracker of the manifest"));
}

/// Shares with folders, empty files and files of several pieces, and any extras.
fn any_info() -> impl Strategy<Value = Info> {
    // No device of Windows has a name of these letters only.
    let name = "[a-g]{1,3}";
    let file = (prop::collection::vec(name, 1..4), 0..200_000_u64, any::<bool>());
    let files = prop::collection::vec(file, 1..20);
    (files, prop::sample::select(vec![14, 15, 16, 17])).prop_map(|(files, exponent)| {
        let mut files: Vec<_> = files
            .into_iter()
            .map(|(path, length, executable)| {
                let path = path.join("/").into();
                FileInfo { path, length, executable, root: None }
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        // A file that another lies in, or that is there twice, goes.
        files.dedup_by(|next, last| path::is_within(next.path.as_str(), last.path.as_str()));
        Info { name: "n".into(), piece_length: 1 << exponent, files, empty_folders: vec![] }
    })
}

proptest! {
    #[test]
    fn any_share_survives_being_written_and_read(info in any_info()) {
        let manifest = build(info).unwrap();
        prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    }

    #[test]
    fn no_bytes_do_harm(
        at in any::<prop::sample::Index>(),
        junk in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = rich().encode();
        let at = 8 + at.index(bytes.len() - 8 - 32);
        let end = (at + junk.len()).min(bytes.len() - 32);
        bytes.splice(at..end, junk);
        let bytes = seal(bytes);
        // Whatever is accepted means the same when written again.
        if let Ok(manifest) = Manifest::decode(&bytes) {
            prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        }
    }
}

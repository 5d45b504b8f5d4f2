//! Making a manifest of what is on the disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use swarm_proto::{
    geometry::{BLOCK_LEN, Geometry, PIECE_LEN_MAX},
    id::Digest,
    manifest::{Extras, FileInfo, Info, Manifest},
    path::{NameError, check_name},
};

use crate::{
    NodeError,
    scan::{Progress, scan},
    stamp::Stamp,
    walk::{Found, open_file, pick, walk},
};

/// Settings for making a manifest.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// Name of the share; the path's own name if not given.
    pub name: Option<String>,
    /// Bytes in a piece; [`default_piece_length`] if not given.
    pub piece_length: Option<u32>,
    /// What may change without changing the id.
    pub extras: Extras,
    /// Share only these files, each as its components below the path, which is then a folder. One
    /// that comes twice counts once. Everything in the folder if not given.
    pub files: Option<Vec<Vec<String>>>,
    /// Share what symbolic links point to. Without it a link is an error, never skipped.
    pub follow_symlinks: bool,
}

/// Makes a manifest of a file or folder. Blocking: call it from a thread that may wait.
/// `progress` is called now and then; returning false stops.
///
/// # Errors
/// If something cannot be read, changes while it is read, or may not be in a manifest.
pub fn create(
    path: &Path,
    options: CreateOptions,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Manifest, NodeError> {
    let survey = Survey::of(path, &options)?;
    let digests = hash(path, &survey.found, &survey.geometry, progress)?;
    unchanged(path, &survey.found)?;
    Ok(Manifest::build(survey.into_info(), digests, options.extras)?)
}

/// What a manifest of a file or folder would hold, but for the digests: no file is read. Blocking.
///
/// # Errors
/// If something may not be in a manifest, or is not there.
pub fn outline(path: &Path, options: &CreateOptions) -> Result<Info, NodeError> {
    Survey::of(path, options).map(Survey::into_info)
}

/// What is to be hashed.
struct Survey {
    name: String,
    found: Found,
    geometry: Geometry,
}

impl Survey {
    fn of(path: &Path, options: &CreateOptions) -> Result<Self, NodeError> {
        let name = match &options.name {
            Some(name) => name.clone(),
            None => own_name(path)?,
        };
        check_name(&name).map_err(|source| NodeError::Name { path: path.into(), source })?;
        let found = match &options.files {
            Some(files) => pick(path, files, options.follow_symlinks)?,
            None => walk(path, options.follow_symlinks)?,
        };
        let sizes = || found.files.iter().map(|file| file.stamp.size);
        let total = sizes().fold(0, u64::saturating_add);
        let piece_length = options.piece_length.unwrap_or_else(|| default_piece_length(total));
        let geometry = Geometry::new(piece_length, sizes())?;
        Ok(Self { name, found, geometry })
    }

    fn into_info(self) -> Info {
        let Self { name, found, geometry } = self;
        let files = found.files.into_iter().map(|file| FileInfo {
            path: file.path,
            length: file.stamp.size,
            executable: file.executable,
            root: None,
        });
        let piece_length = geometry.piece_length();
        Info { name, piece_length, files: files.collect(), empty_folders: found.empty_folders }
    }
}

/// The piece length for a share of so many bytes: what gives 1,000 to 2,000 pieces, as the time
/// lost at the start and the end of a distribution is a few pieces' worth. At least 64 KiB, so that
/// messages about pieces stay small beside them; only where that leaves a handful of pieces, 16 KiB.
#[must_use]
pub fn default_piece_length(bytes: u64) -> u32 {
    const PIECES: u64 = 2000;
    const LEAST: u32 = 64 << 10;
    if bytes <= 4 * u64::from(LEAST) {
        return BLOCK_LEN;
    }
    let length = bytes.div_ceil(PIECES).checked_next_power_of_two().unwrap_or(u64::MAX);
    u32::try_from(length).unwrap_or(u32::MAX).clamp(LEAST, PIECE_LEN_MAX)
}

/// The last component of the path, or of the folder that it stands for (`.`, `..`).
fn own_name(path: &Path) -> Result<String, NodeError> {
    let resolved = match path.file_name() {
        Some(_) => path.to_path_buf(),
        None => fs::canonicalize(path).map_err(NodeError::io("read", path))?,
    };
    let name = resolved.file_name().ok_or_else(|| NodeError::NoName { path: path.into() })?;
    name.to_str().map(String::from).ok_or_else(|| NodeError::Name {
        path: path.into(),
        source: NameError { name: name.to_string_lossy().into(), why: "is not UTF-8" },
    })
}

fn hash(
    root: &Path,
    found: &Found,
    geometry: &Geometry,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Vec<Digest>, NodeError> {
    let mut digests = vec![Digest::new([0; 32]); geometry.piece_count() as usize];
    let mut state = Progress { done: 0, total: geometry.total_bytes() };
    let mut failed = None;
    let files: Vec<_> = geometry.files().collect();
    let disk = |file: usize| found.files[file].path.below(root);
    let complete = progress(state)
        && scan(
            geometry,
            &files,
            &|file| open_file(disk(file.as_usize())),
            &mut |piece, digest| {
                match digest {
                    Ok(digest) => digests[piece.as_usize()] = digest,
                    Err(error) => {
                        failed = Some((disk(geometry.span(piece).file.as_usize()), error));
                        return false;
                    }
                }
                state.done += u64::from(geometry.piece_len(piece));
                progress(state)
            },
        );
    match failed {
        Some((path, error)) => Err(unreadable(path, error)),
        None if complete => Ok(digests),
        None => Err(NodeError::Stopped),
    }
}

/// Stats every file again: none may have changed since it was found.
fn unchanged(root: &Path, found: &Found) -> Result<(), NodeError> {
    for file in &found.files {
        let path = file.path.below(root);
        match fs::metadata(&path) {
            Ok(metadata) if Stamp::from(&metadata) == file.stamp => {}
            Ok(_) => return Err(NodeError::ChangedWhileReading { path }),
            Err(error) => return Err(unreadable(path, error)),
        }
    }
    Ok(())
}

/// A file that was there a moment ago and is gone or shorter now has changed.
fn unreadable(path: PathBuf, source: io::Error) -> NodeError {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
            NodeError::ChangedWhileReading { path }
        }
        _ => NodeError::Io { action: "read", path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        os::unix::{ffi::OsStrExt, fs::PermissionsExt, fs::symlink, net::UnixListener},
    };

    use swarm_proto::digest::sha256;

    use super::*;
    use crate::{
        ErrorKind,
        testing::{Sample, noise, small_pieces},
    };

    fn refused(path: &Path, options: CreateOptions) -> String {
        create(path, options, &mut |_| true).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_holds_what_is_there_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let share = dir.path().join("share");
        fs::create_dir_all(share.join("b/empty")).unwrap();
        for (name, len) in [("z", 16385), ("b/y", 0), ("b/x", 5), ("a.sh", 1)] {
            fs::write(share.join(name), noise(1, len)).unwrap();
        }
        fs::set_permissions(share.join("a.sh"), fs::Permissions::from_mode(0o700)).unwrap();
        let mut seen = Vec::new();
        let manifest = create(&share, small_pieces(), &mut |progress| {
            seen.push(progress);
            true
        });
        let manifest = manifest.unwrap();
        let files = manifest.info().files.iter();
        let files: Vec<_> = files.map(|f| (f.path.to_string(), f.length, f.executable)).collect();
        let file = |name: &str, len, executable| (name.to_owned(), len, executable);
        let wanted = [
            file("a.sh", 1, true),
            file("b/x", 5, false),
            file("b/y", 0, false),
            file("z", 16385, false),
        ];
        assert_eq!(files, wanted);
        assert_eq!(manifest.info().empty_folders, ["b/empty".into()]);
        assert_eq!(manifest.info().name, "share");
        let outline = outline(&share, &small_pieces()).unwrap();
        let without_roots = manifest.info().files.iter().cloned();
        let without_roots = without_roots.map(|file| FileInfo { root: None, ..file });
        let without_roots = Info { files: without_roots.collect(), ..manifest.info().clone() };
        assert_eq!(outline, without_roots, "all but the digests is known before");
        assert_eq!(seen.first(), Some(&Progress { done: 0, total: 16391 }));
        assert_eq!(seen.last(), Some(&Progress { done: 16391, total: 16391 }));
        // A piece of one block is the digest of the block; one of several files' pieces, too.
        let digest = |n| manifest.digest(manifest.geometry().piece(n).unwrap());
        let z = noise(1, 16385);
        assert_eq!(digest(0), sha256(&z[..1]));
        assert_eq!([digest(2), digest(3)], [sha256(&z[..16384]), sha256(&z[16384..])]);
    }

    #[test]
    fn one_file_and_a_folder_of_nothing() {
        let sample = Sample::file("film.mkv", 0);
        assert_eq!(sample.manifest.info().name, "film.mkv");
        assert!(sample.manifest.file(sample.manifest.geometry().file(0).unwrap()).path.is_empty());
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        assert!(refused(folder.path(), small_pieces()).starts_with("nothing to share: "));
        assert!(refused(&folder.path().join("none"), small_pieces()).starts_with("cannot read "));
    }

    #[test]
    fn a_name_is_found_for_a_path_without_one() {
        let sample = Sample::new(&[("a", 1)]);
        let dots = sample.path.join("x/..");
        fs::create_dir(sample.path.join("x")).unwrap();
        let manifest = create(&dots, small_pieces(), &mut |_| true).unwrap();
        assert_eq!(manifest.info().name, "share");
        let named = CreateOptions { name: Some("other".into()), ..small_pieces() };
        assert_eq!(create(&dots, named, &mut |_| true).unwrap().info().name, "other");
        let named = CreateOptions { name: Some("../up".into()), ..small_pieces() };
        assert!(refused(&dots, named).contains("../up"));
    }

    #[test]
    fn what_cannot_be_shared_is_named() {
        let socket = |path: &Path| drop(UnixListener::bind(path).unwrap());
        let file = |path: &Path| fs::write(path, "x").unwrap();
        let loops = |path: &Path| symlink("..", path).unwrap();
        type Make<'a> = &'a dyn Fn(&Path);
        let cases: [(&[u8], Make<'_>, &str); 5] = [
            (b"socket", &socket, "a socket"),
            (b"trailing.", &file, "trailing."),
            (b"caf\xe9", &file, "is not UTF-8"),
            (b".swarm-abc", &file, "belongs to an unfinished download"),
            (b"link", &loops, "a symbolic link; use --follow-symlinks"),
        ];
        for (name, make, why) in cases {
            let sample = Sample::new(&[("a", 1)]);
            let path = sample.path.join(OsStr::from_bytes(name));
            make(&path);
            let message = refused(&sample.path, small_pieces());
            assert!(message.contains(why), "{message}");
            assert!(message.contains(&*String::from_utf8_lossy(name)), "{message}");
        }
    }

    #[test]
    fn links_are_followed_on_request_but_not_in_circles() {
        let (sample, other) = (Sample::new(&[("a", 1)]), Sample::new(&[("x/y", 2)]));
        symlink(other.path.join("x"), sample.path.join("folder")).unwrap();
        symlink(sample.path.join("a"), sample.path.join("file")).unwrap();
        let follow = || CreateOptions { follow_symlinks: true, ..small_pieces() };
        let manifest = create(&sample.path, follow(), &mut |_| true).unwrap();
        let files: Vec<_> = manifest.info().files.iter().map(|f| f.path.to_string()).collect();
        assert_eq!(files, ["a", "file", "folder/y"]);
        // Both circles: one that comes back to the share, one that the link leads to.
        for (target, link) in [("..", "folder/up"), (".", "here")] {
            symlink(target, sample.path.join(link)).unwrap();
            let message = refused(&sample.path, follow());
            assert!(message.contains("a link to a folder that it is in"), "{message}");
            fs::remove_file(sample.path.join(link)).unwrap();
        }
    }

    #[test]
    fn of_a_list_only_what_is_in_it_is_shared() {
        let sample = Sample::new(&[("a", 1), ("b/c", 2), ("b/d", 3)]);
        fs::create_dir(sample.path.join("empty")).unwrap();
        symlink("b", sample.path.join("link")).unwrap();
        let of = |files: &[&str], follow_symlinks| {
            let files = files.iter().map(|f| f.split('/').map(String::from).collect()).collect();
            let options = CreateOptions { files: Some(files), follow_symlinks, ..small_pieces() };
            create(&sample.path, options, &mut |_| true)
        };
        let paths = |manifest: Manifest| {
            let files = manifest.info().files.iter();
            files.map(|f| (f.path.to_string(), f.length)).collect::<Vec<_>>()
        };
        let manifest = of(&["b/d", "a", "b/d"], false).unwrap();
        assert_eq!(manifest.info().empty_folders, []);
        assert_eq!(paths(manifest), [("a".into(), 1), ("b/d".into(), 3)]);
        assert_eq!(paths(of(&["link/c"], true).unwrap()), [("link/c".into(), 2)]);
        for (files, why) in [
            (&["a", "b"][..], "it is a folder, and a list names files"),
            (&["none"], "cannot read "),
            (&["link/c"], "a symbolic link; use --follow-symlinks"),
            (&["../share/a"], "stands for another folder"),
            (&["b/.swarm-x"], "belongs to an unfinished download"),
            (&[], "nothing to share: "),
        ] {
            let message = of(files, false).unwrap_err().to_string();
            assert!(message.contains(why), "{files:?}: {message}");
        }
    }

    #[test]
    fn a_file_that_changes_while_it_is_hashed_is_named() {
        let sample = Sample::new(&[("a", 100_000), ("b", 1)]);
        for act in [
            &(|path: &Path| fs::write(path, "shorter").unwrap()) as &dyn Fn(&Path),
            &(|path: &Path| fs::remove_file(path).unwrap()),
        ] {
            let path = sample.path.join("b");
            fs::write(&path, "x").unwrap();
            let result = create(&sample.path, small_pieces(), &mut |progress| {
                if progress.done == 0 {
                    act(&path);
                }
                true
            });
            let error = result.unwrap_err();
            assert!(matches!(&error, NodeError::ChangedWhileReading { path: p } if *p == path));
            assert_eq!(error.kind(), ErrorKind::Disk);
        }
    }

    #[test]
    fn it_can_be_stopped() {
        let sample = Sample::new(&[("a", 1 << 20)]);
        let mut calls = 0;
        let stopped = create(&sample.path, small_pieces(), &mut |_| {
            calls += 1;
            calls < 3
        });
        assert!(matches!(stopped, Err(NodeError::Stopped)));
        assert_eq!(calls, 3);
    }

    #[test]
    fn the_piece_length_follows_the_size() {
        let lengths = [0, 1, 256 << 10, (256 << 10) + 1, 125 << 20, 1 << 30, 100 << 30, 1 << 62];
        let pieces = lengths.map(default_piece_length).map(|length| length >> 10);
        assert_eq!(pieces, [16, 16, 16, 64, 64, 1024, 16384, 16384]);
    }
}

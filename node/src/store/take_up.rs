//! Taking up a download where an earlier run left it, and adopting files that are already there.

use std::{io, path::Path};

use swarm_engine::Priority;
use swarm_proto::{
    bitfield::Bitfield,
    geometry::{FileIndex, Geometry, PieceIndex},
    manifest::Manifest,
};

use super::{
    files::{Part, Place, path_in_output},
    resume::{self, Kept, Resume},
    tree::{Seen, Tree},
    work_folder::WorkFolder,
};
use crate::{NodeError, Progress, scan::scan, stamp::Identity};

/// What is there of a download.
#[derive(Debug)]
pub(crate) struct TakenUp {
    /// Where each file is.
    pub(crate) places: Vec<Place>,
    /// Pieces that the earlier run recorded, in files that are as it left them.
    pub(crate) recorded: Bitfield,
    /// Other pieces, which we have just read and verified.
    pub(crate) verified: Vec<PieceIndex>,
    /// The earlier run also recorded pieces that are gone or had to be read again.
    pub(crate) outdated: bool,
}

/// The state that the earlier run left, if it can be used.
pub(crate) fn read_resume(
    work: &WorkFolder,
    manifest: &Manifest,
) -> Result<Option<Resume>, NodeError> {
    let failed = NodeError::io("read", work.path().join("resume"));
    let bytes = match work.read("resume", resume::len_max(manifest.geometry())) {
        Ok(None) => return Ok(None),
        Ok(Some(bytes)) => bytes,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Vec::new(),
        Err(error) => return Err(failed(error)),
    };
    let resume = Resume::decode(&bytes, manifest.id(), manifest.geometry());
    if resume.is_none() {
        tracing::warn!(path = %work.path().display(), "resume state is damaged: verifying again");
        if let Err(error) = work.set_aside("resume") {
            tracing::debug!(%error, "cannot set the damaged resume state aside");
        }
    }
    Ok(resume)
}

/// Finds out what is there. Reads and hashes only what no record vouches for. Changes nothing.
///
/// What is at the place of a skipped file is the user's affair, unless a record says that it is ours:
/// it is neither read nor in the way.
pub(crate) fn take_up(
    manifest: &Manifest,
    tree: &Tree,
    work: &WorkFolder,
    output: &Path,
    resume: Option<&Resume>,
    priorities: &[Priority],
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<TakenUp, NodeError> {
    let geometry = manifest.geometry();
    let target = |path: &[&str]| path.iter().fold(output.to_path_buf(), |all, name| all.join(name));
    let look = |path: &[&str]| tree.look(path).map_err(NodeError::io("read", target(path)));

    // Most downloads begin with nothing there: one look instead of one a file.
    let nothing = look(&[&manifest.info().name])? == Seen::Nothing;
    let all = !priorities.contains(&Priority::Skip);
    for folder in &manifest.info().empty_folders {
        let path = path_in_output(manifest, folder.as_str());
        if all && !nothing && !matches!(look(&path)?, Seen::Nothing | Seen::Folder) {
            return Err(NodeError::TargetExists { path: target(&path) });
        }
    }
    let read_parts = || NodeError::io("read", work.path().join("parts"));
    let no_parts = work.parts().is_empty().map_err(read_parts())?;
    let mut places = Vec::with_capacity(geometry.file_count() as usize);
    let mut recorded = Bitfield::empty(geometry.piece_count());
    let mut unsure = Vec::new();
    for file in geometry.files() {
        let path = || path_in_output(manifest, manifest.file(file).path.as_str());
        let seen = if nothing { Seen::Nothing } else { look(&path())? };
        let skipped = priorities.get(file.as_usize()) == Some(&Priority::Skip);
        let pieces = || geometry.file_pieces(file);
        let is_ours = |stamp| match vouched(resume, file, Place::Final(stamp)) {
            Vouched::Recorded(have) => pieces().all(|piece| have.has(piece)),
            Vouched::Nothing | Vouched::Unsure => false,
        };
        let place = match seen {
            Seen::File(stamp)
                if stamp.size == geometry.file_len(file) && (!skipped || is_ours(stamp)) =>
            {
                Place::Final(stamp)
            }
            Seen::File(_) | Seen::Folder | Seen::Other if !skipped => {
                return Err(NodeError::TargetExists { path: target(&path()) });
            }
            _ if no_parts => Place::Part(None),
            _ => {
                let known = known_part(work, geometry, file).map_err(read_parts())?;
                Place::Part(known.map(Part::from))
            }
        };
        places.push(place);
        match vouched(resume, file, place) {
            Vouched::Nothing => {}
            Vouched::Unsure => unsure.push(file),
            Vouched::Recorded(have) => {
                if matches!(place, Place::Final(_)) && !pieces().all(|piece| have.has(piece)) {
                    unsure.push(file);
                    continue;
                }
                for piece in pieces().filter(|&piece| have.has(piece)) {
                    recorded.insert(piece);
                }
            }
        }
    }

    let total = unsure.iter().map(|&file| geometry.file_len(file)).sum();
    let mut state = Progress { done: 0, total };
    let (mut verified, mut in_the_way) = (Vec::new(), None);
    let path = |file: FileIndex| path_in_output(manifest, manifest.file(file).path.as_str());
    let open = |file: FileIndex| match places[file.as_usize()] {
        Place::Part(_) => work.parts().open_part(file),
        Place::Final(_) => tree.open_file(&path(file)),
    };
    let complete = progress(state)
        && scan(geometry, &unsure, &open, &mut |piece, digest| {
            let file = geometry.span(piece).file;
            if digest.is_ok_and(|digest| digest == manifest.digest(piece)) {
                verified.push(piece);
            } else if matches!(places[file.as_usize()], Place::Final(_)) {
                in_the_way = Some(file);
                return false;
            }
            state.done += u64::from(geometry.piece_len(piece));
            progress(state)
        });
    match in_the_way {
        Some(file) => Err(NodeError::TargetExists { path: target(&path(file)) }),
        None if complete => {
            let outdated = resume.is_some_and(|resume| resume.have.exceeds(&recorded));
            Ok(TakenUp { places, recorded, verified, outdated })
        }
        None => Err(NodeError::Stopped),
    }
}

/// What the earlier run says of a file as it is now.
enum Vouched<'a> {
    /// It is not there, or nothing of it was recorded.
    Nothing,
    /// It has to be read.
    Unsure,
    /// These pieces of it are as they were recorded.
    Recorded(&'a Bitfield),
}

fn vouched(resume: Option<&Resume>, file: FileIndex, now: Place) -> Vouched<'_> {
    let kept = resume.and_then(|resume| {
        let place = resume.files.binary_search_by_key(&file, |&(file, _)| file).ok()?;
        Some((resume.files[place].1, &resume.have))
    });
    match (now, kept) {
        (Place::Part(None), _) => Vouched::Nothing,
        (Place::Part(Some(now)), Some((Kept::Part(then), have))) if now.known == then => {
            Vouched::Recorded(have)
        }
        // Made after the last record, which is the truth about everything else.
        (Place::Part(Some(_)), None) if resume.is_some() => Vouched::Nothing,
        (Place::Final(now), Some((Kept::Final(then), have))) if now == then => {
            Vouched::Recorded(have)
        }
        (Place::Final(now), _) if now.size == 0 => Vouched::Nothing,
        _ => Vouched::Unsure,
    }
}

/// The part of a file, if there is one of full length.
fn known_part(
    work: &WorkFolder,
    geometry: &Geometry,
    file: FileIndex,
) -> io::Result<Option<Identity>> {
    match work.parts().look_at(file) {
        Ok((part, stamp)) => Ok((stamp.size == geometry.file_len(file)).then_some(part)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

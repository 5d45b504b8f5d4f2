//! Reading blocks that are verified, as long as their file is the one that was.

use std::{fs::File, io, os::unix::fs::FileExt};

use bytes::Bytes;
use swarm_engine::{Blocks, DiskError, Whereabouts};
use swarm_net::Buffer;
use swarm_proto::{
    geometry::{BlockRun, FileIndex, PieceIndex, Span},
    id::Digest,
};

use super::{Files, Place, opening::Near};
use crate::{scan::hash_span, stamp::Stamp, store::in_place::InFile};

impl Files {
    /// Reads blocks of verified pieces.
    ///
    /// # Errors
    /// `Changed` if a file is not the one that was verified; and of which piece.
    pub(crate) fn read(&self, run: BlockRun) -> Result<Bytes, (PieceIndex, DiskError)> {
        let geometry = self.manifest.geometry();
        let mut bytes = self.buffers.take(geometry.run_len(run) as usize);
        let mut near = geometry.is_long(run).then(Near::default);
        for part in geometry.parts(run) {
            let read = self
                .find(part, near.as_mut())
                .and_then(|(blocks, _)| self.read_from(part.piece(), &blocks, &mut bytes));
            read.map_err(|error| (part.piece(), error))?;
        }
        Ok(bytes.freeze())
    }

    /// Reads blocks of verified pieces for a peer, or says where they may be sent from.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn read_for_peer(&self, run: BlockRun) -> Result<Blocks, (PieceIndex, DiskError)> {
        if !self.sends_from_files || self.manifest.geometry().is_long(run) {
            return self.read(run).map(Blocks::Read);
        }
        self.read_or_find(run).map_err(|error| (run.piece(), error))
    }

    fn read_or_find(&self, run: BlockRun) -> Result<Blocks, DiskError> {
        let (blocks, place) = self.find(run, None)?;
        // Nobody but us writes to a part. What is the user's could change while it is on its way.
        if matches!(place, Place::Part(_)) && blocks.may_be_sent() {
            return Ok(Blocks::InPlace(Whereabouts::new(blocks)));
        }
        let mut bytes = self.buffers.take(blocks.len as usize);
        self.read_from(run.piece(), &blocks, &mut bytes)?;
        Ok(Blocks::Read(bytes.freeze()))
    }

    /// Reads blocks of a piece behind what is in the buffer.
    fn read_from(
        &self,
        piece: PieceIndex,
        blocks: &InFile,
        bytes: &mut Buffer,
    ) -> Result<(), DiskError> {
        let file = self.manifest.geometry().span(piece).file;
        let failed = |error| self.disk_error("read", file, &error);
        let read = read_exact(blocks, bytes);
        // Afterwards, so that what somebody has written meanwhile is noticed, also if it got its final name
        // meanwhile.
        let places = self.places();
        let (place, doubted) = (places.files[file.as_usize()], places.doubted.contains(&piece));
        drop(places);
        if let Place::Final(stamp) = place {
            let now = stamp_of(&blocks.file).map_err(failed)?;
            if now != stamp {
                self.doubt(file, now);
                return Err(DiskError::Changed);
            }
            if doubted {
                return Err(DiskError::Changed);
            }
        }
        read.map_err(failed)
    }

    /// Where blocks of a verified piece are.
    fn find<'a>(
        &'a self,
        run: BlockRun,
        near: Option<&mut Near<'a>>,
    ) -> Result<(InFile, Place), DiskError> {
        let geometry = self.manifest.geometry();
        let Span { file, offset, .. } = geometry.span(run.piece());
        let len = geometry.run_len(run);
        // Of a file that is read whole nobody will want more soon.
        let keep = u64::from(len) < geometry.file_len(file);
        let (open, place) =
            self.open(file, keep, near).map_err(|error| self.disk_error("read", file, &error))?;
        Ok((InFile { file: open, offset: offset + u64::from(run.offset()), len }, place))
    }

    /// Reads a piece as it is now, under its name, and hashes its blocks. If a changed file turns
    /// out to hold what it should, the piece is trusted again.
    pub(crate) fn leaves(&self, piece: PieceIndex) -> Result<Vec<Digest>, DiskError> {
        let span = self.manifest.geometry().span(piece);
        let failed = |error| self.disk_error("read", span.file, &error);
        if matches!(self.place(span.file), Place::Final(_)) {
            // Another file may be there by now.
            self.cache.remove(self.key, span.file);
        }
        let (file, place) = self.open(span.file, true, None).map_err(failed)?;
        let before = stamp_of(&file).map_err(failed)?;
        let mut leaves = Vec::new();
        hash_span(&file, span, &mut Vec::new(), &mut leaves).map_err(failed)?;
        if let Place::Final(stamp) = place {
            if before != stamp {
                self.doubt(span.file, before);
            }
            let after = stamp_of(&file).map_err(failed)?;
            if before == after && self.manifest.verifies(piece, &leaves) {
                self.trust(piece, after);
            }
        }
        Ok(leaves)
    }

    /// The file has changed: nothing in it counts until it is verified again.
    fn doubt(&self, file: FileIndex, stamp: Stamp) {
        let mut places = self.places();
        let place = &mut places.files[file.as_usize()];
        // Another thread may have seen the same, and pieces may be verified again since.
        if std::mem::replace(place, Place::Final(stamp)) == Place::Final(stamp) {
            return;
        }
        places.doubted.extend(self.manifest.geometry().file_pieces(file));
    }

    fn trust(&self, piece: PieceIndex, seen: Stamp) {
        let file = self.manifest.geometry().span(piece).file;
        let mut places = self.places();
        if places.files[file.as_usize()] == Place::Final(seen) {
            places.doubted.remove(&piece);
        }
    }
}

fn stamp_of(file: &File) -> io::Result<Stamp> {
    Ok(Stamp::from(&file.metadata()?))
}

/// Reads all of it into a buffer that has room for it.
fn read_exact(place: &InFile, bytes: &mut Buffer) -> io::Result<()> {
    let len = place.len as usize;
    place.file.read_exact_at(&mut bytes.room()[..len], place.offset)?;
    bytes.advance(len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use swarm_net::Buffers;

    use super::*;

    #[test]
    fn a_read_past_the_end_is_an_error() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.write_all_at(&[7; 100], 0).unwrap();
        let read = |len| {
            let place = InFile { file: Arc::clone(&file), offset: 90, len };
            let mut bytes = Buffers::default().take(len as usize);
            read_exact(&place, &mut bytes).map(|()| bytes)
        };
        assert_eq!(read(10).unwrap().as_ref(), [7; 10]);
        let error = read(11).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

//! Which pieces are durable, and which are on the way: the decisions of the recorder, without a
//! disk.
//!
//! ```text
//!   record ──> waiting ──(batch, synced)──> durable ──(forget)──> nothing
//!                 └──────(batch, sync failed)──> nothing, reported
//! ```

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use swarm_proto::{
    bitfield::Bitfield,
    geometry::{FileIndex, PieceIndex},
    manifest::Manifest,
};

/// The record of a download.
#[derive(Debug)]
pub(crate) struct Ledger {
    manifest: Arc<Manifest>,
    /// Pieces whose data is synced.
    durable: Bitfield,
    /// One a file: how many of its pieces are not durable.
    lacking: Vec<u32>,
    /// Verified pieces that wait for a sync.
    waiting: BTreeSet<PieceIndex>,
    waiting_bytes: u64,
    /// Bytes of pieces that are not durable.
    lacking_bytes: u64,
    /// Pieces with data that a failed sync may have lost, and that nobody was told about yet: they
    /// were not verified when it failed.
    lost: HashSet<PieceIndex>,
}

/// What was written of a piece may have been lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

impl Ledger {
    /// A record that goes on from durable pieces.
    pub(crate) fn new(manifest: Arc<Manifest>, durable: Bitfield) -> Self {
        let geometry = manifest.geometry();
        let lacking = geometry.files().map(|file| {
            geometry.file_pieces(file).filter(|&piece| !durable.has(piece)).count() as u32
        });
        let len = |number| geometry.piece(number).map_or(0, |p| u64::from(geometry.piece_len(p)));
        let lacking_bytes = geometry.total_bytes() - durable.iter().map(len).sum::<u64>();
        Self {
            lacking: lacking.collect(),
            lacking_bytes,
            manifest,
            durable,
            waiting: BTreeSet::new(),
            waiting_bytes: 0,
            lost: HashSet::new(),
        }
    }

    /// A piece was verified.
    ///
    /// # Errors
    /// If a part of it may have been lost since it was written. It has to be fetched again.
    pub(crate) fn record(&mut self, piece: PieceIndex) -> Result<(), Lost> {
        if self.lost.remove(&piece) {
            return Err(Lost);
        }
        if !self.durable.has(piece) && self.waiting.insert(piece) {
            self.waiting_bytes += u64::from(self.manifest.geometry().piece_len(piece));
        }
        Ok(())
    }

    /// A piece is not to be trusted. Returns whether it was durable: then the record on the disk
    /// claims it.
    pub(crate) fn forget(&mut self, piece: PieceIndex) -> bool {
        let geometry = self.manifest.geometry();
        if self.waiting.remove(&piece) {
            self.waiting_bytes -= u64::from(geometry.piece_len(piece));
        }
        let durable = self.durable.remove(piece);
        if durable {
            self.lacking[geometry.span(piece).file.as_usize()] += 1;
            self.lacking_bytes += u64::from(geometry.piece_len(piece));
        }
        durable
    }

    /// Bytes of pieces that wait for a sync.
    pub(crate) const fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// Bytes of pieces that are neither durable nor wait for a sync.
    pub(crate) const fn missing_bytes(&self) -> u64 {
        self.lacking_bytes - self.waiting_bytes
    }

    /// How many pieces wait for a sync.
    pub(crate) fn waiting_pieces(&self) -> usize {
        self.waiting.len()
    }

    /// Takes what waits, to be synced.
    pub(crate) fn take_waiting(&mut self) -> BTreeSet<PieceIndex> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// The data of these pieces is synced.
    pub(crate) fn synced(&mut self, batch: &BTreeSet<PieceIndex>) {
        for &piece in batch {
            if self.durable.insert(piece) {
                let geometry = self.manifest.geometry();
                self.lacking[geometry.span(piece).file.as_usize()] -= 1;
                self.lacking_bytes -= u64::from(geometry.piece_len(piece));
            }
        }
    }

    /// The data of these pieces could not be synced, and with it, perhaps, that of all pieces
    /// `written` to since the last good sync. The caller reports the batch; the others are reported
    /// when they are recorded.
    pub(crate) fn sync_failed(
        &mut self,
        batch: &BTreeSet<PieceIndex>,
        written: impl IntoIterator<Item = PieceIndex>,
    ) {
        self.lost.extend(written.into_iter().filter(|piece| !batch.contains(piece)));
    }

    /// Pieces whose data is synced.
    pub(crate) const fn durable(&self) -> &Bitfield {
        &self.durable
    }

    /// How many pieces of a file are not durable.
    pub(crate) fn lacking(&self, file: FileIndex) -> u32 {
        self.lacking[file.as_usize()]
    }

    /// Whether every piece of a file is durable.
    pub(crate) fn is_whole(&self, file: FileIndex) -> bool {
        self.lacking[file.as_usize()] == 0
    }
}

#[cfg(test)]
mod tests {
    use swarm_proto::manifest::{Extras, FileInfo, Info};

    use super::*;

    /// Two files of two pieces each.
    fn ledger() -> (Ledger, Vec<PieceIndex>) {
        let file = |name: &str| FileInfo {
            path: name.into(),
            length: 2 << 14,
            executable: false,
            root: None,
        };
        let info = Info {
            name: "share".into(),
            piece_length: 1 << 14,
            files: vec![file("a"), file("b")],
            empty_folders: Vec::new(),
        };
        let digests = vec![swarm_proto::digest::sha256(b""); 4];
        let manifest = Manifest::build(info, digests, Extras::default()).unwrap();
        let pieces = manifest.geometry().pieces().collect();
        (Ledger::new(Arc::new(manifest), Bitfield::empty(4)), pieces)
    }

    #[test]
    fn a_piece_is_durable_after_its_sync_and_not_before() {
        let (mut ledger, p) = ledger();
        ledger.record(p[0]).unwrap();
        ledger.record(p[0]).unwrap();
        assert_eq!((ledger.waiting_bytes(), ledger.missing_bytes()), (1 << 14, 3 << 14));
        let batch = ledger.take_waiting();
        ledger.record(p[1]).unwrap();
        assert!(ledger.durable().is_empty());
        ledger.synced(&batch);
        assert_eq!(ledger.durable().iter().collect::<Vec<_>>(), [0]);
        let [a, b] = [0, 1].map(|n| ledger.manifest.geometry().file(n).unwrap());
        assert!(!ledger.is_whole(a));
        let batch = ledger.take_waiting();
        ledger.synced(&batch);
        assert_eq!((ledger.is_whole(a), ledger.is_whole(b)), (true, false));
        assert_eq!(ledger.missing_bytes(), 2 << 14);
        assert!(ledger.forget(p[1]));
        assert_eq!(ledger.missing_bytes(), 3 << 14);
        assert!(!ledger.forget(p[1]));
        assert!(!ledger.is_whole(a));
    }

    #[test]
    fn what_a_failed_sync_may_have_lost_is_not_recorded() {
        let (mut ledger, p) = ledger();
        ledger.record(p[0]).unwrap();
        let batch = ledger.take_waiting();
        // Piece 1 was written in part when the sync failed; piece 2 later.
        ledger.sync_failed(&batch, [p[0], p[1]]);
        assert!(ledger.durable().is_empty());
        assert_eq!(ledger.record(p[1]), Err(Lost));
        // The caller has reported piece 0. Both may be fetched again.
        for piece in [p[0], p[1], p[2]] {
            assert_eq!(ledger.record(piece), Ok(()));
        }
        let batch = ledger.take_waiting();
        ledger.synced(&batch);
        assert_eq!(ledger.durable().count(), 3);
    }

    #[test]
    fn a_forgotten_piece_is_not_synced_into_the_record() {
        let (mut ledger, p) = ledger();
        ledger.record(p[0]).unwrap();
        assert!(!ledger.forget(p[0]));
        assert_eq!((ledger.waiting_bytes(), ledger.take_waiting().len()), (0, 0));
    }
}

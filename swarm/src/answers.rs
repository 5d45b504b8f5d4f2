//! What becomes of the answers to requests: blocks, rejections, chokes, and what the disk says.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use swarm_proto::{
    geometry::{BlockRun, Geometry},
    id::Digest,
    message::{Message, RawRun},
};

use crate::{ConnId, Outbox, Output, Swarm, Time, fetch::raw, ledger::Progress};

/// First wait after a peer rejected a request; doubled with each more.
const REJECT_HOLD: Duration = Duration::from_millis(50);

impl Swarm {
    /// The answer to a request.
    pub(crate) fn on_block(
        &mut self,
        now: Time,
        conn: ConnId,
        piece: u32,
        first: u32,
        data: &Bytes,
        out: &mut Outbox,
    ) -> Option<()> {
        let run = self.geometry().run_of_len(self.piece(piece)?, first, data.len())?;
        let len = data.len() as u64;
        let session = self.sessions.get_mut(&conn)?;
        if !session.asked.answered(now, run) {
            return None;
        }
        let (peer, from_seed) = (session.peer, session.is_seed());
        self.totals.downloaded += len;
        self.totals.from_seeds += if from_seed { len } else { 0 };
        self.fetch.rate.add(now, len);

        if !self.has_room_for(run, len) || !self.disk.accepts(run) {
            self.ledger.release(conn, run);
            self.refresh_all(run);
            self.fetch.epoch += 1;
        } else {
            let arrived = self.ledger.arrived(conn, peer, run);
            let manifest = Arc::clone(&self.manifest);
            let geometry = manifest.geometry();
            // What was taken back because nobody wants it any more is no duplicate.
            let wanted =
                geometry.parts_with_len(run).filter(|(part, _)| self.ledger.wants(part.piece()));
            let wanted: u64 = wanted.map(|(_, len)| u64::from(len)).sum();
            self.totals.duplicate += wanted.saturating_sub(arrived.useful);
            self.fetch.estimate.add(now, arrived.useful);
            geometry.parts(run).for_each(|part| self.picker.remove(part.piece()));
            if arrived.useful == len {
                out.push(Output::Store { run, data: data.clone() });
            } else {
                store_useful(geometry, run, data, &arrived.store, out);
            }
            for other in arrived.others {
                self.cancel_delivered(now, other, out);
            }
        }
        self.fill(now, conn, out);
        if self.sessions.get(&conn)?.asked.is_empty() {
            self.hedge(now, conn, out);
        }
        Some(())
    }

    /// Whether there is memory for blocks of so many bytes. What comes late is not counted as asked for any
    /// more, so there may be none.
    fn has_room_for(&self, run: BlockRun, len: u64) -> bool {
        let counted = self.ledger.requested() + self.ledger.storing();
        let room = self.config.buffer_bytes.saturating_sub(counted);
        // Mostly there is room for all of it, and it need not be looked at piece by piece.
        counted <= self.config.buffer_bytes && (len <= room || self.ledger.uncounted(run) <= room)
    }

    /// Takes back requests of which nothing is needed any more.
    fn cancel_delivered(&mut self, now: Time, conn: ConnId, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let ledger = &self.ledger;
        for ask in session.asked.take_back(now, |ask| !ledger.is_wanted(ask.run)) {
            self.serve.unflushed += session.send(now, Message::Cancel(raw(ask.run)), out);
        }
        self.fill(now, conn, out);
    }

    /// A peer does not give what it was asked for.
    pub(crate) fn on_reject(
        &mut self,
        now: Time,
        conn: ConnId,
        run: RawRun,
        out: &mut Outbox,
    ) -> Option<()> {
        let run = self.run(conn, run)?;
        let session = self.sessions.get_mut(&conn)?;
        if let Some(ask) = session.asked.rejected(run) {
            let hold = REJECT_HOLD * 2_u32.pow(session.asked.rejects.min(8));
            session.asked.rejects += 1;
            session.asked.hold_until = now + hold;
            // Whatever made it reject this piece, another one is the better choice.
            session.asked.current = None;
            session.asked.suggested.retain(|&piece| piece != run.piece());
            self.release(conn, &[ask]);
        }
        self.fill(now, conn, out);
        Some(())
    }

    /// A peer does not serve us any more, and drops what it was asked for.
    pub(crate) fn on_choke(&mut self, conn: ConnId) -> Option<()> {
        let session = self.sessions.get_mut(&conn)?;
        session.chokes_us = true;
        let taken = session.asked.dropped();
        self.release(conn, &taken);
        Some(())
    }

    /// A peer serves us from now on.
    pub(crate) fn on_unchoke(&mut self, conn: ConnId) -> Option<()> {
        let session = self.sessions.get_mut(&conn)?;
        session.chokes_us = false;
        session.asked.pace.forgive();
        session.asked.dry = None;
        self.fetch.refill = true;
        Some(())
    }

    /// A peer says which piece it would like to give.
    pub(crate) fn on_suggest(
        &mut self,
        now: Time,
        conn: ConnId,
        piece: u32,
        out: &mut Outbox,
    ) -> Option<()> {
        let piece = self.piece(piece)?;
        let wanted = self.ledger.lacks(piece);
        let session = self.sessions.get_mut(&conn)?;
        if wanted && session.has(piece) {
            session.asked.suggest(now, piece);
            self.fill(now, conn, out);
        }
        Some(())
    }

    /// Blocks are on the disk.
    pub(crate) fn on_stored(
        &mut self,
        now: Time,
        run: BlockRun,
        leaves: &[Digest],
        out: &mut Outbox,
    ) {
        debug_assert_eq!(leaves.len(), run.count() as usize, "one digest a block");
        self.disk_works(now, run, out);
        let manifest = Arc::clone(&self.manifest);
        let mut rest = leaves;
        for part in manifest.geometry().parts(run) {
            let Some((leaves, after)) = rest.split_at_checked(part.count() as usize) else { break };
            rest = after;
            match self.ledger.stored(part, leaves) {
                Progress::Unfinished => {}
                Progress::Verified(liars) => {
                    self.gained(now, part.piece(), out);
                    self.convict(now, part.piece(), &liars, out);
                }
                Progress::Corrupt(contributors) => {
                    self.on_corrupt(now, part.piece(), &contributors, out);
                }
            }
        }
        self.fetch.refill |= std::mem::take(&mut self.fetch.starved);
    }
}

/// Stores those blocks of a run that were not there yet.
fn store_useful(
    geometry: &Geometry,
    run: BlockRun,
    data: &Bytes,
    useful: &[BlockRun],
    out: &mut Outbox,
) {
    for (part, bytes) in geometry.parts_of(run, data) {
        let of_part = useful.iter().filter(|useful| useful.piece() == part.piece());
        for &run in of_part {
            let start = (run.offset() - part.offset()) as usize;
            let bytes = &bytes[start..start + geometry.run_len(run) as usize];
            out.push(Output::Store { run, data: data.slice_ref(bytes) });
        }
    }
}

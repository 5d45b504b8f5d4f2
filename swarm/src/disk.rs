//! What the disk says: trouble and its end, pieces in doubt, and the finish.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use swarm_proto::{
    geometry::{BlockRun, FileIndex, PieceIndex},
    id::Digest,
    message::{HAVE_MAX, Message},
};

use crate::{DiskError, Event, Outbox, Output, Spent, Swarm, Time, rate::Rate};

/// First wait after writing failed; doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(3);
/// Longest wait: space may come free at any time, and one block is cheap to try with.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Pieces being read again at a time: enough to keep two disk workers busy, not so many that uploads
/// wait behind them.
const CHECKS_MAX: usize = 4;
/// A piece that cannot be read is tried again after this...
const CHECK_RETRY: Duration = Duration::from_secs(5);
/// ...and so often before it counts as lost.
const CHECK_TRIES: u32 = 5;

/// The state of the disk, as far as we know it.
#[derive(Debug)]
pub(crate) struct Disk {
    trouble: Option<Trouble>,
    /// When blocks were last stored.
    stored_at: Time,
    /// Pieces to be read again.
    checks: VecDeque<PieceIndex>,
    /// Pieces being read again.
    checking: BTreeSet<PieceIndex>,
    /// Those of them whose answer will not count: it may be of bytes that never get to the disk.
    checked_early: BTreeSet<PieceIndex>,
    /// Pieces that could not be read, and how often, to be tried once more at that time.
    unreadable: BTreeMap<PieceIndex, u32>,
    retry_checks: Option<Time>,
    finish: Finish,
    /// Nanoseconds of hashing and of writing, in a second.
    hashing: Rate,
    writing: Rate,
}

/// Writing does not work.
#[derive(Debug)]
struct Trouble {
    /// When one block is tried.
    retry: Time,
    wait: Duration,
    /// The block that is tried, or its request.
    probe: Option<BlockRun>,
}

/// Whether everything is in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// Pieces are missing.
    Open,
    /// The shell is at it.
    Asked,
    /// The shell is at it, and more has become wanted since.
    Outdated,
    /// It failed; it is asked again then.
    Retry(Time),
    /// Everything is.
    Done,
}

impl Disk {
    pub(crate) const fn new(done: bool, now: Time) -> Self {
        Self {
            trouble: None,
            stored_at: now,
            checks: VecDeque::new(),
            checking: BTreeSet::new(),
            checked_early: BTreeSet::new(),
            unreadable: BTreeMap::new(),
            retry_checks: None,
            finish: if done { Finish::Done } else { Finish::Open },
            hashing: Rate::new(now),
            writing: Rate::new(now),
        }
    }

    /// Whether anything may be fetched now. In trouble it is one block at a time: `Some(true)`.
    pub(crate) fn may_fetch(&self, now: Time) -> Option<bool> {
        match &self.trouble {
            None => Some(false),
            Some(trouble) if trouble.probe.is_none() && now >= trouble.retry => Some(true),
            Some(_) => None,
        }
    }

    /// A request goes out; in trouble it is the one that tries the disk.
    pub(crate) fn note_probe(&mut self, run: BlockRun) {
        if let Some(trouble) = &mut self.trouble {
            trouble.probe = Some(run);
        }
    }

    /// Whether these blocks may be written.
    pub(crate) fn accepts(&self, run: BlockRun) -> bool {
        self.trouble.as_ref().is_none_or(|trouble| trouble.probe == Some(run))
    }

    /// When blocks were last stored.
    pub(crate) const fn stored_at(&self) -> Time {
        self.stored_at
    }

    /// Whether writing works, as far as we know.
    pub(crate) const fn is_well(&self) -> bool {
        self.trouble.is_none()
    }

    /// Whether pieces are being read again, or wait for it.
    pub(crate) fn is_checking(&self) -> bool {
        !self.checks.is_empty() || !self.checking.is_empty()
    }

    /// Whether everything wanted is in its place.
    pub(crate) fn is_done(&self) -> bool {
        self.finish == Finish::Done
    }

    /// Blocks were stored, and that took so long.
    pub(crate) fn spent(&mut self, now: Time, spent: Spent) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.hashing.add(now, nanos(spent.hashing));
        self.writing.add(now, nanos(spent.writing));
    }

    /// Whether storing took longer for hashing than for writing, of late.
    pub(crate) fn hashes_more_than_it_writes(&self, now: Time) -> bool {
        self.hashing.per_second(now) > self.writing.per_second(now)
    }

    /// Files are wanted that were not.
    pub(crate) const fn reopen(&mut self) {
        self.finish = match self.finish {
            // One at a time: an answer does not say which order it is to.
            Finish::Asked | Finish::Outdated => Finish::Outdated,
            Finish::Open | Finish::Retry(_) | Finish::Done => Finish::Open,
        };
    }

    fn check(&mut self, piece: PieceIndex) {
        self.checks.push_back(piece);
    }
}

impl Swarm {
    /// When the disk is to be tried again.
    pub(crate) fn disk_deadline(&self) -> Option<Time> {
        // A disk in trouble is tried at the members' pulse: without a peer there is nothing to write.
        let finish = match self.disk.finish {
            Finish::Retry(due) => Some(due),
            _ => None,
        };
        [finish, self.disk.retry_checks].into_iter().flatten().min()
    }

    /// Tries again what is due, and asks for the finish when nothing is missing.
    pub(crate) fn run_disk(&mut self, now: Time, out: &mut Outbox) {
        if self.disk.retry_checks.is_some_and(|due| now >= due) {
            self.disk.retry_checks = None;
            self.disk.checks.extend(self.disk.unreadable.keys());
        }
        while self.disk.checking.len() < CHECKS_MAX
            && let Some(piece) = self.disk.checks.pop_front()
        {
            if self.disk.checking.insert(piece) {
                out.push(Output::Check(piece));
            }
        }
        if let Some(trouble) = &mut self.disk.trouble {
            // The request that was to try the disk may have been rejected or lost with its peer.
            if trouble.probe.is_some_and(|run| !self.ledger.is_under_way(run)) {
                trouble.probe = None;
                trouble.retry = trouble.retry.max(now + RETRY_FIRST);
            } else if trouble.probe.is_none() && now >= trouble.retry {
                self.fetch.refill = true;
            }
        }
        if matches!(self.disk.finish, Finish::Retry(due) if now >= due) {
            self.disk.finish = Finish::Open;
        }
        let complete = self.ledger.is_complete() && !self.disk.is_checking();
        if complete && self.disk.finish == Finish::Open {
            self.disk.finish = Finish::Asked;
            out.push(Output::Finish);
        }
    }

    /// Everything was put in its place, or could not be.
    pub(crate) fn on_finished(
        &mut self,
        now: Time,
        result: Result<(), DiskError>,
        out: &mut Outbox,
    ) {
        match result {
            _ if self.disk.finish == Finish::Outdated => self.disk.finish = Finish::Open,
            _ if self.disk.finish != Finish::Asked => {}
            Ok(()) if self.ledger.is_complete() => {
                self.disk.finish = Finish::Done;
                if self.ledger.have().is_full() {
                    self.announcer.completed(now);
                }
                self.choker.expedite(now);
                out.push(Output::Event(Event::Completed));
            }
            // A piece was lost in the meantime.
            Ok(()) => self.disk.finish = Finish::Open,
            Err(error) => {
                self.disk.finish = Finish::Retry(now + RETRY_FIRST);
                out.push(Output::Event(event(&error)));
            }
        }
    }

    /// Blocks could not be written: nothing more is asked for until one block can be.
    pub(crate) fn on_store_failed(
        &mut self,
        now: Time,
        run: BlockRun,
        error: &DiskError,
        out: &mut Outbox,
    ) {
        self.ledger.store_failed(run);
        self.refresh_all(run);
        self.fetch.freed();
        match &mut self.disk.trouble {
            None => {
                out.push(Output::Event(event(error)));
                let (retry, wait) = (now + RETRY_FIRST, RETRY_FIRST);
                self.disk.trouble = Some(Trouble { retry, wait, probe: None });
                self.stop_fetching(now, out);
            }
            Some(trouble) if trouble.probe == Some(run) => {
                trouble.wait = (trouble.wait * 2).min(RETRY_MAX);
                trouble.retry = now + trouble.wait;
                trouble.probe = None;
            }
            // Blocks that were on their way when the trouble began.
            Some(_) => {}
        }
        if *error == DiskError::Changed {
            let manifest = Arc::clone(&self.manifest);
            for part in manifest.geometry().parts(run) {
                self.on_file_changed(now, self.geometry().span(part.piece()).file, out);
            }
        }
    }

    /// Blocks were written: if they were to try the disk, it works again.
    pub(crate) fn disk_works(&mut self, now: Time, run: BlockRun, out: &mut Outbox) {
        self.disk.stored_at = now;
        if self.disk.trouble.as_ref().is_some_and(|trouble| trouble.probe == Some(run)) {
            self.disk.trouble = None;
            self.fetch.freed();
            out.push(Output::Event(Event::DiskRecovered));
        }
    }

    /// What was verified in a file is in doubt: it is withdrawn, and read again.
    fn on_file_changed(&mut self, now: Time, file: FileIndex, out: &mut Outbox) {
        let pieces: Vec<_> = self.geometry().file_pieces(file).collect();
        let lost: Vec<_> = pieces.into_iter().filter(|&piece| self.ledger.doubt(piece)).collect();
        if lost.is_empty() {
            return;
        }
        out.push(Output::Event(Event::FileChanged { file: file.get() }));
        for &piece in &lost {
            self.disk.check(piece);
        }
        self.withdraw(now, &lost, out);
    }

    /// A piece could not be read because its file is not the one that was verified. If we have not
    /// claimed the piece any more, that is no news, and what was verified since stays.
    pub(crate) fn on_piece_changed(&mut self, now: Time, piece: PieceIndex, out: &mut Outbox) {
        if self.ledger.have().has(piece) {
            self.on_file_changed(now, self.geometry().span(piece).file, out);
        }
    }

    /// Reading a piece failed: it is withdrawn, and read again.
    pub(crate) fn on_unreadable(&mut self, now: Time, piece: PieceIndex, out: &mut Outbox) {
        if self.ledger.doubt(piece) {
            self.disk.check(piece);
            self.withdraw(now, &[piece], out);
        }
    }

    /// A piece may not be on the disk: it is read again, from there and not from memory, and recorded
    /// anew if it is.
    pub(crate) fn on_unsynced(&mut self, now: Time, piece: PieceIndex, out: &mut Outbox) {
        if self.disk.checking.contains(&piece) {
            self.disk.checked_early.insert(piece);
        }
        self.on_unreadable(now, piece, out);
    }

    /// The user wants everything to be read again. Pieces count until they are found bad.
    pub(crate) fn verify_all(&mut self) {
        let geometry = self.manifest.geometry();
        if self.config.read_only {
            // The user may have put back what was lost.
            geometry.pieces().for_each(|piece| self.ledger.hope(piece));
        }
        // Those in doubt may be waiting for this already, and nobody else would see to them.
        let ledger = &self.ledger;
        let due = geometry.pieces().filter(|&p| ledger.have().has(p) || ledger.is_doubted(p));
        self.disk.checks = due.collect();
    }

    /// A piece was read, because it was in doubt or because a peer wants its digests.
    pub(crate) fn on_leaves_read(
        &mut self,
        now: Time,
        piece: PieceIndex,
        leaves: Result<Vec<Digest>, DiskError>,
        out: &mut Outbox,
    ) {
        let error = leaves.as_ref().err().cloned();
        let good = leaves.is_ok_and(|leaves| {
            let good = leaves.len() as u32 == self.geometry().block_count(piece)
                && self.manifest.verifies(piece, &leaves);
            self.hand_over_leaves(now, piece, good.then_some(&leaves), out);
            good
        });
        let checked = self.disk.checking.remove(&piece);
        if checked && self.disk.checked_early.remove(&piece) {
            self.disk.check(piece);
            return;
        }
        if checked && matches!(error, Some(DiskError::NoSpace | DiskError::Failed(_))) {
            let tries = self.disk.unreadable.entry(piece).or_default();
            *tries += 1;
            if *tries < CHECK_TRIES {
                self.disk.retry_checks.get_or_insert(now + CHECK_RETRY);
                return;
            }
        }
        self.disk.unreadable.remove(&piece);
        if self.ledger.is_doubted(piece) {
            if checked {
                self.ledger.settle(piece, good);
                if good {
                    self.gained(now, piece, out);
                } else {
                    self.refresh(piece);
                    self.fetch.freed();
                }
            }
        } else if error == Some(DiskError::Changed) {
            self.on_piece_changed(now, piece, out);
        } else if !good && checked && self.ledger.remove(piece) {
            self.refresh(piece);
            self.fetch.freed();
            self.withdraw(now, &[piece], out);
        } else if !good {
            self.on_unreadable(now, piece, out);
        }
    }

    /// These pieces are no longer ours to give. Once everything is in its place the files are the
    /// user's, and what is lost of them is not fetched again: it could be written nowhere.
    fn withdraw(&mut self, now: Time, pieces: &[PieceIndex], out: &mut Outbox) {
        if self.disk.is_done() {
            for &piece in pieces {
                self.ledger.want(piece, false);
                self.refresh(piece);
            }
        }
        self.reject_waiting(now, pieces, out);
        for &piece in pieces {
            out.push(Output::Forget(piece));
            self.announcer.lost(piece.get());
            self.unsay(piece);
            if !self.ledger.wants(piece) {
                continue;
            }
            for session in self.sessions.values_mut().filter(|session| session.has(piece)) {
                session.wanted += 1;
                session.asked.dry = None;
            }
        }
        let conns: Vec<_> = self.sessions.keys().copied().collect();
        for conn in conns {
            for some in pieces.chunks(HAVE_MAX) {
                let numbers = some.iter().map(|piece| piece.get()).collect();
                self.send(now, conn, Message::DontHave(numbers), out);
            }
            self.update_interest(now, conn, out);
        }
    }
}

fn event(error: &DiskError) -> Event {
    match error {
        DiskError::NoSpace => Event::DiskFull,
        DiskError::Changed => {
            Event::DiskFailed { message: "a file was changed by another program".into() }
        }
        DiskError::Failed(message) => Event::DiskFailed { message: message.clone() },
    }
}

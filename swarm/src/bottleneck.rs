//! Why a download is not faster: the first thing that holds it back, from measured facts.

use crate::{Bottleneck, Swarm, Time, session::Session, swarm::Mode};

/// Peers that must be there before some of them can be called few.
const CROWD_MIN: usize = 3;

impl Swarm {
    /// From the outside in: who is there, what they offer, whether they serve us; then what of ours
    /// holds the requests back; then where what is left is to be had.
    pub(crate) fn bottleneck(&self, now: Time) -> Bottleneck {
        if !self.is_fetching() {
            return Bottleneck::None;
        }
        let offering = || self.sessions.values().filter(|session| session.wanted > 0);
        if self.sessions.is_empty() {
            Bottleneck::NoPeers
        } else if offering().next().is_none() {
            Bottleneck::NothingOffered
        } else if offering().all(|session| session.chokes_us) {
            Bottleneck::Choked
        } else if !self.disk.is_well() {
            Bottleneck::Disk
        } else if self.is_storing_slowly() {
            if self.disk.hashes_more_than_it_writes(now) {
                Bottleneck::Hashing
            } else {
                Bottleneck::Disk
            }
        } else if self.is_limited(now) {
            Bottleneck::Limit
        } else if self.few_have_the_rest() {
            Bottleneck::RarePieces
        } else {
            Bottleneck::Network
        }
    }

    /// Whether pieces are to be fetched, and may be.
    pub(crate) fn is_fetching(&self) -> bool {
        self.mode == Mode::Running && !self.ledger.is_complete()
    }

    /// Whether about as much waits to be hashed and written as may, or most of the memory is in use for that:
    /// then it is what keeps us from asking for more.
    fn is_storing_slowly(&self) -> bool {
        let (requested, storing) = (self.ledger.requested(), self.ledger.storing());
        let full = requested + storing > self.config.buffer_bytes / 4 * 3;
        storing > requested && (full || storing >= self.config.storing_bytes / 2)
    }

    /// Whether the download runs at nine tenths of the user's limit or more.
    fn is_limited(&self, now: Time) -> bool {
        let limit = self.fetch.bucket.limit();
        limit.is_some_and(|limit| self.fetch.rate.per_second(now) >= limit / 10 * 9)
    }

    /// Whether more than half of the peers have nothing that we lack, and nothing more can be got
    /// out of the others: they are busy with us, choke us, or did not deliver in time.
    fn few_have_the_rest(&self) -> bool {
        let known = self.sessions.values().filter(|session| session.have.is_some());
        let (with, without): (Vec<&Session>, Vec<_>) = known.partition(|peer| peer.wanted > 0);
        let used_up = |peer: &&Session| {
            peer.chokes_us || !peer.asked.is_empty() || peer.asked.pace.is_snubbed()
        };
        with.len() + without.len() >= CROWD_MIN
            && without.len() > with.len()
            && with.iter().all(used_up)
    }
}

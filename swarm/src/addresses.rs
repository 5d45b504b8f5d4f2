//! Whom we could dial: every address that we were told of, and what became of it.
//!
//! An address is a claim until somebody with the right key has answered there. Claims cost the
//! swarm a dial each, so they are bounded in number, tried less and less often, and passed on (PEX)
//! only while that node is connected to us.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use rand::{Rng, RngExt};
use swarm_proto::{id::PeerId, message::PeerAddr};

use crate::{Target, Time};

/// The most addresses kept: many times what one swarm connects to, about 200 bytes each.
const ADDRESSES_MAX: usize = 2000;
/// The most bans kept; the oldest is forgotten first. A banned node that comes back is caught again
/// at its next bad block.
const BANS_MAX: usize = 4096;
/// First wait after a failed dial; doubled each time, with jitter.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two dials.
const RETRY_MAX: Duration = Duration::from_secs(300);
/// After so many failures an address that was never proven makes room for a new one.
const FAILURES_TO_EVICT: u32 = 3;
/// Wait before we ask again whether a peer has room: it may be the only one who has what we lack.
const RETRY_FULL: Duration = Duration::from_secs(20);
/// Wait before we bother a peer again with whom there was nothing to exchange.
const RETRY_USELESS: Duration = Duration::from_secs(300);
/// Wait before we talk again to a peer that broke the protocol.
const RETRY_FAULT: Duration = Duration::from_secs(600);

/// Who told us of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Another peer.
    Pex,
    /// A tracker.
    Tracker,
    /// The user, or the link: kept whatever happens.
    User,
}

/// What we hold against a peer that left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grudge {
    /// Nothing: dial again soon.
    None,
    /// It has no room for us.
    Full,
    /// There was nothing to exchange.
    Useless,
    /// It broke the protocol.
    Fault,
}

/// All addresses of one swarm.
#[derive(Debug)]
pub(crate) struct AddressBook {
    me: PeerId,
    entries: BTreeMap<SocketAddr, Entry>,
    /// When each waiting entry may be dialled.
    queue: BTreeSet<(Time, SocketAddr)>,
    connected: BTreeSet<PeerId>,
    banned: BTreeSet<PeerId>,
    /// Bans in the order they were made.
    bans: VecDeque<PeerId>,
}

#[derive(Debug)]
struct Entry {
    id: Option<PeerId>,
    /// Who answers there by another claim: tried when the first turns out to be wrong.
    rival: Option<PeerId>,
    source: Source,
    state: State,
    failures: u32,
    /// We dialled it and the right key answered.
    proven: bool,
    /// The user said who answers there, and it was somebody else.
    disproven: bool,
    /// It waits because there was nothing to exchange.
    useless: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting(Time),
    Dialing,
    Connected,
}

impl AddressBook {
    /// An empty book of the node `me`, which it will never offer to dial.
    pub(crate) const fn new(me: PeerId) -> Self {
        Self {
            me,
            entries: BTreeMap::new(),
            queue: BTreeSet::new(),
            connected: BTreeSet::new(),
            banned: BTreeSet::new(),
            bans: VecDeque::new(),
        }
    }

    /// Somebody says that a node accepts peers there.
    pub(crate) fn learn(&mut self, now: Time, target: Target, source: Source) {
        let refused = |id| id == self.me || self.banned.contains(&id);
        if target.addr.port() == 0 || target.id.is_some_and(refused) {
            return;
        }
        if let Some(entry) = self.entries.get_mut(&target.addr) {
            // A proven key outlives claims; between claims the better source wins, then the newer.
            if !entry.proven && source >= entry.source {
                entry.id = target.id.or(entry.id);
                entry.source = source;
            } else if target.id != entry.id {
                entry.rival = target.id.or(entry.rival);
            }
            return;
        }
        if self.entries.len() >= ADDRESSES_MAX && !self.evict() && source != Source::User {
            return;
        }
        let state = State::Waiting(now);
        let entry = Entry {
            id: target.id,
            rival: None,
            source,
            state,
            failures: 0,
            proven: false,
            disproven: false,
            useless: false,
        };
        self.entries.insert(target.addr, entry);
        self.queue.insert((now, target.addr));
    }

    /// We want something that we did not want before: peers with whom there was nothing to exchange
    /// may be dialled.
    pub(crate) fn useful_again(&mut self, now: Time) {
        for (&addr, entry) in &mut self.entries {
            if let State::Waiting(due) = entry.state
                && std::mem::take(&mut entry.useless)
            {
                self.queue.remove(&(due, addr));
                self.queue.insert((now, addr));
                entry.state = State::Waiting(now);
            }
        }
    }

    /// Addresses known, connected or not.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whom to dial now, if anybody. It counts as being dialled from here on.
    pub(crate) fn next(&mut self, now: Time) -> Option<Target> {
        while let Some(&(due, addr)) = self.queue.first().filter(|(due, _)| *due <= now) {
            self.queue.remove(&(due, addr));
            let Some(entry) = self.entries.get_mut(&addr) else { continue };
            if entry.id.is_some_and(|id| self.connected.contains(&id)) {
                // We have this node by another address: ask again when that may have changed.
                self.wait(addr, now + RETRY_MAX);
                continue;
            }
            entry.state = State::Dialing;
            return Some(Target { id: entry.id, addr });
        }
        None
    }

    /// A dial came to nothing. Returns whether the user should hear of it: where they say that a
    /// peer is, somebody else was found, for the first time. What strangers claim is no news.
    pub(crate) fn failed(
        &mut self,
        now: Time,
        target: Target,
        wrong_key: bool,
        rng: &mut impl Rng,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&target.addr) else { return false };
        if entry.state != State::Dialing {
            return false;
        }
        entry.failures = entry.failures.saturating_add(1);
        if wrong_key && entry.source != Source::User {
            self.entries.remove(&target.addr);
            return false;
        }
        let news = wrong_key && !std::mem::replace(&mut entry.disproven, wrong_key);
        if wrong_key && entry.rival.is_some() {
            // An old link may name a key that the node no longer has. Neither is forgotten.
            std::mem::swap(&mut entry.id, &mut entry.rival);
        }
        let doubled = RETRY_FIRST * 2_u32.pow((entry.failures - 1).min(10));
        let wait = doubled.min(RETRY_MAX).mul_f64(rng.random_range(0.5..1.0));
        self.wait(target.addr, now + wait);
        news
    }

    /// A connection is up. `addr` is where the peer accepts connections, as far as we know: what we
    /// dialled, or what it says of itself.
    pub(crate) fn connected(&mut self, now: Time, peer: PeerId, addr: SocketAddr, dialed: bool) {
        self.connected.insert(peer);
        if !dialed {
            // What a peer says of its own port is worth as much as what others say of it.
            self.learn(now, Target { id: Some(peer), addr }, Source::Pex);
        }
        let Some(entry) = self.entries.get_mut(&addr) else { return };
        if !dialed && (entry.id != Some(peer) || entry.state == State::Dialing) {
            return;
        }
        if let State::Waiting(due) = entry.state {
            self.queue.remove(&(due, addr));
        }
        entry.id = Some(peer);
        entry.state = State::Connected;
        entry.failures = 0;
        entry.proven |= dialed;
    }

    /// The last connection with a peer is gone.
    pub(crate) fn closed(&mut self, now: Time, peer: PeerId, grudge: Grudge, rng: &mut impl Rng) {
        self.connected.remove(&peer);
        let wait = match grudge {
            Grudge::None => RETRY_FIRST,
            Grudge::Full => RETRY_FULL,
            Grudge::Useless => RETRY_USELESS,
            Grudge::Fault => RETRY_FAULT,
        };
        let due = now + wait.mul_f64(rng.random_range(0.5..1.0));
        for addr in self.of(peer, State::Connected) {
            self.wait(addr, due);
            if let Some(entry) = self.entries.get_mut(&addr) {
                entry.useless = grudge == Grudge::Useless;
            }
        }
    }

    /// Never again.
    pub(crate) fn ban(&mut self, peer: PeerId) {
        if self.banned.insert(peer) {
            self.bans.push_back(peer);
        }
        if self.bans.len() > BANS_MAX
            && let Some(oldest) = self.bans.pop_front()
        {
            self.banned.remove(&oldest);
        }
        let queue = &mut self.queue;
        self.entries.retain(|&addr, entry| {
            entry.rival = entry.rival.filter(|rival| *rival != peer);
            if entry.id != Some(peer) {
                return true;
            }
            if let State::Waiting(due) = entry.state {
                queue.remove(&(due, addr));
            }
            false
        });
    }

    /// The address turned out to be our own.
    pub(crate) fn forget(&mut self, addr: SocketAddr) {
        if let Some(Entry { state: State::Waiting(due), .. }) = self.entries.remove(&addr) {
            self.queue.remove(&(due, addr));
        }
    }

    /// Whether nobody of this name is to be talked to.
    pub(crate) fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.contains(peer)
    }

    /// When the next dial is possible.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.queue.first().map(|&(due, _)| due)
    }

    /// Connected nodes that another may dial: each proved its key at this address, or from this host
    /// while it said that it listens on this port. Without the latter a swarm that knows a single
    /// node, which dials nobody, would never learn of itself.
    pub(crate) fn shareable(&self, except: &PeerId, max: usize) -> Vec<PeerAddr> {
        let proven = self.entries.iter().filter(|(_, e)| e.state == State::Connected);
        let peers = proven.filter_map(|(&addr, e)| e.id.map(|id| PeerAddr { id, addr }));
        peers.filter(|peer| peer.id != *except).take(max).collect()
    }

    fn of(&self, peer: PeerId, state: State) -> Vec<SocketAddr> {
        let mine = |e: &Entry| e.id == Some(peer) && e.state == state;
        self.entries.iter().filter(|(_, e)| mine(e)).map(|(&addr, _)| addr).collect()
    }

    fn wait(&mut self, addr: SocketAddr, due: Time) {
        if let Some(entry) = self.entries.get_mut(&addr) {
            entry.state = State::Waiting(due);
            self.queue.insert((due, addr));
        }
    }

    /// Drops one address that has failed often and was never any good. It looks at all of them, but
    /// only when the book is full.
    fn evict(&mut self) -> bool {
        let bad = |e: &Entry| {
            !e.proven
                && e.source != Source::User
                && e.failures >= FAILURES_TO_EVICT
                && matches!(e.state, State::Waiting(_))
        };
        let worst = self.entries.iter().filter(|(_, e)| bad(e)).max_by_key(|(_, e)| e.failures);
        let Some((&addr, _)) = worst else { return false };
        self.forget(addr);
        true
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const ME: PeerId = PeerId::new([0; 32]);

    const fn at(s: u64) -> Time {
        Time::from_nanos(s * 1_000_000_000)
    }

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    fn id(i: u8) -> PeerId {
        PeerId::new([i; 32])
    }

    fn addr(i: u16) -> SocketAddr {
        ([10, 0, (i >> 8) as u8, i as u8], 7000).into()
    }

    fn target(i: u8) -> Target {
        Target { id: Some(id(i)), addr: addr(i.into()) }
    }

    #[test]
    fn an_address_is_dialled_once_at_a_time_and_then_less_and_less() {
        let mut book = AddressBook::new(ME);
        book.learn(at(0), target(1), Source::Tracker);
        let (mut now, mut waits) = (at(0), Vec::new());
        for _ in 0..12 {
            assert_eq!(book.next(now), Some(target(1)));
            assert_eq!(book.next(now), None);
            book.failed(now, target(1), false, &mut rng());
            let due = book.deadline().unwrap();
            waits.push(due - now);
            now = due;
        }
        assert!(waits[0] <= RETRY_FIRST && waits[11] >= RETRY_MAX / 2, "{waits:?}");
    }

    #[test]
    fn a_connected_node_is_not_dialled_by_another_address() {
        let mut book = AddressBook::new(ME);
        book.learn(at(0), target(1), Source::Tracker);
        book.learn(at(0), Target { id: Some(id(1)), addr: addr(99) }, Source::Pex);
        let first = book.next(at(0)).unwrap();
        book.connected(at(0), id(1), first.addr, true);
        assert_eq!(book.next(at(1)), None);
        book.closed(at(1), id(1), Grudge::None, &mut rng());
        assert_eq!(book.next(at(2)), Some(first));
    }

    #[test]
    fn connected_nodes_are_passed_on_and_claims_are_not() {
        let mut book = AddressBook::new(ME);
        book.learn(at(0), target(1), Source::Tracker);
        book.next(at(0));
        book.connected(at(0), id(1), addr(1), true);
        book.connected(at(0), id(2), addr(2), false);
        book.learn(at(0), target(3), Source::Tracker);
        let peer = |n: u8| PeerAddr { id: id(n), addr: addr(n.into()) };
        assert_eq!(book.shareable(&id(2), 10), [peer(1)]);
        assert_eq!(book.shareable(&id(1), 10), [peer(2)]);
        assert_eq!(book.shareable(&id(9), 10), [peer(1), peer(2)]);
        book.closed(at(1), id(2), Grudge::None, &mut rng());
        assert_eq!(book.shareable(&id(9), 10), [peer(1)]);
    }

    #[test]
    fn a_claim_does_not_replace_a_proven_key() {
        let mut book = AddressBook::new(ME);
        book.learn(at(0), target(1), Source::Pex);
        book.next(at(0));
        book.connected(at(0), id(1), addr(1), true);
        book.learn(at(1), Target { id: Some(id(66)), addr: addr(1) }, Source::Tracker);
        // And nobody who dials us can take over the address of another.
        book.connected(at(1), id(66), addr(1), false);
        assert_eq!(book.shareable(&ME, 10), [PeerAddr { id: id(1), addr: addr(1) }]);
    }

    #[test]
    fn the_banned_and_ourselves_are_never_dialled() {
        let mut book = AddressBook::new(ME);
        book.learn(at(0), target(1), Source::User);
        book.ban(id(1));
        book.learn(at(0), target(1), Source::Tracker);
        book.learn(at(0), target(0), Source::Tracker);
        assert_eq!((book.next(at(9)), book.entries.len()), (None, 0));
        assert!(book.is_banned(&id(1)));
    }

    #[test]
    fn a_wrong_key_ends_a_claim_but_not_a_users_wish() {
        let mut book = AddressBook::new(ME);
        book.learn(at(0), target(1), Source::Tracker);
        book.learn(at(0), target(2), Source::User);
        let mut news = Vec::new();
        while let Some(dialed) = book.next(at(0)) {
            if book.failed(at(0), dialed, true, &mut rng()) {
                news.push(dialed);
            }
        }
        assert_eq!(news, [target(2)], "what a tracker claims is no news");
        assert_eq!(book.next(at(1000)), Some(target(2)));
        assert!(!book.failed(at(1000), target(2), true, &mut rng()), "once is enough");
        assert_eq!(book.next(at(1000)), None);
    }

    #[test]
    fn a_link_with_an_old_key_does_not_hide_the_new_one() {
        let mut book = AddressBook::new(ME);
        let said = |by| Target { id: Some(id(by)), addr: addr(1) };
        book.learn(at(0), said(1), Source::User);
        book.learn(at(0), said(2), Source::Tracker);
        let mut dialed = Vec::new();
        for round in 0..4 {
            let target = book.next(at(round * 100)).unwrap();
            book.failed(at(round * 100), target, true, &mut rng());
            dialed.push(target);
        }
        assert_eq!(dialed, [said(1), said(2), said(1), said(2)]);
        book.ban(id(2));
        assert_eq!(book.next(at(1000)), Some(said(1)));
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_old_failures_make_room() {
        let mut book = AddressBook::new(ME);
        let claim = |i| Target { id: None, addr: addr(i) };
        for i in 0..5000 {
            book.learn(at(0), claim(i), Source::Pex);
        }
        assert_eq!(book.entries.len(), ADDRESSES_MAX);
        let (mut now, mut rng) = (at(0), rng());
        for _ in 0..FAILURES_TO_EVICT {
            while let Some(dialed) = book.next(now) {
                book.failed(now, dialed, false, &mut rng);
            }
            now += RETRY_MAX;
        }
        book.learn(now, claim(6000), Source::Tracker);
        assert_eq!(book.entries.len(), ADDRESSES_MAX);
        assert!(std::iter::from_fn(|| book.next(now)).any(|t| t == claim(6000)));
    }
}

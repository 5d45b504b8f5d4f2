//! Who may download from us: upload slots, tit-for-tat, and the optimistic slot.
//!
//! While we lack pieces, those who give us most are served (Cohen, "Incentives Build Robustness in
//! `BitTorrent`", 2003). Once we have everything there is nothing to reward: slots go round by
//! quota, so that everyone gets whole pieces and nobody starves. One slot is always optimistic: it
//! goes to somebody by chance, newcomers first, who could otherwise never show what they can give.

use std::{collections::BTreeMap, time::Duration};

use rand::{Rng, RngExt};

use crate::{ConnId, Time};

/// Between two regular rounds. BEP 3's value: long enough for TCP to show what it can.
const ROUND: Duration = Duration::from_secs(10);
/// Between two rounds that somebody's coming or going brings forward: a free slot is filled at once,
/// but a crowd that arrives together is dealt with together.
const ROUND_MIN: Duration = Duration::from_millis(100);
/// How long the optimistic slot stays with one peer: three rounds, as in BEP 3.
const OPTIMISTIC: Duration = Duration::from_secs(30);
/// A peer connected for less than this is a newcomer.
const NEWCOMER: Duration = Duration::from_secs(60);
/// How much likelier a newcomer gets the optimistic slot, as in BEP 3.
const NEWCOMER_WEIGHT: u32 = 3;
/// What a seed sends to one peer before another has its turn. A few of the longest pieces.
const QUOTA: u64 = 64 << 20;

/// One peer as the policy sees it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) conn: ConnId,
    /// It wants something that we have.
    pub(crate) interested: bool,
    /// It is being served now.
    pub(crate) unchoked: bool,
    /// Bytes a second from it.
    pub(crate) down_rate: u64,
    /// Bytes a second to it.
    pub(crate) up_rate: u64,
    /// Bytes sent to it since it was last unchoked.
    pub(crate) sent_since_unchoke: u64,
    /// When it connected.
    pub(crate) connected: Time,
}

/// Who is served until the next round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// All who may request from now on, the optimistic one among them. Everyone else is choked.
    pub(crate) unchoke: Vec<ConnId>,
    /// Who holds the optimistic slot.
    pub(crate) optimistic: Option<ConnId>,
}

/// The state of the policy between two rounds.
#[derive(Debug)]
pub(crate) struct Choker {
    last: Option<Time>,
    due: Time,
    optimistic: Option<ConnId>,
    rotate: Time,
    /// Since when somebody waits for a slot; only peers of the last round.
    waiting: BTreeMap<ConnId, Time>,
}

impl Choker {
    /// The first round is due at once.
    pub(crate) const fn new(now: Time) -> Self {
        Self { last: None, due: now, optimistic: None, rotate: now, waiting: BTreeMap::new() }
    }

    /// When the next round is.
    pub(crate) const fn due(&self) -> Time {
        self.due
    }

    /// Somebody became interested, or a slot became free: don't wait for the regular round.
    pub(crate) fn expedite(&mut self, now: Time) {
        let soonest = self.last.map_or(now, |last| now.max(last + ROUND_MIN));
        self.due = self.due.min(soonest);
    }

    /// Decides who is served until the next round.
    pub(crate) fn rechoke(
        &mut self,
        now: Time,
        slots: u32,
        seeding: bool,
        candidates: &[Candidate],
        rng: &mut impl Rng,
    ) -> Decision {
        self.last = Some(now);
        self.due = now + ROUND;

        // The random number breaks ties; it is drawn once for each, so that sorting is consistent.
        let mut ranked: Vec<(&Candidate, u32)> =
            candidates.iter().filter(|c| c.interested).map(|c| (c, rng.next_u32())).collect();
        self.note_waiting(now, &ranked);
        if seeding {
            ranked.sort_by_key(|&(c, tie)| self.seed_rank(c, tie));
        } else {
            ranked.sort_by_key(|&(c, tie)| Self::leech_rank(c, tie));
        }

        let slots = slots as usize;
        // With a single slot, chance has it: a swarm of strangers must start somehow.
        let regular = ranked.len().min(slots.saturating_sub(1));
        let (served, rest) = ranked.split_at(regular);
        let optimistic = if slots == 0 { None } else { self.optimist(now, rest, rng) };

        let mut unchoke: Vec<ConnId> = served.iter().map(|(c, _)| c.conn).collect();
        unchoke.extend(optimistic);
        for conn in &unchoke {
            self.waiting.remove(conn);
        }
        Decision { unchoke, optimistic }
    }

    /// Most generous first. Those who are served already count a little more, so that two peers
    /// of nearly equal rates don't take turns.
    fn leech_rank(c: &Candidate, tie: u32) -> impl Ord + use<> {
        let rate =
            if c.unchoked { c.down_rate.saturating_add(c.down_rate / 8) } else { c.down_rate };
        (std::cmp::Reverse(rate), !c.unchoked, tie)
    }

    /// Those who are served go on until their quota is used up, the fastest first; then whoever has
    /// waited longest; last those who had their turn just now.
    fn seed_rank(&self, c: &Candidate, tie: u32) -> impl Ord + use<> {
        let waiting_since = self.waiting.get(&c.conn).copied().unwrap_or_default();
        if !c.unchoked {
            (1, u64::MAX, waiting_since, tie)
        } else if c.sent_since_unchoke < QUOTA {
            (0, u64::MAX - c.up_rate, waiting_since, tie)
        } else {
            (2, c.sent_since_unchoke, waiting_since, tie)
        }
    }

    /// The optimistic slot among those who have no regular one.
    fn optimist(
        &mut self,
        now: Time,
        rest: &[(&Candidate, u32)],
        rng: &mut impl Rng,
    ) -> Option<ConnId> {
        let held = self.optimistic.filter(|held| rest.iter().any(|(c, _)| c.conn == *held));
        if held.is_some() && now < self.rotate {
            return held;
        }
        // Whoever has held it steps back, unless nobody else wants it.
        let others =
            || rest.iter().map(|(c, _)| c).filter(|c| rest.len() == 1 || Some(c.conn) != held);
        let weight = |c: &Candidate| {
            if now.since(c.connected) < NEWCOMER { NEWCOMER_WEIGHT } else { 1 }
        };
        let total: u32 = others().map(|c| weight(c)).sum();
        let mut ticket = if total == 0 { 0 } else { rng.random_range(0..total) };
        self.optimistic = others()
            .find(|c| match ticket.checked_sub(weight(c)) {
                Some(left) => {
                    ticket = left;
                    false
                }
                None => true,
            })
            .map(|c| c.conn);
        self.rotate = now + OPTIMISTIC;
        self.optimistic
    }

    fn note_waiting(&mut self, now: Time, ranked: &[(&Candidate, u32)]) {
        let mut waiting = BTreeMap::new();
        for (c, _) in ranked.iter().filter(|(c, _)| !c.unchoked) {
            waiting.insert(c.conn, self.waiting.get(&c.conn).copied().unwrap_or(now));
        }
        self.waiting = waiting;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const fn at(s: u64) -> Time {
        Time::from_nanos(s * 1_000_000_000)
    }

    fn peer(conn: u64, down_rate: u64) -> Candidate {
        Candidate {
            conn: ConnId(conn),
            interested: true,
            unchoked: false,
            down_rate,
            up_rate: 0,
            sent_since_unchoke: 0,
            connected: at(0),
        }
    }

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    fn served(decision: &Decision) -> Vec<u64> {
        let mut conns: Vec<u64> = decision.unchoke.iter().map(|c| c.0).collect();
        conns.sort_unstable();
        conns
    }

    #[test]
    fn everyone_is_served_while_there_are_slots() {
        let peers: Vec<_> = (0..4).map(|i| peer(i, 0)).collect();
        let decision = Choker::new(at(0)).rechoke(at(0), 8, false, &peers, &mut rng());
        assert_eq!(served(&decision), [0, 1, 2, 3]);
    }

    #[test]
    fn the_most_generous_are_served_and_one_by_chance() {
        let peers: Vec<_> = (0..20).map(|i| peer(i, i * 1000)).collect();
        let decision = Choker::new(at(0)).rechoke(at(0), 4, false, &peers, &mut rng());
        let lucky = decision.optimistic.unwrap();
        assert!(lucky.0 < 17, "{lucky:?} has a regular slot");
        assert_eq!(decision.unchoke.len(), 4);
        assert_eq!(served(&decision)[1..], [17, 18, 19]);
    }

    #[test]
    fn the_uninterested_hold_no_slot() {
        let mut peers: Vec<_> = (0..3).map(|i| peer(i, 1000)).collect();
        peers[1].interested = false;
        let decision = Choker::new(at(0)).rechoke(at(0), 2, false, &peers, &mut rng());
        assert_eq!(served(&decision), [0, 2]);
    }

    #[test]
    fn the_optimistic_slot_reaches_everyone_and_newcomers_sooner() {
        let mut peers: Vec<_> = (0..10).map(|i| peer(i, 0)).collect();
        peers[0].down_rate = 1 << 30;
        for old in &mut peers[1..9] {
            old.connected = at(0);
        }
        let (mut choker, mut rng) = (Choker::new(at(0)), rng());
        let mut turns = [0; 10];
        for round in 0..900 {
            let now = at(1000 + round * 10);
            peers[9].connected = now;
            let decision = choker.rechoke(now, 2, false, &peers, &mut rng);
            turns[decision.optimistic.unwrap().0 as usize] += 1;
        }
        assert_eq!(turns[0], 0);
        assert!(turns[1..9].iter().all(|&t| t > 30), "{turns:?}");
        assert!(turns[9] > 2 * turns[1..9].iter().sum::<u64>() / 8, "{turns:?}");
    }

    #[test]
    fn a_seed_goes_round_by_quota() {
        let mut peers: Vec<_> = (0..6).map(|i| peer(i, 0)).collect();
        let (mut choker, mut rng) = (Choker::new(at(0)), rng());
        let mut total = [0_u64; 6];
        for round in 0..60 {
            let decision = choker.rechoke(at(round * 10), 3, true, &peers, &mut rng);
            for p in &mut peers {
                let serve = decision.unchoke.contains(&p.conn);
                p.sent_since_unchoke = match (serve, p.unchoked) {
                    (true, true) => p.sent_since_unchoke + QUOTA / 2,
                    (true, false) => QUOTA / 2,
                    (false, _) => 0,
                };
                total[p.conn.0 as usize] += if serve { QUOTA / 2 } else { 0 };
                p.unchoked = serve;
            }
        }
        let (least, most) = (total.iter().min().unwrap(), total.iter().max().unwrap());
        assert!(most * 2 <= least * 3, "{total:?}");
    }

    #[test]
    fn an_arrival_brings_the_round_forward_but_not_at_will() {
        let mut choker = Choker::new(at(0));
        choker.rechoke(at(0), 4, false, &[], &mut rng());
        assert_eq!(choker.due(), at(10));
        choker.expedite(at(0));
        assert_eq!(choker.due(), at(0) + ROUND_MIN);
        choker.expedite(at(5));
        assert_eq!(choker.due(), at(0) + ROUND_MIN);
    }

    #[test]
    fn no_slots_serve_nobody() {
        let decision = Choker::new(at(0)).rechoke(at(0), 0, true, &[peer(1, 1)], &mut rng());
        assert_eq!(decision, Decision { unchoke: vec![], optimistic: None });
    }
}

//! One announce: the report taken in, peers chosen for the sender, counts answered.

use std::{net::SocketAddr, time::Duration};

use rand::Rng;
use swarm_proto::{
    announce::{
        Announce, AnnounceEvent, Announced, DELTA_MAX, HaveReport, RAREST_MAX, Refusal,
        SwarmCounts, TrackerReply, WANT_MAX,
    },
    id::{PeerId, SwarmId},
};

use super::{
    FULL_RETRY_S, NoRoom, Registry,
    address::{self, Contact},
    forget_membership,
    interval::{self, Situation},
    millis, refuse,
    row::Row,
    select::{self, Seeker},
    swarm::{Reported, Slot},
};

/// A piece with no more holders than this is lost if a few nodes leave.
const RARE_HOLDERS: u64 = 2;

impl Registry {
    /// Answers an announce of a peer seen at `from`.
    pub(super) fn announce(
        &mut self,
        now: Duration,
        id: PeerId,
        from: SocketAddr,
        announce: &Announce,
    ) -> TrackerReply {
        let now_ms = millis(now);
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if !is_well_formed(announce) {
            return refuse(Refusal::Invalid, 0);
        }
        let pressure = self.gauges.meter.count(now_ms, self.config.announces_per_s);
        if announce.event == AnnounceEvent::Stopped {
            return TrackerReply::Announced(self.stop(now_ms, id, from, announce.swarm));
        }
        let at = match self.index.get(&announce.swarm) {
            Some(&at) => at as usize,
            None => match self.add_swarm(now_ms, announce.swarm) {
                Some(at) => at,
                None => return refuse(Refusal::Full, FULL_RETRY_S),
            },
        };
        let slot = match self.swarms[at].slot(&id) {
            Some(slot) => slot,
            None => match self.add_peer(now_ms, at, id) {
                Ok(slot) => slot,
                Err(NoRoom::Peers) => return self.answer_stranger(now_ms, at, from, announce),
                Err(NoRoom::Memberships) => return refuse(Refusal::Full, FULL_RETRY_S),
            },
        };
        self.answer_member(now_ms, at, slot, from, announce, pressure)
    }

    /// The announce of a peer that is in the swarm.
    fn answer_member(
        &mut self,
        now_ms: u64,
        at: usize,
        slot: Slot,
        from: SocketAddr,
        announce: &Announce,
        pressure: u32,
    ) -> TrackerReply {
        let Self { config, gauges, rng, swarms, .. } = self;
        let swarm = &mut swarms[at];
        let peer = swarm.peer_mut(slot);
        let (period_ms, burst) = (config.announce_period_ms.into(), config.announce_burst.into());
        if let Err(wait_ms) = peer.allowance.take(now_ms, period_ms, burst) {
            return refuse(Refusal::TooOften, wait_ms.div_ceil(1000) as u32);
        }
        let was_seed = peer.is_seed();
        let before = swarm.row_bytes() as u64;
        let room = config.row_bytes_max.saturating_sub(gauges.row_bytes.get());
        let (slot, reported) = swarm.report(slot, &announce.have, room);
        swarm.refresh_rarest(now_ms, rng);
        gauges.row_bytes.replace(before, swarm.row_bytes() as u64);
        if reported == Reported::Invalid {
            // A peer keeps the row and the time that it had; a newcomer had none and expires.
            return refuse(Refusal::Invalid, 0);
        }
        let peer = swarm.peer_mut(slot);
        peer.set_contact(Contact::new(from, announce.advertise, announce.port));
        peer.load = announce.load.min(100);
        peer.handed /= 2;
        let (seed, joined_ms) = (peer.is_seed(), peer.joined_ms);
        if announce.event == AnnounceEvent::Completed && seed && !was_seed && !peer.completed {
            peer.completed = true;
            swarm.completed = swarm.completed.saturating_add(1);
        }

        let want = usize::from(announce.want);
        let row = swarm.peer(slot).row.as_ref();
        let seeker = Seeker { slot: Some(slot), row, reach: address::reach(from), want };
        let chosen = select::select(swarm, seeker, now_ms, rng);
        let rarest = row.map_or_else(Vec::new, |row| {
            swarm.rarest.lacking(row, swarm.seeds.len() as u32, RAREST_MAX, rng)
        });
        let leechers = swarm.leechers.len() - usize::from(!seed);
        let interval_ms = Situation {
            age_ms: now_ms.saturating_sub(joined_ms),
            seed,
            leechers,
            lonely: chosen.len() < want.min(interval::FEW),
            rare: swarm.is_rare(RARE_HOLDERS),
            pressure,
        }
        .interval_ms(config, rng.next_u32());
        let reply = Announced {
            interval_ms,
            min_interval_ms: config.announce_period_ms,
            peers: select::addresses(swarm, &chosen),
            seeds: (swarm.seeds.len() - usize::from(seed)) as u32,
            leechers: leechers as u32,
            completed: swarm.completed,
            rarest,
            need_full: reported == Reported::NeedFull,
            need_manifest: swarm.ask_for_manifest(slot, now_ms),
            observed: from,
        };
        for chosen in chosen {
            let peer = swarm.peer_mut(chosen);
            peer.handed = peer.handed.saturating_add(1);
        }
        swarm.peer_mut(slot).until_ms = now_ms + interval::lifetime_ms(interval_ms);
        TrackerReply::Announced(reply)
    }

    /// The announce of a peer that there is no room for: it is told of others, and not remembered.
    fn answer_stranger(
        &mut self,
        now_ms: u64,
        at: usize,
        from: SocketAddr,
        announce: &Announce,
    ) -> TrackerReply {
        let swarm = &self.swarms[at];
        let row = match announce.have {
            HaveReport::All => Some(Row::Seed),
            HaveReport::None => Some(Row::Empty),
            HaveReport::Full(_) | HaveReport::Delta { .. } => None,
        };
        let seeker = Seeker {
            slot: None,
            row: row.as_ref(),
            reach: address::reach(from),
            want: usize::from(announce.want),
        };
        let chosen = select::select(swarm, seeker, now_ms, &mut self.rng);
        TrackerReply::Announced(Announced {
            interval_ms: self.config.interval_max_ms,
            min_interval_ms: self.config.announce_period_ms,
            peers: select::addresses(swarm, &chosen),
            observed: from,
            ..without_peers(self.counts(&announce.swarm), from)
        })
    }

    fn stop(&mut self, now_ms: u64, id: PeerId, from: SocketAddr, swarm: SwarmId) -> Announced {
        if let Some(&at) = self.index.get(&swarm) {
            let swarm = &mut self.swarms[at as usize];
            if let Some(slot) = swarm.slot(&id) {
                let before = swarm.row_bytes();
                swarm.leave(slot, now_ms);
                self.gauges.row_bytes.replace(before as u64, swarm.row_bytes() as u64);
                self.gauges.peers.give_back(1);
                forget_membership(&mut self.memberships, &id);
                if swarm.is_empty() && swarm.manifest().is_none() {
                    self.remove_swarm(at as usize);
                }
            }
        }
        Announced {
            interval_ms: self.config.interval_max_ms,
            ..without_peers(self.counts(&swarm), from)
        }
    }
}

fn is_well_formed(announce: &Announce) -> bool {
    let short = match &announce.have {
        HaveReport::Delta { gained, lost, .. } => {
            gained.len() <= DELTA_MAX && lost.len() <= DELTA_MAX
        }
        HaveReport::None | HaveReport::All | HaveReport::Full(_) => true,
    };
    short && announce.want <= WANT_MAX
}

const fn without_peers(counts: SwarmCounts, from: SocketAddr) -> Announced {
    Announced {
        interval_ms: 0,
        min_interval_ms: 0,
        peers: Vec::new(),
        seeds: counts.seeds,
        leechers: counts.leechers,
        completed: counts.completed,
        rarest: Vec::new(),
        need_full: false,
        need_manifest: false,
        observed: from,
    }
}

//! What is kept of one node in one swarm.

use std::net::SocketAddr;

use swarm_proto::id::PeerId;

use super::{
    address::{Contact, Reach},
    row::Row,
};
use crate::allowance::Allowance;

/// A node in a swarm: two lines of cache, and what selection reads of a candidate is in the first.
/// Candidates are drawn at random, so each line of one is a wait for memory.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Peer {
    /// What it has; `None`: it said so when the number of pieces was unknown, or there was no room.
    pub(super) row: Option<Row>,
    /// When it is forgotten.
    pub(super) until_ms: u64,
    /// How far from it can be dialled; `None`: it cannot, and is not handed out.
    pub(super) reach: Option<Reach>,
    /// Upload slots in use, in percent.
    pub(super) load: u8,
    /// How often it was handed out, halved with each announce of its own.
    pub(super) handed: u16,
    /// Whether its address is of a host that it named itself.
    pub(super) claimed: bool,
    /// Whether its completion was counted.
    pub(super) completed: bool,
    pub(super) joined_ms: u64,
    pub(super) allowance: Allowance,
    /// `row_digest` of the row.
    pub(super) digest: u64,
    pub(super) id: PeerId,
    /// Where it can be dialled.
    pub(super) addr: Option<SocketAddr>,
}

impl Peer {
    /// One that has just come and has said nothing of itself.
    pub(super) fn new(id: PeerId, now_ms: u64) -> Self {
        Self {
            row: Some(Row::Empty),
            until_ms: now_ms,
            reach: None,
            load: 0,
            handed: 0,
            claimed: false,
            completed: false,
            joined_ms: now_ms,
            allowance: Allowance::default(),
            digest: 0,
            id,
            addr: None,
        }
    }

    /// Takes in where it can be dialled, if anywhere.
    pub(super) fn set_contact(&mut self, contact: Option<Contact>) {
        self.addr = contact.map(|contact| contact.addr);
        self.reach = contact.map(|contact| contact.reach);
        self.claimed = contact.is_some_and(|contact| contact.claimed);
    }

    /// Whether it has every piece.
    pub(super) const fn is_seed(&self) -> bool {
        matches!(self.row, Some(Row::Seed))
    }
}

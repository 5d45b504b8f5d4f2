//! Placeholder: the engine's shape, for those who build against it.

use std::sync::Arc;

use swarm_proto::{bitfield::Bitfield, id::PeerId, manifest::Manifest};

use crate::{Config, Input, Outbox, Snapshot, Time};

/// One swarm.
#[derive(Debug)]
pub struct Swarm {}

impl Swarm {
    /// A swarm of this manifest, of which the pieces in `have` are verified and on the disk.
    /// `seed` decides every random choice.
    #[must_use]
    pub fn new(
        _config: Config,
        _me: PeerId,
        _manifest: Arc<Manifest>,
        _have: Bitfield,
        _seed: [u8; 32],
        _now: Time,
    ) -> Self {
        todo!()
    }

    /// Takes one input; puts what is to be done into `out`.
    pub fn handle(&mut self, _now: Time, _input: Input, _out: &mut Outbox) {
        todo!()
    }

    /// When [`Input::Tick`] is wanted at the latest, if nothing else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        todo!()
    }

    /// The state as front ends see it.
    #[must_use]
    pub fn snapshot(&self, _now: Time) -> Snapshot {
        todo!()
    }
}

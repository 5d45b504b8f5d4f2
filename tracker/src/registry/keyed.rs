//! Hash tables that strangers cannot slow down.
//!
//! Their keys are chosen by whoever announces. With a hash that he knows he could make them collide;
//! so it is keyed by the registry's seed, which also makes a run repeatable.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

/// `SipHash` keyed by a secret that it absorbs first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keyed([u64; 2]);

impl Keyed {
    /// With this secret.
    pub(super) const fn new(secret: [u64; 2]) -> Self {
        Self(secret)
    }
}

impl BuildHasher for Keyed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0[0]);
        hasher.write_u64(self.0[1]);
        hasher
    }
}

//! What a tracker holds, counted as it changes.
//!
//! The registries of one tracker share these, since its limits are for all of them together. The
//! numbers are exact when nobody is at work; a registry that checks a limit while another one grows
//! may pass it by one entry.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::interval::Meter;

/// One number that grows and shrinks.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicU64);

impl Gauge {
    /// What it is now.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Adds `n` unless that passes `max`.
    pub(super) fn take(&self, n: u64, max: u64) -> bool {
        let fits = self.get().checked_add(n).is_some_and(|sum| sum <= max);
        if fits {
            self.0.fetch_add(n, Relaxed);
        }
        fits
    }

    /// Takes away `n` that were taken before.
    pub(super) fn give_back(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }

    /// Replaces a share of `before` by one of `after`, whatever the limit.
    pub(super) fn replace(&self, before: u64, after: u64) {
        self.0.fetch_add(after.wrapping_sub(before), Relaxed);
    }
}

/// The gauges of one tracker.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    /// Peers, counted once for each swarm that they are in.
    pub(super) peers: Gauge,
    pub(super) swarms: Gauge,
    pub(super) row_bytes: Gauge,
    pub(super) manifest_bytes: Gauge,
    pub(super) upload_bytes: Gauge,
    pub(super) uploads: Gauge,
    /// How busy the tracker is.
    pub(super) meter: Meter,
}

//! Memory for payloads, used again and again.
//!
//! A payload of hundreds of kilobytes is too large for the allocator to keep: each would come fresh
//! from the kernel, which clears it page by page as it is filled. That took a seventh of a
//! download's CPU time. What was used last is given out first, since it is the likeliest to be in the
//! processor's cache.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

/// Smaller ones are left to the allocator, which keeps their like.
const POOLED_MIN: usize = 64 << 10;
/// Longest one that is kept: a request's longest run of blocks.
const POOLED_MAX: usize = 1 << 20;
/// Room beside the blocks themselves, for what else their message says.
const SLACK: usize = 64;
/// One shelf for each power of two.
const SHELVES: usize = (POOLED_MAX / POOLED_MIN).ilog2() as usize + 1;
/// Bytes that may lie idle. A busy node has about this much under way, and what one message gives
/// back the next takes.
const IDLE_MAX: usize = 16 << 20;

/// A pool of buffers. Clones are the same pool.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Pool>>);

#[derive(Default)]
struct Pool {
    shelves: [Vec<Vec<u8>>; SHELVES],
    /// Bytes on all shelves.
    idle: usize,
}

impl Buffers {
    /// An empty buffer with room for `len` bytes.
    #[must_use]
    pub fn take(&self, len: usize) -> Buffer {
        let Some(shelf) = shelf_for(len) else {
            return Buffer { bytes: Vec::with_capacity(len), home: None };
        };
        let bytes = self.with(|pool| {
            let bytes = pool.shelves[shelf].pop();
            pool.idle -= bytes.as_ref().map_or(0, Vec::capacity);
            bytes
        });
        let bytes = bytes.unwrap_or_else(|| Vec::with_capacity(room_on(shelf)));
        Buffer { bytes, home: Some(self.clone()) }
    }

    fn give_back(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let capacity = bytes.capacity();
        // One that was made to grow has no shelf any more.
        let Some(shelf) = (0..SHELVES).find(|&shelf| room_on(shelf) == capacity) else { return };
        let surplus = self.with(|pool| {
            if pool.idle + capacity > IDLE_MAX {
                return Some(bytes);
            }
            pool.idle += capacity;
            pool.shelves[shelf].push(bytes);
            None
        });
        // Freed here, and not under the lock.
        drop(surplus);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Pool) -> T) -> T {
        // Nothing that is done under the lock can panic half-way.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The shelf whose buffers have room for `len` bytes, if there is one.
fn shelf_for(len: usize) -> Option<usize> {
    (len >= POOLED_MIN).then(|| (0..SHELVES).find(|&shelf| len <= room_on(shelf)))?
}

const fn room_on(shelf: usize) -> usize {
    (POOLED_MIN << shelf) + SLACK
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("idle", &self.with(|pool| pool.idle)).finish()
    }
}

/// A vector that goes back to its pool when it is dropped.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    home: Option<Buffers>,
}

impl Buffer {
    /// The bytes, to be shared. The buffer goes back when the last one lets go of them.
    #[must_use]
    pub fn freeze(mut self) -> Bytes {
        match self.home {
            Some(_) => Bytes::from_owner(self),
            None => std::mem::take(&mut self.bytes).into(),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn idle(buffers: &Buffers) -> usize {
        buffers.with(|pool| pool.idle)
    }

    #[test]
    fn what_was_given_back_last_is_given_out_first() {
        let buffers = Buffers::default();
        let (first, second) = (buffers.take(MIB), buffers.take(MIB));
        let address = second.as_ptr();
        drop(first);
        drop(second);
        let mut again = buffers.take(600 << 10);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        again.extend_from_slice(b"payload");
        let shared = again.freeze();
        let part = shared.slice(3..);
        drop(shared);
        assert_eq!((&part[..], idle(&buffers)), (&b"load"[..], MIB + SLACK));
        drop(part);
        assert_eq!(idle(&buffers), 2 * (MIB + SLACK));
    }

    #[test]
    fn a_message_of_the_longest_run_fits_a_pooled_buffer() {
        let buffers = Buffers::default();
        drop(buffers.take(MIB + SLACK));
        assert_eq!(idle(&buffers), MIB + SLACK);
    }

    #[test]
    fn the_small_and_the_outsized_are_not_kept() {
        let buffers = Buffers::default();
        drop(buffers.take(0));
        drop(buffers.take(POOLED_MIN - 1));
        drop(buffers.take(2 * MIB));
        let mut grown = buffers.take(POOLED_MIN);
        grown.resize(3 * MIB, 0);
        drop(grown);
        assert_eq!(idle(&buffers), 0);
    }

    #[test]
    fn little_lies_idle() {
        let buffers = Buffers::default();
        let many: Vec<_> = (0..100).map(|_| buffers.take(MIB)).collect();
        drop(many);
        assert!((IDLE_MAX - 2 * MIB..=IDLE_MAX).contains(&idle(&buffers)));
    }
}

//! Memory for payloads, used again and again.
//!
//! A payload of hundreds of kilobytes is too large for the allocator to keep: each would come fresh
//! from the kernel, which clears it page by page as it is filled. That took a seventh of a
//! download's CPU time. What was used last is given out first, since it is the likeliest to be in the
//! processor's cache.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
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
/// Bytes that may lie idle: what a busy node has under way, which comes and goes in waves. With 16 MiB
/// a downloader had two thirds of its page faults here, and more memory in the end, since what is given
/// back to the allocator is not all given back to the kernel. [`Buffers::keep_trimmed`] is for the time after.
const IDLE_MAX: usize = 48 << 20;

/// How often what was not needed since the last time is freed.
const TRIM_EVERY: Duration = Duration::from_secs(10);

/// A pool of buffers. Clones are the same pool.
#[derive(Clone, Default)]
pub struct Buffers(Arc<Mutex<Pool>>);

#[derive(Default)]
struct Pool {
    shelves: [Shelf; SHELVES],
    /// Bytes on all shelves.
    idle: usize,
}

/// Buffers of one size.
#[derive(Default)]
struct Shelf {
    idle: Vec<Vec<u8>>,
    /// The fewest that it had since it was trimmed.
    fewest: usize,
}

impl Buffers {
    /// An empty buffer with room for `len` bytes.
    #[must_use]
    pub fn take(&self, len: usize) -> Buffer {
        let Some(shelf) = shelf_for(len) else {
            return Buffer { bytes: vec![0; len], filled: 0, home: None };
        };
        let bytes = self.with(|pool| {
            let Shelf { idle, fewest } = &mut pool.shelves[shelf];
            let bytes = idle.pop();
            *fewest = idle.len().min(*fewest);
            pool.idle -= bytes.as_ref().map_or(0, Vec::len);
            bytes
        });
        let bytes = bytes.unwrap_or_else(|| vec![0; room_on(shelf)]);
        Buffer { bytes, filled: 0, home: Some(self.clone()) }
    }

    /// Frees now and then what nobody needs any more, so that a node that has been busy does not keep the
    /// memory for it. Until the task is ended.
    pub async fn keep_trimmed(self) {
        loop {
            tokio::time::sleep(TRIM_EVERY).await;
            self.trim();
        }
    }

    /// Frees what nobody has needed since the last call.
    fn trim(&self) {
        let unneeded: Vec<Vec<u8>> = self.with(|pool| {
            let Pool { shelves, idle } = pool;
            let unneeded = shelves.iter_mut().flat_map(|shelf| {
                let unneeded = shelf.idle.drain(..shelf.fewest).collect::<Vec<_>>();
                shelf.fewest = shelf.idle.len();
                unneeded
            });
            unneeded.inspect(|bytes| *idle -= bytes.len()).collect()
        });
        // Here, and not under the lock.
        drop(unneeded);
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let room = bytes.len();
        let Some(shelf) = (0..SHELVES).find(|&shelf| room_on(shelf) == room) else { return };
        let surplus = self.with(|pool| {
            if pool.idle + room > IDLE_MAX {
                return Some(bytes);
            }
            pool.idle += room;
            pool.shelves[shelf].idle.push(bytes);
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

/// Memory that is filled from the front and goes back to its pool when it is dropped. All of it was
/// written to at some time, so what is not filled holds old bytes and can be handed to a reader.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    home: Option<Buffers>,
}

impl Buffer {
    /// Bytes that are filled.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.filled
    }

    /// Whether nothing is filled.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// What is not filled yet, which may be more than was asked for.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// So many bytes of the room are filled now.
    ///
    /// # Panics
    /// If the room is shorter.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.bytes.len() - self.filled, "more was filled than there was room for");
        self.filled += n;
    }

    /// Fills in these bytes.
    ///
    /// # Panics
    /// If there is no room for them.
    pub fn put(&mut self, bytes: &[u8]) {
        self.room()[..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// The bytes, to be shared. The buffer goes back when the last one lets go of them.
    #[must_use]
    pub fn freeze(mut self) -> Bytes {
        if self.home.is_some() {
            return Bytes::from_owner(self);
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(self.filled);
        bytes.into()
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
        &self.bytes[..self.filled]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.filled]
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} of {} bytes)", self.filled, self.bytes.len())
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
        let address = second.as_ref().as_ptr();
        drop(first);
        drop(second);
        let mut again = buffers.take(600 << 10);
        assert_eq!((again.as_ref().as_ptr(), again.len()), (address, 0));
        again.put(b"pay");
        again.room()[..4].copy_from_slice(b"load");
        again.advance(4);
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
        assert_eq!(idle(&buffers), 0);
    }

    #[test]
    fn what_nobody_needed_between_two_trims_is_freed() {
        let buffers = Buffers::default();
        let many: Vec<_> = (0..5).map(|_| buffers.take(MIB)).collect();
        drop((many, buffers.take(MIB / 4)));
        let trimmed = || {
            buffers.trim();
            idle(&buffers)
        };
        assert_eq!(trimmed(), 5 * (MIB + SLACK) + MIB / 4 + SLACK, "all were in use");
        let busy = [buffers.take(MIB), buffers.take(MIB)];
        drop(busy);
        assert_eq!([trimmed(), trimmed()], [2 * (MIB + SLACK), 0]);
    }

    #[test]
    fn little_lies_idle() {
        let buffers = Buffers::default();
        let many: Vec<_> = (0..100).map(|_| buffers.take(MIB)).collect();
        drop(many);
        assert!((IDLE_MAX - 2 * MIB..=IDLE_MAX).contains(&idle(&buffers)));
    }
}

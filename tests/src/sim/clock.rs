//! Virtual time: a queue of what will happen, and when.

use std::{cmp::Ordering, collections::BinaryHeap, time::Duration};

use swarm_engine::Time;

/// What will happen, earliest first; of two things at one time, the one that was put in first.
///
/// Time moves only in [`Queue::pop`].
#[derive(Debug)]
pub struct Queue<E> {
    now: Time,
    next: u64,
    heap: BinaryHeap<Entry<E>>,
}

#[derive(Debug)]
struct Entry<E> {
    time: Time,
    seq: u64,
    event: E,
}

impl<E> Queue<E> {
    /// Nothing will happen.
    #[must_use]
    pub const fn new() -> Self {
        Self { now: Time::ZERO, next: 0, heap: BinaryHeap::new() }
    }

    /// The present.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Lets something happen at a time, or now if that has passed.
    pub fn at(&mut self, time: Time, event: E) {
        let (time, seq) = (time.max(self.now), self.next);
        self.next += 1;
        self.heap.push(Entry { time, seq, event });
    }

    /// Lets something happen in a while.
    pub fn after(&mut self, delay: Duration, event: E) {
        self.at(self.now + delay, event);
    }

    /// When the next thing happens.
    #[must_use]
    pub fn peek(&self) -> Option<Time> {
        self.heap.peek().map(|entry| entry.time)
    }

    /// Goes to the time of the next thing and hands it over.
    pub fn pop(&mut self) -> Option<E> {
        let Entry { time, event, .. } = self.heap.pop()?;
        self.now = time;
        Some(event)
    }

    /// Goes to a time before the next thing.
    ///
    /// # Panics
    /// If something should have happened before.
    pub fn skip_to(&mut self, time: Time) {
        assert!(self.peek().is_none_or(|next| next >= time), "an event was skipped");
        self.now = self.now.max(time);
    }
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Reversed: the heap hands out its greatest entry.
        (other.time, other.seq).cmp(&(self.time, self.seq))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_and_then_of_entry() {
        let mut queue = Queue::new();
        queue.after(Duration::from_secs(2), 'c');
        queue.after(Duration::from_secs(1), 'a');
        queue.after(Duration::from_secs(1), 'b');
        assert_eq!(queue.pop(), Some('a'));
        // Nothing happens in the past.
        queue.at(Time::ZERO, 'd');
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, ['b', 'd', 'c']);
        assert_eq!(queue.now(), Time::from_nanos(2_000_000_000));
    }
}

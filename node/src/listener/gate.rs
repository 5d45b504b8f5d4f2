//! Which handshakes may be under way.
//!
//! A place is kept by whoever is quick. When all are taken the oldest handshake gives way, since it
//! is the likeliest to be somebody who connects and says nothing; an honest one takes a tenth of a
//! second. Half of the places are all that one address can take, so it can only crowd out itself.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
};

use tokio::task::AbortHandle;

/// The handshakes under way, oldest first, each with the place that it comes from.
#[derive(Debug)]
pub(super) struct Gate {
    max: usize,
    waiting: VecDeque<(IpAddr, AbortHandle)>,
}

impl Gate {
    /// With room for `max` handshakes.
    pub(super) fn new(max: usize) -> Self {
        Self { max, waiting: VecDeque::with_capacity(max) }
    }

    /// Adds a handshake, for which another may have to end.
    pub(super) fn enter(&mut self, from: IpAddr, handshake: AbortHandle) {
        let place = place(from);
        self.waiting.retain(|(_, other)| !other.is_finished());
        let neighbours = self.waiting.iter().filter(|(other, _)| *other == place).count();
        let gives_way = if neighbours >= self.max.div_ceil(2) {
            self.waiting.iter().position(|(other, _)| *other == place)
        } else {
            (self.waiting.len() >= self.max).then_some(0)
        };
        if let Some((_, oldest)) = gives_way.and_then(|at| self.waiting.remove(at)) {
            oldest.abort();
        }
        self.waiting.push_back((place, handshake));
    }
}

/// One customer of the network: an IPv4 address, or a /64, of which anybody has all the addresses.
fn place(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::JoinHandle;

    use super::*;

    fn enter(gate: &mut Gate, from: &str) -> JoinHandle<()> {
        let handshake = tokio::spawn(pending());
        gate.enter(from.parse().unwrap(), handshake.abort_handle());
        handshake
    }

    #[tokio::test]
    async fn the_oldest_gives_way_and_one_place_only_to_itself() {
        let mut gate = Gate::new(4);
        let other = enter(&mut gate, "10.0.0.1");
        let first = enter(&mut gate, "2001:db8::1");
        let second = enter(&mut gate, "2001:db8::2");
        let third = enter(&mut gate, "2001:db8::3");
        assert!(first.await.unwrap_err().is_cancelled());
        let fourth = enter(&mut gate, "10.0.0.2");
        assert!(!other.is_finished());
        let fifth = enter(&mut gate, "10.0.0.3");
        assert!(other.await.unwrap_err().is_cancelled());
        for going_on in [second, third, fourth, fifth] {
            assert!(!going_on.is_finished());
        }
    }

    #[tokio::test]
    async fn a_finished_handshake_takes_no_place() {
        let mut gate = Gate::new(1);
        let mut done = tokio::spawn(async {});
        gate.enter("10.0.0.1".parse().unwrap(), done.abort_handle());
        (&mut done).await.unwrap();
        let going_on = enter(&mut gate, "10.0.0.1");
        tokio::task::yield_now().await;
        assert!(!going_on.is_finished());
        assert_eq!(gate.waiting.len(), 1);
    }
}

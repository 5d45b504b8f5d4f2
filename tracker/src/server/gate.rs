//! How many connections there may be, in all and from one place.
//!
//! A connection costs memory before anybody has proved anything, and a handshake costs more work here
//! than there. So both are counted by where they come from. Keys would not do: they are free.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Open connections, where nothing else limits them. With TLS one takes about 40 KiB, so this is 640
/// MiB if all are busy.
pub(super) const CONNECTIONS_MAX: u32 = 16 * 1024;
/// Open connections from one network: an office or a cluster behind one address, whose nodes open one
/// for each of their swarms.
const NETWORK_CONNECTIONS_MAX: u32 = 1024;
/// Connections that have not yet said who they are. Each may last as long as the handshake's time
/// limits; an attacker from one network must leave room for others.
const GREETING_MAX: u32 = 1024;
/// The same from one network: all of a cluster that starts at once, in two or three tries.
const NETWORK_GREETING_MAX: u32 = 128;

/// Where a connection comes from, as far as one owner may hold many addresses: an IPv4 address, or
/// the first half of an IPv6 address (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Network(u128);

impl Network {
    /// `None` for this machine itself, which is not limited: a demonstration or a test runs many nodes
    /// here, and its owner needs no attack to stop the tracker.
    fn of(ip: IpAddr) -> Option<Self> {
        match ip.to_canonical() {
            ip if ip.is_loopback() => None,
            IpAddr::V4(ip) => Some(Self(ip.to_ipv6_mapped().to_bits())),
            IpAddr::V6(ip) => Some(Self(ip.to_bits() >> 64 << 64)),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    open: u32,
    greeting: u32,
}

impl Count {
    const fn reaches(self, max: Self) -> bool {
        self.open >= max.open || self.greeting >= max.greeting
    }
}

#[derive(Debug, Default)]
struct Counts {
    total: Count,
    networks: HashMap<Network, Count>,
}

/// Lets connections in.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// How many there may be in all, and from one network.
    total_max: Count,
    network_max: Count,
    /// Held for a few instructions, never over an await.
    counts: Arc<Mutex<Counts>>,
}

impl Gate {
    /// With room for so many connections. If they are few, one network gets half of them.
    pub(super) fn new(connections_max: u32) -> Self {
        let open = connections_max.clamp(4, CONNECTIONS_MAX);
        let greeting = GREETING_MAX.min(open / 2);
        let network_max = Count {
            open: NETWORK_CONNECTIONS_MAX.min(open / 2),
            greeting: NETWORK_GREETING_MAX.min(greeting / 2),
        };
        Self { total_max: Count { open, greeting }, network_max, counts: Arc::default() }
    }

    /// A pass for a connection from there, if there is room.
    pub(super) fn enter(&self, ip: IpAddr) -> Option<Pass> {
        let network = Network::of(ip);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let here = network.and_then(|n| counts.networks.get(&n).copied()).unwrap_or_default();
        if counts.total.reaches(self.total_max) || here.reaches(self.network_max) {
            return None;
        }
        counts.change(network, |count| {
            count.open += 1;
            count.greeting += 1;
        });
        Some(Pass { gate: self.clone(), network, greeting: true })
    }

    /// Open connections.
    pub(super) fn open(&self) -> u32 {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).total.open
    }
}

impl Counts {
    fn change(&mut self, network: Option<Network>, f: impl Fn(&mut Count)) {
        f(&mut self.total);
        if let Some(network) = network {
            let count = self.networks.entry(network).or_default();
            f(count);
            if count.open == 0 {
                self.networks.remove(&network);
            }
        }
    }
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Gate,
    network: Option<Network>,
    greeting: bool,
}

impl Pass {
    /// The connection has said who it is.
    pub(super) fn greeted(&mut self) {
        if std::mem::replace(&mut self.greeting, false) {
            self.change(|count| count.greeting -= 1);
        }
    }

    fn change(&self, f: impl Fn(&mut Count)) {
        let mut counts = self.gate.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.change(self.network, f);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.greeted();
        self.change(|count| count.open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_network_leaves_room_for_others() {
        let gate = Gate::new(CONNECTIONS_MAX);
        let mut passes: Vec<Pass> = (0..).map_while(|_| gate.enter(ip("192.0.2.1"))).collect();
        assert_eq!(passes.len() as u32, NETWORK_GREETING_MAX);
        assert!(gate.enter(ip("192.0.2.2")).is_some());
        loop {
            passes.iter_mut().for_each(Pass::greeted);
            let Some(pass) = gate.enter(ip("::ffff:192.0.2.1")) else { break };
            passes.push(pass);
        }
        assert_eq!(passes.len() as u32, NETWORK_CONNECTIONS_MAX);
        drop(passes);
        assert_eq!(gate.open(), 0);
        assert!(gate.counts.lock().unwrap().networks.is_empty());
    }

    #[test]
    fn half_an_ipv6_address_is_one_network_and_this_machine_none() {
        assert_eq!(Network::of(ip("2001:db8::1")), Network::of(ip("2001:db8::ffff:1")));
        assert_ne!(Network::of(ip("2001:db8::1")), Network::of(ip("2001:db8:0:1::1")));
        assert_ne!(Network::of(ip("192.0.2.1")), Network::of(ip("192.0.2.2")));
        assert_eq!(Network::of(ip("::ffff:127.0.0.1")), None);
    }

    #[test]
    fn where_descriptors_are_few_there_is_room_for_others_still() {
        let gate = Gate::new(64);
        let mut passes: Vec<Pass> = (0..).map_while(|_| gate.enter(ip("192.0.2.1"))).collect();
        assert_eq!(passes.len(), 16);
        for n in 2..100 {
            passes.extend((0..).map_while(|_| gate.enter(IpAddr::from([192, 0, 2, n]))));
            passes.iter_mut().for_each(Pass::greeted);
        }
        assert_eq!(passes.len(), 64);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let gate = Gate::new(CONNECTIONS_MAX);
        let passes: Vec<Pass> = (0..).map_while(|_| gate.enter(ip("127.0.0.1"))).collect();
        assert_eq!(passes.len() as u32, GREETING_MAX);
        assert!(gate.enter(ip("192.0.2.1")).is_none());
        drop(passes);
        assert!(gate.enter(ip("192.0.2.1")).is_some());
    }
}

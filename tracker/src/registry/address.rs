//! Where a node may be dialled, and who may be told so.
//!
//! A tracker that hands out any address it is given can be used to make a whole swarm knock at a
//! stranger's door. So a node is handed out at the address that its announce came from. It may name
//! another host, for one behind a router or on several networks, but not one that is nobody's, and
//! not one of a network that is nearer to the tracker than the node itself. What is left to an
//! attacker is one TCP connection and a TLS hello from each node, since a node's key is checked before
//! anything else is said, and no reply names the same claimed address twice.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How far an address can be reached from. Later is farther.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// The machine itself.
    Host,
    /// A private network.
    Site,
    /// Anywhere.
    World,
}

impl Reach {
    /// How far this address can be reached from; `None` if it is no single host's.
    fn of(ip: IpAddr) -> Option<Self> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => Self::of_v6(ip),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Option<Self> {
        let [a, b, ..] = ip.octets();
        // 0/8 means "this network" (RFC 1122), 240/4 is reserved and ends in broadcast (RFC 1112).
        if a == 0 || ip.is_multicast() || a >= 240 {
            None
        } else if ip.is_loopback() {
            Some(Self::Host)
        } else if ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xC0 == 64) {
            // 100.64/10 is shared behind a carrier's NAT (RFC 6598).
            Some(Self::Site)
        } else {
            Some(Self::World)
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Option<Self> {
        if ip.is_unspecified() || ip.is_multicast() {
            None
        } else if ip.is_loopback() {
            Some(Self::Host)
        } else if ip.is_unique_local() || ip.is_unicast_link_local() {
            Some(Self::Site)
        } else {
            Some(Self::World)
        }
    }
}

/// How far the node behind this address can be assumed to reach.
pub(super) fn reach(from: SocketAddr) -> Reach {
    // An address that is nobody's cannot be seen at a socket; if it is, it gets only what is public.
    Reach::of(from.ip()).unwrap_or(Reach::World)
}

/// Where a node is to be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) addr: SocketAddr,
    /// How far from it can be dialled.
    pub(super) reach: Reach,
    /// Whether the node named the host itself, so that it may be someone else's.
    pub(super) claimed: bool,
}

impl Contact {
    /// Where a node seen at `from` is to be dialled that accepts peers at `port` and would like to be
    /// reached at `advertise`; `None` if it accepts none.
    pub(super) fn new(from: SocketAddr, advertise: Option<IpAddr>, port: u16) -> Option<Self> {
        if port == 0 {
            return None;
        }
        let seen = from.ip().to_canonical();
        let seen_reach = Reach::of(seen)?;
        let claim = advertise.map(|ip| ip.to_canonical()).filter(|&ip| ip != seen);
        let allowed = claim.and_then(|ip| {
            let reach = Reach::of(ip)?;
            (reach >= seen_reach).then_some((ip, reach))
        });
        let (ip, reach) = allowed.unwrap_or((seen, seen_reach));
        Some(Self { addr: SocketAddr::new(ip, port), reach, claimed: allowed.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialled(from: &str, advertise: Option<&str>, port: u16) -> Option<String> {
        let from = SocketAddr::new(from.parse().unwrap(), 50000);
        Contact::new(from, advertise.map(|ip| ip.parse().unwrap()), port)
            .map(|c| c.addr.to_string())
    }

    #[test]
    fn a_node_is_dialled_where_it_was_seen() {
        assert_eq!(dialled("203.0.113.5", None, 6000).unwrap(), "203.0.113.5:6000");
        assert_eq!(dialled("::ffff:203.0.113.5", None, 6000).unwrap(), "203.0.113.5:6000");
        assert_eq!(dialled("2001:db8::1", None, 6000).unwrap(), "[2001:db8::1]:6000");
        assert_eq!(dialled("203.0.113.5", None, 0), None);
    }

    #[test]
    fn a_node_may_name_a_host_that_is_as_far_away_or_farther() {
        for (from, advertise) in [
            ("127.0.0.1", "10.0.0.5"),
            ("127.0.0.1", "::1"),
            ("10.0.0.1", "192.168.1.1"),
            ("10.0.0.1", "203.0.113.5"),
            ("203.0.113.5", "198.51.100.7"),
            ("fd00::1", "2001:db8::1"),
        ] {
            let contact = dialled(from, Some(advertise), 1).unwrap();
            assert!(contact.contains(advertise), "{from} {advertise}");
        }
    }

    #[test]
    fn a_host_that_is_nobodys_or_nearer_is_ignored() {
        for advertise in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "ff02::1",
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ] {
            let contact = dialled("203.0.113.5", Some(advertise), 1).unwrap();
            assert_eq!(contact, "203.0.113.5:1", "{advertise}");
        }
        assert_eq!(dialled("10.0.0.9", Some("127.0.0.1"), 1).unwrap(), "10.0.0.9:1");
    }
}

//! The host and the port that go into a link: where others can dial this machine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::Path,
};

use swarm_proto::id::PeerId;

/// The first of the ports that are chosen from if the user names none: above those that Linux gives
/// to outgoing connections, which would be in the way now and then.
const PORTS_FROM: u16 = 61_000;
/// Pairs of ports, for a node and the tracker beside it: to the end of what there is.
const PORT_PAIRS: u64 = (u16::MAX - PORTS_FROM) as u64 / 2;

/// The port that this node listens on if the user names none and it is free: the same each time for
/// the same key and the same file or folder, so that a link that was passed on holds when it is
/// shared again.
pub fn usual_port(key: PeerId, shared: &Path) -> u16 {
    // FNV-1a. What differs is to be spread; there is no secret in it.
    let path = shared.as_os_str().as_encoded_bytes();
    let hash = key.as_bytes().iter().chain(path).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    PORTS_FROM + (hash % PORT_PAIRS * 2) as u16
}

/// The host that others should dial: the one that the user names, else the address listened on, else
/// the address that this machine sends from.
pub fn link_host(listen: SocketAddr, advertise: Option<&str>) -> String {
    advertise.map_or_else(|| local_ip(listen.ip()).to_string(), ToOwned::to_owned)
}

/// The address of this machine that a listener on `listen` is best reached at from this network.
pub fn local_ip(listen: IpAddr) -> IpAddr {
    if !listen.is_unspecified() {
        return listen;
    }
    // Addresses set aside for documentation (RFC 5737, RFC 3849): every route to the outside fits
    // them, and nothing is sent to them.
    let v4 = (IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)));
    let outside = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let v6 = (IpAddr::from(Ipv6Addr::UNSPECIFIED), IpAddr::from(outside));
    let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
    // A listener on [::] takes IPv4 too, and more machines have that.
    let found = source_address(v4).or_else(|| listen.is_ipv6().then(|| source_address(v6))?);
    found.unwrap_or(loopback)
}

/// The address that the system would send from. Connecting a datagram socket only looks up the route.
fn source_address((from, to): (IpAddr, IpAddr)) -> Option<IpAddr> {
    let socket = UdpSocket::bind((from, 0)).ok()?;
    socket.connect((to, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_host_comes_first_then_the_address_listened_on() {
        let listen = SocketAddr::from(([127, 0, 0, 7], 5));
        assert_eq!(link_host(listen, Some("files.example.org")), "files.example.org");
        assert_eq!(link_host(listen, None), "127.0.0.7");
        assert_eq!(link_host("[::1]:5".parse().unwrap(), None), "::1");
    }

    #[test]
    fn the_port_is_the_same_for_the_same_share_and_key() {
        let (a, b) = (PeerId::new([1; 32]), PeerId::new([2; 32]));
        let port = |key, path: &str| usual_port(key, Path::new(path));
        assert_eq!(port(a, "/data/weights"), 63_022);
        assert_ne!(port(a, "/data/weights"), port(a, "/data/weight"));
        assert_ne!(port(a, "/data/weights"), port(b, "/data/weights"));
        for n in 0..10_000 {
            let port = port(a, &n.to_string());
            assert!(port >= PORTS_FROM && port % 2 == 0 && port < u16::MAX, "{port}");
        }
    }

    #[test]
    fn without_an_address_one_of_this_machine_is_found() {
        for any in ["0.0.0.0:5", "[::]:5"] {
            let host: IpAddr = link_host(any.parse().unwrap(), None).parse().unwrap();
            assert!(!host.is_unspecified(), "{any}");
        }
    }
}

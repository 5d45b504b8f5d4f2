//! The host that goes into a link: where others can dial this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

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
    fn without_an_address_one_of_this_machine_is_found() {
        for any in ["0.0.0.0:5", "[::]:5"] {
            let host: IpAddr = link_host(any.parse().unwrap(), None).parse().unwrap();
            assert!(!host.is_unspecified(), "{any}");
        }
    }
}
